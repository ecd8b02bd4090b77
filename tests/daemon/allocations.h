// SPDX-License-Identifier: GPL-2.0-or-later
//
// Allocations: counts calls of operator new in a scope, to show that there are none.

#pragma once

#include <cstddef>

namespace snapdiff::daemon {

class Allocations
{
public:
	Allocations();
	~Allocations();
	Allocations(const Allocations &) = delete;
	Allocations &operator=(const Allocations &) = delete;

	size_t count() const;

	// What happens in its scope is not counted.
	class Pause
	{
	public:
		Pause();
		~Pause();
		Pause(const Pause &) = delete;
		Pause &operator=(const Pause &) = delete;
	};
};

} // namespace snapdiff::daemon
