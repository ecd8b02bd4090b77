// SPDX-License-Identifier: GPL-2.0-or-later
//
// LVM: reports as LVM 2.03.16 prints them, and what is run.

#include "lvm/host.h"
#include "lvm/lvm.h"
#include "lvm/unread.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>

using namespace snapdiff;
using namespace snapdiff::lvm;

// Printed by lvm 2.03.16 in the guest; "home" has two segments.
static const char *const volumesJson = R"json({
      "report": [
          {
              "lv": [
                  {"vg_name":"vg0", "lv_name":"home", "lv_size":"209715200", "lv_active":"active", "lv_kernel_major":"253", "lv_kernel_minor":"0", "lv_path":"/dev/vg0/home", "lv_dm_path":"/dev/mapper/vg0-home", "lv_tags":"", "devices":"/dev/vda(0)"},
                  {"vg_name":"vg0", "lv_name":"home", "lv_size":"209715200", "lv_active":"active", "lv_kernel_major":"253", "lv_kernel_minor":"0", "lv_path":"/dev/vg0/home", "lv_dm_path":"/dev/mapper/vg0-home", "lv_tags":"", "devices":"/dev/vdb(3)"},
                  {"vg_name":"vg0", "lv_name":"snapdiff.1", "lv_size":"4194304", "lv_active":"", "lv_kernel_major":"-1", "lv_kernel_minor":"-1", "lv_path":"/dev/vg0/snapdiff.1", "lv_dm_path":"/dev/mapper/vg0-snapdiff.1", "lv_tags":"other,snapdiff", "devices":"/dev/vda(50)"}
              ]
          }
      ]
  }
)json";

static const char *const groupsJson =
	R"json({"report":[{"vg":[{"vg_name":"vg0", "vg_size":"2143289344", "vg_free":"1933574144", "vg_extent_size":"4194304", "vg_missing_pv_count":"0"}]}]})json";

TEST(LvmReport, VolumesAreReadWithAllTheirSegments)
{
	const Result<std::vector<Volume>> volumes = parseVolumes(volumesJson);
	ASSERT_TRUE(volumes) << volumes.error().message();
	ASSERT_EQ(2U, volumes->size());
	const Volume &home = volumes->at(0);
	EXPECT_EQ("vg0/home", home.fullName());
	EXPECT_EQ(209715200U, home.sizeBytes);
	EXPECT_TRUE(home.active);
	EXPECT_EQ((dm::DeviceNumber{253, 0}), home.number);
	EXPECT_EQ((std::vector<std::string>{"/dev/vda", "/dev/vdb"}), home.devices);
	const Volume &range = volumes->at(1);
	EXPECT_FALSE(range.number);
	EXPECT_FALSE(range.active);
	EXPECT_TRUE(range.hasTag("snapdiff"));
	EXPECT_FALSE(range.hasTag("snap"));
}

TEST(LvmReport, GroupsAndPhysicalVolumes)
{
	const auto groups = parseVolumeGroups(groupsJson);
	ASSERT_TRUE(groups);
	EXPECT_EQ(1933574144U, groups->at(0).freeBytes);
	const auto volumes = parsePhysicalVolumes(
		R"json({"report":[{"pv":[{"pv_name":"/dev/vdc","vg_name":"","pv_size":"1","pv_free":"1"}]}]})json");
	ASSERT_TRUE(volumes);
	EXPECT_EQ("", volumes->at(0).vg);
}

TEST(LvmReport, NumbersMayBeNumbersInNewerVersions)
{
	const auto groups = parseVolumeGroups(
		R"json({"report":[{"vg":[{"vg_name":"v","vg_size":8,"vg_free":4,"vg_extent_size":4,"vg_missing_pv_count":1}]}]})json");
	ASSERT_TRUE(groups);
	EXPECT_EQ(8U, groups->at(0).sizeBytes);
	EXPECT_TRUE(groups->at(0).partial);
}

TEST(LvmReport, WhatIsNoReportIsRefused)
{
	for (const char *bad :
	     {"", "x", "[]", "{}", R"json({"report":1})json", R"json({"report":[1]})json",
	      R"json({"report":[{"vg":{}}]})json", R"json({"report":[{"vg":[1]}]})json",
	      R"json({"report":[{"vg":[{}]}]})json",
	      R"json({"report":[{"vg":[{"vg_name":"v","vg_size":"8B","vg_free":"4","vg_extent_size":"4","vg_missing_pv_count":"0"}]}]})json"}) {
		const auto groups = parseVolumeGroups(bad);
		ASSERT_FALSE(groups) << bad;
		EXPECT_EQ(EPROTO, groups.error().errnum());
	}
}

// Answers in the order in which it was told to; notes what it was asked.
class ScriptedRunner : public Runner
{
public:
	Result<Finished> run(const Command &command) override
	{
		asked.push_back(commandLine(command));
		if (answers.empty())
			return Error(ENOENT, "run lvm", "no such program");
		Finished next = answers.front();
		answers.pop_front();
		return next;
	}

	std::deque<Finished> answers;
	std::vector<std::string> asked;
};

TEST(Lvm, CarvesUnderTheLowestFreeNumber)
{
	ScriptedRunner runner;
	runner.answers = {
		{0, volumesJson, ""},
		{0, "", ""},
		{0,
		 R"json({"report":[{"lv":[{"vg_name":"vg0","lv_name":"snapdiff.0","lv_size":"4194304","lv_active":"active","lv_kernel_major":"253","lv_kernel_minor":"9","lv_path":"p","lv_dm_path":"d","lv_tags":"snapdiff","devices":"/dev/vda(9)"}]}]})json",
		 ""}};
	Lvm lvm(runner);
	const Result<Volume> made = lvm.carve({"vg0", 4194304, {}, {}, {}});
	ASSERT_TRUE(made) << made.error().message();
	EXPECT_EQ("snapdiff.0", made->name);
	EXPECT_NE(std::string::npos,
		  runner.asked[1].find("--yes -Wy -Zy --addtag snapdiff --addtag " + hostTag() +
				       " --name snapdiff.0 --size 4194304b vg0"))
		<< runner.asked[1];
	EXPECT_NE(std::string::npos, runner.asked[1].find("backup=0 archive=0"));
	EXPECT_NE(std::string::npos, runner.asked[1].find("log{file=\"/dev/null\" syslog=0}"));
}

TEST(Lvm, SaysWhatIsMissing)
{
	ScriptedRunner none;
	const auto groups = Lvm(none).volumeGroups();
	ASSERT_FALSE(groups);
	EXPECT_NE(std::string::npos, groups.error().next().find("lvm2"));

	ScriptedRunner full;
	full.answers = {
		{5, "",
		 "  Volume group \"vg0\" has insufficient free space (3 extents): 9 required.\n"}};
	const auto made = Lvm(full).carve({"vg0", 1, {}, {}, "x"});
	ASSERT_FALSE(made);
	EXPECT_EQ(ErrorKind::NoSpace, made.error().kind());

	ScriptedRunner taken;
	taken.answers = {
		{5, "", "  Logical Volume \"x\" already exists in volume group \"vg0\"\n"}};
	const auto again = Lvm(taken).carve({"vg0", 1, {}, {}, "x"});
	ASSERT_FALSE(again);
	EXPECT_EQ(ErrorKind::Busy, again.error().kind());
}

TEST(Lvm, RemovesOnlyWhatItCarved)
{
	ScriptedRunner runner;
	Volume home;
	home.vg = "vg0";
	home.name = "home";
	Volume carved = home;
	carved.name = "snapdiff.0";
	carved.tags = {"snapdiff"};
	EXPECT_FALSE(Lvm(runner).remove(std::vector{carved, home}));
	EXPECT_TRUE(runner.asked.empty());
}

TEST(Lvm, LeavesAloneWhatAnotherMachineCarved)
{
	const auto rowOf = [](const std::string &name, const std::string &tags) {
		return R"({"vg_name":"vg0","lv_name":")" + name +
		       R"(","lv_size":"4194304","lv_active":"","lv_kernel_major":"-1",)" +
		       R"("lv_kernel_minor":"-1","lv_path":"p","lv_dm_path":"d","lv_tags":")" +
		       tags + R"json(","devices":"/dev/vda(9)"})json";
	};
	ScriptedRunner runner;
	runner.answers = {{0,
			   R"({"report":[{"lv":[)" + rowOf("snapdiff.0", "snapdiff,snapdiff-on-x") +
				   "," + rowOf("snapdiff.1", "snapdiff," + hostTag()) + "," +
				   rowOf("snapdiff.2", "snapdiff") + "]}]}",
			   ""}};
	const auto carved = Lvm(runner).carvedVolumes();
	ASSERT_TRUE(carved) << carved.error().message();
	ASSERT_EQ(2U, carved->size());
	EXPECT_EQ("snapdiff.1", carved->front().name);
	EXPECT_EQ("snapdiff.2", carved->back().name);

	Volume others;
	others.vg = "vg0";
	others.name = "snapdiff.0";
	others.tags = {"snapdiff", "snapdiff-on-x"};
	EXPECT_FALSE(Lvm(runner).remove({&others, 1}));
	EXPECT_EQ(1U, runner.asked.size());
}

TEST(Lvm, LooksWithoutLocksWhenSomebodyHoldsOneForLong)
{
	class Locked : public ScriptedRunner
	{
	public:
		Result<Finished> run(const Command &command) override
		{
			auto finished = ScriptedRunner::run(command);
			if (commandLine(command).find("--nolocking") == std::string::npos)
				return Error(ETIMEDOUT, "run lvm");
			return finished;
		}
	};
	Locked runner;
	runner.answers = {{0, "", ""}, {0, groupsJson, ""}};
	EXPECT_TRUE(Lvm(runner).volumeGroups());
	EXPECT_EQ(2U, runner.asked.size());
	// What changes something waits as long as it may, and then has failed.
	EXPECT_FALSE(Lvm(runner).carve({"vg0", 4194304, {}, {}, "snapdiff.7"}));
	EXPECT_EQ(3U, runner.asked.size());
}

TEST(Lvm, RemovesManyWithOneRun)
{
	ScriptedRunner runner;
	runner.answers = {{0, "", ""}};
	std::vector<Volume> carved(2);
	for (size_t i = 0; i < carved.size(); i++) {
		carved[i].vg = "vg" + std::to_string(i);
		carved[i].name = "snapdiff.0";
		carved[i].tags = {"snapdiff"};
	}
	ASSERT_TRUE(Lvm(runner).remove(carved));
	ASSERT_EQ(1U, runner.asked.size());
	EXPECT_NE(std::string::npos, runner.asked[0].find("--yes vg0/snapdiff.0 vg1/snapdiff.0"));
	EXPECT_TRUE(Lvm(runner).remove({}));
	EXPECT_EQ(1U, runner.asked.size());
}

TEST(Lvm, KnowsWhichDevicesItScans)
{
	const std::string json = R"json({"report":[{"pv":[
		{"pv_major":"253","pv_minor":"4"}, {"pv_major":"-1","pv_minor":"-1"}]}]})json";
	ScriptedRunner runner;
	runner.answers = {{0, json, ""}, {0, json, ""}};
	Lvm lvm(runner);
	EXPECT_TRUE(*lvm.scans({253, 4}));
	EXPECT_FALSE(*lvm.scans({253, 5}));
	EXPECT_NE(std::string::npos, runner.asked[0].find("--all"));
}

TEST(Lvm, KnowsWhatNoStoreUses)
{
	const auto volumes = parseVolumes(volumesJson);
	const auto unused =
		unusedVolumes(*volumes, [](dm::DeviceNumber n) { return n.minor == 0; });
	ASSERT_EQ(1U, unused.size());
	EXPECT_EQ("snapdiff.1", unused[0].name);
}

static Result<std::vector<std::string>> twoNames()
{
	return std::vector<std::string>{"/dev/dm-5", "/dev/mapper/vg0-home.old"};
}

TEST(Lvm, ReadsNoDeviceThatItIsToLeaveAlone)
{
	ScriptedRunner runner;
	runner.answers = {{0, "filter=[\"r|sdx|\",\"a|.*|\"]\n", ""},
			  {0, groupsJson, ""},
			  {0, groupsJson, ""}};
	Lvm lvm(runner, 1000, twoNames);
	ASSERT_TRUE(lvm.volumeGroups());
	ASSERT_TRUE(lvm.volumeGroups());
	ASSERT_EQ(3U, runner.asked.size());
	EXPECT_NE(std::string::npos, runner.asked[0].find("lvmconfig")) << runner.asked[0];
	for (size_t i = 1; i < runner.asked.size(); i++)
		EXPECT_NE(std::string::npos,
			  runner.asked[i].find("devices{filter=[\"r|^/dev/dm-5$|\","
					       "\"r|^/dev/mapper/vg0-home[.]old$|\","
					       "\"r|sdx|\",\"a|.*|\"]}"))
			<< runner.asked[i];
}

TEST(Lvm, IsAsItIsConfiguredWhereNothingIsToBeLeftAlone)
{
	ScriptedRunner runner;
	runner.answers = {{0, groupsJson, ""}};
	Lvm lvm(runner, 1000, [] { return std::vector<std::string>(); });
	ASSERT_TRUE(lvm.volumeGroups());
	EXPECT_EQ(std::string::npos, runner.asked[0].find("filter")) << runner.asked[0];

	// The question is which devices it reads as a rule.
	ScriptedRunner asked;
	asked.answers = {{0, R"json({"report":[{"pv":[]}]})json", ""}};
	Lvm configured(asked, 1000, twoNames);
	ASSERT_TRUE(configured.scans({253, 4}));
	EXPECT_EQ(std::string::npos, asked.asked[0].find("filter")) << asked.asked[0];
}

TEST(Lvm, DoesNothingWhenItsConfigurationCannotBeRead)
{
	ScriptedRunner runner;
	runner.answers = {{3, "", "  Parse error at byte 7\n"}};
	const auto groups = Lvm(runner, 1000, twoNames).volumeGroups();
	ASSERT_FALSE(groups);
	EXPECT_NE(std::string::npos, groups.error().message().find("Parse error"));
	EXPECT_EQ(1U, runner.asked.size());
}

TEST(Unread, TheFilterOfOneEntryIsKept)
{
	EXPECT_EQ("[\"r|^/dev/a[+]b.x20$|\",\"r|x|\"]",
		  filterWithout({"/dev/a+b\\x20"}, "filter=\"r|x|\"\n"));
	EXPECT_EQ("[\"r|x|\"]", filterWithout({}, "filter=[\"r|x|\"]\n"));
}

TEST(Unread, TheLinksOfADeviceAreItsNamesToo)
{
	EXPECT_EQ((std::vector<std::string>{"/dev/vg0/home", "/dev/disk/by-id/dm-name-vg0-home"}),
		  parseUdevLinks("S:vg0/home\nI:123\nE:DM_NAME=vg0-home\n"
				 "S:disk/by-id/dm-name-vg0-home\n"));
}
