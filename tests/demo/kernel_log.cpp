// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel_log.h"

#include "command.h"
#include "trouble.h"

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

namespace snapdiff::demo {

namespace {

// What the tests' guest takes for harmless, too: a regular expression a line.
std::vector<std::regex> harmless()
{
	std::ifstream file(SNAPDIFF_NOISE_FILE);
	if (!file)
		throw Trouble("read " SNAPDIFF_NOISE_FILE ": it cannot be opened");
	std::vector<std::regex> patterns;
	for (std::string line; std::getline(file, line);)
		if (!line.empty() && !line.starts_with("#"))
			patterns.emplace_back(line);
	return patterns;
}

std::vector<std::string> warningLines()
{
	const std::vector<std::regex> patterns = harmless();
	std::istringstream text(run({"dmesg", "--notime", "--level=emerg,alert,crit,err,warn"}));
	std::vector<std::string> lines;

	for (std::string line; std::getline(text, line);)
		if (std::none_of(patterns.begin(), patterns.end(),
				 [&](auto &pattern) { return std::regex_search(line, pattern); }))
			lines.push_back(line);
	return lines;
}

} // namespace

KernelLog::KernelLog() : before_(warningLines())
{
}

std::vector<std::string> KernelLog::warnings() const
{
	std::vector<std::string> lines = warningLines();
	lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(before_.size()));
	return lines;
}

} // namespace snapdiff::demo
