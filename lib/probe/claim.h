// SPDX-License-Identifier: GPL-2.0-or-later
//
// Claim: takes a whole device for ourselves if it is proven that nobody uses it.

#pragma once

#include "probe/probe.h"
#include "util/fd.h"

#include <string>

namespace snapdiff::probe {

struct Claimed
{
	BlockDevice device;
	Fd open;  // for reading
	Fd claim; // O_EXCL: as long as it is open, nobody else gets the device exclusively
};

// Everything is looked at while the claim is held, so that what was found stays true.
// Kind Busy: somebody uses it or something is on it; the error says what, and what to do.
Result<Claimed> claimUnused(const std::string &path);

} // namespace snapdiff::probe
