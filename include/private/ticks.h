/* SPDX-License-Identifier: MIT */
/* A clock for "has it been long?", a few nanoseconds a look: the CPU's counter, in no particular unit. */
#ifndef OXBOW_PRIVATE_TICKS_H
#define OXBOW_PRIVATE_TICKS_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
static inline uint64_t oxi_ticks(void) { return __builtin_ia32_rdtsc(); }
#elif defined(__aarch64__)
static inline uint64_t oxi_ticks(void)
{
	uint64_t t;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
}
#else
static inline uint64_t oxi_ticks(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#endif

#endif
