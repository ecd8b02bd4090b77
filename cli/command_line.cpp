// SPDX-License-Identifier: GPL-2.0-or-later
//
// Command line: argv -> Arguments, with CLI11.

#include "cli/command_line.h"

#include "util/text.h"

#include "dm-snapdiff.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <sstream>

namespace snapdiff::cli {

namespace {

constexpr const char *footer =
	"ORIGIN is a device-mapper device as people write it: vg0/home, /dev/vg0/home,\n"
	"/dev/mapper/vg0-home or vg0-home. SIZE is like 512M or 1.5G.\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 4 no such object,\n"
	"5 not permitted, 6 busy or in use, 7 no space, 8 kernel module missing or of another\n"
	"version. New codes may come; anything but 0 is a failure.\n";

// CLI11 asks validators for an error text, empty if all is well.
std::string complaint(const Error &error)
{
	return error.message();
}

void addSize(CLI::App &app, Arguments &args)
{
	app.add_option_function<std::string>(
		   "--size",
		   [&args](const std::string &text) {
			   const Result<uint64_t> bytes = parseSize(text);
			   if (!bytes)
				   throw CLI::ValidationError("--size", complaint(bytes.error()));
			   if (*bytes == 0)
				   throw CLI::ValidationError("--size", "must not be 0");
			   args.sizeBytes = *bytes;
		   },
		   "how much to carve out of the volume groups")
		->type_name("SIZE");
}

void addChunk(CLI::App &app, Arguments &args)
{
	app.add_option_function<std::string>(
		   "--chunk",
		   [&args](const std::string &text) {
			   const Result<uint64_t> bytes = parseSize(text);
			   if (!bytes)
				   throw CLI::ValidationError("--chunk", complaint(bytes.error()));
			   const uint64_t sectors = *bytes / sectorSize;
			   if (*bytes % sectorSize != 0 || !std::has_single_bit(sectors) ||
			       sectors < SNAPDIFF_CHUNK_MIN || sectors > SNAPDIFF_CHUNK_MAX)
				   throw CLI::ValidationError(
					   "--chunk", "must be a power of two from 4K to 1M");
			   args.chunkSectors = sectors;
		   },
		   "unit of copying of a new store, 4K to 1M (default 64K)")
		->type_name("SIZE");
}

void addUnits(CLI::App &app, Arguments &args)
{
	app.add_option_function<std::string>(
		   "--units",
		   [&args](const std::string &text) {
			   const Result<UnitChoice> units = parseUnits(text);
			   if (!units)
				   throw CLI::ValidationError("--units", complaint(units.error()));
			   args.units = *units;
		   },
		   "of sizes: h (human), b s k m g t (powers of 1024), K M G T (of 1000)")
		->type_name("UNIT");
}

void addReport(CLI::App &app, Arguments &args)
{
	app.add_flag("--noheadings", args.noHeadings, "no line of headings");
	// One word, so that it does not swallow what stands behind it.
	app.add_option_function<std::string>(
		   "-o,--options",
		   [&args](const std::string &text) {
			   std::istringstream fields(text);
			   for (std::string field; std::getline(fields, field, ',');)
				   args.fields.push_back(field);
		   },
		   "fields, in this order; \"help\" lists them")
		->type_name("FIELD,...");
	addUnits(app, args);
}

void addTimeout(CLI::App &app, Arguments &args)
{
	app.add_option("--timeout", args.timeoutMs,
		       "longest time for writes in flight to end, 1 to 60000 (default 2000)")
		->check(CLI::Range(1U, SNAPDIFF_TAKE_TIMEOUT_MAX_MS))
		->type_name("MS");
}

void addOption(CLI::App &app, Option option, Arguments &args)
{
	switch (option) {
	case Option::Name:
		app.add_option("--name", args.name, "of the snapshot (default: the time, UTC)")
			->type_name("SNAPSHOT");
		break;
	case Option::Store:
		app.add_option("--store", args.store, "the diff storage that is meant")
			->type_name("NAME");
		break;
	case Option::Vg:
		app.add_option("--vg", args.vgs, "volume group to carve from; several in order")
			->type_name("VG")
			->expected(1)
			->take_all();
		break;
	case Option::Device:
		app.add_option("--device", args.devices,
			       "free block device to give to a new store; several")
			->type_name("PATH")
			->expected(1)
			->take_all();
		break;
	case Option::Size:
		addSize(app, args);
		break;
	case Option::Chunk:
		addChunk(app, args);
		break;
	case Option::NoFreeze:
		app.add_flag("--no-freeze", args.noFreeze,
			     "do not hold mounted file systems still around the take");
		break;
	case Option::Timeout:
		addTimeout(app, args);
		break;
	case Option::Force:
		app.add_flag("--force", args.force,
			     "even if live snapshots need it: they become invalid");
		break;
	case Option::Origin:
		app.add_option("--origin", args.origin, "only the image of this origin")
			->type_name("ORIGIN");
		break;
	case Option::On:
		app.add_option("--on", args.on,
			       "mount there (default: /run/snapdiff/SNAPSHOT/ORIGIN)")
			->type_name("DIRECTORY");
		break;
	case Option::Keep:
		app.add_flag("--keep-images", args.keepImages, "unmount only");
		break;
	case Option::RemoveStore:
		app.add_option("--remove-store", args.removeStore,
			       "remove this store and give its carved volumes back")
			->type_name("NAME");
		break;
	case Option::Report:
		addReport(app, args);
		break;
	case Option::Units:
		addUnits(app, args);
		break;
	case Option::Events:
		app.add_option("--count", args.eventCount, "end after so many events")
			->type_name("N")
			->check(CLI::PositiveNumber);
		app.add_option("--for", args.seconds, "end after so many seconds")
			->type_name("SECONDS");
		break;
	case Option::DryRun:
		app.add_flag("-n,--dry-run", args.dryRun, "say what would be done, and do nothing");
		break;
	case Option::Yes:
		app.add_flag("-y,--yes", args.yes, "confirm what destroys data");
		break;
	}
}

void addVerb(CLI::App &app, const Verb &verb, Arguments &args)
{
	CLI::App *sub = app.add_subcommand(verb.name, verb.summary);

	sub->callback([&args, &verb] { args.verb = verb.name; });
	sub->add_option(verb.object, args.objects)
		->type_name("")
		->expected(static_cast<int>(verb.fewest),
			   verb.most == anyNumber ? -1 : static_cast<int>(verb.most))
		->required(verb.fewest > 0);
	for (const Option option : verb.options)
		addOption(*sub, option, args);
	sub->add_flag("--json", args.json, "machine-readable output (docs/json.md)");
	sub->add_flag("-q,--quiet", args.quiet, "say nothing of the steps on the way");
	sub->footer(footer);
}

// Rules that concern more than one option.
std::string contradiction(const Arguments &args)
{
	if (!args.name.empty() && !isName(args.name))
		return "--name: 1 to 64 of A-Z a-z 0-9 _ . + : - and not beginning with -";
	if (args.verb == "extend" && args.objects.empty() && args.vgs.empty())
		return "extend: say which DEVICE to give, or carve one with --vg and --size";
	if (args.verb == "extend" && !args.vgs.empty() && !args.sizeBytes)
		return "extend: --vg needs --size";
	if (args.verb == "extend" && args.vgs.empty() && args.sizeBytes)
		return "extend: --size needs --vg";
	if (args.verb == "delete" && args.objects.empty() == args.removeStore.empty())
		return "delete: say which SNAPSHOT, or --remove-store NAME";
	return {};
}

} // namespace

CommandLine parseCommandLine(std::vector<std::string> argv)
{
	Arguments args;
	CLI::App app("Temporary snapshots of live volumes, kept in space of any block device",
		     "snapdiff");

	app.require_subcommand(1);
	app.set_version_flag("--version", SNAPDIFF_VERSION);
	app.footer(footer);
	app.failure_message(CLI::FailureMessage::simple);
	for (const Verb &verb : verbs())
		addVerb(app, verb, args);

	// CLI11 would only say that a subcommand is missing.
	if (argv.empty())
		return Farewell{"snapdiff: say which verb.\n\"snapdiff --help\" lists them.\n",
				Exit::Usage};
	if (!argv[0].starts_with('-') && !verbNamed(argv[0]))
		return Farewell{fmt::format("snapdiff: there is no verb \"{}\".\n"
					    "\"snapdiff --help\" lists them.\n",
					    printable(argv[0])),
				Exit::Usage};
	// CLI11 takes the words from the back.
	std::reverse(argv.begin(), argv.end());
	try {
		app.parse(std::move(argv));
	} catch (const CLI::CallForHelp &) {
		return Farewell{app.help(), Exit::Ok};
	} catch (const CLI::CallForVersion &) {
		return Farewell{fmt::format("snapdiff {}\n", SNAPDIFF_VERSION), Exit::Ok};
	} catch (const CLI::ParseError &error) {
		return Farewell{fmt::format("snapdiff: {}\n\"snapdiff --help\" and \"snapdiff VERB "
					    "--help\" say more.\n",
					    error.what()),
				Exit::Usage};
	}
	if (const std::string wrong = contradiction(args); !wrong.empty())
		return Farewell{fmt::format("snapdiff: {}\n\"snapdiff {} --help\" says more.\n",
					    wrong, args.verb),
				Exit::Usage};
	return args;
}

} // namespace snapdiff::cli
