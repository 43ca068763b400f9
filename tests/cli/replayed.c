/* SPDX-License-Identifier: MIT */
/* A user's program: runs a job with the text of its second argument, and keeps what crashes in the folder of its first. */
#include <stdio.h>

#include <oxbow/oxbow.h>

#include "tests/cli/poison.h"

static OX_JOB(poison_job, poison, .crash_limit = 1);

static void say(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	printf("%s\n", text);
}

static int call(void *arg)
{
	char **argv = arg;
	ox_pool *pool;
	int r = ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(&poison_job), .workers = 1, .quarantine_dir = argv[1]), &pool);

	if (r < 0)
		return r;
	puts("opened");
	ox_log_set(say, NULL);
	r = ox_call(pool, &poison_job, argv[2], strlen(argv[2]), NULL);
	ox_pool_close(pool);
	return r;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	printf("started with %s, %s, %s\n", argv[1], argv[2], argv[3]);
	fflush(stdout);
	return ox_run(call, argv, NULL) == OX_EQUARANTINED ? 0 : 1;
}
