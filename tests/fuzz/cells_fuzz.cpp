// SPDX-License-Identifier: GPL-2.0-or-later
// Cells that come and go, against a search of all pairs.
#include "cells_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cellsHistory(History(bytes, size));
	return 0;
}
