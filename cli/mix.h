/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_MIX_H
#define OXBOW_CLI_MIX_H

#include <stdint.h>

#define OXI_MIX_STEP 0x9e3779b97f4a7c15u        /* between the states of SplitMix64 */

/* The finish of SplitMix64 (Steele, Lea, Flood 2014): each bit of x bears on each of the result. */
static inline uint64_t oxi_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

#endif
