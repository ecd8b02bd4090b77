// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Brings the rows of a model in line with fresh values by removing, inserting, moving and updating
 * single rows, so that selection, expansion and scroll position survive an update.
 */
#pragma once

#include <algorithm>

#include <QSet>

namespace snapdiff::gui {

/*
 * @edit knows the model:
 *   key(row), key(value)      the identity of each, unique and of one type that QSet takes
 *   remove(i), insert(i, value), move(from, to), update(i, value)
 * and calls the begin...() and end...() functions around what it does to @rows.
 */
template<class Rows, class Fresh, class Edit>
void mergeRows(const Rows &rows, const Fresh &fresh, Edit edit)
{
	using Key = decltype(edit.key(fresh.front()));
	QSet<Key> wanted;
	QSet<Key> present;

	for (const auto &value : fresh)
		wanted.insert(edit.key(value));
	for (size_t i = rows.size(); i-- > 0;) {
		if (wanted.contains(edit.key(rows[i])))
			present.insert(edit.key(rows[i]));
		else
			edit.remove(static_cast<int>(i));
	}

	for (size_t i = 0; i < fresh.size(); i++) {
		const Key key = edit.key(fresh[i]);
		const int row = static_cast<int>(i);
		if (!present.contains(key)) {
			edit.insert(row, fresh[i]);
			continue;
		}
		const auto found = std::find_if(rows.begin() + row, rows.end(),
						[&](const auto &r) { return edit.key(r) == key; });
		/* A key that comes twice is a mistake of the sender: it gets a row of its own. */
		if (found == rows.end()) {
			edit.insert(row, fresh[i]);
			continue;
		}
		const int from = static_cast<int>(found - rows.begin());
		if (from != row)
			edit.move(from, row);
		edit.update(row, fresh[i]);
	}
}

} // namespace snapdiff::gui
