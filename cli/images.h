// SPDX-License-Identifier: GPL-2.0-or-later
//
// Images: which images of a snapshot mount and umount are about.

#pragma once

#include "cli/verb.h"
#include "model/store.h"

#include <string>
#include <vector>

namespace snapdiff::cli {

struct Choice
{
	const model::Store *store = nullptr;
	const model::Snapshot *snapshot = nullptr;
	std::vector<std::string> origins; // of the snapshot; with --origin only that one
};

Result<Choice> chooseImages(Session &session, const model::Inventory &inventory);

} // namespace snapdiff::cli
