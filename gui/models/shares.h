// SPDX-License-Identifier: GPL-3.0-or-later
/* Splits a length in pixels among quantities, so that the pieces fill it exactly. */
#pragma once

#include <span>
#include <vector>

#include <QtGlobal>

namespace snapdiff::gui {

/*
 * One width per quantity, in order, summing up to @length.  What is not zero gets at least
 * @minimum pixels while there is room for that, because a small thing that is not drawn is a
 * thing that the reader believes not to exist.  Zero gets zero; all zero gives all zero.
 */
std::vector<int> shareOut(std::span<const quint64> quantities, int length, int minimum);

} // namespace snapdiff::gui
