// SPDX-License-Identifier: GPL-2.0-or-later
//
// D-Bus on a private dbus-daemon: what is shown, what is signalled, and what happens
// without a bus.

#include "bus.h"
#include "fake_worker.h"
#include "loop.h"
#include "private_bus.h"
#include "told.h"

#include <gtest/gtest.h>
#include <sdbus-c++/sdbus-c++.h>

#include <memory>

#include <poll.h>
#include <unistd.h>

namespace snapdiff::daemon {
namespace {

constexpr const char *storePath = "/org/snapdiff1/store/a_2eb_2d1";

class OnTheBus : public testing::Test
{
protected:
	void start(const std::string &address)
	{
		bus = std::make_unique<Bus>(
			address, Bus::Parts{told, events, extensions, requests.requests});
		bus->publish(makePicture());
	}
	void SetUp() override
	{
		ASSERT_FALSE(server.address.empty());
		start(server.address);
		client = sdbus::createSessionBusConnectionWithAddress(server.address);
		client->enterEventLoopAsync();
		ASSERT_TRUE(runUntil([&] { return bus->connected() && hasOwner(); }));
	}
	void TearDown() override
	{
		if (client)
			client->leaveEventLoop();
	}

	void runOnce()
	{
		const Bus::Poll want = bus->poll();
		pollfd wait = {want.fd, want.events, 0};
		::poll(&wait, 1, 5);
		bus->process(monotonicNs());
	}
	template<class Condition>
	bool runUntil(Condition done, int limitMs = 10000)
	{
		const int64_t end = monotonicNs() + limitMs * 1'000'000LL;
		while (monotonicNs() < end) {
			runOnce();
			if (done())
				return true;
		}
		return false;
	}
	bool hasOwner()
	{
		auto proxy = sdbus::createProxy(*client, "org.freedesktop.DBus",
						"/org/freedesktop/DBus");
		bool has = false;
		proxy->callMethod("NameHasOwner")
			.onInterface("org.freedesktop.DBus")
			.withArguments(std::string(busName))
			.storeResultsTo(has);
		return has;
	}
	// Calls while the bus is served: the call itself must not wait for us.
	template<class Value, class... Args>
	Value call(const std::string &path, const std::string &interface, const std::string &method,
		   const Args &...args)
	{
		auto proxy = sdbus::createProxy(*client, busName, path);
		std::optional<Value> value;
		std::string failure;
		std::atomic<bool> done = false;
		proxy->callMethodAsync(method)
			.onInterface(interface)
			.withArguments(args...)
			.uponReplyInvoke([&](const sdbus::Error *error, const Value &result) {
				if (error)
					failure = error->getMessage();
				else
					value = result;
				done = true;
			});
		EXPECT_TRUE(runUntil([&] { return done.load(); }));
		EXPECT_TRUE(value) << method << ": " << failure;
		return value.value_or(Value());
	}
	sdbus::Variant property(const std::string &path, const std::string &interface,
				const std::string &name)
	{
		return call<sdbus::Variant>(path, "org.freedesktop.DBus.Properties", "Get",
					    interface, name);
	}

	PrivateBus server;
	ToldNotices told;
	Ring<Event> events;
	Ring<Extension> extensions;
	NoRequests requests;
	std::unique_ptr<sdbus::IConnection> client;
	std::unique_ptr<Bus> bus;
};

TEST_F(OnTheBus, TheManagerTellsWhatItKnows)
{
	const std::string interface = "org.snapdiff1.Manager";
	EXPECT_EQ(property("/org/snapdiff1", interface, "Version").get<std::string>(), "9.9");
	EXPECT_EQ(property("/org/snapdiff1", interface, "ReserveRanges").get<uint32_t>(), 2U);
	EXPECT_EQ(property("/org/snapdiff1", interface, "Health").get<std::string>(), "ok");
	using Supply = sdbus::Struct<std::string, std::string, uint64_t, uint64_t, std::string>;
	const auto supplies =
		property("/org/snapdiff1", interface, "Supplies").get<std::vector<Supply>>();
	ASSERT_EQ(supplies.size(), 1U);
	EXPECT_EQ(supplies[0].get<0>(), "vg0");
}

TEST_F(OnTheBus, StoresAreManagedObjectsUnderEscapedPaths)
{
	using Interfaces = std::map<std::string, std::map<std::string, sdbus::Variant>>;
	using Objects = std::map<sdbus::ObjectPath, Interfaces>;
	const auto objects = call<Objects>("/org/snapdiff1", "org.freedesktop.DBus.ObjectManager",
					   "GetManagedObjects");
	ASSERT_TRUE(objects.contains(sdbus::ObjectPath(storePath)));
	const auto &store = objects.at(sdbus::ObjectPath(storePath)).at("org.snapdiff1.Store");
	EXPECT_EQ(store.at("Name").get<std::string>(), "a.b-1");
	EXPECT_EQ(store.at("Device").get<std::string>(), "/dev/mapper/a.b-1");
	EXPECT_EQ(store.at("Used").get<uint64_t>(), 400U);
	using Snapshot = sdbus::Struct<std::string, uint64_t, std::string, std::string, uint64_t,
				       uint64_t, std::vector<sdbus::Struct<std::string, uint64_t>>>;
	const auto snapshots = store.at("Snapshots").get<std::vector<Snapshot>>();
	ASSERT_EQ(snapshots.size(), 1U);
	EXPECT_EQ(snapshots[0].get<1>(), 1'700'000'000'000'000U);
	using Range = sdbus::Struct<std::string, std::string, uint64_t, uint64_t, uint32_t, bool,
				    std::string, uint64_t, uint64_t, uint64_t>;
	const auto ranges = store.at("Ranges").get<std::vector<Range>>();
	ASSERT_EQ(ranges.size(), 1U);
	EXPECT_EQ(ranges[0].get<4>(), 7U);
	EXPECT_TRUE(ranges[0].get<5>());
}

TEST_F(OnTheBus, OnlyWhatChangedIsSignalled)
{
	std::atomic<int> signals = 0;
	std::map<std::string, sdbus::Variant> changed;
	std::mutex mutex;
	auto proxy = sdbus::createProxy(*client, busName, storePath);
	proxy->uponSignal("PropertiesChanged")
		.onInterface("org.freedesktop.DBus.Properties")
		.call([&](const std::string &, const std::map<std::string, sdbus::Variant> &values,
			  const std::vector<std::string> &) {
			const std::lock_guard lock(mutex);
			changed = values;
			signals++;
		});
	proxy->finishRegistration();
	(void)property(storePath, "org.snapdiff1.Store", "Used"); // the match is in place

	Picture picture = makePicture();
	bus->publish(picture);
	picture.stores[0].summary.used = 500;
	picture.stores[0].summary.free = 500;
	bus->publish(picture);
	ASSERT_TRUE(runUntil([&] { return signals > 0; }));
	const std::lock_guard lock(mutex);
	EXPECT_EQ(signals, 1);
	EXPECT_EQ(changed.size(), 2U);
	EXPECT_EQ(changed.at("Used").get<uint64_t>(), 500U);
}

TEST_F(OnTheBus, StoresComeAndGoWithSignals)
{
	std::atomic<int> added = 0;
	std::atomic<int> removed = 0;
	auto proxy = sdbus::createProxy(*client, busName, "/org/snapdiff1");
	using Interfaces = std::map<std::string, std::map<std::string, sdbus::Variant>>;
	proxy->uponSignal("InterfacesAdded")
		.onInterface("org.freedesktop.DBus.ObjectManager")
		.call([&](const sdbus::ObjectPath &, const Interfaces &interfaces) {
			added += interfaces.contains("org.snapdiff1.Store");
		});
	proxy->uponSignal("InterfacesRemoved")
		.onInterface("org.freedesktop.DBus.ObjectManager")
		.call([&](const sdbus::ObjectPath &, const std::vector<std::string> &) {
			removed++;
		});
	proxy->finishRegistration();
	(void)property("/org/snapdiff1", "org.snapdiff1.Manager", "Version");

	Picture picture = makePicture();
	picture.stores.push_back(makeStore("second"));
	bus->publish(picture);
	EXPECT_TRUE(runUntil([&] { return added == 1; }));
	bus->publish(makePicture());
	EXPECT_TRUE(runUntil([&] { return removed == 1; }));
	EXPECT_EQ(property(storePath, "org.snapdiff1.Store", "Name").get<std::string>(), "a.b-1");
}

TEST_F(OnTheBus, HistoriesAreAnsweredAndSignalled)
{
	std::atomic<uint64_t> microseconds = 0;
	auto proxy = sdbus::createProxy(*client, busName, "/org/snapdiff1");
	proxy->uponSignal("Extended")
		.onInterface("org.snapdiff1.Manager")
		.call([&](const std::string &, const std::string &, uint64_t, uint64_t us) {
			microseconds = us;
		});
	proxy->finishRegistration();
	(void)property("/org/snapdiff1", "org.snapdiff1.Manager", "Version");

	for (uint64_t i = 0; i < 3; i++)
		bus->signal(extensions.add({0, 1, "a", "vg0/snapdiff.0", "vg0", 65536, 120 + i}));
	bus->signal(events.add({0, 5, model::Severity::Notice, "daemon", "", "hello"}));
	EXPECT_TRUE(runUntil([&] { return microseconds == 122; }));

	using Extended = sdbus::Struct<uint64_t, uint64_t, std::string, std::string, std::string,
				       uint64_t, uint64_t>;
	const auto all = call<std::vector<Extended>>("/org/snapdiff1", "org.snapdiff1.Manager",
						     "RecentExtensions", uint32_t{0});
	ASSERT_EQ(all.size(), 3U);
	EXPECT_EQ(all[0].get<0>(), 1U);
	const auto last = call<std::vector<Extended>>("/org/snapdiff1", "org.snapdiff1.Manager",
						      "RecentExtensions", uint32_t{1});
	ASSERT_EQ(last.size(), 1U);
	EXPECT_EQ(last[0].get<6>(), 122U);
	using Told = sdbus::Struct<uint64_t, uint64_t, std::string, std::string, std::string,
				   std::string>;
	const auto said = call<std::vector<Told>>("/org/snapdiff1", "org.snapdiff1.Manager",
						  "RecentEvents", uint32_t{0});
	ASSERT_EQ(said.size(), 1U);
	EXPECT_EQ(said[0].get<2>(), "notice");
}

TEST_F(OnTheBus, ALostBusIsAProblemAndNotTheEnd)
{
	client->leaveEventLoop();
	client.reset();
	server.stop();
	EXPECT_TRUE(runUntil([&] { return !bus->connected(); }));
	EXPECT_TRUE(told.problems.contains("D-Bus"));
	bus->publish(makePicture());
	bus->signal(events.add({0, 5, model::Severity::Notice, "daemon", "", "nobody hears"}));
}

// However many messages came before the end: what to poll may be asked when the last one that a
// round takes was the end itself.
TEST_F(OnTheBus, ALossBehindAnyNumberOfMessagesEndsNothing)
{
	const sdbus::ObjectPath path = "/org/test";
	for (int messages = 0; messages < 40; messages++) {
		PrivateBus doomed;
		ToldNotices doomedTold;
		Bus other(doomed.address, {doomedTold, events, extensions, requests.requests});
		other.publish(makePicture());
		const auto serve = [&] {
			const Bus::Poll want = other.poll();
			pollfd wait = {want.fd, want.events, 0};
			::poll(&wait, 1, 1);
			other.process(monotonicNs());
		};
		auto sender = sdbus::createSessionBusConnectionWithAddress(doomed.address);
		auto proxy = sdbus::createProxy(*sender, "org.freedesktop.DBus",
						"/org/freedesktop/DBus");
		bool has = false;
		while (!has) {
			serve();
			proxy->callMethod("NameHasOwner")
				.onInterface("org.freedesktop.DBus")
				.withArguments(std::string(busName))
				.storeResultsTo(has);
		}
		for (int i = 0; i < 20; i++)
			serve(); // the name's own messages
		auto object = sdbus::createObject(*sender, path);
		for (int i = 0; i < messages; i++) {
			auto signal = object->createSignal("org.test", "Noise");
			signal.setDestination(busName);
			object->emitSignal(signal);
		}
		// The bus has handed them on when it has answered something after them.
		proxy->callMethod("NameHasOwner")
			.onInterface("org.freedesktop.DBus")
			.withArguments(std::string(busName))
			.storeResultsTo(has);
		sender.reset();
		doomed.stop();
		for (int i = 0; i < 100 && other.connected(); i++)
			EXPECT_NO_THROW(serve()) << messages << " messages";
		EXPECT_FALSE(other.connected());
		EXPECT_TRUE(doomedTold.problems.contains("D-Bus"));
	}
}

TEST_F(OnTheBus, ASecondOwnerIsRefused)
{
	ToldNotices otherTold;
	Bus other(server.address, {otherTold, events, extensions, requests.requests});
	other.publish(makePicture());
	ASSERT_TRUE(runUntil([&] {
		other.process(monotonicNs());
		return otherTold.problems.contains("D-Bus");
	}));
	EXPECT_NE(otherTold.problems["D-Bus"].find("another program"), std::string::npos);
	EXPECT_TRUE(bus->connected());
}

TEST(WithoutAPicture, TheNameIsNotTaken)
{
	const PrivateBus server;
	ToldNotices told;
	Ring<Event> events;
	Ring<Extension> extensions;
	NoRequests requests;
	Bus bus(server.address, {told, events, extensions, requests.requests});
	for (int round = 0; round < 100; round++) {
		usleep(5000);
		bus.process(monotonicNs());
		ASSERT_FALSE(bus.connected());
		ASSERT_EQ(-1, bus.poll().fd);
	}
}

TEST(WithoutABus, ItIsToldOnceAndTriedAgainUntilThereIsOne)
{
	const std::string address = "unix:path=/tmp/snapdiff-late-bus-" + std::to_string(getpid());
	ToldNotices told;
	Ring<Event> events;
	Ring<Extension> extensions;
	NoRequests requests;
	Bus bus(address, {told, events, extensions, requests.requests});
	bus.publish(makePicture());
	const auto run = [&](auto done) {
		for (const int64_t end = monotonicNs() + 15'000'000'000; monotonicNs() < end;) {
			usleep(5000);
			bus.process(monotonicNs());
			if (done())
				return true;
		}
		return false;
	};
	ASSERT_TRUE(run([&] { return told.problems.contains("D-Bus"); }));
	const PrivateBus late(address);
	EXPECT_TRUE(run([&] { return bus.connected(); }));
	EXPECT_FALSE(told.problems.contains("D-Bus"));
}

} // namespace
} // namespace snapdiff::daemon
