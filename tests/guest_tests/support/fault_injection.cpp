// SPDX-License-Identifier: GPL-2.0-or-later
// Failing allocations on purpose.

#include "support/fault_injection.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

constexpr const char *kinds[] = {"failslab", "fail_page_alloc"};
constexpr uint64_t mostFaults = 1000000;

void put(const std::string &path, const std::string &text)
{
	std::ofstream file(path);
	file << text << std::flush;
	if (!file)
		throw std::runtime_error("cannot write to " + path);
}

std::string settingOf(const std::string &kind, const std::string &name)
{
	return "/sys/kernel/debug/" + kind + "/" + name;
}

uint64_t numberIn(const std::string &path)
{
	uint64_t number = 0;
	std::ifstream(path) >> number;
	return number;
}

} // namespace

bool canInjectFaults()
{
	return std::filesystem::exists(settingOf("failslab", "times")) &&
	       std::filesystem::exists("/proc/thread-self/fail-nth");
}

FaultInjection::FaultInjection() : fd_(open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC))
{
	if (fd_ < 0)
		throw std::system_error(errno, std::generic_category(), "fail-nth");
	for (const char *kind : kinds) {
		put(settingOf(kind, "verbose"), "0");
		put(settingOf(kind, "ignore-gfp-wait"), "N");
		put(settingOf(kind, "probability"), "0");
		put(settingOf(kind, "task-filter"), "Y");
		put(settingOf(kind, "times"), std::to_string(mostFaults));
	}
	put(settingOf("fail_page_alloc", "min-order"), "0");
}

FaultInjection::~FaultInjection()
{
	stopFailing();
	close(fd_);
}

bool FaultInjection::failNth(uint64_t n, const std::function<void()> &run) const
{
	const std::string text = std::to_string(n);
	if (pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
		throw std::system_error(errno, std::generic_category(), "fail-nth");
	run();
	char left[32] = {};
	const ssize_t got = pread(fd_, left, sizeof(left) - 1, 0);
	if (pwrite(fd_, "0", 1, 0) != 1 || got < 1)
		throw std::system_error(errno, std::generic_category(), "fail-nth");
	return std::strtoull(left, nullptr, 10) == 0;
}

// Only of them: what else runs here needs its memory, the guest's root among others.
void FaultInjection::markWorkers(bool fail)
{
	for (const auto &entry : std::filesystem::directory_iterator("/proc")) {
		std::ifstream file(entry.path() / "comm");
		std::string name;
		if (!std::getline(file, name) || !name.starts_with("kworker/u"))
			continue;
		std::ofstream(entry.path() / "make-it-fail") << (fail ? "1" : "0") << std::flush;
	}
}

void FaultInjection::failWorkers(unsigned percent)
{
	markWorkers(true);
	for (const char *kind : kinds)
		put(settingOf(kind, "probability"), std::to_string(percent));
}

uint64_t FaultInjection::stopFailing()
{
	uint64_t failed = 0;
	for (const char *kind : kinds) {
		put(settingOf(kind, "probability"), "0");
		failed += mostFaults - numberIn(settingOf(kind, "times"));
		put(settingOf(kind, "times"), std::to_string(mostFaults));
	}
	markWorkers(false);
	return failed;
}

} // namespace snapdiff::lab
