// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Colours, icons and distances that all widgets share.
 *
 * Colours follow the palette: there is a set for light and one for dark windows, safe for the usual
 * kinds of colour blindness and readable as text (4.5 to 1).  No colour stands alone: every state
 * has a shape and a word, every part of a bar has a pattern.
 */
#pragma once

#include <QColor>
#include <QPainter>
#include <QPalette>
#include <QWidget>

#include "models/fill_geometry.h"
#include "models/values.h"

namespace snapdiff::gui::look {

bool isDark(const QPalette &palette);

/* Of text and icons that say how urgent something is. */
QColor severityColor(Severity severity, const QPalette &palette);

/* Text that explains; less prominent than the figures, still readable. */
QColor quietText(const QPalette &palette);

/* Outlines of cards, bars and ranges. */
QColor outline(const QPalette &palette);

/* The window's palette with the colour of quiet text as its PlaceholderText. */
QPalette viewPalette(QPalette palette);

/* The same for figures that are old: greys instead of colours, paler, still readable. */
QPalette stalePalette(QPalette palette);

/* The ground of cards and panels: a rounded rectangle in the colour of lists. */
void paintPanel(QPainter &painter, const QRect &rect, const QColor &edge, double thickness);

/* A circle with a tick, a circle with an i, a triangle, an octagon. */
void paintSeverity(QPainter &painter, const QRectF &rect, Severity severity, const QColor &color);

/* Fills @rect with the colour and pattern of @part. */
void paintPart(QPainter &painter, const QRectF &rect, FillPart part, const QPalette &palette);

/* A failed range: crossed lines in the colour of Critical. */
void paintFailed(QPainter &painter, const QRectF &rect, const QPalette &palette);

/* The unit of distances: half the height of a line of @widget's font. */
int step(const QWidget *widget);

} // namespace snapdiff::gui::look
