// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakePolkit: org.freedesktop.PolicyKit1 that answers as the test wants it.

#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace snapdiff::daemon {

class FakePolkit
{
public:
	enum class Mood { Yes, No, Challenge, Error, Silent, Nonsense };

	using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
	using Verdict = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;

	struct Question
	{
		std::string kind;
		std::string name;
		std::string action;
		std::map<std::string, std::string> details;
		uint32_t flags = 0;
		std::string cancellation;
	};

	FakePolkit(const std::string &address, Mood mood)
		: connection_(sdbus::createSessionBusConnectionWithAddress(address)),
		  object_(sdbus::createObject(*connection_,
					      "/org/freedesktop/PolicyKit1/Authority"))
	{
		const std::string interface = "org.freedesktop.PolicyKit1.Authority";
		if (mood == Mood::Nonsense)
			object_->registerMethod("CheckAuthorization")
				.onInterface(interface)
				.implementedAs(
					[](const Subject &, const std::string &,
					   const std::map<std::string, std::string> &, uint32_t,
					   const std::string &) { return std::string("yes"); });
		else
			object_->registerMethod("CheckAuthorization")
				.onInterface(interface)
				.implementedAs([this,
						mood](sdbus::Result<Verdict> &&result,
						      Subject subject, std::string action,
						      std::map<std::string, std::string> details,
						      uint32_t flags, std::string cancellation) {
					questions.push_back(
						{subject.get<0>(),
						 subject.get<1>()["name"].get<std::string>(),
						 std::move(action), std::move(details), flags,
						 std::move(cancellation)});
					answer(mood, std::move(result));
				});
		object_->registerMethod("CancelCheckAuthorization")
			.onInterface(interface)
			.implementedAs([this](const std::string &cancellation) {
				cancelled.push_back(cancellation);
			});
		object_->finishRegistration();
		connection_->requestName("org.freedesktop.PolicyKit1");
	}

	void process()
	{
		while (connection_->processPendingRequest())
			;
	}
	void saySilentYes()
	{
		for (const auto &result : unanswered_)
			result.returnResults(Verdict(true, false, {}));
		unanswered_.clear();
	}

	std::vector<Question> questions;
	std::vector<std::string> cancelled;

private:
	void answer(Mood mood, sdbus::Result<Verdict> &&result)
	{
		if (mood == Mood::Silent)
			unanswered_.push_back(std::move(result));
		else if (mood == Mood::Error)
			result.returnError(
				sdbus::Error("org.freedesktop.PolicyKit1.Error.Failed", "no"));
		else
			result.returnResults(
				Verdict(mood == Mood::Yes, mood == Mood::Challenge, {}));
	}

	std::unique_ptr<sdbus::IConnection> connection_;
	std::unique_ptr<sdbus::IObject> object_;
	std::vector<sdbus::Result<Verdict>> unanswered_;
};

} // namespace snapdiff::daemon
