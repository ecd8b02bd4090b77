// SPDX-License-Identifier: GPL-3.0-or-later
/* What a daemon could say: the scenes that the tests of the GUI play. */
#pragma once

#include <QString>
#include <QStringList>

#include "models/values.h"

namespace snapdiff::gui::samples {

/* A healthy store of four ranges on two volume groups, two origins, three snapshots. */
Monitor calm();

/* The same while it fills: low water, a rate, a time to full. */
Monitor growing();

/* No free place: writes wait. */
Monitor holding();

/* A failed range, an invalid snapshot, a detached origin, a supply with a problem. */
Monitor damaged();

/* 400 ranges on three disks. */
Monitor manyRanges();

/* 40 stores, some of them urgent, with long names. */
Monitor manyStores();

/* Figures near 2^64, names with bidirectional and combining letters in the texts. */
Monitor extreme();

Monitor noModule();
Monitor wrongModule();
Monitor noStore();
/* A store without range, origin or snapshot. */
Monitor bareStore();

QStringList names();
Monitor byName(const QString &name);

} // namespace snapdiff::gui::samples
