/* SPDX-License-Identifier: MIT */
/* What is made of the bytes on the wire: heads, payloads, what is cut. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/exchange.h"
#include "tests/support/support.h"

/* SHA-1 of "" and "abc" (FIPS 180) in base32. */
#define OF_NOTHING "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"
#define OF_ABC     "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5"

static struct oxi_exchange *begun(size_t body_max)
{
	static const struct oxi_guard guard;
	struct oxi_exchange *x = oxi_exchange_new("http://a.test/", &guard, body_max);
	ck_assert_ptr_nonnull(x);
	return x;
}

static void say(struct oxi_exchange *x, ox_http_wire what, const char *text)
{
	oxi_exchange_on_wire(x, what, text, strlen(text));
}

static void expect(const struct oxi_buffer *b, const char *text)
{
	ck_assert_uint_eq(b->len, strlen(text));
	ck_assert(memcmp(b->data, text, b->len) == 0);
}

START_TEST(the_last_request_and_the_last_head_count)
{
	struct oxi_exchange *x = begun(100);
	say(x, OX_HTTP_WIRE_REQUEST, "CONNECT a.test:443 HTTP/1.1\r\n\r\n");
	say(x, OX_HTTP_WIRE_HEAD, "HTTP/1.1 200 tunnel\r\n");
	say(x, OX_HTTP_WIRE_HEAD, "\r\n");
	ck_assert(x->headed);
	say(x, OX_HTTP_WIRE_REQUEST, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
	ck_assert(!x->headed);
	say(x, OX_HTTP_WIRE_HEAD, "HTTP/1.1 103 Early\r\n");
	say(x, OX_HTTP_WIRE_HEAD, "Link: x\r\n");
	say(x, OX_HTTP_WIRE_HEAD, "HTTP/1.1 200 OK\r\n");
	ck_assert(!x->headed);
	say(x, OX_HTTP_WIRE_HEAD, "HTTP/A: b\r\n");
	say(x, OX_HTTP_WIRE_HEAD, "\r\n");
	say(x, OX_HTTP_WIRE_BODY, "ab");
	say(x, OX_HTTP_WIRE_HEAD, "Trailer: t\r\n");
	say(x, OX_HTTP_WIRE_BODY, "c");
	ck_assert_int_eq(oxi_exchange_end(x, 0, NULL), 0);
	ck_assert(x->headed && !x->http2);
	expect(&x->request, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
	expect(&x->head, "HTTP/1.1 200 OK\r\nHTTP/A: b\r\n\r\n");
	expect(&x->body, "abc");
	ck_assert_str_eq(x->payload, OF_ABC);
	ck_assert_ptr_null(x->cut);
	oxi_exchange_free(x);
}
END_TEST

START_TEST(http_2_has_the_form_of_http_1)
{
	struct oxi_exchange *x = begun(100);
	say(x, OX_HTTP_WIRE_REQUEST, "GET /HTTP/20 HTTP/2\r\nHost: HTTP/2\r\n\r\n");
	say(x, OX_HTTP_WIRE_HEAD, "HTTP/2 200 \r\n");
	say(x, OX_HTTP_WIRE_HEAD, "x: HTTP/2 \r\n");
	say(x, OX_HTTP_WIRE_HEAD, "\r\n");
	say(x, OX_HTTP_WIRE_BODY, "abc");
	ck_assert_int_eq(oxi_exchange_end(x, 0, "chunked"), 0);
	ck_assert(x->http2);
	expect(&x->request, "GET /HTTP/20 HTTP/1.1\r\nHost: HTTP/2\r\n\r\n");
	expect(&x->head, "HTTP/1.1 200 \r\nx: HTTP/2 \r\n\r\n");
	ck_assert_str_eq(x->payload, OF_ABC);
	oxi_exchange_free(x);
}
END_TEST

static const struct {
	const char *body, *payload;
} chunked[] = {
	{ "3\r\nabc\r\n0\r\n\r\n", OF_ABC },
	{ "1;a=b\r\na\r\n2 \r\nbc\r\n00\r\nTrailer: x\r\n\r\n", OF_ABC },
	{ "1\na\n2\nbc\n0\n", OF_ABC },
	{ "0\r\n\r\n", OF_NOTHING },
	{ "", "" },
	{ "3\r\nabc\r\n", "" },
	{ "4\r\nabc", "" },
	{ "ffffffffffffffff\r\nabc", "" },
	{ "fffffffffffffffff\r\nabc", "" },
	{ "-1\r\na\r\n0\r\n\r\n", "" },
	{ "\r\n0\r\n\r\n", "" },
	{ "3", "" },
	{ "x\r\n", "" },
};

START_TEST(a_payload_is_a_body_without_chunks)
{
	for (size_t i = 0; i < sizeof(chunked) / sizeof(chunked[0]); i++) {
		struct oxi_exchange *x = begun(100);
		say(x, OX_HTTP_WIRE_BODY, chunked[i].body);
		ck_assert_int_eq(oxi_exchange_end(x, 0, "gzip, Chunked"), 0);
		ck_assert_str_eq(x->payload, chunked[i].payload);
		oxi_exchange_free(x);
	}
}
END_TEST

/* Every byte lies at the end of its own allocation, so that a sanitizer sees who reads behind it. */
START_TEST(no_bytes_at_all_are_read_beyond_their_end)
{
	static const char alphabet[] = "0123aF\r\n;x";
	unsigned state = 1;
	for (int round = 0; round < 20000; round++) {
		struct oxi_exchange *x = begun(1000);
		char text[64];
		size_t len = round % 40;
		for (size_t i = 0; i < len; i++) {
			state = state * 1103515245u + 12345u;
			text[i] = alphabet[(state >> 16) % (sizeof(alphabet) - 1)];
		}
		x->body.data = malloc(len + 1);
		memcpy(x->body.data, text, len);
		x->body.data = realloc(x->body.data, len ? len : 1);
		x->body.len = x->body.cap = len;
		ck_assert_int_eq(oxi_exchange_end(x, 0, "chunked"), 0);
		oxi_exchange_free(x);
	}
}
END_TEST

START_TEST(what_ended_early_says_why_and_has_no_payload)
{
	static const struct {
		int r;
		const char *why;
	} ends[] = { { OX_ETOOBIG, "length" }, { OX_ETIMEDOUT, "time" }, { OX_EINCOMPLETE, "disconnect" }, { -ECONNRESET, "disconnect" },
	             { OX_EPROTO, "unspecified" } };
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct oxi_exchange *x = begun(100);
		say(x, OX_HTTP_WIRE_BODY, "abc");
		ck_assert_int_eq(oxi_exchange_end(x, ends[i].r, NULL), 0);
		ck_assert_str_eq(x->cut, ends[i].why);
		ck_assert_str_eq(x->payload, "");
		oxi_exchange_free(x);
	}
	struct oxi_exchange *x = begun(5);
	say(x, OX_HTTP_WIRE_BODY, "abc");
	say(x, OX_HTTP_WIRE_BODY, "abc");
	say(x, OX_HTTP_WIRE_BODY, "abc");
	ck_assert_int_eq(oxi_exchange_end(x, 0, NULL), 0);
	ck_assert_str_eq(x->cut, "length");
	expect(&x->body, "abcab");
	oxi_exchange_free(x);
}
END_TEST

START_TEST(a_head_without_an_end_is_given_up)
{
	struct oxi_exchange *x = begun(100);
	static char line[OX_KIB(64)];
	memset(line, 'x', sizeof(line));
	say(x, OX_HTTP_WIRE_HEAD, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 100; i++)
		oxi_exchange_on_wire(x, OX_HTTP_WIRE_HEAD, line, sizeof(line));
	say(x, OX_HTTP_WIRE_HEAD, "\r\n");
	ck_assert(!x->headed);
	ck_assert_uint_le(x->head.cap, OX_MIB(2));
	oxi_exchange_free(x);
}
END_TEST

START_TEST(the_address_is_noted_before_it_is_judged)
{
	struct oxi_exchange *x = begun(100);
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	inet_pton(AF_INET, "192.0.1.7", &in.sin_addr);
	inet_pton(AF_INET6, "2606:4700::1111", &in6.sin6_addr);
	ck_assert_int_eq(oxi_exchange_allow(x, (void *)&in, sizeof(in)), 0);
	ck_assert_str_eq(x->ip, "192.0.1.7");
	ck_assert_int_eq(oxi_exchange_allow(x, (void *)&in6, sizeof(in6)), 0);
	ck_assert_str_eq(x->ip, "2606:4700::1111");
	inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
	ck_assert_int_eq(oxi_exchange_allow(x, (void *)&in, sizeof(in)), -EACCES);
	oxi_exchange_free(x);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("exchange");
	TCase *c = new_case(s, "exchange", 60);

	tcase_add_test(c, the_last_request_and_the_last_head_count);
	tcase_add_test(c, http_2_has_the_form_of_http_1);
	tcase_add_test(c, a_payload_is_a_body_without_chunks);
	tcase_add_test(c, no_bytes_at_all_are_read_beyond_their_end);
	tcase_add_test(c, what_ended_early_says_why_and_has_no_payload);
	tcase_add_test(c, a_head_without_an_end_is_given_up);
	tcase_add_test(c, the_address_is_noted_before_it_is_judged);
	return run_suite(s);
}
