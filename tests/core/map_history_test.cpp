// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk map against its shadow, over random histories.
#include "map_world.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

RC_GTEST_PROP(MapHistory, ImagesShowWhatWasThereAtTheirTake, ())
{
	mapHistory(shortHistory());
}

RC_GTEST_PROP(MapHistory, ImagesShowWhatWasThereAtTheirTakeOverLongHistories, ())
{
	mapHistory(longHistory(700));
}
