// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where the pieces of a store's fill bar lie, in pixels from its left edge.
 *
 * Left stands what the store has (used, unusable, free), right of it what it could still get
 * (reserve, carvable).  The two parts share a scale while that leaves the store at least
 * storeShare of the bar; beyond that the right part is squeezed into the rest, a gap marks the
 * break, and toScale() says so.  Otherwise a store of 200 MiB beside a volume group of 1 TiB
 * would be a line.
 */
#pragma once

#include <vector>

#include <QtGlobal>

namespace snapdiff::gui {

enum class FillPart { Used, Unusable, Free, Reserve, Carvable };

struct FillAmounts
{
	quint64 used = 0;
	quint64 unusable = 0;
	quint64 free = 0;
	quint64 reserve = 0;
	quint64 carvable = 0;
	/* Free sectors at or below which the store asks for more; 0: it never asks. */
	quint64 lowWater = 0;

	bool operator==(const FillAmounts &) const = default;
};

class FillGeometry
{
public:
	struct Piece
	{
		FillPart part;
		int x;
		int width;

		bool operator==(const Piece &) const = default;
	};

	static constexpr double storeShare = 0.62;
	static constexpr int minimumPiece = 3;
	static constexpr int gap = 8;

	FillGeometry(const FillAmounts &amounts, int width);

	/* Left to right, only those that have sectors. */
	const std::vector<Piece> &pieces() const { return pieces_; }

	/* The piece under pixel @x, or nullptr. */
	const Piece *at(int x) const;

	/* Where free space would have shrunk to the low-water mark; -1: there is no mark. */
	int lowWaterX() const { return lowWaterX_; }

	/* End of the part that the store has. */
	int storeWidth() const { return storeWidth_; }

	bool toScale() const { return toScale_; }

private:
	void place(const FillAmounts &amounts, int width);

	std::vector<Piece> pieces_;
	int lowWaterX_ = -1;
	int storeWidth_ = 0;
	bool toScale_ = true;
};

} // namespace snapdiff::gui
