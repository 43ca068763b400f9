/* SPDX-License-Identifier: MIT */
/* A random order of the numbers below n that is computed, not held. */
#ifndef OXBOW_CLI_SHUFFLE_H
#define OXBOW_CLI_SHUFFLE_H

#include <oxbow/base.h>

/* The place of i < n in the order that seed gives: for each n and seed, a permutation. */
uint64_t oxi_shuffle(uint64_t i, uint64_t n, uint64_t seed);

#endif
