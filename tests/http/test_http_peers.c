/* SPDX-License-Identifier: MIT */
/* The HTTP client against nginx, over TCP and over TLS, in a folder of its own with a certificate made here. */
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
 * nginx takes its listening sockets over by the environment, so that the kernel can choose their ports. setpriv: it ends with
 * this program, however that ends.
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
	int r = GET(arg, .ca_file = peer.ca, .timeout = OX_SEC(60));

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
