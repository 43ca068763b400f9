/* SPDX-License-Identifier: MIT */
/* The HTTP client against servers that misbehave: each is a few lines on a raw listener in the same loop. */
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/http/peers.h"

#define GET(url, ...) ox_http_get((url), OX_HTTP_OPTIONS(__VA_ARGS__), &res)

/* ---- answers ---- */

static int answer_hello(struct raw_server *s, ox_stream *stream)
{
	while (raw_request(s, stream) == 0)
		raw_say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-First: 1\r\nX-first: 2\r\n\r\nhello");
	return 0;
}

static int reset_after_request(struct raw_server *s, ox_stream *stream)
{
	struct linger reset = { .l_onoff = 1 };

	raw_request(s, stream);
	return setsockopt(ox_stream_fd(stream), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static int close_after_request(struct raw_server *s, ox_stream *stream)
{
	return raw_request(s, stream);
}

static int stop_in_length(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	return raw_say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
}

static int stop_in_chunk(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	return raw_say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
}

static int bad_chunk(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n");
	raw_wait_end(s, stream);
	return 0;
}

static int garbage(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	return raw_say(stream, "hello, is this the time server?\r\n\r\n");
}

static int silent(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_wait_end(s, stream);
	return 0;
}

static int endless(struct raw_server *s, ox_stream *stream)
{
	static char chunk[8 + 4096 + 2];

	snprintf(chunk, sizeof(chunk), "1000\r\n");
	memset(chunk + 6, 'x', 4096);
	memcpy(chunk + 6 + 4096, "\r\n", 2);
	raw_request(s, stream);
	raw_say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (ox_write(stream, chunk, 6 + 4096 + 2) > 0)
		s->written += 4096;
	s->saw_end = true;
	return 0;
}

static int promise_a_terabyte(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nx");
	raw_wait_end(s, stream);
	return 0;
}

static int redirect_to_itself(struct raw_server *s, ox_stream *stream)
{
	while (raw_request(s, stream) == 0)
		raw_say(stream, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 2\r\n\r\nno");
	return 0;
}

static int redirect_to_file(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	return raw_say(stream, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
}

static int redirect_once(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_say(stream, "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 4\r\n\r\nhere");
	return answer_hello(s, stream);
}

/* A prepared answer: the headers are in it. */
static int say_data(struct raw_server *s, ox_stream *stream)
{
	while (raw_request(s, stream) == 0)
		ox_write(stream, s->data, s->len);
	return 0;
}

static int interim_then_slow(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_say(stream, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	raw_say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Here: yes\r\n\r\n");
	raw_request(s, stream);                 /* until the client goes */
	return 0;
}

/* ---- one answer, one result ---- */

struct expectation {
	int (*serve)(struct raw_server *, ox_stream *);
	int result;
	size_t max_body;
	ox_time timeout;
	long min_speed;
	bool says;                      /* error_text must say more than the code's own text */
};

static int expect_result(void *arg)
{
	const struct expectation *e = arg;
	struct raw_server s = { 0 };
	char text[256] = "";
	ox_response *res = NULL;

	raw_open(&s, e->serve);
	EXPECT_EQ(GET(s.url, .max_body = e->max_body, .timeout = e->timeout ? e->timeout : OX_SEC(20), .error_text = text,
		      .min_speed = e->min_speed, .min_speed_time = OX_SEC(1)), e->result);
	EXPECT(res == NULL);
	EXPECT(text[0]);
	if (e->says)
		EXPECT(strcmp(text, ox_strerror(e->result)) != 0);
	raw_close(&s);
	return 0;
}

START_TEST(each_misbehaviour_has_its_code)
{
	static const struct expectation all[] = {
		{ reset_after_request, -ECONNRESET, .says = true },
		{ close_after_request, -ECONNRESET, .says = true },
		{ stop_in_length, OX_EINCOMPLETE, .says = true },
		{ stop_in_chunk, OX_EINCOMPLETE, .says = true },
		{ bad_chunk, OX_EPROTO, .says = true },
		{ garbage, OX_EPROTO, .says = true },
		{ silent, OX_ETIMEDOUT, .timeout = OX_MS(50), .says = true },
		{ silent, OX_ETIMEDOUT, .min_speed = 1000, .says = true },
		{ endless, OX_ETOOBIG, .max_body = 100000, .says = true },
		{ promise_a_terabyte, OX_ETOOBIG, .says = true },
		{ redirect_to_itself, -ELOOP, .says = true },
		{ redirect_to_file, OX_EPROTO, .says = true },
	};

	run_real(expect_result, (void *)(uintptr_t)&all[_i]);
}
END_TEST

static int connect_to_nobody(void *arg)
{
	struct raw_server s = { 0 };
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, answer_hello);
	raw_close(&s);
	EXPECT_EQ(GET(s.url, .timeout = OX_SEC(20)), -ECONNREFUSED);
	return 0;
}

START_TEST(a_refused_connection_is_econnrefused)
{
	run_real(connect_to_nobody, NULL);
}
END_TEST

static int ask_wrongly(void *arg)
{
	static const char *const urls[] = { "", "example.org", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://a b/",
		                            "http://[::1/", "http://127.0.0.1:99999/" };
	static const char *const bad_header[] = { "Fine: yes", "Bad\r\nHost: evil", NULL };
	char text[256];
	ox_response *res = NULL;

	(void)arg;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		text[0] = 0;
		EXPECT_EQ(GET(urls[i], .error_text = text), OX_EINVAL);
		EXPECT(text[0]);
	}
	EXPECT_EQ(GET("http://127.0.0.1:1/", .headers = bad_header, .error_text = text), OX_EINVAL);
	EXPECT(strncmp(text, "not a header", 12) == 0);
	EXPECT_EQ(GET("http://127.0.0.1:1/", .timeout = -1), OX_EINVAL);
	EXPECT_EQ(GET("http://127.0.0.1:1/", .min_speed = -1), OX_EINVAL);
	EXPECT_EQ(ox_http_request("get it", "http://127.0.0.1:1/", NULL, &res), OX_EINVAL);
	EXPECT_EQ(GET("http://no-such-host.invalid/", .timeout = OX_SEC(30), .error_text = text), OX_EDNS);
	EXPECT(res == NULL);
	return 0;
}

START_TEST(bad_requests_are_refused_and_explained)
{
	run_real(ask_wrongly, NULL);
}
END_TEST

START_TEST(outside_of_a_coroutine_requests_are_estate)
{
	ox_response *res = NULL;

	ck_assert_int_eq(ox_http_get("http://127.0.0.1:1/", NULL, &res), OX_ESTATE);
}
END_TEST

/* ---- what comes back ---- */

static void expect_headers(const ox_response *res)
{
	static const char *const expected[][2] = { { "Content-Length", "5" }, { "X-First", "1" }, { "X-first", "2" } };
	const char *name, *value;
	const void *at = NULL;

	for (int i = 0; i < 3; i++) {
		EXPECT(ox_response_header_next(res, &at, &name, &value));
		EXPECT(strcasecmp(name, expected[i][0]) == 0);
		EXPECT_STR(value, expected[i][1]);
	}
	EXPECT(!ox_response_header_next(res, &at, &name, &value));
}

static int ask_twice(void *arg)
{
	struct raw_server s = { 0 };
	ox_http_times first, second;
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, answer_hello);
	EXPECT_EQ(GET(s.url, 0), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	EXPECT_EQ(ox_response_body(res).len, 5);
	EXPECT_STR(ox_response_body(res).data, "hello");
	EXPECT_STR(ox_response_header(res, "x-FIRST"), "1");
	EXPECT(ox_response_header(res, "X-Second") == NULL);
	expect_headers(res);
	EXPECT_STR(ox_response_url(res), s.url);
	EXPECT_STR(ox_response_ip(res), "127.0.0.1");
	ox_response_times(res, &first);
	EXPECT(first.connect > 0 && first.tls == 0 && first.first_byte >= first.connect && first.total >= first.first_byte);
	EXPECT_EQ(first.wire_bytes, 5);
	ox_response_free(res);

	EXPECT_EQ(GET(s.url, 0), 0);
	ox_response_times(res, &second);
	EXPECT(second.connect == 0 && second.dns == 0);
	EXPECT_EQ(s.connections, 1);
	EXPECT_EQ(s.requests, 2);
	ox_response_free(res);
	ox_response_free(NULL);
	raw_close(&s);
	return 0;
}

START_TEST(a_response_has_body_headers_and_times_and_its_connection_is_kept)
{
	run_real(ask_twice, NULL);
}
END_TEST

static int follow(void *arg)
{
	struct raw_server s = { 0 };
	char there[80];
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, redirect_once);
	snprintf(there, sizeof(there), "%sthere", s.url);
	EXPECT_EQ(GET(s.url, .max_redirects = 1), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	EXPECT_STR(ox_response_url(res), there);
	EXPECT_STR(ox_response_body(res).data, "hello");
	EXPECT(ox_response_header(res, "Location") == NULL);
	ox_response_free(res);
	raw_close(&s);

	raw_open(&s, redirect_once);
	EXPECT_EQ(GET(s.url, .max_redirects = -1), 0);
	EXPECT_EQ(ox_response_status(res), 302);
	EXPECT_STR(ox_response_header(res, "location"), "/there");
	EXPECT_STR(ox_response_body(res).data, "here");
	ox_response_free(res);
	raw_close(&s);

	raw_open(&s, redirect_once);
	EXPECT_EQ(ox_http_open("GET", s.url, NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	ox_response_free(res);
	raw_close(&s);

	raw_open(&s, redirect_once);
	EXPECT_EQ(ox_http_request("PUT", s.url, NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 302);
	ox_response_free(res);
	raw_close(&s);
	return 0;
}

START_TEST(redirects_are_followed_or_returned)
{
	run_real(follow, NULL);
}
END_TEST

/* ---- decoding ---- */

static const struct coding {
	const char *name, *program;
} codings[] = {
	{ "gzip", "gzip -9" },
	{ "br", "brotli -c -q 5" },
	{ "zstd", "zstd -c -q" },
};

/* The answer with zeros bytes of 0 behind an encoding. */
static void make_zeros(struct raw_server *s, const struct coding *coding, size_t zeros)
{
	char folder[64], command[128], head[128], *body;
	size_t len = 0, n;

	folder_make(folder);
	snprintf(command, sizeof(command), "head -c %zu /dev/zero | %s > %s/z", zeros, coding->program, folder);
	ck_assert_int_eq(system(command), 0);
	body = file_read(folder, "z", &len);
	n = (size_t)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
	                     coding->name, len);
	s->data = malloc(n + len);
	memcpy((char *)s->data, head, n);
	memcpy((char *)s->data + n, body, len);
	s->len = n + len;
	free(body);
	folder_remove(folder);
}

static int decode(void *arg)
{
	struct raw_server *s = arg;
	ox_http_times times;
	ox_response *res = NULL;

	raw_open(s, say_data);
	EXPECT_EQ(GET(s->url, .max_body = 300000), 0);
	EXPECT_EQ(ox_response_body(res).len, 300000);
	ox_response_times(res, &times);
	EXPECT(times.wire_bytes > 0 && times.wire_bytes < 3000);
	ox_response_free(res);
	res = NULL;
	EXPECT_EQ(GET(s->url, .max_body = 299999), OX_ETOOBIG);
	EXPECT(res == NULL);
	raw_close(s);
	return 0;
}

START_TEST(bodies_are_decoded_and_the_limit_counts_decoded_bytes)
{
	struct raw_server s = { 0 };

	make_zeros(&s, &codings[_i], 300000);
	run_real(decode, &s);
	free((void *)(uintptr_t)s.data);
}
END_TEST

static int meet_bomb(void *arg)
{
	struct raw_server *s = arg;
	ox_response *res = NULL;
	char buf[4096];
	ssize_t n;
	size_t total = 0;

	raw_open(s, say_data);
	EXPECT_EQ(GET(s->url, .max_body = OX_MIB(1)), OX_ETOOBIG);
	EXPECT_EQ(ox_http_open("GET", s->url, OX_HTTP_OPTIONS(.max_body = OX_MIB(1)), &res), 0);
	while ((n = ox_response_read(res, buf, sizeof(buf))) > 0)
		total += (size_t)n;
	EXPECT_EQ(n, OX_ETOOBIG);
	EXPECT(total <= OX_MIB(1));
	ox_response_free(res);
	raw_close(s);
	return 0;
}

START_TEST(a_decompression_bomb_stops_at_the_limit)
{
	struct raw_server s = { 0 };

	make_zeros(&s, &codings[_i], 200000000);
	run_real(meet_bomb, &s);
	free((void *)(uintptr_t)s.data);
}
END_TEST

/* Repeats s->data until nobody takes it, up to 40 MB. */
static int say_forever(struct raw_server *s, ox_stream *stream)
{
	static char many[65536];
	size_t len = strlen(s->data), n = 0;

	while (n + len < sizeof(many)) {
		memcpy(many + n, s->data, len);
		n += len;
	}
	raw_request(s, stream);
	if (*(const char *)s->data == 'X')
		raw_say(stream, "HTTP/1.1 200 OK\r\n");
	while (s->written < 40000000 && ox_write(stream, many, n) == (ssize_t)n)
		s->written += n;
	return 0;
}

static int endless_headers(void *arg)
{
	static const char *const says[] = {
		"X-Name: 0123456789abcdef0123456789abcdef\r\n",
		"X",
		"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\n",
	};

	(void)arg;
	for (size_t i = 0; i < 2 * sizeof(says) / sizeof(says[0]); i++) {
		struct raw_server s = { .data = says[i / 2] };
		ox_response *res = NULL;
		int r;

		raw_open(&s, say_forever);
		if (i % 2 == 0)
			r = GET(s.url, .timeout = OX_SEC(60));
		else
			r = ox_http_open("GET", s.url, OX_HTTP_OPTIONS(.timeout = OX_SEC(60)), &res);
		EXPECT(r == OX_EPROTO || (r == OX_ENOMEM && i / 2 == 1));       /* a line beyond libcurl's limit */
		EXPECT(s.written < 10000000);
		raw_close(&s);
	}
	return 0;
}

START_TEST(headers_without_end_stop_at_a_limit)
{
	run_real(endless_headers, NULL);
}
END_TEST

/* ---- who may be connected to ---- */

struct guard {
	int answer, asked;
};

static int ask_guard(void *arg, const struct sockaddr *address, size_t len)
{
	struct guard *g = arg;

	EXPECT(address->sa_family == AF_INET && len >= 16);
	g->asked++;
	return g->answer;
}

static int guarded(void *arg)
{
	struct raw_server s = { 0 };
	struct guard no = { .answer = -EACCES }, own = { .answer = OX_EAUTH }, yes = { 0 };
	char text[256];
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, answer_hello);
	EXPECT_EQ(GET(s.url, .allow_address = ask_guard, .allow_arg = &no, .error_text = text), -EACCES);
	EXPECT_EQ(no.asked, 1);
	EXPECT_STR(text, "the address is not allowed");
	EXPECT_EQ(GET(s.url, .allow_address = ask_guard, .allow_arg = &own), OX_EAUTH);

	EXPECT_EQ(GET(s.url, .allow_address = ask_guard, .allow_arg = &yes), 0);
	EXPECT(yes.asked >= 1);
	EXPECT_EQ(s.connections, 1);            /* the refused ones never connected */
	ox_response_free(res);

	res = NULL;
	EXPECT_EQ(GET(s.url, .allow_address = ask_guard, .allow_arg = &no), -EACCES);   /* nor is the kept one used */
	EXPECT(res == NULL);
	EXPECT_EQ(s.requests, 1);
	raw_close(&s);
	return 0;
}

START_TEST(refused_addresses_see_no_connection_and_no_request)
{
	run_real(guarded, NULL);
}
END_TEST

/* ---- time and cancellation ---- */

static int within_deadline(void *arg)
{
	struct raw_server s = { 0 };
	ox_response *res = NULL;
	ox_scope scope;
	int r;

	(void)arg;
	raw_open(&s, silent);
	ox_scope_enter(&scope, OX_MS(50));
	r = GET(s.url, 0);
	EXPECT_EQ(r, OX_ECANCELED);
	EXPECT_EQ(GET(s.url, 0), OX_ECANCELED);         /* still inside: at once */
	EXPECT_EQ(ox_scope_leave(&scope, r), OX_ETIMEDOUT);
	while (!s.saw_end && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(s.connections, 1);
	raw_close(&s);
	return 0;
}

START_TEST(the_deadline_of_the_scope_ends_a_request)             /* S15 */
{
	run_real(within_deadline, NULL);
}
END_TEST

static int get_silent(void *arg)
{
	struct raw_server *s = arg;
	ox_response *res = NULL;

	return GET(s->url, .timeout = OX_NEVER);
}

static int cancel_request(void *arg)
{
	struct raw_server s = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f;

	(void)arg;
	raw_open(&s, silent);
	f = ox_spawn(g, get_silent, &s);
	while (s.requests == 0 && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT(ox_future_cancel(f));
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	while (!s.saw_end && ox_sleep(OX_MS(1)) == 0)
		;
	f = ox_spawn(g, get_silent, &s);                /* and one that is cancelled before it started */
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(s.connections, 1);
	raw_close(&s);
	return 0;
}

START_TEST(cancelling_closes_the_connection)                     /* S01 */
{
	run_real(cancel_request, NULL);
}
END_TEST

/* ---- look-ups ---- */

static pthread_mutex_t lookup = PTHREAD_MUTEX_INITIALIZER;
static int lookups;

/* In the place of libc's: it answers when the test lets it. */
OX_API int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	if (strcmp(host, "slow.invalid") != 0)
		return next(host, service, hints, ret);
	__atomic_add_fetch(&lookups, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&lookup);
	pthread_mutex_unlock(&lookup);
	__atomic_sub_fetch(&lookups, 1, __ATOMIC_SEQ_CST);
	return EAI_NONAME;
}

static int look_up_slowly(void *arg)
{
	ox_response *res = NULL;
	ox_scope s;
	int r;

	(void)arg;
	ox_scope_enter(&s, OX_MS(50));
	r = GET("http://slow.invalid/", .timeout = OX_NEVER);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_EQ(GET("http://slow.invalid/", .timeout = OX_MS(50)), OX_ETIMEDOUT);
	EXPECT_EQ(__atomic_load_n(&lookups, __ATOMIC_SEQ_CST), 2);       /* both are still asking */
	return 0;
}

START_TEST(a_look_up_that_hangs_holds_nothing_up)
{
	pthread_mutex_lock(&lookup);
	run_real(look_up_slowly, NULL);
	pthread_mutex_unlock(&lookup);
	while (__atomic_load_n(&lookups, __ATOMIC_SEQ_CST) > 0)
		ck_assert_int_eq(sched_yield(), 0);
}
END_TEST

/* ---- no descriptors ---- */

static int without_descriptors(void *arg)
{
	struct raw_server s = { 0 };
	struct rlimit was, none;
	char text[256] = "";
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, answer_hello);
	EXPECT_EQ(GET("http://127.0.0.1:1/", 0), -ECONNREFUSED);        /* what is made at first use is made */
	getrlimit(RLIMIT_NOFILE, &was);
	none = (struct rlimit){ 3, was.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	EXPECT_EQ(GET(s.url, .error_text = text), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &was);
	EXPECT_STR(text, ox_strerror(-EMFILE));
	EXPECT_EQ(GET(s.url, 0), 0);
	ox_response_free(res);
	raw_close(&s);
	return 0;
}

START_TEST(without_descriptors_a_request_is_emfile)
{
	run_real(without_descriptors, NULL);
}
END_TEST

/* ---- streaming ---- */

static int stream_all(void *arg)
{
	struct raw_server s = { 0 };
	ox_response *res = NULL;
	char buf[10000];
	size_t total = 0, before;
	ssize_t n;
	int still = 0;

	(void)arg;
	raw_open(&s, endless);
	EXPECT_EQ(ox_http_open("GET", s.url, OX_HTTP_OPTIONS(.max_body = OX_GIB(1)), &res), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	do {                                            /* unread, the server comes to a halt */
		before = s.written;
		ox_sleep(OX_MS(10));
		still = s.written == before ? still + 1 : 0;
	} while (still < 10 && s.written < OX_MIB(200));
	EXPECT(s.written < OX_MIB(32));
	while (total < s.written + OX_MIB(1) && (n = ox_response_read(res, buf, sizeof(buf))) > 0) {
		EXPECT(buf[0] == 'x' && buf[n - 1] == 'x');
		total += (size_t)n;
	}
	EXPECT(total > before);                         /* read, it goes on */
	EXPECT(ox_response_body(res).len == 0);
	ox_response_free(res);                          /* in the middle */
	while (!s.saw_end && ox_sleep(OX_MS(1)) == 0)
		;
	raw_close(&s);
	return 0;
}

START_TEST(an_unread_stream_stops_the_server_and_goes_on_when_read)
{
	run_real(stream_all, NULL);
}
END_TEST

static int headers_first(void *arg)
{
	struct raw_server s = { 0 };
	ox_response *res = NULL;
	ox_scope scope;
	char buf[16];
	int r;

	(void)arg;
	raw_open(&s, interim_then_slow);
	EXPECT_EQ(ox_http_open("GET", s.url, NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	EXPECT_STR(ox_response_header(res, "X-Here"), "yes");
	EXPECT(ox_response_header(res, "Link") == NULL);
	ox_scope_enter(&scope, OX_MS(20));
	r = (int)ox_response_read(res, buf, sizeof(buf));
	EXPECT_EQ(ox_scope_leave(&scope, r), OX_ETIMEDOUT);
	EXPECT_EQ(ox_response_read(res, buf, sizeof(buf)), OX_ECANCELED);       /* it stays closed */
	ox_response_free(res);

	EXPECT_EQ(ox_http_get(s.url, OX_HTTP_OPTIONS(.timeout = OX_MS(20)), &res), OX_ETIMEDOUT);
	raw_close(&s);
	return 0;
}

START_TEST(an_opened_response_has_its_headers_before_its_body)
{
	run_real(headers_first, NULL);
}
END_TEST

static int short_stream(void *arg)
{
	struct raw_server s = { 0 };
	ox_response *res = NULL;
	char buf[3], text[256] = "";

	(void)arg;
	raw_open(&s, answer_hello);
	EXPECT_EQ(ox_http_open("GET", s.url, NULL, &res), 0);
	EXPECT_EQ(ox_response_read(res, buf, 0), 0);
	EXPECT_EQ(ox_response_read(res, buf, 3), 3);
	EXPECT_EQ(ox_response_read(res, buf, 3), 2);
	EXPECT_EQ(ox_response_read(res, buf, 3), 0);
	EXPECT_EQ(ox_response_read(res, buf, 3), 0);
	ox_response_free(res);
	EXPECT_EQ(GET(s.url, 0), 0);
	EXPECT_EQ(ox_response_read(res, buf, 3), OX_ESTATE);
	ox_response_free(res);
	raw_close(&s);

	raw_open(&s, stop_in_length);
	EXPECT_EQ(ox_http_open("GET", s.url, OX_HTTP_OPTIONS(.error_text = text), &res), 0);
	while (ox_response_read(res, buf, 3) > 0)
		;
	EXPECT_EQ(ox_response_read(res, buf, 3), OX_EINCOMPLETE);
	EXPECT(text[0]);
	ox_response_free(res);
	raw_close(&s);
	return 0;
}

START_TEST(a_stream_ends_with_zero_or_with_its_error)
{
	run_real(short_stream, NULL);
}
END_TEST

static ox_response *kept;

static int leave_open(void *arg)
{
	struct raw_server s = { 0 };

	(void)arg;
	raw_open(&s, endless);
	EXPECT_EQ(ox_http_open("GET", s.url, NULL, &kept), 0);
	raw_close(&s);
	return 0;
}

START_TEST(a_response_may_outlive_its_loop)
{
	run_real(leave_open, NULL);
	ck_assert_int_eq(ox_response_status(kept), 200);
	ox_response_free(kept);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http client");
	TCase *c = new_case(s, "client", 120);

	forget_proxies();
	tcase_add_loop_test(c, each_misbehaviour_has_its_code, 0, 12);
	tcase_add_test(c, a_refused_connection_is_econnrefused);
	tcase_add_test(c, bad_requests_are_refused_and_explained);
	tcase_add_test(c, outside_of_a_coroutine_requests_are_estate);
	tcase_add_test(c, a_response_has_body_headers_and_times_and_its_connection_is_kept);
	tcase_add_test(c, redirects_are_followed_or_returned);
	tcase_add_loop_test(c, bodies_are_decoded_and_the_limit_counts_decoded_bytes, 0, 3);
	tcase_add_loop_test(c, a_decompression_bomb_stops_at_the_limit, 0, 3);
	tcase_add_test(c, headers_without_end_stop_at_a_limit);
	tcase_add_test(c, refused_addresses_see_no_connection_and_no_request);
	tcase_add_test(c, the_deadline_of_the_scope_ends_a_request);
	tcase_add_test(c, cancelling_closes_the_connection);
	tcase_add_test(c, a_look_up_that_hangs_holds_nothing_up);
	tcase_add_test(c, without_descriptors_a_request_is_emfile);
	tcase_add_test(c, an_unread_stream_stops_the_server_and_goes_on_when_read);
	tcase_add_test(c, an_opened_response_has_its_headers_before_its_body);
	tcase_add_test(c, a_stream_ends_with_zero_or_with_its_error);
	tcase_add_test(c, a_response_may_outlive_its_loop);
	return run_suite(s);
}
