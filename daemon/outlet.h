// SPDX-License-Identifier: GPL-2.0-or-later
//
// Outlet: what the daemon says to the journal (or stderr) and to systemd.
//
// Both can block: the journal may itself wait for an origin that holds its
// writers.  So lines are put into a bounded queue and a thread of their own sends
// them; when the queue is full, lines are counted instead of kept.  States have a
// queue and a thread of their own: systemd must hear that we live while the journal
// hangs.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::daemon {

// Numbers of syslog(3).
enum class Priority { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };

struct Field
{
	std::string_view name; // SNAPDIFF_STORE
	std::string value;
};

class Outlet
{
public:
	// journal: send fields to the journal; otherwise lines to stderr.
	explicit Outlet(bool journal);

	// Sends what is queued, for at most a second, then gives up: a journal that
	// hangs does not keep the daemon from ending.
	~Outlet();

	Outlet(const Outlet &) = delete;
	Outlet &operator=(const Outlet &) = delete;

	void log(Priority priority, std::string_view text, std::vector<Field> fields = {});

	// To systemd, "READY=1"; nothing when it does not listen.
	void notify(std::string state);

	// stderr goes to the journal, as systemd says it in the environment.
	static bool runsUnderJournal();

private:
	class Channel;

	std::unique_ptr<Channel> lines_;
	std::unique_ptr<Channel> states_;
};

} // namespace snapdiff::daemon
