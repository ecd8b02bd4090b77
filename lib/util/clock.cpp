// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clock: the time, given from outside so that tests can turn it.

#include "util/clock.h"

#include <cerrno>
#include <ctime>

namespace snapdiff {

int64_t SystemClock::monotonicNs() const
{
	timespec now = {};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int64_t SystemClock::wallSeconds() const
{
	return ::time(nullptr);
}

void SystemClock::sleepMs(unsigned ms)
{
	timespec rest = {ms / 1000, static_cast<long>(ms % 1000) * 1'000'000};
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

static tm partsOf(int64_t seconds)
{
	const time_t when = seconds;
	tm parts = {};
	if (!gmtime_r(&when, &parts))
		parts = {};
	return parts;
}

std::string formatUtc(int64_t seconds)
{
	const tm parts = partsOf(seconds);
	char text[64];
	return {text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string formatStamp(int64_t seconds)
{
	const tm parts = partsOf(seconds);
	char text[64];
	return {text, strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &parts)};
}

} // namespace snapdiff
