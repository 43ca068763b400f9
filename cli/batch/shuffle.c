/* SPDX-License-Identifier: MIT */
/*
 * A Feistel network is a permutation whatever its round function is: (l, r) -> (r, l ^ f(r)) can be undone. Its domain
 * is the next power of four, at most four times n; a number that falls outside of n is sent through again, until it
 * falls inside (cycle walking), which keeps it a permutation of n and takes less than four rounds on average. So
 * 10^12 jobs are shuffled in no memory at all.
 */
#include "cli/batch/shuffle.h"

#include "cli/mix.h"

#define ROUNDS 8

static uint64_t encrypt(uint64_t i, unsigned half, uint64_t seed)
{
	uint64_t mask = ((uint64_t)1 << half) - 1, l = i >> half, r = i & mask;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		uint64_t was = r;
		r = l ^ (oxi_mix(oxi_mix(seed + round * OXI_MIX_STEP) ^ r) & mask);
		l = was;
	}
	return l << half | r;
}

uint64_t oxi_shuffle(uint64_t i, uint64_t n, uint64_t seed)
{
	unsigned half = 1;
	while (half < 32 && n > (uint64_t)1 << (2 * half))
		half++;
	do
		i = encrypt(i, half, seed);
	while (i >= n);
	return i;
}
