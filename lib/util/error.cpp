// SPDX-License-Identifier: GPL-2.0-or-later
//
// Error: a failure, told for the person who will read it.

#include "util/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace snapdiff {

static ErrorKind kindOf(int errnum)
{
	switch (errnum) {
	case EPERM:
	case EACCES:
		return ErrorKind::NotPermitted;
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return ErrorKind::NotFound;
	case EBUSY:
	case EEXIST:
		return ErrorKind::Busy;
	case ENOSPC:
		return ErrorKind::NoSpace;
	case ETIMEDOUT:
		return ErrorKind::TimedOut;
	default:
		return ErrorKind::Failed;
	}
}

Error::Error(int errnum, std::string doing)
	: Error(errnum, std::move(doing), std::generic_category().message(errnum))
{
}

Error::Error(int errnum, std::string doing, std::string why)
	: errnum_(errnum), kind_(kindOf(errnum)), doing_(std::move(doing)), why_(std::move(why))
{
}

std::string Error::message() const
{
	if (doing_.empty())
		return why_;
	return doing_ + ": " + why_;
}

Error Error::within(std::string_view outer) &&
{
	doing_ = doing_.empty() ? std::string(outer) : std::string(outer) + ": " + doing_;
	return std::move(*this);
}

Error Error::advise(std::string next) &&
{
	if (next_.empty())
		next_ = std::move(next);
	return std::move(*this);
}

Error Error::as(ErrorKind kind) &&
{
	kind_ = kind;
	return std::move(*this);
}

} // namespace snapdiff
