/* SPDX-License-Identifier: MIT */
/*
 * The library's allocations, in one place, so that a test can let the n-th one fail: every caller has a way
 * out, and each is tried.
 */
#include <stdlib.h>
#include <string.h>

#include <oxbow/ox_test.h>

#include "loop/loop.h"

static _Thread_local size_t made, fail_at;

size_t ox_test_fail_allocation(size_t n)
{
	size_t before = made;

	made = 0;
	fail_at = n;
	return before;
}

static bool fails(void)
{
	return ++made == fail_at;
}

void *oxi_alloc(size_t len)
{
	return OXI_UNLIKELY(fails()) ? NULL : calloc(1, len);
}

void *oxi_realloc(void *p, size_t len)
{
	return OXI_UNLIKELY(fails()) ? NULL : realloc(p, len);
}

void oxi_free(void *p)
{
	free(p);
}
