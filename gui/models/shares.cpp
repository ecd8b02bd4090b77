// SPDX-License-Identifier: GPL-3.0-or-later
#include "shares.h"

#include <algorithm>
#include <cmath>

namespace snapdiff::gui {

namespace {

/* Rounds the running sum, not each piece, so that rounding never adds up to a gap or an excess. */
void proportion(std::span<const quint64> quantities, double total, int length,
		std::vector<int> &widths)
{
	double sum = 0;
	int before = 0;

	for (size_t i = 0; i < quantities.size(); i++) {
		sum += static_cast<double>(quantities[i]);
		const int upTo = static_cast<int>(std::lround(sum / total * length));
		widths[i] = upTo - before;
		before = upTo;
	}
}

/* Lifts the pieces that are too small; the largest ones pay. */
void lift(std::span<const quint64> quantities, int minimum, std::vector<int> &widths)
{
	for (size_t i = 0; i < widths.size(); i++) {
		while (quantities[i] > 0 && widths[i] < minimum) {
			const auto largest = std::max_element(widths.begin(), widths.end());
			const int taken = std::min(minimum - widths[i], *largest - minimum);
			if (taken <= 0)
				return;
			*largest -= taken;
			widths[i] += taken;
		}
	}
}

} // namespace

std::vector<int> shareOut(std::span<const quint64> quantities, int length, int minimum)
{
	std::vector<int> widths(quantities.size(), 0);
	double total = 0;
	int present = 0;

	for (const quint64 quantity : quantities) {
		total += static_cast<double>(quantity);
		present += quantity > 0;
	}
	if (present == 0 || length <= 0)
		return widths;

	proportion(quantities, total, length, widths);
	lift(quantities, std::min(minimum, length / present), widths);
	return widths;
}

} // namespace snapdiff::gui
