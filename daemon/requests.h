// SPDX-License-Identifier: GPL-2.0-or-later
//
// Requests: what callers asked the daemon to do, from the call to the answer.
//
//	submitted -> who is it? -> may it? -> waiting -> in the worker -> answered
//	                                  \-> done inside the daemon, at once
//
// Root may always; everybody else if the authority says so, and every other answer,
// none at all included, means no.  One operation is in the worker at a time, the
// others wait in the order in which they were allowed.  Nobody can fill the list: it
// is bounded for each caller, for each user, and for all users but root.

#pragma once

#include "notices.h"
#include "worker.h"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

#include <sys/types.h>

namespace snapdiff::daemon {

struct Caller
{
	std::string name;	 // unique on the bus, never given twice
	bool mayBeAsked = false; // for a password
};

struct Question
{
	uint64_t request = 0;
	Caller caller;
	std::string action; // "org.snapdiff1.take"
	std::map<std::string, std::string> details;
};

// Who knows who a caller is and what it may do.  Each answer comes once and later,
// within a bounded time.
class Authority
{
public:
	virtual ~Authority() = default;

	using Identified = std::function<void(std::optional<uid_t>)>;
	using Decided = std::function<void(bool allowed, std::string why)>;

	virtual void identify(const Caller &caller, Identified then) = 0;
	virtual void decide(const Question &question, Decided then) = 0;

	// Nobody is interested in the decision any more.
	virtual void withdraw(uint64_t request) = 0;
};

Question questionOf(uint64_t request, const Caller &caller, const Operation &operation);

class Requests
{
public:
	static constexpr size_t most = 16;
	static constexpr size_t mostOfOthers = 12; // than root
	static constexpr size_t mostOfUser = 8;
	static constexpr size_t mostOfCaller = 4;
	static constexpr size_t mostUnidentified = 64;

	using Answer = std::function<void(const Outcome &)>;

	struct Parts
	{
		Worker &worker;
		Notices &notices;
		// Does what Operation::isInside() says.
		std::function<Outcome(const Operation &)> doInside;
		// Before an answer: what was done is to be seen by then.
		std::function<void()> beforeAnswer;
	};

	explicit Requests(Parts parts) : parts_(std::move(parts)) {}

	// Null: no bus.  Then nobody is left who waits for an answer.
	void setAuthority(Authority *authority);

	// The answer comes once, perhaps before this returns.
	void submit(const Caller &caller, Operation operation, Answer answer);

	// What has not begun of it is forgotten; what has begun comes to its end.
	void callerGone(const std::string &name);

	// Takes the worker's outcome, if there is one, and starts what waits.
	void step();

	// From now on nothing is begun.
	void close();

	bool idle() const { return !running_; }

	// True while somebody waits for the answer to what concerns this store.
	bool isAbout(const std::string &store) const;

	size_t size() const { return list_.size(); }

private:
	enum class State { Identifying, Deciding, Waiting, Running };

	struct Request
	{
		uint64_t id = 0;
		Caller caller;
		uid_t uid = 0;
		Operation operation;
		Answer answer; // empty: nobody waits for it
		State state = State::Identifying;
		uint64_t turn = 0; // among those that wait
	};

	using Place = std::list<Request>::iterator;

	Place find(uint64_t id);
	size_t count(const std::function<bool(const Request &)> &which) const;
	std::optional<Error> overLimit(const Caller &caller) const;
	std::optional<Error> overLimit(const Request &request) const;
	void identified(uint64_t id, std::optional<uid_t> uid);
	void decided(uint64_t id, bool allowed, const std::string &why);
	void allow(Place request);
	void finishRunning();
	void startNext();
	void end(Place request, const Outcome &outcome);
	void tell(const Request &request, const Outcome &outcome);

	Parts parts_;
	Authority *authority_ = nullptr;
	std::list<Request> list_;
	uint64_t lastId_ = 0;
	uint64_t lastTurn_ = 0;
	bool running_ = false;
	bool closed_ = false;
};

} // namespace snapdiff::daemon
