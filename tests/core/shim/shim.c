// SPDX-License-Identifier: GPL-2.0-only
/* What the shim of kernel names does at run time. */
#include <linux/kernel.h>
#include <linux/slab.h>

bool shim_warnings_allowed;
unsigned long shim_warnings;
unsigned long shim_fail_alloc;

void shim_warn(const char *what, const char *file, int line)
{
	if (!shim_warnings_allowed) {
		fprintf(stderr, "%s:%d: WARN_ON(%s)\n", file, line, what);
		abort();
	}
	__atomic_fetch_add(&shim_warnings, 1, __ATOMIC_RELAXED);
}

void shim_bug(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: BUG_ON(%s)\n", file, line, what);
	abort();
}

void *kvzalloc(size_t bytes, gfp_t flags)
{
	(void)flags;
	if (shim_fail_alloc && !--shim_fail_alloc)
		return NULL;
	return calloc(1, bytes);
}

void *kzalloc(size_t bytes, gfp_t flags)
{
	(void)bytes;
	(void)flags;
	return NULL;
}

void kvfree(const void *memory)
{
	free((void *)memory);
}
