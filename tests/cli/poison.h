/* SPDX-License-Identifier: MIT */
/* A job that crashes on "bad" and returns the length of anything else. */
#ifndef OXBOW_TESTS_CLI_POISON_H
#define OXBOW_TESTS_CLI_POISON_H

#include <string.h>

#include <oxbow/job.h>

static int poison(const void *in, size_t len, ox_reply *out)
{
	static int *volatile nowhere = (int *)8;

	(void)out;
	if (len == 3 && memcmp(in, "bad", 3) == 0)
		*nowhere = 1;
	return (int)len;
}

#endif
