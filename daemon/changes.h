// SPDX-License-Identifier: GPL-2.0-or-later
//
// Changes: how urgent a change of a store is, and what org.snapdiff1 calls it.

#pragma once

#include "model/changes.h"
#include "model/fill.h"
#include "model/store.h"

#include <string>
#include <string_view>

namespace snapdiff::daemon {

struct Told
{
	model::Severity severity = model::Severity::Ok;
	std::string_view kind; // a word of org.snapdiff1.xml
	std::string text;
};

Told tell(const model::Event &change, const model::Store &before);

} // namespace snapdiff::daemon
