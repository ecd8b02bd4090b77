// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel's own tracing saw of this thread inside one function of the module.
#pragma once

#include <string>
#include <vector>

namespace snapdiff::lab {

// False: this kernel has no tracing, which is a reason to skip.
bool canTrace();

// While it lives, the pages that this thread gets from the page allocator between the entry and the
// return of a function of the module are written down.
class PageTrace
{
public:
	// Throws std::runtime_error if the module has no such function.
	explicit PageTrace(const std::string &function);
	~PageTrace();
	PageTrace(const PageTrace &) = delete;
	PageTrace &operator=(const PageTrace &) = delete;

	// Ends it. A line for each request that was made inside the function, with its flags in the
	// kernel's words, as they are after what the thread's own state takes away.
	std::vector<std::string> requests();
};

} // namespace snapdiff::lab
