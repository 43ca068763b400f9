/* SPDX-License-Identifier: MIT */
/*
 * A clock for "has it been long?", a few nanoseconds a look: the CPU's counter. oxi_ticks_short() is what counts as long: some 50 us
 * (25 to 100, for an x86's counter does not say how fast it is).
 */
#ifndef OXBOW_PRIVATE_TICKS_H
#define OXBOW_PRIVATE_TICKS_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
static inline uint64_t oxi_ticks(void) { return __builtin_ia32_rdtsc(); }
static inline uint64_t oxi_ticks_short(void) { return 100000; }
#elif defined(__aarch64__)
static inline uint64_t oxi_ticks(void)
{
	uint64_t t;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
}
static inline uint64_t oxi_ticks_short(void)
{
	uint64_t hz;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz / 20000;
}
#else
static inline uint64_t oxi_ticks(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static inline uint64_t oxi_ticks_short(void) { return 50000; }
#endif

#endif
