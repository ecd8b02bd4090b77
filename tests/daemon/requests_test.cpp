// SPDX-License-Identifier: GPL-2.0-or-later
//
// Requests without a bus: who may, in which order, how many, and who is forgotten.

#include "fake_worker.h"
#include "requests.h"
#include "told.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace snapdiff::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Knows users by name; decides when the test says so.
class FakeAuthority final : public Authority
{
public:
	void identify(const Caller &caller, Identified then) override
	{
		if (later) {
			unidentified.push_back(std::move(then));
			return;
		}
		const auto user = users.find(caller.name);
		then(user == users.end() ? std::nullopt : std::optional<uid_t>(user->second));
	}
	void decide(const Question &question, Decided then) override
	{
		questions.push_back(question);
		decisions.push_back(std::move(then));
	}
	void withdraw(uint64_t request) override { withdrawn.push_back(request); }

	std::map<std::string, uid_t> users;
	bool later = false;
	std::vector<Identified> unidentified;
	std::vector<Question> questions;
	std::vector<Decided> decisions;
	std::vector<uint64_t> withdrawn;
};

Operation takeOf(const std::string &snapshot)
{
	Operation operation;
	operation.verb = Operation::Verb::Take;
	operation.store = "s";
	operation.snapshot = snapshot;
	operation.origins = {"vg0-home"};
	return operation;
}

class RequestsTest : public testing::Test
{
protected:
	void SetUp() override
	{
		authority.users = {{":root", 0}, {":anna", 1000}};
		requests.setAuthority(&authority);
	}
	void submit(const std::string &caller, const Operation &operation)
	{
		requests.submit({caller, false}, operation, [this](const Outcome &outcome) {
			answers.push_back(outcome);
			steps.emplace_back("answer");
		});
	}
	void finish(Outcome outcome = {})
	{
		worker.finish(std::move(outcome));
		requests.step();
	}
	std::vector<std::string> started() const
	{
		std::vector<std::string> names;
		for (const Operation &operation : worker.started)
			names.push_back(operation.snapshot);
		return names;
	}
	bool heard(const std::string &words) const
	{
		return std::any_of(told.events.begin(), told.events.end(), [&](const auto &line) {
			return line.kind == "request" && line.text.find(words) != words.npos;
		});
	}
	std::string lastWord() const { return answers.empty() ? "-" : errorWord(answers.back()); }

	FakeWorker worker;
	FakeAuthority authority;
	ToldNotices told;
	std::vector<Outcome> answers;
	std::vector<std::string> steps;
	std::vector<Operation> inside;
	Requests requests{{worker, told,
			   [this](const Operation &operation) {
				   inside.push_back(operation);
				   return Outcome();
			   },
			   [this] { steps.emplace_back("show"); }}};
};

TEST_F(RequestsTest, RootIsNotAskedAbout)
{
	submit(":root", takeOf("monday"));
	EXPECT_TRUE(authority.questions.empty());
	EXPECT_THAT(started(), ElementsAre("monday"));
	EXPECT_TRUE(answers.empty());
	finish();
	ASSERT_EQ(answers.size(), 1U);
	EXPECT_FALSE(answers[0].error);
	EXPECT_EQ(requests.size(), 0U);
}

TEST_F(RequestsTest, AnybodyElseWaitsForTheAuthority)
{
	submit(":anna", takeOf("monday"));
	ASSERT_EQ(authority.questions.size(), 1U);
	const Question &question = authority.questions[0];
	EXPECT_EQ(question.caller.name, ":anna");
	EXPECT_EQ(question.action, "org.snapdiff1.take");
	EXPECT_EQ(question.details.at("snapshot"), "monday");
	EXPECT_EQ(question.details.at("origins"), "vg0-home");
	EXPECT_EQ(question.details.at("store"), "s");
	requests.step();
	EXPECT_TRUE(worker.started.empty());
	authority.decisions[0](true, "");
	EXPECT_THAT(started(), ElementsAre("monday"));
}

TEST_F(RequestsTest, ARefusalStartsNothing)
{
	submit(":anna", takeOf("monday"));
	authority.decisions.at(0)(false, "polkit does not allow it");
	EXPECT_EQ(lastWord(), "NotAuthorized");
	EXPECT_THAT(answers.at(0).error->message(), HasSubstr("polkit does not allow it"));
	EXPECT_TRUE(worker.started.empty());
	EXPECT_TRUE(told.events.empty()) << "nobody may fill the list of events with refusals";
	// A second word changes nothing.
	authority.decisions.at(0)(true, "");
	EXPECT_TRUE(worker.started.empty());
	EXPECT_EQ(answers.size(), 1U);
}

TEST_F(RequestsTest, WhomTheBusDoesNotKnowMayNothing)
{
	submit(":nobody", takeOf("monday"));
	EXPECT_EQ(lastWord(), "NotAuthorized");
	submit("", takeOf("monday"));
	EXPECT_EQ(lastWord(), "Failed");
	EXPECT_TRUE(worker.started.empty());
}

TEST_F(RequestsTest, OneIsAtWorkAtATimeInTheOrderOfBeingAllowed)
{
	submit(":root", takeOf("first"));
	submit(":anna", takeOf("asked-early"));
	submit(":root", takeOf("second"));
	submit(":root", takeOf("third"));
	authority.decisions.at(0)(true, "");
	EXPECT_THAT(started(), ElementsAre("first"));
	finish();
	EXPECT_THAT(started(), ElementsAre("first", "second"));
	finish();
	finish();
	EXPECT_THAT(started(), ElementsAre("first", "second", "third", "asked-early"));
	finish();
	EXPECT_EQ(answers.size(), 4U);
	EXPECT_TRUE(requests.idle());
}

TEST_F(RequestsTest, WhatWasDoneIsShownBeforeItIsAnswered)
{
	submit(":root", takeOf("monday"));
	finish();
	EXPECT_THAT(steps, ElementsAre("show", "answer"));
	EXPECT_TRUE(heard("take snapshot monday of vg0-home in store s for user 0: done"));
}

TEST_F(RequestsTest, AFailureIsTheAnswerAndTheNextHasItsTurn)
{
	submit(":root", takeOf("first"));
	submit(":root", takeOf("second"));
	finish(failed(Error(EBUSY, "take first")));
	EXPECT_EQ(lastWord(), "Busy");
	EXPECT_THAT(started(), ElementsAre("first", "second"));
}

TEST_F(RequestsTest, AWorkerThatCannotStartHoldsNobodyUp)
{
	worker.cannotStart = true;
	submit(":root", takeOf("first"));
	submit(":root", takeOf("second"));
	EXPECT_EQ(answers.size(), 2U);
	EXPECT_EQ(requests.size(), 0U);
	EXPECT_TRUE(requests.idle());
}

TEST_F(RequestsTest, WhatTheDaemonDoesItselfWaitsForNoWorker)
{
	submit(":root", takeOf("long"));
	Operation extend;
	extend.verb = Operation::Verb::Extend;
	extend.store = "s";
	extend.ranges = 1;
	submit(":root", extend);
	EXPECT_EQ(inside.size(), 1U);
	EXPECT_EQ(answers.size(), 1U);
	// And is asked about like everything else.
	submit(":anna", extend);
	EXPECT_EQ(inside.size(), 1U);
	EXPECT_EQ(authority.questions.at(0).action, "org.snapdiff1.extend");
	authority.decisions.at(0)(true, "");
	EXPECT_EQ(inside.size(), 2U);
}

TEST_F(RequestsTest, ACallerHasAtMostFour)
{
	for (size_t i = 0; i < Requests::mostOfCaller; i++)
		submit(":root", takeOf("s" + std::to_string(i)));
	EXPECT_TRUE(answers.empty());
	submit(":root", takeOf("one-more"));
	EXPECT_EQ(lastWord(), "LimitsExceeded");
	finish();
	submit(":root", takeOf("one-more"));
	EXPECT_EQ(answers.size(), 2U);
}

TEST_F(RequestsTest, SixteenAreTheMost)
{
	for (size_t i = 0; i <= Requests::most; i++) {
		const std::string name = ":r" + std::to_string(i / Requests::mostOfCaller);
		authority.users[name] = 0;
		submit(name, takeOf("s" + std::to_string(i)));
	}
	EXPECT_EQ(requests.size(), Requests::most);
	ASSERT_EQ(answers.size(), 1U);
	EXPECT_EQ(lastWord(), "LimitsExceeded");
}

TEST_F(RequestsTest, NobodyButRootCanFillTheList)
{
	for (uid_t i = 0; i <= Requests::mostOfOthers; i++) {
		const std::string name = ":u" + std::to_string(i);
		authority.users[name] = 1000 + i;
		submit(name, takeOf("s"));
	}
	EXPECT_EQ(authority.questions.size(), Requests::mostOfOthers);
	EXPECT_EQ(lastWord(), "LimitsExceeded");
	submit(":root", takeOf("root"));
	EXPECT_THAT(started(), ElementsAre("root"));
}

TEST_F(RequestsTest, AUserWithManyConnectionsHasAtMostEight)
{
	for (size_t i = 0; i <= Requests::mostOfUser; i++) {
		const std::string name = ":u" + std::to_string(i);
		authority.users[name] = 1000;
		submit(name, takeOf("s"));
	}
	EXPECT_EQ(authority.questions.size(), Requests::mostOfUser);
	EXPECT_EQ(lastWord(), "LimitsExceeded");
}

TEST_F(RequestsTest, WhoIsNotKnownYetIsLimitedToo)
{
	authority.later = true;
	for (size_t i = 0; i <= Requests::mostUnidentified; i++)
		submit(":u" + std::to_string(i), takeOf("s"));
	EXPECT_EQ(authority.unidentified.size(), Requests::mostUnidentified);
	EXPECT_EQ(lastWord(), "LimitsExceeded");
}

TEST_F(RequestsTest, OfACallerThatLeftOnlyWhatHasBegunIsDone)
{
	authority.users[":other"] = 0;
	submit(":anna", takeOf("begun"));
	authority.decisions.at(0)(true, "");
	submit(":anna", takeOf("queued"));
	authority.decisions.at(1)(true, "");
	submit(":anna", takeOf("asked"));
	submit(":other", takeOf("of-somebody-else"));

	requests.callerGone(":anna");
	EXPECT_THAT(authority.withdrawn, ElementsAre(authority.questions.at(2).request));
	authority.decisions.at(2)(true, ""); // too late
	finish();
	EXPECT_THAT(started(), ElementsAre("begun", "of-somebody-else"));
	finish();
	ASSERT_EQ(answers.size(), 1U) << "nobody is there to be answered";
	EXPECT_TRUE(heard("take snapshot begun"));
	EXPECT_EQ(requests.size(), 0U);
}

TEST_F(RequestsTest, ALostBusLeavesOnlyWhatHasBegun)
{
	submit(":root", takeOf("begun"));
	submit(":root", takeOf("queued"));
	submit(":anna", takeOf("asked"));
	requests.setAuthority(nullptr);
	authority.decisions.at(0)(true, "");
	finish();
	EXPECT_THAT(started(), ElementsAre("begun"));
	EXPECT_TRUE(answers.empty());
	submit(":root", takeOf("nobody-to-ask"));
	EXPECT_EQ(lastWord(), "Failed");
	requests.setAuthority(&authority);
	submit(":root", takeOf("again"));
	EXPECT_THAT(started(), ElementsAre("begun", "again"));
}

TEST_F(RequestsTest, AtTheEndOfTheDaemonNothingIsBegun)
{
	submit(":root", takeOf("begun"));
	submit(":root", takeOf("queued"));
	submit(":anna", takeOf("asked"));
	requests.close();
	EXPECT_EQ(answers.size(), 1U);
	EXPECT_FALSE(requests.idle());
	authority.decisions.at(0)(true, "");
	EXPECT_EQ(answers.size(), 2U);
	submit(":root", takeOf("late"));
	EXPECT_EQ(answers.size(), 3U);
	finish();
	EXPECT_EQ(answers.size(), 4U);
	EXPECT_FALSE(answers.back().error);
	EXPECT_THAT(started(), ElementsAre("begun"));
	EXPECT_TRUE(requests.idle());
}

// What stands in id="..." of the policy file.
std::set<std::string> actionsOfThePolicy()
{
	std::ostringstream text;
	text << std::ifstream(SNAPDIFF_POLICY).rdbuf();
	const std::string all = text.str();
	std::set<std::string> actions;
	const std::string before = "<action id=\"";
	for (size_t at = 0; (at = all.find(before, at)) != all.npos;) {
		at += before.size();
		actions.insert(all.substr(at, all.find('"', at) - at));
	}
	return actions;
}

TEST(ThePolicy, HasTheActionsThatAreAskedAboutAndNoOther)
{
	std::set<std::string> asked;
	for (int verb = 0; verb <= static_cast<int>(Operation::Verb::Reload); verb++) {
		Operation operation;
		operation.verb = static_cast<Operation::Verb>(verb);
		asked.insert(questionOf(1, {":1", false}, operation).action);
	}
	EXPECT_EQ(asked.size(), 8U);
	EXPECT_EQ(asked, actionsOfThePolicy());
}

} // namespace
} // namespace snapdiff::daemon
