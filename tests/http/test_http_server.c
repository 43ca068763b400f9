/* SPDX-License-Identifier: MIT */
/* The HTTP server: asked by our own client, by raw bytes, by curl and by wget. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/http/peers.h"

/* A server in the loop, and what its handler is told and tells. */
struct site {
	ox_http_server *server;
	char url[80], folder[64];
	char address[80];               /* for ox_connect() */
	ox_future *go;                  /* slow_handler waits for it */
	int started, ended, result, resets;
	ox_group *group;
};

static void site_open(struct site *t, ox_http_handler *handler)
{
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", handler, OX_HTTP_SERVER_OPTIONS(.arg = t, .max_body = 1000, .max_headers = 2000),
	                        &t->server),
	          0);
	EXPECT_EQ(ox_http_server_url(t->server, t->url, sizeof(t->url)), 0);
	strcpy(t->address, t->url + strlen("http://"));
}

static const char *at(const struct site *t, const char *path)
{
	static char url[4][256];
	static unsigned next;
	char *u = url[next++ % 4];

	snprintf(u, sizeof(url[0]), "%s%s", t->url, path);
	return u;
}

static int get(const struct site *t, const char *path, ox_response **ret)
{
	return ox_http_get(at(t, path), OX_HTTP_OPTIONS(.timeout = OX_SEC(30), .max_redirects = -1), ret);
}

static void expect_status(const struct site *t, const char *path, int status)
{
	OX_AUTO_RESPONSE *res = NULL;

	if (get(t, path, &res) < 0 || ox_response_status(res) != status)
		expect_failed(__FILE__, __LINE__, path, res ? ox_response_status(res) : -1, status);
}

/* ---- handlers ---- */

static int echo(ox_request *q, void *arg)
{
	char text[2000];
	ox_bytes body = ox_request_body(q);
	const char *query = ox_request_query(q), *header = ox_request_header(q, "x-test");
	int n = snprintf(text, sizeof(text), "%s|%s|%s|%s|%.*s", ox_request_method(q), ox_request_path(q), query ? query : "-",
	                 header ? header : "-", (int)body.len, (const char *)body.data);

	(void)arg;
	return ox_request_reply(q, 200, "text/plain", text, (size_t)n);
}

static int all_kinds(ox_request *q, void *arg)
{
	const char *path = ox_request_path(q);

	(void)arg;
	if (strcmp(path, "/silent") == 0)
		return 0;
	if (strcmp(path, "/fails") == 0)
		return OX_EPROTO;
	if (strcmp(path, "/fails-late") == 0) {
		EXPECT_EQ(ox_request_reply(q, 200, NULL, "never", 5), 0);
		return OX_EPROTO;
	}
	if (strcmp(path, "/nothing") == 0)
		return ox_request_reply(q, 204, NULL, NULL, 0);
	EXPECT_EQ(ox_request_add_header(q, "X-Evil", "a\r\nSet-Cookie: b"), OX_EINVAL);
	EXPECT_EQ(ox_request_add_header(q, "X Evil", "a"), OX_EINVAL);
	EXPECT_EQ(ox_request_add_header(q, "X-Good", "a"), 0);
	EXPECT_EQ(ox_request_reply(q, 99, NULL, NULL, 0), OX_EINVAL);
	EXPECT_EQ(ox_request_reply(q, 404, "text/plain", "none", 4), 0);
	EXPECT_EQ(ox_request_reply(q, 200, "text/plain", "twice", 5), OX_ESTATE);
	return 0;
}

static int slow_handler(ox_request *q, void *arg)
{
	struct site *t = arg;

	if (strcmp(ox_request_path(q), "/fast") == 0)
		return ox_request_reply(q, 200, NULL, "fast", 4);
	t->started++;
	t->result = ox_wait(&t->go, 1, OX_WAIT_ALL, OX_NEVER);
	if (t->result >= 0)
		t->result = ox_request_reply(q, 200, NULL, "late", 4);
	EXPECT_STR(ox_request_path(q), "/slow");        /* still there, whatever became of the connection */
	EXPECT_STR(ox_request_header(q, "Host"), t->address);
	t->resets += t->result == -ECONNRESET;
	t->ended++;
	return t->result;
}

static int serve_folder(ox_request *q, void *arg)
{
	return ox_request_reply_file(q, ((struct site *)arg)->folder);
}

/* ---- questions and answers ---- */

static int converse(void *arg)
{
	static const char *const headers[] = { "X-Test: ja", "X-Empty:", NULL };
	struct site t = { 0 };
	ox_response *res = NULL;
	char text[256];

	(void)arg;
	site_open(&t, echo);
	EXPECT_EQ(get(&t, "/a%20b/c?d=e&f", &res), 0);
	EXPECT_STR(ox_response_body(res).data, "GET|/a b/c|d=e&f|-|");
	EXPECT_STR(ox_response_header(res, "Content-Type"), "text/plain");
	EXPECT(ox_response_header(res, "Date") != NULL);
	ox_response_free(res);

	EXPECT_EQ(ox_http_post(at(&t, "/p"), "the body", 8, OX_HTTP_OPTIONS(.headers = headers), &res), 0);
	EXPECT_STR(ox_response_body(res).data, "POST|/p|-|ja|the body");
	ox_response_free(res);

	EXPECT_EQ(ox_http_post(at(&t, "/p"), NULL, 0, NULL, &res), 0);
	EXPECT_STR(ox_response_body(res).data, "POST|/p|-|-|");
	ox_response_free(res);

	EXPECT_EQ(ox_http_request("PUT", at(&t, "/"), OX_HTTP_OPTIONS(.body = "x", .body_len = 1), &res), 0);
	EXPECT_STR(ox_response_body(res).data, "PUT|/|-|-|x");
	ox_response_free(res);

	EXPECT_EQ(ox_http_request("DELETE", at(&t, "/d"), NULL, &res), 0);
	EXPECT_STR(ox_response_body(res).data, "DELETE|/d|-|-|");
	ox_response_free(res);

	EXPECT_EQ(ox_http_request("HEAD", at(&t, "/h"), NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	EXPECT_EQ(ox_response_body(res).len, 0);
	EXPECT_STR(ox_response_header(res, "Content-Length"), "12");
	ox_response_free(res);

	EXPECT_EQ(ox_http_open("GET", at(&t, "/o"), NULL, &res), 0);
	EXPECT_EQ(ox_response_read(res, text, sizeof(text)), 11);
	ox_response_free(res);
	EXPECT_EQ(ox_http_server_url(t.server, text, 10), OX_ETOOBIG);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_handler_is_told_everything_and_its_reply_arrives)
{
	run_real(converse, NULL);
}
END_TEST

static int reply_badly(void *arg)
{
	struct site t = { 0 };
	ox_response *res = NULL;

	(void)arg;
	site_open(&t, all_kinds);
	expect_status(&t, "/silent", 500);
	expect_status(&t, "/fails", 500);
	expect_status(&t, "/fails-late", 500);
	expect_status(&t, "/nothing", 204);
	expect_status(&t, "/a%00b", 400);
	expect_status(&t, "/100%", 400);
	EXPECT_EQ(ox_http_request("BREW", at(&t, "/"), NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 501);
	ox_response_free(res);
	EXPECT_EQ(get(&t, "/other", &res), 0);
	EXPECT_EQ(ox_response_status(res), 404);
	EXPECT_STR(ox_response_header(res, "X-Good"), "a");
	EXPECT(ox_response_header(res, "Set-Cookie") == NULL);
	EXPECT_STR(ox_response_body(res).data, "none");
	ox_response_free(res);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(bad_replies_and_bad_paths_have_their_status)
{
	run_real(reply_badly, NULL);
}
END_TEST

static int exceed(void *arg)
{
	static char big[100000], header[3000];
	const char *headers[] = { header, NULL };
	struct site t = { 0 };
	ox_response *res = NULL;
	int r;

	(void)arg;
	memset(big, 'b', sizeof(big));
	snprintf(header, sizeof(header), "X-Long: %.*s", 2500, big);
	site_open(&t, echo);
	EXPECT_EQ(ox_http_post(at(&t, "/"), big, 1000, NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	ox_response_free(res);
	EXPECT_EQ(ox_http_post(at(&t, "/"), big, 1001, NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 413);
	ox_response_free(res);
	EXPECT_EQ(ox_http_post(at(&t, "/"), big, sizeof(big), NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 413);
	ox_response_free(res);
	r = ox_http_get(at(&t, "/"), OX_HTTP_OPTIONS(.headers = headers), &res);
	EXPECT_EQ(r, 0);
	EXPECT_EQ(ox_response_status(res), 431);
	ox_response_free(res);
	expect_status(&t, "/", 200);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(bodies_and_headers_over_the_limit_are_refused)
{
	run_real(exceed, NULL);
}
END_TEST

/* ---- connections ---- */

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

static int pipeline(void *arg)
{
	struct site t = { 0 };
	ox_stream *s = NULL;
	char text[4096] = "";
	size_t len = 0;
	ssize_t n;

	(void)arg;
	site_open(&t, echo);
	EXPECT_EQ(ox_connect(t.address, &s), 0);
	raw_say(s, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
	           "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	while ((n = ox_read(s, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	EXPECT_EQ(n, 0);
	EXPECT_EQ(count(text, "HTTP/1.1 200"), 3);
	EXPECT(strstr(text, "|/1|") < strstr(text, "|/2|") && strstr(text, "|/2|") < strstr(text, "|/3|"));
	ox_close(s);

	EXPECT_EQ(ox_connect(t.address, &s), 0);
	raw_say(s, "NONSENSE\r\n\r\n");
	n = ox_read(s, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	EXPECT(strncmp(text, "HTTP/1.1 400", 12) == 0 || strncmp(text, "HTTP/1.0 400", 12) == 0);
	ox_close(s);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(pipelined_requests_are_answered_in_order)
{
	run_real(pipeline, NULL);
}
END_TEST

static int go_away(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *s[3];
	char ask[128];

	(void)arg;
	t.go = ox_promise(g);
	site_open(&t, slow_handler);
	snprintf(ask, sizeof(ask), "GET /slow HTTP/1.1\r\nHost: %s\r\n\r\n", t.address);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_connect(t.address, &s[i]), 0);
		raw_say(s[i], ask);
	}
	while (t.started < 3 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_close(s[0]);
	ox_stream_abort(s[1]);
	raw_say(s[2], "GET /fast HTTP/1.1\r\n");         /* more bytes, while the handler works */
	expect_status(&t, "/fast", 200);                /* the server has polled since */
	expect_status(&t, "/fast", 200);
	ox_stream_abort(s[2]);
	expect_status(&t, "/fast", 200);
	expect_status(&t, "/fast", 200);
	ox_promise_resolve(t.go, 0, NULL, 0);
	while (t.ended < 3 && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(t.resets, 2);                         /* the closed one may only have shut down its sending side */
	expect_status(&t, "/fast", 200);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_peer_that_leaves_while_its_handler_works_hurts_nobody)
{
	run_real(go_away, NULL);
}
END_TEST

static int ask_slow(void *arg)
{
	struct site *t = arg;
	OX_AUTO_RESPONSE *res = NULL;
	int r = get(t, "/slow", &res);

	return r < 0 ? r : ox_response_status(res);
}

static int close_early(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f, *never = ox_promise(g);

	(void)arg;
	t.go = never;
	site_open(&t, slow_handler);
	f = ox_spawn(g, ask_slow, &t);
	while (t.started < 1 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_http_server_close(t.server);
	EXPECT_EQ(t.ended, 1);
	EXPECT_EQ(t.result, OX_ECANCELED);
	EXPECT(ox_await(f) == -ECONNRESET || ox_await(f) == 500);
	ox_http_server_close(NULL);
	return 0;
}

START_TEST(closing_the_server_cancels_its_handlers)
{
	run_real(close_early, NULL);
}
END_TEST

static struct site left;

static int leave_open(void *arg)
{
	(void)arg;
	site_open(&left, echo);
	expect_status(&left, "/", 200);
	return 0;
}

START_TEST(a_server_that_was_left_open_ends_with_its_loop)
{
	run_real(leave_open, NULL);
}
END_TEST

static int serve_file(void *arg)
{
	struct site t = { 0 }, abstract = { 0 };
	ox_http_server *second = NULL;
	OX_AUTO_RESPONSE *res = NULL, *other = NULL;
	char address[100], path[90];

	snprintf(path, sizeof(path), "%s/app", (const char *)arg);
	snprintf(address, sizeof(address), "unix:%s", path);
	EXPECT_EQ(ox_http_serve(address, echo, NULL, &t.server), 0);
	EXPECT_EQ(ox_http_server_url(t.server, t.url, sizeof(t.url)), 0);
	EXPECT_STR(t.url + strlen("http://"), address);
	EXPECT_EQ(ox_http_get("http://app/x?y", OX_HTTP_OPTIONS(.unix_path = path), &res), 0);
	EXPECT_STR(ox_response_body(res).data, "GET|/x|y|-|");
	EXPECT_EQ(ox_http_serve(address, echo, NULL, &second), -EADDRINUSE);
	EXPECT_EQ(access(path, F_OK), 0);
	EXPECT_EQ(ox_http_server_drain(t.server, OX_SEC(20)), 0);
	EXPECT_EQ(access(path, F_OK), -1);
	EXPECT_EQ(ox_http_serve(address, echo, NULL, &second), 0);      /* the first one may still be there */
	ox_http_server_close(second);
	EXPECT_EQ(access(path, F_OK), -1);
	ox_http_server_close(t.server);
	EXPECT_EQ(ox_http_serve(address, echo, NULL, &second), 0);
	EXPECT_EQ(access(path, F_OK), 0);

	snprintf(path, sizeof(path), "@oxbow-http-%d", (int)getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	EXPECT_EQ(ox_http_serve(address, echo, NULL, &abstract.server), 0);
	EXPECT_EQ(ox_http_get("http://app/z", OX_HTTP_OPTIONS(.unix_path = path), &other), 0);
	EXPECT_STR(ox_response_body(other).data, "GET|/z|-|-|");
	ox_http_server_close(abstract.server);
	return 0;                                               /* the second one ends with its loop */
}

START_TEST(a_unix_socket_is_served_and_removed)
{
	char folder[64], path[80];

	folder_make(folder);
	run_real(serve_file, folder);
	snprintf(path, sizeof(path), "%s/app", folder);
	ck_assert_int_eq(access(path, F_OK), -1);
	folder_remove(folder);
}
END_TEST

static int bind_badly(void *arg)
{
	struct site t = { 0 };
	ox_http_server *second = NULL;

	(void)arg;
	site_open(&t, echo);
	EXPECT_EQ(ox_http_serve(t.address, echo, NULL, &second), -EADDRINUSE);
	EXPECT_EQ(ox_http_serve("127.0.0.1", echo, NULL, &second), OX_EINVAL);
	EXPECT_EQ(ox_http_serve("example.org:80", echo, NULL, &second), OX_EINVAL);
	EXPECT_EQ(ox_http_serve("unix:", echo, NULL, &second), OX_EINVAL);
	EXPECT_EQ(ox_http_serve("unix:/no/such/folder/x", echo, NULL, &second), -ENOENT);
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", echo, OX_HTTP_SERVER_OPTIONS(.idle_timeout = -1), &second), OX_EINVAL);
	EXPECT_EQ(ox_http_serve("192.0.2.1:0", echo, NULL, &second), -EADDRNOTAVAIL);
	EXPECT(second == NULL);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(addresses_that_cannot_be_served_are_refused)
{
	run_real(bind_badly, NULL);
	ck_assert_int_eq(ox_http_serve("127.0.0.1:0", echo, NULL, &left.server), OX_ESTATE);
}
END_TEST

static int run_out(void *arg)
{
	struct site t = { 0 };
	struct rlimit was, none;
	ox_stream *s = NULL;
	char text[256];

	(void)arg;
	site_open(&t, echo);
	EXPECT_EQ(ox_connect(t.address, &s), 0);        /* in the backlog: connected, not yet accepted */
	getrlimit(RLIMIT_NOFILE, &was);
	none = (struct rlimit){ 3, was.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	ox_sleep(OX_MS(20));
	setrlimit(RLIMIT_NOFILE, &was);
	EXPECT(ox_read(s, text, sizeof(text)) > 0);
	EXPECT(strncmp(text, "HTTP/1.1 200", 12) == 0);
	ox_close(s);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(running_out_of_descriptors_delays_and_loses_no_connection)
{
	run_real(run_out, NULL);
}
END_TEST

static int idle_out(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *quiet, *busy;
	char text[512];

	(void)arg;
	t.go = ox_promise(g);
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", slow_handler, OX_HTTP_SERVER_OPTIONS(.arg = &t, .idle_timeout = OX_MS(50)), &t.server),
	          0);
	ox_http_server_url(t.server, t.url, sizeof(t.url));
	strcpy(t.address, t.url + strlen("http://"));
	EXPECT_EQ(ox_connect(t.address, &busy), 0);
	snprintf(text, sizeof(text), "GET /slow HTTP/1.1\r\nHost: %s\r\n\r\n", t.address);
	raw_say(busy, text);
	EXPECT_EQ(ox_connect(t.address, &quiet), 0);
	EXPECT_EQ(ox_read(quiet, text, sizeof(text)), 0);       /* the idle one is closed */
	ox_sleep(OX_MS(100));
	ox_promise_resolve(t.go, 0, NULL, 0);
	EXPECT(ox_read(busy, text, sizeof(text)) > 0);          /* the one whose handler takes long is not */
	EXPECT(strncmp(text, "HTTP/1.1 200", 12) == 0);
	EXPECT_EQ(ox_read(busy, text, sizeof(text)), 0);        /* and is idle now */
	ox_close(quiet);
	ox_close(busy);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(idle_connections_are_closed_and_working_ones_are_not)
{
	run_real(idle_out, NULL);
}
END_TEST

START_TEST(idle_connections_are_closed_where_another_loop_turns_ours)
{
	struct pollfd p = { .events = POLLIN };
	ox_loop *l;

	ck_assert_int_eq(ox_loop_open(idle_out, NULL, NULL, &l), 0);
	p.fd = ox_loop_fd(l);
	while (ox_loop_step(l) > 0)
		ck_assert_int_eq(poll(&p, 1, 5000), 1);
	ck_assert_int_eq(ox_loop_close(l), 0);
	assert_expectations();
}
END_TEST

static int one_of_many(void *arg)
{
	struct site *t = arg;
	OX_AUTO_RESPONSE *res = NULL;
	int r = get(t, "/many", &res);

	EXPECT_EQ(r, 0);
	if (r == 0)
		EXPECT_STR(ox_response_body(res).data, "GET|/many|-|-|");
	return r;
}

static int many(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	site_open(&t, echo);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++)
			ox_spawn(g, one_of_many, &t);
		EXPECT_EQ(ox_group_join(g), 0);
	}
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(two_hundred_requests_at_once_are_answered)
{
	run_real(many, NULL);
}
END_TEST

static int without_memory(void *arg)
{
	struct site t = { 0 };

	(void)arg;
	site_open(&t, echo);
	for (size_t n = 1, made = n; made >= n; n++) {
		ox_response *res = NULL;
		int r;

		ox_test_fail_allocation(n);
		r = get(&t, "/", &res);
		made = ox_test_fail_allocation(0);
		EXPECT(r == 0 || r == OX_ENOMEM || r == -ECONNRESET);
		if (r == 0)
			EXPECT(ox_response_status(res) == 200 || ox_response_status(res) == 503);
		ox_response_free(res);
		EXPECT(n < 1000);
	}
	expect_status(&t, "/", 200);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(each_allocation_that_fails_costs_one_request)
{
	run_real(without_memory, NULL);
}
END_TEST

/* ---- files ---- */

#define BIG 3000000

static void fill_folder(struct site *t)
{
	char *big = malloc(BIG), path[128];

	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + i / 251);
	folder_make(t->folder);
	snprintf(path, sizeof(path), "%s/sub", t->folder);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/bare", t->folder);
	mkdir(path, 0755);
	file_write(t->folder, "index.html", "<a href=sub/>sub</a>", 20);
	file_write(t->folder, "sub/index.html", "<a href=../a%20b.txt>a b</a><a href=../big.bin>big</a>", 54);
	file_write(t->folder, "a b.txt", "a b", 3);
	file_write(t->folder, "empty", "", 0);
	file_write(t->folder, "big.bin", big, BIG);
	free(big);
	snprintf(path, sizeof(path), "%s/out", t->folder);
	ck_assert_int_eq(symlink("/etc/hostname", path), 0);
	snprintf(path, sizeof(path), "%s/out2", t->folder);
	ck_assert_int_eq(symlink("../../etc/hostname", path), 0);
	snprintf(path, sizeof(path), "%s/in.txt", t->folder);
	ck_assert_int_eq(symlink("a b.txt", path), 0);
	snprintf(path, sizeof(path), "%s/pipe", t->folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static int fetch_files(void *arg)
{
	struct site *t = arg;
	char since[128];
	const char *headers[] = { since, NULL };
	ox_response *res = NULL;
	const unsigned char *big;

	site_open(t, serve_folder);
	EXPECT_EQ(get(t, "/", &res), 0);
	EXPECT_STR(ox_response_header(res, "Content-Type"), "text/html");
	EXPECT_EQ(ox_response_body(res).len, 20);
	snprintf(since, sizeof(since), "If-Modified-Since: %s", ox_response_header(res, "Last-Modified"));
	ox_response_free(res);

	EXPECT_EQ(ox_http_get(at(t, "/index.html"), OX_HTTP_OPTIONS(.headers = headers), &res), 0);
	EXPECT_EQ(ox_response_status(res), 304);
	EXPECT_EQ(ox_response_body(res).len, 0);
	ox_response_free(res);
	strcpy(since, "If-Modified-Since: Thu, 01 Jan 1970 00:00:10 GMT");
	EXPECT_EQ(ox_http_get(at(t, "/index.html"), OX_HTTP_OPTIONS(.headers = headers), &res), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	ox_response_free(res);

	EXPECT_EQ(get(t, "/sub?x=1", &res), 0);
	EXPECT_EQ(ox_response_status(res), 301);
	EXPECT_STR(ox_response_header(res, "Location"), "/sub/?x=1");
	ox_response_free(res);
	EXPECT_EQ(get(t, "//sub", &res), 0);
	EXPECT_STR(ox_response_header(res, "Location"), "/sub/");
	ox_response_free(res);

	EXPECT_EQ(get(t, "/big.bin", &res), 0);
	EXPECT_STR(ox_response_header(res, "Content-Type"), "application/octet-stream");
	EXPECT_EQ(ox_response_body(res).len, BIG);
	big = ox_response_body(res).data;
	for (size_t i = 0; i < ox_response_body(res).len; i++)
		if (big[i] != (unsigned char)(i * 7 + i / 251)) {
			EXPECT(!"big.bin came as it is");
			break;
		}
	ox_response_free(res);

	EXPECT_EQ(ox_http_request("HEAD", at(t, "/big.bin"), NULL, &res), 0);
	EXPECT_STR(ox_response_header(res, "Content-Length"), "3000000");
	EXPECT_EQ(ox_response_body(res).len, 0);
	ox_response_free(res);
	EXPECT_EQ(ox_http_post(at(t, "/"), "x", 1, NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 405);
	EXPECT_STR(ox_response_header(res, "Allow"), "GET, HEAD");
	ox_response_free(res);

	expect_status(t, "/a%20b.txt", 200);
	expect_status(t, "/in.txt", 200);
	expect_status(t, "/empty", 200);
	expect_status(t, "/sub/", 200);
	expect_status(t, "/bare/", 403);
	expect_status(t, "/none", 404);
	expect_status(t, "/index.html/", 404);
	expect_status(t, "/sub/none/x", 404);
	expect_status(t, "/out", 403);
	expect_status(t, "/out2", 403);
	expect_status(t, "/pipe", 403);
	expect_status(t, "/%2e%2e/%2e%2e/etc/hostname", 403);
	expect_status(t, "/sub/..%2f..%2f..%2fetc/hostname", 403);
	expect_status(t, "/sub%2f..%2fempty", 200);
	expect_status(t, "/..%00/etc/hostname", 400);
	ox_http_server_close(t->server);
	return 0;
}

START_TEST(files_are_served_and_nothing_outside_of_the_root)
{
	struct site t = { 0 };

	if (under_valgrind())
		SKIP("valgrind does not know openat2()");
	fill_folder(&t);
	run_real(fetch_files, &t);
	folder_remove(t.folder);
}
END_TEST

static int fetch_by_programs(void *arg)
{
	struct site *t = arg;
	char out[64], *text;
	const char *wget[] = { "wget", "-q", "-r", "-l", "inf", "-np", "-nH", "-P", out, t->url, NULL };
	const char *curl[] = { "curl", "-sS", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", NULL, NULL };
	const char *head[] = { "curl", "-sSI", NULL, NULL };
	size_t len;

	snprintf(out, sizeof(out), "%.40s/got", t->folder);
	EXPECT_EQ(program_run(wget, t->folder, NULL), 0);
	text = file_read(out, "a b.txt", &len);
	EXPECT_STR(text, "a b");
	free(text);
	text = file_read(out, "big.bin", &len);
	EXPECT(text && len == BIG);
	free(text);

	curl[7] = at(t, "/../../etc/hostname");
	EXPECT_EQ(program_run(curl, t->folder, "code"), 0);
	text = file_read(t->folder, "code", &len);
	EXPECT_STR(text, "403");
	free(text);

	head[2] = at(t, "/big.bin");
	EXPECT_EQ(program_run(head, t->folder, "head"), 0);
	text = file_read(t->folder, "head", &len);
	EXPECT(text && strstr(text, "Content-Length: 3000000\r\n") && strstr(text, "Last-Modified: "));
	free(text);
	return 0;
}

static int serve_programs(void *arg)
{
	struct site *t = arg;

	site_open(t, serve_folder);
	fetch_by_programs(t);
	ox_http_server_close(t->server);
	return 0;
}

START_TEST(curl_and_wget_get_the_same_files)
{
	struct site t = { 0 };

	if (under_valgrind())
		SKIP("valgrind does not know openat2()");
	fill_folder(&t);
	run_real(serve_programs, &t);
	folder_remove(t.folder);
}
END_TEST

/* ---- the example ---- */

static const char *docserver(void)
{
	const char *path = getenv("OXBOW_DOCSERVER");

	return path ? path : "./docserver";
}

static int ask_docserver(void *arg)
{
	struct site *t = arg;
	const char *again[] = { docserver(), t->folder, t->address, NULL };
	const char *missing[] = { docserver(), "/no/such/folder", NULL };
	const char *argv[] = { docserver(), t->folder, NULL };
	pid_t pid = program_start(argv, t->folder, "url");
	char *url = NULL, *text;
	size_t len = 0;

	EXPECT(pid > 0);
	while ((!url || !strchr(url, '\n')) && ox_sleep(OX_MS(5)) == 0) {
		free(url);
		url = file_read(t->folder, "url", &len);
	}
	url[len - 1] = 0;
	strcpy(t->url, url);
	free(url);
	strcpy(t->address, t->url + strlen("http://"));
	expect_status(t, "/", 200);
	expect_status(t, "/big.bin", 200);

	EXPECT_EQ(program_run(again, t->folder, "again"), 1);
	text = file_read(t->folder, "again", &len);
	EXPECT(strstr(text, t->address) && strchr(text, '\n') == text + len - 1);
	free(text);
	EXPECT_EQ(program_run(missing, t->folder, "missing"), 1);
	text = file_read(t->folder, "missing", &len);
	EXPECT(strstr(text, "/no/such/folder") && strchr(text, '\n') == text + len - 1);
	free(text);

	kill(pid, SIGTERM);
	EXPECT_EQ(program_wait(pid), 0);
	return 0;
}

START_TEST(docserver_serves_until_sigterm_and_explains_what_it_cannot_do)
{
	struct site t = { 0 };

	fill_folder(&t);
	run_real(ask_docserver, &t);
	folder_remove(t.folder);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http server");
	TCase *c = new_case(s, "server", 120);

	forget_proxies();
	tcase_add_test(c, a_handler_is_told_everything_and_its_reply_arrives);
	tcase_add_test(c, bad_replies_and_bad_paths_have_their_status);
	tcase_add_test(c, bodies_and_headers_over_the_limit_are_refused);
	tcase_add_test(c, pipelined_requests_are_answered_in_order);
	tcase_add_test(c, a_peer_that_leaves_while_its_handler_works_hurts_nobody);
	tcase_add_test(c, closing_the_server_cancels_its_handlers);
	tcase_add_test(c, a_server_that_was_left_open_ends_with_its_loop);
	tcase_add_test(c, a_unix_socket_is_served_and_removed);
	tcase_add_test(c, addresses_that_cannot_be_served_are_refused);
	tcase_add_test(c, running_out_of_descriptors_delays_and_loses_no_connection);
	tcase_add_test(c, idle_connections_are_closed_and_working_ones_are_not);
	tcase_add_test(c, idle_connections_are_closed_where_another_loop_turns_ours);
	tcase_add_test(c, two_hundred_requests_at_once_are_answered);
	tcase_add_test(c, each_allocation_that_fails_costs_one_request);
	tcase_add_test(c, files_are_served_and_nothing_outside_of_the_root);
	tcase_add_test(c, curl_and_wget_get_the_same_files);
	tcase_add_test(c, docserver_serves_until_sigterm_and_explains_what_it_cannot_do);
	return run_suite(s);
}
