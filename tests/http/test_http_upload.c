/* SPDX-License-Identifier: MIT */
/* Bodies of requests that come in pieces, and forms: against our own server and against raw bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/http/peers.h"

#define POST(url, ...) ox_http_request("POST", (url), OX_HTTP_OPTIONS(.timeout = OX_SEC(30), __VA_ARGS__), &res)

/* ---- a server that tells what it got ---- */

struct site {
	ox_http_server *server;
	char url[80];
};

static uint64_t hash(const char *data, size_t len)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)data[i]) * 1099511628211u;
	return h;
}

static int tell(ox_request *q, void *arg)
{
	ox_bytes body = ox_request_body(q);
	const char *length = ox_request_header(q, "Content-Length"), *coding = ox_request_header(q, "Transfer-Encoding");
	char text[200];
	int n = snprintf(text, sizeof(text), "%s %zu %llx %s %s", ox_request_method(q), body.len,
	                 (unsigned long long)hash(body.data, body.len), length ? length : "-", coding ? coding : "-");

	(void)arg;
	return ox_request_reply(q, 200, "text/plain", text, (size_t)n);
}

static int echo(ox_request *q, void *arg)
{
	ox_bytes body = ox_request_body(q);

	(void)arg;
	return ox_request_reply(q, 200, ox_request_header(q, "Content-Type"), body.data, body.len);
}

static void site_open(struct site *t, ox_http_handler *handler, size_t max_body)
{
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", handler, OX_HTTP_SERVER_OPTIONS(.max_body = max_body), &t->server), 0);
	EXPECT_EQ(ox_http_server_url(t->server, t->url, sizeof(t->url)), 0);
}

/* ---- a source ---- */

struct source {
	size_t len, done, at_once;
	ox_time pause;
	int fails;                      /* after all has been read; 0: it ends */
	int calls, canceled;
	uint64_t hash;
};

static ssize_t read_source(void *arg, void *buf, size_t cap)
{
	struct source *s = arg;
	size_t n = s->len - s->done < s->at_once ? s->len - s->done : s->at_once;
	char *out = buf;

	s->calls++;
	if (n > cap)
		n = cap;
	if (s->pause && ox_sleep(s->pause) < 0) {
		s->canceled++;
		return OX_ECANCELED;
	}
	if (n == 0)
		return s->fails;
	if (s->done == 0)
		s->hash = 14695981039346656037u;
	for (size_t i = 0; i < n; i++) {
		out[i] = (char)((s->done + i) * 31 >> 3);
		s->hash = (s->hash ^ (unsigned char)out[i]) * 1099511628211u;
	}
	s->done += n;
	return (ssize_t)n;
}

/* ---- it arrives ---- */

static void upload(const struct site *t, const char *method, size_t len, size_t at_once, ox_time pause, bool sized)
{
	struct source s = { .len = len, .at_once = at_once, .pause = pause };
	char expected[200], size[24];
	ox_response *res = NULL;
	int r = ox_http_request(method, t->url,
	                        OX_HTTP_OPTIONS(.read_body = read_source, .read_arg = &s, .body_len = sized ? len : 0,
	                                        .timeout = OX_SEC(30)),
	                        &res);

	EXPECT_EQ(r, 0);
	if (r < 0)
		return;
	snprintf(size, sizeof(size), "%zu", len);
	snprintf(expected, sizeof(expected), "%s %zu %llx %s %s", method, len,
	         (unsigned long long)(len ? s.hash : 14695981039346656037u), sized ? size : "-", sized ? "-" : "chunked");
	EXPECT_STR(ox_response_body(res).data, expected);
	ox_response_free(res);
}

static int upload_all(void *arg)
{
	struct site t;

	(void)arg;
	site_open(&t, tell, OX_MIB(64));
	upload(&t, "POST", 10, 3, 0, true);
	upload(&t, "POST", 10, 3, OX_MS(1), false);
	upload(&t, "POST", 0, 1, 0, false);
	upload(&t, "PUT", 5000000, OX_MIB(1), 0, true);
	upload(&t, "PUT", 5000000, 100001, 0, false);
	upload(&t, "PATCH", 300000, 10000, OX_US(100), false);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_body_in_pieces_arrives_with_and_without_a_length)
{
	run_real(upload_all, NULL);
}
END_TEST

static int send_file(void *arg)
{
	return ox_write(arg, "from a stream", 13) < 0 ? -1 : ox_close(arg);
}

static ssize_t read_stream(void *arg, void *buf, size_t cap)
{
	return ox_read(arg, buf, cap);
}

static int upload_stream(void *arg)
{
	struct site t;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *a = NULL, *b = NULL;
	ox_response *res = NULL;

	(void)arg;
	site_open(&t, echo, 0);
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	ox_spawn(g, send_file, a);
	EXPECT_EQ(POST(t.url, .read_body = read_stream, .read_arg = b), 0);
	EXPECT_STR(ox_response_body(res).data, "from a stream");
	ox_response_free(res);
	ox_close(b);

	struct source s = { .len = 400000, .at_once = 50000 };
	char buf[4096];
	size_t total = 0;
	ssize_t n;

	EXPECT_EQ(ox_http_open("POST", t.url, OX_HTTP_OPTIONS(.read_body = read_source, .read_arg = &s), &res), 0);
	EXPECT_EQ(s.done, s.len);
	while ((n = ox_response_read(res, buf, sizeof(buf))) > 0)
		total += (size_t)n;
	EXPECT_EQ(n, 0);
	EXPECT_EQ(total, 400000);
	ox_response_free(res);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_stream_is_uploaded_and_its_answer_streamed)
{
	run_real(upload_stream, NULL);
}
END_TEST

/* ---- it does not ---- */

static int upload_badly(void *arg)
{
	struct site t;
	struct source fails = { .len = 1000, .at_once = 100, .fails = OX_EAUTH };
	struct source shorter = { .len = 1000, .at_once = 100 };
	ox_response *res = NULL;
	char text[256] = "";

	(void)arg;
	site_open(&t, tell, 0);
	EXPECT_EQ(POST(t.url, .read_body = read_source, .read_arg = &fails, .error_text = text), OX_EAUTH);
	EXPECT_STR(text, "the body could not be read");
	EXPECT_EQ(POST(t.url, .read_body = read_source, .read_arg = &shorter, .body_len = 2000, .error_text = text), OX_EINCOMPLETE);
	EXPECT_STR(text, "the body is shorter than announced");
	EXPECT_EQ(POST(t.url, .read_body = read_source, .body = "x", .body_len = 1), OX_EINVAL);
	EXPECT(res == NULL);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_source_that_fails_ends_the_request_with_its_code)
{
	run_real(upload_badly, NULL);
}
END_TEST

/* Answers when it has the headers, whatever follows. */
static int refuse_early(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_say(stream, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
	raw_wait_end(s, stream);
	return 0;
}

static int reset_soon(struct raw_server *s, ox_stream *stream)
{
	struct linger reset = { .l_onoff = 1 };

	raw_request(s, stream);
	return setsockopt(ox_stream_fd(stream), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static const char *const no_expect[] = { "Expect:", NULL };

static int meet_refusal(void *arg)
{
	struct raw_server s = { 0 };
	struct source endless = { .len = OX_GIB(8), .at_once = 1000, .pause = OX_MS(1) };
	struct source asleep = { .len = 10, .at_once = 10, .pause = OX_SEC(3600) };
	ox_response *res = NULL;
	char buf[16];

	(void)arg;
	raw_open(&s, refuse_early);
	EXPECT_EQ(POST(s.url, .read_body = read_source, .read_arg = &endless, .headers = no_expect), 0);
	EXPECT_EQ(ox_response_status(res), 413);
	EXPECT_STR(ox_response_body(res).data, "no!");
	ox_response_free(res);
	EXPECT_EQ(POST(s.url, .read_body = read_source, .read_arg = &asleep, .headers = no_expect), 0);
	EXPECT_EQ(ox_response_status(res), 413);
	EXPECT_EQ(asleep.canceled, 1);                          /* what the answer made needless */
	ox_response_free(res);
	EXPECT_EQ(ox_http_open("POST", s.url, OX_HTTP_OPTIONS(.read_body = read_source, .read_arg = &asleep, .headers = no_expect),
	                       &res),
	          0);
	EXPECT_EQ(ox_response_status(res), 413);
	EXPECT_EQ(ox_response_read(res, buf, sizeof(buf)), 3);
	ox_response_free(res);
	raw_close(&s);

	raw_open(&s, reset_soon);
	asleep.canceled = 0;
	EXPECT(POST(s.url, .read_body = read_source, .read_arg = &asleep, .headers = no_expect) < 0);
	EXPECT_EQ(asleep.canceled, 1);
	raw_close(&s);
	return 0;
}

START_TEST(an_early_answer_ends_the_upload)
{
	run_real(meet_refusal, NULL);
}
END_TEST

static int silent(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_wait_end(s, stream);
	return 0;
}

static int cancel_upload(void *arg)
{
	struct raw_server s = { 0 };
	struct source asleep = { .len = 10, .at_once = 10, .pause = OX_SEC(3600) };
	ox_response *res = NULL;
	ox_scope scope;
	int r;

	(void)arg;
	raw_open(&s, silent);
	for (ox_time d = OX_MS(50); asleep.canceled == 0; d *= 2) {     /* until it is time enough for the source to fall asleep */
		ox_scope_enter(&scope, d);
		r = POST(s.url, .read_body = read_source, .read_arg = &asleep, .headers = no_expect);
		EXPECT_EQ(r, OX_ECANCELED);
		EXPECT_EQ(ox_scope_leave(&scope, r), OX_ETIMEDOUT);
	}
	for (ox_time d = OX_MS(50); asleep.canceled == 1; d *= 2) {
		r = ox_http_request("POST", s.url, OX_HTTP_OPTIONS(.read_body = read_source, .read_arg = &asleep, .headers = no_expect, .timeout = d),
		                    &res);
		EXPECT_EQ(r, OX_ETIMEDOUT);
		EXPECT(res == NULL);
	}
	EXPECT_EQ(asleep.canceled, 2);
	raw_close(&s);
	return 0;
}

START_TEST(time_ends_an_upload_also_while_its_source_waits)
{
	run_real(cancel_upload, NULL);
}
END_TEST

/* ---- backpressure ---- */

static int take_none(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	ox_sleep(OX_SEC(3600));
	return 0;
}

static int start_upload(void *arg)
{
	struct raw_server *s = arg;
	ox_response *res = NULL;
	static struct source endless;

	endless = (struct source){ .len = OX_GIB(8), .at_once = 65536 };
	s->data = &endless;
	return POST(s->url, .read_body = read_source, .read_arg = &endless, .headers = no_expect);
}

static int upload_to_the_slow(void *arg)
{
	struct raw_server s = { 0 };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f;
	size_t before;
	int still = 0;

	(void)arg;
	raw_open(&s, take_none);
	f = ox_spawn(g, start_upload, &s);
	do {
		before = s.data ? ((const struct source *)s.data)->done : 0;
		ox_sleep(OX_MS(10));
		still = before > 0 && ((const struct source *)s.data)->done == before ? still + 1 : 0;
	} while (still < 10 && before < OX_MIB(200));
	EXPECT(before > 0 && before < OX_MIB(32));
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	raw_close(&s);
	return 0;
}

START_TEST(a_slow_peer_stops_the_source)
{
	run_real(upload_to_the_slow, NULL);
}
END_TEST

/* ---- redirects ---- */

static int redirect(struct raw_server *s, ox_stream *stream)
{
	while (raw_request(s, stream) == 0)
		raw_say(stream, "HTTP/1.1 307 Temporary Redirect\r\nLocation: /there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	return 0;
}

static int meet_redirect(void *arg)
{
	struct raw_server s = { 0 };
	struct source small = { .len = 5, .at_once = 5 };
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, redirect);
	EXPECT_EQ(POST(s.url, .read_body = read_source, .read_arg = &small, .body_len = 5), 0);
	EXPECT_EQ(ox_response_status(res), 307);
	ox_response_free(res);
	raw_close(&s);
	return 0;
}

START_TEST(a_redirect_of_a_body_in_pieces_is_returned)
{
	run_real(meet_redirect, NULL);
}
END_TEST

/* ---- forms ---- */

static int send_form(void *arg)
{
	const struct ox_http_part form[] = {
		{ .name = "name", .data = "Gr\"usse", .len = 7 },
		{ .name = "file", .data = "a,b\n\0\n", .len = 6, .filename = "t.csv" },
		{ .name = "typed", .data = "{}", .len = 2, .type = "application/json" },
		{ .name = "empty" },
		{ 0 },
	};
	struct site t;
	ox_response *res = NULL;
	const char *body;

	(void)arg;
	site_open(&t, echo, 0);
	EXPECT_EQ(ox_http_post(t.url, NULL, 0, OX_HTTP_OPTIONS(.form = form), &res), 0);
	EXPECT(strncmp(ox_response_header(res, "Content-Type"), "multipart/form-data; boundary=", 30) == 0);
	body = ox_response_body(res).data;
	EXPECT(strstr(body, "Content-Disposition: form-data; name=\"name\"\r\n\r\nGr\"usse\r\n"));
	EXPECT(strstr(body, "form-data; name=\"file\"; filename=\"t.csv\"\r\nContent-Type: text/csv\r\n\r\na,b\n"));
	EXPECT(memmem(body, ox_response_body(res).len, "a,b\n\0\n\r\n", 8));
	body = memmem(body, ox_response_body(res).len, "Content-Type: application/json\r\n\r\n{}\r\n", 38);
	EXPECT(body != NULL);
	ox_response_free(res);
	EXPECT_EQ(ox_http_post(t.url, "x", 1, OX_HTTP_OPTIONS(.form = form), &res), OX_EINVAL);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_form_is_sent_part_by_part)
{
	run_real(send_form, NULL);
}
END_TEST

/* ---- memory ---- */

static int upload_without_memory(void *arg)
{
	struct source s = { .len = 200000, .at_once = 30000 };
	OX_AUTO_RESPONSE *res = NULL;
	int r;

	r = POST(arg, .read_body = read_source, .read_arg = &s);
	if (r == -ECONNRESET || (r == 0 && ox_response_status(res) >= 500))     /* the server's share of it */
		return OX_ENOMEM;
	return r;
}

static int serve_one(void *arg)
{
	struct site t;
	int r = ox_http_serve("127.0.0.1:0", tell, NULL, &t.server);

	(void)arg;
	if (r < 0)
		return r;
	ox_http_server_url(t.server, t.url, sizeof(t.url));
	r = upload_without_memory(t.url);
	ox_http_server_close(t.server);
	return r;
}

/* ---- cancelled anywhere ---- */

static int send_pieces(const struct site *t)
{
	struct source s = { .len = 300000, .at_once = 30000, .pause = OX_US(100) };
	OX_AUTO_RESPONSE *res = NULL;

	return POST(t->url, .read_body = read_source, .read_arg = &s);
}

static int send_sized(const struct site *t)
{
	struct source s = { .len = 1000000, .at_once = 1000000 };
	OX_AUTO_RESPONSE *res = NULL;

	return POST(t->url, .read_body = read_source, .read_arg = &s, .body_len = s.len);
}

static int send_parts(const struct site *t)
{
	static char data[300000];
	const ox_http_part parts[] = { { .name = "a", .data = data, .len = sizeof(data), .filename = "a.txt" }, { 0 } };
	OX_AUTO_RESPONSE *res = NULL;

	return POST(t->url, .form = parts);
}

static int send_and_read(const struct site *t)
{
	static char data[900000], buf[10000];
	OX_AUTO_RESPONSE *res = NULL;
	ssize_t n = ox_http_open("PUT", t->url, OX_HTTP_OPTIONS(.body = data, .body_len = sizeof(data)), &res);

	while (n >= 0 && (n = ox_response_read(res, buf, sizeof(buf))) > 0)
		;
	return (int)n;
}

static int (*const ways[])(const struct site *) = { send_pieces, send_sized, send_parts, send_and_read };

/* The deadline comes a little later each time, until all is done in time. */
static int cancel_anywhere(void *arg)
{
	struct site t;

	(void)arg;
	site_open(&t, echo, 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int r = OX_ETIMEDOUT;

		for (ox_time after = 0; r != 0 && after < OX_SEC(10); after += OX_US(100) + after / (under_valgrind() ? 2 : 16)) {
			OX_AUTO_RESPONSE *res = NULL;
			ox_scope s;

			ox_scope_enter(&s, after);
			r = ox_scope_leave(&s, ways[i](&t));
			EXPECT(r == 0 || r == OX_ETIMEDOUT);
			EXPECT_EQ(POST(t.url, .body = "x", .body_len = 1), 0);
			EXPECT(res && ox_response_body(res).len == 1);
		}
		EXPECT_EQ(r, 0);
	}
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(whatever_is_sent_may_be_cancelled_at_any_moment)
{
	run_real(cancel_anywhere, NULL);
}
END_TEST

START_TEST(each_allocation_of_an_upload_fails_once)
{
	fails_cleanly_real(serve_one, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http uploads");
	TCase *c = new_case(s, "uploads", 120);

	forget_proxies();
	tcase_add_test(c, a_body_in_pieces_arrives_with_and_without_a_length);
	tcase_add_test(c, a_stream_is_uploaded_and_its_answer_streamed);
	tcase_add_test(c, a_source_that_fails_ends_the_request_with_its_code);
	tcase_add_test(c, an_early_answer_ends_the_upload);
	tcase_add_test(c, time_ends_an_upload_also_while_its_source_waits);
	tcase_add_test(c, a_slow_peer_stops_the_source);
	tcase_add_test(c, a_redirect_of_a_body_in_pieces_is_returned);
	tcase_add_test(c, a_form_is_sent_part_by_part);
	tcase_add_test(c, whatever_is_sent_may_be_cancelled_at_any_moment);
	tcase_add_test(c, each_allocation_of_an_upload_fails_once);
	return run_suite(s);
}
