// SPDX-License-Identifier: GPL-2.0-or-later
// A writer whose rate doubles.

#include "fill/filler.h"

#include "harness/block_device.h"
#include "support/async_io.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <system_error>
#include <thread>

namespace snapdiff::lab {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto tick = std::chrono::milliseconds(2);
// Less than this part of the wanted rate means that something else is the limit.
constexpr double reachedPart = 0.75;

double secondsSince(Clock::time_point then)
{
	return std::chrono::duration<double>(Clock::now() - then).count();
}

class Filler
{
public:
	Filler(const std::string &device, const FillPlan &plan,
	       const std::function<FillState()> &state)
		: device_(device), plan_(plan), state_(state), buffer_(plan.ioSectors, 0x5a),
		  io_(plan.depth), end_(device_.sectors() / plan.ioSectors * plan.ioSectors)
	{
	}

	std::vector<Stage> run()
	{
		heldBefore_ = state_().heldTotal;
		uint64_t rate = plan_.firstRate;
		for (;;) {
			const Stage done = runStage(rate);
			stages_.push_back(done);
			const bool enough = next_ >= plan_.leastSectors;
			if (done.lost || next_ >= end_ || (enough && done.limitedByDisks()))
				break;
			// A writer that has to wait does not know yet how this rate would go.
			if (!done.waited())
				rate *= 2;
		}
		// What is held still counts to the last rate.
		while (io_.inFlight() && !stages_.back().lost) {
			collect(stages_.back(), 0);
			look(stages_.back());
			std::this_thread::sleep_for(tick);
		}
		return stages_;
	}

private:
	Stage runStage(uint64_t rate)
	{
		Stage stage;
		stage.rate = rate;
		const auto began = Clock::now();
		uint64_t issued = 0;
		for (;;) {
			const double passed = secondsSince(began);
			const auto due = static_cast<uint64_t>(static_cast<double>(rate) * passed);
			while (next_ < end_ && issued < due && io_.hasRoom()) {
				issue();
				issued += buffer_.bytes();
			}
			io_.submit();
			collect(stage, 0);
			look(stage);
			stage.seconds = secondsSince(began);
			if (stage.lost || next_ >= end_ || stage.seconds * 1000 >= plan_.stageMs)
				return stage;
			std::this_thread::sleep_for(tick);
		}
	}

	void issue()
	{
		since_[next_] = Clock::now();
		io_.write(device_.fd(), next_, buffer_.data(), buffer_.sectors(), next_);
		next_ += buffer_.sectors();
	}

	void collect(Stage &stage, unsigned least)
	{
		for (const IoDone &done : io_.wait(least)) {
			if (done.error)
				throw std::system_error(done.error, std::generic_category(),
							"write to the filled device");
			const auto since = since_.find(done.cookie);
			stage.longestWriteMs =
				std::max(stage.longestWriteMs, secondsSince(since->second) * 1000);
			since_.erase(since);
			stage.bytes += buffer_.bytes();
		}
	}

	void look(Stage &stage)
	{
		const FillState now = state_();
		stage.held += now.heldTotal - heldBefore_;
		heldBefore_ = now.heldTotal;
		stage.longestHoldMs = std::max(stage.longestHoldMs, now.heldMs);
		stage.lost = stage.lost || now.lost;
	}

	BlockDevice device_;
	FillPlan plan_;
	const std::function<FillState()> &state_;
	Buffer buffer_;
	AsyncIo io_;
	uint64_t end_;
	uint64_t next_ = 0;
	uint64_t heldBefore_ = 0;
	std::map<uint64_t, Clock::time_point> since_;
	std::vector<Stage> stages_;
};

} // namespace

bool Stage::limitedByDisks() const
{
	return measured() && !waited() && reached() < reachedPart * static_cast<double>(rate);
}

std::vector<Stage> fill(const std::string &device, const FillPlan &plan,
			const std::function<FillState()> &state)
{
	return Filler(device, plan, state).run();
}

} // namespace snapdiff::lab
