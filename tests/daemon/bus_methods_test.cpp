// SPDX-License-Identifier: GPL-2.0-or-later
//
// The methods that change something, on a private dbus-daemon with a polkit and a
// worker of the test's own.

#include "bus.h"
#include "bus_client.h"
#include "fake_polkit.h"
#include "fake_worker.h"
#include "loop.h"
#include "private_bus.h"
#include "told.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>

#include <unistd.h>

namespace snapdiff::daemon {
namespace {

using testing::HasSubstr;

constexpr const char *managerInterface = "org.snapdiff1.Manager";
constexpr const char *storeInterface = "org.snapdiff1.Store";
constexpr const char *managerObject = "/org/snapdiff1";
constexpr const char *storeObject = "/org/snapdiff1/store/a_2eb_2d1"; // "a.b-1"
constexpr const char *errorPrefix = "org.snapdiff1.Error.";

class BusMethods : public testing::Test
{
protected:
	void SetUp() override { start("system"); }
	void TearDown() override { unsetenv("DBUS_SYSTEM_BUS_ADDRESS"); }

	void start(const std::string &address)
	{
		ASSERT_FALSE(server.address.empty());
		setenv("DBUS_SYSTEM_BUS_ADDRESS", server.address.c_str(), 1);
		bus = std::make_unique<Bus>(
			address, Bus::Parts{told, events, extensions, requests, {2000, 400, 400}});
		bus->publish(makePicture());
		user = std::make_unique<BusClient>(server.address, nobody);
		// The name is there when a call reaches us.
		ASSERT_TRUE(runUntil([&] { return !user->name().empty() && bus->connected(); }));
		std::shared_ptr<Reply> reply;
		ASSERT_TRUE(runUntil([&] {
			if (!reply || (reply->done && !reply->good()))
				reply = user->call(false, managerObject,
						   "org.freedesktop.DBus.Peer", "Ping", "");
			return reply->good();
		}));
	}
	void polkitSays(FakePolkit::Mood mood)
	{
		polkit = std::make_unique<FakePolkit>(server.address, mood);
	}
	void runOnce()
	{
		bus->process(monotonicNs());
		for (BusClient *client : {user.get(), other.get()}) {
			if (client)
				client->process();
		}
		if (polkit)
			polkit->process();
		usleep(500);
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
	// Everything that is under way has arrived.
	void settle()
	{
		for (int i = 0; i < 50; i++)
			runOnce();
	}
	std::shared_ptr<Reply> take(BusClient &client, const char *snapshot,
				    bool interactive = false)
	{
		return client.call(interactive, storeObject, storeInterface, "Take", "sasa{sv}",
				   snapshot, 1, "vg0-home", 0);
	}
	std::string wordOf(const Reply &reply) const
	{
		const std::string prefix = errorPrefix;
		return reply.errorName.starts_with(prefix) ? reply.errorName.substr(prefix.size())
							   : reply.errorName;
	}
	// The answer to a take, whatever it is.
	std::shared_ptr<Reply> answerOfTake(bool interactive = false)
	{
		auto reply = take(*user, "monday", interactive);
		EXPECT_TRUE(runUntil([&] { return reply->done; }));
		return reply;
	}
	void expectRefused(bool interactive = false)
	{
		const auto reply = answerOfTake(interactive);
		EXPECT_EQ(wordOf(*reply), "NotAuthorized") << reply->errorText;
		EXPECT_TRUE(worker.started.empty());
		EXPECT_EQ(requests.size(), 0U);
	}
	bool knowsStore()
	{
		const auto reply = user->call(false, storeObject, "org.freedesktop.DBus.Properties",
					      "Get", "ss", storeInterface, "Name");
		EXPECT_TRUE(runUntil([&] { return reply->done; }));
		return reply->good();
	}
	void finish(Outcome outcome = {})
	{
		worker.finish(std::move(outcome));
		requests.step();
	}

	PrivateBus server;
	ToldNotices told;
	Ring<Event> events;
	Ring<Extension> extensions;
	FakeWorker worker;
	std::vector<Operation> inside;
	Requests requests{{worker, told,
			   [this](const Operation &operation) {
				   inside.push_back(operation);
				   Outcome outcome;
				   outcome.ranges.push_back({"vg0/snapdiff.1", 8192, false});
				   return outcome;
			   },
			   [this] {
				   if (beforeAnswer)
					   beforeAnswer();
			   }}};
	std::function<void()> beforeAnswer;
	std::unique_ptr<Bus> bus;
	std::unique_ptr<FakePolkit> polkit;
	std::unique_ptr<BusClient> user;
	std::unique_ptr<BusClient> other;
};

TEST_F(BusMethods, WhatPolkitAllowsIsDoneAndAnswered)
{
	polkitSays(FakePolkit::Mood::Yes);
	const auto reply = take(*user, "monday");
	ASSERT_TRUE(runUntil([&] { return worker.started.size() == 1; }));
	EXPECT_FALSE(reply->done);
	ASSERT_EQ(polkit->questions.size(), 1U);
	const FakePolkit::Question &question = polkit->questions[0];
	EXPECT_EQ(question.kind, "system-bus-name");
	EXPECT_EQ(question.name, user->name());
	EXPECT_EQ(question.action, "org.snapdiff1.take");
	EXPECT_EQ(question.details.at("origins"), "vg0-home");
	EXPECT_EQ(question.flags, 0U);

	Outcome outcome;
	outcome.snapshot = "monday";
	outcome.origins = {"vg0-home"};
	outcome.takeUs = 12;
	finish(outcome);
	ASSERT_TRUE(runUntil([&] { return reply->done; }));
	ASSERT_TRUE(reply->good()) << reply->errorText;
	EXPECT_EQ(reply->signature(), "sasastt");
	const char *name = nullptr;
	ASSERT_GT(sd_bus_message_read(reply->message, "s", &name), 0);
	EXPECT_STREQ(name, "monday");
}

TEST_F(BusMethods, WhatPolkitForbidsIsNotDone)
{
	polkitSays(FakePolkit::Mood::No);
	expectRefused();
}

TEST_F(BusMethods, NoPolkitMeansNo)
{
	expectRefused();
}

TEST_F(BusMethods, AnErrorOfPolkitMeansNo)
{
	polkitSays(FakePolkit::Mood::Error);
	expectRefused();
}

TEST_F(BusMethods, AnAnswerThatIsNotUnderstoodMeansNo)
{
	polkitSays(FakePolkit::Mood::Nonsense);
	expectRefused();
}

TEST_F(BusMethods, NoAnswerInTimeMeansNoAndALateYesChangesNothing)
{
	polkitSays(FakePolkit::Mood::Silent);
	expectRefused();
	polkit->saySilentYes();
	settle();
	EXPECT_TRUE(worker.started.empty());
	EXPECT_TRUE(polkit->cancelled.empty());
}

TEST_F(BusMethods, APersonWhoDoesNotAnswerIsNoLongerAsked)
{
	polkitSays(FakePolkit::Mood::Silent);
	expectRefused(true);
	ASSERT_TRUE(runUntil([&] { return polkit->cancelled.size() == 1; }));
	EXPECT_EQ(polkit->cancelled[0], polkit->questions.at(0).cancellation);
}

TEST_F(BusMethods, SomebodyIsAskedForAPasswordOnlyIfTheCallSaysSo)
{
	polkitSays(FakePolkit::Mood::Challenge);
	const auto reply = answerOfTake(false);
	EXPECT_EQ(wordOf(*reply), "NotAuthorized");
	EXPECT_THAT(reply->errorText, HasSubstr("password"));
	(void)answerOfTake(true);
	ASSERT_EQ(polkit->questions.size(), 2U);
	EXPECT_EQ(polkit->questions[0].flags, 0U);
	EXPECT_EQ(polkit->questions[0].cancellation, "");
	EXPECT_EQ(polkit->questions[1].flags, 1U);
	EXPECT_NE(polkit->questions[1].cancellation, "");
}

TEST_F(BusMethods, RootMayWithoutPolkit)
{
	if (geteuid() != 0)
		GTEST_SKIP() << "only root can call as root";
	polkitSays(FakePolkit::Mood::No);
	other = std::make_unique<BusClient>(server.address, 0);
	const auto reply = take(*other, "monday");
	ASSERT_TRUE(runUntil([&] { return worker.started.size() == 1; }));
	EXPECT_TRUE(polkit->questions.empty());
	finish();
	EXPECT_TRUE(runUntil([&] { return reply->good(); }));
}

TEST_F(BusMethods, OnAnotherBusThanTheSystemsNobodyButRootMay)
{
	user.reset();
	bus.reset();
	start(server.address);
	polkitSays(FakePolkit::Mood::Yes);
	expectRefused();
	EXPECT_TRUE(polkit->questions.empty());
}

TEST_F(BusMethods, ACallerThatLeavesTakesAlongWhatHasNotBegun)
{
	polkitSays(FakePolkit::Mood::Yes);
	other = std::make_unique<BusClient>(server.address, nobody);
	(void)take(*other, "begun");
	(void)take(*other, "queued");
	ASSERT_TRUE(runUntil([&] { return polkit->questions.size() == 2; }));
	const auto reply = take(*user, "of-somebody-else");
	ASSERT_TRUE(runUntil([&] { return polkit->questions.size() == 3; }));
	settle();
	ASSERT_EQ(requests.size(), 3U);

	other->leave();
	ASSERT_TRUE(runUntil([&] { return requests.size() == 2; }));
	finish();
	ASSERT_EQ(worker.started.size(), 2U);
	EXPECT_EQ(worker.started[1].snapshot, "of-somebody-else");
	finish();
	EXPECT_TRUE(runUntil([&] { return reply->good(); }));
}

TEST_F(BusMethods, AQuestionAboutACallerThatLeftIsTakenBack)
{
	polkitSays(FakePolkit::Mood::Silent);
	other = std::make_unique<BusClient>(server.address, nobody);
	(void)take(*other, "asked", true);
	ASSERT_TRUE(runUntil([&] { return polkit->questions.size() == 1; }));
	other->leave();
	ASSERT_TRUE(runUntil([&] { return requests.size() == 0; }));
	EXPECT_TRUE(runUntil([&] { return polkit->cancelled.size() == 1; }));
}

TEST_F(BusMethods, TheFifthOfACallerIsTooMuch)
{
	polkitSays(FakePolkit::Mood::Silent);
	std::vector<std::shared_ptr<Reply>> replies;
	for (int i = 0; i < 5; i++)
		replies.push_back(take(*user, "monday", true));
	ASSERT_TRUE(runUntil([&] { return replies[4]->done; }));
	EXPECT_EQ(wordOf(*replies[4]), "LimitsExceeded") << replies[4]->errorText;
	EXPECT_FALSE(replies[0]->done);
}

TEST_F(BusMethods, WhatFailedIsAnErrorWithItsKindAndTheNextStep)
{
	polkitSays(FakePolkit::Mood::Yes);
	const std::vector<std::pair<ErrorKind, const char *>> kinds = {
		{ErrorKind::Busy, "Busy"},	   {ErrorKind::NoSpace, "NoSpace"},
		{ErrorKind::NotFound, "NotFound"}, {ErrorKind::Usage, "InvalidArgument"},
		{ErrorKind::NoModule, "NoModule"}, {ErrorKind::NotPermitted, "NotPermitted"},
		{ErrorKind::TimedOut, "TimedOut"}, {ErrorKind::Failed, "Failed"}};
	for (const auto &[kind, name] : kinds) {
		const auto reply = take(*user, "monday");
		const size_t before = worker.started.size();
		ASSERT_TRUE(runUntil([&] { return worker.started.size() > before; }));
		finish(failed(Error(EIO, "take monday", "the store \x01\xff is full")
				      .as(kind)
				      .advise("Extend it.")));
		ASSERT_TRUE(runUntil([&] { return reply->done; }));
		EXPECT_EQ(wordOf(*reply), name);
		EXPECT_EQ(reply->errorText, "take monday: the store ?? is full. Extend it.");
	}
}

// As the daemon does it: the store is not shown any more before the answer is sent.
TEST_F(BusMethods, WhoHasAStoreRemovedIsAnsweredWhenItIsGone)
{
	polkitSays(FakePolkit::Mood::Yes);
	const auto reply = user->call(false, storeObject, storeInterface, "Remove", "a{sv}", 0);
	ASSERT_TRUE(runUntil([&] { return worker.started.size() == 1; }));
	ASSERT_TRUE(knowsStore());
	beforeAnswer = [&] {
		Picture picture = makePicture();
		picture.stores.clear();
		bus->publish(picture);
	};
	Outcome outcome;
	outcome.names = {"vg0-home"};
	finish(outcome);
	ASSERT_TRUE(runUntil([&] { return reply->done; }));
	EXPECT_TRUE(reply->good()) << reply->errorName << ": " << reply->errorText;
	EXPECT_EQ(reply->signature(), "as");
	EXPECT_FALSE(knowsStore());
}

TEST_F(BusMethods, AStoreThatComesBackWhileItsRemovalWaitsIsThere)
{
	polkitSays(FakePolkit::Mood::Yes);
	const auto first = user->call(false, storeObject, storeInterface, "Remove", "a{sv}", 0);
	const auto second = user->call(false, storeObject, storeInterface, "Remove", "a{sv}", 0);
	ASSERT_TRUE(runUntil([&] { return requests.size() == 2 && !worker.started.empty(); }));
	Picture empty = makePicture();
	empty.stores.clear();
	bus->publish(empty);
	settle();
	bus->publish(makePicture());
	EXPECT_TRUE(knowsStore());
	finish();
	ASSERT_EQ(worker.started.size(), 2U);
	finish();
	ASSERT_TRUE(runUntil([&] { return first->done && second->done; }));
	EXPECT_TRUE(first->good() && second->good());
	EXPECT_TRUE(knowsStore());
}

// Calls with arguments that are right, and what must become of them.
class GoodCalls : public BusMethods
{
protected:
	void SetUp() override
	{
		BusMethods::SetUp();
		polkitSays(FakePolkit::Mood::Yes);
	}
	template<class... Args>
	std::shared_ptr<Reply> onManager(const char *method, const char *types, Args... args)
	{
		return user->call(false, managerObject, managerInterface, method, types, args...);
	}
	template<class... Args>
	std::shared_ptr<Reply> onStore(const char *method, const char *types, Args... args)
	{
		return user->call(false, storeObject, storeInterface, method, types, args...);
	}
	void expect(const std::shared_ptr<Reply> &reply, const Operation &expected,
		    const char *action, const char *signature)
	{
		const size_t before = worker.started.size();
		const size_t asked = polkit->questions.size();
		ASSERT_TRUE(runUntil([&] { return worker.started.size() > before || reply->done; }))
			<< action;
		if (!reply->done)
			finish();
		ASSERT_TRUE(runUntil([&] { return reply->done; })) << action;
		ASSERT_TRUE(reply->good()) << reply->errorName << ": " << reply->errorText;
		const Operation &got = expected.isInside() ? inside.back() : worker.started.back();
		EXPECT_EQ(format(got), format(expected));
		EXPECT_EQ(reply->signature(), signature) << action;
		ASSERT_EQ(polkit->questions.size(), asked + 1) << action;
		EXPECT_EQ(polkit->questions.back().action, std::string("org.snapdiff1.") + action);
	}
};

TEST_F(GoodCalls, OfTheManagerBecomeOperations)
{
	using enum Operation::Verb;
	Operation attach;
	attach.verb = Attach;
	attach.origins = {"vg0-home", "vg0-db"};
	attach.store = "s";
	attach.vgs = {"vg0", "vg1"};
	attach.devices = {"/dev/sdc"};
	attach.size = 8192;
	attach.chunk = 128;
	expect(onManager("Attach", "asa{sv}", 2, "vg0-home", "vg0-db", 5, "store", "s", "s",
			 "volume-groups", "as", 2, "vg0", "vg1", "devices", "as", 1, "/dev/sdc",
			 "size", "t", uint64_t{8192}, "chunk", "t", uint64_t{128}),
	       attach, "attach", "sbas");

	Operation detach;
	detach.verb = Detach;
	detach.origins = {"vg0-home"};
	detach.force = true;
	expect(onManager("Detach", "sa{sv}", "vg0-home", 1, "force", "b", 1), detach, "detach", "");

	Operation create;
	create.verb = Create;
	create.origins = {"vg0-home"};
	create.snapshot = "monday";
	create.timeoutMs = 500;
	create.freeze = false;
	expect(onManager("Create", "asa{sv}", 1, "vg0-home", 3, "snapshot", "s", "monday", "freeze",
			 "b", 0, "timeout-ms", "u", 500),
	       create, "create", "ssas");

	expect(onManager("Reload", "a{sv}", 0), Operation(), "manage", "");
}

TEST_F(GoodCalls, OfAStoreBecomeOperationsOnIt)
{
	using enum Operation::Verb;
	Operation operation;
	operation.store = "a.b-1";
	operation.verb = Take;
	expect(onStore("Take", "sasa{sv}", "", 0, 0), operation, "take", "sasastt");
	operation.verb = Remove;
	expect(onStore("Remove", "a{sv}", 0), operation, "delete", "as");

	operation.snapshot = "monday";
	operation.verb = Delete;
	expect(onStore("Delete", "sa{sv}", "monday", 0), operation, "delete", "");
	operation.verb = Mount;
	expect(onStore("Mount", "sa{sv}", "monday", 0), operation, "mount", "a(sss)");
	operation.verb = Unmount;
	operation.origins = {"vg0-home"};
	operation.keepImages = true;
	expect(onStore("Unmount", "sa{sv}", "monday", 2, "origins", "as", 1, "vg0-home",
		       "keep-images", "b", 1),
	       operation, "mount", "as");
}

TEST_F(GoodCalls, ExtendOutOfTheReserveOrOutOfGroups)
{
	Operation operation;
	operation.verb = Operation::Verb::Extend;
	operation.store = "a.b-1";
	operation.ranges = 1;
	expect(onStore("Extend", "a{sv}", 0), operation, "extend", "a(stb)");
	operation.ranges = 3;
	expect(onStore("Extend", "a{sv}", 1, "ranges", "u", 3), operation, "extend", "a(stb)");
	operation.ranges = 0;
	operation.vgs = {"vg0"};
	operation.size = 4096;
	expect(onStore("Extend", "a{sv}", 2, "volume-groups", "as", 1, "vg0", "size", "t",
		       uint64_t{4096}),
	       operation, "extend", "a(stb)");
}

// Calls with arguments that are wrong: nobody is asked and nothing is done.
class BadCalls : public GoodCalls
{
protected:
	void TearDown() override
	{
		EXPECT_TRUE(polkit->questions.empty());
		EXPECT_TRUE(worker.started.empty());
		EXPECT_TRUE(inside.empty());
		GoodCalls::TearDown();
	}
	void refused(const std::shared_ptr<Reply> &reply, const std::string &text)
	{
		ASSERT_TRUE(runUntil([&] { return reply->done; })) << text;
		EXPECT_EQ(wordOf(*reply), "InvalidArgument") << text << "\n" << reply->errorText;
		EXPECT_THAT(reply->errorText, HasSubstr(text));
	}
	// Attach of "x" with one option.
	template<class... Args>
	void refusedOption(const std::string &text, const char *key, Args... value)
	{
		refused(onManager("Attach", "asa{sv}", 1, "x", 1, key, value...), text);
	}
};

TEST_F(BadCalls, WithNamesThatAreNone)
{
	const std::string tooLong(65, 'a');
	for (const char *name : {"vg0/home", "/dev/sda", "-f", "", "a b", "a@b"}) {
		const std::string quoted = std::string("origin \"") + name + "\"";
		refused(onManager("Attach", "asa{sv}", 1, name, 0), quoted);
		refused(onManager("Detach", "sa{sv}", name, 0), quoted);
	}
	refused(onManager("Attach", "asa{sv}", 0, 0), "no origin");
	refused(onManager("Attach", "asa{sv}", 2, "x", "x", 0), "it is given twice");
	refused(onStore("Take", "sasa{sv}", "a@b", 0, 0), "snapshot \"a@b\"");
	refused(onStore("Take", "sasa{sv}", "m", 1, "a/b", 0), "origin \"a/b\"");
	refused(onStore("Delete", "sa{sv}", tooLong.c_str(), 0), tooLong);
	refused(onStore("Delete", "sa{sv}", "", 0), "snapshot \"\"");
	refused(onStore("Mount", "sa{sv}", "a/../b", 0), "snapshot \"a/../b\"");
	refused(onStore("Unmount", "sa{sv}", "m", 1, "origins", "as", 1, "..//x"),
		"origin \"..//x\"");
	refusedOption("store \"snapdiff-origin-x\"", "store", "s", "snapdiff-origin-x");
	refusedOption("volume group \"../vg0\"", "volume-groups", "as", 1, "../vg0");
	for (const char *path : {"/dev/../etc/passwd", "/dev/shm/link", "/tmp/disk", "sdc", ""})
		refusedOption(std::string("device \"") + path + "\"", "devices", "as", 1, path);
}

TEST_F(BadCalls, WithOptionsThatAreNone)
{
	refused(onManager("Detach", "sa{sv}", "x", 1, "forse", "b", 1),
		"option forse: there is no such option. Its options are: force.");
	refused(onManager("Detach", "sa{sv}", "x", 1, "force", "s", "yes"),
		"option force: its type is not b");
	refused(onManager("Reload", "a{sv}", 1, "now", "b", 1), "The method has no options.");
	refused(onManager("Create", "asa{sv}", 1, "x", 1, "timeout-ms", "u", 60001),
		"option timeout-ms: it must be from 1 to 60000");
	refusedOption("option chunk: it must be a power of two", "chunk", "t", uint64_t{24});
	refusedOption("option size: it must be from", "size", "t", UINT64_MAX);
	refusedOption("option freeze: there is no such option", "freeze", "b", 1);
	refused(onStore("Extend", "a{sv}", 1, "size", "t", uint64_t{8}), "go together");
	refused(onStore("Extend", "a{sv}", 1, "volume-groups", "as", 1, "vg0"), "go together");
	refused(onStore("Extend", "a{sv}", 2, "devices", "as", 1, "/dev/sdc", "ranges", "u", 2),
		"of the reserve");
	refused(onStore("Extend", "a{sv}", 1, "ranges", "u", 65), "from 1 to 64");
}

TEST_F(BusMethods, ABusThatIsLostInTheMiddleOfItIsNoHarm)
{
	polkitSays(FakePolkit::Mood::Yes);
	(void)take(*user, "begun");
	(void)take(*user, "queued");
	ASSERT_TRUE(runUntil([&] { return requests.size() == 2 && !worker.started.empty(); }));
	polkit.reset();
	server.stop();
	ASSERT_TRUE(runUntil([&] { return !bus->connected(); }));
	EXPECT_EQ(requests.size(), 1U);
	finish();
	EXPECT_EQ(requests.size(), 0U);
	EXPECT_EQ(worker.started.size(), 1U);
}

} // namespace
} // namespace snapdiff::daemon
