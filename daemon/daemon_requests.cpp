// SPDX-License-Identifier: GPL-2.0-or-later
//
// Daemon: what it does with requests itself, and how it ends while one is at work.

#include "daemon.h"

#include <algorithm>
#include <cerrno>

namespace snapdiff::daemon {

// A take that is at work when the daemon is told to end has let go of its file
// systems long before.
constexpr int64_t lastWaitNs = 20'000'000'000;

Requests::Parts Daemon::requestParts()
{
	return {worker_, notices(), [this](const Operation &asked) { return doInside(asked); },
		[this] { showWhatWasDone(); }};
}

Bus::Parts Daemon::busParts()
{
	return {notices(), events_, extensions_, requests_};
}

Outcome Daemon::doInside(const Operation &operation)
{
	if (operation.verb == Operation::Verb::Extend)
		return extendFromReserve(operation);
	Result<> done = reload();
	return done ? Outcome() : failed(std::move(done).error());
}

Outcome Daemon::extendFromReserve(const Operation &operation)
{
	const std::string doing = "extend store " + operation.store;
	const auto stores = extender_.stores();
	const auto store = std::find_if(stores.begin(), stores.end(), [&](const WatchedStore &one) {
		return one.name.view() == operation.store;
	});
	if (store == stores.end())
		return failed(Error(ENOENT, doing, "there is no such store"));
	const dm::DeviceNumber number = store->number;
	if (store->summary.capacity >= store->maxSize)
		return failed(Error(ENOSPC, doing, "it has its maximum size")
				      .advise("max_size of the configuration says it."));

	Outcome outcome;
	for (unsigned given = 0; given < operation.ranges; given++) {
		if (reserve_.readyCount() == 0 && !given)
			return failed(
				Error(ENOSPC, doing, "the reserve is empty")
					.advise("Name volume groups and a size, or devices."));
		tellRecords();
		const bool accepted =
			reserve_.readyCount() > 0 && extender_.give(number, monotonicNs());
		for (const Record &record : extender_.records()) {
			if (record.kind == Record::Kind::Given)
				outcome.ranges.push_back({std::string(record.rangeName.view()),
							  record.sectors, false});
		}
		tellRecords();
		if (!accepted && outcome.ranges.empty())
			return failed(Error(EIO, doing, "the kernel accepts no range")
					      .advise("The journal of snapdiffd says more."));
		if (!accepted)
			break;
	}
	return outcome;
}

// The caller finds what it asked for when it has its answer.
void Daemon::showWhatWasDone()
{
	const int64_t nowNs = monotonicNs();

	stores_.discover(nowNs);
	extender_.sweep(nowNs);
	tellRecords();
	publish(nowNs);
}

void Daemon::stop(int64_t nowNs)
{
	requests_.close();
	// Told twice, it waits no longer.
	if (stopNs_ != INT64_MAX) {
		loop_.stop();
		return;
	}
	stopNs_ = nowNs + lastWaitNs;
	if (!requests_.idle())
		parts_.outlet.log(Priority::Info, "ending when the operation at work is over");
}

void Daemon::stopWhenIdle(int64_t nowNs)
{
	if (stopNs_ != INT64_MAX && (requests_.idle() || nowNs >= stopNs_))
		loop_.stop();
}

} // namespace snapdiff::daemon
