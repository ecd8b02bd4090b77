// SPDX-License-Identifier: GPL-2.0-or-later
//
// Operation: words for people and for D-Bus.

#include "operation.h"

#include <utility>

namespace snapdiff::daemon {

std::string_view word(Operation::Verb verb)
{
	using enum Operation::Verb;

	switch (verb) {
	case Attach:
		return "attach";
	case Detach:
		return "detach";
	case Create:
		return "create";
	case Take:
		return "take";
	case Delete:
		return "delete";
	case Extend:
		return "extend";
	case Remove:
		return "remove";
	case Mount:
		return "mount";
	case Unmount:
		return "unmount";
	case Reload:
		return "reload";
	}
	return "?";
}

std::string describe(const Operation &operation)
{
	std::string text(word(operation.verb));
	const auto add = [&](std::string_view before, const std::string &what) {
		if (!what.empty())
			text.append(" ").append(before).append(what);
	};
	std::string origins;

	if (operation.verb == Operation::Verb::Reload)
		return "read the configuration again";
	for (const std::string &origin : operation.origins)
		origins += (origins.empty() ? "" : ", ") + origin;
	add("snapshot ", operation.snapshot);
	add(operation.snapshot.empty() ? "" : "of ", origins);
	add(text.find(' ') == text.npos ? "store " : "in store ", operation.store);
	return text;
}

int64_t timeLimitMs(const Operation &operation, unsigned lvmTimeoutMs)
{
	// It runs lvm at most so often: for its space, and for each origin.
	constexpr size_t ofSpace = 6;
	constexpr size_t perObject = 3;
	const size_t runs = ofSpace + perObject * (operation.origins.size() + operation.vgs.size());

	return int64_t{lvmTimeoutMs} * static_cast<int64_t>(runs) + operation.timeoutMs;
}

Outcome failed(Error error, std::string_view errorWord)
{
	Outcome outcome;
	outcome.error = std::move(error);
	outcome.errorWord = errorWord;
	return outcome;
}

std::string errorWord(const Outcome &outcome)
{
	if (!outcome.errorWord.empty() || !outcome.error)
		return outcome.errorWord;
	switch (outcome.error->kind()) {
	case ErrorKind::Usage:
		return "InvalidArgument";
	case ErrorKind::NotFound:
		return "NotFound";
	case ErrorKind::NotPermitted:
		return "NotPermitted";
	case ErrorKind::Busy:
		return "Busy";
	case ErrorKind::NoSpace:
		return "NoSpace";
	case ErrorKind::NoModule:
		return "NoModule";
	case ErrorKind::TimedOut:
		return "TimedOut";
	case ErrorKind::Failed:
		break;
	}
	return "Failed";
}

} // namespace snapdiff::daemon
