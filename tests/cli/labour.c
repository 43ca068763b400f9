/* SPDX-License-Identifier: MIT */
/* A plugin of jobs for batches: some do their work, others die of it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <oxbow/job.h>

/* {"bytes":3,"text":"abc"} of what it got, which is to be plain. */
static int measure(const void *in, size_t len, ox_reply *out)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "{\"bytes\":%zu,\"text\":\"%.*s\"}", len, len < 100 ? (int)len : 100, (const char *)in);
	return ox_reply_write(out, text, (size_t)n);
}

/* What it got, in a sentence: no JSON. */
static int greet(const void *in, size_t len, ox_reply *out)
{
	int r = ox_reply_write(out, "hello ", 6);
	return r < 0 ? r : ox_reply_write(out, in, len);
}

static int fragile(const void *in, size_t len, ox_reply *out)
{
	if (len >= 4 && memcmp(in, "exit", 4) == 0)
		return -EBADMSG;
	printf("about to see\n");
	fflush(stdout);
	if (len >= 4 && memcmp(in, "boom", 4) == 0)
		raise(SIGSEGV);
	if (len >= 4 && memcmp(in, "loop", 4) == 0)
		for (volatile unsigned i = 0;; i++)
			;
	return ox_reply_write(out, "fine\n", 5);
}

static OX_JOB(measure_job, measure);
static OX_JOB(greet_job, greet);
static OX_JOB(fragile_job, fragile);

OX_API const ox_job *const ox_jobs[] = { &measure_job, &greet_job, &fragile_job, NULL };
