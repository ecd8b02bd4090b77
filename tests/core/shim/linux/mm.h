/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel declares kvzalloc() and kvfree() here or there: see slab.h. */
#include <linux/slab.h>
