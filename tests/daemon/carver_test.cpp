// SPDX-License-Identifier: GPL-2.0-or-later
//
// The carver: what goes over the socket, and the process that may hang or die.

#include "carver_process.h"
#include "loop.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <fstream>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::daemon {
namespace {

std::optional<CarverReply> readAll(const std::string &text)
{
	ReplyReader reader;
	std::optional<CarverReply> whole;
	for (size_t at = 0; at < text.size();) {
		const size_t end = text.find('\n', at);
		auto reply = reader.line(std::string_view(text).substr(at, end - at));
		EXPECT_TRUE(reply) << (reply ? "" : reply.error().message());
		if (!reply)
			return {};
		whole = *reply;
		at = end + 1;
	}
	return whole;
}

TEST(CarverText, RequestsComeBackAsTheyWere)
{
	for (const CarverRequest &request : {
		     CarverRequest{CarverRequest::Kind::Volumes, "", "", 0, ""},
		     CarverRequest{CarverRequest::Kind::Supplies, "", "", 0, ""},
		     CarverRequest{CarverRequest::Kind::Carve, "vg0", "", 65536, "/dev/sda"},
		     CarverRequest{CarverRequest::Kind::Remove, "vg0", "snapdiff.3", 0, ""},
		     CarverRequest{CarverRequest::Kind::Prove, "", "", 8192, "/dev/sdc"},
	     }) {
		std::string line = format(request);
		ASSERT_EQ(line.back(), '\n');
		line.pop_back();
		const auto parsed = parseRequest(line);
		ASSERT_TRUE(parsed) << line;
		EXPECT_EQ(*parsed, request);
	}
}

TEST(CarverText, MalformedRequestsAreRefused)
{
	for (const char *line :
	     {"", "carve", "bake\t\t\t0\t", "carve\tvg\t\tx\t", "carve\tvg\t\t1\t\t"})
		EXPECT_FALSE(parseRequest(line)) << line;
}

TEST(CarverText, RepliesComeBackAsTheyWere)
{
	CarverReply reply;
	CarvedVolume volume;
	volume.vg = "vg0";
	volume.lv = "snapdiff.0";
	volume.sectors = 65536;
	volume.ours = true;
	volume.number = dm::DeviceNumber{253, 7};
	volume.disks.add({8, 16});
	volume.disks.add({8, 32});
	reply.volumes = {volume, CarvedVolume{"vg1", "snapdiff.1", 8192, false, {}, {}, true}};
	reply.groups = {{"vg0", 100, 50, 8192, true}};
	reply.disks = {{"/dev/sdb1", "vg0", 50, volume.disks}};
	EXPECT_EQ(readAll(format(reply)), reply);

	CarverReply failed;
	failed.errnum = ENOSPC;
	failed.why = "no room";
	EXPECT_EQ(readAll(format(failed)), failed);
	EXPECT_EQ(readAll(format(CarverReply())), CarverReply());
}

TEST(CarverText, TextFromOutsideCannotBreakALine)
{
	CarverReply failed;
	failed.errnum = EIO;
	failed.why = "a\nb\tc";
	const auto parsed = readAll(format(failed));
	ASSERT_TRUE(parsed);
	EXPECT_EQ(parsed->why, "a?b?c");
}

TEST(CarverText, MalformedRepliesAreRefused)
{
	for (const char *line :
	     {"", "volume", "volume\tvg\tlv\tx\t1\t253:0\t", "group\tvg", "disk\t/dev/a\tvg\t1\tx",
	      "failed\t0\tnothing", "failed\t4294967296\tall", "done\t"}) {
		ReplyReader reader;
		EXPECT_FALSE(reader.line(line)) << line;
	}
}

// Answers like LVM, from texts.
class FakeRunner : public Runner
{
public:
	Result<Finished> run(const Command &command) override
	{
		commands.push_back(commandLine(command));
		Finished finished;
		for (const auto &[word, text] : answers)
			if (commands.back().find(word) != std::string::npos)
				finished.out = text;
		return finished;
	}
	std::vector<std::string> commands;
	std::map<std::string, std::string> answers;
};

constexpr const char *oneVolume = R"json({"report":[{"lv":[{"vg_name":"vg0","lv_name":"snapdiff.0",
"lv_size":"33554432","lv_active":"active","lv_kernel_major":"253","lv_kernel_minor":"7",
"lv_path":"/dev/vg0/snapdiff.0","lv_dm_path":"/dev/mapper/vg0-snapdiff.0",
"lv_tags":"snapdiff,snapdiff-reserve","devices":"/dev/sdb(0)"}]}]})json";

TEST(Carver, AsksLvmForTaggedVolumesAndFindsTheirDisks)
{
	FakeRunner runner;
	runner.answers["lvs"] = oneVolume;
	lvm::Lvm lvm(runner);
	const CarverReply reply =
		carry({CarverRequest::Kind::Volumes, "", "", 0, ""}, lvm, [](dm::DeviceNumber) {
			Disks disks;
			disks.add({8, 16});
			return disks;
		});
	ASSERT_TRUE(reply.ok()) << reply.why;
	ASSERT_EQ(reply.volumes.size(), 1U);
	EXPECT_EQ(reply.volumes[0].name(), "vg0/snapdiff.0");
	EXPECT_EQ(reply.volumes[0].sectors, 65536U);
	EXPECT_TRUE(reply.volumes[0].ours);
	EXPECT_EQ(reply.volumes[0].number, (dm::DeviceNumber{253, 7}));
	EXPECT_EQ(reply.volumes[0].disks.size(), 1U);
}

TEST(Carver, CarvesWithBothTagsOnTheDiskItWasTold)
{
	FakeRunner runner;
	runner.answers["lvs"] = oneVolume;
	lvm::Lvm lvm(runner);
	(void)carry({CarverRequest::Kind::Carve, "vg0", "", 65536, "/dev/sdb"}, lvm,
		    [](dm::DeviceNumber) { return Disks(); });
	std::string create;
	for (const std::string &command : runner.commands)
		if (command.find("lvcreate") != command.npos)
			create = command;
	EXPECT_NE(create.find("--addtag snapdiff "), create.npos) << create;
	EXPECT_NE(create.find("--addtag snapdiff-reserve"), create.npos) << create;
	EXPECT_NE(create.find("33554432b"), create.npos) << create;
	EXPECT_TRUE(create.ends_with("vg0 /dev/sdb")) << create;
}

// A program that stands for the carver.
class Script
{
public:
	explicit Script(const std::string &body)
	{
		char name[] = "/tmp/snapdiff-carver-XXXXXX";
		const int fd = mkstemp(name);
		path = name;
		fchmod(fd, 0700);
		close(fd);
		std::ofstream(path) << "#!/bin/sh\n" << body;
	}
	~Script() { unlink(path.c_str()); }
	std::string path;
};

CarverReply answer(CarverProcess &carver, int limitMs = 10000)
{
	for (int waited = 0; waited < limitMs; waited += 20) {
		pollfd wait = {carver.fd(), POLLIN, 0};
		if (poll(&wait, 1, 20) > 0)
			carver.readable();
		carver.checkDeadline();
		if (auto reply = carver.takeReply())
			return *reply;
	}
	ADD_FAILURE() << "no answer";
	return {};
}

TEST(CarverProcess, AnswersAndIsAskedAgainInTheSameProcess)
{
	const Script script("while read -r line <&0; do "
			    "printf 'failed\\t5\\t%s\\n' $$ >&0; done\n");
	CarverProcess carver(script.path, 1000);
	carver.ask({});
	EXPECT_TRUE(carver.busy());
	const std::string first = answer(carver).why;
	EXPECT_FALSE(carver.busy());
	carver.ask({});
	EXPECT_EQ(answer(carver).why, first);
}

TEST(CarverProcess, OneThatDiesIsAFailureAndIsStartedAgain)
{
	const Script script("read -r line <&0; exit 3\n");
	CarverProcess carver(script.path, 1000);
	for (int i = 0; i < 3; i++) {
		carver.ask({});
		EXPECT_EQ(answer(carver).errnum, EPIPE);
	}
}

TEST(CarverProcess, OneThatWasKilledWhileIdleIsReplacedWithoutAFailure)
{
	const Script script("while read -r line <&0; do "
			    "printf 'failed\\t5\\t%s\\n' $$ >&0; done\n");
	CarverProcess carver(script.path, 1000);
	carver.ask({});
	const std::string first = answer(carver).why;
	kill(std::stoi(first), SIGKILL);
	usleep(100000);
	carver.ask({});
	const std::string second = answer(carver).why;
	EXPECT_NE(second, first);
}

TEST(CarverProcess, OneThatHangsIsKilledInTime)
{
	const Script script("exec sleep 1000\n");
	CarverProcess carver(script.path, 1);
	carver.ask({});
	ASSERT_TRUE(carver.deadline());
	const CarverReply reply = answer(carver, 15000);
	EXPECT_EQ(reply.errnum, ETIMEDOUT);
	EXPECT_FALSE(carver.busy());
}

TEST(CarverProcess, NonsenseIsAFailure)
{
	const Script script("read -r line <&0; echo nonsense >&0; sleep 10\n");
	CarverProcess carver(script.path, 1000);
	carver.ask({});
	EXPECT_EQ(answer(carver).errnum, EPROTO);
}

TEST(CarverProcess, AProgramThatIsNotThereIsAFailure)
{
	CarverProcess carver("/nonexistent/carver", 1000);
	carver.ask({});
	EXPECT_FALSE(carver.busy());
	EXPECT_NE(answer(carver).errnum, 0);
}

} // namespace
} // namespace snapdiff::daemon
