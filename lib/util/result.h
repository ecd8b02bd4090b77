// SPDX-License-Identifier: GPL-2.0-or-later
//
// Result: a value, or the Error that kept it away.
//
//	Result<Fd> file = openFile(path);
//	if (!file)
//		return std::move(file).error().within("read the table");

#pragma once

#include "util/error.h"

#include <tl/expected.hpp>

#include <utility>

namespace snapdiff {

// tl::expected 1.0 is not nodiscard itself; a class of our own is, so that a
// dropped error is a compiler warning.
template<class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error>
{
public:
	using tl::expected<T, Error>::expected;

	Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}
};

} // namespace snapdiff
