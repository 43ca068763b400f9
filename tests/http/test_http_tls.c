/* SPDX-License-Identifier: MIT */
/* The HTTP server over TLS: asked by our own client, by curl, by raw TLS, and at its inside by who should not. */
#include <oxbow/tls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/http/peers.h"
#include "tests/support/identity.h"

#define BIG 1000000
#define GET(url, ...) ox_http_get((url), OX_HTTP_OPTIONS(.timeout = OX_SEC(30), .ca_file = site.ca, __VA_ARGS__), &res)

static struct {
	char folder[64], ca[100], url[80], address[80];
	identity id;
	ox_tls *server_tls, *client_tls;
	ox_http_server *server;
	int result, ended;
} site;

static int serve(ox_request *q, void *arg)
{
	static char big[BIG];
	ox_bytes body = ox_request_body(q);

	(void)arg;
	if (strcmp(ox_request_path(q), "/big") == 0)
		return ox_request_reply(q, 200, "text/plain", big, sizeof(big));
	if (strcmp(ox_request_path(q), "/file") == 0)
		return ox_request_reply_file(q, site.folder);
	if (strcmp(ox_request_path(q), "/ticks") == 0) {
		do
			site.result = ox_request_send_event(q, OX_HTTP_EVENT(.data = "tick"));
		while (site.result == 0 && ox_sleep(OX_MS(2)) == 0);
		site.ended++;
		return site.result;
	}
	return ox_request_reply(q, 200, "text/plain", body.len ? body.data : "hello", body.len ? body.len : 5);
}

static void open_site(void)
{
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", serve, OX_HTTP_SERVER_OPTIONS(.tls = site.server_tls), &site.server), 0);
	ox_http_server_url(site.server, site.url, sizeof(site.url));
	EXPECT(strncmp(site.url, "https://127.0.0.1:", 18) == 0);
	strcpy(site.address, site.url + strlen("https://"));
}

static const char *at(const char *path)
{
	static char url[4][128];
	static unsigned next;
	char *u = url[next++ % 4];

	snprintf(u, sizeof(url[0]), "%s%s", site.url, path);
	return u;
}

static void set_up(void)
{
	char key[100];

	forget_proxies();
	folder_make(site.folder);
	file_write(site.folder, "file", (char[300000]){ 0 }, 300000);
	site.id = IDENTITY(.name = "server", .san = "DNS:localhost,IP:127.0.0.1");
	snprintf(site.ca, sizeof(site.ca), "%s/cert", site.folder);
	snprintf(key, sizeof(key), "%s/key", site.folder);
	identity_write(site.ca, &site.id.cert, NULL);
	ck_assert_int_eq(ox_tls_new(OX_TLS_OPTIONS(.cert = site.id.cert, .key = site.id.key), &site.server_tls), 0);
	ck_assert_int_eq(ox_tls_new(OX_TLS_OPTIONS(.ca = site.id.cert), &site.client_tls), 0);
}

static void tear_down(void)
{
	ox_tls_free(site.server_tls);
	ox_tls_free(site.client_tls);
	identity_free(&site.id);
	folder_remove(site.folder);
}

/* ---- it serves ---- */

static int one_of_many(void *arg)
{
	OX_AUTO_RESPONSE *res = NULL;
	int r = GET(at("/big"), 0);

	(void)arg;
	EXPECT_EQ(r, 0);
	if (r == 0)
		EXPECT_EQ(ox_response_body(res).len, BIG);
	return r;
}

static int browse(void *arg)
{
	ox_http_times times;
	ox_response *res = NULL;
	char text[256] = "";

	(void)arg;
	open_site();
	EXPECT_EQ(GET(site.url, 0), 0);
	EXPECT_STR(ox_response_body(res).data, "hello");
	ox_response_free(res);
	EXPECT_EQ(ox_http_post(site.url, "body", 4, OX_HTTP_OPTIONS(.ca_file = site.ca), &res), 0);
	EXPECT_STR(ox_response_body(res).data, "body");
	ox_response_times(res, &times);
	EXPECT_EQ(times.tls, 0);                                /* the connection was kept */
	ox_response_free(res);
	if (!under_valgrind()) {
		EXPECT_EQ(GET(at("/file"), 0), 0);
		EXPECT_EQ(ox_response_body(res).len, 300000);
		ox_response_free(res);
	}
	EXPECT_EQ(ox_http_get(site.url, OX_HTTP_OPTIONS(.error_text = text), &res), OX_ETLS);
	{
		OX_AUTO_GROUP *g = ox_group_open();

		for (int i = 0; i < 20; i++)
			ox_spawn(g, one_of_many, NULL);
		EXPECT_EQ(ox_group_join(g), 0);
	}
	EXPECT_EQ(ox_http_server_drain(site.server, OX_SEC(20)), 0);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(a_site_is_served_over_tls)
{
	run_real(browse, NULL);
}
END_TEST

static int listen_and_leave(void *arg)
{
	ox_response *res = NULL;
	ox_stream *s = NULL;
	char text[4096];
	ssize_t n;

	(void)arg;
	open_site();
	site.ended = 0;
	EXPECT_EQ(ox_http_open("GET", at("/ticks"), OX_HTTP_OPTIONS(.ca_file = site.ca), &res), 0);
	EXPECT(ox_response_read(res, text, sizeof(text)) > 0);
	ox_response_free(res);
	while (!site.ended && ox_sleep(OX_MS(1)) == 0)
		;
	EXPECT_EQ(site.result, -ECONNRESET);

	EXPECT_EQ(ox_connect_tls(site.address, site.client_tls, NULL, &s), 0);
	raw_say(s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	EXPECT_EQ(ox_write_eof(s), 0);                          /* half-closed */
	n = ox_read(s, text, sizeof(text));
	EXPECT(n > 0 && strncmp(text, "HTTP/1.1 200", 12) == 0);
	while ((n = ox_read(s, text, sizeof(text))) > 0)
		;
	EXPECT_EQ(n, 0);                                        /* with close_notify */
	ox_close(s);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(who_leaves_is_noticed_and_who_half_closes_is_answered)
{
	run_real(listen_and_leave, NULL);
}
END_TEST

/* ---- it ends ---- */

static int drain(void *arg)
{
	ox_stream *unused = NULL, *idle = NULL, *mute = NULL, *late = NULL;
	char text[1000];

	(void)arg;
	open_site();
	EXPECT_EQ(ox_connect_tls(site.address, site.client_tls, NULL, &unused), 0);
	EXPECT_EQ(ox_connect_tls(site.address, site.client_tls, NULL, &idle), 0);
	raw_say(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	EXPECT(ox_read(idle, text, sizeof(text)) > 0);
	EXPECT_EQ(ox_http_server_drain(site.server, OX_SEC(4)), 0);
	EXPECT_EQ(ox_read(unused, text, 1), 0);
	EXPECT_EQ(ox_read(idle, text, 1), 0);
	EXPECT_EQ(ox_connect(site.address, &late), -ECONNREFUSED);
	ox_close(unused);
	ox_close(idle);
	ox_http_server_close(site.server);

	open_site();                                            /* and one that never says a word of TLS */
	EXPECT_EQ(ox_connect(site.address, &mute), 0);
	ox_sleep(OX_MS(10));
	ox_http_server_close(site.server);
	ox_close(mute);
	return 0;
}

START_TEST(draining_ends_connections_over_tls)
{
	run_real(drain, NULL);
}
END_TEST

static int leave_open(void *arg)
{
	ox_response *res = NULL;

	(void)arg;
	open_site();
	EXPECT_EQ(GET(site.url, 0), 0);
	ox_response_free(res);
	return 0;
}

START_TEST(a_server_over_tls_that_was_left_open_ends_with_its_loop)
{
	run_real(leave_open, NULL);
}
END_TEST

/* ---- others ---- */

static int by_curl(void *arg)
{
	const char *argv[] = { "curl", "-sS", "--cacert", site.ca, NULL, NULL };
	size_t len;
	char *text;

	(void)arg;
	open_site();
	argv[4] = at("/big");
	EXPECT_EQ(program_run(argv, site.folder, "out"), 0);
	text = file_read(site.folder, "out", &len);
	EXPECT_EQ(len, BIG);
	free(text);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(curl_fetches_over_tls)
{
	run_real(by_curl, NULL);
}
END_TEST

/* Asks at each of the insides that the machine has just now, other tests' included. */
static int ask_inside(void *arg)
{
	const char *argv[] = { "curl", "-s", "--abstract-unix-socket", NULL, "-o", "/dev/null", "-w", "%{http_code}", "http://x/", NULL };
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512], *at;
	int refused = 0;
	size_t len;

	(void)arg;
	open_site();
	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "@oxbow-");
		if (!at || strcspn(at, "\n") != strlen("@oxbow-") + 32)
			continue;
		at[strcspn(at, "\n")] = 0;
		argv[3] = at + 1;
		program_run(argv, site.folder, "code");
		char *text = file_read(site.folder, "code", &len);

		EXPECT(!text || strcmp(text, "200") != 0);
		refused += text && strcmp(text, "403") == 0;
		free(text);
	}
	fclose(f);
	EXPECT(refused >= 1);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(no_other_process_is_served_at_the_inside)
{
	run_real(ask_inside, NULL);
}
END_TEST

/* ---- memory ---- */

static int without_memory(void *arg)
{
	OX_AUTO_RESPONSE *res = NULL;
	int r = ox_http_serve("127.0.0.1:0", serve, OX_HTTP_SERVER_OPTIONS(.tls = site.server_tls), &site.server);

	(void)arg;
	if (r < 0)
		return r;
	ox_http_server_url(site.server, site.url, sizeof(site.url));
	r = GET(site.url, 0);
	if (r == -ECONNRESET || r == -ECONNREFUSED || r == OX_ETLS || r == OX_EINCOMPLETE || (r == 0 && ox_response_status(res) >= 500))
		r = OX_ENOMEM;                                  /* the server's share of it */
	ox_response_free(res);
	res = NULL;
	ox_http_server_close(site.server);
	return r;
}

START_TEST(each_allocation_of_a_server_over_tls_fails_once)
{
	fails_cleanly_real(without_memory, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http over tls");
	TCase *c = new_case(s, "tls", 120);

	tcase_add_unchecked_fixture(c, set_up, tear_down);
	tcase_add_test(c, a_site_is_served_over_tls);
	tcase_add_test(c, who_leaves_is_noticed_and_who_half_closes_is_answered);
	tcase_add_test(c, draining_ends_connections_over_tls);
	tcase_add_test(c, a_server_over_tls_that_was_left_open_ends_with_its_loop);
	tcase_add_test(c, curl_fetches_over_tls);
	tcase_add_test(c, no_other_process_is_served_at_the_inside);
	tcase_add_test(c, each_allocation_of_a_server_over_tls_fails_once);
	return run_suite(s);
}
