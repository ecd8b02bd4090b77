// SPDX-License-Identifier: GPL-2.0-or-later
//
// Notices: where the parts of the daemon say what happened and what is wrong.  The
// daemon turns it into the journal, signals and the state that D-Bus shows.

#pragma once

#include "model/fill.h"

#include <string>
#include <string_view>

namespace snapdiff::daemon {

class Notices
{
public:
	// Something happened.  kind is a word of org.snapdiff1.xml; store may be empty.
	virtual void event(model::Severity severity, std::string_view kind, std::string_view store,
			   std::string text) = 0;

	// Something is wrong from now on, until right() is said of the same subject.
	// Saying the same again changes nothing.
	virtual void wrong(std::string_view subject, std::string text) = 0;
	virtual void right(std::string_view subject) = 0;

protected:
	~Notices() = default;
};

} // namespace snapdiff::daemon
