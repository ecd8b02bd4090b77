/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel declares kvzalloc() and kvfree() here or there: see slab.h. */
#ifndef SHIM_LINUX_MM_H
#define SHIM_LINUX_MM_H

#include <linux/slab.h>

#define PAGE_SIZE 4096ul

#endif /* SHIM_LINUX_MM_H */
