// SPDX-License-Identifier: GPL-2.0-or-later
//
// Error: a failure, told for the person who will read it: what was being done,
// why it failed, and what to do next.

#pragma once

#include <string>
#include <string_view>

namespace snapdiff {

// What kind of failure a program tells apart (the exit codes of the CLI follow it).
enum class ErrorKind {
	Failed,
	Usage,
	NotFound,
	NotPermitted,
	Busy,
	NoSpace,
	NoModule,
	TimedOut,
};

class Error
{
public:
	// The reason is the system's text for errnum; the kind follows errnum.
	Error(int errnum, std::string doing);

	// The reason is said by the caller; errnum still says what class of failure it is.
	Error(int errnum, std::string doing, std::string why);

	int errnum() const { return errnum_; }
	ErrorKind kind() const { return kind_; }
	const std::string &doing() const { return doing_; }
	const std::string &why() const { return why_; }

	// A sentence that begins with a capital, or empty.
	const std::string &next() const { return next_; }

	// "extend vg0/home: reload table: No space left on device"; without the next step.
	std::string message() const;

	// Widen the story on the way up; the reason and the next step stay.
	[[nodiscard]] Error within(std::string_view outer) &&;

	// The next step.  The one given first, nearest to the fault, knows best and stays.
	[[nodiscard]] Error advise(std::string next) &&;

	[[nodiscard]] Error as(ErrorKind kind) &&;

private:
	int errnum_;
	ErrorKind kind_;
	std::string doing_;
	std::string why_;
	std::string next_;
};

} // namespace snapdiff
