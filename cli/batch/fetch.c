/* SPDX-License-Identifier: MIT */
/*
 * Jobs that are fetches: coroutines of the main process, so that hundreds of them cost no process. The page is the job's
 * standard output. A status of 400 and above is a failure, as a connection is that could not be made.
 */
#include <stdio.h>
#include <string.h>

#include "cli/batch/runner.h"

#ifdef OXI_HTTP
#include <oxbow/http.h>

static int take_page(struct slot *s, const char *url, const ox_response *page)
{
	struct oxi_product *p = &s->job->product;
	ox_bytes body = ox_response_body(page);
	const char *last = ox_response_url(page);
	char text[32];
	p->code = ox_response_status(page);
	oxi_buffer_add(&p->url, last, strlen(last));
	bool ok = p->code < 400;
	s->job->outcome = (struct oxi_outcome){ .status = ok ? OXI_OK : OXI_FAILED, .exit = !ok };
	snprintf(text, sizeof(text), "HTTP %d", p->code);
	int r = oxi_slot_keep(s, 0, body.data, body.len);
	return r >= 0 && !ok ? oxi_slot_note(s, url, text) : r;
}

static int fetch(struct slot *s, const char *url)
{
	OX_AUTO_RESPONSE *page = NULL;
	char why[256] = "";
	/* The job's own limit of time is that of the whole; retries are the runner's, which writes them down. */
	int r = ox_http_get(url, OX_HTTP_OPTIONS(.max_body = s->job->task->max, .error_text = why,
	                                         .timeout = s->due == OX_NEVER ? 0 : OX_NEVER), &page);
	if (r == OX_ECANCELED && !s->killed)
		return r;
	if (r >= 0)
		return take_page(s, url, page);
	enum oxi_status status = s->killed ? oxi_killed_status(s->killed) : r == OX_ETIMEDOUT ? OXI_TIMEOUT : OXI_FAILED;
	s->job->outcome = (struct oxi_outcome){ .status = status, .exit = 1 };
	return s->killed ? 0 : oxi_slot_note(s, url, *why ? why : ox_strerror(r));
}

int oxi_fetch_run(struct slot *s, size_t n)
{
	(void)n;                                /* the URL, one word */
	return oxi_slot_try(s, fetch);
}

#else

int oxi_fetch_run(struct slot *s, size_t n)
{
	(void)n;
	return oxi_run_fail(s->b, OXI_EXIT_WORKERS, "this oxbow was built without HTTP", -ENOSYS);
}

#endif
