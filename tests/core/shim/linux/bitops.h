/* SPDX-License-Identifier: GPL-2.0-only */
/* Single bits and searches for them, under the kernel's names. */
#ifndef SHIM_LINUX_BITOPS_H
#define SHIM_LINUX_BITOPS_H

#include <linux/kernel.h>

#define BITS_PER_LONG 64
#define BITS_TO_LONGS(bits) DIV_ROUND_UP(bits, BITS_PER_LONG)

static inline unsigned long __ffs(unsigned long word)
{
	return __builtin_ctzl(word);
}

static inline unsigned long __ffs64(u64 word)
{
	return __builtin_ctzll(word);
}

static inline bool test_bit(unsigned long bit, const unsigned long *map)
{
	return map[bit / BITS_PER_LONG] >> (bit % BITS_PER_LONG) & 1;
}

/* First bit at or behind @from that differs from those of @same; @size: none. */
static inline unsigned long shim_find(const unsigned long *map, unsigned long size,
				      unsigned long from, unsigned long same)
{
	while (from < size) {
		unsigned long word = (map[from / BITS_PER_LONG] ^ same) >> (from % BITS_PER_LONG);

		if (word) {
			from += __builtin_ctzl(word);
			return from < size ? from : size;
		}
		from = (from / BITS_PER_LONG + 1) * BITS_PER_LONG;
	}
	return size;
}

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size,
					  unsigned long from)
{
	return shim_find(map, size, from, 0);
}

static inline unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size,
					       unsigned long from)
{
	return shim_find(map, size, from, ~0UL);
}

#endif /* SHIM_LINUX_BITOPS_H */
