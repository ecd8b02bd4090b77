// SPDX-License-Identifier: GPL-3.0-or-later
#include "fill_geometry.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "shares.h"

namespace snapdiff::gui {

FillGeometry::FillGeometry(const FillAmounts &amounts, int width)
{
	if (width > 0)
		place(amounts, width);
}

const FillGeometry::Piece *FillGeometry::at(int x) const
{
	const auto found = std::find_if(pieces_.begin(), pieces_.end(), [x](const Piece &piece) {
		return x >= piece.x && x < piece.x + piece.width;
	});
	return found == pieces_.end() ? nullptr : &*found;
}

void FillGeometry::place(const FillAmounts &amounts, int width)
{
	const std::array store{amounts.used, amounts.unusable, amounts.free};
	const std::array supply{amounts.reserve, amounts.carvable};
	const double capacity = static_cast<double>(amounts.used) +
				static_cast<double>(amounts.unusable) +
				static_cast<double>(amounts.free);
	const double beyond =
		static_cast<double>(amounts.reserve) + static_cast<double>(amounts.carvable);
	const int inner = beyond > 0 && capacity > 0 ? std::max(0, width - gap) : width;

	if (capacity > 0) {
		const double share = capacity / (capacity + beyond);
		toScale_ = share >= storeShare;
		storeWidth_ = static_cast<int>(std::lround(inner * std::max(share, storeShare)));
		/* A supply that is next to nothing beside the store is still a supply. */
		const int kinds = (amounts.reserve > 0) + (amounts.carvable > 0);
		storeWidth_ =
			std::min(storeWidth_, std::max(inner / 2, inner - kinds * minimumPiece));
	}

	int x = 0;
	const auto append = [&](FillPart part, int pieceWidth) {
		if (pieceWidth > 0)
			pieces_.push_back({part, x, pieceWidth});
		x += pieceWidth;
	};

	const std::vector<int> left = shareOut(store, storeWidth_, minimumPiece);
	append(FillPart::Used, left[0]);
	append(FillPart::Unusable, left[1]);
	append(FillPart::Free, left[2]);

	const std::vector<int> right = shareOut(supply, inner - storeWidth_, minimumPiece);
	x += width - inner;
	append(FillPart::Reserve, right[0]);
	append(FillPart::Carvable, right[1]);

	/* A mark above the capacity cannot be reached: it stands at the very left. */
	if (amounts.lowWater > 0 && capacity > 0) {
		const double share = static_cast<double>(amounts.lowWater) / capacity;
		lowWaterX_ =
			static_cast<int>(std::lround(storeWidth_ * std::max(0.0, 1.0 - share)));
	}
}

} // namespace snapdiff::gui
