/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <oxbow/http.h>
#include <oxbow/oxbow.h>

static ox_pool *pool;

static int count_words(const void *in, size_t len, ox_reply *out)       /* runs in a worker process */
{
	long words = 0;
	for (const char *p = in, *end = p + len; p < end; p++)
		words += *p > ' ' && (p + 1 == end || p[1] <= ' ');
	return ox_reply_write(out, &words, sizeof(words));
}
static OX_JOB(words_job, count_words, .timeout = OX_SEC(5));

static int fetch_and_count(void *url)                                   /* a coroutine for each URL */
{
	OX_AUTO_RESPONSE *page = NULL;
	OX_AUTO_RESULT *words = NULL;
	int r = ox_http_get(url, NULL, &page);                          /* the other coroutines run meanwhile */
	if (r == 0)                                                     /* and here another core does */
		r = ox_call(pool, &words_job, ox_response_body(page).data, ox_response_body(page).len, &words);
	if (r == 0)
		printf("%8ld %s\n", *(const long *)ox_result_bytes(words).data, (char *)url);
	return r;
}

static int main_co(void *urls)
{
	OX_AUTO_GROUP *g = ox_group_open();                             /* the first failure cancels the rest */
	for (char **url = urls; *url; url++)
		ox_spawn(g, fetch_and_count, *url);
	return ox_group_join(g);
}

int main(int argc, char **argv)
{
	int r = ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(&words_job)), &pool);
	if (r == 0)
		r = ox_run(main_co, argv + (argc > 0), NULL);
	ox_pool_close(pool);
	if (r < 0)
		fprintf(stderr, "%s\n", ox_strerror(r));
	return r < 0;
}
