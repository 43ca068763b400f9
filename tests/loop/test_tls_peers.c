/* SPDX-License-Identifier: MIT */
/* TLS with other programs at the far end: openssl s_client and s_server, curl, nginx. */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <oxbow/process.h>

#include "tests/support/identity.h"
#include "tests/support/support.h"

static const ox_bytes newline = { "\n", 1 };

/* ---- a folder with everybody's certificates ---- */

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static void write_identity(const char *name, identity i)
{
	char file[64];

	snprintf(file, sizeof(file), "%s.pem", name);
	identity_write(in_folder(file), &i.cert, &i.key);
	identity_free(&i);
}

static void make_folder(void)
{
	identity ca = IDENTITY(.name = "Test authority", .authority = true);
	identity other = IDENTITY(.name = "Other authority", .authority = true);
	const char *san = "DNS:localhost,IP:127.0.0.1";

	strcpy(folder, "/tmp/oxbow-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	identity_write(in_folder("ca.pem"), &ca.cert, NULL);
	identity_write(in_folder("other-ca.pem"), &other.cert, NULL);
	write_identity("server", IDENTITY(.name = "server", .san = san, .issuer = &ca));
	write_identity("client", IDENTITY(.name = "client", .issuer = &ca));
	write_identity("expired", IDENTITY(.name = "x", .san = san, .issuer = &ca, .from_days = -3, .until_days = -1));
	write_identity("foreign", IDENTITY(.name = "x", .san = san, .issuer = &other));
	write_identity("selfish", IDENTITY(.name = "x", .san = san));
	write_identity("elsewhere", IDENTITY(.name = "x", .san = "DNS:elsewhere.test", .issuer = &ca));
	identity_free(&ca);
	identity_free(&other);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_folder(void)
{
	ck_assert_int_eq(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static ox_tls *config(const ox_tls_options *o)
{
	ox_tls *tls = NULL;

	EXPECT_EQ(ox_tls_new(o, &tls), 0);
	return tls;
}
#define SERVER(...) config(OX_TLS_OPTIONS(.cert_file = in_folder("server.pem"), __VA_ARGS__))
#define CLIENT(...) config(OX_TLS_OPTIONS(.ca_file = in_folder("ca.pem"), __VA_ARGS__))

/* ---- our server ---- */

struct service {
	ox_tls *tls;
	int (*before)(ox_stream *below);        /* what is said in plain text; NULL: nothing */
	ox_listener *l;
	ox_group *g;
	char address[64];
	/* of the last connection */
	int handshake, end;                     /* results: of the handshake, and of reading on after the first line */
	char text[256], alpn[16], subject[32];
	bool resumed, verified;
	int connections;
};

static void note(struct service *service, ox_stream *s)
{
	ox_tls_info i = { .size = sizeof(i) };

	EXPECT_EQ(ox_tls_get_info(s, &i), 0);
	service->resumed = i.resumed;
	service->verified = i.verified;
	snprintf(service->alpn, sizeof(service->alpn), "%s", i.alpn ? i.alpn : "");
	snprintf(service->subject, sizeof(service->subject), "%s", i.subject ? i.subject : "");
}

/* Answers a line by "you said " and the line, and an HTTP request by the same in its body; closes after that. */
static int answer(struct service *service, ox_stream *below)
{
	OX_AUTO_STREAM *s = NULL;
	char reply[300];
	ox_bytes line;
	int r = service->before ? service->before(below) : 0, n;

	EXPECT_EQ(r, 0);
	r = service->handshake = ox_tls_accept(below, service->tls, OX_TLS_STREAM_OPTIONS(.error_text = service->text), &s);
	service->connections++;
	if (r < 0)
		return 0;
	note(service, s);
	r = ox_read_until(s, newline, 200, &line);
	service->end = r;
	if (r < 0)
		return 0;
	n = snprintf(reply, sizeof(reply), "%syou said %.*s",
	             line.len > 4 && memcmp(line.data, "GET ", 4) == 0 ? "HTTP/1.0 200 Fine\r\n\r\n" : "", (int)line.len,
	             (const char *)line.data);
	EXPECT_EQ(ox_write(s, reply, (size_t)n), n);
	return 0;
}

static int serve(void *arg)
{
	struct service *service = arg;
	ox_stream *below;
	int r;

	while ((r = ox_accept(service->l, &below)) == 0)
		answer(service, below);
	return r;
}

static void service_open(struct service *service)
{
	service->g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &service->l), 0);
	EXPECT_EQ(ox_listener_address(service->l, service->address, sizeof(service->address)), 0);
	ox_spawn(service->g, serve, service);
}

static void service_close(struct service *service)
{
	ox_group_cancel(service->g);
	ox_group_close(service->g);
	ox_listener_close(service->l);
	ox_tls_free(service->tls);
}

/* ---- their client ---- */

/* Runs a program in the folder with this input; true if it said `wanted`, on either output. */
static bool says(const char *const *argv, const char *input, const char *wanted)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;
	int r = ox_process_run(argv, OX_PROCESS_OPTIONS(.cwd = folder, .input = { input, strlen(input) }), &res);
	bool said = r == 0 && (strstr(res->out.data, wanted) || strstr(res->err.data, wanted));

	if (!said && r == 0)
		fprintf(stderr, "%s%s", (const char *)res->out.data, (const char *)res->err.data);
	return said;
}

#define S_CLIENT(...)                                                                                           \
	OX_ARGV("openssl", "s_client", "-connect", service.address, "-CAfile", "ca.pem", "-verify_return_error",  \
	        "-verify_hostname", "localhost", "-ign_eof", __VA_ARGS__)

static int their_client(void *arg)
{
	struct service service = { .tls = SERVER(.alpn = "h2,http/1.1") };

	(void)arg;
	service_open(&service);
	EXPECT(says(S_CLIENT("-tls1_2", "-quiet"), "hello\n", "you said hello\n"));
	EXPECT_EQ(service.handshake, 0);
	EXPECT_EQ(service.alpn[0], 0);
	EXPECT(says(S_CLIENT("-tls1_3", "-alpn", "http/1.1,h2"), "hello\n", "ALPN protocol: h2"));
	EXPECT(strcmp(service.alpn, "h2") == 0);
	EXPECT(says(S_CLIENT("-tls1_3"), "hello\n", "Verify return code: 0 (ok)"));
	EXPECT(says(S_CLIENT("-tls1_3", "-alpn", "smtp"), "hello\n", "no application protocol"));
	EXPECT_EQ(service.handshake, OX_ETLS);
	EXPECT(says(S_CLIENT("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "hello\n", "alert protocol version"));
	EXPECT_EQ(service.handshake, OX_ETLS);
	EXPECT(strstr(service.text, "unsupported protocol"));
	EXPECT(says(S_CLIENT("-verifyCAfile", "other-ca.pem", "-CAfile", "other-ca.pem"), "hello\n", "unable to get local issuer"));
	EXPECT_EQ(service.handshake, OX_ETLS);
	EXPECT(strstr(service.text, "alert unknown ca"));
	service_close(&service);
	return 0;
}

START_TEST(s_client_talks_to_our_server)
{
	run_real(their_client, NULL);
}
END_TEST

static int their_sessions(void *arg)
{
	struct service service = { .tls = SERVER() };

	(void)arg;
	service_open(&service);
	EXPECT(says(S_CLIENT("-tls1_2", "-reconnect"), "hello\n", "Reused, TLSv1.2"));
	EXPECT_EQ(service.connections, 6);
	EXPECT(service.resumed);
	EXPECT(says(S_CLIENT("-tls1_3", "-sess_out", "session"), "hello\n", "New, TLSv1.3"));
	EXPECT(!service.resumed);
	EXPECT(says(S_CLIENT("-tls1_3", "-sess_in", "session"), "hello\n", "Reused, TLSv1.3"));
	EXPECT(service.resumed);
	service_close(&service);
	return 0;
}

START_TEST(s_client_resumes_its_session_with_our_server)
{
	run_real(their_sessions, NULL);
}
END_TEST

static int their_certificates(void *arg)
{
	struct service service = { .tls = SERVER(.client_auth = OX_TLS_CLIENT_REQUIRED, .ca_file = in_folder("ca.pem")) };

	(void)arg;
	service_open(&service);
	EXPECT(says(S_CLIENT("-tls1_3", "-quiet", "-cert", "client.pem"), "hello\n", "you said hello"));
	EXPECT(service.verified && strcmp(service.subject, "CN=client") == 0);
	EXPECT(says(S_CLIENT("-tls1_3", "-quiet"), "hello\n", "alert certificate required"));
	EXPECT_EQ(service.handshake, OX_ETLS);
	EXPECT(strstr(service.text, "peer did not return a certificate"));
	EXPECT(says(S_CLIENT("-tls1_2", "-quiet", "-cert", "foreign.pem"), "hello\n", "alert unknown ca"));
	EXPECT_EQ(service.handshake, OX_ETLS);
	EXPECT(strstr(service.text, "certificate of the client: unable to get local issuer"));
	service_close(&service);
	return 0;
}

START_TEST(s_client_shows_its_certificate_to_our_server)
{
	run_real(their_certificates, NULL);
}
END_TEST

static int killed_client(void *arg)
{
	struct service service = { .tls = SERVER() };
	OX_AUTO_PROCESS *p = NULL;

	(void)arg;
	service_open(&service);
	EXPECT_EQ(ox_process_spawn(S_CLIENT("-quiet"),
	                           OX_PROCESS_OPTIONS(.cwd = folder, .in = OX_STDIO_PIPE, .err = OX_STDIO_NULL), &p), 0);
	while (!service.connections)
		EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	EXPECT_EQ(service.handshake, 0);
	EXPECT_EQ(ox_process_signal(p, SIGKILL), 0);
	while (!service.end)
		EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	EXPECT(service.end == OX_EINCOMPLETE || service.end == -ECONNRESET);
	service_close(&service);
	return 0;
}

START_TEST(peer_that_was_killed_is_no_end_of_the_stream)
{
	run_real(killed_client, NULL);
}
END_TEST

static int say(ox_stream *s, const char *text)
{
	ssize_t n = ox_write(s, text, strlen(text));

	return n < 0 ? (int)n : 0;
}

static int smtp(ox_stream *s)
{
	ox_bytes line;
	int r = say(s, "220 localhost ESMTP\r\n");

	if (r == 0)
		r = ox_read_until(s, newline, 500, &line);
	EXPECT(r == 0 && memcmp(line.data, "EHLO", 4) == 0);
	if (r == 0)
		r = say(s, "250-localhost\r\n250 STARTTLS\r\n");
	if (r == 0)
		r = ox_read_until(s, newline, 500, &line);
	EXPECT(r == 0 && memcmp(line.data, "STARTTLS", 8) == 0);
	return r == 0 ? say(s, "220 go ahead\r\n") : r;
}

static int starttls(void *arg)
{
	struct service service = { .tls = SERVER(), .before = smtp };

	(void)arg;
	service_open(&service);
	EXPECT(says(S_CLIENT("-starttls", "smtp", "-quiet"), "hello\n", "you said hello"));
	EXPECT_EQ(service.handshake, 0);
	service_close(&service);
	return 0;
}

START_TEST(s_client_starts_tls_in_the_middle_of_smtp)
{
	run_real(starttls, NULL);
}
END_TEST

static int curl(void *arg)
{
	struct service service = { .tls = SERVER(.alpn = "http/1.1") };
	char url[128];

	(void)arg;
	service_open(&service);
	snprintf(url, sizeof(url), "https://localhost:%s/path", strrchr(service.address, ':') + 1);
	EXPECT(says(OX_ARGV("curl", "-sS", "--noproxy", "*", "-4", "--cacert", "ca.pem", url), "", "you said GET /path HTTP/1.1"));
	EXPECT(strcmp(service.alpn, "http/1.1") == 0);
	EXPECT(says(OX_ARGV("curl", "-sS", "--noproxy", "*", "-4", "--cacert", "other-ca.pem", url), "", "SSL certificate problem"));
	EXPECT_EQ(service.handshake, OX_ETLS);
	service_close(&service);
	return 0;
}

START_TEST(curl_fetches_from_our_server)
{
	run_real(curl, NULL);
}
END_TEST

/* ---- their server ---- */

/* Starts openssl s_server with these arguments; it gives lines back, reversed. NULL: it could not. */
static ox_process *s_server(const char *const *more, char address[64])
{
	const char *argv[32] = { "openssl", "s_server", "-accept", "127.0.0.1:0", "-rev" };
	ox_process *p = NULL;
	ox_bytes line;
	size_t n = 5;

	while (*more)
		argv[n++] = *more++;
	EXPECT_EQ(ox_process_spawn(argv, OX_PROCESS_OPTIONS(.cwd = folder, .out = OX_STDIO_PIPE, .err = OX_STDIO_NULL), &p), 0);
	do
		EXPECT_EQ(ox_read_until(ox_process_stdout(p), newline, 200, &line), 0);
	while (line.len > 7 && memcmp(line.data, "ACCEPT ", 7) != 0);
	snprintf(address, 64, "%.*s", (int)line.len - 8, (const char *)line.data + 7);
	return p;
}

/* Meets it once: the code, or 0 and "olleh" came back. */
static int reverse(const char *address, ox_tls *tls, char text[256], ox_tls_info *ret)
{
	OX_AUTO_STREAM *s = NULL;
	ox_bytes line;
	int r = ox_connect_tls(address, tls, OX_TLS_STREAM_OPTIONS(.error_text = text), &s);

	if (r < 0)
		return r;
	EXPECT_EQ(ox_write(s, "hello\n", 6), 6);
	r = ox_read_until(s, newline, 100, &line);
	if (r == 0)
		EXPECT(line.len == 6 && memcmp(line.data, "olleh\n", 6) == 0);
	if (ret) {
		ret->size = sizeof(*ret);
		EXPECT_EQ(ox_tls_get_info(s, ret), 0);
		ret->alpn = ret->alpn && strcmp(ret->alpn, "h2") == 0 ? "h2" : NULL;    /* the others end with the stream */
	}
	return r;
}

static int their_server(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	OX_AUTO_TLS *client = CLIENT(.alpn = "http/1.1,h2"), *old = CLIENT(.max_version = OX_TLS_1_2);
	OX_AUTO_TLS *lost = config(OX_TLS_OPTIONS(.ca_file = in_folder("other-ca.pem")));
	char address[64], text[256] = "";
	ox_tls_info i;

	(void)arg;
	p = s_server(OX_ARGV("-cert", "server.pem", "-alpn", "h2"), address);
	EXPECT_EQ(reverse(address, client, text, &i), 0);
	EXPECT(i.alpn && i.verified && !i.resumed);
	EXPECT_EQ(reverse(address, client, text, &i), 0);
	EXPECT(i.resumed);
	EXPECT_EQ(reverse(address, old, text, &i), 0);
	EXPECT(!i.resumed);
	EXPECT_EQ(reverse(address, old, text, &i), 0);
	EXPECT(i.resumed);
	EXPECT_EQ(reverse(address, lost, text, NULL), OX_ETLS);
	EXPECT(strstr(text, "unable to get local issuer"));
	return 0;
}

START_TEST(our_client_talks_to_s_server_and_resumes)
{
	run_real(their_server, NULL);
}
END_TEST

static int bad_servers(void *arg)
{
	static const struct {
		const char *cert, *story;
	} bad[] = {
		{ "expired.pem", "certificate has expired" }, { "foreign.pem", "unable to get local issuer" },
		{ "selfish.pem", "self-signed certificate" }, { "elsewhere.pem", "IP address mismatch" },
	};
	OX_AUTO_TLS *client = CLIENT();

	(void)arg;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char address[64], text[256] = "";
		OX_AUTO_PROCESS *p = s_server(OX_ARGV("-cert", bad[i].cert), address);

		EXPECT_EQ(reverse(address, client, text, NULL), OX_ETLS);
		EXPECT(strstr(text, bad[i].story));
	}
	return 0;
}

START_TEST(our_client_refuses_bad_certificates_of_s_server)
{
	run_real(bad_servers, NULL);
}
END_TEST

static int our_certificate(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	OX_AUTO_TLS *with = CLIENT(.cert_file = in_folder("client.pem")), *without = CLIENT();
	OX_AUTO_TLS *foreign = CLIENT(.cert_file = in_folder("foreign.pem"), .max_version = OX_TLS_1_2);
	char address[64], text[256] = "";

	(void)arg;
	p = s_server(OX_ARGV("-cert", "server.pem", "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"), address);
	EXPECT_EQ(reverse(address, with, text, NULL), 0);
	EXPECT_EQ(reverse(address, without, text, NULL), OX_ETLS);
	EXPECT_EQ(reverse(address, foreign, text, NULL), OX_ETLS);
	EXPECT(strstr(text, "alert unknown ca"));
	return 0;
}

START_TEST(s_server_asks_for_our_certificate)
{
	run_real(our_certificate, NULL);
}
END_TEST

static int killed_server(void *arg)
{
	OX_AUTO_TLS *client = CLIENT();
	OX_AUTO_PROCESS *p = NULL;
	OX_AUTO_STREAM *s = NULL;
	char address[64], c;
	ssize_t n;

	(void)arg;
	p = s_server(OX_ARGV("-cert", "server.pem"), address);
	EXPECT_EQ(ox_connect_tls(address, client, NULL, &s), 0);
	EXPECT_EQ(ox_process_signal(p, SIGKILL), 0);
	n = ox_read(s, &c, 1);
	EXPECT(n == OX_EINCOMPLETE || n == -ECONNRESET);
	return 0;
}

START_TEST(server_that_was_killed_is_no_end_of_the_stream)
{
	run_real(killed_server, NULL);
}
END_TEST

/* ---- nginx ---- */

static void write_nginx_conf(void)
{
	FILE *f = fopen(in_folder("nginx.conf"), "we");

	fprintf(f, "daemon off;\nmaster_process off;\nerror_log error.log;\npid nginx.pid;\nevents { }\nhttp {\n"
	           "access_log off;\nclient_body_temp_path t1;\nproxy_temp_path t2;\nfastcgi_temp_path t3;\nuwsgi_temp_path t4;\n"
	           "scgi_temp_path t5;\n"
	           "server { listen unix:%s/socket ssl; ssl_certificate server.pem; ssl_certificate_key server.pem;\n"
	           "ssl_protocols TLSv1.2 TLSv1.3;\n"
	           "location / { return 200 \"$ssl_protocol $ssl_server_name $ssl_session_reused\\n\"; } } }\n", folder);
	fclose(f);
}

static int ask_nginx(const char *address, ox_tls *tls, const char *expected)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	OX_AUTO_STREAM *s = NULL;
	char reply[1024] = "";
	size_t got = 0;
	ox_stream *below;
	int r = ox_connect(address, &below);

	if (r == 0)
		r = ox_tls_connect(below, tls, "localhost", NULL, &s);
	if (r < 0)
		return r;
	EXPECT_EQ(ox_write(s, request, sizeof(request) - 1), sizeof(request) - 1);
	EXPECT_EQ(ox_read_exact(s, reply, sizeof(reply) - 1, &got), OX_EINCOMPLETE);
	EXPECT(strstr(reply, expected));
	EXPECT_EQ(ox_read(s, reply, 1), 0);
	return 0;
}

static int nginx(void *arg)
{
	OX_AUTO_TLS *tls = CLIENT();
	OX_AUTO_PROCESS *p = NULL;
	char address[128];
	int r;

	(void)arg;
	snprintf(address, sizeof(address), "unix:%s/socket", folder);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"),
	                           OX_PROCESS_OPTIONS(.cwd = folder), &p), 0);
	while ((r = ask_nginx(address, tls, "TLSv1.3 localhost .\n")) == -ENOENT || r == -ECONNREFUSED)
		EXPECT_EQ(ox_sleep(OX_MS(5)), 0);
	EXPECT_EQ(r, 0);
	EXPECT_EQ(ask_nginx(address, tls, "TLSv1.3 localhost r\n"), 0);
	return 0;
}

START_TEST(our_client_talks_to_nginx_and_resumes)
{
	write_nginx_conf();
	run_real(nginx, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tls peers");
	TCase *c = new_case(s, "peers", 60);

	tcase_add_checked_fixture(c, make_folder, remove_folder);
	tcase_add_test(c, s_client_talks_to_our_server);
	tcase_add_test(c, s_client_resumes_its_session_with_our_server);
	tcase_add_test(c, s_client_shows_its_certificate_to_our_server);
	tcase_add_test(c, peer_that_was_killed_is_no_end_of_the_stream);
	tcase_add_test(c, s_client_starts_tls_in_the_middle_of_smtp);
	tcase_add_test(c, curl_fetches_from_our_server);
	tcase_add_test(c, our_client_talks_to_s_server_and_resumes);
	tcase_add_test(c, our_client_refuses_bad_certificates_of_s_server);
	tcase_add_test(c, s_server_asks_for_our_certificate);
	tcase_add_test(c, server_that_was_killed_is_no_end_of_the_stream);
	tcase_add_test(c, our_client_talks_to_nginx_and_resumes);
	return run_suite(s);
}
