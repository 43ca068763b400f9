/* SPDX-License-Identifier: MIT */
/*
 * Random numbers of a job: xoshiro256** (David Blackman and Sebastiano Vigna, "Scrambled linear pseudorandom number
 * generators", 2018), seeded from the pool's seed and the job's number by SplitMix64 (Guy Steele, Doug Lea and Christine
 * Flood, "Fast splittable pseudorandom number generators", 2014), as its authors advise.
 */
#include <string.h>

#include "include/private/check.h"
#include "pool/worker.h"

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

/* The number goes in twice over, so that neighbours among seeds and among jobs share nothing. */
static void seed(ox_reply *out)
{
	uint64_t state = out->worker->page->seed;

	state = oxi_splitmix(&state) ^ out->number;
	for (unsigned i = 0; i < 4; i++)
		out->random[i] = oxi_splitmix(&state);
}

uint64_t ox_job_random(ox_reply *out)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	uint64_t *s = out->random;

	if ((s[0] | s[1] | s[2] | s[3]) == 0)
		seed(out);
	uint64_t result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate(s[3], 45);
	return result;
}

double ox_job_random_double(ox_reply *out)
{
	return (double)(ox_job_random(out) >> 11) * 0x1p-53;
}

void ox_job_random_bytes(ox_reply *out, void *buf, size_t len)
{
	for (uint8_t *at = buf; len > 0;) {
		uint64_t x = ox_job_random(out);
		size_t n = len < sizeof x ? len : sizeof x;
		memcpy(at, &x, n);
		at += n;
		len -= n;
	}
}
