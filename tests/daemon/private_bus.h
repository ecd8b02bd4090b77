// SPDX-License-Identifier: GPL-2.0-or-later
//
// PrivateBus: a dbus-daemon of our own, and pictures to show on it.

#pragma once

#include "picture.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::daemon {

// As long as the object lives.
class PrivateBus
{
public:
	explicit PrivateBus(std::string wantedAddress = "unix:tmpdir=/tmp")
	{
		int ends[2];
		if (pipe(ends) < 0)
			return;
		const std::string config = writeConfig(wantedAddress);
		pid_ = fork();
		if (pid_ == 0) {
			dup2(ends[1], 3);
			execlp("dbus-daemon", "dbus-daemon", "--nofork", "--print-address=3",
			       ("--config-file=" + config).c_str(), nullptr);
			_exit(127);
		}
		close(ends[1]);
		char text[512] = {};
		const ssize_t got = read(ends[0], text, sizeof(text) - 1);
		close(ends[0]);
		unlink(config.c_str());
		if (got > 0)
			address = std::string(text, static_cast<size_t>(got));
		while (!address.empty() && address.back() == '\n')
			address.pop_back();
	}
	~PrivateBus() { stop(); }
	void stop()
	{
		if (pid_ <= 0)
			return;
		kill(pid_, SIGKILL);
		waitpid(pid_, nullptr, 0);
		pid_ = -1;
	}
	std::string address;

private:
	static std::string writeConfig(const std::string &address)
	{
		char name[] = "/tmp/snapdiff-bus-XXXXXX";
		close(mkstemp(name));
		std::ofstream(name)
			<< "<busconfig><type>session</type><listen>" << address
			<< "</listen><policy context='default'>"
			   "<allow user='*'/><allow send_destination='*' eavesdrop='true'/>"
			   "<allow eavesdrop='true'/><allow own='*'/>"
			   "</policy></busconfig>";
		return name;
	}
	pid_t pid_ = -1;
};

inline StorePicture makeStore(const std::string &name)
{
	StorePicture store;
	store.name = name;
	store.number = "253:4";
	store.summary.capacity = 1000;
	store.summary.used = 400;
	store.summary.free = 600;
	store.severity = "ok";
	RangePicture range;
	range.device = "vg0/snapdiff.0";
	range.disk = "vg0";
	range.status.length = 1000;
	range.status.group = {7, true};
	store.ranges.push_back(range);
	model::Origin origin;
	origin.status.name = "home";
	origin.device = "vg0-home";
	store.origins.push_back(origin);
	dm::SnapshotStatus snapshot;
	snapshot.name = "monday";
	snapshot.takenAt = 1700000000;
	snapshot.origins.push_back({"home", 5000});
	store.snapshots.push_back(snapshot);
	return store;
}

inline Picture makePicture()
{
	Picture picture;
	picture.manager.version = "9.9";
	picture.manager.moduleLoaded = true;
	picture.manager.reserveRanges = 2;
	picture.manager.supplies.push_back({"vg0", "ok", 100, 50, ""});
	picture.stores.push_back(makeStore("a.b-1"));
	return picture;
}

} // namespace snapdiff::daemon
