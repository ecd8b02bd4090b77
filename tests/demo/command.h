// SPDX-License-Identifier: GPL-2.0-or-later
//
// Command: runs programs, some of them for the person to see.

#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace snapdiff::demo {

using Words = std::vector<std::string>;

// Standard output; Trouble with the program's own words if it fails.
std::string run(const Words &words);

// The same, shown as "$ snapdiff take ..." with everything it printed.
std::string show(const Words &words);

// A program in the background.  Ended with SIGTERM when the object goes.
class Background
{
public:
	// Its output goes to the file.  environment: "NAME=value".
	Background(const Words &words, const std::string &output, const Words &environment = {});
	Background(const Background &) = delete;
	Background &operator=(const Background &) = delete;
	~Background();

	// Has it ended by itself?  With which status (128 + signal)?
	bool ended();
	int status() const { return status_; }

	// Waits for its end: the status.
	int wait();

	// Ends it and waits: the status.
	int end();

	// It goes on when the object is gone.
	void release() { pid_ = -1; }

private:
	void collect(int options);

	pid_t pid_ = -1;
	int status_ = 0;
};

} // namespace snapdiff::demo
