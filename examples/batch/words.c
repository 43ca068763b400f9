/* SPDX-License-Identifier: MIT */
/*
 * A plugin of oxbow batch: the job `count` counts the words of what it is given.
 *
 *	cc -shared -fPIC -o words.so words.c $(pkg-config --cflags oxbow)
 */
#include <ctype.h>
#include <stdio.h>

#include <oxbow/job.h>

static int count(const void *in, size_t len, ox_reply *out)
{
	const unsigned char *p = in;
	size_t words = 0;
	for (size_t i = 0; i < len; i++)
		words += !isspace(p[i]) && (i == 0 || isspace(p[i - 1]));

	char text[64];
	int n = snprintf(text, sizeof(text), "{\"bytes\":%zu,\"words\":%zu}\n", len, words);
	return ox_reply_write(out, text, (size_t)n);
}

static const ox_job count_job = { .size = sizeof(ox_job), .name = "count", .fn = count };

OX_API const ox_job *const ox_jobs[] = { &count_job, NULL };
