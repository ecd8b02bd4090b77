// SPDX-License-Identifier: GPL-2.0-or-later
// What a test of the product under systemd asks the machine.
#include "service/commands.h"

#include "harness/patience.h"
#include "support/command.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace snapdiff::lab {

std::string property(const std::string &unit, const std::string &name)
{
	return outputOf("systemctl show --value -p " + name + " '" + unit + "'");
}

uint64_t timeOf(const std::string &unit, const std::string &name)
{
	return std::strtoull(property(unit, name).c_str(), nullptr, 10);
}

std::string readAll(const std::string &path)
{
	std::ostringstream text;
	text << std::ifstream(path).rdbuf();
	return text.str();
}

bool contains(const std::string &text, const std::string &words)
{
	return text.find(words) != std::string::npos;
}

bool comes(const std::function<bool()> &condition)
{
	for (int i = 0; i < 30 * 2 * patience(); i++) {
		if (condition())
			return true;
		usleep(500'000);
	}
	return false;
}

} // namespace snapdiff::lab
