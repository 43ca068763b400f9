/* SPDX-License-Identifier: MIT */
/*
 * What a handler asks of its request, and how it replies. A reply is recorded in the request;
 * oxi_request_finish() hands it to evhttp when the handler has returned: see server.c.
 */
#include "loop/http/server.h"

#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "loop/http/text.h"

/* ---- life ---- */

static void drop_body(struct ox_request *q)
{
	if (q->body)
		evbuffer_free(q->body);
	q->body = NULL;
}

void oxi_request_free(struct ox_request *q)
{
	drop_body(q);
	q->magic = 0;
	oxi_free(q->path);
	oxi_free(q);
}

/* The body in one piece, so that ox_request_body() cannot fail. */
static bool gather_body(struct evhttp_request *ev)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(ev);

	return evbuffer_get_length(in) == 0 || evbuffer_pullup(in, -1) != NULL;
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* What counts in judging; with how many headers said it. */
struct framing {
	const char *length, *coding;
	unsigned lengths, hosts;
};

static void note(struct framing *f, const struct evkeyval *h)
{
	f->hosts += strcasecmp(h->key, "Host") == 0;
	if (strcasecmp(h->key, "Content-Length") == 0) {
		f->length = h->value;
		f->lengths++;
	} else if (strcasecmp(h->key, "Transfer-Encoding") == 0) {
		f->coding = h->value;
		f->lengths++;
	}
}

/*
 * What says its length in two ways, or in one that evhttp would read otherwise than a proxy in front, might
 * hide another request in its body (RFC 9112 section 11.2); with two hosts, or none, it is not known who was
 * asked (section 3.2).
 */
static bool is_ambiguous(struct evhttp_request *ev, const struct framing *f)
{
	bool old = ev->major == 1 && ev->minor == 0;

	if (f->lengths > 1 || f->hosts > 1 || (f->hosts == 0 && !old))
		return true;
	if ((f->coding && (old || strcasecmp(f->coding, "chunked") != 0)) || (f->length && !is_number(f->length)))
		return true;
	/* evhttp takes the body of a HEAD for the next request */
	return evhttp_request_get_command(ev) == EVHTTP_REQ_HEAD &&
	       (f->coding || (f->length && f->length[strspn(f->length, "0")]));
}

/* 0 for a request that may reach a handler. */
static int judge_headers(struct evhttp_request *ev, size_t max)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(ev);
	size_t size = strlen(evhttp_request_get_uri(ev));
	struct framing f = { 0 };

	for (struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next) {
		if (!oxi_http_header_valid(h->key, strlen(h->key), h->value))
			return 400;             /* "Content-Length : 5" for one */
		note(&f, h);
		size += strlen(h->key) + strlen(h->value) + strlen(": \r\n");
	}
	if (is_ambiguous(ev, &f))
		return 400;
	return size > max ? 431 : 0;
}

struct ox_request *oxi_request_new(struct ox_http_server *s, struct evhttp_request *ev, int *ret_status)
{
	struct ox_request *q;

	*ret_status = judge_headers(ev, s->max_headers);
	if (*ret_status)
		return NULL;
	*ret_status = 503;
	q = oxi_alloc(sizeof(*q));
	if (!q)
		return NULL;
	q->magic = OXI_REQUEST_MAGIC;
	q->server = s;
	q->ev = ev;
	q->body = evbuffer_new();
	q->to_come = -1;
	q->bodiless = evhttp_request_get_command(ev) == EVHTTP_REQ_HEAD;
	oxi_http_target_split(evhttp_request_get_uri(ev), &q->raw_path, &q->raw_path_len, &q->query);
	q->path = oxi_alloc(q->raw_path_len + 1);
	if (q->body && q->path && gather_body(ev)) {
		if (oxi_http_path_decode(q->raw_path, q->raw_path_len, q->path))
			return q;
		*ret_status = 400;
	}
	oxi_request_free(q);
	return NULL;
}

/* evhttp would send the body of a reply to HEAD, and leaves its length out. */
static void drop_body_of_head(struct ox_request *q)
{
	char len[24];

	snprintf(len, sizeof(len), "%zu", q->body ? evbuffer_get_length(q->body) : 0);
	if (q->status != 204 && q->status != 304)
		evhttp_add_header(evhttp_request_get_output_headers(q->ev), "Content-Length", len);
	drop_body(q);
}

static void fail(struct ox_request *q)
{
	evhttp_clear_headers(evhttp_request_get_output_headers(q->ev));
	drop_body(q);
	q->body = evbuffer_new();
	q->status = 0;
	oxi_request_reply_status(q, 500);
	q->status = 500;                        /* without memory: one without a body */
}

static void finish_whole(struct ox_request *q)
{
	if (q->failed || q->status == 0)
		fail(q);
	if (q->bodiless)
		drop_body_of_head(q);
	if (q->server->draining)
		oxi_request_set_header(q, "Connection", "close");       /* without memory it is closed as an idle one */
	evhttp_send_reply(q->ev, q->status, oxi_http_phrase(q->status), q->body);
}

/* If the peer has gone, evhttp only frees its request. */
void oxi_request_finish(struct ox_request *q)
{
	if (q->begun)
		oxi_request_end_stream(q, !q->failed);
	else
		finish_whole(q);
}

/* ---- the question ---- */

const char *ox_request_method(const ox_request *q)
{
	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	switch (evhttp_request_get_command(q->ev)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	case EVHTTP_REQ_OPTIONS:
		return "OPTIONS";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	default:
		OXI_CHECK(!"a method that the server does not let through");
		return "";
	}
}

const char *ox_request_path(const ox_request *q)
{
	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	return q->path;
}

const char *ox_request_query(const ox_request *q)
{
	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	return q->query;
}

const char *ox_request_header(const ox_request *q, const char *name)
{
	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	return evhttp_find_header(evhttp_request_get_input_headers(q->ev), name);
}

ox_bytes ox_request_body(const ox_request *q)
{
	struct evbuffer *in;

	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	in = evhttp_request_get_input_buffer(q->ev);
	return (ox_bytes){ evbuffer_get_length(in) ? evbuffer_pullup(in, -1) : (const void *)"", evbuffer_get_length(in) };
}

/* ---- the reply ---- */

int oxi_request_set_header(struct ox_request *q, const char *name, const char *value)
{
	if (!oxi_http_header_valid(name, strlen(name), value))
		return OX_EINVAL;
	return evhttp_add_header(evhttp_request_get_output_headers(q->ev), name, value) < 0 ? OX_ENOMEM : 0;
}

int ox_request_add_header(ox_request *q, const char *name, const char *value)
{
	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	if (strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0)
		return OX_EINVAL;
	return q->begun ? OX_ESTATE : oxi_request_set_header(q, name, value);
}

int oxi_request_may_reply(const struct ox_request *q, int status)
{
	if (q->status)
		return OX_ESTATE;
	if (status < 200 || status > 599)
		return OX_EINVAL;
	return q->gone ? -ECONNRESET : 0;
}

int ox_request_reply(ox_request *q, int status, const char *type, const void *body, size_t len)
{
	int r;

	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	r = oxi_request_may_reply(q, status);
	if (r == 0 && len > 0 && (status == 204 || status == 304))
		r = OX_EINVAL;
	if (r == 0 && type)
		r = oxi_request_set_header(q, "Content-Type", type);
	if (r < 0)
		return r;
	if (!q->body || evbuffer_add(q->body, body, len) < 0)
		return OX_ENOMEM;
	q->status = status;
	return 0;
}

bool ox_request_gone(const ox_request *q)
{
	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	return q->gone || q->half_closed;
}

int oxi_request_reply_status(struct ox_request *q, int status)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%d %s\n", status, oxi_http_phrase(status));

	return ox_request_reply(q, status, "text/plain", text, (size_t)len);
}
