// SPDX-License-Identifier: GPL-2.0-or-later
// How long a test waits for what should come.
#include "harness/patience.h"

#include <algorithm>
#include <cstdlib>

namespace snapdiff::lab {

int patience()
{
	const char *const text = std::getenv("SNAPDIFF_PATIENCE");
	return text ? std::max(std::atoi(text), 1) : 4;
}

} // namespace snapdiff::lab
