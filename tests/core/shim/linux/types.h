/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel names of integer types, for the portable core in user space. */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

/* the system's own file first: glibc and others include it by this name */
#include_next <linux/types.h>

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

typedef unsigned int gfp_t;

struct list_head
{
	struct list_head *next, *prev;
};

#endif /* SHIM_LINUX_TYPES_H */
