// SPDX-License-Identifier: GPL-2.0-or-later
// An extend while memory is short (rule 19): the writes that would free memory may be those that
// wait for this very extend, so nothing that it asks for may wait for I/O.

#include "support/kernel_trace.h"
#include "support/stack.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
// So large that what is kept of its chunks, a bit each, needs pages of its own.
constexpr uint64_t largeRange = 1ull << 27;
constexpr uint64_t fewestPages = largeRange / chunk / 8 / 4096;

// May the kernel write to a disk, or wait for one, to fulfil this request?
bool allowsIo(const std::string &request)
{
	constexpr std::array words = {"GFP_KERNEL",   "GFP_NOFS",      "GFP_USER",
				      "GFP_HIGHUSER", "GFP_TRANSHUGE", "__GFP_IO"};

	return std::ranges::any_of(
		words, [&](const char *word) { return request.find(word) != std::string::npos; });
}

uint64_t pagesOf(const std::string &request)
{
	const std::string word = "order=";
	const size_t at = request.find(word);

	if (at == std::string::npos)
		throw std::runtime_error("no order in " + request);
	return 1ull << std::stoul(request.substr(at + word.size()));
}

} // namespace

TEST(Pressure, AnExtendAsksForNoMemoryThatMayWaitForIo)
{
	if (!canTrace())
		GTEST_SKIP() << "this kernel has no tracing";
	const DmDevice large("large", "0 " + std::to_string(largeRange) + " zero");
	const Disk first(1, 2048);
	const Store store({.chunk = chunk}, {rangeWords(first, 0, 2048)});

	PageTrace trace("store_message");
	const DmAnswer answer = store.device().message("extend " + large.number() + " 0 " +
						       std::to_string(largeRange));
	const auto requests = trace.requests();
	ASSERT_TRUE(answer.ok()) << answer.text;
	uint64_t pages = 0;
	for (const auto &request : requests) {
		EXPECT_FALSE(allowsIo(request)) << request;
		pages += pagesOf(request);
	}
	std::cout << pages << " pages asked for, in " << requests.size() << " requests"
		  << std::endl;
	EXPECT_GE(pages, fewestPages) << "too few to tell";
}
