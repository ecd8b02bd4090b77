// SPDX-License-Identifier: GPL-2.0-or-later
// A library that is preloaded into snapdiffd: it counts calls to malloc() and free() between the
// wake-up by an event and the range that the kernel accepted, and notes when both were.
#include "support/hot_watch.h"

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc's own, which it exports for cases like this one.
extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t number, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);
}

namespace {

using snapdiff::lab::HotBoard;

// Of the thread that polls; the library is there from the start, so no look-up allocates.
struct Window
{
	bool open;
	int64_t wokeNs;
	uint64_t allocations;
};

__attribute__((tls_model("initial-exec"))) thread_local Window window;
HotBoard *board = nullptr;

int64_t monotonicNs()
{
	timespec now = {};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void note()
{
	if (window.open)
		window.allocations++;
}

__attribute__((constructor)) void begin()
{
	const char *path = getenv(snapdiff::lab::HotWatch::variable);
	const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *memory = mmap(nullptr, sizeof(HotBoard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		board = static_cast<HotBoard *>(memory);
}

bool isExtend(const void *argument)
{
	const auto *header = static_cast<const dm_ioctl *>(argument);
	const char *text = static_cast<const char *>(argument) + header->data_start +
			   offsetof(dm_target_msg, message);
	return strncmp(text, "extend ", 7) == 0;
}

void accepted()
{
	HotBoard::Extension &slot =
		board->extensions[board->count.load() % HotBoard::mostExtensions];
	slot.wokeNs = window.wokeNs;
	slot.acceptedNs = monotonicNs();
	slot.allocations = window.allocations;
	board->count++;
}

} // namespace

extern "C" {

void *malloc(size_t size)
{
	note();
	return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
	note();
	return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
	note();
	return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	note();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	note();
	*memory = __libc_memalign(alignment, size);
	return *memory ? 0 : ENOMEM;
}

void free(void *memory)
{
	if (memory)
		note();
	__libc_free(memory);
}

int ppoll(pollfd *fds, nfds_t count, const timespec *timeout, const sigset_t *signals)
{
	constexpr size_t kernelSetSize = 8;

	window.open = false;
	timespec left = timeout ? *timeout : timespec{};
	const long ready =
		syscall(SYS_ppoll, fds, count, timeout ? &left : nullptr, signals, kernelSetSize);
	if (board && ready > 0 && count > 0 && (fds[0].revents & POLLIN))
		window = {true, monotonicNs(), 0};
	return static_cast<int>(ready);
}

int ioctl(int fd, unsigned long request, ...) noexcept
{
	va_list arguments;
	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	// Answers come into the same buffer.
	const bool extend = window.open && request == DM_TARGET_MSG && isExtend(argument);
	const long done = syscall(SYS_ioctl, fd, request, argument);
	if (extend && done == 0) {
		const int error = errno;
		accepted();
		errno = error;
	}
	return static_cast<int>(done);
}

} // extern "C"
