// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges and places: take, give, extend, fail, shrink, against a flag per place.
#include "space_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	spaceHistory(History(bytes, size));
	return 0;
}
