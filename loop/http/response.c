/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a response. It may still be coming: its body is read as from a stream, and freeing it
 * closes the transfer.
 *
 * Cancellation ends the transfer and waits for that (OXI_LATER): when the call returns, the connection is
 * closed and nothing refers to what the caller lent.
 */
#include "loop/http/client.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct call {
	struct oxi_wait wait;
	struct ox_response *res;
};

static oxi_abort_answer abort_call(struct oxi_wait *w)
{
	oxi_http_client_end(OXI_CONTAINER(w, struct call, wait)->res, OX_ECANCELED);
	return OXI_LATER;
}

int oxi_response_park(struct ox_response *res, const char *kind)
{
	struct call c = { .res = res };

	oxi_wait_init(&c.wait, kind, res, abort_call);
	res->waiter = &c.wait;
	return oxi_park(&c.wait);
}

void oxi_http_explain(char *text, int r, const char *why)
{
	if (text)
		snprintf(text, CURL_ERROR_SIZE, "%s", why && *why ? why : ox_strerror(r));
}

void oxi_response_explain(const struct ox_response *res, int r)
{
	if (r == OX_ECANCELED || r == OX_ENOMEM)
		oxi_http_explain(res->error_text, r, NULL);
	else
		oxi_http_explain(res->error_text, r, r == res->fault ? res->why : res->error);
}

/* ---- an opened body ---- */

static size_t take(struct ox_response *res, void *buf, size_t cap)
{
	struct oxi_http_buffer *b = &res->body;
	size_t n = b->len < cap ? b->len : cap;

	memcpy(buf, b->data + b->start, n);
	b->len -= n;
	b->start = b->len ? b->start + n : 0;
	if (res->paused & CURLPAUSE_RECV && res->state == OXI_TRANSFER_RUNNING && b->len < OXI_HTTP_LOW)
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
		r = oxi_response_park(res, "http body");
		if (r == OX_ECANCELED)
			break;
	}
	if (res->body.len > 0)
		return (ssize_t)take(res, buf, cap < SSIZE_MAX ? cap : SSIZE_MAX);
	if (res->result < 0)
		oxi_response_explain(res, res->result);
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

bool ox_response_header_next(const ox_response *res, const void **at, const char **ret_name, const char **ret_value)
{
	struct curl_header *h;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	h = curl_easy_nextheader(res->easy, CURLH_HEADER, -1, (struct curl_header *)(uintptr_t)*at);
	*at = h;
	if (!h)
		return false;
	*ret_name = h->name;
	*ret_value = h->value;
	return true;
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

const char *ox_response_version(const ox_response *res)
{
	long version = 0;

	OXI_CHECK_OBJECT(res, OXI_RESPONSE_MAGIC);
	curl_easy_getinfo(res->easy, CURLINFO_HTTP_VERSION, &version);
	switch (version) {
	case CURL_HTTP_VERSION_1_0:
		return "1.0";
	case CURL_HTTP_VERSION_1_1:
		return "1.1";
	case CURL_HTTP_VERSION_2_0:
		return "2";
	case CURL_HTTP_VERSION_3:
		return "3";
	default:
		return "";
	}
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
