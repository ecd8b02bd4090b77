/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory, under the kernel's names.  A test can let the n-th allocation from
 * now on fail, once (shim_fail_alloc = n; 0: none).
 */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <linux/kernel.h>

#define GFP_NOIO 1u
#define GFP_KERNEL 2u
#define __GFP_NORETRY 4u
#define __GFP_NOWARN 8u
#define GFP_ATOMIC 16u

#ifdef __cplusplus
extern "C" {
#endif
extern unsigned long shim_fail_alloc;
void *kvzalloc(size_t bytes, gfp_t flags);
void *kzalloc(size_t bytes, gfp_t flags); /* none: the emergency pages are always used up */
void kvfree(const void *memory);
#ifdef __cplusplus
}
#endif

#endif /* SHIM_LINUX_SLAB_H */
