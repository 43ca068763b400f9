/* SPDX-License-Identifier: MIT */
/*
 * A request's body in pieces. libcurl asks for it on the thread's own stack, where nothing may yield; the
 * caller's function may. So it is called in the coroutine that waits for the answer: libcurl asks, finds
 * nothing, and pauses; the coroutine wakes, reads a piece into the one buffer there is, and lets libcurl go
 * on. A peer that is slow thereby slows the reading down.
 *
 *	libcurl asks ──nothing there──> paused, coroutine wakes ──> read() ──> piece in the buffer, libcurl goes on
 *
 * The answer may come before the body has ended, a 413 say, or the request fail, while read() waits for
 * something: its scope is cancelled then, and what it returns does not count.
 */
#include <string.h>

#include "loop/http/client.h"

size_t oxi_upload_on_read(char *buf, size_t size, size_t n, void *arg)
{
	struct ox_response *res = arg;
	struct oxi_upload *u = res->upload;

	n *= size;
	if (!u)
		return CURL_READFUNC_ABORT;
	if (u->len == 0 && u->ended)
		return 0;
	if (u->len == 0) {
		u->wanted = true;
		res->paused |= CURLPAUSE_SEND;
		oxi_transfer_wake(res, 0);
		return CURL_READFUNC_PAUSE;
	}
	n = n < u->len ? n : u->len;
	memcpy(buf, u->data + u->start, n);
	u->start += n;
	u->len -= n;
	return n;
}

static ssize_t read_piece(struct oxi_upload *u)
{
	size_t cap = u->left >= 0 && (uint64_t)u->left < OXI_HTTP_PIECE ? (size_t)u->left : OXI_HTTP_PIECE;
	ox_scope scope;
	ssize_t n;

	if (cap == 0)
		return 0;
	u->asked = true;
	ox_scope_enter(&scope, OX_NEVER);
	u->scope = &scope;
	n = u->read(u->arg, u->data, cap);
	u->scope = NULL;
	ox_scope_leave(&scope, 0);
	OXI_CHECK(n <= (ssize_t)cap);
	return n;
}

static void fail(struct ox_response *res, int r, const char *why)
{
	res->fault = r;
	res->why = why;
	oxi_http_client_end(res, r);
}

void oxi_upload_feed(struct ox_response *res)
{
	struct oxi_upload *u = res->upload;
	ssize_t n = read_piece(u);

	if (res->state != OXI_TRANSFER_RUNNING || u->ended)     /* meanwhile nobody wants it any more */
		return;
	if (n < 0) {
		fail(res, (int)n, "the body could not be read");
		return;
	}
	if (n == 0 && u->left > 0) {
		fail(res, OX_EINCOMPLETE, "the body is shorter than announced");
		return;
	}
	u->start = 0;
	u->len = (size_t)n;
	u->left -= u->left > 0 ? n : 0;
	u->ended = n == 0;
	u->wanted = false;
	oxi_http_client_flow(res);
}

void oxi_upload_stop(struct ox_response *res)
{
	struct oxi_upload *u = res->upload;

	if (!u || u->ended)
		return;
	u->ended = true;
	u->wanted = false;
	if (u->scope)
		ox_scope_cancel(u->scope);
}
