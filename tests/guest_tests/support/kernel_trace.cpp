// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel's own tracing saw of this thread.

#include "support/kernel_trace.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

const std::string folder = "/sys/kernel/debug/tracing/";
const std::string pages = "mm_page_alloc";

void put(const std::string &file, const std::string &text)
{
	std::ofstream to(folder + file);
	to << text << std::flush;
	if (!to)
		throw std::runtime_error("cannot write to " + folder + file + ": " + text);
}

// As far as they are there.
void stop() noexcept
{
	for (const char *file :
	     {"tracing_on", "events/kmem/mm_page_alloc/enable", "events/snapdiff/enable"})
		std::ofstream(folder + file) << "0" << std::flush;
	for (const char *file : {"kprobe_events", "set_event_pid", "trace"})
		std::ofstream(folder + file, std::ios::trunc) << "\n" << std::flush;
}

} // namespace

bool canTrace()
{
	return std::filesystem::exists(folder + "kprobe_events") &&
	       std::filesystem::exists(folder + "events/kmem/" + pages);
}

PageTrace::PageTrace(const std::string &function)
{
	const std::string place = " dm_snapdiff:" + function + "\n";
	try {
		put("kprobe_events", "p:snapdiff/entry" + place + "r:snapdiff/leave" + place);
		put("set_event_pid", std::to_string(gettid()));
		put("trace", "\n");
		put("buffer_size_kb", "4096");
		put("events/snapdiff/enable", "1");
		put("events/kmem/" + pages + "/enable", "1");
		put("tracing_on", "1");
	} catch (...) {
		stop();
		throw;
	}
}

PageTrace::~PageTrace()
{
	stop();
}

std::vector<std::string> PageTrace::requests()
{
	put("tracing_on", "0");
	std::ifstream trace(folder + "trace");
	std::vector<std::string> found;
	bool inside = false;
	for (std::string line; std::getline(trace, line);) {
		if (line.starts_with("#"))
			continue;
		if (line.find(" entry: ") != std::string::npos)
			inside = true;
		else if (line.find(" leave: ") != std::string::npos)
			inside = false;
		else if (inside && line.find(pages + ": ") != std::string::npos)
			found.push_back(line.substr(line.find(pages)));
	}
	return found;
}

} // namespace snapdiff::lab
