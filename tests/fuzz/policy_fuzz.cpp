// SPDX-License-Identifier: GPL-2.0-or-later
// Low water, hold and drops in any order, against the words of the rules.
#include "policy_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	policyHistory(History(bytes, size));
	return 0;
}
