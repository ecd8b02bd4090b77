// SPDX-License-Identifier: GPL-2.0-or-later
//
// Operation: what a method of org.snapdiff1 asks to be done, and what came of it, as
// values and as the text on the socket between the daemon and its worker.

#pragma once

#include "util/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::daemon {

struct Operation
{
	enum class Verb {
		Attach,
		Detach,
		Create,
		Take,
		Delete,
		Extend,
		Remove, // a store
		Mount,
		Unmount,
		Reload, // the configuration
	};

	Verb verb = Verb::Reload;
	std::string store;		  // dm name; empty: found by lib/ops
	std::string snapshot;		  // empty in a take: named by the time
	std::vector<std::string> origins; // dm names
	std::vector<std::string> vgs;
	std::vector<std::string> devices; // paths
	uint64_t size = 0;		  // sectors to carve
	uint64_t chunk = 0;		  // sectors; 0: the default
	unsigned timeoutMs = 2000;	  // of a take
	unsigned ranges = 0;		  // to be given out of the reserve
	bool freeze = true;
	bool force = false;
	bool keepImages = false;

	// What is done by the daemon itself, at once: it waits for nobody.
	bool isInside() const { return verb == Verb::Reload || ranges > 0; }

	bool operator==(const Operation &) const = default;
};

// "attach", "take", ... as in the names of the polkit actions where there is one.
std::string_view word(Operation::Verb verb);

// "take monday of vg0-home in store snapdiff-vg0": for messages and the journal.
std::string describe(const Operation &operation);

struct GivenRange
{
	std::string device;
	uint64_t sectors = 0;
	bool alreadyThere = false;

	bool operator==(const GivenRange &) const = default;
};

struct MountedImage
{
	std::string origin;
	std::string image; // path of the device
	std::string target;

	bool operator==(const MountedImage &) const = default;
};

// Each verb fills what concerns it.
struct Outcome
{
	std::optional<Error> error;
	std::string errorWord; // of org.snapdiff1.Error; empty: what kind of error says

	std::string store;
	std::string snapshot;
	bool newStore = false;
	std::vector<std::string> names; // attached origins, images, volumes removed, mount points
	std::vector<std::string> origins;
	std::vector<std::string> frozen; // mount points
	uint64_t frozenUs = 0;
	uint64_t takeUs = 0;
	std::vector<GivenRange> ranges;
	std::vector<MountedImage> mounted;
};

// How long the operation may take at most, when no lvm takes longer than that.
int64_t timeLimitMs(const Operation &operation, unsigned lvmTimeoutMs);

Outcome failed(Error error, std::string_view errorWord = {});

// The last part of the D-Bus error's name: "Busy", "NoSpace", ...
std::string errorWord(const Outcome &outcome);

// One line each, with its end.  A line that is no such thing: EPROTO.
std::string format(const Operation &operation);
Result<Operation> parseOperation(std::string_view line);
std::string format(const Outcome &outcome);
Result<Outcome> parseOutcome(std::string_view line);

} // namespace snapdiff::daemon
