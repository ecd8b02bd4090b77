// SPDX-License-Identifier: GPL-2.0-or-later
//
// Configuration in several files: the main one and its drop-ins, origins, and what a program
// says about them.

#include "config.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

namespace snapdiff::daemon {
namespace {

// A folder with snapdiffd.toml and its drop-ins, gone with the scope.
class Folder
{
public:
	Folder()
	{
		char name[] = "/tmp/snapdiff-config.XXXXXX";
		path_ = mkdtemp(name);
		std::filesystem::create_directory(main() + ".d");
	}
	~Folder() { std::filesystem::remove_all(path_); }
	Folder(const Folder &) = delete;
	Folder &operator=(const Folder &) = delete;

	std::string main() const { return path_ + "/snapdiffd.toml"; }
	std::string dropIn(const std::string &name) const { return main() + ".d/" + name; }
	static void write(const std::string &file, const std::string &text)
	{
		std::ofstream(file) << text;
	}

private:
	std::string path_;
};

struct Output
{
	int status = -1;
	std::string text;
};

Output checkConfig(const std::string &file)
{
	Output output;
	FILE *pipe = popen((SNAPDIFFD " --check-config --config " + file + " 2>&1").c_str(), "r");
	std::array<char, 4096> piece = {};
	while (pipe && fgets(piece.data(), static_cast<int>(piece.size()), pipe))
		output.text += piece.data();
	output.status = pipe ? WEXITSTATUS(pclose(pipe)) : -1;
	return output;
}

TEST(ConfigurationFiles, DropInsAreReadInTheOrderOfTheirNamesAndTheLaterWinsPerKey)
{
	const Folder folder;
	Folder::write(folder.main(), "range_size = \"16MiB\"\nreserve_ranges = 2\n"
				     "[store.a]\nlow_water = \"1MiB\"\nmax_size = \"1GiB\"\n");
	Folder::write(folder.dropIn("20-b.toml"), "range_size = \"64MiB\"\n");
	Folder::write(folder.dropIn("10-a.toml"), "range_size = \"32MiB\"\npolicy = \"spread\"\n"
						  "[store.a]\nlow_water = \"2MiB\"\n");
	Folder::write(folder.dropIn("30-note.txt"), "this is no configuration");
	Folder::write(folder.dropIn(".40-copy.toml"), "this is none either");

	std::vector<std::string> files;
	const auto config = readConfig(folder.main(), true, &files);
	ASSERT_TRUE(config) << config.error().message();
	EXPECT_EQ(config->rangeSize, 131072U);
	EXPECT_EQ(config->policy, Policy::Spread);
	EXPECT_EQ(config->reserveRanges, 2U);
	EXPECT_EQ(config->reserveMaxRanges, 4U);
	EXPECT_EQ(config->lowWaterOf("a"), 4096U);
	EXPECT_EQ(config->maxSizeOf("a"), 2097152U);
	EXPECT_EQ(files, (std::vector<std::string>{folder.main(), folder.dropIn("10-a.toml"),
						   folder.dropIn("20-b.toml")}));
}

constexpr time_t longAgo = 946684800;

void setRead(const std::string &path)
{
	const timespec times[] = {{longAgo, 0}, {0, UTIME_NOW}};
	ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

time_t lastRead(const std::string &path)
{
	struct stat about = {};
	EXPECT_EQ(stat(path.c_str(), &about), 0);
	return about.st_atime;
}

// The note of a read may have to wait for a disk whose writers are held: then nobody would extend.
TEST(ConfigurationFiles, ReadingThemIsNotNoted)
{
	const Folder folder;
	const std::string drops = folder.main() + ".d", control = folder.dropIn("control");
	Folder::write(folder.main(), "");
	Folder::write(folder.dropIn("10.toml"), "");
	Folder::write(control, "x");
	for (const std::string &path : {folder.main(), drops, folder.dropIn("10.toml"), control})
		setRead(path);
	std::ifstream(control).get();
	if (lastRead(control) == longAgo)
		GTEST_SKIP() << "the file system below /tmp notes no reads";
	EXPECT_TRUE(readConfig(folder.main(), true));
	for (const std::string &path : {folder.main(), drops, folder.dropIn("10.toml")})
		EXPECT_EQ(lastRead(path), longAgo) << path;
}

TEST(ConfigurationFiles, DropInsCountWithoutAMainFile)
{
	const Folder folder;
	Folder::write(folder.dropIn("a.toml"), "reserve_ranges = 3\n");
	const auto config = readConfig(folder.main(), false);
	ASSERT_TRUE(config) << config.error().message();
	EXPECT_EQ(config->reserveRanges, 3U);
	EXPECT_FALSE(readConfig(folder.main(), true));
}

TEST(ConfigurationFiles, AnErrorNamesTheDropInAndItsLine)
{
	const Folder folder;
	Folder::write(folder.main(), "reserve_ranges = 2\n");
	Folder::write(folder.dropIn("a.toml"), "\npolicy = \"random\"\n");
	const auto config = readConfig(folder.main(), true);
	ASSERT_FALSE(config);
	EXPECT_NE(config.error().message().find(folder.dropIn("a.toml") + ":2"), std::string::npos)
		<< config.error().message();
}

TEST(ConfigurationFiles, WhatContradictsAnotherFileIsFoundAndTheLaterOneIsNamed)
{
	const Folder folder;
	Folder::write(folder.main(), "reserve_ranges = 9\n");
	Folder::write(folder.dropIn("a.toml"), "policy = \"spread\"\nreserve_max_ranges = 8\n");
	const auto config = readConfig(folder.main(), true);
	ASSERT_FALSE(config);
	EXPECT_NE(config.error().message().find(folder.dropIn("a.toml") + ":2"), std::string::npos)
		<< config.error().message();
}

TEST(ConfigurationFiles, OriginsOfSeveralFilesAddUpAndTheSameDeviceIsSaidAnew)
{
	const Folder folder;
	Folder::write(folder.main(), "supplies = [\"vg0\"]\n"
				     "[[origin]]\ndevice = \"vg0/home\"\nstore = \"one\"\n"
				     "[[origin]]\ndevice = \"vg0/srv\"\nstore = \"one\"\n");
	Folder::write(folder.dropIn("a.toml"),
		      "attach_timeout = 3\n"
		      "[[origin]]\ndevice = \"vg0/srv\"\nstore = \"two\"\n");
	const auto config = readConfig(folder.main(), true);
	ASSERT_TRUE(config) << config.error().message();
	EXPECT_EQ(config->origins,
		  (std::vector<OriginConfig>{{"vg0/home", "one"}, {"vg0/srv", "two"}}));
	EXPECT_EQ(config->attachTimeoutMs, 3000U);
}

TEST(ConfigurationFiles, AnOriginNeedsADeviceAStoreAndSupplies)
{
	const auto why = [](const char *text) {
		const auto config = parseConfig(text, "f");
		return config ? std::string("good") : config.error().message();
	};
	EXPECT_EQ(why("supplies = []\n[[origin]]\nstore = \"s\"\n").substr(0, 4), "f:2:");
	EXPECT_EQ(why("supplies = []\n[[origin]]\ndevice = \"vg/a\"\n").substr(0, 4), "f:2:");
	EXPECT_EQ(
		why("supplies = []\n[[origin]]\ndevice = \"vg/a\"\nstore = \"a b\"\n").substr(0, 4),
		"f:4:");
	EXPECT_EQ(why("supplies = []\norigin = 3\n").substr(0, 4), "f:2:");
	EXPECT_NE(why("[[origin]]\ndevice = \"vg/a\"\nstore = \"s\"\n").find("\"supplies\""),
		  std::string::npos);
}

TEST(ConfigurationFiles, CheckConfigSaysWhichFilesItRead)
{
	const Folder folder;
	Folder::write(folder.main(), "reserve_ranges = 2\n");
	Folder::write(folder.dropIn("a.toml"), "policy = \"spread\"\n");
	const Output output = checkConfig(folder.main());
	EXPECT_EQ(output.status, 0);
	EXPECT_EQ(output.text, folder.main() + ": good\n" + folder.dropIn("a.toml") + ": good\n");
}

TEST(ConfigurationFiles, CheckConfigFailsForABadDropInAndNamesItsLine)
{
	const Folder folder;
	Folder::write(folder.main(), "reserve_ranges = 2\n");
	Folder::write(folder.dropIn("a.toml"), "policy = \"spread\"\nnonsense = 1\n");
	const Output output = checkConfig(folder.main());
	EXPECT_EQ(output.status, 1);
	EXPECT_NE(output.text.find(folder.dropIn("a.toml") + ":2"), std::string::npos)
		<< output.text;
}

} // namespace
} // namespace snapdiff::daemon
