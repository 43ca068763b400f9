/* SPDX-License-Identifier: MIT */
/*
 * Jobs that are fetches: coroutines of the main process, so that hundreds of them cost no process. The page is the job's
 * standard output. A status of 400 and above is a failure, as a connection is that could not be made.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "cli/batch/runner.h"

#ifdef OXI_HTTP
#include <oxbow/http.h>

/* The library and what it needs take longer to load than most jobs take: who fetches nothing does without. */
#define LIBRARY "liboxbow-http.so.0"
static struct {
	__typeof__(ox_http_get) *get;
	__typeof__(ox_response_free) *free;
	__typeof__(ox_response_body) *body;
	__typeof__(ox_response_status) *status;
	__typeof__(ox_response_url) *url;
} http;

static int load(struct batch *b)
{
	if (http.get)
		return 0;
	void *library = dlopen(LIBRARY, RTLD_NOW);
	if (!library)
		return oxi_run_fail(b, OXI_EXIT_WORKERS, dlerror(), -ELIBACC);
	http.free = (__typeof__(http.free))dlsym(library, "ox_response_free");
	http.body = (__typeof__(http.body))dlsym(library, "ox_response_body");
	http.status = (__typeof__(http.status))dlsym(library, "ox_response_status");
	http.url = (__typeof__(http.url))dlsym(library, "ox_response_url");
	http.get = (__typeof__(http.get))dlsym(library, "ox_http_get");
	return 0;
}

static int take_page(struct slot *s, const char *url, const ox_response *page)
{
	struct oxi_product *p = &s->job->product;
	ox_bytes body = http.body(page);
	const char *last = http.url(page);
	char text[32];
	p->code = http.status(page);
	oxi_buffer_add(&p->url, last, strlen(last));
	bool ok = p->code < 400;
	s->job->outcome = (struct oxi_outcome){ .status = ok ? OXI_OK : OXI_FAILED, .exit = !ok };
	snprintf(text, sizeof(text), "HTTP %d", p->code);
	int r = oxi_slot_keep(s, 0, body.data, body.len);
	return r >= 0 && !ok ? oxi_slot_note(s, url, text) : r;
}

static int fetch(struct slot *s, const char *url)
{
	ox_response *page = NULL;
	char why[256] = "";
	/* The job's own limit of time is that of the whole; retries are the runner's, which writes them down. */
	int r = http.get(url, OX_HTTP_OPTIONS(.max_body = s->job->task->max, .error_text = why,
	                                         .timeout = s->due == OX_NEVER ? 0 : OX_NEVER), &page);
	if (r == OX_ECANCELED && !s->killed)
		return r;
	if (r >= 0) {
		r = take_page(s, url, page);
		http.free(page);
		return r;
	}
	enum oxi_status status = s->killed ? oxi_killed_status(s->killed) : r == OX_ETIMEDOUT ? OXI_TIMEOUT : OXI_FAILED;
	s->job->outcome = (struct oxi_outcome){ .status = status, .exit = 1 };
	return s->killed ? 0 : oxi_slot_note(s, url, *why ? why : ox_strerror(r));
}

int oxi_fetch_run(struct slot *s, size_t n)
{
	(void)n;                                /* the URL, one word */
	int r = load(s->b);
	return r < 0 ? r : oxi_slot_try(s, fetch);
}

#else

int oxi_fetch_run(struct slot *s, size_t n)
{
	(void)n;
	return oxi_run_fail(s->b, OXI_EXIT_WORKERS, "this oxbow was built without HTTP", -ENOSYS);
}

#endif
