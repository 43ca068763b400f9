/* SPDX-License-Identifier: MIT */
/*
 * The calls that make a request: what runs on the coroutines' stacks. A call queues a transfer and parks;
 * client.c wakes it when the transfer is done, or, for an opened response, when the headers are there.
 * Meanwhile it feeds the transfer with a body that comes in pieces. It may make the request again (retry.c).
 */
#include "loop/http/client.h"

#include <string.h>
#include <strings.h>

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
	const ox_http_options *o = &q->o;

	if (!q->method || !*q->method || q->method[strspn(q->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")])
		return "not a method: give one in capitals";
	if (o->timeout < 0 || o->connect_timeout < 0 || o->retry_delay < 0 || o->retry_max < 0 ||
	    o->min_speed < 0 || o->min_speed_time < 0)
		return "a negative time";
	if (o->body_len > 0 && !o->body && !o->read_body)
		return "body_len without a body";
	if ((o->body != NULL) + (o->read_body != NULL) + (o->form != NULL) > 1)
		return "more than one body";
	if (o->body_len > INT64_MAX)
		return "a body beyond all sizes";
	return no_url(q->url);
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
	res->on_wire = q->o.on_wire;
	res->wire_arg = q->o.wire_arg;
	res->error_text = q->o.error_text;
	res->once = !oxi_retry_is_safe(q);
	res->has_address = !q->o.unix_path;
	res->cookies = q->o.cookies;
	oxi_cookies_ref(res->cookies);
	return res;
}

/* ---- one attempt ---- */

/* True when the call has what it waits for. */
static bool is_answered(const struct ox_response *res)
{
	if (res->state == OXI_TRANSFER_DONE)
		return true;
	return res->streaming && res->headers_done && (!res->upload || res->upload->ended);
}

static int wait_for_answer(struct ox_response *res)
{
	while (!is_answered(res)) {
		if (res->state == OXI_TRANSFER_RUNNING && res->upload && res->upload->wanted)
			oxi_upload_feed(res);
		else
			oxi_response_park(res, "http");
	}
	res->upload = NULL;
	if (res->state == OXI_TRANSFER_RUNNING)
		oxi_http_client_flow(res);
	return res->state == OXI_TRANSFER_DONE ? res->result : 0;
}

static int transfer(const struct oxi_http_request *q, struct oxi_upload *u, ox_response **ret)
{
	struct ox_response *res = response_new(q);
	int r;

	if (!res)
		return OX_ENOMEM;
	res->upload = u;
	oxi_http_client_start(q->o.client, res);
	r = wait_for_answer(res);
	if (r == 0 || (r != OX_ECANCELED && res->streaming && res->headers_done)) {
		*ret = res;             /* what went wrong after the headers, reading will tell */
		return 0;
	}
	oxi_response_explain(res, r);
	oxi_response_destroy(res);
	return r;
}

static int attempt(const struct oxi_http_request *q, bool *ret_asked, ox_response **ret)
{
	struct oxi_upload u = { .read = q->o.read_body, .arg = q->o.read_arg };
	int r;

	*ret_asked = false;
	if (!u.read)
		return transfer(q, NULL, ret);
	u.left = q->o.body_len ? (int64_t)q->o.body_len : -1;
	u.data = oxi_alloc(OXI_HTTP_PIECE);
	if (!u.data)
		return OX_ENOMEM;
	r = transfer(q, &u, ret);
	oxi_free(u.data);
	*ret_asked = u.asked;
	return r;
}

/* ---- all attempts ---- */

static ox_time end_of(const ox_http_options *o)
{
	ox_time timeout = o->timeout ? o->timeout : OX_SEC(60), now = oxi_now();

	return timeout < OX_NEVER - now ? now + timeout : OX_NEVER;
}

static bool is_time_left(ox_time end, ox_time pause)
{
	ox_time now = oxi_now(), deadline = ox_deadline();

	return pause < OX_NEVER - now && now + pause < end && now + pause < deadline;
}

static int try_all(struct oxi_http_request *q, ox_response **ret)
{
	ox_time end = end_of(&q->o), pause;

	for (int n = 1;; n++) {
		ox_response *res = NULL;
		bool asked;
		int r;

		q->o.timeout = end == OX_NEVER ? OX_NEVER : end - oxi_now();
		r = q->o.timeout > 0 ? attempt(q, &asked, &res) : OX_ETIMEDOUT;
		pause = q->o.timeout > 0 ? oxi_retry_pause(q, r, res, asked, n) : -1;
		if (pause < 0 || !is_time_left(end, pause)) {
			if (r == 0)
				*ret = res;
			return r;
		}
		ox_response_free(res);
		r = ox_sleep(pause);
		if (r < 0) {
			oxi_http_explain(q->o.error_text, r, NULL);
			return r;
		}
	}
}

/* Client and jar stay until the last attempt, even if their owner lets go of them between two. */
static int run(struct oxi_http_request *q, ox_response **ret)
{
	int r = q->o.client ? 0 : oxi_http_client_get(&q->o.client);

	if (r < 0)
		return r;
	oxi_http_client_ref(q->o.client);
	oxi_cookies_ref(q->o.cookies);
	r = try_all(q, ret);
	ox_cookies_free(q->o.cookies);
	oxi_http_client_unref(q->o.client);
	return r;
}

/* ---- the calls ---- */

static int request(const char *method, const char *url, const ox_http_options *o, bool streaming, ox_response **ret)
{
	struct oxi_http_request q = { .method = method, .url = url, .streaming = streaming };
	const char *why;
	int r = oxi_checkpoint();

	if (o)
		memcpy(&q.o, o, o->size < sizeof(q.o) ? o->size : sizeof(q.o));
	if (r < 0) {
		oxi_http_explain(q.o.error_text, r, NULL);
		return r;
	}
	why = invalid(&q);
	if (why) {
		oxi_http_explain(q.o.error_text, OX_EINVAL, why);
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
	if (!with.read_body)
		with.body_len = len;
	return request("POST", url, &with, false, ret);
}

