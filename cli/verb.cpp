// SPDX-License-Identifier: GPL-2.0-or-later
//
// Verb: the table of verbs, and what all of them have in common.

#include "cli/verb.h"

#include "cli/json.h"

#include <cerrno>
#include <ostream>

#include <unistd.h>

namespace snapdiff::cli {

std::span<const Verb> verbs()
{
	using enum Option;

	static const std::vector<Verb> table = {
		{"create",
		 "ORIGIN",
		 1,
		 anyNumber,
		 "take a snapshot of fresh volumes: store, attach, take, images in one go",
		 {Name, Store, Vg, Device, Size, Chunk, NoFreeze, Timeout, DryRun},
		 runCreate},
		{"attach",
		 "ORIGIN",
		 1,
		 anyNumber,
		 "put live volumes under watch, mounted or not",
		 {Store, Vg, Device, Size, Chunk, DryRun},
		 runAttach},
		{"detach",
		 "ORIGIN",
		 1,
		 anyNumber,
		 "make volumes plain again",
		 {Force, DryRun, Yes},
		 runDetach},
		{"take",
		 "ORIGIN",
		 0,
		 anyNumber,
		 "take a snapshot of attached volumes at one instant (none given: all of the "
		 "store)",
		 {Name, Store, NoFreeze, Timeout, DryRun},
		 runTake},
		{"list",
		 "WHAT",
		 0,
		 1,
		 "one line for each of snapshots (default), images, origins, stores or ranges",
		 {Store, Report},
		 runList},
		{"show",
		 "NAME",
		 1,
		 anyNumber,
		 "all about a store, origin or snapshot",
		 {Units},
		 runShow},
		{"status",
		 "STORE",
		 0,
		 anyNumber,
		 "how full the stores are, what may still come, what is wrong",
		 {Units},
		 runStatus},
		{"watch",
		 "STORE",
		 0,
		 anyNumber,
		 "print what happens, as it happens",
		 {Events},
		 runWatch},
		{"extend",
		 "DEVICE",
		 0,
		 anyNumber,
		 "give devices, or volumes carved with --vg and --size, to a running store",
		 {Store, Vg, Size, DryRun},
		 runExtend},
		{"delete",
		 "SNAPSHOT",
		 0,
		 anyNumber,
		 "delete snapshots, or with --remove-store a store",
		 {Store, RemoveStore, DryRun, Yes},
		 runDelete},
		{"mount",
		 "SNAPSHOT",
		 1,
		 1,
		 "mount the images of a snapshot: read-only, nosuid, nodev, noexec",
		 {Store, Origin, On, DryRun},
		 runMount},
		{"umount",
		 "SNAPSHOT",
		 1,
		 1,
		 "unmount the images of a snapshot and remove them",
		 {Store, Origin, Keep, DryRun},
		 runUmount},
	};
	return table;
}

const Verb *verbNamed(std::string_view name)
{
	for (const Verb &verb : verbs()) {
		if (verb.name == name)
			return &verb;
	}
	return nullptr;
}

Exit exitOf(const Error &error)
{
	switch (error.kind()) {
	case ErrorKind::Failed:
	case ErrorKind::TimedOut:
		return Exit::Failed;
	case ErrorKind::Usage:
		return Exit::Usage;
	case ErrorKind::NotFound:
		return Exit::NotFound;
	case ErrorKind::NotPermitted:
		return Exit::NotPermitted;
	case ErrorKind::Busy:
		return Exit::Busy;
	case ErrorKind::NoSpace:
		return Exit::NoSpace;
	case ErrorKind::NoModule:
		return Exit::NoModule;
	}
	return Exit::Failed;
}

void sayError(std::ostream &err, const Error &error)
{
	err << "snapdiff: " << error.message() << ".\n";
	if (!error.next().empty())
		err << error.next() << "\n";
}

Result<> confirm(const Session &session, const std::string &what)
{
	if (session.arguments.yes || session.arguments.dryRun)
		return {};
	return Error(ECANCELED, what, "not confirmed")
		.as(ErrorKind::Usage)
		.advise("Say --yes to do it; --dry-run shows what would be done.");
}

static Outcome runChecked(Session &session)
{
	const Verb *verb = verbNamed(session.arguments.verb);
	if (!verb)
		return Error(EINVAL, session.arguments.verb, "no such verb").as(ErrorKind::Usage);
	if (geteuid() != 0)
		return Error(EPERM, session.arguments.verb, "only root may use device-mapper")
			.advise("Run this as root, for example with sudo.");
	if (Result<> done = dm::requireModule(session.context.dm); !done)
		return std::move(done).error();
	return verb->run(session);
}

Exit perform(Session &session)
{
	const Outcome outcome = runChecked(session);
	session.out << std::flush;
	if (outcome)
		return *outcome;
	if (session.arguments.json)
		session.out << jsonError(outcome.error(), exitOf(outcome.error())) << std::flush;
	sayError(session.err, outcome.error());
	return exitOf(outcome.error());
}

} // namespace snapdiff::cli
