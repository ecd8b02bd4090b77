// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict.h"

#include "console.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace snapdiff::demo {

void Verdict::check(bool good, const std::string &what, const std::string &seen)
{
	checks_.push_back({good, what, seen});
	say((good ? "ok: " : "WRONG: ") + what + ": " + seen);
}

int Verdict::conclude(size_t expected, const std::string &trouble, const std::string &file) const
{
	const auto good = static_cast<size_t>(
		std::count_if(checks_.begin(), checks_.end(), [](auto &c) { return c.good; }));
	const bool pass = good == checks_.size() && checks_.size() == expected && trouble.empty();
	char line[128];

	heading("What was seen");
	for (const Check &check : checks_)
		std::printf("  %-5s  %-58s  %s\n", check.good ? "ok" : "WRONG", check.what.c_str(),
			    check.seen.c_str());
	if (!trouble.empty())
		std::printf("\ndemo: it could not go on: %s\n", trouble.c_str());
	std::snprintf(line, sizeof(line), "demo: %s, %zu of %zu checks good, %.0f s in the guest",
		      pass ? "PASS" : "FAIL", good, expected, elapsed());
	std::fflush(stdout);
	std::ofstream(file) << line << "\n";
	return pass ? 0 : 1;
}

} // namespace snapdiff::demo
