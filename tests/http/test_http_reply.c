/* SPDX-License-Identifier: MIT */
/* Replies in pieces, events, and the end of a server: asked by our own client, by raw bytes and by curl. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/http/peers.h"

struct site {
	ox_http_server *server;
	char url[80], address[80];
	ox_future *go;                  /* a handler waits for it */
	int started, ended, result;
	bool gone;
	size_t written;
};

static void site_open(struct site *t, ox_http_handler *handler, bool cancel_gone)
{
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", handler,
	                        OX_HTTP_SERVER_OPTIONS(.arg = t, .cancel_gone = cancel_gone, .max_body = 1000,
	                                               .idle_timeout = OX_SEC(20)),
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
	return ox_http_get(at(t, path), OX_HTTP_OPTIONS(.timeout = OX_SEC(30)), ret);
}

/* Says something on a connection of its own and reads up to the end. */
static size_t converse(const struct site *t, const char *say, bool half_close, char *answer, size_t cap)
{
	ox_stream *s = NULL;
	size_t len = 0;
	ssize_t n;

	answer[0] = 0;
	EXPECT_EQ(ox_connect(t->address, &s), 0);
	raw_say(s, say);
	if (half_close)
		EXPECT_EQ(ox_write_eof(s), 0);
	while ((n = ox_read(s, answer + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	answer[len] = 0;
	ox_close(s);
	return n < 0 ? (size_t)n : len;
}

/* ---- pieces ---- */

static int in_pieces(ox_request *q, void *arg)
{
	const char *path = ox_request_path(q);
	bool sized = strcmp(path, "/sized") == 0 || strcmp(path, "/short") == 0;

	(void)arg;
	EXPECT_EQ(ox_request_write(q, "x", 1), OX_ESTATE);
	EXPECT_EQ(ox_request_add_header(q, "Content-Length", "1"), OX_EINVAL);
	EXPECT_EQ(ox_request_add_header(q, "transfer-encoding", "chunked"), OX_EINVAL);
	EXPECT_EQ(ox_request_begin(q, 99, NULL, -1), OX_EINVAL);
	EXPECT_EQ(ox_request_begin(q, strcmp(path, "/nothing") == 0 ? 204 : 200, "text/plain", sized ? 10 : -1), 0);
	EXPECT_EQ(ox_request_begin(q, 200, NULL, -1), OX_ESTATE);
	EXPECT_EQ(ox_request_reply(q, 200, NULL, "", 0), OX_ESTATE);
	EXPECT_EQ(ox_request_add_header(q, "X-Late", "1"), OX_ESTATE);
	EXPECT_EQ(ox_request_write(q, "hello", 5), 5);
	ox_sleep(OX_MS(5));
	EXPECT_EQ(ox_request_write(q, "", 0), 0);
	if (strcmp(path, "/breaks") == 0)
		return OX_EPROTO;
	if (strcmp(path, "/short") == 0)
		return 0;
	EXPECT_EQ(ox_request_write(q, "world", 5), 5);
	if (sized)
		EXPECT_EQ(ox_request_write(q, "!", 1), OX_ETOOBIG);
	return 0;
}

static int read_pieces(void *arg)
{
	struct site t = { 0 };
	ox_response *res = NULL;
	char text[4096];

	(void)arg;
	site_open(&t, in_pieces, false);
	EXPECT_EQ(get(&t, "/", &res), 0);
	EXPECT_STR(ox_response_body(res).data, "helloworld");
	EXPECT_STR(ox_response_header(res, "Transfer-Encoding"), "chunked");
	ox_response_free(res);
	EXPECT_EQ(get(&t, "/sized", &res), 0);
	EXPECT_STR(ox_response_body(res).data, "helloworld");
	EXPECT_STR(ox_response_header(res, "Content-Length"), "10");
	ox_response_free(res);
	EXPECT_EQ(ox_http_request("HEAD", at(&t, "/sized"), NULL, &res), 0);
	EXPECT_STR(ox_response_header(res, "Content-Length"), "10");
	ox_response_free(res);
	EXPECT_EQ(get(&t, "/nothing", &res), 0);
	EXPECT_EQ(ox_response_status(res), 204);
	ox_response_free(res);
	EXPECT(get(&t, "/breaks", &res) < 0);           /* never a body that only looks whole */
	EXPECT(get(&t, "/short", &res) < 0);
	EXPECT_EQ(get(&t, "/", &res), 0);
	ox_response_free(res);

	converse(&t, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, text, sizeof(text));
	EXPECT(strstr(text, "\r\n\r\nhelloworld") && !strstr(text, "Content-Length") && !strstr(text, "chunked"));
	converse(&t, "GET /sized HTTP/1.0\r\n\r\n", false, text, sizeof(text));
	EXPECT(strstr(text, "Content-Length: 10") && strstr(text, "\r\n\r\nhelloworld"));
	EXPECT_EQ((ssize_t)converse(&t, "GET /breaks HTTP/1.0\r\n\r\n", false, text, sizeof(text)), -ECONNRESET);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_reply_in_pieces_arrives_whole_or_not_at_all)
{
	run_real(read_pieces, NULL);
}
END_TEST

/* ---- backpressure ---- */

#define LOTS OX_MIB(200)

static int endless(ox_request *q, void *arg)
{
	static char piece[100000];
	struct site *t = arg;
	ssize_t n = 0;

	memset(piece, 'x', sizeof(piece));
	t->started++;
	t->result = ox_request_begin(q, 200, NULL, -1);
	while (t->result == 0 && t->written < LOTS && (n = ox_request_write(q, piece, sizeof(piece))) > 0)
		t->written += (size_t)n;
	t->result = n < 0 ? (int)n : t->result;
	t->gone = ox_request_gone(q);
	t->ended++;
	return t->result;
}

static int read_slowly(void *arg)
{
	static char buf[65536];
	struct site t = { 0 };
	ox_stream *s = NULL;
	size_t before, read = 0;
	int still = 0;

	(void)arg;
	site_open(&t, endless, false);
	EXPECT_EQ(ox_connect(t.address, &s), 0);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	do {                                            /* unread, the handler comes to a halt */
		before = t.written;
		ox_sleep(OX_MS(10));
		still = t.written == before ? still + 1 : 0;
	} while (still < 10 && t.written < LOTS);
	EXPECT(t.written > 0 && t.written < OX_MIB(32));
	while (read < before + OX_MIB(8)) {             /* read, it goes on */
		ssize_t n = ox_read(s, buf, sizeof(buf));

		EXPECT(n > 0);
		if (n <= 0)
			break;
		read += (size_t)n;
	}
	EXPECT(t.written > before);
	ox_stream_abort(s);                             /* in the middle: the handler, parked or not, is told */
	while (!t.ended && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(t.result, -ECONNRESET);
	EXPECT(t.gone);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_slow_peer_stops_its_handler_and_takes_no_memory)
{
	run_real(read_slowly, NULL);
}
END_TEST

static int cancel_writer(void *arg)
{
	struct site t = { 0 };
	ox_stream *s = NULL;

	(void)arg;
	site_open(&t, endless, false);
	EXPECT_EQ(ox_connect(t.address, &s), 0);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	while (t.written == 0 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_sleep(OX_MS(20));
	ox_http_server_close(t.server);
	EXPECT_EQ(t.result, OX_ECANCELED);
	ox_close(s);
	return 0;
}

START_TEST(closing_the_server_reaches_a_handler_that_waits_for_its_peer)
{
	run_real(cancel_writer, NULL);
}
END_TEST

static int take_nothing(void *arg)
{
	struct site t = { 0 };
	ox_stream *s = NULL;

	(void)arg;
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", endless, OX_HTTP_SERVER_OPTIONS(.arg = &t, .idle_timeout = OX_MS(50)), &t.server), 0);
	ox_http_server_url(t.server, t.url, sizeof(t.url));
	EXPECT_EQ(ox_connect(t.url + strlen("http://"), &s), 0);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!t.ended && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(t.result, -ECONNRESET);
	ox_close(s);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_peer_that_takes_nothing_is_dropped_in_time)
{
	run_real(take_nothing, NULL);
}
END_TEST

static int long_reply(ox_request *q, void *arg)
{
	static char body[3000000];

	(void)arg;
	return ox_request_reply(q, 200, NULL, body, sizeof(body));
}

static int read_for_long(void *arg)
{
	struct site t = { 0 };
	ox_stream *s = NULL;
	size_t total = 0;
	char buf[65536];
	ssize_t n;

	(void)arg;
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", long_reply, OX_HTTP_SERVER_OPTIONS(.idle_timeout = OX_MS(200)), &t.server), 0);
	ox_http_server_url(t.server, t.url, sizeof(t.url));
	EXPECT_EQ(ox_connect(t.url + strlen("http://"), &s), 0);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	while ((n = ox_read(s, buf, sizeof(buf))) > 0) {
		total += (size_t)n;
		ox_sleep(OX_MS(10));                    /* altogether several times the idle timeout */
	}
	EXPECT_EQ(n, 0);
	EXPECT(total > 3000000);
	ox_close(s);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_long_download_outlasts_the_idle_timeout)
{
	run_real(read_for_long, NULL);
}
END_TEST

/* ---- events ---- */

static int tell_events(ox_request *q, void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_request_send_event(q, OX_HTTP_EVENT(.id = "a\nb", .data = "x")), OX_EINVAL);
	EXPECT_EQ(ox_request_send_event(q, OX_HTTP_EVENT(.event = "a\rb", .data = "x")), OX_EINVAL);
	EXPECT_EQ(ox_request_send_event(q, OX_HTTP_EVENT(.retry = -1)), OX_EINVAL);
	EXPECT_EQ(ox_request_send_event(q, OX_HTTP_EVENT(.data = "one\ntwo\r\nthree\rfour", .event = "news", .id = "7",
	                                                 .retry = OX_SEC(3))),
	          0);
	EXPECT_EQ(ox_request_send_event(q, OX_HTTP_EVENT(.comment = "")), 0);
	EXPECT_EQ(ox_request_send_event(q, OX_HTTP_EVENT(.data = "")), 0);
	return 0;
}

static int hear_events(void *arg)
{
	struct site t = { 0 };
	ox_response *res = NULL;

	(void)arg;
	site_open(&t, tell_events, false);
	EXPECT_EQ(get(&t, "/", &res), 0);
	EXPECT_STR(ox_response_header(res, "Content-Type"), "text/event-stream");
	EXPECT_STR(ox_response_header(res, "Cache-Control"), "no-store");
	EXPECT_STR(ox_response_body(res).data, "event: news\nid: 7\nretry: 3000\n"
	                                       "data: one\ndata: two\ndata: three\ndata: four\n\n: \n\ndata: \n\n");
	ox_response_free(res);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(events_are_formatted_as_the_standard_says)
{
	run_real(hear_events, NULL);
}
END_TEST

static int tell_for_ever(ox_request *q, void *arg)
{
	struct site *t = arg;

	t->started++;
	do
		t->result = ox_request_send_event(q, OX_HTTP_EVENT(.data = "tick"));
	while (t->result == 0 && ox_sleep(OX_MS(2)) == 0);
	t->gone = ox_request_gone(q);
	t->ended++;
	return t->result;
}

static int leave_events(void *arg)
{
	struct site t = { 0 };
	ox_response *res = NULL;
	char buf[64], url[128], folder[64];
	const char *curl[] = { "curl", "-sSN", "--max-time", "0.3", url, NULL };
	size_t len;
	char *text;

	(void)arg;
	site_open(&t, tell_for_ever, false);
	EXPECT_EQ(ox_http_open("GET", at(&t, "/"), NULL, &res), 0);
	EXPECT(ox_response_read(res, buf, sizeof(buf)) > 0);
	ox_response_free(res);
	while (t.ended < 1 && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(t.result, -ECONNRESET);
	EXPECT(t.gone);

	folder_make(folder);
	strcpy(url, at(&t, "/"));
	EXPECT_EQ(program_run(curl, folder, "out"), 28);
	text = file_read(folder, "out", &len);
	EXPECT(text && strncmp(text, "data: tick\n\ndata: tick\n\n", 24) == 0);
	free(text);
	folder_remove(folder);
	while (t.ended < 2 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_listener_that_leaves_is_noticed)
{
	run_real(leave_events, NULL);
}
END_TEST

/* ---- peers that go ---- */

static int wait_for_go(ox_request *q, void *arg)
{
	struct site *t = arg;

	t->started++;
	t->result = ox_wait(&t->go, 1, OX_WAIT_ALL, OX_NEVER);
	t->gone = ox_request_gone(q);
	if (t->result >= 0)
		t->result = ox_request_reply(q, 200, NULL, "late", 4);
	t->ended++;
	return t->result;
}

static int go(void *arg)
{
	struct site *t = arg;

	while (t->started == 0 && ox_sleep(OX_MS(1)) == 0)
		;
	ox_sleep(OX_MS(20));
	return ox_promise_resolve(t->go, 0, NULL, 0);
}

static int close_half(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();
	char text[4096];

	(void)arg;
	t.go = ox_promise(g);
	site_open(&t, wait_for_go, false);
	ox_spawn(g, go, &t);
	converse(&t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, text, sizeof(text));
	EXPECT(strncmp(text, "HTTP/1.1 200", 12) == 0 && strstr(text, "\r\n\r\nlate"));
	EXPECT(t.gone);                                 /* it may have been */
	ox_http_server_close(t.server);

	site_open(&t, long_reply, false);
	EXPECT(converse(&t, "GET / HTTP/1.0\r\n\r\n", true, text, 2) == 1);
	ox_http_server_close(t.server);
	site_open(&t, in_pieces, false);
	converse(&t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, text, sizeof(text));
	EXPECT(strstr(text, "hello") && strstr(text, "world") && strstr(text, "\r\n0\r\n\r\n"));
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_peer_that_has_shut_down_its_sending_side_gets_its_reply)
{
	run_real(close_half, NULL);
}
END_TEST

static int leave_handler(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *s = NULL;

	(void)arg;
	t.go = ox_promise(g);
	site_open(&t, wait_for_go, true);
	EXPECT_EQ(ox_connect(t.address, &s), 0);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!t.started && ox_sleep(OX_MS(1)) == 0)
		;
	ox_close(s);
	while (!t.ended && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(t.result, OX_ECANCELED);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_handler_is_cancelled_when_its_peer_leaves_if_asked)
{
	run_real(leave_handler, NULL);
}
END_TEST

/* ---- the end of a server ---- */

struct client {
	struct site *site;
	const char *path;
	int status;
};

static int ask(void *arg)
{
	struct client *c = arg;
	OX_AUTO_RESPONSE *res = NULL;
	int r = get(c->site, c->path, &res);

	c->status = r < 0 ? r : ox_response_status(res);
	if (r == 0)
		EXPECT_STR(ox_response_header(res, "Connection"), "close");
	return 0;
}

static int drain(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct client c = { &t, "/", 0 };
	ox_stream *idle = NULL, *late = NULL;
	ox_response *res = NULL;
	char text[512];
	ox_future *f;

	(void)arg;
	t.go = ox_promise(g);
	site_open(&t, wait_for_go, false);
	EXPECT_EQ(ox_connect(t.address, &idle), 0);
	raw_say(idle, "BREW / HTTP/1.1\r\nHost: x\r\n\r\n");
	EXPECT(ox_read(idle, text, sizeof(text)) > 0);
	ox_close(idle);

	ox_promise_resolve(t.go, 0, NULL, 0);
	EXPECT_EQ(ox_connect(t.address, &idle), 0);
	raw_say(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	EXPECT(ox_read(idle, text, sizeof(text)) > 0);          /* it waits for its next request from now on */
	t.go = ox_promise(g);
	f = ox_spawn(g, ask, &c);
	while (t.started < 2 && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(ox_http_server_drain(t.server, OX_MS(20)), OX_ETIMEDOUT);
	EXPECT_EQ(ox_read(idle, text, sizeof(text)), 0);
	EXPECT_EQ(get(&t, "/", &res), -ECONNREFUSED);
	EXPECT_EQ(ox_connect(t.address, &late), -ECONNREFUSED);
	EXPECT_EQ(t.ended, 1);                                  /* the busy one works on */
	ox_promise_resolve(t.go, 0, NULL, 0);
	EXPECT_EQ(ox_http_server_drain(t.server, OX_SEC(20)), 0);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_EQ(c.status, 200);
	ox_http_server_close(t.server);
	ox_close(idle);
	return 0;
}

START_TEST(draining_finishes_what_is_busy_and_closes_what_is_idle)
{
	run_real(drain, NULL);
}
END_TEST

static int drain_long(void *arg)
{
	struct site t = { 0 };
	ox_stream *s = NULL;
	size_t total;
	char *text = malloc(4000000);
	ssize_t n;

	(void)arg;
	site_open(&t, long_reply, false);
	EXPECT_EQ(ox_connect(t.address, &s), 0);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	total = (size_t)ox_read(s, text, 100);
	EXPECT_EQ(ox_http_server_drain(t.server, OX_MS(20)), OX_ETIMEDOUT);     /* not until the last byte has left */
	while ((n = ox_read(s, text, 4000000)) > 0)
		total += (size_t)n;
	EXPECT_EQ(n, 0);
	EXPECT(total > 3000000);
	EXPECT_EQ(ox_http_server_drain(t.server, OX_SEC(20)), 0);
	ox_http_server_close(t.server);
	ox_close(s);
	free(text);
	return 0;
}

START_TEST(draining_waits_for_the_last_byte)
{
	run_real(drain_long, NULL);
}
END_TEST

/* ---- what a proxy would read otherwise ---- */

static int hello(ox_request *q, void *arg)
{
	(void)arg;
	return ox_request_reply(q, 200, NULL, "hello", 5);
}

static int smuggle(void *arg)
{
	static const char *const bad[] = {
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nX: y\r\n\vTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nX y: z\r\nContent-Length: 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\nhello",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
		"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
	};
	static const char *const hiding[] = { "GET", "DELETE", "OPTIONS", "POST" };
	struct site t = { 0 };
	char text[4096], say[200];

	(void)arg;
	site_open(&t, hello, false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		converse(&t, bad[i], false, text, sizeof(text));
		EXPECT(strncmp(text, "HTTP/1.1 400", 12) == 0 && !strstr(text + 12, "HTTP/1.1"));
	}
	for (size_t i = 0; i < sizeof(hiding) / sizeof(hiding[0]); i++) {
		snprintf(say, sizeof(say), "%s / HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n%s", hiding[i],
		         "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n");
		converse(&t, say, true, text, sizeof(text));
		EXPECT(strncmp(text, "HTTP/1.1 200", 12) == 0 && !strstr(text + 12, "HTTP/1.1"));
	}
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(a_request_that_can_be_read_in_two_ways_is_refused)
{
	run_real(smuggle, NULL);
}
END_TEST

/* ---- curl ---- */

static int echo_length(ox_request *q, void *arg)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%zu", ox_request_body(q).len);

	(void)arg;
	return ox_request_reply(q, 200, "text/plain", text, (size_t)n);
}

static int serve_curl(void *arg)
{
	struct site t = { 0 };
	char folder[64], url[128], small[128], big[128], *text;
	const char *expect[] = { "curl", "-sSi", "-H", "Expect: 100-continue", "--data-binary", small, url, url, NULL };
	const char *chunked[] = { "curl", "-sS", "-T", small + 1, "-H", "Transfer-Encoding: chunked", "-H", "Expect:", url, NULL };
	const char *over[] = { "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "--data-binary", big, url, NULL };
	const char *over_expect[] = { "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}", "--data-binary", big,
		                      "-H", "Expect: 100-continue", "--max-time", "5", url, NULL };
	size_t len;
	char *data = calloc(1, 3000000);

	(void)arg;
	folder_make(folder);
	snprintf(small, sizeof(small), "@%.40s/small", folder);
	snprintf(big, sizeof(big), "@%.40s/big", folder);
	file_write(folder, "small", "0123456789", 10);
	file_write(folder, "big", data, 3000000);
	free(data);
	site_open(&t, echo_length, false);
	strcpy(url, at(&t, "/"));
	EXPECT_EQ(program_run(expect, folder, "out"), 0);
	text = file_read(folder, "out", &len);
	EXPECT(text && strstr(text, "100 Continue") && strstr(text, "HTTP/1.1 200") && text[len - 1] == '0');
	free(text);
	EXPECT_EQ(program_run(chunked, folder, "out"), 0);
	text = file_read(folder, "out", &len);
	EXPECT_STR(text, "10");
	free(text);
	EXPECT_EQ(program_run(over, folder, "out"), 0);
	text = file_read(folder, "out", &len);
	EXPECT_STR(text, "413");
	free(text);
	program_run(over_expect, folder, "out");
	text = file_read(folder, "out", &len);
	EXPECT(text && strncmp(text, "413", 3) == 0);
	free(text);
	folder_remove(folder);
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(curl_uploads_with_expect_in_chunks_and_too_much)
{
	run_real(serve_curl, NULL);
}
END_TEST

/* ---- peers that dawdle ---- */

static int dawdle(void *arg)
{
	struct site t = { 0 };
	ox_stream *s[20];
	OX_AUTO_RESPONSE *res = NULL;
	char text[64];

	(void)arg;
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", hello, OX_HTTP_SERVER_OPTIONS(.idle_timeout = OX_MS(100)), &t.server), 0);
	ox_http_server_url(t.server, t.url, sizeof(t.url));
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(ox_connect(t.url + strlen("http://"), &s[i]), 0);
		raw_say(s[i], "GET / HTTP/1.1\r\nX-Slow: ");
	}
	EXPECT_EQ(get(&t, "/", &res), 0);               /* they hold up nobody */
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(ox_read(s[i], text, sizeof(text)), 0);
		ox_close(s[i]);
	}
	ox_http_server_close(t.server);
	return 0;
}

START_TEST(requests_that_never_end_are_dropped_in_time)
{
	run_real(dawdle, NULL);
}
END_TEST

/* ---- memory ---- */

static int stream_without_memory(void *arg)
{
	struct site t = { 0 };
	OX_AUTO_RESPONSE *res = NULL;
	int r;

	(void)arg;
	r = ox_http_serve("127.0.0.1:0", tell_for_ever, OX_HTTP_SERVER_OPTIONS(.arg = &t), &t.server);
	if (r < 0)
		return r;
	ox_http_server_url(t.server, t.url, sizeof(t.url));
	r = ox_http_open("GET", t.url, OX_HTTP_OPTIONS(.timeout = OX_SEC(20)), &res);
	if (r == 0 && ox_response_status(res) == 503)
		r = OX_ENOMEM;
	if (r == -ECONNRESET)
		r = OX_ENOMEM;
	ox_response_free(res);
	res = NULL;
	ox_http_server_close(t.server);
	return r < 0 ? r : t.result == OX_ENOMEM ? OX_ENOMEM : 0;
}

START_TEST(each_allocation_of_a_stream_of_events_fails_once)
{
	fails_cleanly_real(stream_without_memory, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http replies");
	TCase *c = new_case(s, "replies", 120);

	forget_proxies();
	tcase_add_test(c, a_reply_in_pieces_arrives_whole_or_not_at_all);
	tcase_add_test(c, a_slow_peer_stops_its_handler_and_takes_no_memory);
	tcase_add_test(c, closing_the_server_reaches_a_handler_that_waits_for_its_peer);
	tcase_add_test(c, a_peer_that_takes_nothing_is_dropped_in_time);
	tcase_add_test(c, a_long_download_outlasts_the_idle_timeout);
	tcase_add_test(c, events_are_formatted_as_the_standard_says);
	tcase_add_test(c, a_listener_that_leaves_is_noticed);
	tcase_add_test(c, a_peer_that_has_shut_down_its_sending_side_gets_its_reply);
	tcase_add_test(c, a_handler_is_cancelled_when_its_peer_leaves_if_asked);
	tcase_add_test(c, draining_finishes_what_is_busy_and_closes_what_is_idle);
	tcase_add_test(c, draining_waits_for_the_last_byte);
	tcase_add_test(c, a_request_that_can_be_read_in_two_ways_is_refused);
	tcase_add_test(c, curl_uploads_with_expect_in_chunks_and_too_much);
	tcase_add_test(c, requests_that_never_end_are_dropped_in_time);
	tcase_add_test(c, each_allocation_of_a_stream_of_events_fails_once);
	return run_suite(s);
}
