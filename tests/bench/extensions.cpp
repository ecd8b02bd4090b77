// SPDX-License-Identifier: GPL-2.0-or-later
// A writer that fills a copy-on-write storage step by step.

#include "extensions.h"

#include "harness/block_device.h"

#include <system_error>

namespace snapdiff::bench {

namespace {

constexpr uint64_t writeSectors = 8;

struct Write
{
	Clock::time_point began;
	Clock::time_point ended;
};

class Writer
{
public:
	explicit Writer(const ExtensionsPlan &plan)
		: plan_(plan), device_(plan.device), buffer_(writeSectors, 0x5a),
		  sectors_(device_.sectors()),
		  watch_([this] { return plan_.space().size; }, plan.every)
	{
	}

	Extensions run()
	{
		while (found_.latency.count() < plan_.extensions &&
		       next_ + writeSectors <= sectors_)
			if (!step())
				break;
		sortOut();
		return std::move(found_);
	}

private:
	// False: no use to go on.
	bool step()
	{
		const Write done = write();
		writes_.push_back(done);
		const Space now = plan_.space();
		if (now.lost) {
			found_.lost = true;
			return false;
		}
		// It may be over before we look: then the size tells.
		const bool met = now.low || now.size > size_;
		size_ = now.size;
		if (!awaited_ && met && !wasLow_)
			awaited_ = done.began;
		wasLow_ = now.low;
		return !awaited_ || await();
	}

	bool await()
	{
		if (const auto growth = watch_.since(*awaited_)) {
			found_.latency.add(msBetween(*awaited_, *growth));
			windowBegan_ = *awaited_;
			windowEnds_ = *growth + std::chrono::milliseconds(plan_.tailMs);
			awaited_.reset();
			settling_ = true;
			return true;
		}
		if (msBetween(*awaited_, Clock::now()) > plan_.waitSeconds * 1000.0) {
			found_.missed++;
			return false;
		}
		std::this_thread::sleep_for(std::chrono::milliseconds(plan_.pauseMs));
		return true;
	}

	Write write()
	{
		if (settling_ && Clock::now() > windowEnds_)
			sortOut();
		Write done;
		done.began = Clock::now();
		const int error = device_.write(next_, buffer_);
		done.ended = Clock::now();
		if (error)
			throw std::system_error(error, std::generic_category(), "write");
		next_ += plan_.stride;
		return done;
	}

	// The last window is over: which writes were under it?
	void sortOut()
	{
		for (const Write &write : writes_) {
			const bool under = settling_ && write.ended >= windowBegan_ &&
					   write.began <= windowEnds_;
			(under ? found_.during : found_.without)
				.add(msBetween(write.began, write.ended));
		}
		writes_.clear();
		settling_ = false;
	}

	ExtensionsPlan plan_;
	lab::BlockDevice device_;
	lab::Buffer buffer_;
	uint64_t sectors_;
	GrowthWatch watch_;
	Extensions found_;
	std::vector<Write> writes_;
	std::optional<Clock::time_point> awaited_;
	Clock::time_point windowBegan_;
	Clock::time_point windowEnds_;
	bool settling_ = false;
	bool wasLow_ = false;
	uint64_t size_ = plan_.space().size;
	uint64_t next_ = 0;
};

} // namespace

void Extensions::add(const Extensions &other)
{
	latency.add(other.latency);
	during.add(other.during);
	without.add(other.without);
	lost = lost || other.lost;
	missed += other.missed;
}

Extensions measureExtensions(const ExtensionsPlan &plan)
{
	return Writer(plan).run();
}

} // namespace snapdiff::bench
