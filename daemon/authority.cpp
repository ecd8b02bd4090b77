// SPDX-License-Identifier: GPL-2.0-or-later
//
// BusAuthority: asks the bus who a caller is, and polkit what it may do.

#include "authority.h"

#include <sdbus-c++/sdbus-c++.h>

#include <chrono>
#include <utility>

namespace snapdiff::daemon {

namespace {

constexpr const char *polkitName = "org.freedesktop.PolicyKit1";
constexpr const char *polkitPath = "/org/freedesktop/PolicyKit1/Authority";
constexpr const char *polkitInterface = "org.freedesktop.PolicyKit1.Authority";
constexpr const char *busInterface = "org.freedesktop.DBus";

constexpr uint32_t allowUserInteraction = 1;

using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
using Verdict = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;

// As long as it waits for a person the question can be taken back under this name.
std::string cancellationName(uint64_t request)
{
	return "snapdiffd-" + std::to_string(request);
}

std::string refusalText(const Question &question, bool couldBeAsked)
{
	if (couldBeAsked)
		return question.action + " needs an administrator's password, and the caller "
					 "does not let anybody be asked for it";
	return "polkit does not allow " + question.action;
}

} // namespace

BusAuthority::BusAuthority(sdbus::IConnection &connection, bool askPolkit, const Limits &limits)
	: limits_(limits),
	  bus_(sdbus::createProxy(connection, busInterface, "/org/freedesktop/DBus"))
{
	if (askPolkit)
		polkit_ = sdbus::createProxy(connection, polkitName, polkitPath);
}

BusAuthority::~BusAuthority() = default;

void BusAuthority::identify(const Caller &caller, Identified then)
{
	try {
		bus_->callMethodAsync("GetConnectionUnixUser")
			.onInterface(busInterface)
			.withTimeout(std::chrono::milliseconds(limits_.busMs))
			.withArguments(caller.name)
			.uponReplyInvoke([then](const sdbus::Error *error, uint32_t uid) {
				then(error ? std::nullopt : std::optional<uid_t>(uid));
			});
	} catch (const sdbus::Error &) {
		then(std::nullopt);
	}
}

void BusAuthority::decide(const Question &question, Decided then)
{
	if (!polkit_) {
		then(false, "on this bus only root may");
		return;
	}
	const bool ask = question.caller.mayBeAsked;
	const auto answer = [this, question, then](const sdbus::Error *error,
						   const Verdict &verdict) {
		if (!error && verdict.get<0>())
			return then(true, "");
		if (error && question.caller.mayBeAsked)
			withdraw(question.request);
		then(false, error ? "polkit gave no answer (" + error->getMessage() + ")"
				  : refusalText(question, verdict.get<1>()));
	};
	try {
		polkit_->callMethodAsync("CheckAuthorization")
			.onInterface(polkitInterface)
			.withTimeout(std::chrono::milliseconds(ask ? limits_.personMs
								   : limits_.polkitMs))
			.withArguments(Subject("system-bus-name",
					       {{"name", sdbus::Variant(question.caller.name)}}),
				       question.action, question.details,
				       ask ? allowUserInteraction : uint32_t{0},
				       ask ? cancellationName(question.request) : std::string())
			.uponReplyInvoke(answer);
	} catch (const sdbus::Error &error) {
		then(false, "polkit cannot be asked (" + error.getMessage() + ")");
	}
}

void BusAuthority::withdraw(uint64_t request)
{
	if (!polkit_)
		return;
	try {
		polkit_->callMethodAsync("CancelCheckAuthorization")
			.onInterface(polkitInterface)
			.withTimeout(std::chrono::milliseconds(limits_.polkitMs))
			.withArguments(cancellationName(request))
			.uponReplyInvoke([](const sdbus::Error *) {});
	} catch (const sdbus::Error &) {
		// Nobody is there who could still ask a person.
	}
}

} // namespace snapdiff::daemon
