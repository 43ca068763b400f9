/* SPDX-License-Identifier: MIT */
/*
 * From a request to libcurl's easy handle: what its options are called there.
 *
 * - A streamed response uses HTTP/1.1. With HTTP/2 a paused stream makes libcurl stop reading the
 *   connection it shares with others, and who reads two streams in turn would wait for ever.
 * - Redirects are followed for GET, HEAD and POST, whose changes of method libcurl knows; for others they
 *   are returned.
 */
#include "loop/http/client.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop/http/text.h"

#define SET(option, value) (code = code != CURLE_OK ? code : curl_easy_setopt(res->easy, (option), (value)))

static int fail(struct ox_response *res, const char *what, const char *which)
{
	snprintf(res->error, sizeof(res->error), "%s: %.200s", what, which);
	return OX_EINVAL;
}

static int append(struct ox_response *res, const char *line)
{
	struct curl_slist *more = curl_slist_append(res->headers, line);

	if (!more)
		return OX_ENOMEM;
	res->headers = more;
	return 0;
}

/* libcurl takes "Name:" as the wish to leave a header out; its way to say an empty one is "Name;". */
static int append_empty(struct ox_response *res, const char *line, size_t name_len)
{
	char *copy = strdup(line);
	int r;

	if (!copy)
		return OX_ENOMEM;
	copy[name_len] = ';';
	copy[name_len + 1] = 0;
	r = append(res, copy);
	free(copy);
	return r;
}

static int prepare_headers(struct ox_response *res)
{
	bool typed = false;
	const char *value;
	size_t len;
	int r;

	for (const char *const *h = res->request->o.headers; h && *h; h++) {
		if (!oxi_http_header_split(*h, &len, &value))
			return fail(res, "not a header", *h);
		typed |= len == strlen("content-type") && strncasecmp(*h, "content-type", len) == 0;
		r = *value ? append(res, *h) : append_empty(res, *h, len);
		if (r < 0)
			return r;
	}
	if (typed || res->request->o.form)
		return 0;
	return append(res, "Content-Type:");                    /* libcurl would call each body a form */
}

static CURLcode add_part(struct ox_response *res, const struct ox_http_part *p)
{
	curl_mimepart *part = curl_mime_addpart(res->form);
	CURLcode code = part ? curl_mime_name(part, p->name) : CURLE_OUT_OF_MEMORY;

	if (code == CURLE_OK)
		code = curl_mime_data(part, p->data ? p->data : "", p->len);
	if (code == CURLE_OK && p->filename)
		code = curl_mime_filename(part, p->filename);
	if (code == CURLE_OK && (p->type || p->filename))
		code = curl_mime_type(part, p->type ? p->type : oxi_http_type(p->filename));
	return code;
}

static CURLcode prepare_form(struct ox_response *res, const struct ox_http_part *parts)
{
	CURLcode code;

	res->form = curl_mime_init(res->easy);
	code = res->form ? CURLE_OK : CURLE_OUT_OF_MEMORY;
	for (; parts->name && code == CURLE_OK; parts++)
		code = add_part(res, parts);
	SET(CURLOPT_MIMEPOST, res->form);
	return code;
}

static CURLcode prepare_body(struct ox_response *res)
{
	const ox_http_options *o = &res->request->o;
	CURLcode code = CURLE_OK;

	if (o->form)
		return prepare_form(res, o->form);
	SET(CURLOPT_POST, 1L);
	if (res->upload) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)res->upload->left);
		SET(CURLOPT_READFUNCTION, oxi_upload_on_read);
		SET(CURLOPT_READDATA, res);
	} else {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
		SET(CURLOPT_POSTFIELDS, o->body ? o->body : "");
	}
	return code;
}

static CURLcode prepare_method(struct ox_response *res)
{
	const struct oxi_http_request *q = res->request;
	bool post = strcmp(q->method, "POST") == 0, head = strcmp(q->method, "HEAD") == 0;
	bool body = q->o.body || q->o.read_body || q->o.form;
	bool plain = (post && !q->o.read_body) || (!body && (head || strcmp(q->method, "GET") == 0));
	int max = q->o.max_redirects ? q->o.max_redirects : 10;
	CURLcode code = CURLE_OK;

	if (post || body)
		code = prepare_body(res);
	else if (head)
		SET(CURLOPT_NOBODY, 1L);
	if (!post && !plain)
		SET(CURLOPT_CUSTOMREQUEST, q->method);
	res->follow = plain && max > 0;
	SET(CURLOPT_FOLLOWLOCATION, res->follow ? 1L : 0L);
	SET(CURLOPT_MAXREDIRS, (long)max);
	return code;
}

static long milliseconds(ox_time t, ox_time otherwise)
{
	if (t == 0)
		t = otherwise;
	if (t >= OX_MS(INT_MAX))
		return t == OX_NEVER ? 0 : INT_MAX;
	return (long)((t + OX_MS(1) - 1) / OX_MS(1));
}

static CURLcode prepare_connection(struct ox_response *res)
{
	const ox_http_options *o = &res->request->o;
	long connect = milliseconds(o->connect_timeout, OX_SEC(10));
	CURLcode code = CURLE_OK;

	SET(CURLOPT_TIMEOUT_MS, milliseconds(o->timeout, OX_SEC(60)));
	SET(CURLOPT_CONNECTTIMEOUT_MS, connect ? connect : (long)INT_MAX);
	SET(CURLOPT_LOW_SPEED_LIMIT, o->min_speed > 0 ? o->min_speed : 0L);
	SET(CURLOPT_LOW_SPEED_TIME, o->min_speed > 0 ? (milliseconds(o->min_speed_time, OX_SEC(20)) + 999) / 1000 : 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);                    /* do not wait for look-ups: see client.c */
	SET(CURLOPT_OPENSOCKETFUNCTION, oxi_transfer_on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, res);
	SET(CURLOPT_PREREQFUNCTION, oxi_transfer_on_request);
	SET(CURLOPT_PREREQDATA, res);
	if (o->ca_file)
		SET(CURLOPT_CAINFO, o->ca_file);
	if (o->insecure) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return code;
}

/* The environment's no_proxy is not for a proxy that was asked for. */
static CURLcode prepare_way(struct ox_response *res)
{
	const ox_http_options *o = &res->request->o;
	CURLcode code = CURLE_OK;

	if (o->proxy || o->unix_path) {
		SET(CURLOPT_PROXY, o->unix_path ? "" : o->proxy);
		SET(CURLOPT_NOPROXY, "");
	}
	if (o->unix_path && o->unix_path[0] == '@')
		SET(CURLOPT_ABSTRACT_UNIX_SOCKET, o->unix_path + 1);
	else if (o->unix_path)
		SET(CURLOPT_UNIX_SOCKET_PATH, o->unix_path);
	return code;
}

static CURLcode prepare_identity(struct ox_response *res)
{
	const ox_http_options *o = &res->request->o;
	CURLcode code = CURLE_OK;

	if (o->bearer) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		SET(CURLOPT_XOAUTH2_BEARER, o->bearer);
	} else if (o->user) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, o->user);
		SET(CURLOPT_PASSWORD, o->password ? o->password : "");
	}
	if (o->cookies) {
		SET(CURLOPT_SHARE, o->cookies->share);
		SET(CURLOPT_COOKIEFILE, "");            /* no file: it takes cookies only if it is told one */
	}
	return code;
}

static CURLcode prepare_transfer(struct ox_response *res)
{
	const struct oxi_http_request *q = res->request;
	CURLcode code = CURLE_OK;

	SET(CURLOPT_PRIVATE, res);
	SET(CURLOPT_ERRORBUFFER, res->error);
	SET(CURLOPT_URL, q->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_ACCEPT_ENCODING, "");
	SET(CURLOPT_USERAGENT, q->o.user_agent ? q->o.user_agent : "oxbow/" OX_VERSION);
	SET(CURLOPT_HTTPHEADER, res->headers);
	SET(CURLOPT_WRITEFUNCTION, oxi_transfer_on_body);
	SET(CURLOPT_WRITEDATA, res);
	if (q->streaming || res->upload) {
		SET(CURLOPT_HEADERFUNCTION, oxi_transfer_on_header);
		SET(CURLOPT_HEADERDATA, res);
		SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	}
	if (q->o.on_wire) {
		SET(CURLOPT_VERBOSE, 1L);
		SET(CURLOPT_DEBUGFUNCTION, oxi_transfer_on_wire);
		SET(CURLOPT_DEBUGDATA, res);
	}
	if (q->streaming)
		SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	return code;
}

int oxi_transfer_prepare(struct ox_response *res)
{
	CURLcode code;
	int r;

	res->easy = curl_easy_init();
	if (!res->easy)
		return OX_ENOMEM;
	r = prepare_headers(res);
	if (r < 0)
		return r;
	code = prepare_transfer(res);
	if (code == CURLE_OK)
		code = prepare_method(res);
	if (code == CURLE_OK)
		code = prepare_connection(res);
	if (code == CURLE_OK)
		code = prepare_way(res);
	if (code == CURLE_OK)
		code = prepare_identity(res);
	res->request = NULL;
	return code == CURLE_OK ? 0 : oxi_transfer_result(res, code);
}
