/* SPDX-License-Identifier: MIT */
/*
 * Faults on purpose, for tests of programs that use a pool: OX_CHAOS=SEED[:what=rate,...] in the environment, read by
 * ox_pool_open(). Whether one happens is a function of the seed, of the place, and of two numbers that say which time it
 * is: nothing is drawn from a stream, so that each process decides by itself and a run with the same seed meets the same
 * ones as far as its jobs come in the same order.
 */
#ifndef OXBOW_POOL_CHAOS_H
#define OXBOW_POOL_CHAOS_H

#include <oxbow/base.h>

/* name, default rate in a thousand, what happens */
#define OXI_CHAOS(X)                                                                            \
	X(START,   start,   2,  "the worker is killed when a job has come and not begun")       \
	X(JOB,     job,     5,  "... while it runs it, or has run it and not said so")          \
	X(RESULT,  result,  2,  "... when the result is written and not sent")                  \
	X(DELAY,   delay,   20, "a message waits up to 2 ms, on its way to a worker or back")   \
	X(FORK,    fork,    50, "no worker can be forked")                                      \
	X(SPAWNER, spawner, 20, "the spawner is killed when it should fork a worker")           \
	X(ARENA,   arena,   5,  "there is no room for a payload over 4 KiB: OX_ENOMEM")         \
	X(GRANT,   grant,   50, "room for a large result does not come with its job: it is asked for")

enum oxi_chaos_what {
#define OXI_CHAOS_ENUM_(what, name, rate, text) OXI_CHAOS_##what,
	OXI_CHAOS(OXI_CHAOS_ENUM_)
#undef OXI_CHAOS_ENUM_
	OXI_CHAOS_KINDS
};

struct oxi_chaos {
	bool on;
	uint64_t seed;
	uint16_t rate[OXI_CHAOS_KINDS];         /* in a thousand */
};

/* "7", "7:job=100", "7:job=100,fork=1000": of those that are named only these happen. 0; OX_EINVAL. */
int oxi_chaos_parse(const char *text, struct oxi_chaos *ret);

/* Does it happen, the n-th time in the life of who? */
bool oxi_chaos_hits(const struct oxi_chaos *c, enum oxi_chaos_what what, uint64_t who, uint64_t n);
/* Below a limit, for how long. */
uint64_t oxi_chaos_number(const struct oxi_chaos *c, uint64_t who, uint64_t n, uint64_t limit);

/* A worker by its slot and generation. */
static inline uint64_t oxi_chaos_who(unsigned slot, uint32_t generation)
{
	return (uint64_t)slot << 32 | generation;
}

#endif
