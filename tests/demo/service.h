// SPDX-License-Identifier: GPL-2.0-or-later
//
// Service: the bus daemon and snapdiffd, running; and pictures of snapdiff-gui.

#pragma once

#include "bus.h"
#include "command.h"

#include <memory>
#include <string>

namespace snapdiff::demo {

class Service
{
public:
	// Writes the daemon's configuration and starts both; what they print goes to the
	// folder.  Returns when the daemon answers.
	explicit Service(const std::string &results);

	Bus &bus() { return *bus_; }

	// Waits until the reserve is full, or stops growing.
	Reserve waitForReserve();

	// Ends the daemon: its exit status.
	int end() { return daemon_->end(); }

	// Both go on when this object is gone.
	void release();

private:
	std::unique_ptr<Background> busDaemon_;
	std::unique_ptr<Background> daemon_;
	std::unique_ptr<Bus> bus_;
};

// One picture of the GUI, being made in the background.
class Picture
{
public:
	Picture(const std::string &results, const std::string &name);

	// Waits; empty, or why there is no picture.
	std::string finish();

private:
	std::string results_;
	std::string name_;
	Background gui_;
};

} // namespace snapdiff::demo
