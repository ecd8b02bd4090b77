// SPDX-License-Identifier: GPL-2.0-or-later
//
// Operations on devices in memory: what they do, and that they undo themselves.

#include "fake_device_mapper.h"

#include "ops/attach.h"
#include "ops/create.h"
#include "ops/inventory.h"
#include "ops/store.h"

#include <gtest/gtest.h>

#include <cerrno>

using namespace snapdiff;

namespace {

class NoRunner : public Runner
{
public:
	Result<Finished> run(const Command &command) override
	{
		return Error(ENOENT, "run " + command.argv[0], "no such program");
	}
};

class Ops : public testing::Test
{
protected:
	Ops()
	{
		dm.add("vg0-home", "LVM-x", linear);
		dm.add("store", "SNAPDIFF-STORE-store",
		       {{0, 1, "snapdiff-store", "128 0 60000 30000 131072 0 0"}});
		dm.add("other", "SNAPDIFF-STORE-other",
		       {{0, 1, "snapdiff-store", "128 0 60000 30000 131072 0 0"}});
	}

	dm::Table tableOf(const std::string &name) { return *dm.table(name); }

	const dm::Table linear = {{0, 1000, "linear", "8:0 0"}, {1000, 24, "linear", "8:16 0"}};
	const std::string hidden = "snapdiff-origin-vg0-home";
	FakeDeviceMapper dm;
	NoRunner runner;
	SystemClock clock;
	lvm::Lvm lvm{runner};
	ops::Context context{dm, lvm, runner, clock, {}};
};

} // namespace

TEST_F(Ops, AttachAndDetachGoThereAndBack)
{
	ASSERT_TRUE(ops::attach(context, "vg0-home", "store"));
	EXPECT_EQ("snapdiff-origin", tableOf("vg0-home").at(0).target);
	EXPECT_EQ("253:1 vg0-home 253:3 0", tableOf("vg0-home").at(0).params);
	EXPECT_EQ(1024U, tableOf("vg0-home").at(0).length);
	EXPECT_EQ(linear, tableOf(hidden));
	EXPECT_TRUE(ops::attach(context, "vg0-home", "store"));
	EXPECT_FALSE(ops::attach(context, "vg0-home", "other"));

	ASSERT_TRUE(ops::detach(context, "vg0-home", false));
	EXPECT_EQ(linear, tableOf("vg0-home"));
	EXPECT_FALSE(dm.entries.contains(hidden));
	EXPECT_TRUE(ops::detach(context, "vg0-home", false));
}

TEST_F(Ops, AnAttachThatFailsLeavesTheDeviceAsItWas)
{
	for (const char *call :
	     {"create snapdiff-origin-vg0-home", "load vg0-home", "resume vg0-home"}) {
		dm.failing = call;
		const Result<> done = ops::attach(context, "vg0-home", "store");
		ASSERT_FALSE(done) << call;
		EXPECT_EQ(linear, tableOf("vg0-home")) << call;
		EXPECT_TRUE(tableOf("vg0-home") == linear && dm.table("vg0-home", true)->empty());
		EXPECT_FALSE(dm.entries["vg0-home"].info.suspended) << call;
		EXPECT_FALSE(dm.entries.contains(hidden)) << call;
	}
}

TEST_F(Ops, AnAttachThatWasKilledIsFinishedByTheNext)
{
	// After the hidden device was made.
	dm.add(hidden, "SNAPDIFF-ORIGIN-vg0-home", {{0, 5, "linear", "stale"}});
	EXPECT_EQ(ops::AttachState::HalfAttached, ops::inspect(context, "vg0-home")->state);
	// After the table was loaded.
	dm.entries["vg0-home"].inactive = {{0, 1024, "snapdiff-origin", "253:1 vg0-home 253:3 0"}};
	ASSERT_TRUE(ops::attach(context, "vg0-home", "store"));
	EXPECT_EQ(linear, tableOf(hidden));
	EXPECT_EQ(ops::AttachState::Attached, ops::inspect(context, "vg0-home")->state);
}

TEST_F(Ops, ADetachThatWasKilledIsFinishedByTheNext)
{
	ASSERT_TRUE(ops::attach(context, "vg0-home", "store"));
	dm.entries["vg0-home"].detached = true;
	EXPECT_EQ(ops::AttachState::HalfDetached, ops::inspect(context, "vg0-home")->state);
	ASSERT_TRUE(ops::detach(context, "vg0-home", false));
	EXPECT_EQ(linear, tableOf("vg0-home"));
	EXPECT_FALSE(dm.entries.contains(hidden));
}

TEST_F(Ops, ARefusedDetachSaysWhyAndWhatNext)
{
	ASSERT_TRUE(ops::attach(context, "vg0-home", "store"));
	dm.refusal = "live snapshots contain the origin";
	const Result<> done = ops::detach(context, "vg0-home", false);
	ASSERT_FALSE(done);
	EXPECT_EQ("detach vg0-home: message to store: live snapshots contain the origin",
		  done.error().message());
	EXPECT_NE(std::string::npos, done.error().next().find("--force"));
}

TEST_F(Ops, AnOriginSetUpByHandBecomesLinear)
{
	dm.add("byhand", "", {{0, 64, "snapdiff-origin", "253:1 byhand 8:32 2048"}});
	ASSERT_TRUE(ops::detach(context, "byhand", false));
	EXPECT_EQ((dm::Table{{0, 64, "linear", "8:32 2048"}}), tableOf("byhand"));
}

TEST_F(Ops, AttachRefusesWhatMakesNoSense)
{
	dm.add("vg0-pool_tdata", "LVM-" + std::string(64, 'x') + "-tdata", linear);
	dm.add("bad=name", "", linear);
	dm.add("stopped", "", linear);
	dm.entries["stopped"].info.suspended = true;
	for (const char *name : {"store", "vg0-pool_tdata", "bad=name", "stopped", "nothing"}) {
		const Result<> done = ops::attach(context, name, "store");
		EXPECT_FALSE(done) << name;
	}
}

TEST_F(Ops, AnotherProgramsInactiveTableIsLeftAlone)
{
	dm.entries["vg0-home"].inactive = {{0, 2048, "linear", "8:0 0"}};
	const Result<> done = ops::attach(context, "vg0-home", "store");
	ASSERT_FALSE(done);
	EXPECT_EQ(EBUSY, done.error().errnum());
	EXPECT_FALSE(dm.table("vg0-home", true)->empty());
}

TEST_F(Ops, OriginsAreFoundAsPeopleWriteThem)
{
	dm.add("my--vg-my--lv", "LVM-y", linear);
	EXPECT_EQ("vg0-home", *ops::resolveOrigin(context, "vg0-home"));
	EXPECT_EQ("vg0-home", *ops::resolveOrigin(context, "vg0/home"));
	EXPECT_EQ("my--vg-my--lv", *ops::resolveOrigin(context, "my-vg/my-lv"));
	EXPECT_EQ(ErrorKind::NotFound, ops::resolveOrigin(context, "vg0/nothing").error().kind());
	EXPECT_EQ(ErrorKind::NotFound, ops::resolveOrigin(context, "/dev/none").error().kind());
	EXPECT_EQ(ENOTBLK, ops::resolveOrigin(context, "/dev/null").error().errnum());
	EXPECT_FALSE(ops::resolveOrigin(context, ""));
}

TEST_F(Ops, AMissingOrOtherModuleIsSaidWithTheNextStep)
{
	dm.majorVersion = {};
	Result<> done = dm::requireModule(dm);
	ASSERT_FALSE(done);
	EXPECT_EQ(ErrorKind::NoModule, done.error().kind());
	EXPECT_NE(std::string::npos, done.error().next().find("modprobe dm-snapdiff"));
	dm.majorVersion = 2;
	done = dm::requireModule(dm);
	ASSERT_FALSE(done);
	EXPECT_EQ(ErrorKind::NoModule, done.error().kind());
	EXPECT_NE(std::string::npos, done.error().why().find("2.0.0"));
}

TEST_F(Ops, NoLvmIsSaidWithTheNextStep)
{
	const auto plan = ops::planAttach(context, {{"vg0-home"}, "", {{}, {"vg0"}, 0}, {}});
	ASSERT_FALSE(plan);
}

TEST(Store, DefaultSizeIsAFifthOfTheOrigins)
{
	constexpr uint64_t mib = 1 << 20;
	EXPECT_EQ(256 * mib, ops::defaultStoreBytes(100 * mib, 10000 * mib));
	EXPECT_EQ(2000 * mib, ops::defaultStoreBytes(10000 * mib, 10000 * mib));
	EXPECT_EQ(100 * mib, ops::defaultStoreBytes(10000 * mib, 100 * mib));
}

TEST(Store, IsChosenByNameOrBecauseItIsTheOnlyOne)
{
	model::Inventory inventory;
	EXPECT_EQ(ErrorKind::NotFound, ops::chooseStore(inventory, "").error().kind());
	inventory.stores.resize(1);
	inventory.stores[0].name = "a";
	EXPECT_EQ("a", (*ops::chooseStore(inventory, ""))->name);
	EXPECT_EQ(ErrorKind::NotFound, ops::chooseStore(inventory, "b").error().kind());
	inventory.stores.resize(2);
	EXPECT_EQ(ErrorKind::Usage, ops::chooseStore(inventory, "").error().kind());
}

TEST(Store, GroupNumberStandsForTheDisk)
{
	EXPECT_EQ(0U, ops::groupNumber({}));
	EXPECT_EQ((8U << 20) | 16, ops::groupNumber({{8, 32}, {8, 16}}));
}
