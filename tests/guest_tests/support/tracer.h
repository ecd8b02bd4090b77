// SPDX-License-Identifier: GPL-2.0-or-later
// The system calls of another process, by ptrace(): a small strace that hands out values.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace snapdiff::lab {

struct SystemCall
{
	pid_t pid = 0;
	uint64_t number = 0;
	std::array<uint64_t, 6> arguments = {};
	int64_t result = 0;
	bool ended = false; // or the process did, in the middle of it

	// Places in one sequence over all processes.
	uint64_t began = 0;
	uint64_t end = UINT64_MAX;

	// ioctl: of a message to a device-mapper target, its text. poll, ppoll: "first" when the
	// first descriptor is ready.
	std::string text = {};

	// "ioctl DM_TARGET_MSG extend ...", for people.
	std::string describe() const;
};

// Runs a program to its end, with all processes that it starts. Its exit status, as of waitpid(),
// goes to status.
std::vector<SystemCall> traceProgram(const std::vector<std::string> &argv, int &status);

// One thread of a process that runs already, from the constructor to stop().
class Tracer
{
public:
	explicit Tracer(pid_t thread);
	~Tracer() { stop(); }
	Tracer(const Tracer &) = delete;
	Tracer &operator=(const Tracer &) = delete;

	// The thread must make a system call now and then, or this waits.
	void stop();
	// After stop().
	const std::vector<SystemCall> &calls() const { return calls_; }

private:
	void run(pid_t thread);

	std::vector<SystemCall> calls_;
	std::atomic<bool> attached_ = false;
	std::atomic<bool> stop_ = false;
	std::thread thread_;
};

} // namespace snapdiff::lab
