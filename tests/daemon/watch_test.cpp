// SPDX-License-Identifier: GPL-2.0-or-later
//
// A volume that is no longer watched is told, once, and not while an attach is at work.

#include "told.h"
#include "watch.h"

#include <gtest/gtest.h>

namespace snapdiff::daemon {
namespace {

constexpr int64_t second = 1'000'000'000;

class Watching : public testing::Test
{
protected:
	bool isTold() const { return told.problems.contains("origin vg0-home"); }

	ToldNotices told;
	Watch watch{told};
};

TEST_F(Watching, AnOriginThatWentAwayIsToldWithinASecondAndWhatHelps)
{
	watch.lost("vg0-home", 5 * second);
	EXPECT_EQ(watch.nextLook(), 5 * second);
	watch.look({"vg0-home"}, 5 * second);
	EXPECT_FALSE(isTold());
	ASSERT_LT(watch.nextLook(), 6 * second);
	watch.look({"vg0-home"}, watch.nextLook());
	ASSERT_TRUE(isTold());
	EXPECT_NE(told.problems["origin vg0-home"].find("snapdiff attach vg0-home"),
		  std::string::npos);
	EXPECT_EQ(watch.nextLook(), INT64_MAX);

	watch.look({}, 9 * second);
	EXPECT_FALSE(isTold());
}

TEST_F(Watching, ADetachThatEndsMeanwhileIsNotTold)
{
	watch.lost("vg0-home", 5 * second);
	watch.look({"vg0-home"}, 5 * second);
	watch.look({}, watch.nextLook());
	EXPECT_FALSE(isTold());
	EXPECT_EQ(watch.nextLook(), INT64_MAX);
}

TEST_F(Watching, WhatNobodySawGoIsGivenTheTimeOfAnAttach)
{
	watch.look({"vg0-home"}, 5 * second);
	watch.look({"vg0-home"}, 10 * second);
	EXPECT_FALSE(isTold());
	watch.look({"vg0-home"}, watch.nextLook());
	EXPECT_TRUE(isTold());
}

} // namespace
} // namespace snapdiff::daemon
