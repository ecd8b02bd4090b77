// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clock: the time, given from outside so that tests can turn it.

#pragma once

#include <cstdint>
#include <string>

namespace snapdiff {

class Clock
{
public:
	virtual ~Clock() = default;

	// Monotonic, nanoseconds since some point; never goes back, counts no sleep.
	virtual int64_t monotonicNs() const = 0;

	// Seconds since 1970, UTC.
	virtual int64_t wallSeconds() const = 0;

	virtual void sleepMs(unsigned ms) = 0;
};

class SystemClock : public Clock
{
public:
	int64_t monotonicNs() const override;
	int64_t wallSeconds() const override;
	void sleepMs(unsigned ms) override;
};

// "2024-05-01T09:30:00Z"
std::string formatUtc(int64_t seconds);

// "20240501T093000Z": a legal name for a snapshot, sorts by time.
std::string formatStamp(int64_t seconds);

} // namespace snapdiff
