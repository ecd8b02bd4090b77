/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * port.h - what the portable core needs of its surroundings.
 *
 * In the kernel these are the kernel's own headers.  In user space the folder
 * tests/core/shim/ stands first in the include path and offers the same names,
 * so that tests, fuzzers and the protocol model compile the same files.
 */
#ifndef SD_CORE_PORT_H
#define SD_CORE_PORT_H

#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/list.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>

/*
 * For memory in a writer's path.  Without NORETRY the page allocator would loop
 * for ever for small orders, waiting for writeback that may wait for us; so this
 * may fail, and whoever asks waits in line and asks again.
 */
#define SD_GFP_TRY (GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)
/* Without waiting, and from the pages that the kernel keeps for emergencies. */
#define SD_GFP_URGENT (GFP_ATOMIC | __GFP_NOWARN)

/*
 * Memory of the core: zeroed, may sleep, may fail.  If an origin carries the
 * swap space, memory comes free only when writes to it go on: a small piece,
 * for the copies of many pages, may then come from the emergency pages.
 */
static inline void *sd_zalloc(size_t bytes)
{
	void *memory = kvzalloc(bytes, SD_GFP_TRY);

	if (!memory && bytes <= PAGE_SIZE)
		memory = kzalloc(bytes, SD_GFP_URGENT);
	return memory;
}

static inline void sd_free(const void *p)
{
	kvfree(p);
}

#endif /* SD_CORE_PORT_H */
