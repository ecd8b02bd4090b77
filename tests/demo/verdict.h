// SPDX-License-Identifier: GPL-2.0-or-later
//
// Verdict: what had to be so, and what was seen.

#pragma once

#include <string>
#include <vector>

namespace snapdiff::demo {

class Verdict
{
public:
	// Adds a check and says it.
	void check(bool good, const std::string &what, const std::string &seen);

	// The table and the last line, which also goes to the file; the exit status.
	// Fewer checks than expected fail, because the story ended early; trouble says why.
	int conclude(size_t expected, const std::string &trouble, const std::string &file) const;

private:
	struct Check
	{
		bool good;
		std::string what;
		std::string seen;
	};

	std::vector<Check> checks_;
};

} // namespace snapdiff::demo
