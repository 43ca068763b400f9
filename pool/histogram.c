/* SPDX-License-Identifier: MIT */
/*
 * Log-linear histograms: each power of two is split in four, so that a bucket is found by the position of the highest bit
 * and the two bits below it. Spans under 4 ns have a bucket each.
 *
 *	bucket   0 1 2 3 | 4 5 6 7 | 8  9  10 11 | 12 13 14 15 | ...
 *	from ns  0 1 2 3 | 4 5 6 7 | 8 10  12 14 | 16 20 24 28 | ...
 */
#include <oxbow/metrics.h>

static unsigned bucket_of(uint64_t span)
{
	if (span < 4)
		return (unsigned)span;
	unsigned power = 63u - (unsigned)__builtin_clzll(span);
	unsigned bucket = 4 * (power - 1) + (unsigned)(span >> (power - 2) & 3);
	return bucket < OX_HISTOGRAM_BUCKETS ? bucket : OX_HISTOGRAM_BUCKETS - 1;
}

void ox_histogram_add(ox_histogram *h, ox_time span)
{
	if (span < 0)
		span = 0;
	h->count++;
	h->sum += span;
	if (span > h->max)
		h->max = span;
	h->bucket[bucket_of((uint64_t)span)]++;
}

ox_time ox_histogram_bound(unsigned bucket)
{
	return bucket < 4 ? (ox_time)bucket : (ox_time)(4 + bucket % 4) << (bucket / 4 - 1);
}

ox_time ox_histogram_quantile(const ox_histogram *h, double part)
{
	double rank = part * (double)h->count;
	uint64_t seen = 0;

	for (unsigned i = 0; i < OX_HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen > 0 && (double)seen >= rank) {
			ox_time most = ox_histogram_bound(i + 1) - 1;
			return most < h->max ? most : h->max;
		}
	}
	return h->max;
}
