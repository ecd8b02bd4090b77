// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff watch: print what happens to stores, as it happens.

#include "cli/json.h"
#include "cli/verb.h"
#include "dm/control.h"
#include "model/changes.h"
#include "ops/inventory.h"
#include "util/clock.h"
#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <ostream>

#include <poll.h>

namespace snapdiff::cli {

namespace {

// One loop over the control descriptor: it tells that something happened to some
// device; what it was comes from comparing two looks at the stores.
class Watch
{
public:
	Watch(Session &session, dm::Control control)
		: session_(session), control_(std::move(control)),
		  left_(session.arguments.eventCount)
	{
	}

	Outcome run();

private:
	Result<> look(bool first);
	void say(const std::string &store, const std::string &kind, const std::string &object,
		 const std::string &text);
	bool wanted(const std::string &store) const;
	bool over() const { return left_ && *left_ == 0; }
	Result<bool> wait(int64_t deadlineNs);

	Session &session_;
	dm::Control control_;
	std::optional<uint64_t> left_;
	std::map<std::string, model::Store> known_;
};

bool Watch::wanted(const std::string &store) const
{
	const std::vector<std::string> &names = session_.arguments.objects;
	return names.empty() || std::find(names.begin(), names.end(), store) != names.end();
}

void Watch::say(const std::string &store, const std::string &kind, const std::string &object,
		const std::string &text)
{
	if (over())
		return;
	const std::string time = formatUtc(session_.context.clock.wallSeconds());
	if (session_.arguments.json)
		session_.out << documentLine({{"time", time},
					      {"store", store},
					      {"event", kind},
					      {"object", object},
					      {"text", text}});
	else
		session_.out << fmt::format("{}  {}  {} {}: {}\n", time, store, kind,
					    printable(object), text);
	session_.out << std::flush;
	if (left_)
		--*left_;
}

Result<> Watch::look(bool first)
{
	Result<model::Inventory> inventory = ops::readInventory(session_.context);
	if (!inventory)
		return std::move(inventory).error();

	std::map<std::string, model::Store> now;
	for (model::Store &store : inventory->stores) {
		if (wanted(store.name))
			now.emplace(store.name, std::move(store));
	}
	for (const auto &[name, store] : known_) {
		if (!now.contains(name))
			say(name, "store-gone", name, "removed");
	}
	for (const auto &[name, store] : now) {
		const auto old = known_.find(name);
		if (old == known_.end() && !first)
			say(name, "store-created", name,
			    formatSize(bytesOf(store.summary.capacity)));
		if (old == known_.end())
			continue;
		for (const model::Event &event : model::changes(old->second, store))
			say(name, std::string(model::word(event.kind)), event.object, event.text);
	}
	known_ = std::move(now);
	return {};
}

// True: something happened; false: the time is over.
Result<bool> Watch::wait(int64_t deadlineNs)
{
	constexpr int64_t nsPerMs = 1'000'000;

	int timeoutMs = -1;
	if (session_.arguments.seconds) {
		const int64_t left = deadlineNs - session_.context.clock.monotonicNs();
		if (left <= 0)
			return false;
		timeoutMs = static_cast<int>(std::min<int64_t>(left / nsPerMs + 1, INT32_MAX));
	}
	pollfd events = {control_.fd(), POLLIN, 0};
	const int count = poll(&events, 1, timeoutMs);
	if (count < 0 && errno != EINTR)
		return Error(errno, "wait for an event");
	return count > 0;
}

Outcome Watch::run()
{
	constexpr int64_t nsPerSecond = 1'000'000'000;

	const int64_t deadline =
		session_.context.clock.monotonicNs() +
		static_cast<int64_t>(session_.arguments.seconds.value_or(0)) * nsPerSecond;
	for (bool first = true;; first = false) {
		// Armed before looking: what happens in between wakes the next poll.
		if (const int error = control_.armPoll())
			return Error(error, "wait for events of device-mapper");
		if (Result<> done = look(first); !done)
			return std::move(done).error();
		if (over())
			return Exit::Ok;
		const Result<bool> more = wait(deadline);
		if (!more)
			return more.error();
		if (!*more)
			return Exit::Ok;
	}
}

} // namespace

Outcome runWatch(Session &session)
{
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	for (const std::string &name : session.arguments.objects) {
		if (const auto store = ops::chooseStore(*inventory, name); !store)
			return store.error();
	}
	Result<dm::Control> control = dm::Control::open();
	if (!control)
		return std::move(control).error();
	return Watch(session, std::move(*control)).run();
}

} // namespace snapdiff::cli
