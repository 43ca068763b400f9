/* SPDX-License-Identifier: MIT */
/*
 * Whether a request is made again, and after which pause: exponential backoff with jitter, so that those who
 * failed together do not come back together. A pause that the caller's deadline would cut short is not begun.
 */
#include <string.h>
#include <sys/random.h>

#include "loop/http/client.h"

/* RFC 9110 section 9.2.2, as far as ox_http_request() is used for them. */
static bool is_idempotent(const char *method)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(method, methods[i]) == 0)
			return true;
	return false;
}

bool oxi_retry_is_safe(const struct oxi_http_request *q)
{
	return q->o.retry_all || is_idempotent(q->method);
}

/* A time-out is one of connecting as long as there is time left; oxi_retry_pause() sees to that. */
static bool may_pass(int r, const struct ox_response *res)
{
	int status = r < 0 ? 0 : ox_response_status(res);

	if (r == 0)
		return status == 429 || status == 502 || status == 503 || status == 504;
	return r == -ECONNREFUSED || r == -ECONNRESET || r == -EPIPE || r == -EHOSTUNREACH || r == -ENETUNREACH ||
	       r == OX_ETIMEDOUT || r == OX_EINCOMPLETE;
}

static ox_time jitter(ox_time pause)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return pause;
	return pause - (ox_time)((double)pause / 2 * random / UINT32_MAX);
}

static ox_time backoff(const ox_http_options *o, int n)
{
	ox_time most = o->retry_max ? o->retry_max : OX_SEC(30);
	ox_time pause = o->retry_delay ? o->retry_delay : OX_MS(500);

	while (n-- > 1 && pause < most)
		pause = pause <= most / 2 ? pause * 2 : most;
	return jitter(pause < most ? pause : most);
}

/* A date that has passed is negative in libcurl, and so is what a server says that counts backwards. */
static ox_time retry_after(const struct ox_response *res)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(res->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	return seconds < OX_NEVER / OX_SEC(1) ? OX_SEC(seconds) : OX_NEVER;
}

ox_time oxi_retry_pause(const struct oxi_http_request *q, int r, const struct ox_response *res, bool asked, int n)
{
	const ox_http_options *o = &q->o;
	ox_time pause, after = r == 0 ? retry_after(res) : 0;

	if (n > o->retries || asked || !may_pass(r, res) || !oxi_retry_is_safe(q))
		return -1;
	if (after > (o->retry_max ? o->retry_max : OX_SEC(30)))
		return -1;
	pause = backoff(o, n);
	return pause > after ? pause : after;
}
