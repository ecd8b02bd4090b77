/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - all differences between kernel versions, by what a header
 * defines, not by version numbers (stable kernels carry backports).
 */
#ifndef SD_COMPAT_H
#define SD_COMPAT_H

#include <linux/blkdev.h>
#include <linux/workqueue.h>

/* Open mode of devices: fmode_t until 6.4, blk_mode_t from 6.5 on. */
#ifdef BLK_OPEN_READ
#define SD_OPEN_RW (BLK_OPEN_READ | BLK_OPEN_WRITE)
#else
#define SD_OPEN_RW (FMODE_READ | FMODE_WRITE)
#endif

#endif /* SD_COMPAT_H */
