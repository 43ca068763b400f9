/* SPDX-License-Identifier: MIT */
/*
 * The HTTP client against nginx, over TCP and over TLS, in a folder of its own with a certificate made here;
 * and our server behind nginx.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/http/peers.h"

#define GET(url, ...) ox_http_get((url), OX_HTTP_OPTIONS(__VA_ARGS__), &res)
#define PAGE 200000

static struct {
	char folder[64], ca[96];
	unsigned port, tls_port;
	pid_t nginx;
} peer;

static const char configuration[] =
	"daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log error.log;\n"
	"events { worker_connections 1024; }\n"
	"http {\n"
	"  access_log off;\n  default_type text/html;\n  keepalive_requests 100000;\n"
	"  client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n"
	"  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n"
	"  gzip on;\n"
	"  server {\n"
	"    listen 127.0.0.1:%u;\n    listen 127.0.0.1:%u ssl http2;\n"
	"    ssl_certificate cert.pem;\n    ssl_certificate_key key.pem;\n    root .;\n"
	"    location /moved { return 301 /page.html; }\n"
	"    location /303 { return 303 /page.html; }\n"
	"    location /secure { return 302 https://localhost:%u/page.html; }\n"
	"    location /echo { return 200 \"$request_method $http_x_test $content_length\"; }\n"
	"    location /gone { return 410; }\n"
	"    location /none { return 444; }\n"
	"    location /plain/ { gzip off; alias ./; }\n"
	"    location /slow/ { gzip off; limit_rate 20k; alias ./; }\n"
	"    location /via/ {\n"
	"      proxy_pass http://$arg_to;\n      proxy_http_version 1.1;\n      proxy_set_header Connection '';\n"
	"      proxy_buffering off;\n      proxy_request_buffering off;\n      client_max_body_size 0;\n    }\n"
	"  }\n"
	"}\n";

static void make_page(void)
{
	char *page = malloc(PAGE);

	for (size_t i = 0; i < PAGE; i++)
		page[i] = (char)('a' + i % 23);
	file_write(peer.folder, "page.html", page, PAGE);
	free(page);
}

/*
 * nginx takes its listening sockets over by the environment, so that the kernel can choose their ports.
 * setpriv: it ends with this program, however that ends.
 */
static void start_nginx(void)
{
	int fd = port_open(&peer.port), tls_fd = port_open(&peer.tls_port);
	char text[4096], inherited[64];
	const char *argv[] = { "setpriv", "--pdeathsig", "TERM", "nginx", "-p", peer.folder, "-c", "nginx.conf", "-e", "error.log",
		               NULL };

	snprintf(text, sizeof(text), configuration, peer.port, peer.tls_port, peer.tls_port);
	file_write(peer.folder, "nginx.conf", text, strlen(text));
	fcntl(fd, F_SETFD, 0);
	fcntl(tls_fd, F_SETFD, 0);
	snprintf(inherited, sizeof(inherited), "%d;%d;", fd, tls_fd);
	setenv("NGINX", inherited, 1);
	peer.nginx = program_start(argv, peer.folder, "nginx.out");
	unsetenv("NGINX");
	ck_assert_int_gt(peer.nginx, 0);
	close(fd);
	close(tls_fd);
}

static void start(void)
{
	const char *openssl[] = { "openssl",  "req",     "-x509",  "-newkey", "ec",
		                  "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",  "-keyout", "key.pem",
		                  "-out",     "cert.pem", "-days",  "2",       "-subj",
		                  "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", NULL };
	char here[1024];

	forget_proxies();
	folder_make(peer.folder);
	ck_assert_int_eq(chmod(peer.folder, 0755), 0);
	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	ck_assert_int_eq(chdir(peer.folder), 0);
	ck_assert_int_eq(program_run(openssl, peer.folder, "openssl.out"), 0);
	ck_assert_int_eq(chdir(here), 0);
	snprintf(peer.ca, sizeof(peer.ca), "%s/cert.pem", peer.folder);
	make_page();
	start_nginx();
}

static void stop(void)
{
	ck_assert_int_eq(kill(peer.nginx, SIGTERM), 0);
	ck_assert_int_eq(waitpid(peer.nginx, NULL, 0), peer.nginx);
	folder_remove(peer.folder);
}

static int fds_before;

static void count_before(void)
{
	fds_before = count_fds();
}

static void count_after(void)
{
	ck_assert_int_eq(count_fds(), fds_before);
}

static const char *url(const char *scheme, const char *host, const char *path)
{
	static char text[8][128];
	static unsigned next;
	char *u = text[next++ % 8];

	snprintf(u, sizeof(text[0]), "%s://%s:%u%s", scheme, host, scheme[4] ? peer.tls_port : peer.port, path);
	return u;
}

/* ---- plain ---- */

static int browse(void *arg)
{
	static const char *const headers[] = { "X-Test: ja", NULL };
	ox_http_times times;
	ox_response *res = NULL;

	(void)arg;
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/page.html"), 0), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	EXPECT_EQ(ox_response_body(res).len, PAGE);
	EXPECT_STR(ox_response_header(res, "content-encoding"), "gzip");
	ox_response_times(res, &times);
	EXPECT(times.wire_bytes < PAGE / 10);
	ox_response_free(res);

	EXPECT_EQ(GET(url("http", "127.0.0.1", "/moved"), 0), 0);
	EXPECT_STR(ox_response_url(res), url("http", "127.0.0.1", "/page.html"));
	EXPECT_EQ(ox_response_body(res).len, PAGE);
	ox_response_free(res);
	EXPECT_EQ(ox_http_post(url("http", "127.0.0.1", "/303"), "x", 1, NULL, &res), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	ox_response_free(res);

	EXPECT_EQ(ox_http_request("OPTIONS", url("http", "localhost", "/echo"),
	                          OX_HTTP_OPTIONS(.headers = headers, .body = "12345", .body_len = 5), &res),
	          0);
	EXPECT_STR(ox_response_body(res).data, "OPTIONS ja 5");
	ox_response_free(res);
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/gone"), 0), 0);
	EXPECT_EQ(ox_response_status(res), 410);
	ox_response_free(res);
	EXPECT_EQ(ox_http_request("HEAD", url("http", "127.0.0.1", "/page.html"), NULL, &res), 0);
	EXPECT_EQ(ox_response_body(res).len, 0);
	ox_response_free(res);
	return 0;
}

START_TEST(nginx_is_read_decoded_and_followed)
{
	run_real(browse, NULL);
}
END_TEST

/* ---- conditions, ranges, connections ---- */

static int ask_again(void *arg)
{
	char since[200], match[200];
	const char *headers[] = { "Range: bytes=100-199", NULL, NULL };
	const char *parts[] = { "Range: bytes=0-0,199999-", NULL };
	const char *beyond[] = { "Range: bytes=200000-", NULL };
	ox_http_times times;
	ox_response *res = NULL;

	(void)arg;
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/plain/page.html"), 0), 0);
	EXPECT_STR(ox_response_version(res), "1.1");
	snprintf(match, sizeof(match), "If-None-Match: %s", ox_response_header(res, "ETag"));
	snprintf(since, sizeof(since), "If-Range: %s", ox_response_header(res, "ETag"));
	ox_response_free(res);

	headers[1] = since;
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/plain/page.html"), .headers = headers), 0);
	EXPECT_EQ(ox_response_status(res), 206);
	EXPECT_EQ(ox_response_body(res).len, 100);
	EXPECT_EQ(((const char *)ox_response_body(res).data)[0], 'a' + 100 % 23);
	ox_response_times(res, &times);
	EXPECT(times.connect == 0);                     /* kept alive */
	ox_response_free(res);
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/plain/page.html"), .headers = parts), 0);
	EXPECT_EQ(ox_response_status(res), 206);
	EXPECT(strncmp(ox_response_header(res, "Content-Type"), "multipart/byteranges", 20) == 0);
	ox_response_free(res);
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/plain/page.html"), .headers = beyond), 0);
	EXPECT_EQ(ox_response_status(res), 416);
	ox_response_free(res);
	headers[0] = match;
	headers[1] = NULL;
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/plain/page.html"), .headers = headers), 0);
	EXPECT_EQ(ox_response_status(res), 304);
	EXPECT_EQ(ox_response_body(res).len, 0);
	ox_response_free(res);
	res = NULL;

	EXPECT_EQ(GET(url("http", "127.0.0.1", "/none"), 0), -ECONNRESET);
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/slow/page.html"), .timeout = OX_MS(300)), OX_ETIMEDOUT);
	EXPECT(res == NULL);
	return 0;
}

START_TEST(nginx_answers_conditions_and_ranges_and_takes_its_time)
{
	run_real(ask_again, NULL);
}
END_TEST

/* ---- our server behind nginx ---- */

static int behind(ox_request *q, void *arg)
{
	const char *path = ox_request_path(q);
	char text[100];

	(void)arg;
	if (strcmp(path, "/via/body") == 0) {
		snprintf(text, sizeof(text), "%s %zu", ox_request_method(q), ox_request_body(q).len);
		return ox_request_reply(q, 200, "text/x", text, strlen(text));
	}
	for (int i = 0; i < 3; i++)
		ox_request_send_event(q, OX_HTTP_EVENT(.data = "tick"));
	if (strcmp(path, "/via/breaks") != 0)
		return 0;
	ox_sleep(OX_MS(20));                            /* they are on their way */
	return OX_EPROTO;
}

static const char *via(const char *scheme, const char *path, const char *server)
{
	static char text[4][256];
	static unsigned next;
	char *u = text[next++ % 4];

	snprintf(u, sizeof(text[0]), "%s/via/%s?to=%s", url(scheme, "localhost", ""), path, server + strlen("http://"));
	return u;
}

static ssize_t read_bytes(void *arg, void *buf, size_t cap)
{
	size_t *left = arg, n = *left < cap ? *left : cap;

	memset(buf, 'x', n);
	*left -= n;
	return ox_sleep(OX_US(100)) < 0 ? OX_ECANCELED : (ssize_t)n;
}

static void upload_by(const char *scheme, const char *server, bool sized)
{
	size_t left = 3000000;
	ox_response *res = NULL;

	EXPECT_EQ(ox_http_request("PUT", via(scheme, "body", server),
	                          OX_HTTP_OPTIONS(.read_body = read_bytes, .read_arg = &left, .body_len = sized ? left : 0,
	                                          .ca_file = peer.ca),
	                          &res),
	          0);
	EXPECT_STR(ox_response_body(res).data, "PUT 3000000");
	EXPECT_STR(ox_response_version(res), scheme[4] ? "2" : "1.1");
	ox_response_free(res);
}

static void talk_to(const char *listen)
{
	ox_http_server *server;
	ox_response *res = NULL;
	char address[120];

	EXPECT_EQ(ox_http_serve(listen, behind, NULL, &server), 0);
	ox_http_server_url(server, address, sizeof(address));
	if (strncmp(listen, "unix:", 5) == 0)
		EXPECT_EQ(chmod(listen + 5, 0666), 0);          /* nginx works as another user */
	upload_by("http", address, true);
	upload_by("http", address, false);
	upload_by("https", address, true);
	upload_by("https", address, false);
	EXPECT_EQ(GET(via("https", "events", address), .ca_file = peer.ca), 0);
	EXPECT_STR(ox_response_body(res).data, "data: tick\n\ndata: tick\n\ndata: tick\n\n");
	EXPECT_STR(ox_response_version(res), "2");
	ox_response_free(res);
	res = NULL;
	EXPECT(GET(via("http", "breaks", address), 0) < 0);
	EXPECT(GET(via("https", "breaks", address), .ca_file = peer.ca) < 0);
	EXPECT(res == NULL);
	EXPECT_EQ(ox_http_server_drain(server, OX_SEC(20)), 0);
	EXPECT_EQ(GET(via("http", "body", address), .retries = 2, .retry_delay = OX_MS(1)), 0);
	EXPECT_EQ(ox_response_status(res), 502);
	ox_response_free(res);
	ox_http_server_close(server);
}

static int talk_through_nginx(void *arg)
{
	char listen[120];

	(void)arg;
	snprintf(listen, sizeof(listen), "unix:%s/app", peer.folder);
	talk_to("127.0.0.1:0");
	talk_to(listen);
	return 0;
}

START_TEST(our_server_behind_nginx_takes_uploads_and_streams)
{
	run_real(talk_through_nginx, NULL);
}
END_TEST

/* ---- a proxy that makes tunnels ---- */

struct tunnel {
	ox_stream *from, *to;
};

static int pour(void *arg)
{
	const struct tunnel *t = arg;
	char buf[16384];
	ssize_t n;

	while ((n = ox_read(t->from, buf, sizeof(buf))) > 0)
		if (ox_write(t->to, buf, (size_t)n) < 0)
			return 0;
	return ox_write_eof(t->to);
}

static int be_proxy(struct raw_server *s, ox_stream *stream)
{
	struct tunnel up = { .from = stream }, down = { .to = stream };
	char address[64];
	OX_AUTO_STREAM *server = NULL;
	ox_bytes headers;

	if (ox_read_until(stream, (ox_bytes){ "\r\n\r\n", 4 }, OX_KIB(64), &headers) < 0)
		return 0;
	s->requests += memmem(headers.data, headers.len, "Proxy-Authorization: Basic dTpw\r\n", 33) != NULL;
	EXPECT(strncmp(headers.data, "CONNECT localhost:", 18) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", peer.tls_port);
	EXPECT_EQ(ox_connect(address, &server), 0);
	raw_say(stream, "HTTP/1.1 200 Fine\r\n\r\n");
	up.to = down.from = server;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_spawn(g, pour, &up);
	ox_spawn(g, pour, &down);
	return ox_group_join(g);
}

static int through_a_tunnel(void *arg)
{
	struct raw_server s = { 0 };
	char proxy[128];
	ox_response *res = NULL;

	(void)arg;
	raw_open(&s, be_proxy);
	snprintf(proxy, sizeof(proxy), "http://u:p@%s", s.url + strlen("http://"));
	EXPECT_EQ(GET(url("https", "localhost", "/page.html"), .ca_file = peer.ca, .proxy = proxy), 0);
	EXPECT_EQ(ox_response_body(res).len, PAGE);
	EXPECT_STR(ox_response_version(res), "2");
	EXPECT_EQ(s.requests, 1);
	ox_response_free(res);
	raw_close(&s);
	return 0;
}

START_TEST(tls_goes_through_the_tunnel_of_a_proxy)
{
	run_real(through_a_tunnel, NULL);
}
END_TEST

/* ---- TLS ---- */

static int verify(void *arg)
{
	char text[256] = "";
	ox_http_times times;
	ox_response *res = NULL;

	(void)arg;
	EXPECT_EQ(GET(url("https", "localhost", "/page.html"), .error_text = text), OX_ETLS);
	EXPECT(strstr(text, "certificate") != NULL);
	EXPECT_EQ(GET(url("https", "localhost", "/page.html"), .ca_file = peer.ca), 0);
	EXPECT_EQ(ox_response_status(res), 200);
	EXPECT_STR(ox_response_version(res), "2");
	EXPECT_EQ(ox_response_body(res).len, PAGE);
	ox_response_times(res, &times);
	EXPECT(times.tls > times.connect && times.connect > 0);
	ox_response_free(res);
	res = NULL;

	EXPECT_EQ(GET(url("https", "localhost", "/page.html"), 0), OX_ETLS);            /* the kept connection is not for it */
	EXPECT_EQ(GET(url("https", "127.0.0.1", "/page.html"), .ca_file = peer.ca, .error_text = text), OX_ETLS);
	EXPECT(text[0]);
	EXPECT_EQ(GET(url("https", "localhost", "/page.html"), .ca_file = "/no/such/file"), OX_ETLS);
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/secure"), 0), OX_ETLS);                /* also behind a redirect */
	EXPECT(res == NULL);
	EXPECT_EQ(GET(url("https", "127.0.0.1", "/page.html"), .insecure = true), 0);
	ox_response_free(res);
	EXPECT_EQ(GET(url("http", "127.0.0.1", "/secure"), .ca_file = peer.ca), 0);
	EXPECT_EQ(ox_response_body(res).len, PAGE);
	ox_response_free(res);
	return 0;
}

START_TEST(certificates_and_names_are_verified)
{
	run_real(verify, NULL);
}
END_TEST

static int no_tls_there(void *arg)
{
	ox_response *res = NULL;
	char plain[128];

	(void)arg;
	snprintf(plain, sizeof(plain), "https://127.0.0.1:%u/", peer.port);
	EXPECT_EQ(GET(plain, .insecure = true), OX_ETLS);
	return 0;
}

START_TEST(a_peer_that_speaks_no_tls_is_etls)
{
	run_real(no_tls_there, NULL);
}
END_TEST

static int get_page(void *arg)
{
	OX_AUTO_RESPONSE *res = NULL;
	int r = GET(arg, .ca_file = peer.ca, .timeout = OX_SEC(60), .connect_timeout = OX_SEC(60));

	EXPECT_EQ(r, 0);
	if (r == 0)
		EXPECT_EQ(ox_response_body(res).len, PAGE);
	return r;
}

static int get_many(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	char address[128];

	strcpy(address, arg);
	for (int i = 0; i < 200; i++)
		ox_spawn_with(g, get_page, address, OX_SPAWN_OPTIONS(.name = "get_page", .stack_size = OX_KIB(64)));
	return ox_group_join(g);
}

START_TEST(two_hundred_at_once_from_small_stacks)
{
	run_real(get_many, (void *)(uintptr_t)url("http", "127.0.0.1", "/page.html"));
}
END_TEST

START_TEST(two_hundred_at_once_over_http2_and_tls)
{
	run_real(get_many, (void *)(uintptr_t)url("https", "localhost", "/page.html"));
}
END_TEST

static int stream_page(void *arg)
{
	ox_response *res = NULL;
	char buf[1000];
	size_t total = 0;
	ssize_t n;

	(void)arg;
	EXPECT_EQ(ox_http_open("GET", url("https", "localhost", "/page.html"), OX_HTTP_OPTIONS(.ca_file = peer.ca), &res), 0);
	while ((n = ox_response_read(res, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, total++)
			EXPECT(buf[i] == (char)('a' + total % 23));
	EXPECT_EQ(n, 0);
	EXPECT_EQ(total, PAGE);
	ox_response_free(res);
	return 0;
}

START_TEST(a_page_is_streamed_over_tls)
{
	run_real(stream_page, NULL);
}
END_TEST

/* ---- two loops ---- */

static void *run_get_many(void *address)
{
	return (void *)(intptr_t)ox_run(get_many, address, NULL);
}

START_TEST(two_threads_have_a_client_each)
{
	char plain[128], secure[128];
	pthread_t a, b;
	void *ra, *rb;

	strcpy(plain, url("http", "127.0.0.1", "/page.html"));
	strcpy(secure, url("https", "localhost", "/page.html"));
	ck_assert_int_eq(pthread_create(&a, NULL, run_get_many, plain), 0);
	ck_assert_int_eq(pthread_create(&b, NULL, run_get_many, secure), 0);
	pthread_join(a, &ra);
	pthread_join(b, &rb);
	ck_assert_ptr_null(ra);
	ck_assert_ptr_null(rb);
}
END_TEST

/* ---- cancelled at any moment ---- */

static int cancel_anywhere(void *arg)
{
	char address[128];
	int done = 0;

	strcpy(address, arg);
	for (int i = 0; i < 100 && done < 3; i++) {
		OX_AUTO_RESPONSE *res = NULL;
		ox_scope s;
		int r;

		ox_scope_enter(&s, OX_US(50) * i);
		r = GET(address, .ca_file = peer.ca);
		done += r == 0;
		r = ox_scope_leave(&s, r);
		EXPECT(r == 0 || r == OX_ETIMEDOUT);
	}
	return 0;
}

START_TEST(a_request_may_be_cancelled_at_any_moment)
{
	run_real(cancel_anywhere, (void *)(uintptr_t)url("https", "localhost", "/page.html"));
}
END_TEST

/* ---- memory ---- */

static int without_memory(void *arg)
{
	char address[128];
	int r = OX_ENOMEM;

	strcpy(address, arg);
	for (size_t n = 1; r < 0 && n < 1000; n++) {
		ox_response *res = NULL;

		ox_test_fail_allocation(n);
		r = GET(address, .timeout = OX_SEC(60));
		ox_test_fail_allocation(0);
		EXPECT(r == 0 || r == OX_ENOMEM);
		EXPECT((r == 0) == (res != NULL));
		ox_response_free(res);
	}
	EXPECT_EQ(r, 0);
	return 0;
}

START_TEST(each_allocation_that_fails_is_enomem)
{
	run_real(without_memory, (void *)(uintptr_t)url("http", "127.0.0.1", "/page.html"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http peers");
	TCase *c = tcase_create("nginx");

	tcase_add_unchecked_fixture(c, start, stop);
	tcase_add_checked_fixture(c, count_before, count_after);
	tcase_set_timeout(c, under_sanitizer || under_valgrind() ? 600 : 120);
	suite_add_tcase(s, c);
	tcase_add_test(c, nginx_is_read_decoded_and_followed);
	tcase_add_test(c, nginx_answers_conditions_and_ranges_and_takes_its_time);
	tcase_add_test(c, our_server_behind_nginx_takes_uploads_and_streams);
	tcase_add_test(c, tls_goes_through_the_tunnel_of_a_proxy);
	tcase_add_test(c, certificates_and_names_are_verified);
	tcase_add_test(c, a_peer_that_speaks_no_tls_is_etls);
	tcase_add_test(c, two_hundred_at_once_from_small_stacks);
	tcase_add_test(c, two_hundred_at_once_over_http2_and_tls);
	tcase_add_test(c, a_page_is_streamed_over_tls);
	tcase_add_test(c, two_threads_have_a_client_each);
	tcase_add_test(c, a_request_may_be_cancelled_at_any_moment);
	tcase_add_test(c, each_allocation_that_fails_is_enomem);
	return run_suite(s);
}
