// SPDX-License-Identifier: GPL-2.0-or-later
// The reports of the lvm program: a broken one is an error that says something, and a good one
// gives values that can be used.
#include "input.h"
#include "lvm/lvm.h"

using namespace snapdiff;

namespace {

template<class Value>
bool good(const Result<Value> &parsed)
{
	if (!parsed)
		REQUIRE(!parsed.error().message().empty());
	return parsed.has_value();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input input(bytes, size);
	const uint8_t kind = input.below(4);
	const std::string_view json = input.rest();

	if (kind == 0) {
		good(lvm::parseVolumeGroups(json));
	} else if (kind == 1) {
		if (const auto volumes = lvm::parseVolumes(json); good(volumes)) {
			for (const lvm::Volume &v : *volumes)
				REQUIRE(v.fullName() == v.vg + "/" + v.name);
			const auto unused =
				lvm::unusedVolumes(*volumes, [](dm::DeviceNumber) { return true; });
			for (const lvm::Volume &v : unused)
				REQUIRE(!v.number);
		}
	} else if (kind == 2) {
		good(lvm::parsePhysicalVolumes(json));
	} else {
		good(lvm::parseScannedDevices(json));
	}
	return 0;
}
