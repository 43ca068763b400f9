/* SPDX-License-Identifier: MIT */
/*
 * Replies in pieces. A piece goes into the connection's buffer; while more than the high-water mark is there
 * the handler waits until it is empty (the kernel's own buffer keeps the peer busy meanwhile), so a slow peer
 * costs its handler time and the server no memory.
 *
 * A reply that was announced with a length, or that is sent in chunks, tells its peer where it ends. One that
 * the handler breaks off is therefore ended by a reset, never by a proper end.
 */
#include "loop/http/server.h"

#include <event2/http_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/http/event.h"
#include "loop/http/text.h"

/* ---- the beginning ---- */

/*
 * evhttp would tell a client of HTTP/1.0 that keeps its connection that the length is 0. It goes by this
 * header of the request; without it the connection ends with the reply.
 */
static void end_with_connection(struct ox_request *q)
{
	if (q->ev->major == 1 && q->ev->minor == 0)
		evhttp_remove_header(evhttp_request_get_input_headers(q->ev), "Connection");
}

static int set_length(struct ox_request *q, int64_t len)
{
	char text[24];

	if (len < 0)
		end_with_connection(q);
	if (len < 0 || q->status == 204 || q->status == 304)
		return 0;
	snprintf(text, sizeof(text), "%" PRId64, len);
	return oxi_request_set_header(q, "Content-Length", text);
}

int ox_request_begin(ox_request *q, int status, const char *type, int64_t len)
{
	int r;

	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	r = oxi_request_may_reply(q, status);
	if (r == 0 && type)
		r = oxi_request_set_header(q, "Content-Type", type);
	if (r == 0)
		r = set_length(q, len);
	if (r == 0 && q->server->draining)
		r = oxi_request_set_header(q, "Connection", "close");
	if (r < 0)
		return r;
	q->status = status;
	q->begun = true;
	q->bodiless |= status == 204 || status == 304;
	q->to_come = len;
	evhttp_send_reply_start(q->ev, status, oxi_http_phrase(status));
	oxi_peer_listen(q);
	return 0;
}

/* ---- pieces ---- */

static void on_taken(struct evhttp_connection *c, void *arg)
{
	struct ox_request *q = arg;

	(void)c;
	if (q->writer)
		oxi_wake(q->writer, 0);
	q->writer = NULL;
}

static oxi_abort_answer stop_waiting(struct oxi_wait *w)
{
	((struct ox_request *)(uintptr_t)w->object)->writer = NULL;
	return OXI_ABORTED;
}

static int wait_for_peer(struct ox_request *q)
{
	struct oxi_wait w;

	if (evbuffer_get_length(bufferevent_get_output(oxi_peer_bufferevent(q))) <= OXI_HTTP_WRITE_HIGH)
		return 0;
	oxi_wait_init(&w, "http reply", q, stop_waiting);
	q->writer = &w;
	return oxi_park(&w);
}

static int send_piece(struct ox_request *q, const void *buf, size_t len)
{
	if (q->gone)
		return -ECONNRESET;
	if (evbuffer_add(q->body, buf, len) < 0)
		return OX_ENOMEM;
	evhttp_send_reply_chunk_with_cb(q->ev, q->body, on_taken, q);
	oxi_peer_listen(q);
	q->to_come -= q->to_come > 0 ? (int64_t)len : 0;
	return wait_for_peer(q);
}

static int may_write(const struct ox_request *q, size_t len)
{
	if (!q->begun)
		return OX_ESTATE;
	if (q->writer)
		return OX_EBUSY;
	return q->to_come >= 0 && (uint64_t)q->to_come < len ? OX_ETOOBIG : 0;
}

static ssize_t write_all(struct ox_request *q, const char *buf, size_t len)
{
	int r = may_write(q, len);

	if (r == 0 && q->bodiless)
		q->to_come = q->to_come < 0 ? -1 : q->to_come - (int64_t)len;
	for (size_t done = 0; r == 0 && done < len && !q->bodiless;) {
		size_t n = len - done < OXI_HTTP_WRITE_HIGH ? len - done : OXI_HTTP_WRITE_HIGH;

		r = send_piece(q, buf + done, n);
		done += n;
	}
	if (r == 0 && q->gone)
		r = -ECONNRESET;
	return r < 0 ? r : (ssize_t)len;
}

ssize_t ox_request_write(ox_request *q, const void *buf, size_t len)
{
	int r;

	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	r = oxi_checkpoint();
	return r < 0 ? r : write_all(q, buf, len);
}

/* ---- the end ---- */

/*
 * A reset also says so to a client of HTTP/1.0, for which the end of the connection is the end of the body.
 * Not by SO_LINGER: evhttp would shut the socket down first, and the peer see a proper end. (A Unix socket has
 * no reset, and TLS has one inside: a client of HTTP/1.1 sees the missing last chunk, one of 1.0 nothing.)
 */
static void break_off(struct ox_request *q)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	connect(bufferevent_getfd(oxi_peer_bufferevent(q)), &nobody, sizeof(nobody));
	evhttp_connection_free(evhttp_request_get_connection(q->ev));
}

void oxi_request_end_stream(struct ox_request *q, bool whole)
{
	bool short_of = q->to_come > 0 && !q->bodiless;

	if (!q->gone && (!whole || short_of))
		break_off(q);
	else
		evhttp_send_reply_end(q->ev);
}

/* ---- events ---- */

void ox_http_event_init(ox_http_event *e)
{
	*e = (ox_http_event){ .size = sizeof(*e) };
}

static int begin_events(struct ox_request *q)
{
	int r = oxi_request_set_header(q, "Cache-Control", "no-store");

	return r < 0 ? r : ox_request_begin(q, 200, "text/event-stream", -1);
}

int ox_request_send_event(ox_request *q, const ox_http_event *e)
{
	ox_http_event with = { .size = sizeof(with) };
	size_t len;
	ssize_t n;
	char *text;
	int r;

	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	r = oxi_checkpoint();
	if (r < 0)
		return r;
	memcpy(&with, e, e->size < sizeof(with) ? e->size : sizeof(with));
	if (!oxi_http_event_valid(&with))
		return OX_EINVAL;
	if (!q->begun && (r = begin_events(q)) < 0)
		return r;
	len = oxi_http_event_format(&with, NULL);
	text = oxi_alloc(len);
	if (!text)
		return OX_ENOMEM;
	oxi_http_event_format(&with, text);
	n = write_all(q, text, len);
	oxi_free(text);
	return n < 0 ? (int)n : 0;
}
