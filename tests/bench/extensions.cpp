// SPDX-License-Identifier: GPL-2.0-or-later
// A writer that fills a copy-on-write storage step by step.

#include "extensions.h"

#include "harness/block_device.h"

#include <system_error>

namespace snapdiff::bench {

namespace {

constexpr uint64_t writeSectors = 8;

// From the beginning of a write, or of an extension, to its end.
struct Span
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
		const Span done = write();
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
			windows_.push_back(
				{*awaited_, *growth + std::chrono::milliseconds(plan_.tailMs)});
			awaited_.reset();
			return true;
		}
		if (msBetween(*awaited_, Clock::now()) > plan_.waitSeconds * 1000.0) {
			found_.missed++;
			return false;
		}
		std::this_thread::sleep_for(std::chrono::milliseconds(plan_.pauseMs));
		return true;
	}

	Span write()
	{
		Span done;
		done.began = Clock::now();
		const int error = device_.write(next_, buffer_);
		done.ended = Clock::now();
		if (error)
			throw std::system_error(error, std::generic_category(), "write");
		next_ += plan_.stride;
		return done;
	}

	// Which writes were under an extension? Both lists are in order of their beginnings.
	void sortOut()
	{
		size_t window = 0;
		for (const Span &write : writes_) {
			while (window < windows_.size() && windows_[window].ended < write.began)
				window++;
			const bool under =
				window < windows_.size() && write.ended >= windows_[window].began;
			(under ? found_.during : found_.without)
				.add(msBetween(write.began, write.ended));
		}
	}

	ExtensionsPlan plan_;
	lab::BlockDevice device_;
	lab::Buffer buffer_;
	uint64_t sectors_;
	GrowthWatch watch_;
	Extensions found_;
	std::vector<Span> writes_;
	std::vector<Span> windows_;
	std::optional<Clock::time_point> awaited_;
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
