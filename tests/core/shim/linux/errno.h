/* SPDX-License-Identifier: GPL-2.0-only */
/* Error numbers: the system's are the kernel's. */
#include_next <linux/errno.h>
