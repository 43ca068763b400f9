/* SPDX-License-Identifier: MIT */
/* What a request may be told: cookies, proxies, clients with limits, retries, names and passwords, Unix sockets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/http/peers.h"

#define GET(url, ...) ox_http_get((url), OX_HTTP_OPTIONS(__VA_ARGS__), &res)

/* Tells what it was sent: "HEADER: value" of the header in s->data. */
static int tell_header(struct raw_server *s, ox_stream *stream)
{
	ox_bytes headers;
	char text[1000], answer[1300];

	while (ox_read_until(stream, (ox_bytes){ "\r\n\r\n", 4 }, OX_KIB(64), &headers) == 0) {
		const char *at = memmem(headers.data, headers.len, s->data, strlen(s->data)), *first = headers.data;

		s->requests++;
		snprintf(text, sizeof(text), "%.*s %.*s", (int)strcspn(first, "\r"), first, at ? (int)strcspn(at, "\r") : 1,
		         at ? at : "-");
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
		raw_say(stream, answer);
	}
	return 0;
}

/* ---- cookies ---- */

static int bake(ox_request *q, void *arg)
{
	const char *cookie = ox_request_header(q, "Cookie");

	(void)arg;
	if (strcmp(ox_request_path(q), "/login") == 0) {
		ox_request_add_header(q, "Set-Cookie", "session=abc; Path=/");
		ox_request_add_header(q, "Set-Cookie", "kept=1; Max-Age=3600; Path=/; HttpOnly");
		ox_request_add_header(q, "Set-Cookie", "evil=1; Domain=com");
	}
	return ox_request_reply(q, 200, NULL, cookie ? cookie : "-", cookie ? strlen(cookie) : 1);
}

static int scope_cookies(void *arg)
{
	struct raw_server s = { .data = "Cookie: " };
	const char *folder = arg;
	char other[100], path[120], file[100], *jarred;
	ox_cookies *jar = ox_cookies_new();
	ox_response *res = NULL;

	raw_open(&s, tell_header);
	jarred = malloc(1000);
	snprintf(jarred, 1000,
	         "127.0.0.1\tFALSE\t/\tFALSE\t0\there\t1\n127.0.0.1\tFALSE\t/deep\tFALSE\t0\tdeep\t1\n"
	         "example.com\tTRUE\t/\tFALSE\t0\tother\t1\n.0.0.1\tTRUE\t/\tFALSE\t0\ttail\t1\n"
	         "127.0.0.1\tFALSE\t/\tFALSE\t1\tpast\t1\nno cookie\n");
	file_write(folder, "scopes", jarred, strlen(jarred));
	free(jarred);
	snprintf(file, sizeof(file), "%s/scopes", folder);
	EXPECT_EQ(ox_cookies_load(jar, file), 0);
	EXPECT_EQ(GET(s.url, .cookies = jar), 0);
	EXPECT_STR(ox_response_body(res).data, "GET / HTTP/1.1 Cookie: here=1");
	ox_response_free(res);
	snprintf(path, sizeof(path), "%sdeep/er", s.url);
	EXPECT_EQ(GET(path, .cookies = jar), 0);
	EXPECT(strstr(ox_response_body(res).data, "here=1") && strstr(ox_response_body(res).data, "deep=1"));
	ox_response_free(res);
	snprintf(path, sizeof(path), "%sdeeper", s.url);
	EXPECT_EQ(GET(path, .cookies = jar), 0);
	EXPECT_STR(ox_response_body(res).data, "GET /deeper HTTP/1.1 Cookie: here=1");
	ox_response_free(res);
	snprintf(other, sizeof(other), "http://localhost:%s", strrchr(s.url, ':') + 1);
	EXPECT_EQ(GET(other, .cookies = jar), 0);               /* the same server by another name */
	EXPECT_STR(ox_response_body(res).data, "GET / HTTP/1.1 -");
	ox_response_free(res);
	ox_cookies_free(jar);
	raw_close(&s);
	return 0;
}

START_TEST(cookies_go_to_their_host_and_path_only)
{
	char folder[64];

	folder_make(folder);
	run_real(scope_cookies, folder);
	folder_remove(folder);
}
END_TEST

static int eat_cookies(void *arg)
{
	const char *folder = arg;
	char base[80], url[100], file[100], *text;
	ox_cookies *jar = ox_cookies_new(), *other = ox_cookies_new();
	ox_http_server *server;
	ox_response *res = NULL;
	struct stat st;
	size_t len;

	EXPECT_EQ(ox_http_serve("127.0.0.1:0", bake, NULL, &server), 0);
	ox_http_server_url(server, base, sizeof(base));
	snprintf(url, sizeof(url), "%s/login", base);
	EXPECT_EQ(GET(url, .cookies = jar), 0);
	EXPECT_STR(ox_response_body(res).data, "-");
	ox_response_free(res);
	EXPECT_EQ(GET(base, .cookies = jar), 0);
	EXPECT(strstr(ox_response_body(res).data, "session=abc") && strstr(ox_response_body(res).data, "kept=1") &&
	       !strstr(ox_response_body(res).data, "evil"));
	ox_response_free(res);
	EXPECT_EQ(GET(base, 0), 0);                             /* another request's are not sent */
	EXPECT_STR(ox_response_body(res).data, "-");
	ox_response_free(res);

	snprintf(file, sizeof(file), "%s/jar", folder);
	EXPECT_EQ(ox_cookies_load(other, file), -ENOENT);
	EXPECT_EQ(ox_cookies_save(jar, file), 0);
	EXPECT(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600);
	text = file_read(folder, "jar", &len);
	EXPECT(text && strncmp(text, "# Netscape HTTP Cookie File\n", 28) == 0 && strstr(text, "#HttpOnly_127.0.0.1\t"));
	free(text);
	EXPECT_EQ(ox_cookies_load(other, file), 0);
	EXPECT_EQ(GET(base, .cookies = other), 0);
	EXPECT(strstr(ox_response_body(res).data, "session=abc") && strstr(ox_response_body(res).data, "kept=1"));
	EXPECT_EQ(ox_cookies_save(jar, "/no/such/folder/jar"), -ENOENT);
	ox_cookies_free(other);                                 /* while the response has it */
	ox_response_free(res);
	ox_cookies_free(jar);
	ox_cookies_free(NULL);
	ox_http_server_close(server);
	return 0;
}

START_TEST(a_jar_keeps_cookies_and_a_file_keeps_the_jar)
{
	char folder[64];

	folder_make(folder);
	run_real(eat_cookies, folder);
	folder_remove(folder);
}
END_TEST

/* ---- ways ---- */

static int by_proxy(void *arg)
{
	struct raw_server s = { .data = "Proxy-Authorization: " };
	char proxy[128];
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, tell_header);
	snprintf(proxy, sizeof(proxy), "http://user:p%%40ss@%s", s.url + strlen("http://"));
	EXPECT_EQ(GET("http://example.invalid/x", .proxy = proxy), 0);
	EXPECT_STR(ox_response_body(res).data, "GET http://example.invalid/x HTTP/1.1 Proxy-Authorization: Basic dXNlcjpwQHNz");
	ox_response_free(res);

	setenv("http_proxy", s.url, 1);
	EXPECT_EQ(GET("http://example.invalid/env", 0), 0);
	EXPECT_STR(ox_response_body(res).data, "GET http://example.invalid/env HTTP/1.1 -");
	ox_response_free(res);
	EXPECT_EQ(GET("http://example.invalid/", .proxy = ""), OX_EDNS);        /* none */
	setenv("no_proxy", "example.invalid", 1);
	EXPECT_EQ(GET("http://example.invalid/", 0), OX_EDNS);
	EXPECT_EQ(GET("http://example.invalid/", .proxy = proxy), 0);           /* asked for is asked for */
	ox_response_free(res);
	unsetenv("http_proxy");
	unsetenv("no_proxy");
	raw_close(&s);
	return 0;
}

START_TEST(a_proxy_is_used_as_asked)
{
	run_real(by_proxy, NULL);
}
END_TEST

static int answer_unix(void *arg)
{
	ox_listener *l = arg;
	OX_AUTO_STREAM *s = NULL;
	ox_bytes headers;

	EXPECT_EQ(ox_accept(l, &s), 0);
	EXPECT_EQ(ox_read_until(s, (ox_bytes){ "\r\n\r\n", 4 }, OX_KIB(64), &headers), 0);
	EXPECT(memmem(headers.data, headers.len, "Host: docker\r\n", 14));
	return raw_say(s, "HTTP/1.0 200 OK\r\n\r\nby unix");
}

static int by_unix(void *arg)
{
	const char *folder = arg;
	OX_AUTO_GROUP *g = ox_group_open();
	char path[100], address[120];
	ox_listener *l = NULL;
	ox_response *res = NULL;

	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "unix:%s", path);
	EXPECT_EQ(ox_listen(address, NULL, &l), 0);
	ox_spawn(g, answer_unix, l);
	EXPECT_EQ(GET("http://docker/v1", .unix_path = path), 0);
	EXPECT_STR(ox_response_body(res).data, "by unix");
	EXPECT_STR(ox_response_version(res), "1.0");
	ox_response_free(res);
	EXPECT_EQ(ox_group_join(g), 0);
	ox_listener_close(l);
	EXPECT(GET("http://docker/v1", .unix_path = path) < 0);

	snprintf(path, sizeof(path), "@oxbow-test-%d", (int)getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	EXPECT_EQ(ox_listen(address, NULL, &l), 0);
	ox_spawn(g, answer_unix, l);
	EXPECT_EQ(GET("http://docker/v1", .unix_path = path), 0);
	ox_response_free(res);
	EXPECT_EQ(ox_group_join(g), 0);
	ox_listener_close(l);
	return 0;
}

START_TEST(a_unix_socket_is_a_peer)
{
	char folder[64];

	folder_make(folder);
	run_real(by_unix, folder);
	folder_remove(folder);
}
END_TEST

static int redirect_to(struct raw_server *s, ox_stream *stream)
{
	char text[300];

	while (raw_request(s, stream) == 0) {
		snprintf(text, sizeof(text), "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", (const char *)s->data);
		raw_say(stream, text);
	}
	return 0;
}

static int say_who(void *arg)
{
	struct raw_server s = { .data = "Authorization: " }, from = { 0 };
	char other[128];
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, tell_header);
	EXPECT_EQ(GET(s.url, .user = "user", .password = "p:w"), 0);
	EXPECT_STR(ox_response_body(res).data, "GET / HTTP/1.1 Authorization: Basic dXNlcjpwOnc=");
	EXPECT_STR(ox_response_version(res), "1.1");
	ox_response_free(res);
	EXPECT_EQ(GET(s.url, .bearer = "t0ken"), 0);
	EXPECT_STR(ox_response_body(res).data, "GET / HTTP/1.1 Authorization: Bearer t0ken");
	ox_response_free(res);

	snprintf(other, sizeof(other), "http://localhost:%s", strrchr(s.url, ':') + 1);
	from.data = other;
	raw_open(&from, redirect_to);
	EXPECT_EQ(GET(from.url, .bearer = "t0ken", .max_redirects = 1), 0);     /* not for the other host's eyes */
	EXPECT_STR(ox_response_body(res).data, "GET / HTTP/1.1 -");
	ox_response_free(res);
	EXPECT_EQ(GET(from.url, .headers = (const char *const[]){ "Authorization: Basic own", NULL }), 0);
	EXPECT_STR(ox_response_body(res).data, "GET / HTTP/1.1 -");
	ox_response_free(res);
	EXPECT_EQ(GET(from.url, .user = "u", .password = "p"), 0);
	EXPECT_STR(ox_response_body(res).data, "GET / HTTP/1.1 -");
	ox_response_free(res);
	raw_close(&from);
	raw_close(&s);
	return 0;
}

START_TEST(names_and_tokens_are_sent_to_whom_they_are_for)
{
	run_real(say_who, NULL);
}
END_TEST

/* ---- clients ---- */

struct crowd {
	ox_http_client *client;
	ox_http_server *server;
	ox_cookies *jar;
	char url[80];
	int now, most, done;
};

static int count_guests(ox_request *q, void *arg)
{
	struct crowd *c = arg;

	c->now++;
	c->most = c->now > c->most ? c->now : c->most;
	ox_sleep(OX_MS(3));
	c->now--;
	return ox_request_reply(q, 200, NULL, "", 0);
}

static int be_guest(void *arg)
{
	struct crowd *c = arg;
	OX_AUTO_RESPONSE *res = NULL;
	int r = GET(c->url, .client = c->client, .timeout = OX_SEC(30));

	c->done++;
	return r;
}

static int crowd_in(void *arg)
{
	struct crowd c = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", count_guests, OX_HTTP_SERVER_OPTIONS(.arg = &c), &c.server), 0);
	ox_http_server_url(c.server, c.url, sizeof(c.url));
	EXPECT_EQ(ox_http_client_open(OX_HTTP_CLIENT_OPTIONS(.max_connections = -1), &c.client), OX_EINVAL);
	for (int i = 0; i < 2; i++) {
		ox_http_client_options o;

		ox_http_client_options_init(&o);
		o.max_connections = i == 0 ? 3 : 0;
		o.max_per_host = i == 0 ? 0 : 2;
		c.most = 0;
		EXPECT_EQ(ox_http_client_open(&o, &c.client), 0);
		for (int k = 0; k < 30; k++)
			ox_spawn(g, be_guest, &c);
		EXPECT_EQ(ox_group_join(g), 0);
		EXPECT_EQ(c.most, i == 0 ? 3 : 2);
		ox_http_client_close(c.client);
	}
	EXPECT_EQ(c.done, 60);
	ox_http_server_close(c.server);
	return 0;
}

START_TEST(a_client_limits_its_connections)
{
	run_real(crowd_in, NULL);
}
END_TEST

static int silent(struct raw_server *s, ox_stream *stream)
{
	raw_request(s, stream);
	raw_wait_end(s, stream);
	return 0;
}

static int ask_silent(void *arg)
{
	struct crowd *c = arg;
	ox_response *res = NULL;

	return GET(c->url, .client = c->client);
}

static int close_client(void *arg)
{
	struct raw_server s = { 0 };
	struct crowd c = { 0 };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_http_client *left;
	ox_future *f;

	(void)arg;
	raw_open(&s, silent);
	strcpy(c.url, s.url);
	EXPECT_EQ(ox_http_client_open(NULL, &c.client), 0);
	f = ox_spawn(g, ask_silent, &c);
	while (s.requests == 0 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_http_client_close(c.client);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	while (!s.saw_end && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(ox_http_client_open(NULL, &left), 0);         /* ends with its loop */
	ox_http_client_close(NULL);
	raw_close(&s);
	return 0;
}

START_TEST(closing_a_client_ends_its_requests)
{
	run_real(close_client, NULL);
	ck_assert_int_eq(ox_http_client_open(NULL, &(ox_http_client *){ NULL }), OX_ESTATE);
}
END_TEST

static int be_hasty_guest(void *arg)
{
	struct crowd *c = arg;
	OX_AUTO_RESPONSE *res = NULL;

	return GET(c->url, .client = c->client, .timeout = OX_MS(4));
}

static int leave_the_queue(void *arg)
{
	struct crowd c = { 0 };

	(void)arg;
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", count_guests, OX_HTTP_SERVER_OPTIONS(.arg = &c), &c.server), 0);
	ox_http_server_url(c.server, c.url, sizeof(c.url));
	EXPECT_EQ(ox_http_client_open(OX_HTTP_CLIENT_OPTIONS(.max_per_host = 2), &c.client), 0);
	for (int round = 0; round < 10; round++) {
		OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
		ox_future *waiting[5], *staying[5];

		for (int i = 0; i < 5; i++) {
			ox_spawn(g, be_hasty_guest, &c);
			waiting[i] = ox_spawn(g, be_guest, &c);
			staying[i] = ox_spawn(g, be_guest, &c);
		}
		ox_sleep(OX_US(300) * round);
		for (int i = 0; i < 5; i++)
			ox_future_cancel(waiting[i]);
		for (int i = 0; i < 5; i++)
			EXPECT_EQ(ox_await(staying[i]), 0);
	}
	ox_http_client_close(c.client);
	ox_http_server_close(c.server);
	return 0;
}

START_TEST(who_leaves_the_queue_for_a_connection_holds_up_nobody)
{
	run_real(leave_the_queue, NULL);
}
END_TEST

/* ---- retries ---- */

/* Answers each request with the next status of a list, and says so in its headers. */
static int in_turn(struct raw_server *s, ox_stream *stream)
{
	const char *const *answers = s->data;
	char text[300];

	while (raw_request(s, stream) == 0) {
		const char *a = answers[s->requests - 1];

		if (strcmp(a, "reset") == 0) {
			struct linger reset = { .l_onoff = 1 };

			return setsockopt(ox_stream_fd(stream), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		}
		snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok", a);
		raw_say(stream, text);
	}
	return 0;
}

static int try_in_turn(const char *const *answers, const char *method, const ox_http_options *o, int *ret_requests)
{
	struct raw_server s = { .data = answers };
	OX_AUTO_RESPONSE *res = NULL;
	int r;

	raw_open(&s, in_turn);
	r = ox_http_request(method, s.url, o, &res);
	if (r == 0)
		r = ox_response_status(res);
	*ret_requests = s.requests;
	raw_close(&s);
	return r;
}

#define TRY(method, answers, n, ...) \
	try_in_turn((const char *const[]){ answers }, method, OX_HTTP_OPTIONS(.retry_delay = OX_MS(1), __VA_ARGS__), &n)
#define LIST(...) __VA_ARGS__

static int retry(void *arg)
{
	ox_time before;
	ox_scope scope;
	int n, r;

	(void)arg;
	EXPECT_EQ(TRY("GET", LIST("503 No", "502 No", "reset", "429 No", "504 No", "200 OK"), n, .retries = 5), 200);
	EXPECT_EQ(n, 6);
	EXPECT_EQ(TRY("GET", LIST("503 No", "502 No", "504 No"), n, .retries = 2), 504);
	EXPECT_EQ(n, 3);
	EXPECT_EQ(TRY("GET", LIST("503 No"), n, .retries = 0), 503);
	EXPECT_EQ(TRY("GET", LIST("500 No", "200 OK"), n, .retries = 2), 500);
	EXPECT_EQ(TRY("GET", LIST("404 No", "200 OK"), n, .retries = 2), 404);
	EXPECT_EQ(TRY("POST", LIST("503 No", "200 OK"), n, .retries = 2), 503);         /* it might be done twice */
	EXPECT_EQ(TRY("POST", LIST("503 No", "200 OK"), n, .retries = 2, .retry_all = true), 200);
	EXPECT_EQ(TRY("PUT", LIST("503 No", "200 OK"), n, .retries = 2, .body = "x", .body_len = 1), 200);
	EXPECT_EQ(TRY("GET", LIST("reset", "reset", "reset"), n, .retries = 2), -ECONNRESET);

	before = ox_now();
	EXPECT_EQ(TRY("GET", LIST("503 No\r\nRetry-After: 1", "200 OK"), n, .retries = 1), 200);
	EXPECT(ox_now() - before >= OX_MS(990));
	before = ox_now();
	EXPECT_EQ(TRY("GET", LIST("503 No\r\nRetry-After: 3600", "200 OK"), n, .retries = 1), 503);
	EXPECT_EQ(TRY("GET", LIST("503 No\r\nRetry-After: 60", "200 OK"), n, .retries = 1, .retry_max = OX_SEC(1)), 503);
	EXPECT_EQ(TRY("GET", LIST("503 No\r\nRetry-After: 60", "200 OK"), n, .retries = 1, .timeout = OX_SEC(30)), 503);
	ox_scope_enter(&scope, OX_SEC(30));
	r = TRY("GET", LIST("503 No\r\nRetry-After: 60", "200 OK"), n, .retries = 1);
	EXPECT_EQ(ox_scope_leave(&scope, r), 503);              /* the deadline travels: no pause that it would cut */
	EXPECT(ox_now() - before < OX_SEC(25));
	EXPECT_EQ(try_in_turn((const char *const[]){ "503 No" }, "GET", OX_HTTP_OPTIONS(.retry_delay = -1), &n), OX_EINVAL);
	return 0;
}

static int retry_after_nonsense(void *arg)
{
	static const char *const after[] = {
		"-1", "-9223372036854775807", "9223372036854775807", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT",
		"Sat, 01 Jan 1600 00:00:01 GMT", "soon", "",
	};
	char answer[100];
	int n;

	(void)arg;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		bool far = i == 2 || i == 4;         /* the one beyond all numbers counts as none */

		snprintf(answer, sizeof(answer), "503 No\r\nRetry-After: %s", after[i]);
		EXPECT_EQ(TRY("GET", LIST(answer, "200 OK"), n, .retries = 1), far ? 503 : 200);
	}
	return 0;
}

START_TEST(a_pause_that_makes_no_sense_is_not_waited_for)
{
	run_real(retry_after_nonsense, NULL);
}
END_TEST

START_TEST(what_may_pass_is_tried_again)
{
	run_real(retry, NULL);
}
END_TEST

static int backs_off(void *arg)
{
	struct raw_server s = { 0 };
	ox_time before;
	ox_response *res = NULL;
	ox_scope scope;
	int r;

	(void)arg;
	raw_open(&s, silent);
	raw_close(&s);
	before = ox_now();                                      /* pauses of 20 to 40, 40 to 80, 50 to 100 ms */
	EXPECT_EQ(GET(s.url, .retries = 3, .retry_delay = OX_MS(40), .retry_max = OX_MS(100)), -ECONNREFUSED);
	EXPECT(ox_now() - before >= OX_MS(109));
	ox_scope_enter(&scope, OX_SEC(20));                     /* less than the shortest pause */
	r = GET(s.url, .retries = 1000, .retry_delay = OX_SEC(60), .retry_max = OX_SEC(60));
	EXPECT_EQ(ox_scope_leave(&scope, r), -ECONNREFUSED);
	return 0;
}

START_TEST(pauses_grow_and_none_outlasts_the_deadline)
{
	run_real(backs_off, NULL);
}
END_TEST

static ssize_t read_once(void *arg, void *buf, size_t cap)
{
	int *calls = arg;

	(void)cap;
	memcpy(buf, "x", 1);
	return (*calls)++ == 0;
}

static int retry_body(void *arg)
{
	int n, calls = 0;

	(void)arg;
	EXPECT_EQ(TRY("PUT", LIST("503 No", "200 OK"), n, .retries = 2, .read_body = read_once, .read_arg = &calls, .body_len = 1), 503);
	EXPECT_EQ(n, 1);                                        /* what was read is gone */
	return 0;
}

START_TEST(a_body_that_was_read_is_not_sent_again)
{
	run_real(retry_body, NULL);
}
END_TEST

static int ask_jar_again(void *arg)
{
	struct crowd *c = arg;
	OX_AUTO_RESPONSE *res = NULL;

	return GET(c->url, .client = c->client, .cookies = c->jar, .retries = 1, .retry_delay = OX_MS(100));
}

static int let_go_in_a_pause(void *arg)
{
	struct raw_server s = { .data = (const char *const[]){ "503 No", "200 OK" } };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct crowd c = { .jar = ox_cookies_new() };
	ox_future *f;

	(void)arg;
	raw_open(&s, in_turn);
	strcpy(c.url, s.url);
	f = ox_spawn(g, ask_jar_again, &c);
	while (s.requests == 0 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_sleep(OX_MS(10));
	ox_cookies_free(c.jar);                                 /* the request has it */
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_EQ(s.requests, 2);

	s.requests = 0;
	c.jar = NULL;
	EXPECT_EQ(ox_http_client_open(NULL, &c.client), 0);
	f = ox_spawn(g, ask_jar_again, &c);
	while (s.requests == 0 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_sleep(OX_MS(10));
	ox_http_client_close(c.client);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	EXPECT_EQ(s.requests, 1);
	raw_close(&s);
	return 0;
}

START_TEST(clients_and_jars_may_go_while_a_request_pauses)
{
	run_real(let_go_in_a_pause, NULL);
}
END_TEST

/* Answers the first request of a connection, and closes it after the second without a word. */
static int answer_once(struct raw_server *s, ox_stream *stream)
{
	if (raw_request(s, stream) == 0 && raw_say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == 0)
		raw_request(s, stream);
	return 0;
}

static int send_again(void *arg)
{
	static const struct {
		const char *method, *body;
		bool all;
	} twice[] = { { "POST", "x", false }, { "POST", NULL, false }, { "PATCH", "x", false }, { "POST", "x", true }, { "GET", NULL, false } };

	(void)arg;
	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
		struct raw_server s = { 0 };
		ox_response *res = NULL;
		bool again = twice[i].all || strcmp(twice[i].method, "GET") == 0;
		int r;

		raw_open(&s, answer_once);
		EXPECT_EQ(GET(s.url, 0), 0);
		ox_response_free(res);
		r = ox_http_request(twice[i].method, s.url,
		                    OX_HTTP_OPTIONS(.body = twice[i].body, .body_len = twice[i].body ? 1 : 0, .retry_all = twice[i].all), &res);
		EXPECT_EQ(r, again ? 0 : -ECONNRESET);
		EXPECT_EQ(s.requests, again ? 3 : 2);
		if (r == 0)
			ox_response_free(res);
		raw_close(&s);
	}
	return 0;
}

START_TEST(what_a_kept_connection_swallowed_is_not_sent_twice)
{
	run_real(send_again, NULL);
}
END_TEST

/* ---- memory ---- */

static int all_without_memory(void *arg)
{
	ox_cookies *jar = ox_cookies_new();
	ox_http_client *client = NULL;
	OX_AUTO_RESPONSE *res = NULL;
	char file[100];
	int r = jar ? ox_http_client_open(NULL, &client) : OX_ENOMEM;

	snprintf(file, sizeof(file), "%s/jar", (const char *)arg);
	if (r == 0)
		r = GET("http://127.0.0.1:1/", .client = client, .cookies = jar, .retries = 1, .retry_delay = 1);
	if (r == -ECONNREFUSED)
		r = ox_cookies_save(jar, file);
	if (r == 0)
		r = ox_cookies_load(jar, file);
	ox_http_client_close(client);
	ox_cookies_free(jar);
	return r;
}

START_TEST(each_allocation_of_clients_and_jars_fails_once)
{
	char folder[64];

	folder_make(folder);
	fails_cleanly_real(all_without_memory, folder);
	folder_remove(folder);
}
END_TEST

/* ---- what goes over the wire ---- */

struct wire {
	char text[3][4096];             /* by ox_http_wire */
	size_t len[3];
	int requests;
};

static void note_wire(void *arg, ox_http_wire what, const void *data, size_t len)
{
	struct wire *w = arg;

	if (what == OX_HTTP_WIRE_REQUEST) {
		memset(w->len, 0, sizeof(w->len));
		w->requests++;
	}
	EXPECT(w->len[what] + len < sizeof(w->text[0]));
	memcpy(w->text[what] + w->len[what], data, len);
	w->len[what] += len;
	w->text[what][w->len[what]] = 0;
}

static int say_chunks(struct raw_server *s, ox_stream *stream)
{
	while (raw_request(s, stream) == 0) {
		if (s->requests == 1)
			raw_say(stream, "HTTP/1.1 302 x\r\nLocation: /there\r\nContent-Length: 4\r\n\r\nhere");
		else if (s->requests == 2)
			raw_say(stream, "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nx-A:  b \r\nTransfer-Encoding: chunked\r\n\r\n"
			                "3;e=1\r\nabc\r\n0\r\nTrailer: t\r\n\r\n");
		else
			return raw_say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
	}
	return 0;
}

static int look_at_wire(void *arg)
{
	struct raw_server s = { 0 };
	struct wire *w = arg;
	ox_response *res = NULL;

	raw_open(&s, say_chunks);
	EXPECT_EQ(GET(s.url, .on_wire = note_wire, .wire_arg = w), 0);
	EXPECT_STR(ox_response_body(res).data, "abc");
	EXPECT_EQ(w->requests, 2);
	EXPECT(strncmp(w->text[0], "GET /there HTTP/1.1\r\nHost: 127.0.0.1:", 37) == 0);
	EXPECT_STR(w->text[0] + w->len[0] - 4, "\r\n\r\n");
	EXPECT_STR(w->text[1], "HTTP/1.1 103 Early\r\nHTTP/1.1 200 OK\r\nx-A:  b \r\nTransfer-Encoding: chunked\r\n\r\n");
	EXPECT_STR(w->text[2], "3;e=1\r\nabc\r\n0\r\nTrailer: t\r\n\r\n");
	ox_response_free(res);
	EXPECT_EQ(GET(s.url, .on_wire = note_wire, .wire_arg = w), OX_EINCOMPLETE);
	EXPECT_STR(w->text[2], "short");
	raw_close(&s);
	return 0;
}

START_TEST(who_wants_to_sees_what_went_over_the_wire)
{
	struct wire *w = calloc(1, sizeof(*w));

	run_real(look_at_wire, w);
	free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http options");
	TCase *c = new_case(s, "options", 120);

	forget_proxies();
	tcase_add_test(c, a_jar_keeps_cookies_and_a_file_keeps_the_jar);
	tcase_add_test(c, cookies_go_to_their_host_and_path_only);
	tcase_add_test(c, a_proxy_is_used_as_asked);
	tcase_add_test(c, a_unix_socket_is_a_peer);
	tcase_add_test(c, names_and_tokens_are_sent_to_whom_they_are_for);
	tcase_add_test(c, a_client_limits_its_connections);
	tcase_add_test(c, who_leaves_the_queue_for_a_connection_holds_up_nobody);
	tcase_add_test(c, closing_a_client_ends_its_requests);
	tcase_add_test(c, what_may_pass_is_tried_again);
	tcase_add_test(c, a_pause_that_makes_no_sense_is_not_waited_for);
	tcase_add_test(c, clients_and_jars_may_go_while_a_request_pauses);
	tcase_add_test(c, pauses_grow_and_none_outlasts_the_deadline);
	tcase_add_test(c, a_body_that_was_read_is_not_sent_again);
	tcase_add_test(c, what_a_kept_connection_swallowed_is_not_sent_twice);
	tcase_add_test(c, who_wants_to_sees_what_went_over_the_wire);
	tcase_add_test(c, each_allocation_of_clients_and_jars_fails_once);
	return run_suite(s);
}
