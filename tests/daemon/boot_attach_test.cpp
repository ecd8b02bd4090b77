// SPDX-License-Identifier: GPL-2.0-or-later
//
// Attach at boot, on devices in memory: volumes that come late or never, and failures that
// leave the volume as it is.

#include "boot_attach.h"

#include "../lib/fake_device_mapper.h"
#include "dm/table.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace snapdiff::daemon {
namespace {

class NoRunner : public Runner
{
public:
	Result<Finished> run(const Command &command) override
	{
		return Error(ENOENT, "run " + command.argv[0], "no such program");
	}
};

// Time passes only while somebody sleeps, and something may happen meanwhile.
class Sleeper : public Clock
{
public:
	int64_t monotonicNs() const override { return nowMs * 1'000'000; }
	int64_t wallSeconds() const override { return 0; }
	void sleepMs(unsigned ms) override
	{
		nowMs += ms;
		if (meanwhile)
			meanwhile(nowMs);
	}

	int64_t nowMs = 0;
	std::function<void(int64_t)> meanwhile;
};

class BootAttach : public testing::Test
{
protected:
	BootAttach()
	{
		config.supplies = {"vg1"};
		config.attachTimeoutMs = 5000;
		config.origins = {{"vg0-home", "boot"}};
	}
	bool run()
	{
		return attachAtBoot(context, config,
				    [this](const BootOrigin &one) { told.push_back(one); });
	}
	std::string targetOf(const std::string &name) { return dm.table(name)->at(0).target; }

	const dm::Table linear = {{0, 1000, "linear", "8:0 0"}};
	FakeDeviceMapper dm;
	NoRunner runner;
	Sleeper clock;
	lvm::Lvm lvm{runner};
	ops::Context context{dm, lvm, runner, clock, {}};
	Config config;
	std::vector<BootOrigin> told;
};

TEST_F(BootAttach, AVolumeThatIsThereIsAttachedAtOnceToAStoreMadeForIt)
{
	dm.add("vg0-home", "LVM-x", linear);
	EXPECT_TRUE(run());
	EXPECT_EQ(clock.nowMs, 0);
	EXPECT_EQ(targetOf("vg0-home"), "snapdiff-origin");
	ASSERT_EQ(targetOf("boot"), "snapdiff-store");
	ASSERT_EQ(told.size(), 1U);
	EXPECT_EQ(told[0].name, "vg0-home");
}

TEST_F(BootAttach, AStoreMadeAtBootHasNoRangeAndIsLow)
{
	dm.add("vg0-home", "LVM-x", linear);
	config.stores["boot"].lowWater = 4096;
	ASSERT_TRUE(run());
	const auto table = dm::parseStoreTable(dm.table("boot")->at(0).params);
	ASSERT_TRUE(table);
	EXPECT_TRUE(table->ranges.empty());
	EXPECT_EQ(table->lowWater, 4096U);
}

TEST_F(BootAttach, AVolumeThatComesLateIsWaitedFor)
{
	clock.meanwhile = [this](int64_t ms) {
		if (ms == 300)
			dm.add("vg0-home", "LVM-x", {}); // LVM is in the middle of making it
		if (ms == 700)
			dm.entries["vg0-home"].active = linear;
	};
	EXPECT_TRUE(run());
	EXPECT_EQ(clock.nowMs, 700);
	EXPECT_EQ(targetOf("vg0-home"), "snapdiff-origin");
}

TEST_F(BootAttach, ASuspendedVolumeIsWaitedFor)
{
	dm.add("vg0-home", "LVM-x", linear);
	dm.entries["vg0-home"].info.suspended = true;
	clock.meanwhile = [this](int64_t) { dm.entries["vg0-home"].info.suspended = false; };
	EXPECT_TRUE(run());
	EXPECT_EQ(targetOf("vg0-home"), "snapdiff-origin");
}

TEST_F(BootAttach, AVolumeThatNeverComesIsGivenUpInTimeAndKeepsNoOtherFromBeingAttached)
{
	config.origins = {{"vg0-absent", "boot"}, {"vg0-home", "boot"}};
	dm.add("vg0-home", "LVM-x", linear);
	EXPECT_FALSE(run());
	EXPECT_EQ(clock.nowMs, 5000);
	EXPECT_EQ(targetOf("vg0-home"), "snapdiff-origin");
	ASSERT_EQ(told.size(), 2U);
	EXPECT_EQ(told[0].name, "vg0-home");
	ASSERT_TRUE(told[1].trouble);
	EXPECT_NE(told[1].trouble->message().find("vg0-absent"), std::string::npos);
	EXPECT_NE(told[1].trouble->message().find("within 5 s"), std::string::npos);
	EXPECT_FALSE(told[1].trouble->next().empty());
}

TEST_F(BootAttach, AFailureIsToldAtOnceAndTheVolumeStaysAsItWas)
{
	for (const char *call : {"create boot", "create snapdiff-origin-vg0-home", "load vg0-home",
				 "resume vg0-home"}) {
		dm.entries.clear();
		told.clear();
		dm.add("vg0-home", "LVM-x", linear);
		dm.failing = call;
		EXPECT_FALSE(run()) << call;
		EXPECT_EQ(clock.nowMs, 0) << call;
		EXPECT_EQ(*dm.table("vg0-home"), linear) << call;
		ASSERT_EQ(told.size(), 1U) << call;
		EXPECT_TRUE(told[0].trouble) << call;
	}
}

TEST_F(BootAttach, WithoutTheModuleNothingIsWaitedFor)
{
	dm.add("vg0-home", "LVM-x", linear);
	dm.majorVersion.reset();
	EXPECT_FALSE(run());
	EXPECT_EQ(clock.nowMs, 0);
	EXPECT_EQ(*dm.table("vg0-home"), linear);
}

TEST_F(BootAttach, DoingItAgainChangesNothing)
{
	dm.add("vg0-home", "LVM-x", linear);
	ASSERT_TRUE(run());
	const size_t calls = dm.calls.size();
	EXPECT_TRUE(run());
	EXPECT_EQ(dm.calls.size(), calls);
}

} // namespace
} // namespace snapdiff::daemon
