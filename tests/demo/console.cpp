// SPDX-License-Identifier: GPL-2.0-or-later
#include "console.h"

#include <chrono>
#include <cstdio>
#include <mutex>

namespace snapdiff::demo {

namespace {

const auto began = std::chrono::steady_clock::now();
std::mutex outputMutex;
int headings = 0;

} // namespace

double elapsed()
{
	return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void heading(std::string_view text)
{
	const std::lock_guard lock(outputMutex);
	std::printf("\n[%3.0f s] %d. %.*s\n", elapsed(), ++headings, static_cast<int>(text.size()),
		    text.data());
	std::fflush(stdout);
}

void say(std::string_view text)
{
	const std::lock_guard lock(outputMutex);
	std::printf("        %.*s\n", static_cast<int>(text.size()), text.data());
	std::fflush(stdout);
}

void quote(std::string_view text)
{
	const std::lock_guard lock(outputMutex);
	while (!text.empty()) {
		const std::string_view line = text.substr(0, text.find('\n'));
		std::printf("          | %.*s\n", static_cast<int>(line.size()), line.data());
		text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
	}
	std::fflush(stdout);
}

std::string mib(uint64_t bytes)
{
	char text[32];
	std::snprintf(text, sizeof(text), "%.1f MiB", static_cast<double>(bytes) / (1U << 20));
	return text;
}

std::string counted(uint64_t number, std::string_view one, std::string_view many)
{
	std::string text = std::to_string(number) + " ";
	if (number == 1)
		return text.append(one);
	return many.empty() ? text.append(one).append("s") : text.append(many);
}

} // namespace snapdiff::demo
