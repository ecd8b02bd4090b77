// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * From the values of org.snapdiff1 to plain ones, once.  Only files of this folder know how the bus
 * spells them; the interface is written down in daemon/org.snapdiff1.xml.
 */
#pragma once

#include <vector>

#include <QDBusMessage>
#include <QDBusObjectPath>
#include <QMap>
#include <QVariantMap>

#include "models/values.h"

namespace snapdiff::gui::bus {

/* Property name to value, by interface. */
using Interfaces = QMap<QString, QVariantMap>;
/* What GetManagedObjects answers. */
using ManagedObjects = QMap<QDBusObjectPath, Interfaces>;

/* Tells QtDBus the types above; to be called before the first message. */
void registerTypes();

/*
 * The first property that @properties lacks or has in another type than expected, as "Name"; empty
 * if decoding will succeed.
 */
QString misfitOfManager(const QVariantMap &properties);
QString misfitOfStore(const QVariantMap &properties);

/* Everything but stores and events. */
Monitor decodeManager(const QVariantMap &properties);
Store decodeStore(const QVariantMap &properties);

/* The answer of RecentEvents; nothing if it has another form. */
std::vector<Event> decodeEvents(const QDBusMessage &answer);

} // namespace snapdiff::gui::bus

Q_DECLARE_METATYPE(snapdiff::gui::bus::Interfaces)
Q_DECLARE_METATYPE(snapdiff::gui::bus::ManagedObjects)
