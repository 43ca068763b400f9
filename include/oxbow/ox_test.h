/* SPDX-License-Identifier: MIT */
/*
 * For tests: virtual time, a seeded order of the ready queue, failing allocations, streams in memory, short reads. Not for production; not
 * part of <oxbow/oxbow.h>.
 */
#ifndef OXBOW_OX_TEST_H
#define OXBOW_OX_TEST_H

#include <oxbow/run.h>
#include <oxbow/stream.h>

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

typedef struct ox_test_stream_options {
	size_t size;
	size_t capacity;                /* bytes that are on their way in one direction before a writer waits; 0: 64 KiB */
	size_t first;                   /* the first read of each stream gets at most so many bytes; 0: as all others */
	size_t most;                    /* no read or write moves more bytes at once; 0: as many as there are */
	uint64_t seed;                  /* not 0: each moves from 1 to most bytes, drawn from it */
} ox_test_stream_options;
#define OX_TEST_STREAM_OPTIONS(...) (&(ox_test_stream_options){ .size = sizeof(ox_test_stream_options), __VA_ARGS__ })
OX_API void ox_test_stream_options_init(ox_test_stream_options *o);

/**
 * Makes two connected streams in memory, without descriptors: the test clock jumps while a coroutine waits for them. They
 * behave as a TCP connection does; ox_stream_abort() is a reset.
 *
 * @o: NULL for the defaults. A parser sees every split of its input with .first = 1, 2, ... and .most = 1.
 * Returns: 0; OX_ENOMEM, OX_ESTATE. Since: 0.1
 */
OX_API int ox_test_stream_pair(const ox_test_stream_options *o, ox_stream **ret_a, ox_stream **ret_b);

/**
 * Cuts the reads and writes of all streams, sockets too, that are made in this thread from now on: none moves more than
 * @most bytes at once (0: no cuts any more), with @seed not 0 a number drawn from 1 to most. Since: 0.1
 */
OX_API void ox_test_cut_streams(size_t most, uint64_t seed);

OX_END

#endif
