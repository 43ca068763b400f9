/* SPDX-License-Identifier: MIT */
/*
 * One transfer in libcurl's words: the options of a request become those of an easy handle, its callbacks
 * fill the body and ask whether an address is allowed, and its codes become ours. All of it runs on the
 * thread's own stack.
 *
 * - max_body is counted here, in decoded bytes: libcurl's own limit looks at Content-Length only, and a small
 *   compressed body can grow a thousandfold.
 * - An address is asked for twice: before a socket is made, so that a refused address sees no packet, and again before
 *   the request goes out, because a kept connection may have been made by a request that was allowed more.
 * - A streamed response uses HTTP/1.1. With HTTP/2 a paused stream makes libcurl stop reading the connection it shares
 *   with others, and who reads two streams in turn would wait for ever.
 * - Redirects are followed for GET, HEAD and POST, whose changes of method libcurl knows; for others they are returned.
 */
#include "loop/http/client.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "loop/http/text.h"

#define FIRST_RESERVE OX_MIB(1)         /* at most that much on the word of a Content-Length */

void oxi_transfer_wake(struct ox_response *res, int result)
{
	struct oxi_wait *w = res->waiter;

	if (!w)
		return;
	res->waiter = NULL;
	oxi_wake(w, result);
}

/* A callback of ours ends the transfer, or an attempt to connect. libcurl will only say that one did. */
static void object(struct ox_response *res, int fault, const char *why)
{
	res->fault = fault;
	res->why = why;
}

/* ---- the body ---- */

/* Room for more bytes and a NUL. */
static bool buffer_reserve(struct oxi_http_buffer *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 4096;
	char *data;

	if (b->start + b->len + more < b->cap)
		return true;
	if (b->start >= b->len + more) {                /* at least as much free in front as there is to keep */
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
		return true;
	}
	while (cap <= b->start + b->len + more)
		cap *= 2;
	data = oxi_realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

static bool declared_too_big(struct ox_response *res)
{
	struct curl_header *h;
	curl_off_t len = -1;

	curl_easy_getinfo(res->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
	if (len <= 0 || curl_easy_header(res->easy, "content-encoding", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		return false;
	if ((curl_off_t)res->max_body < len)
		return true;
	if (!res->streaming)                            /* without memory for it, the write below says so */
		buffer_reserve(&res->body, (size_t)len < FIRST_RESERVE ? (size_t)len : FIRST_RESERVE);
	return false;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct ox_response *res = arg;

	n *= size;
	if (n > res->max_body - res->received || (res->received == 0 && declared_too_big(res))) {
		object(res, OX_ETOOBIG, "the body is larger than the limit");
		return CURL_WRITEFUNC_ERROR;
	}
	if (!buffer_reserve(&res->body, n)) {
		object(res, OX_ENOMEM, NULL);
		return CURL_WRITEFUNC_ERROR;
	}
	memcpy(res->body.data + res->body.start + res->body.len, data, n);
	res->body.len += n;
	res->received += n;
	if (res->streaming) {
		oxi_transfer_wake(res, 0);
		if (res->body.len >= OXI_HTTP_HIGH)
			oxi_http_client_flow(res);
	}
	return n;
}

/* ---- the headers of a streamed response, or of an answer to a streamed body ---- */

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct ox_response *res = arg;
	struct curl_header *h;
	long status = 0;

	n *= size;
	if (n > 2 || line[0] == ' ' || line[0] == '\t')         /* not the empty line after the last one */
		return n;
	curl_easy_getinfo(res->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return n;
	if (res->follow && status >= 300 && status < 400 &&
	    curl_easy_header(res->easy, "location", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		return n;
	res->headers_done = true;
	if (status >= 400 && status != 417) {                   /* that one: libcurl asks again, without Expect */
		oxi_upload_stop(res);
		oxi_http_client_flow(res);
	}
	oxi_transfer_wake(res, 0);
	return n;
}

/* ---- connections ---- */

static bool refused(struct ox_response *res, const struct sockaddr *address, size_t len)
{
	int r = res->allow_address ? res->allow_address(res->allow_arg, address, len) : 0;

	if (r < 0)
		object(res, r, "the address is not allowed");
	return r < 0;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct ox_response *res = arg;
	int fd;

	(void)purpose;
	object(res, 0, NULL);                           /* of several addresses the last one counts */
	if (refused(res, &a->addr, a->addrlen))
		return CURL_SOCKET_BAD;
	fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (fd >= 0)
		return fd;
	object(res, -errno, NULL);
	return CURL_SOCKET_BAD;
}

static int on_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct ox_response *res = arg;
	bool no = true;

	(void)local_ip;
	(void)local_port;
	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
		no = refused(res, (const struct sockaddr *)&in, sizeof(in));
	else if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
		no = refused(res, (const struct sockaddr *)&in6, sizeof(in6));
	else
		object(res, -EACCES, "a proxy's Unix socket has no address to be allowed");
	return no ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- from a request to an easy handle ---- */

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
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);                    /* do not wait for look-ups: see client.c */
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, res);
	if (o->allow_address && !o->unix_path) {
		SET(CURLOPT_PREREQFUNCTION, on_request);
		SET(CURLOPT_PREREQDATA, res);
	}
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
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, res);
	if (q->streaming || res->upload) {
		SET(CURLOPT_HEADERFUNCTION, on_header);
		SET(CURLOPT_HEADERDATA, res);
		SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
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

/* ---- from libcurl's codes to ours ---- */

/* What the system said of a connection that could not be made or broke; otherwise if it said nothing. */
static int system_result(const struct ox_response *res, int otherwise)
{
	long e = 0;

	curl_easy_getinfo(res->easy, CURLINFO_OS_ERRNO, &e);
	return e > 0 && e < 4096 ? -(int)e : otherwise;
}

/* Reading or writing failed and the system did not say why: TLS broken off, or a body that is badly framed. */
static int broken_result(const struct ox_response *res)
{
	const char *scheme = NULL;

	curl_easy_getinfo(res->easy, CURLINFO_SCHEME, &scheme);
	if (!scheme || strcasecmp(scheme, "https") != 0)
		return OX_EPROTO;
	return res->received > 0 ? OX_EINCOMPLETE : -ECONNRESET;
}

int oxi_transfer_result(const struct ox_response *res, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_WRITE_ERROR:
	case CURLE_ABORTED_BY_CALLBACK:
		return res->fault < 0 ? res->fault : OX_EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return OX_ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_BAD_FUNCTION_ARGUMENT:
		return OX_EINVAL;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return OX_EDNS;
	case CURLE_COULDNT_CONNECT:
		return res->fault < 0 ? res->fault : system_result(res, -ECONNREFUSED);
	case CURLE_OPERATION_TIMEDOUT:
		return OX_ETIMEDOUT;
	case CURLE_TOO_MANY_REDIRECTS:
		return -ELOOP;
	case CURLE_PARTIAL_FILE:
		return OX_EINCOMPLETE;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return system_result(res, broken_result(res));
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_FAIL_REWIND:    /* a kept connection was closed while the body was on its way */
		return -ECONNRESET;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_SHUTDOWN_FAILED:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_USE_SSL_FAILED:
		return OX_ETLS;
	default:                        /* among them a redirect to another scheme, and what is no HTTP at all */
		return OX_EPROTO;
	}
}

void oxi_response_destroy(struct ox_response *res)
{
	curl_easy_cleanup(res->easy);
	curl_mime_free(res->form);
	curl_slist_free_all(res->headers);
	ox_cookies_free(res->cookies);
	oxi_free(res->body.data);
	res->magic = 0;
	oxi_free(res);
}
