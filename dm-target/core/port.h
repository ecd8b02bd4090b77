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

/* Memory of the core: zeroed, GFP_NOIO, may sleep, may fail. */
static inline void *sd_zalloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_NOIO);
}

/*
 * For memory in a writer's path.  Without NORETRY the page allocator would loop
 * for ever for small orders, waiting for writeback that may wait for us; so this
 * may fail, and whoever asks waits in line and asks again.
 */
#define SD_GFP_TRY (GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)

static inline void sd_free(const void *p)
{
	kvfree(p);
}

#endif /* SD_CORE_PORT_H */
