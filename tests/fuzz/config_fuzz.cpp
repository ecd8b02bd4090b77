// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's configuration: an error names file and line, and what is taken is within bounds.
#include "config.h"
#include "input.h"

using namespace snapdiff::daemon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input input(bytes, size);
	const auto config = parseConfig(input.rest(), "FILE");

	if (!config) {
		REQUIRE(config.error().message().find("FILE") != std::string::npos);
		return 0;
	}
	REQUIRE(config->minRangeSize > 0 && config->minRangeSize <= config->rangeSize);
	REQUIRE(config->reserveRanges <= config->reserveMaxRanges);
	REQUIRE(config->lvmTimeoutMs > 0);
	for (const auto &[name, store] : config->stores) {
		REQUIRE(config->lowWaterOf(name) ==
			(store.lowWater ? store.lowWater : config->allStores.lowWater));
		REQUIRE(config->maxSizeOf(name) ==
			(store.maxSize ? store.maxSize : config->allStores.maxSize));
	}
	return 0;
}
