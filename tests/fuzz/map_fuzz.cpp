// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk map: takes, ends, writers, moves and reaping against its shadow.
#include "map_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	mapHistory(History(bytes, size));
	return 0;
}
