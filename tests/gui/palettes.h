// SPDX-License-Identifier: GPL-3.0-or-later
/* A light and a dark palette, as platform themes give them. */
#pragma once

#include <QPalette>

namespace snapdiff::gui::palettes {

inline QPalette light()
{
	QPalette palette(QColor(0xef, 0xef, 0xef), QColor(0xef, 0xef, 0xef));

	palette.setColor(QPalette::Base, Qt::white);
	palette.setColor(QPalette::Highlight, QColor(0x30, 0x8c, 0xc6));
	palette.setColor(QPalette::HighlightedText, Qt::white);
	return palette;
}

inline QPalette dark()
{
	QPalette palette(QColor(0x32, 0x34, 0x37), QColor(0x2a, 0x2c, 0x2e));

	for (const QPalette::ColorRole role :
	     {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::ToolTipText})
		palette.setColor(role, QColor(0xee, 0xee, 0xec));
	palette.setColor(QPalette::Base, QColor(0x1e, 0x20, 0x22));
	palette.setColor(QPalette::AlternateBase, QColor(0x26, 0x28, 0x2a));
	palette.setColor(QPalette::ToolTipBase, QColor(0x3a, 0x3c, 0x3f));
	palette.setColor(QPalette::Highlight, QColor(0x3d, 0x8e, 0xe0));
	palette.setColor(QPalette::HighlightedText, Qt::white);
	palette.setColor(QPalette::Disabled, QPalette::Text, QColor(0x90, 0x90, 0x90));
	palette.setColor(QPalette::Disabled, QPalette::ButtonText, QColor(0x90, 0x90, 0x90));
	return palette;
}

} // namespace snapdiff::gui::palettes
