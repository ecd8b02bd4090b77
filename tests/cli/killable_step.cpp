// SPDX-License-Identifier: GPL-2.0-or-later
//
// Test hook: raises SIGKILL at the step boundary number SNAPDIFF_KILL_AT (from 1).

#include "ops/step.h"

#include <csignal>
#include <cstdlib>

namespace snapdiff::ops {

void step(const char *) noexcept
{
	static int passed = 0;

	const char *at = getenv("SNAPDIFF_KILL_AT");
	if (at && ++passed == atoi(at))
		raise(SIGKILL);
}

} // namespace snapdiff::ops
