// SPDX-License-Identifier: GPL-2.0-or-later
//
// Supply: where ranges come from.

#include "supply.h"

#include <algorithm>

namespace snapdiff::daemon {

int64_t backOff(unsigned failures)
{
	return std::min<int64_t>(60, int64_t{1} << std::min(failures, 6U)) * 1'000'000'000;
}

std::string_view word(Supply::State state)
{
	switch (state) {
	case Supply::State::Ok:
		return "ok";
	case Supply::State::Full:
		return "full";
	case Supply::State::Failed:
		return "failed";
	case Supply::State::Unknown:
		break;
	}
	return "unknown";
}

SupplyOrder orderFor(const Config &config, std::string_view store)
{
	if (const auto *own = config.ownSuppliesOf(store))
		return {true, *own};
	if (config.supplies)
		return {true, *config.supplies};

	SupplyOrder order;
	for (const auto &[name, other] : config.stores)
		if (other.supplies)
			order.names.insert(order.names.end(), other.supplies->begin(),
					   other.supplies->end());
	return order;
}

} // namespace snapdiff::daemon
