// SPDX-License-Identifier: GPL-2.0-or-later
// How long a test waits for what should come, before it says that it does not.
#pragma once

namespace snapdiff::lab {

// A time limit in a test only ends a hang: whoever gives one names what a quiet machine needs, with
// room to spare, and the wait itself lasts this many times longer, because an emulated guest on a
// busy machine is that much slower. Nothing that does come costs any of it. SNAPDIFF_PATIENCE from
// the environment, else 4.
int patience();

} // namespace snapdiff::lab
