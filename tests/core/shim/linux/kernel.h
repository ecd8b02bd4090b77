/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's everyday macros, for the portable core in user space.
 *
 * A broken promise ends the test: WARN_ON and BUG_ON abort.  A test that wants
 * to see how the core goes on after a warning sets shim_warnings_allowed; each
 * warning then only counts.
 */
#ifndef SHIM_LINUX_KERNEL_H
#define SHIM_LINUX_KERNEL_H

#include <limits.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
extern bool shim_warnings_allowed;
extern unsigned long shim_warnings;
void shim_warn(const char *what, const char *file, int line);
void shim_bug(const char *what, const char *file, int line) __attribute__((noreturn));
#ifdef __cplusplus
}
#endif

static inline bool shim_warn_on(bool condition, const char *what, const char *file, int line)
{
	if (__builtin_expect(condition, 0))
		shim_warn(what, file, line);
	return condition;
}

#define WARN_ON(condition) shim_warn_on(!!(condition), #condition, __FILE__, __LINE__)
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define BUG_ON(condition)                                                                          \
	do {                                                                                       \
		if (__builtin_expect(!!(condition), 0))                                            \
			shim_bug(#condition, __FILE__, __LINE__);                                  \
	} while (0)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define U32_MAX (~(u32)0)
#define U64_MAX (~(u64)0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

#define container_of(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer) - __builtin_offsetof(type, member)))

/* C++ has its own, under the same names */
#ifndef __cplusplus
#define min_t(type, a, b)                                                                          \
	({                                                                                         \
		type min_a_ = (a), min_b_ = (b);                                                   \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})
#define max_t(type, a, b)                                                                          \
	({                                                                                         \
		type max_a_ = (a), max_b_ = (b);                                                   \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})
/* as the kernel's: no mixing of types */
#define min(a, b)                                                                                  \
	({                                                                                         \
		_Static_assert(                                                                    \
			__builtin_types_compatible_p(__typeof__((a) + 0), __typeof__((b) + 0)),    \
			"min");                                                                    \
		min_t(__typeof__((a) + 0), a, b);                                                  \
	})
#define max(a, b)                                                                                  \
	({                                                                                         \
		_Static_assert(                                                                    \
			__builtin_types_compatible_p(__typeof__((a) + 0), __typeof__((b) + 0)),    \
			"max");                                                                    \
		max_t(__typeof__((a) + 0), a, b);                                                  \
	})
#endif

/* Shared words. The kernel's promises are those of C11 atomics of the same names. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif /* SHIM_LINUX_KERNEL_H */
