// SPDX-License-Identifier: GPL-2.0-or-later
//
// Requests: what callers asked the daemon to do, from the call to the answer.

#include "requests.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace snapdiff::daemon {

namespace {

constexpr const char *actionPrefix = "org.snapdiff1.";

std::string_view actionOf(Operation::Verb verb)
{
	using enum Operation::Verb;

	switch (verb) {
	case Remove:
		return "delete";
	case Unmount:
		return "mount";
	case Reload:
		return "manage";
	default:
		return word(verb);
	}
}

std::string joined(const std::vector<std::string> &items)
{
	std::string text;
	for (const std::string &item : items)
		text += (text.empty() ? "" : ", ") + item;
	return text;
}

Outcome tooMany(std::string why)
{
	return failed(Error(EAGAIN, "request", std::move(why))
			      .advise("Try again when some of them are answered."),
		      "LimitsExceeded");
}

Outcome notAuthorized(const Operation &operation, std::string why)
{
	return failed(Error(EPERM, describe(operation), std::move(why))
			      .advise("An administrator may, or root with snapdiff(8)."),
		      "NotAuthorized");
}

} // namespace

Question questionOf(uint64_t request, const Caller &caller, const Operation &operation)
{
	Question question;
	question.request = request;
	question.caller = caller;
	question.action = actionPrefix + std::string(actionOf(operation.verb));
	const auto add = [&](const char *key, std::string value) {
		if (!value.empty())
			question.details[key] = std::move(value);
	};
	add("verb", std::string(word(operation.verb)));
	add("what", describe(operation));
	add("store", operation.store);
	add("snapshot", operation.snapshot);
	add("origins", joined(operation.origins));
	add("volume-groups", joined(operation.vgs));
	add("devices", joined(operation.devices));
	return question;
}

void Requests::setAuthority(Authority *authority)
{
	authority_ = authority;
	if (authority)
		return;
	for (Request &request : list_)
		request.answer = nullptr;
	std::erase_if(list_, [](const Request &r) { return r.state != State::Running; });
}

size_t Requests::count(const std::function<bool(const Request &)> &which) const
{
	return static_cast<size_t>(std::count_if(list_.begin(), list_.end(), which));
}

// What is known at once.
std::optional<Error> Requests::overLimit(const Caller &caller) const
{
	const auto ofCaller = [&](const Request &r) { return r.caller.name == caller.name; };
	const auto unidentified = [](const Request &r) { return r.state == State::Identifying; };

	if (count(ofCaller) >= mostOfCaller)
		return tooMany("this caller has " + std::to_string(mostOfCaller) + " already")
			.error;
	if (count(unidentified) >= mostUnidentified)
		return tooMany("too many come at once").error;
	return std::nullopt;
}

// What depends on whose it is.
std::optional<Error> Requests::overLimit(const Request &request) const
{
	const auto counted = [](const Request &r) { return r.state != State::Identifying; };
	const auto ofUser = [&](const Request &r) { return counted(r) && r.uid == request.uid; };
	const auto ofOthers = [&](const Request &r) { return counted(r) && r.uid != 0; };

	if (count(counted) >= most)
		return tooMany("there are " + std::to_string(most) + " already").error;
	if (request.uid != 0 && count(ofUser) >= mostOfUser)
		return tooMany("this user has " + std::to_string(mostOfUser) + " already").error;
	if (request.uid != 0 && count(ofOthers) >= mostOfOthers)
		return tooMany("there are " + std::to_string(mostOfOthers) + " already").error;
	return std::nullopt;
}

bool Requests::isAbout(const std::string &store) const
{
	return count([&](const Request &r) { return r.answer && r.operation.store == store; }) != 0;
}

void Requests::submit(const Caller &caller, Operation operation, Answer answer)
{
	if (closed_ || !authority_ || caller.name.empty()) {
		answer(failed(Error(ESHUTDOWN, describe(operation), "snapdiffd is ending")));
		return;
	}
	if (auto error = overLimit(caller)) {
		answer(failed(std::move(*error), "LimitsExceeded"));
		return;
	}
	Request &request = list_.emplace_back();
	request.id = ++lastId_;
	request.caller = caller;
	request.operation = std::move(operation);
	request.answer = std::move(answer);
	// Asked last: the answer may come at once.
	authority_->identify(
		caller, [this, id = request.id](std::optional<uid_t> uid) { identified(id, uid); });
}

Requests::Place Requests::find(uint64_t id)
{
	return std::find_if(list_.begin(), list_.end(),
			    [&](const Request &request) { return request.id == id; });
}

void Requests::identified(uint64_t id, std::optional<uid_t> uid)
{
	const Place request = find(id);
	if (request == list_.end() || request->state != State::Identifying)
		return;
	if (!uid) {
		end(request, notAuthorized(request->operation, "the bus does not say who asks"));
		return;
	}
	request->uid = *uid;
	if (auto error = overLimit(*request)) {
		end(request, failed(std::move(*error), "LimitsExceeded"));
		return;
	}
	if (*uid == 0) {
		allow(request);
		return;
	}
	request->state = State::Deciding;
	authority_->decide(
		questionOf(id, request->caller, request->operation),
		[this, id](bool allowed, const std::string &why) { decided(id, allowed, why); });
}

void Requests::decided(uint64_t id, bool allowed, const std::string &why)
{
	const Place request = find(id);
	if (request == list_.end() || request->state != State::Deciding)
		return;
	if (allowed)
		allow(request);
	else
		end(request, notAuthorized(request->operation, why));
}

void Requests::allow(Place request)
{
	if (closed_) {
		end(request,
		    failed(Error(ESHUTDOWN, describe(request->operation), "snapdiffd is ending")));
		return;
	}
	request->state = State::Waiting;
	request->turn = ++lastTurn_;
	if (request->operation.isInside()) {
		const Outcome outcome = parts_.doInside(request->operation);
		tell(*request, outcome);
		parts_.beforeAnswer();
		end(request, outcome);
		return;
	}
	step();
}

void Requests::step()
{
	// One that could not be started has its outcome at once.
	do {
		finishRunning();
		startNext();
	} while (running_ && !parts_.worker.busy());
}

void Requests::finishRunning()
{
	if (!running_ || parts_.worker.busy())
		return;
	std::optional<Outcome> outcome = parts_.worker.takeOutcome();
	const Place request = std::find_if(list_.begin(), list_.end(), [](const Request &one) {
		return one.state == State::Running;
	});
	if (!outcome)
		outcome = failed(Error(EPROTO, describe(request->operation), "it has no outcome"));
	running_ = false;
	tell(*request, *outcome);
	parts_.beforeAnswer();
	end(request, *outcome);
}

void Requests::startNext()
{
	if (running_ || closed_)
		return;
	Place next = list_.end();
	for (Place one = list_.begin(); one != list_.end(); ++one) {
		if (one->state == State::Waiting && (next == list_.end() || one->turn < next->turn))
			next = one;
	}
	if (next == list_.end())
		return;
	next->state = State::Running;
	running_ = true;
	parts_.worker.start(next->operation);
}

void Requests::callerGone(const std::string &name)
{
	for (Place request = list_.begin(); request != list_.end();) {
		const Place one = request++;
		if (one->caller.name != name)
			continue;
		one->answer = nullptr;
		if (one->state == State::Deciding && authority_)
			authority_->withdraw(one->id);
		if (one->state != State::Running)
			list_.erase(one);
	}
}

void Requests::close()
{
	closed_ = true;
	for (Place request = list_.begin(); request != list_.end();) {
		const Place one = request++;
		if (one->state == State::Waiting)
			end(one, failed(Error(ESHUTDOWN, describe(one->operation),
					      "snapdiffd is ending")));
	}
}

void Requests::end(Place request, const Outcome &outcome)
{
	const Answer answer = std::move(request->answer);

	list_.erase(request);
	if (answer)
		answer(outcome);
}

// Who was refused is not told: the list of events is no place to write to for
// everybody.
void Requests::tell(const Request &request, const Outcome &outcome)
{
	const std::string what =
		describe(request.operation) + " for user " + std::to_string(request.uid);
	const std::string &store = outcome.store.empty() ? request.operation.store : outcome.store;

	if (outcome.error)
		parts_.notices.event(model::Severity::Notice, "request", store,
				     what + " failed: " + outcome.error->message());
	else
		parts_.notices.event(model::Severity::Ok, "request", store, what + ": done");
}

} // namespace snapdiff::daemon
