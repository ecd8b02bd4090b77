// SPDX-License-Identifier: GPL-3.0-or-later
/* The ranges of a store sorted for the store map: a lane per disk, address order within. */
#pragma once

#include <vector>

#include "values.h"

namespace snapdiff::gui {

struct Lane
{
	QString name;
	std::vector<Range> ranges;

	/* "vg0: 3 ranges, 96 MiB used of 192 MiB" */
	QString caption() const;

	std::vector<quint64> lengths() const;

	bool operator==(const Lane &) const = default;
};

/*
 * Lanes in the order in which the store got them.  Ranges of one device stand in address order,
 * devices (carved volumes) in the order in which they were given.
 */
std::vector<Lane> lanesOf(const std::vector<Range> &ranges);

} // namespace snapdiff::gui
