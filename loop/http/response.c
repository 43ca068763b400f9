/* SPDX-License-Identifier: MIT */
/*
 * The public calls of the HTTP client: what runs on the coroutines' stacks. A call queues a transfer and
 * parks; client.c wakes it when the transfer is done, or, for an opened response, when headers or bytes are
 * there.
 *
 * Cancellation ends the transfer and waits for that (OXI_LATER): when the call returns, the connection is
 * closed and nothing refers to what the caller lent.
 */
#include "loop/http/client.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct call {
	struct oxi_wait wait;
	struct ox_response *res;
};

static oxi_abort_answer abort_call(struct oxi_wait *w)
{
	oxi_http_client_end(OXI_CONTAINER(w, struct call, wait)->res, OX_ECANCELED);
	return OXI_LATER;
}

static int park(struct ox_response *res, const char *kind)
{
	struct call c = { .res = res };

	oxi_wait_init(&c.wait, kind, res, abort_call);
	res->waiter = &c.wait;
	return oxi_park(&c.wait);
}

/* ---- requests ---- */

void ox_http_options_init(ox_http_options *o)
{
	*o = (ox_http_options){ .size = sizeof(*o) };
}

static const char *no_url(const char *url)
{
	if (!url || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
		return "not an http or https URL";
	return NULL;
}

static const char *invalid(const struct oxi_http_request *q)
{
	if (!q->method || !*q->method || q->method[strspn(q->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")])
		return "not a method: give one in capitals";
	if (q->o.timeout < 0 || q->o.connect_timeout < 0)
		return "a negative timeout";
	if (q->o.body_len > 0 && !q->o.body)
		return "body_len without a body";
	return no_url(q->url);
}

static void explain(char *text, int r, const char *why)
{
	if (text)
		snprintf(text, CURL_ERROR_SIZE, "%s", why && *why ? why : ox_strerror(r));
}

static void explain_failure(const struct ox_response *res, int r)
{
	if (r == OX_ECANCELED || r == OX_ENOMEM)
		explain(res->error_text, r, NULL);
	else
		explain(res->error_text, r, r == res->fault ? res->why : res->error);
}

static struct ox_response *response_new(const struct oxi_http_request *q)
{
	struct ox_response *res = oxi_alloc(sizeof(*res));

	if (!res)
		return NULL;
	res->magic = OXI_RESPONSE_MAGIC;
	oxi_list_init(&res->link);
	oxi_list_init(&res->flow);
	res->request = q;
	res->streaming = q->streaming;
	res->max_body = q->o.max_body ? q->o.max_body : OX_MIB(64);
	res->allow_address = q->o.allow_address;
	res->allow_arg = q->o.allow_arg;
	res->error_text = q->o.error_text;
	return res;
}

static int run(const struct oxi_http_request *q, ox_response **ret)
{
	struct oxi_http_client *client;
	struct ox_response *res;
	int r = oxi_http_client_get(&client);

	if (r < 0)
		return r;
	res = response_new(q);
	if (!res)
		return OX_ENOMEM;
	oxi_http_client_start(client, res);
	r = park(res, "http");
	if (r < 0) {
		explain_failure(res, r);
		oxi_response_destroy(res);
		return r;
	}
	*ret = res;
	return 0;
}

static int request(const char *method, const char *url, const ox_http_options *o, bool streaming, ox_response **ret)
{
	struct oxi_http_request q = { .method = method, .url = url, .streaming = streaming };
	const char *why;
	int r = oxi_checkpoint();

	if (o)
		memcpy(&q.o, o, o->size < sizeof(q.o) ? o->size : sizeof(q.o));
	if (r < 0) {
		explain(q.o.error_text, r, NULL);
		return r;
	}
	why = invalid(&q);
	if (why) {
		explain(q.o.error_text, OX_EINVAL, why);
		return OX_EINVAL;
	}
	return run(&q, ret);
}

int ox_http_request(const char *method, const char *url, const ox_http_options *o, ox_response **ret)
{
	return request(method, url, o, false, ret);
}

int ox_http_open(const char *method, const char *url, const ox_http_options *o, ox_response **ret)
{
	return request(method, url, o, true, ret);
}

int ox_http_get(const char *url, const ox_http_options *o, ox_response **ret)
{
	return request("GET", url, o, false, ret);
}

int ox_http_post(const char *url, const void *body, size_t len, const ox_http_options *o, ox_response **ret)
{
	ox_http_options with = { .size = sizeof(with) };

	if (o)
		memcpy(&with, o, o->size < sizeof(with) ? o->size : sizeof(with));
	with.size = sizeof(with);
	with.body = body;
	with.body_len = len;
	return request("POST", url, &with, false, ret);
}

/* ---- an opened body ---- */

static size_t take(struct ox_response *res, void *buf, size_t cap)
{
	struct oxi_http_buffer *b = &res->body;
	size_t n = b->len < cap ? b->len : cap;

	memcpy(buf, b->data + b->start, n);
	b->len -= n;
	b->start = b->len ? b->start + n : 0;
	if (res->paused && res->state == OXI_TRANSFER_RUNNING && b->len < OXI_HTTP_LOW)
		oxi_http_client_flow(res);
	return n;
}

ssize_t ox_response_read(ox_response *res, void *buf, size_t cap)
{
	int r;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	r = oxi_checkpoint();
	if (r < 0)
		return r;
	if (!res->streaming)
		return OX_ESTATE;
	if (res->waiter)
		return OX_EBUSY;
	if (cap == 0)
		return 0;
	while (res->body.len == 0 && res->state != OXI_TRANSFER_DONE) {
		r = park(res, "http body");
		if (r == OX_ECANCELED)
			break;
	}
	if (res->body.len > 0)
		return (ssize_t)take(res, buf, cap < SSIZE_MAX ? cap : SSIZE_MAX);
	if (res->result < 0)
		explain_failure(res, res->result);
	return res->result;
}

/* ---- what came of it ---- */

int ox_response_status(const ox_response *res)
{
	long status = 0;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	curl_easy_getinfo(res->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

ox_bytes ox_response_body(const ox_response *res)
{
	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	if (res->streaming || !res->body.data)
		return (ox_bytes){ "", 0 };
	res->body.data[res->body.len] = 0;
	return (ox_bytes){ res->body.data, res->body.len };
}

const char *ox_response_header(const ox_response *res, const char *name)
{
	struct curl_header *h;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	return curl_easy_header(res->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

const char *ox_response_url(const ox_response *res)
{
	char *url = NULL;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	curl_easy_getinfo(res->easy, CURLINFO_EFFECTIVE_URL, &url);
	return url ? url : "";
}

const char *ox_response_ip(const ox_response *res)
{
	char *ip = NULL;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	curl_easy_getinfo(res->easy, CURLINFO_PRIMARY_IP, &ip);
	return ip ? ip : "";
}

static ox_time since_start(const ox_response *res, CURLINFO what)
{
	curl_off_t us = 0;

	curl_easy_getinfo(res->easy, what, &us);
	return OX_US(us);
}

void ox_response_times(const ox_response *res, ox_http_times *ret)
{
	long connects = 0;
	curl_off_t bytes = 0;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	*ret = (ox_http_times){ 0 };
	curl_easy_getinfo(res->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (connects > 0) {
		ret->dns = since_start(res, CURLINFO_NAMELOOKUP_TIME_T);
		ret->connect = since_start(res, CURLINFO_CONNECT_TIME_T);
		ret->tls = since_start(res, CURLINFO_APPCONNECT_TIME_T);
	}
	ret->first_byte = since_start(res, CURLINFO_STARTTRANSFER_TIME_T);
	ret->total = since_start(res, CURLINFO_TOTAL_TIME_T);
	curl_easy_getinfo(res->easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
	ret->wire_bytes = (size_t)bytes;
}

void ox_response_free(ox_response *res)
{
	if (!res)
		return;
	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	OXI_CHECK(!res->waiter);
	if (res->state == OXI_TRANSFER_DONE) {
		oxi_response_destroy(res);
		return;
	}
	res->orphan = true;
	oxi_http_client_end(res, OX_ECANCELED);
}
