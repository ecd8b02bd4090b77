// SPDX-License-Identifier: GPL-2.0-or-later
//
// Several: does one thing to each of several objects; what fails is said at once,
// and the others are still done.

#pragma once

#include "cli/verb.h"
#include "util/result.h"

#include <functional>
#include <string>
#include <vector>

namespace snapdiff::cli {

// Exit::Partial when some were done and some not; the one error when none was.
Outcome forEach(Session &session, const std::vector<std::string> &objects,
		const std::function<Result<>(const std::string &)> &act);

} // namespace snapdiff::cli
