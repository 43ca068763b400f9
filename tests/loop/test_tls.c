/* SPDX-License-Identifier: MIT */
/* TLS with ourselves on both sides; test_tls_peers.c has other programs at the far end. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/io/tls.h"
#include "tests/support/identity.h"
#include "tests/support/support.h"

static const ox_bytes newline = { "\n", 1 };

/* ---- who is who: made before each test, outside of its run ---- */

static identity ca, other_ca, server_id, client_id;

static void make_identities(void)
{
	ca = IDENTITY(.name = "Test authority", .authority = true);
	other_ca = IDENTITY(.name = "Other authority", .authority = true);
	server_id = IDENTITY(.name = "server", .san = "DNS:localhost,DNS:*.example.com,IP:127.0.0.1,IP:::1", .issuer = &ca);
	client_id = IDENTITY(.name = "client", .issuer = &ca);
}

static void free_identities(void)
{
	identity_free(&ca);
	identity_free(&other_ca);
	identity_free(&server_id);
	identity_free(&client_id);
}

/* A configuration that must be good. */
static ox_tls *config(const ox_tls_options *o)
{
	ox_tls *tls = NULL;
	char text[256] = "";
	ox_tls_options with_text = *o;
	int r;

	with_text.error_text = text;
	r = ox_tls_new(&with_text, &tls);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", ox_strerror(r), text);
	EXPECT_EQ(r, 0);
	return tls;
}
#define CONFIG(...)  config(OX_TLS_OPTIONS(__VA_ARGS__))
#define SERVER(...)  CONFIG(.cert = server_id.cert, .key = server_id.key, __VA_ARGS__)
#define CLIENT(...)  CONFIG(.ca = ca.cert, __VA_ARGS__)

/* ---- two ends and their handshake ---- */

struct ends {
	ox_tls *client_tls, *server_tls;
	const char *host;
	const ox_tls_stream_options *client_options, *server_options;
	ox_stream *below_client, *below_server;         /* given by the handshake */
	const ox_test_stream_options *memory;           /* below: a pair in memory; NULL: sockets */
	ox_stream *client, *server;                     /* NULL after a failure */
	int client_result, server_result;
	char client_text[256], server_text[256];
};

static int client_side(void *arg)
{
	struct ends *e = arg;
	ox_tls_stream_options o = e->client_options ? *e->client_options : *OX_TLS_STREAM_OPTIONS(.size = sizeof(o));

	o.error_text = e->client_text;
	e->client = NULL;
	e->client_text[0] = '\0';
	e->client_result = ox_tls_connect(e->below_client, e->client_tls, e->host, &o, &e->client);
	return 0;
}

static int server_side(void *arg)
{
	struct ends *e = arg;
	ox_tls_stream_options o = e->server_options ? *e->server_options : *OX_TLS_STREAM_OPTIONS(.size = sizeof(o));

	o.error_text = e->server_text;
	e->server = NULL;
	e->server_text[0] = '\0';
	e->server_result = ox_tls_accept(e->below_server, e->server_tls, &o, &e->server);
	return 0;
}

static void handshake_over(struct ends *e)
{
	OX_AUTO_GROUP *g = ox_group_open();

	ox_spawn(g, server_side, e);
	ox_spawn(g, client_side, e);
	EXPECT_EQ(ox_group_join(g), 0);
}

static void handshake(struct ends *e)
{
	if (e->memory)
		EXPECT_EQ(ox_test_stream_pair(e->memory, &e->below_client, &e->below_server), 0);
	else
		EXPECT_EQ(ox_stream_pair(&e->below_client, &e->below_server), 0);
	handshake_over(e);
}

static void good_handshake(struct ends *e)
{
	handshake(e);
	EXPECT_EQ(e->client_result, 0);
	EXPECT_EQ(e->server_result, 0);
}

static void close_ends(struct ends *e)
{
	ox_close(e->client);
	ox_close(e->server);
	e->client = e->server = NULL;
}

static void free_configs(struct ends *e)
{
	ox_tls_free(e->client_tls);
	ox_tls_free(e->server_tls);
}

static ox_tls_info info_of(ox_stream *s)
{
	ox_tls_info i = { .size = sizeof(i) };

	EXPECT_EQ(ox_tls_get_info(s, &i), 0);
	return i;
}

static bool equal(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* One line there and one back. */
static void say_hello(ox_stream *a, ox_stream *b)
{
	ox_bytes line;

	EXPECT_EQ(ox_write(a, "hello\n", 6), 6);
	EXPECT_EQ(ox_read_until(b, newline, 100, &line), 0);
	EXPECT_EQ(ox_write(b, "world\n", 6), 6);
	EXPECT_EQ(ox_read_until(a, newline, 100, &line), 0);
	EXPECT(line.len == 6 && memcmp(line.data, "world\n", 6) == 0);
}

/* ---- the ordinary life of a stream ---- */

static int ordinary_life(void *arg)
{
	ox_tls_version version = *(ox_tls_version *)arg;
	struct ends e = { .client_tls = CLIENT(.min_version = version, .max_version = version), .server_tls = SERVER(),
		          .host = "localhost" };
	ox_tls_info i;
	char c;

	good_handshake(&e);
	say_hello(e.client, e.server);
	i = info_of(e.client);
	EXPECT(equal(i.version, version == OX_TLS_1_2 ? "TLSv1.2" : "TLSv1.3"));
	EXPECT(i.cipher && strlen(i.cipher) > 5);
	EXPECT(i.alpn == NULL && i.error == NULL && !i.resumed && i.verified);
	EXPECT(equal(i.host, "localhost") && equal(i.subject, "CN=server") && equal(i.issuer, "CN=Test authority"));
	EXPECT_EQ(strlen(i.fingerprint), 64);
	EXPECT_EQ(i.not_after - i.not_before, 2 * 86400);
	EXPECT_EQ(strlen(i.pem), server_id.cert.len);
	EXPECT(memcmp(i.pem, server_id.cert.data, server_id.cert.len) == 0);
	i = info_of(e.server);
	EXPECT(equal(i.host, "localhost") && i.subject == NULL && !i.verified);

	EXPECT_EQ(ox_write_eof(e.client), 0);                   /* close_notify one way */
	EXPECT_EQ(ox_write(e.client, "x", 1), OX_ECLOSED);
	EXPECT_EQ(ox_read(e.server, &c, 1), 0);
	EXPECT_EQ(ox_read(e.server, &c, 1), 0);
	EXPECT_EQ(ox_write(e.server, "y", 1), 1);               /* the other way still carries */
	EXPECT_EQ(ox_read(e.client, &c, 1), 1);
	EXPECT_EQ(ox_close(e.server), 0);                       /* and the other way */
	EXPECT_EQ(ox_read(e.client, &c, 1), 0);
	EXPECT_EQ(ox_close(e.client), 0);
	EXPECT_EQ(ERR_peek_error(), 0);
	free_configs(&e);
	return 0;
}

START_TEST(bytes_go_both_ways_and_each_way_ends_by_close_notify)
{
	run_real(ordinary_life, &(ox_tls_version){ OX_TLS_1_2 });
	run_real(ordinary_life, &(ox_tls_version){ OX_TLS_1_3 });
}
END_TEST

static int early_free(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };

	(void)arg;
	good_handshake(&e);
	free_configs(&e);
	say_hello(e.client, e.server);
	close_ends(&e);
	return 0;
}

START_TEST(configuration_may_be_freed_while_its_streams_go_on)
{
	run_real(early_free, NULL);
}
END_TEST

/* ---- verification ---- */

/* A client that wants the host meets a server with this identity: the story of its failure, "" for a success. */
static const char *meet(const identity *who, const char *host, const ox_tls_options *client)
{
	static char text[256];
	struct ends e = { .client_tls = config(client), .server_tls = CONFIG(.cert = who->cert, .key = who->key), .host = host };

	handshake(&e);
	EXPECT(e.client_result == 0 || e.client_result == OX_ETLS);
	if (e.client_result < 0)
		EXPECT_EQ(e.server_result, OX_ETLS);            /* it is told, by an alert */
	snprintf(text, sizeof(text), "%s", e.client_text);
	close_ends(&e);
	free_configs(&e);
	return text;
}

#define GOOD(who, host)        EXPECT(equal(meet(who, host, OX_TLS_OPTIONS(.ca = ca.cert)), ""))
#define BAD(who, host, story)  EXPECT(strstr(meet(who, host, OX_TLS_OPTIONS(.ca = ca.cert)), story))

static int verification(void *arg)
{
	identity expired = IDENTITY(.name = "old", .san = "DNS:localhost", .issuer = &ca, .from_days = -3, .until_days = -1);
	identity early = IDENTITY(.name = "new", .san = "DNS:localhost", .issuer = &ca, .from_days = 1, .until_days = 3);
	identity foreign = IDENTITY(.name = "foreign", .san = "DNS:localhost", .issuer = &other_ca);
	identity selfish = IDENTITY(.name = "selfish", .san = "DNS:localhost");
	identity nameless = IDENTITY(.name = "localhost", .issuer = &ca);
	identity middle = IDENTITY(.name = "middle", .issuer = &ca, .authority = true);
	identity deep = IDENTITY(.name = "deep", .san = "DNS:localhost", .issuer = &middle);

	(void)arg;
	GOOD(&server_id, "localhost");
	GOOD(&server_id, "localhost.");                         /* with the root's dot */
	GOOD(&server_id, "LOCALHOST");
	GOOD(&server_id, "www.example.com");
	GOOD(&server_id, "127.0.0.1");
	GOOD(&server_id, "::1");
	BAD(&server_id, "a.b.example.com", "certificate of a.b.example.com: hostname mismatch");
	BAD(&server_id, "example.com", "hostname mismatch");
	BAD(&server_id, "127.0.0.2", "IP address mismatch");
	BAD(&expired, "localhost", "certificate of localhost: certificate has expired");
	BAD(&early, "localhost", "not yet valid");
	BAD(&foreign, "localhost", "unable to get local issuer");
	BAD(&selfish, "localhost", "self-signed certificate");
	BAD(&deep, "localhost", "unable to get local issuer");  /* the middle was not sent */
	GOOD(&nameless, "localhost");                           /* without names, CN counts */

	EXPECT(equal(meet(&selfish, "localhost", OX_TLS_OPTIONS(.ca = selfish.cert)), ""));
	EXPECT(equal(meet(&deep, "localhost", OX_TLS_OPTIONS(.ca = middle.cert)), ""));     /* an authority is who is listed */
	/* the system's authorities do not know ours */
	EXPECT(strstr(meet(&server_id, "localhost", OX_TLS_OPTIONS(.size = 0)), "unable to get local issuer"));
	EXPECT(equal(meet(&foreign, "else", OX_TLS_OPTIONS(.insecure = true)), ""));
	EXPECT(equal(meet(&foreign, NULL, OX_TLS_OPTIONS(.insecure = true)), ""));
	identity_free(&expired);
	identity_free(&early);
	identity_free(&foreign);
	identity_free(&selfish);
	identity_free(&nameless);
	identity_free(&middle);
	identity_free(&deep);
	return 0;
}

START_TEST(client_believes_only_a_good_certificate_of_the_host_it_asked_for)
{
	run_real(verification, NULL);
}
END_TEST

static int chain(void *arg)
{
	identity middle = IDENTITY(.name = "middle", .issuer = &ca, .authority = true);
	identity leaf = IDENTITY(.name = "leaf", .san = "DNS:localhost", .issuer = &middle, .rsa = true, .password = "secret");
	struct ends e = { .client_tls = CLIENT(), .host = "localhost" };

	(void)arg;
	identity_write("test-tls-chain.pem", &leaf.cert, &middle.cert);
	identity_write("test-tls-key.pem", &leaf.key, NULL);
	e.server_tls = CONFIG(.cert_file = "test-tls-chain.pem", .key_file = "test-tls-key.pem", .key_password = "secret");
	good_handshake(&e);
	EXPECT(equal(info_of(e.client).issuer, "CN=middle"));
	close_ends(&e);
	free_configs(&e);
	unlink("test-tls-chain.pem");
	unlink("test-tls-key.pem");
	identity_free(&middle);
	identity_free(&leaf);
	return 0;
}

START_TEST(server_sends_the_chain_of_its_file)
{
	run_real(chain, NULL);
}
END_TEST

/* ---- client certificates ---- */

/* How the server's handshake ends, and what the client's first read says. */
static int ask_client(ox_tls_client_auth auth, const identity *who, ox_tls_version version, bool *ret_verified)
{
	struct ends e = { .server_tls = SERVER(.client_auth = auth, .ca = ca.cert), .host = "localhost" };
	char c;

	e.client_tls = who ? CLIENT(.cert = who->cert, .key = who->key, .max_version = version) : CLIENT(.max_version = version);
	handshake(&e);
	if (e.server_result == 0) {
		ox_tls_info i = info_of(e.server);

		*ret_verified = i.verified;
		EXPECT(!i.verified || equal(i.subject, "CN=client"));
		say_hello(e.client, e.server);
	} else if (e.client_result == 0) {
		EXPECT_EQ(ox_read(e.client, &c, 1), OX_ETLS);   /* TLS 1.3: only now it hears of it */
		EXPECT(strstr(info_of(e.client).error, "alert"));
	} else {
		EXPECT_EQ(e.client_result, OX_ETLS);
	}
	close_ends(&e);
	free_configs(&e);
	return e.server_result;
}

static int client_certificates(void *arg)
{
	identity foreign = IDENTITY(.name = "client", .issuer = &other_ca);
	bool verified = false;

	(void)arg;
	for (ox_tls_version v = OX_TLS_1_2; v <= OX_TLS_1_3; v++) {
		EXPECT_EQ(ask_client(OX_TLS_CLIENT_REQUIRED, &client_id, v, &verified), 0);
		EXPECT(verified);
		EXPECT_EQ(ask_client(OX_TLS_CLIENT_OPTIONAL, &client_id, v, &verified), 0);
		EXPECT(verified);
		EXPECT_EQ(ask_client(OX_TLS_CLIENT_OPTIONAL, NULL, v, &verified), 0);
		EXPECT(!verified);
		EXPECT_EQ(ask_client(OX_TLS_CLIENT_NONE, &client_id, v, &verified), 0);
		EXPECT(!verified);
		EXPECT_EQ(ask_client(OX_TLS_CLIENT_REQUIRED, NULL, v, &verified), OX_ETLS);
		EXPECT_EQ(ask_client(OX_TLS_CLIENT_REQUIRED, &foreign, v, &verified), OX_ETLS);
		EXPECT_EQ(ask_client(OX_TLS_CLIENT_OPTIONAL, &foreign, v, &verified), OX_ETLS);
	}
	identity_free(&foreign);
	return 0;
}

START_TEST(server_asks_for_certificates_and_believes_its_own_authorities)
{
	run_real(client_certificates, NULL);
}
END_TEST

/* ---- ALPN ---- */

static int agree(const char *client, const char *server, const char *on)
{
	struct ends e = { .client_tls = CLIENT(.alpn = client), .server_tls = SERVER(.alpn = server), .host = "localhost" };
	int r;

	handshake(&e);
	r = e.client_result;
	EXPECT_EQ(e.server_result, r);
	if (r == 0) {
		EXPECT(on ? equal(info_of(e.client).alpn, on) : info_of(e.client).alpn == NULL);
		EXPECT(on ? equal(info_of(e.server).alpn, on) : info_of(e.server).alpn == NULL);
	} else {
		EXPECT(strstr(e.client_text, "no application protocol"));
	}
	close_ends(&e);
	free_configs(&e);
	return r;
}

static int alpn(void *arg)
{
	(void)arg;
	EXPECT_EQ(agree("h2,http/1.1", "http/1.1", "http/1.1"), 0);
	EXPECT_EQ(agree("http/1.1,h2", "h2,http/1.1", "h2"), 0);        /* the server's best */
	EXPECT_EQ(agree(NULL, "h2", NULL), 0);
	EXPECT_EQ(agree("h2", NULL, NULL), 0);
	EXPECT_EQ(agree("smtp", "h2,http/1.1", NULL), OX_ETLS);
	return 0;
}

START_TEST(protocol_is_agreed_on_or_refused)
{
	run_real(alpn, NULL);
}
END_TEST

/* ---- the server's choice by name ---- */

struct hosts {
	ox_tls *a, *b;
	unsigned asked;
};

static ox_tls *choose(void *arg, const char *host)
{
	struct hosts *h = arg;

	h->asked++;
	return strcmp(host, "a.test") == 0 ? h->a : strcmp(host, "b.test") == 0 ? h->b : NULL;
}

static int choice(void *arg)
{
	identity id_a = IDENTITY(.name = "a", .san = "DNS:a.test", .issuer = &ca);
	identity id_b = IDENTITY(.name = "b", .san = "DNS:b.test", .issuer = &ca);
	struct hosts h = { CONFIG(.cert = id_a.cert, .key = id_a.key), CONFIG(.cert = id_b.cert, .key = id_b.key, .alpn = "b"), 0 };
	struct ends e = { .client_tls = CLIENT(.alpn = "b"), .server_tls = SERVER(.choose = choose, .choose_arg = &h) };

	(void)arg;
	e.host = "a.test";
	good_handshake(&e);
	EXPECT(equal(info_of(e.client).subject, "CN=a") && info_of(e.client).alpn == NULL);
	close_ends(&e);
	e.host = "b.test";
	good_handshake(&e);
	ox_tls_free(h.b);                                       /* the stream has a hold of it */
	EXPECT(equal(info_of(e.client).subject, "CN=b") && equal(info_of(e.server).alpn, "b"));
	say_hello(e.client, e.server);
	close_ends(&e);
	e.host = "c.test";
	handshake(&e);
	EXPECT_EQ(e.client_result, OX_ETLS);
	EXPECT(strstr(e.client_text, "unrecognized name"));
	EXPECT_EQ(e.server_result, OX_ETLS);
	EXPECT_EQ(h.asked, 3);
	e.host = "127.0.0.1";                                   /* no name is sent: nobody is asked */
	good_handshake(&e);
	EXPECT(equal(info_of(e.client).subject, "CN=server") && info_of(e.server).host == NULL);
	EXPECT_EQ(h.asked, 3);
	close_ends(&e);
	free_configs(&e);
	ox_tls_free(h.a);
	identity_free(&id_a);
	identity_free(&id_b);
	return 0;
}

/* The chosen one believes somebody else; that does not count. */
static int choice_and_trust(void *arg)
{
	identity id_a = IDENTITY(.name = "a", .san = "DNS:a.test", .issuer = &ca);
	identity foreign = IDENTITY(.name = "foreign", .issuer = &other_ca);
	struct hosts h = { .a = CONFIG(.cert = id_a.cert, .key = id_a.key, .ca = other_ca.cert) };
	struct ends e = { .client_tls = CLIENT(.cert = client_id.cert, .key = client_id.key), .host = "a.test",
		          .server_tls = SERVER(.choose = choose, .choose_arg = &h, .client_auth = OX_TLS_CLIENT_REQUIRED,
		                               .ca = ca.cert) };

	(void)arg;
	good_handshake(&e);
	EXPECT(info_of(e.server).verified && equal(info_of(e.client).subject, "CN=a"));
	close_ends(&e);
	ox_tls_free(e.client_tls);
	e.client_tls = CLIENT(.cert = foreign.cert, .key = foreign.key);
	handshake(&e);
	EXPECT_EQ(e.server_result, OX_ETLS);
	EXPECT(strstr(e.server_text, "unable to get local issuer"));
	close_ends(&e);
	free_configs(&e);
	ox_tls_free(h.a);
	identity_free(&id_a);
	identity_free(&foreign);
	return 0;
}

START_TEST(server_chooses_a_certificate_by_the_name_asked_for)
{
	run_real(choice, NULL);
	run_real(choice_and_trust, NULL);
}
END_TEST

/* ---- sessions ---- */

static bool resumes(struct ends *e, const char *host)
{
	bool resumed;

	e->host = host;
	good_handshake(e);
	say_hello(e->client, e->server);                        /* takes in the tickets of TLS 1.3 */
	resumed = info_of(e->client).resumed;
	EXPECT_EQ(info_of(e->server).resumed, resumed);
	EXPECT(info_of(e->client).verified && equal(info_of(e->client).subject, "CN=server"));
	close_ends(e);
	return resumed;
}

static int sessions(void *arg)
{
	ox_tls_version v = *(ox_tls_version *)arg;
	struct ends e = { .client_tls = CLIENT(.max_version = v), .server_tls = SERVER() };

	EXPECT(!resumes(&e, "localhost"));
	EXPECT(resumes(&e, "localhost"));
	EXPECT(resumes(&e, "localhost"));
	EXPECT(!resumes(&e, "127.0.0.1"));                      /* another host is another peer */
	EXPECT(resumes(&e, "localhost"));
	ox_tls_free(e.server_tls);
	e.server_tls = SERVER();                               /* with other keys for its tickets */
	EXPECT(!resumes(&e, "localhost"));
	ox_tls_free(e.server_tls);
	e.server_tls = SERVER(.no_resumption = true);
	EXPECT(!resumes(&e, "localhost"));
	EXPECT(!resumes(&e, "localhost"));
	ox_tls_free(e.server_tls);
	ox_tls_free(e.client_tls);
	e.server_tls = SERVER();
	e.client_tls = CLIENT(.no_resumption = true, .max_version = v);
	EXPECT(!resumes(&e, "localhost"));
	EXPECT(!resumes(&e, "localhost"));
	free_configs(&e);
	return 0;
}

START_TEST(session_goes_on_for_the_same_host_and_configuration)
{
	run_real(sessions, &(ox_tls_version){ OX_TLS_1_2 });
	run_real(sessions, &(ox_tls_version){ OX_TLS_1_3 });
}
END_TEST

static int many_sessions(void *arg)
{
	struct ends e = { .client_tls = CLIENT(.max_version = OX_TLS_1_2), .server_tls = SERVER() };
	char host[32];

	(void)arg;
	for (int i = 0; i < 300; i++) {
		snprintf(host, sizeof(host), "h%d.example.com", i);
		EXPECT(!resumes(&e, host));
	}
	EXPECT(resumes(&e, "h299.example.com"));
	EXPECT(!resumes(&e, "h0.example.com"));                 /* the oldest was forgotten */
	free_configs(&e);
	return 0;
}

START_TEST(oldest_sessions_are_forgotten)
{
	run_real(many_sessions, NULL);
}
END_TEST

static int required_again(void *arg)
{
	struct ends e = { .client_tls = CLIENT(.cert = client_id.cert, .key = client_id.key),
		          .server_tls = SERVER(.client_auth = OX_TLS_CLIENT_REQUIRED, .ca = ca.cert), .host = "localhost" };

	(void)arg;
	for (int i = 0; i < 2; i++) {
		good_handshake(&e);
		say_hello(e.client, e.server);
		EXPECT_EQ(info_of(e.server).resumed, i == 1);
		EXPECT(info_of(e.server).verified && equal(info_of(e.server).subject, "CN=client"));
		close_ends(&e);
	}
	free_configs(&e);
	return 0;
}

START_TEST(resumed_session_keeps_the_clients_identity)
{
	run_real(required_again, NULL);
}
END_TEST

/* ---- ends that are none ---- */

/* A man in the middle copies the records. */
struct middle {
	ox_stream *left, *right;
	ox_stream *there[2], *back[2];
	ox_future *tasks[2];
};

static int copy_raw(void *arg)
{
	ox_stream **two = arg;
	char buf[4096];
	ssize_t n;

	while ((n = ox_read(two[0], buf, sizeof(buf))) > 0)
		EXPECT_EQ(ox_write(two[1], buf, (size_t)n), n);
	return n == 0 ? ox_write_eof(two[1]) : 0;
}

static void middle_open(struct middle *m, struct ends *e)
{
	EXPECT_EQ(ox_stream_pair(&e->below_client, &m->left), 0);
	EXPECT_EQ(ox_stream_pair(&e->below_server, &m->right), 0);
	m->there[0] = m->back[1] = m->left;
	m->there[1] = m->back[0] = m->right;
}

static void middle_copy(struct middle *m, ox_group *g)
{
	m->tasks[0] = ox_spawn(g, copy_raw, m->there);
	m->tasks[1] = ox_spawn(g, copy_raw, m->back);
}

static void middle_stop(struct middle *m)
{
	for (int i = 0; i < 2; i++) {
		ox_future_cancel(m->tasks[i]);
		ox_await(m->tasks[i]);
	}
}

/* He cuts the connection: on the level of TCP it ends in good order. */
static int truncation(void *arg)
{
	bool allow = *(bool *)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost",
		          .client_options = OX_TLS_STREAM_OPTIONS(.allow_truncation = allow) };
	struct middle m;
	char buf[16];

	middle_open(&m, &e);
	middle_copy(&m, g);
	handshake_over(&e);
	EXPECT_EQ(ox_write(e.server, "part", 4), 4);
	EXPECT_EQ(ox_read(e.client, buf, 2), 2);
	middle_stop(&m);
	ox_close(m.left);
	EXPECT_EQ(ox_read(e.client, buf, sizeof(buf)), 2);      /* what came is good */
	EXPECT_EQ(ox_read(e.client, buf, sizeof(buf)), allow ? 0 : OX_EINCOMPLETE);
	EXPECT_EQ(ox_read(e.client, buf, sizeof(buf)), allow ? 0 : OX_EINCOMPLETE);
	ox_close(m.right);
	ox_stream_abort(e.client);
	ox_stream_abort(e.server);
	free_configs(&e);
	return 0;
}

START_TEST(end_without_close_notify_is_a_truncation)
{
	run_real(truncation, &(bool){ false });
	run_real(truncation, &(bool){ true });
}
END_TEST

static int tampering(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };
	struct middle m;
	char buf[64];

	(void)arg;
	middle_open(&m, &e);
	middle_copy(&m, g);
	handshake_over(&e);
	EXPECT_EQ(ox_write(m.left, "\x17\x03\x03\x00\x20 nothing that we have encrypted..", 37), 37);
	EXPECT_EQ(ox_read(e.client, buf, sizeof(buf)), OX_ETLS);
	EXPECT_EQ(ox_read(e.client, buf, sizeof(buf)), OX_ETLS);        /* and stays so */
	EXPECT(info_of(e.client).error != NULL);
	EXPECT(ox_write(e.client, "x", 1) < 0);
	EXPECT_EQ(ox_read(e.server, buf, sizeof(buf)), OX_ETLS);        /* it was told */
	EXPECT(strstr(info_of(e.server).error, "bad record mac"));
	EXPECT_EQ(ERR_peek_error(), 0);
	middle_stop(&m);
	ox_close(m.left);
	ox_close(m.right);
	close_ends(&e);
	free_configs(&e);
	return 0;
}

START_TEST(forged_record_ends_the_stream_and_the_peer_is_told)
{
	run_real(tampering, NULL);
}
END_TEST

static int aborted(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };
	char c;

	(void)arg;
	good_handshake(&e);
	ox_stream_abort(e.client);
	EXPECT(ox_read(e.server, &c, 1) < 0);                   /* not an end */
	ox_close(e.server);
	free_configs(&e);
	return 0;
}

static int read_one(void *arg)
{
	char c;

	return (int)ox_read(arg, &c, 1);
}

static int closed_under_reader(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *reader;

	(void)arg;
	good_handshake(&e);
	reader = ox_spawn(g, read_one, e.client);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_read(e.client, &(char){ 0 }, 1), OX_EBUSY);
	EXPECT_EQ(ox_close(e.client), 0);
	EXPECT_EQ(ox_await(reader), OX_ECLOSED);
	EXPECT_EQ(read_one(e.server), 0);
	ox_close(e.server);
	free_configs(&e);
	return 0;
}

START_TEST(abort_is_no_end_and_closing_wakes_the_reader)
{
	run_real(aborted, NULL);
	run_real(closed_under_reader, NULL);
}
END_TEST

/* ---- handshakes that go wrong ---- */

static int send_text(ox_stream *s, const char *text, size_t len)
{
	EXPECT_EQ(ox_write(s, text, len), (ssize_t)len);
	return ox_write_eof(s);
}

static int garbage(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };
	ox_stream *peer;
	char buf[64];

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&peer, &e.below_server), 0);
	send_text(peer, "GET / HTTP/1.0\r\n\r\n", 18);
	server_side(&e);
	EXPECT_EQ(e.server_result, OX_ETLS);
	EXPECT(equal(e.server_text, "http request"));
	ox_close(peer);

	EXPECT_EQ(ox_stream_pair(&peer, &e.below_client), 0);
	send_text(peer, "220 mail.example.com ESMTP\r\n", 28);
	client_side(&e);
	EXPECT_EQ(e.client_result, OX_ETLS);
	EXPECT(equal(e.client_text, "wrong version number"));
	EXPECT(ox_read(peer, buf, sizeof(buf)) > 0);            /* its hello came, and an alert */
	ox_close(peer);

	EXPECT_EQ(ox_stream_pair(&peer, &e.below_server), 0);   /* nothing at all */
	EXPECT_EQ(ox_write_eof(peer), 0);
	server_side(&e);
	EXPECT_EQ(e.server_result, OX_EINCOMPLETE);
	EXPECT(strstr(e.server_text, "closed the connection"));
	ox_close(peer);
	EXPECT_EQ(ERR_peek_error(), 0);
	free_configs(&e);
	return 0;
}

START_TEST(garbage_instead_of_a_handshake_is_an_error_with_its_story)
{
	run_real(garbage, NULL);
}
END_TEST

static int misuse(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "" };
	char long_host[300];
	ox_stream *s = NULL;
	ox_tls_info i = { .size = 0 };

	(void)arg;
	handshake(&e);
	EXPECT_EQ(e.client_result, OX_EINVAL);
	EXPECT_EQ(e.server_result, OX_EINCOMPLETE);
	e.host = NULL;
	handshake(&e);
	EXPECT_EQ(e.client_result, OX_EINVAL);                  /* nobody to verify */
	memset(long_host, 'a', sizeof(long_host) - 1);
	long_host[sizeof(long_host) - 1] = '\0';
	e.host = long_host;
	handshake(&e);
	EXPECT_EQ(e.client_result, OX_EINVAL);
	EXPECT_EQ(ox_stream_pair(&e.below_client, &e.below_server), 0);
	EXPECT_EQ(ox_tls_accept(e.below_server, e.client_tls, NULL, &s), OX_EINVAL);    /* no certificate */
	EXPECT_EQ(ox_tls_connect(e.below_client, NULL, "localhost", NULL, &s), OX_ENOMEM);
	EXPECT_EQ(ox_tls_connect(NULL, e.client_tls, "localhost", NULL, &s), OX_ENOMEM);
	EXPECT_EQ(ox_stream_pair(&e.below_client, &e.below_server), 0);
	EXPECT_EQ(ox_write_eof(e.below_client), 0);
	EXPECT_EQ(ox_tls_connect(e.below_client, e.client_tls, "localhost", NULL, &s), OX_ECLOSED);
	EXPECT_EQ(ox_tls_get_info(e.below_server, &i), OX_EINVAL);
	i.size = sizeof(i);
	EXPECT_EQ(ox_tls_get_info(e.below_server, &i), OX_EINVAL);
	EXPECT_EQ(ox_tls_get_info(NULL, &i), OX_ENOMEM);
	ox_close(e.below_server);
	EXPECT_EQ(ox_connect_tls("127.0.0.1", e.client_tls, NULL, &s), OX_EINVAL);
	EXPECT_EQ(ox_connect_tls("unix:/x:1", e.client_tls, NULL, &s), OX_EINVAL);
	EXPECT_EQ(ox_connect_tls(NULL, e.client_tls, NULL, &s), OX_EINVAL);
	EXPECT_EQ(ox_connect_tls("127.0.0.1:1", NULL, NULL, &s), OX_ENOMEM);
	EXPECT(s == NULL);
	free_configs(&e);
	ox_tls_free(NULL);
	return 0;
}

static int busy(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .host = "localhost" };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *reader;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&e.below_client, &e.below_server), 0);
	reader = ox_spawn(g, read_one, e.below_client);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	client_side(&e);
	EXPECT_EQ(e.client_result, OX_EBUSY);
	EXPECT_EQ(ox_await(reader), OX_ECLOSED);
	ox_close(e.below_server);
	ox_tls_free(e.client_tls);
	return 0;
}

START_TEST(wrong_use_is_an_error_and_the_stream_below_is_closed)
{
	run_real(misuse, NULL);
	run_real(busy, NULL);
}
END_TEST

static int cancelled(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };
	ox_stream *s = NULL;
	ox_scope scope;
	char buf[4096];

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&e.below_client, &e.below_server), 0);
	ox_scope_enter(&scope, OX_MS(5));
	EXPECT_EQ(ox_tls_connect(e.below_client, e.client_tls, "localhost", NULL, &s), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&scope, OX_ECANCELED), OX_ETIMEDOUT);
	ox_close(e.below_server);

	EXPECT_EQ(ox_stream_pair(&e.below_client, &e.below_server), 0);
	ox_scope_enter(&scope, OX_NEVER);
	ox_scope_cancel(&scope);
	EXPECT_EQ(ox_tls_connect(e.below_client, e.client_tls, "localhost", NULL, &s), OX_ECANCELED);
	ox_scope_leave(&scope, 0);
	EXPECT(ox_read(e.below_server, buf, sizeof(buf)) <= 0); /* closed, without a word */
	ox_close(e.below_server);
	free_configs(&e);
	return 0;
}

START_TEST(cancelled_handshake_closes)
{
	run_real(cancelled, NULL);
}
END_TEST

/* ---- deadlines, in virtual time ---- */

static int slow_handshake(void *arg)
{
	struct ends e = { .server_tls = SERVER(), .server_options = arg };
	ox_time start = ox_now();
	ox_stream *peer;

	EXPECT_EQ(ox_test_stream_pair(NULL, &peer, &e.below_server), 0);
	EXPECT_EQ(ox_write(peer, "\x16\x03\x01", 3), 3);        /* the beginning of a hello, and then nothing */
	server_side(&e);
	EXPECT_EQ(e.server_result, OX_ETIMEDOUT);
	EXPECT(strstr(e.server_text, "too long"));
	EXPECT_EQ(ox_now() - start, arg ? OX_MS(20) : OX_SEC(10));
	ox_close(peer);
	ox_tls_free(e.server_tls);
	return 0;
}

static int write_a_lot(void *arg)
{
	char *data = calloc(1, OX_MIB(4));
	int r = (int)ox_write(arg, data, OX_MIB(4));

	free(data);
	return r;
}

static int slow_shutdown(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost", .server_options = arg,
		          .memory = OX_TEST_STREAM_OPTIONS(.capacity = 4096) };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *writer;
	char buf[8192];
	ox_time start;
	ssize_t n;

	good_handshake(&e);
	writer = ox_spawn(g, write_a_lot, e.server);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	start = ox_now();
	EXPECT_EQ(ox_close(e.server), OX_ETIMEDOUT);            /* the client does not read */
	EXPECT_EQ(ox_now() - start, arg ? OX_MS(20) : OX_SEC(5));
	EXPECT_EQ(ox_await(writer), OX_ECLOSED);
	while ((n = ox_read(e.client, buf, sizeof(buf))) > 0)
		;
	EXPECT(n < 0);                                          /* no close_notify: not all of it was sent */
	ox_close(e.client);
	free_configs(&e);
	return 0;
}

START_TEST(handshake_and_shutdown_have_deadlines)
{
	run_virtual(slow_handshake, NULL);
	run_virtual(slow_handshake, OX_TLS_STREAM_OPTIONS(.handshake_timeout = OX_MS(20)));
	run_virtual(slow_shutdown, NULL);
	run_virtual(slow_shutdown, OX_TLS_STREAM_OPTIONS(.shutdown_timeout = OX_MS(20)));
}
END_TEST

/* ---- STARTTLS ---- */

static int starttls_server(void *arg)
{
	struct ends *e = arg;
	ox_bytes line;

	EXPECT_EQ(ox_read_until(e->below_server, newline, 100, &line), 0);
	EXPECT(memcmp(line.data, "STARTTLS\n", 9) == 0);
	EXPECT_EQ(ox_write(e->below_server, "go on\n", 6), 6);
	return server_side(e);
}

/* The client's hello comes together with its command: it lies in the server's buffer when TLS begins. */
static int starttls(void *arg)
{
	bool inject = *(bool *)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };
	char hello[4096] = "STARTTLS\nMAIL FROM:<evil@example.com>\n";
	size_t len = inject ? strlen(hello) : 9;
	ox_future *client, *server;
	struct middle m;
	ox_bytes line;

	middle_open(&m, &e);
	client = ox_spawn(g, client_side, &e);
	len += (size_t)ox_read(m.left, hello + len, sizeof(hello) - len);
	EXPECT_EQ(ox_write(m.right, hello, len), (ssize_t)len);
	server = ox_spawn(g, starttls_server, &e);
	EXPECT_EQ(ox_read_until(m.right, newline, 100, &line), 0);
	middle_copy(&m, g);
	EXPECT_EQ(ox_await(server), 0);
	EXPECT_EQ(e.server_result, inject ? OX_ETLS : 0);
	EXPECT_EQ(ox_await(client), 0);
	EXPECT_EQ(e.client_result, inject ? OX_EINCOMPLETE : 0);
	if (!inject)
		say_hello(e.client, e.server);
	middle_stop(&m);
	close_ends(&e);
	ox_close(m.left);
	ox_close(m.right);
	free_configs(&e);
	return 0;
}

START_TEST(starttls_takes_buffered_bytes_for_tls_and_nothing_else)
{
	run_real(starttls, &(bool){ false });
	run_real(starttls, &(bool){ true });            /* CVE-2011-0411 and its like */
}
END_TEST

/* ---- much of it ---- */

#define BIG OX_MIB(8)

static int send_big(void *arg)
{
	uint8_t *data = malloc(BIG);

	for (size_t i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 7 + (i >> 13));
	EXPECT_EQ(ox_write(arg, data, BIG), BIG);
	free(data);
	EXPECT_EQ(ox_write_eof(arg), 0);
	return 0;
}

static int receive_big(void *arg)
{
	uint8_t *data = malloc(BIG);
	size_t got = 0, wrong = 0;
	char c;

	EXPECT_EQ(ox_read_exact(arg, data, BIG, &got), 0);
	for (size_t i = 0; i < got; i++)
		wrong += data[i] != (uint8_t)(i * 7 + (i >> 13));
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(ox_read(arg, &c, 1), 0);
	free(data);
	return 0;
}

static int both_at_once(struct ends *e)
{
	OX_AUTO_GROUP *g = ox_group_open();

	ox_spawn(g, send_big, e->client);
	ox_spawn(g, send_big, e->server);
	ox_spawn(g, receive_big, e->client);
	ox_spawn(g, receive_big, e->server);
	return ox_group_join(g);
}

static int big(void *arg)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };

	(void)arg;
	good_handshake(&e);
	EXPECT_EQ(both_at_once(&e), 0);
	close_ends(&e);
	free_configs(&e);
	return 0;
}

START_TEST(big_transfers_in_both_directions_at_once)
{
	run_real(big, NULL);
}
END_TEST

static int echo(void *arg)
{
	OX_AUTO_STREAM *s = arg;
	char buf[4096];
	ssize_t n;

	while ((n = ox_read(s, buf, sizeof(buf))) > 0)
		EXPECT_EQ(ox_write(s, buf, (size_t)n), n);
	EXPECT_EQ(n, 0);
	return 0;
}

struct service {
	ox_listener *l;
	ox_tls *server_tls, *client_tls;
	char address[64];
};

struct connection {
	ox_stream *below;
	struct service *service;
};

static int serve_one(void *arg)
{
	struct connection *c = arg;
	ox_stream *s = NULL;
	int r = ox_tls_accept(c->below, c->service->server_tls, NULL, &s);

	free(c);
	EXPECT_EQ(r, 0);
	return r < 0 ? r : echo(s);
}

static int serve(void *arg)
{
	struct service *service = arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));
	ox_stream *s;
	int r;

	while ((r = ox_accept(service->l, &s)) == 0) {
		struct connection *c = malloc(sizeof(*c));

		*c = (struct connection){ s, service };
		ox_spawn(g, serve_one, c);
	}
	return r;
}

static int client(void *arg)
{
	struct service *service = arg;
	OX_AUTO_STREAM *s = NULL;
	char buf[32];
	int r = ox_connect_tls(service->address, service->client_tls, NULL, &s);

	EXPECT_EQ(r, 0);
	for (int i = 0; r == 0 && i < 5; i++) {
		EXPECT_EQ(ox_write(s, "ping pong ping pong", 19), 19);
		r = ox_read_exact(s, buf, 19, NULL);
		EXPECT_EQ(r, 0);
		EXPECT(memcmp(buf, "ping pong ping pong", 19) == 0);
	}
	return r;
}

/* ---- a peer that makes us answer and does not read ---- */

#define UPDATES 60000                   /* an answer to each has 27 bytes: more than a MiB together */

static int ask_for_new_keys(void *arg)
{
	ox_stream *s = arg;
	SSL *ssl = oxi_tls_stream_of(s)->ssl;

	for (int i = 0; i < UPDATES; i++) {
		EXPECT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		EXPECT_EQ(SSL_do_handshake(ssl), 1);
		if (i % 100 == 0) {
			EXPECT_EQ(ox_write(s, "x", 1), 1);
			EXPECT_EQ(ox_flush(s), 0);
		}
	}
	return 0;
}

static int answers_are_bounded(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost",
		          .memory = OX_TEST_STREAM_OPTIONS(.capacity = 4096) };
	struct oxi_tls_stream *t;
	size_t most = 0;
	char c;

	(void)arg;
	good_handshake(&e);
	t = oxi_tls_stream_of(e.server);
	ox_spawn(g, ask_for_new_keys, e.client);
	for (int i = 0; i < UPDATES / 100; i++) {
		EXPECT_EQ(ox_read(e.server, &c, 1), 1);         /* reading goes on */
		most = t->out.len > most ? t->out.len : most;
	}
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT(most > OX_KIB(900) && most <= OX_MIB(1) + OX_KIB(17));
	EXPECT_EQ(ox_write(e.server, "x", 1), OX_ETOOBIG);
	ox_stream_abort(e.client);
	EXPECT(ox_close(e.server) < 0);
	free_configs(&e);
	return 0;
}

START_TEST(what_a_peer_makes_us_say_is_bounded)
{
	run_virtual(answers_are_bounded, NULL);
}
END_TEST

static int serve_first(void *arg)
{
	struct service *service = arg;
	struct connection *c = malloc(sizeof(*c));

	*c = (struct connection){ .service = service };
	EXPECT_EQ(ox_accept(service->l, &c->below), 0);
	return serve_one(c);
}

static int zone(void *arg)
{
	struct service service = { .server_tls = SERVER(), .client_tls = CLIENT() };
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *server;
	char bound[OX_ADDRESS_TEXT];

	(void)arg;
	EXPECT_EQ(ox_listen("[::1]:0", NULL, &service.l), 0);
	EXPECT_EQ(ox_listener_address(service.l, bound, sizeof(bound)), 0);
	snprintf(service.address, sizeof(service.address), "[::1%%lo%s", strchr(bound, ']'));
	server = ox_spawn(g, serve_first, &service);
	EXPECT_EQ(client(&service), 0);
	EXPECT_EQ(ox_await(server), 0);
	ox_listener_close(service.l);
	ox_tls_free(service.server_tls);
	ox_tls_free(service.client_tls);
	return 0;
}

START_TEST(certificates_name_addresses_without_their_zones)
{
	run_real(zone, NULL);
}
END_TEST

static int hundred(void *arg)
{
	struct service service = { .server_tls = SERVER(), .client_tls = CLIENT() };
	OX_AUTO_GROUP *g = ox_group_open(), *clients = ox_group_open();
	ox_future *server;

	EXPECT_EQ(ox_listen(arg, NULL, &service.l), 0);
	EXPECT_EQ(ox_listener_address(service.l, service.address, sizeof(service.address)), 0);
	server = ox_spawn(g, serve, &service);
	for (int i = 0; i < 100; i++)
		ox_spawn(clients, client, &service);
	EXPECT_EQ(ox_group_join(clients), 0);
	ox_future_cancel(server);
	EXPECT_EQ(ox_await(server), OX_ECANCELED);
	ox_listener_close(service.l);
	ox_tls_free(service.server_tls);
	ox_tls_free(service.client_tls);
	return 0;
}

START_TEST(hundred_clients_shake_hands_at_once)
{
	run_real(hundred, (void *)(uintptr_t)"127.0.0.1:0");
	run_real(hundred, (void *)(uintptr_t)"[::1]:0");
}
END_TEST

/* A proxy's tunnel: TLS to the proxy, and TLS to the server within. */
static void tunnel_within(struct ends *outer, struct ends *inner)
{
	good_handshake(outer);
	inner->below_client = outer->client;
	inner->below_server = outer->server;
	handshake_over(inner);
	EXPECT_EQ(inner->client_result, 0);
	EXPECT_EQ(inner->server_result, 0);
}

static int tunnel(void *arg)
{
	struct ends outer = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" }, inner = outer;

	(void)arg;
	tunnel_within(&outer, &inner);
	say_hello(inner.client, inner.server);
	EXPECT_EQ(both_at_once(&inner), 0);
	EXPECT_EQ(ox_close(inner.client), 0);
	EXPECT_EQ(ox_close(inner.server), 0);
	free_configs(&outer);
	return 0;
}

START_TEST(tls_runs_over_tls)
{
	run_real(tunnel, NULL);
}
END_TEST

/* ---- pieces ---- */

static int write_and_close(void *arg)
{
	char text[20000];

	memset(text, 'x', sizeof(text));
	EXPECT_EQ(ox_write(arg, text, sizeof(text)), sizeof(text));
	EXPECT_EQ(ox_close(arg), 0);
	return 0;
}

/* TLS over TLS over whatever the pair does to the bytes; its end, too, arrives in pieces. */
static int in_pieces(void *arg)
{
	struct ends outer = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost", .memory = arg };
	struct ends inner = outer;
	OX_AUTO_GROUP *g = ox_group_open();
	char text[20001];
	size_t got;

	tunnel_within(&outer, &inner);
	say_hello(inner.client, inner.server);
	ox_spawn(g, write_and_close, inner.client);
	EXPECT_EQ(ox_read_exact(inner.server, text, sizeof(text), &got), OX_EINCOMPLETE);
	EXPECT_EQ(got, 20000);
	EXPECT_EQ(ox_read(inner.server, text, 1), 0);           /* close_notify */
	EXPECT_EQ(ox_group_join(g), 0);
	ox_close(inner.server);
	free_configs(&outer);
	return 0;
}

START_TEST(bytes_may_come_and_go_in_any_pieces)
{
	run_virtual(in_pieces, OX_TEST_STREAM_OPTIONS(.capacity = 1));
	run_virtual(in_pieces, OX_TEST_STREAM_OPTIONS(.most = 1));
	for (uint64_t seed = 1; seed <= 10; seed++) {
		run_virtual(in_pieces, OX_TEST_STREAM_OPTIONS(.most = 100, .seed = seed));
		run_virtual(in_pieces, OX_TEST_STREAM_OPTIONS(.capacity = 3000, .most = 5000, .seed = seed));
	}
}
END_TEST

/* ---- threads ---- */

static int meet_again(void *arg)
{
	struct ends e = *(struct ends *)arg;

	for (int i = 0; i < 20; i++) {
		good_handshake(&e);
		say_hello(e.client, e.server);
		close_ends(&e);
	}
	return 0;
}

static void *run_loop(void *arg)
{
	return (void *)(intptr_t)ox_run(meet_again, arg, NULL);
}

START_TEST(configuration_serves_the_loops_of_several_threads)
{
	struct ends e = { .client_tls = CLIENT(), .server_tls = SERVER(), .host = "localhost" };
	pthread_t threads[3];
	void *r;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_loop, &e), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &r);
		ck_assert_int_eq((intptr_t)r, 0);
	}
	free_configs(&e);
	assert_expectations();
}
END_TEST

/* ---- stacks ---- */

static int small_stacks(void *arg)
{
	identity rsa = IDENTITY(.name = "rsa", .san = "DNS:localhost", .issuer = &ca, .rsa = true);
	struct ends e = { .client_tls = CLIENT(.cert = client_id.cert, .key = client_id.key), .host = "localhost",
		          .server_tls = CONFIG(.cert = rsa.cert, .key = rsa.key, .ca = ca.cert,
		                               .client_auth = OX_TLS_CLIENT_REQUIRED) };
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&e.below_client, &e.below_server), 0);
	ox_spawn_with(g, client_side, &e, OX_SPAWN_OPTIONS(.stack_size = OX_KIB(64)));
	ox_spawn_with(g, server_side, &e, OX_SPAWN_OPTIONS(.stack_size = OX_KIB(64)));
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(e.client_result, 0);
	EXPECT_EQ(e.server_result, 0);
	say_hello(e.client, e.server);
	close_ends(&e);
	free_configs(&e);
	identity_free(&rsa);
	return 0;
}

START_TEST(smallest_stacks_are_enough_for_a_handshake)
{
	run_real(small_stacks, NULL);
}
END_TEST

/* ---- configurations ---- */

static int refuse(const char *story, const ox_tls_options *o)
{
	ox_tls_options with_text = *o;
	ox_tls *tls = NULL;
	char text[256] = "";
	int r;

	with_text.error_text = text;
	r = ox_tls_new(&with_text, &tls);
	EXPECT(tls == NULL);
	if (!strstr(text, story))
		expect_failed(__FILE__, __LINE__, text, r, 0);
	return r;
}
#define REFUSE(story, ...) refuse(story, OX_TLS_OPTIONS(__VA_ARGS__))

START_TEST(wrong_configuration_says_what_is_wrong)
{
	identity locked = IDENTITY(.name = "locked", .password = "secret");
	const ox_bytes junk = { "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", 64 }, none = { "x", 1 };

	EXPECT_EQ(REFUSE("/nowhere/ca.pem: cannot be read: No such file", .ca_file = "/nowhere/ca.pem"), -ENOENT);
	EXPECT_EQ(REFUSE("/nowhere: No such file", .ca_path = "/nowhere"), -ENOENT);
	EXPECT_EQ(REFUSE("/dev/null: Not a directory", .ca_path = "/dev/null"), -ENOTDIR);
	EXPECT_EQ(REFUSE("/dev/null: certificate: no start line", .ca_file = "/dev/null"), OX_ETLS);
	EXPECT_EQ(REFUSE("memory: certificate: ", .ca = junk), OX_ETLS);
	EXPECT_EQ(REFUSE("memory: certificate: no start line", .cert = none), OX_ETLS);
	EXPECT_EQ(REFUSE("/nowhere/cert.pem", .cert_file = "/nowhere/cert.pem"), -ENOENT);
	EXPECT_EQ(REFUSE("memory: no private key", .cert = server_id.cert), OX_ETLS);
	EXPECT_EQ(REFUSE("memory: key: key values mismatch", .cert = server_id.cert, .key = client_id.key), OX_ETLS);
	EXPECT_EQ(REFUSE("a key needs a certificate", .key = client_id.key), OX_EINVAL);
	EXPECT_EQ(REFUSE("not this password", .cert = locked.cert, .key = locked.key), OX_ETLS);
	EXPECT_EQ(REFUSE("not this password", .cert = locked.cert, .key = locked.key, .key_password = "wrong"), OX_ETLS);
	EXPECT_EQ(REFUSE("client_auth needs authorities", .client_auth = OX_TLS_CLIENT_OPTIONAL), OX_EINVAL);
	EXPECT_EQ(REFUSE("alpn: a name has", .alpn = ""), OX_EINVAL);
	EXPECT_EQ(REFUSE("alpn: a name has", .alpn = "h2,,x"), OX_EINVAL);
	EXPECT_EQ(REFUSE("below", .min_version = OX_TLS_1_3, .max_version = OX_TLS_1_2), OX_EINVAL);
	EXPECT_EQ(REFUSE("ciphers: none of \"MAGIC\" is known", .ciphers = "MAGIC"), OX_EINVAL);
	EXPECT_EQ(REFUSE("/nowhere/keys: No such file", .keylog_file = "/nowhere/keys"), -ENOENT);
	identity_free(&locked);
	assert_expectations();
	ck_assert_int_eq((int)ERR_peek_error(), 0);
}
END_TEST

static int logged(void *arg)
{
	struct ends e = { .client_tls = CLIENT(.keylog_file = "test-tls-keys"), .server_tls = SERVER(), .host = "localhost" };
	char buf[64] = "";
	struct stat st;
	FILE *f;

	(void)arg;
	good_handshake(&e);
	close_ends(&e);
	free_configs(&e);
	f = fopen("test-tls-keys", "r");
	EXPECT(f && fstat(fileno(f), &st) == 0 && (st.st_mode & 0777) == 0600);
	EXPECT(f && fgets(buf, sizeof(buf), f) && strstr(buf, "_SECRET "));
	fclose(f);
	unlink("test-tls-keys");
	return 0;
}

START_TEST(keys_are_logged_where_asked)
{
	run_real(logged, NULL);
}
END_TEST

/* ---- memory ---- */

/* A whole life; the first error that it meets. */
static int scenario(void *arg)
{
	OX_AUTO_TLS *client_tls = NULL, *server_tls = NULL;
	struct ends e = { .host = "localhost" };
	ox_tls_info i = { .size = sizeof(i) };
	OX_AUTO_GROUP *g = ox_group_open();
	char c;
	int r;

	(void)arg;
	r = ox_tls_new(OX_TLS_OPTIONS(.ca = ca.cert, .alpn = "a,b"), &client_tls);
	if (r == 0)
		r = ox_tls_new(OX_TLS_OPTIONS(.cert = server_id.cert, .key = server_id.key, .alpn = "b"), &server_tls);
	if (r == 0)
		r = ox_stream_pair(&e.below_client, &e.below_server);
	if (r < 0)
		return r;
	e.client_tls = client_tls;
	e.server_tls = server_tls;
	ox_future *server = ox_spawn(g, server_side, &e);
	r = ox_future_done(server) ? ox_future_status(server) : 0;
	if (r < 0) {                                            /* it never ran */
		ox_stream_abort(e.below_client);
		ox_stream_abort(e.below_server);
		return r;
	}
	client_side(&e);
	r = ox_await(server);
	if (r == 0)
		r = e.client_result < 0 ? e.client_result : e.server_result;
	if (e.client_result == OX_ENOMEM || e.server_result == OX_ENOMEM || r == OX_ETIMEDOUT)
		r = OX_ENOMEM;                                  /* without memory for a timer the time is over at once */
	if (r == 0)
		r = ox_tls_get_info(e.client, &i);
	if (r == 0)
		r = (int)ox_write(e.client, "x", 1);
	if (r > 0)
		r = (int)ox_read(e.server, &c, 1);
	if (r > 0)
		r = (int)ox_write(e.server, "y", 1);
	if (r > 0)
		r = (int)ox_read(e.client, &c, 1);
	close_ends(&e);
	return r < 0 ? r : 0;
}

static int accept_once(void *arg)
{
	struct service *service = arg;
	ox_stream *below, *s = NULL;
	int r = ox_accept(service->l, &below);

	if (r == 0)
		r = ox_tls_accept(below, service->server_tls, NULL, &s);
	ox_listener_stop(service->l);                           /* nobody waits in its queue */
	ox_stream_abort(s);
	return r;
}

static int connect_once(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct service *service = arg;
	ox_stream *s = NULL;
	ox_future *f;
	int r = ox_listen("127.0.0.1:0", NULL, &service->l), served;

	if (r < 0)
		return r;
	EXPECT_EQ(ox_listener_address(service->l, service->address, sizeof(service->address)), 0);
	f = ox_spawn(g, accept_once, service);
	r = ox_future_done(f) ? ox_future_status(f) : ox_connect_tls(service->address, service->client_tls, NULL, &s);
	if (r < 0)
		ox_future_cancel(f);
	served = ox_await(f);
	ox_stream_abort(s);
	ox_listener_close(service->l);
	if (served == OX_ENOMEM || served == OX_ETIMEDOUT || r == OX_ETIMEDOUT)
		r = OX_ENOMEM;                                  /* without memory for a timer the time is over at once */
	return r;
}

START_TEST(every_allocation_of_ours_fails_cleanly)
{
	struct service service = { .client_tls = CLIENT(), .server_tls = SERVER() };

	fails_cleanly_real(connect_once, &service);
	ox_tls_free(service.client_tls);
	ox_tls_free(service.server_tls);
	fails_cleanly_real(scenario, NULL);
}
END_TEST

/* OpenSSL's own allocations: the n-th fails. */
static _Thread_local size_t crypto_made, crypto_fail_at;

static void *crypto_malloc(size_t len, const char *file, int line)
{
	(void)file, (void)line;
	return ++crypto_made == crypto_fail_at ? NULL : malloc(len);
}

static void *crypto_realloc(void *p, size_t len, const char *file, int line)
{
	(void)file, (void)line;
	return ++crypto_made == crypto_fail_at ? NULL : realloc(p, len);
}

static void crypto_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

static int scenario_result;

static int scenario_kept(void *arg)
{
	scenario_result = scenario(arg);
	return 0;
}

START_TEST(every_allocation_of_openssl_fails_cleanly)
{
	size_t total;

	run_real(scenario_kept, NULL);                          /* OpenSSL sets itself up */
	ck_assert_int_eq(scenario_result, 0);
	crypto_made = 0;
	run_real(scenario_kept, NULL);
	total = crypto_made;
	ck_assert_uint_gt(total, 100);
	for (size_t n = 1; n <= total; n += 1 + total / (under_valgrind() ? 100 : 1000)) {
		crypto_made = 0;
		crypto_fail_at = n;
		run_real(scenario_kept, NULL);
		crypto_fail_at = 0;
		ck_assert_msg(scenario_result == 0 || scenario_result == OX_ENOMEM || scenario_result == OX_ETLS ||
		              scenario_result == OX_EINCOMPLETE, "with allocation %zu failing: %s", n, ox_strerror(scenario_result));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tls");
	TCase *c = new_case(s, "tls", 30);

	CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
	tcase_add_checked_fixture(c, make_identities, free_identities);
	tcase_add_test(c, bytes_go_both_ways_and_each_way_ends_by_close_notify);
	tcase_add_test(c, configuration_may_be_freed_while_its_streams_go_on);
	tcase_add_test(c, client_believes_only_a_good_certificate_of_the_host_it_asked_for);
	tcase_add_test(c, server_sends_the_chain_of_its_file);
	tcase_add_test(c, server_asks_for_certificates_and_believes_its_own_authorities);
	tcase_add_test(c, protocol_is_agreed_on_or_refused);
	tcase_add_test(c, server_chooses_a_certificate_by_the_name_asked_for);
	tcase_add_test(c, session_goes_on_for_the_same_host_and_configuration);
	tcase_add_test(c, oldest_sessions_are_forgotten);
	tcase_add_test(c, resumed_session_keeps_the_clients_identity);
	tcase_add_test(c, end_without_close_notify_is_a_truncation);
	tcase_add_test(c, forged_record_ends_the_stream_and_the_peer_is_told);
	tcase_add_test(c, abort_is_no_end_and_closing_wakes_the_reader);
	tcase_add_test(c, garbage_instead_of_a_handshake_is_an_error_with_its_story);
	tcase_add_test(c, wrong_use_is_an_error_and_the_stream_below_is_closed);
	tcase_add_test(c, cancelled_handshake_closes);
	tcase_add_test(c, handshake_and_shutdown_have_deadlines);
	tcase_add_test(c, starttls_takes_buffered_bytes_for_tls_and_nothing_else);
	tcase_add_test(c, big_transfers_in_both_directions_at_once);
	tcase_add_test(c, what_a_peer_makes_us_say_is_bounded);
	tcase_add_test(c, certificates_name_addresses_without_their_zones);
	tcase_add_test(c, hundred_clients_shake_hands_at_once);
	tcase_add_test(c, tls_runs_over_tls);
	tcase_add_test(c, bytes_may_come_and_go_in_any_pieces);
	tcase_add_test(c, configuration_serves_the_loops_of_several_threads);
	tcase_add_test(c, smallest_stacks_are_enough_for_a_handshake);
	tcase_add_test(c, wrong_configuration_says_what_is_wrong);
	tcase_add_test(c, keys_are_logged_where_asked);
	c = new_case(s, "memory", 200);         /* a thousand handshakes */
	tcase_add_checked_fixture(c, make_identities, free_identities);
	tcase_add_test(c, every_allocation_of_ours_fails_cleanly);
	tcase_add_test(c, every_allocation_of_openssl_fails_cleanly);
	return run_suite(s);
}
