// SPDX-License-Identifier: GPL-2.0-or-later
// What runs beside a measurement: programs that want all processors, and a look at a size that is
// to grow.
#pragma once

#include "samples.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace snapdiff::bench {

enum class Load { Idle, Busy };

const char *word(Load load);

// A thread for each processor that never sleeps, while it lives and the load is Busy.
class Hogs
{
public:
	explicit Hogs(Load load);
	~Hogs();
	Hogs(const Hogs &) = delete;
	Hogs &operator=(const Hogs &) = delete;

private:
	std::atomic<bool> stop_ = false;
	std::vector<std::thread> threads_;
};

// Looks at a size again and again, before all other programs, and keeps when it had grown.
class GrowthWatch
{
public:
	GrowthWatch(std::function<uint64_t()> size, std::chrono::microseconds every);
	~GrowthWatch();
	GrowthWatch(const GrowthWatch &) = delete;
	GrowthWatch &operator=(const GrowthWatch &) = delete;

	// The first growth that was seen at or after this time.
	std::optional<Clock::time_point> since(Clock::time_point time) const;

private:
	void run();

	std::function<uint64_t()> size_;
	std::chrono::microseconds every_;
	std::atomic<bool> stop_ = false;
	mutable std::mutex mutex_;
	std::vector<Clock::time_point> growths_;
	std::thread thread_;
};

// A thread as the daemon is one: it sleeps in poll(2), and when it is woken it does one thing.
// The time from before the wake-up to after the thing, so many times.
Samples bareCost(const std::function<void()> &thing, unsigned times);

} // namespace snapdiff::bench
