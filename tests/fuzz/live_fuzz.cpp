// SPDX-License-Identifier: GPL-2.0-or-later
// Live snapshots and who reads what, against a list of all records.
#include "live_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	liveHistory(History(bytes, size));
	return 0;
}
