/* SPDX-License-Identifier: MIT */
/*
 * One transfer under way: libcurl's callbacks fill the body and ask whether an address is allowed, and its
 * codes become ours. All of it runs on the thread's own stack.
 *
 * - max_body is counted here, in decoded bytes: libcurl's own limit looks at Content-Length only, and a small
 *   compressed body can grow a thousandfold.
 * - An address is asked for twice: before a socket is made, so that a refused address sees no packet, and
 *   again before the request goes out, because a kept connection may have been made by a request that was
 *   allowed more.
 * - A kept connection that ends without an answer makes libcurl send the request again, a POST too. The server
 *   may have done what it asks for (RFC 9110 section 9.2.2): that is for the caller to decide.
 */
#include "loop/http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

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

size_t oxi_transfer_on_body(char *data, size_t size, size_t n, void *arg)
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

size_t oxi_transfer_on_header(char *line, size_t size, size_t n, void *arg)
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

/* ---- what goes over the wire, for who wants to see it ---- */

/* libcurl tells its debug function, before anything is decoded. */
int oxi_transfer_on_wire(CURL *easy, curl_infotype type, char *data, size_t len, void *arg)
{
	struct ox_response *res = arg;

	(void)easy;
	if (type == CURLINFO_HEADER_OUT)
		res->on_wire(res->wire_arg, OX_HTTP_WIRE_REQUEST, data, len);
	else if (type == CURLINFO_HEADER_IN)
		res->on_wire(res->wire_arg, OX_HTTP_WIRE_HEAD, data, len);
	else if (type == CURLINFO_DATA_IN)
		res->on_wire(res->wire_arg, OX_HTTP_WIRE_BODY, data, len);
	return 0;
}

/* ---- connections ---- */

static bool refused(struct ox_response *res, const struct sockaddr *address, size_t len)
{
	int r = res->allow_address ? res->allow_address(res->allow_arg, address, len) : 0;

	if (r < 0)
		object(res, r, "the address is not allowed");
	return r < 0;
}

curl_socket_t oxi_transfer_on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
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

/* Each redirect is another request; and after 417 libcurl asks again, without Expect. */
static bool is_sent_twice(struct ox_response *res)
{
	long redirects = 0, status = 0;

	curl_easy_getinfo(res->easy, CURLINFO_REDIRECT_COUNT, &redirects);
	curl_easy_getinfo(res->easy, CURLINFO_RESPONSE_CODE, &status);
	return ++res->sent > redirects + 1 + (status == 417);
}

static bool is_address_refused(struct ox_response *res, const char *ip, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
		return refused(res, (const struct sockaddr *)&in, sizeof(in));
	if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
		return refused(res, (const struct sockaddr *)&in6, sizeof(in6));
	object(res, -EACCES, "a proxy's Unix socket has no address to be allowed");
	return true;
}

int oxi_transfer_on_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct ox_response *res = arg;

	(void)local_ip;
	(void)local_port;
	if (res->allow_address && res->has_address && is_address_refused(res, ip, port))
		return CURL_PREREQFUNC_ABORT;
	if (!is_sent_twice(res) || !res->once)
		return CURL_PREREQFUNC_OK;
	object(res, -ECONNRESET, "the connection ended without an answer, and the request is not sent twice");
	return CURL_PREREQFUNC_ABORT;
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
