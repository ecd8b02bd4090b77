// SPDX-License-Identifier: GPL-2.0-or-later
//
// Plan: what --dry-run prints, and what several verbs work out from their arguments.

#pragma once

#include "cli/verb.h"
#include "ops/create.h"

#include <string>
#include <vector>

namespace snapdiff::cli {

// "would ..." lines, or {"plan": [...]}.
void sayPlan(Session &session, const std::vector<std::string> &lines);

ops::AttachRequest attachRequest(const Arguments &arguments);

// Lines for the store to be made and the origins to be attached.
std::vector<std::string> describePlan(Session &session, const ops::AttachPlan &plan);

// --name, or the time.
std::string snapshotName(Session &session);

ops::TakeRequest takeRequest(Session &session, std::vector<std::string> origins);

} // namespace snapdiff::cli
