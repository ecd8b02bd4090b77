// SPDX-License-Identifier: GPL-2.0-or-later
//
// Command line: what is understood, and every error.

#include "cli/command_line.h"

#include <gtest/gtest.h>

using namespace snapdiff;
using namespace snapdiff::cli;

static Arguments good(std::vector<std::string> argv)
{
	const CommandLine line = parseCommandLine(std::move(argv));
	const auto *farewell = std::get_if<Farewell>(&line);
	EXPECT_EQ(nullptr, farewell) << farewell->text;
	return farewell ? Arguments() : std::get<Arguments>(line);
}

TEST(CommandLine, TakesEveryOptionOfCreate)
{
	const Arguments args =
		good({"create",	   "vg0/home", "vg0/db", "--name",  "monday", "--store",
		      "s",	   "--vg",     "vg0",	 "--vg",    "vg1",    "--device",
		      "/dev/vdc",  "--size",   "1.5G",	 "--chunk", "4K",     "--no-freeze",
		      "--timeout", "500",      "-n",	 "--json",  "-q"});
	EXPECT_EQ("create", args.verb);
	EXPECT_EQ((std::vector<std::string>{"vg0/home", "vg0/db"}), args.objects);
	EXPECT_EQ("monday", args.name);
	EXPECT_EQ((std::vector<std::string>{"vg0", "vg1"}), args.vgs);
	EXPECT_EQ(std::vector<std::string>{"/dev/vdc"}, args.devices);
	EXPECT_EQ(1610612736U, args.sizeBytes);
	EXPECT_EQ(8U, args.chunkSectors);
	EXPECT_TRUE(args.noFreeze && args.dryRun && args.json && args.quiet);
	EXPECT_EQ(500U, args.timeoutMs);
}

TEST(CommandLine, AnOptionDoesNotSwallowTheObjectsBehindIt)
{
	EXPECT_EQ(std::vector<std::string>{"vg0/home"},
		  good({"create", "--vg", "vg0", "vg0/home"}).objects);
	EXPECT_EQ(std::vector<std::string>{"vg0/home"},
		  good({"create", "--device", "/dev/vdc", "vg0/home"}).objects);
	EXPECT_EQ(std::vector<std::string>{"origins"},
		  good({"list", "-o", "name,size", "origins"}).objects);
}

TEST(CommandLine, TakesTheOthers)
{
	EXPECT_EQ((std::vector<std::string>{"name", "state"}),
		  good({"list", "--noheadings", "-o", "name,state", "--units", "b"}).fields);
	EXPECT_EQ(3U, good({"watch", "--count", "3", "--for", "10"}).eventCount);
	EXPECT_TRUE(good({"delete", "-y", "monday"}).yes);
	EXPECT_EQ("s", good({"delete", "--remove-store", "s", "--yes"}).removeStore);
	EXPECT_TRUE(good({"detach", "--force", "vg0/home"}).force);
	EXPECT_EQ("/mnt", good({"mount", "monday", "--origin", "a", "--on", "/mnt"}).on);
	EXPECT_TRUE(good({"umount", "monday", "--keep-images"}).keepImages);
	EXPECT_EQ("take", good({"take"}).verb);
	EXPECT_EQ("status", good({"status"}).verb);
}

TEST(CommandLine, RefusesWithAReasonAndExitCode2)
{
	const std::pair<std::vector<std::string>, const char *> bad[] = {
		{{}, "verb"},
		{{"frobnicate"}, "frobnicate"},
		{{"create"}, "ORIGIN"},
		{{"attach"}, "ORIGIN"},
		{{"detach"}, "ORIGIN"},
		{{"show"}, "NAME"},
		{{"mount"}, "SNAPSHOT"},
		{{"mount", "a", "b"}, "b"},
		{{"umount"}, "SNAPSHOT"},
		{{"create", "o", "--size", "big"}, "--size"},
		{{"create", "o", "--size", "0"}, "--size"},
		{{"create", "o", "--chunk", "3K"}, "power of two"},
		{{"create", "o", "--chunk", "2M"}, "power of two"},
		{{"create", "o", "--name", "a b"}, "--name"},
		{{"create", "o", "--name", "-x"}, "--name"},
		{{"take", "--timeout", "0"}, "--timeout"},
		{{"take", "--timeout", "60001"}, "--timeout"},
		{{"take", "--size", "1G"}, "--size"},
		{{"list", "--units", "z"}, "--units"},
		{{"list", "a", "b"}, "b"},
		{{"extend"}, "DEVICE"},
		{{"extend", "--vg", "vg0"}, "--size"},
		{{"extend", "--size", "1G", "/dev/x"}, "--vg"},
		{{"delete"}, "SNAPSHOT"},
		{{"delete", "a", "--remove-store", "s"}, "SNAPSHOT"},
		{{"watch", "--count", "0"}, "--count"},
		{{"watch", "--count", "x"}, "--count"},
		{{"status", "--force"}, "--force"},
	};
	for (const auto &[argv, why] : bad) {
		const CommandLine line = parseCommandLine(argv);
		const auto *farewell = std::get_if<Farewell>(&line);
		ASSERT_NE(nullptr, farewell) << why;
		EXPECT_EQ(Exit::Usage, farewell->exit) << why;
		EXPECT_NE(std::string::npos, farewell->text.find(why)) << farewell->text;
	}
}

TEST(CommandLine, HelpsForEveryVerb)
{
	for (const Verb &verb : verbs()) {
		const CommandLine line = parseCommandLine({verb.name, "--help"});
		const auto *farewell = std::get_if<Farewell>(&line);
		ASSERT_NE(nullptr, farewell) << verb.name;
		EXPECT_EQ(Exit::Ok, farewell->exit);
		EXPECT_NE(std::string::npos, farewell->text.find("Exit codes"));
		EXPECT_NE(std::string::npos, farewell->text.find("--json"));
	}
	EXPECT_EQ(Exit::Ok, std::get<Farewell>(parseCommandLine({"--version"})).exit);
	EXPECT_EQ(Exit::Ok, std::get<Farewell>(parseCommandLine({"--help"})).exit);
}
