// SPDX-License-Identifier: GPL-2.0-or-later
//
// Verb: one command of the program.  The table of verbs is the only list of them;
// each has a file of its own, cmd_VERB.cpp.

#pragma once

#include "cli/arguments.h"
#include "ops/context.h"
#include "util/result.h"

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace snapdiff::cli {

// Exit codes of the program; documented in docs/snapdiff.8 and in --help.
enum class Exit {
	Ok = 0,
	Failed = 1,
	Usage = 2,
	Partial = 3,
	NotFound = 4,
	NotPermitted = 5,
	Busy = 6,
	NoSpace = 7,
	NoModule = 8,
};

Exit exitOf(const Error &error);

// What a verb works with.  Data goes to out, everything else to err.
struct Session
{
	ops::Context &context;
	const Arguments &arguments;
	std::ostream &out;
	std::ostream &err;
};

// What a verb did; failures of a part have been said already.
using Outcome = Result<Exit>;

struct Verb
{
	const char *name;
	const char *object; // "ORIGIN": what it is done to
	size_t fewest;
	size_t most;
	const char *summary;
	std::vector<Option> options;
	Outcome (*run)(Session &session);
};

constexpr size_t anyNumber = SIZE_MAX;

std::span<const Verb> verbs();
const Verb *verbNamed(std::string_view name);

Outcome runCreate(Session &session);
Outcome runAttach(Session &session);
Outcome runDetach(Session &session);
Outcome runTake(Session &session);
Outcome runList(Session &session);
Outcome runShow(Session &session);
Outcome runStatus(Session &session);
Outcome runWatch(Session &session);
Outcome runExtend(Session &session);
Outcome runDelete(Session &session);
Outcome runMount(Session &session);
Outcome runUmount(Session &session);

// "snapdiff: WHAT: WHY" and the next step on a line of its own.
void sayError(std::ostream &err, const Error &error);

// --yes was given, or nothing will be done.  Nobody is ever asked: what waits for a
// terminal hangs where there is none.
Result<> confirm(const Session &session, const std::string &what);

// The whole program after the command line was read: the checks that every verb
// needs, the verb, its errors.
Exit perform(Session &session);

} // namespace snapdiff::cli
