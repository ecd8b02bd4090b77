// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus: what snapdiffd says on D-Bus.  The .cpp is the only file here that includes
// sdbus-c++.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace snapdiff::demo {

struct Extension
{
	uint64_t number = 0;
	std::string store;
	std::string device; // "vg0/snapdiff.3"
	std::string supply; // "vg0"
	uint64_t sectors = 0;
	uint64_t microseconds = 0; // from the daemon's wake-up to the range accepted
};

struct DaemonEvent
{
	std::string severity;
	std::string kind;
	std::string text;
};

struct Reserve
{
	uint32_t ranges = 0;
	uint32_t wanted = 0;
	uint64_t sectors = 0;
	std::vector<std::string> problems;
};

class Bus
{
public:
	Bus();
	~Bus();

	bool daemonAnswers();
	Reserve reserve();

	// Of this run of the daemon, oldest first.
	std::vector<Extension> extensions();
	std::vector<DaemonEvent> events();

private:
	struct Proxy;
	std::unique_ptr<Proxy> proxy_;
};

} // namespace snapdiff::demo
