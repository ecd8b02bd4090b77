// SPDX-License-Identifier: GPL-2.0-or-later
// The parsers of status lines: what they take is what they would write.
#include "dm/status.h"
#include "input.h"

using namespace snapdiff;

namespace {

template<class Value>
void check(const Result<Value> &parsed, std::string_view line)
{
	if (!parsed)
		REQUIRE(!parsed.error().message().empty());
	else
		REQUIRE(dm::format(*parsed) == line);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input input(bytes, size);
	const uint8_t kind = input.below(4);
	const std::string_view line = input.rest();

	switch (kind) {
	case 0:
		check(dm::parseStoreStatus(line), line);
		break;
	case 1:
		check(dm::parseSummary(line), line);
		break;
	case 2:
		check(dm::parseOriginLine(line), line);
		break;
	default:
		check(dm::parseImageLine(line), line);
	}
	return 0;
}
