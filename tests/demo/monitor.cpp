// SPDX-License-Identifier: GPL-2.0-or-later
#include "monitor.h"

#include "dm/device_mapper.h"
#include "dm/table.h"
#include "trouble.h"
#include "util/units.h"

#include <algorithm>
#include <chrono>

namespace snapdiff::demo {

namespace {

constexpr auto pause = std::chrono::milliseconds(20);

// The value, or Trouble.
template<class T>
T demanded(Result<T> result)
{
	if (!result)
		throw Trouble(result.error().message());
	return *std::move(result);
}

std::string onlyLine(const dm::Table &table, const std::string &name)
{
	if (table.size() != 1)
		throw Trouble(name + " has no table of one line");
	return table[0].params;
}

} // namespace

Monitor::Monitor(const std::string &store)
{
	dm::LibDeviceMapper dm;
	device_ = demanded(dm.info(store)).number;
	dm::Control control = demanded(dm::Control::open());
	dm::Summary first;
	const int error = control.summary(device_, first);
	if (error != 0)
		throw Trouble("ask " + store + " for its summary: " + std::strerror(error));
	thread_ = std::thread([this, own = std::move(control)]() mutable { work(std::move(own)); });
}

Monitor::~Monitor()
{
	stop_ = true;
	if (thread_.joinable())
		thread_.join();
}

void Monitor::stop()
{
	stop_ = true;
	if (thread_.joinable())
		thread_.join();
	if (!failure_.empty())
		throw Trouble(failure_);
}

Watched Monitor::watched() const
{
	const std::lock_guard lock(mutex_);
	return watched_;
}

void Monitor::note(const dm::Summary &summary)
{
	const std::lock_guard lock(mutex_);
	watched_.looks++;
	watched_.heldEver = summary.heldTotal;
	watched_.leastFreeBytes = std::min(watched_.leastFreeBytes, bytesOf(summary.free));
	watched_.otherModes += summary.mode != dm::StoreMode::Active;
}

void Monitor::work(dm::Control control)
{
	while (!stop_) {
		dm::Summary summary;
		if (const int error = control.summary(device_, summary)) {
			failure_ = std::string("watch the store: ") + std::strerror(error);
			return;
		}
		note(summary);
		std::this_thread::sleep_for(pause);
	}
}

StoreView viewOf(const std::string &store)
{
	dm::LibDeviceMapper dm;
	const dm::StoreTable table =
		demanded(dm::parseStoreTable(onlyLine(demanded(dm.table(store)), store)));
	const dm::StoreStatus status =
		demanded(dm::parseStoreStatus(onlyLine(demanded(dm.status(store)), store)));
	StoreView view;

	view.capacityBytes = bytesOf(status.summary.capacity);
	view.usedBytes = bytesOf(status.summary.used);
	view.ranges = status.ranges.size();
	for (const dm::OriginStatus &origin : status.origins) {
		view.copiedBytes += bytesOf(origin.copiedChunks * table.chunk);
		view.badChunks += origin.badChunks;
	}
	for (const dm::SnapshotStatus &snapshot : status.snapshots)
		(snapshot.state == dm::SnapshotState::Live ? view.liveSnapshots
							   : view.invalidSnapshots)++;
	return view;
}

} // namespace snapdiff::demo
