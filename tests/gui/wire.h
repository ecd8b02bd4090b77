// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The daemon's side of org.snapdiff1: plain values as the bus spells them.  Written from
 * daemon/org.snapdiff1.xml and not from the client, so that the two check each other.
 */
#pragma once

#include <QDBusMessage>
#include <QVariantMap>

#include "models/values.h"

namespace snapdiff::gui::wire {

void registerTypes();

QVariantMap managerProperties(const Monitor &monitor);
QVariantMap storeProperties(const Store &store);
QVariant events(const Monitor &monitor);

/* What GetManagedObjects answers. */
QVariant managedObjects(const Monitor &monitor);

/* Where the store lives on the bus. */
QString pathOf(const Store &store);

} // namespace snapdiff::gui::wire
