/* SPDX-License-Identifier: MIT */
/*
 * For tests: virtual time, a seeded order of the ready queue, failing allocations. Not for production; not
 * part of <oxbow/oxbow.h>.
 */
#ifndef OXBOW_OX_TEST_H
#define OXBOW_OX_TEST_H

#include <oxbow/run.h>

OX_BEGIN

typedef struct ox_test_options {
	size_t size;
	bool virtual_clock;             /* time stands still while anything can run, and jumps to the next timer when
	                                 * all coroutines wait and nothing real (fd, job, thread) is pending */
	uint64_t shuffle_seed;          /* not 0: coroutines that are ready in one turn run in an order drawn from it */
} ox_test_options;
#define OX_TEST_OPTIONS(...) (&(ox_test_options){ .size = sizeof(ox_test_options), __VA_ARGS__ })

/**
 * Waits until every other coroutine of the loop is parked, and none is ready.
 *
 * Returns: 0; OX_ECANCELED, OX_ESTATE. One coroutine at a time: OX_EBUSY. Since: 0.1
 */
OX_API OX_YIELDS int ox_wait_all_parked(void);

/**
 * Lets the n-th allocation of the library from now on in this thread fail, and only that one; 0 switches it
 * off.
 *
 * Returns: how many allocations were made since the last call. Since: 0.1
 */
OX_API size_t ox_test_fail_allocation(size_t n);

OX_END

#endif
