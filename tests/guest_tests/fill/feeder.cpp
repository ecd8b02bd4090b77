// SPDX-License-Identifier: GPL-2.0-or-later
// What fills need around them.

#include "fill/feeder.h"

#include "harness/patience.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <thread>

namespace snapdiff::lab {

namespace {

// So near to the mark an event is about to come, or on its way.
constexpr uint64_t margin = mib;
long long nowMs()
{
	using namespace std::chrono;
	return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

} // namespace

Feeder::Feeder(const FeederPlan &plan)
	: plan_(plan), first_("sdt0", {2}, plan.groupSectors, "1m"),
	  second_("sdt1", {3}, plan.groupSectors, "1m"), daemon_({.config = configuration(plan)})
{
	first_.carveReserve((plan.reserveRanges + 1) / 2, plan.rangeSize);
	second_.carveReserve(plan.reserveRanges / 2, plan.rangeSize);
	for (size_t i = 0; i < plan.fields; i++)
		fields_.emplace_back(static_cast<int>(i % 2), static_cast<int>(2 + i % 2),
				     plan.originSectors);
}

std::string Feeder::configuration(const FeederPlan &plan)
{
	return std::string("supplies = [\"sdt0\", \"sdt1\"]\n"
			   "policy = \"spread\"\n"
			   "return_after = 1\n"
			   "min_range_size = \"1MiB\"\n"
			   "range_size = \"") +
	       plan.rangeSize + "\"\nreserve_ranges = " + std::to_string(plan.reserveRanges) +
	       "\nreserve_max_ranges = " + std::to_string(plan.reserveMaxRanges) +
	       "\nlow_water = \"" + plan.lowWater + "\"\n";
}

bool Feeder::ready(int seconds) const
{
	return daemon_.waitForReserve(plan_.reserveRanges, seconds);
}

size_t Feeder::carved()
{
	const std::vector<std::string> names = dmDeviceNames();
	return static_cast<size_t>(
		std::count_if(names.begin(), names.end(), [](const std::string &name) {
			return name.starts_with("sdt0-snapdiff.") ||
			       name.starts_with("sdt1-snapdiff.");
		}));
}

bool Feeder::takeBack(int seconds) const
{
	daemon_.send(SIGHUP);
	const long long until = nowMs() + seconds * 1000LL * patience();
	// Counted again each time: what is too much for the reserve is removed meanwhile.
	while (daemon_.openDevices().size() < carved()) {
		if (nowMs() > until) {
			ADD_FAILURE() << daemon_.openDevices().size() << " of " << carved()
				      << " carved volumes are in the reserve\n"
				      << daemon_.log();
			return false;
		}
		std::this_thread::sleep_for(std::chrono::milliseconds(100));
	}
	return ready(seconds);
}

Tormentor::Tormentor(DaemonProcess &daemon, Way way, unsigned outageMs)
	: daemon_(daemon), way_(way), outageMs_(outageMs)
{
}

bool Tormentor::isWorstMoment(const std::vector<Summary> &stores) const
{
	return std::any_of(stores.begin(), stores.end(), [](const Summary &now) {
		return now.lowWater && now.free <= now.lowWater + margin;
	});
}

void Tormentor::look(const std::vector<Summary> &stores)
{
	const long long now = nowMs();
	const bool worst = isWorstMoment(stores);

	if (away_) {
		if (now >= backAtMs_)
			finish();
	} else if (!worst) {
		armed_ = true;
	} else if (armed_) {
		if (way_ == Way::Stop)
			daemon_.send(SIGSTOP);
		else
			daemon_.stop(SIGKILL);
		away_ = true;
		armed_ = false;
		backAtMs_ = now + outageMs_;
		outages_++;
	}
	std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Tormentor::finish()
{
	if (!away_)
		return;
	away_ = false;
	if (way_ == Way::Stop)
		daemon_.send(SIGCONT);
	else
		daemon_.start();
}

} // namespace snapdiff::lab
