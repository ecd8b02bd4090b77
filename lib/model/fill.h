// SPDX-License-Identifier: GPL-2.0-or-later
//
// Fill, worst case and severity: computed here, once, for daemon, CLI and GUI.

#pragma once

#include "model/store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace snapdiff::model {

// used of capacity, 0 to 1; 0 for a store without ranges.
double fillOf(const dm::Summary &summary);

struct WorstCase
{
	// Sectors that first writes to every unsafe chunk of every origin, and
	// writes to writable images, would still take.  Valid until the next take.
	uint64_t needed = 0;

	// They are free already, or free and available together, and no write waits now.
	bool cannotOverflow = false;
};

// available: sectors beyond the free ones that could still be given to the store
// (reserve, space to carve); 0 when nobody knows.
WorstCase worstCase(const Store &store, uint64_t available = 0);

enum class Severity { Ok, Notice, Warning, Critical };

std::string_view word(Severity severity);

struct SeverityInput
{
	dm::Summary summary;
	WorstCase worst;
	bool hasLiveSnapshots = false;
	bool hasInvalidSnapshots = false;
	bool hasFailedRanges = false;
	std::optional<uint64_t> timeToFullMs; // from the forecast, if there is one
};

struct Judgement
{
	Severity severity = Severity::Ok;

	// One sentence, for people; empty when all is well.
	std::string reason;

	bool operator==(const Judgement &) const = default;
};

// Time first, percent second: critical below 2 min to full or while writers are
// held or the store is full with live snapshots; warning below 15 min, low water,
// an invalid snapshot or a failed range; a store that cannot overflow any more is
// never worse than its snapshots and ranges are.
Judgement judge(const SeverityInput &input);
Judgement judge(const Store &store, std::optional<uint64_t> timeToFullMs = {},
		uint64_t available = 0);

} // namespace snapdiff::model
