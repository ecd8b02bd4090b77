// SPDX-License-Identifier: GPL-2.0-or-later
//
// Several: does one thing to each of several objects.

#include "cli/several.h"

#include <optional>

namespace snapdiff::cli {

Outcome forEach(Session &session, const std::vector<std::string> &objects,
		const std::function<Result<>(const std::string &)> &act)
{
	std::optional<Error> last;
	size_t failed = 0;

	for (const std::string &object : objects) {
		Result<> done = act(object);
		if (done)
			continue;
		// The last one is said by the caller if nothing at all was done.
		if (last)
			sayError(session.err, *last);
		last = std::move(done).error();
		failed++;
	}
	if (!last)
		return Exit::Ok;
	if (failed == objects.size())
		return *last;
	sayError(session.err, *last);
	return Exit::Partial;
}

} // namespace snapdiff::cli
