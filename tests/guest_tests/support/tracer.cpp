// SPDX-License-Identifier: GPL-2.0-or-later
// The system calls of another process, by ptrace().
#include "support/tracer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <map>
#include <set>

#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

constexpr int syscallStop = SIGTRAP | 0x80;

bool readMemory(pid_t pid, uint64_t address, void *to, size_t size)
{
	iovec mine = {to, size};
	iovec theirs = {reinterpret_cast<void *>(address), size};
	return process_vm_readv(pid, &mine, 1, &theirs, 1, 0) == static_cast<ssize_t>(size);
}

// The text of a message to a device-mapper target.
std::string messageText(pid_t pid, uint64_t address)
{
	constexpr size_t most = 256;

	dm_ioctl header = {};
	char text[most + 1] = {};
	if (!readMemory(pid, address, &header, offsetof(dm_ioctl, data)))
		return "?";
	readMemory(pid, address + header.data_start + offsetof(dm_target_msg, message), text, most);
	return text;
}

// Collects the stops of any number of processes.
class Collector
{
public:
	std::vector<SystemCall> take() { return std::move(calls_); }

	void stopped(pid_t pid)
	{
		__ptrace_syscall_info info = {};
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
			return;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			enter(pid, info);
		else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
			leave(pid, info.exit.rval);
	}

private:
	void enter(pid_t pid, const __ptrace_syscall_info &info)
	{
		SystemCall call;
		call.pid = pid;
		call.number = info.entry.nr;
		std::copy_n(info.entry.args, call.arguments.size(), call.arguments.begin());
		call.began = sequence_++;
		if (call.number == SYS_ioctl && call.arguments[1] == DM_TARGET_MSG)
			call.text = messageText(pid, call.arguments[2]);
		open_[pid] = calls_.size();
		calls_.push_back(std::move(call));
	}

	void leave(pid_t pid, int64_t result)
	{
		const auto open = open_.find(pid);
		if (open == open_.end())
			return; // attached in the middle of it
		SystemCall &call = calls_[open->second];
		open_.erase(open);
		call.result = result;
		call.ended = true;
		call.end = sequence_++;
		pollfd first = {};
		const bool polls = call.number == SYS_ppoll || call.number == SYS_poll;
		if (polls && result > 0 &&
		    readMemory(pid, call.arguments[0], &first, sizeof(first)) &&
		    (first.revents & POLLIN))
			call.text = "first";
	}

	std::vector<SystemCall> calls_;
	std::map<pid_t, size_t> open_; // pid -> its unfinished call
	uint64_t sequence_ = 0;
};

// Goes on after a stop; the signal to deliver, if it was one of the process's own.
int signalToDeliver(int status)
{
	const int signal = WSTOPSIG(status);
	const bool event = (status >> 16) != 0;
	return event || signal == syscallStop || signal == SIGTRAP ? 0 : signal;
}

pid_t startTraced(const std::vector<std::string> &argv)
{
	const pid_t pid = fork();
	if (pid != 0)
		return pid;
	std::vector<char *> words;
	for (const std::string &word : argv)
		words.push_back(const_cast<char *>(word.c_str()));
	words.push_back(nullptr);
	ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
	raise(SIGSTOP);
	execv(words[0], words.data());
	_exit(127);
}

} // namespace

std::string SystemCall::describe() const
{
	std::string words = std::to_string(pid) + " ";
	if (number != SYS_ioctl)
		return words + "system call " + std::to_string(number) + " (" +
		       std::to_string(arguments[0]) + ", ...) = " + std::to_string(result);
	words += "ioctl ";
	if (arguments[1] == FIFREEZE)
		return words + "FIFREEZE";
	if (arguments[1] == FITHAW)
		return words + "FITHAW";
	return words + std::to_string(arguments[1]) + " " + text;
}

std::vector<SystemCall> traceProgram(const std::vector<std::string> &argv, int &status)
{
	constexpr unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
					  PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
					  PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	Collector collector;
	int now = 0;

	const pid_t first = startTraced(argv);
	std::set<pid_t> known = {first};
	waitpid(first, &now, 0);
	ptrace(PTRACE_SETOPTIONS, first, nullptr, options);
	ptrace(PTRACE_SYSCALL, first, nullptr, nullptr);
	while (!known.empty()) {
		const pid_t pid = waitpid(-1, &now, __WALL);
		if (pid < 0)
			break;
		if (!WIFSTOPPED(now)) {
			known.erase(pid);
			if (pid == first)
				status = now;
			continue;
		}
		// A new child begins with a stop that is no signal to it.
		const bool isNew = known.insert(pid).second;
		if (WSTOPSIG(now) == syscallStop)
			collector.stopped(pid);
		const int signal = isNew ? 0 : signalToDeliver(now);
		ptrace(PTRACE_SYSCALL, pid, nullptr, static_cast<unsigned long>(signal));
	}
	return collector.take();
}

Tracer::Tracer(pid_t thread)
{
	thread_ = std::thread([this, thread] { run(thread); });
	while (!attached_)
		usleep(1000);
}

void Tracer::stop()
{
	stop_ = true;
	if (thread_.joinable())
		thread_.join();
}

// All of ptrace() is for the thread that attached.
void Tracer::run(pid_t thread)
{
	Collector collector;
	int status = 0;

	const long done = ptrace(PTRACE_SEIZE, thread, nullptr, PTRACE_O_TRACESYSGOOD);
	EXPECT_EQ(done, 0) << "cannot trace " << thread;
	if (done == 0) {
		ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
		waitpid(thread, &status, __WALL);
		ptrace(PTRACE_SYSCALL, thread, nullptr, nullptr);
	}
	attached_ = true;
	while (done == 0 && waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == syscallStop)
			collector.stopped(thread);
		const auto signal = static_cast<unsigned long>(signalToDeliver(status));
		if (stop_) {
			ptrace(PTRACE_DETACH, thread, nullptr, signal);
			break;
		}
		ptrace(PTRACE_SYSCALL, thread, nullptr, signal);
	}
	calls_ = collector.take();
}

} // namespace snapdiff::lab
