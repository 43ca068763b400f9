/* SPDX-License-Identifier: MIT */
/*
 * A TLS handshake with any bytes from the other side: the first byte of the input says whether ours is the server (even)
 * or the client, the rest is what comes. Whatever it is, the handshake fails: the peer would have to answer our
 * random numbers. Then nothing may be left parked, and an error is told.
 */
#include <stdlib.h>
#include <string.h>

#include <oxbow/ox_test.h>
#include <oxbow/oxbow.h>

#include "include/private/check.h"
#include "tests/support/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static ox_tls *tls;

static void make_config(void)
{
	identity i = IDENTITY(.name = "fuzz", .san = "DNS:fuzz.test");

	OXI_CHECK(ox_tls_new(OX_TLS_OPTIONS(.cert = i.cert, .key = i.key, .insecure = true, .alpn = "h2,http/1.1"), &tls) == 0);
	identity_free(&i);
}

static int shake_hands(void *arg)
{
	const ox_bytes *in = arg;
	const uint8_t *data = in->data;
	ox_stream *peer, *below, *s = NULL;
	char text[256] = "";
	const ox_tls_stream_options *o = OX_TLS_STREAM_OPTIONS(.error_text = text);
	int r;

	OXI_CHECK(ox_test_stream_pair(NULL, &peer, &below) == 0);
	OXI_CHECK(ox_write(peer, data + 1, in->len - 1) == (ssize_t)in->len - 1);
	OXI_CHECK(ox_write_eof(peer) == 0);
	r = data[0] & 1 ? ox_tls_connect(below, tls, "fuzz.test", o, &s) : ox_tls_accept(below, tls, o, &s);
	OXI_CHECK(r == OX_ETLS || r == OX_EINCOMPLETE);
	OXI_CHECK(s == NULL && text[0]);
	ox_stream_abort(peer);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	ox_bytes in = { data, len };

	if (len == 0 || len > OX_KIB(60))
		return 0;
	if (tls == NULL)
		make_config();
	OXI_CHECK(ox_run(shake_hands, &in, OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.virtual_clock = true))) == 0);
	return 0;
}
