// SPDX-License-Identifier: GPL-2.0-or-later
//
// Fd: owns one file descriptor.

#pragma once

#include "util/result.h"

#include <string>
#include <utility>

namespace snapdiff {

class Fd
{
public:
	Fd() = default;
	explicit Fd(int fd) : fd_(fd) {}
	Fd(Fd &&other) noexcept : fd_(other.release()) {}
	Fd &operator=(Fd &&other) noexcept
	{
		if (this != &other)
			reset(other.release());
		return *this;
	}
	Fd(const Fd &) = delete;
	Fd &operator=(const Fd &) = delete;
	~Fd() { reset(); }

	// O_CLOEXEC is always added to flags.
	static Result<Fd> open(const std::string &path, int flags, unsigned mode = 0);

	// For reading, without noting when, where that is allowed: the note may have to wait
	// for a disk that holds its writers.
	static Result<Fd> openUnnoted(const std::string &path, int flags = 0);

	int get() const { return fd_; }
	bool valid() const { return fd_ >= 0; }
	[[nodiscard]] int release() { return std::exchange(fd_, -1); }
	void reset(int fd = -1);

private:
	int fd_ = -1;
};

// The whole of a small file (at most limit bytes, else EFBIG).
Result<std::string> readFile(const std::string &path, size_t limit = 4U << 20);

} // namespace snapdiff
