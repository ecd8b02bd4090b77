// SPDX-License-Identifier: GPL-2.0-or-later
//
// MetricsWriter: has the metrics written to a file that a Prometheus exporter reads.
//
// The file may lie on an origin whose writers are held, waiting for the daemon.  So a process
// of its own writes it, and the daemon never waits for that process: while a text is on its
// way, others are left out.

#pragma once

#include "util/fd.h"
#include "util/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace snapdiff::daemon {

class MetricsWriter
{
public:
	// program: the daemon's own file.
	explicit MetricsWriter(std::string program) : program_(std::move(program)) {}
	~MetricsWriter();
	MetricsWriter(const MetricsWriter &) = delete;
	MetricsWriter &operator=(const MetricsWriter &) = delete;

	// Empty: none is written (any more); the old file stays, as old as it is.
	void setFile(const std::string &file);
	bool wanted() const { return !file_.empty(); }

	// Hands the text over, or leaves it out while the last one is on its way.
	void put(std::string_view text);

	// What became of the texts since the last call: nothing new; written; or not, and why.
	enum class Outcome { Nothing, Written, Failed };
	Outcome outcome(std::string &why);

private:
	void flush();
	void drop();
	void fail(const Error &error);

	std::string program_;
	std::string file_;
	Fd socket_;
	std::string pending_; // not yet taken by the socket
	std::string answer_;  // the beginning of a line
	Outcome outcome_ = Outcome::Nothing;
	std::string why_;
	pid_t pid_ = -1;
	std::vector<pid_t> ended_; // not yet waited for
};

// The process: writes what comes from the socket until the other side is gone.  Returns the
// exit status.
int runMetricsWriter(int socket, const std::string &file);

// Replaces the file, or leaves it as it is: nobody ever sees half of it.
Result<> replaceFile(const std::string &file, std::string_view text);

} // namespace snapdiff::daemon
