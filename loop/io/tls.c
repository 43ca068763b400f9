/* SPDX-License-Identifier: MIT */
/*
 * TLS as a transport over another stream. OpenSSL works in memory and never sees a descriptor:
 *
 *	coroutines      ox_read                       ox_write
 *	this stream     receive()                     transmit()
 *	OpenSSL         SSL_read_ex()                 SSL_write_ex()
 *	its BIO         bio_read()                    bio_write() --> out, what the stream below did not take
 *	stream below    oxi_stream_try_read()         oxi_stream_try_write()
 *
 * The BIO is ours. It takes bytes straight from the stream below, its buffered ones first, and never refuses
 * to write: what does not go on waits in `out`, which is freed when it is empty. Rejected: BIO_s_mem(), which
 * copies each byte once more in both directions, keeps its greatest size as long as the connection lives,
 * and forgets why reading or writing failed.
 *
 * While `out` holds anything nothing more is encrypted, so a stream has at most one record there (and what
 * the handshake and alerts add), and backpressure passes up.
 *
 *	handshake --> open --write_eof--> our close_notify is out; reading goes on --> closed
 *	    '--failed: the alert is tried to send, then everything is closed
 *
 * Writing that fails below does not end reading: what the peer said before it closed, an alert for instance,
 * is still read. So bio_write() then throws bytes away, and whoever writes next is told.
 *
 * The end. close_notify says that all was sent, so it is not said when bytes that were written could not be
 * passed on. A socket that is closed with unread bytes resets the connection, and the peer may lose what it
 * has not read yet; a client of TLS 1.3 that only writes always has the server's tickets unread. So what is
 * there is read, and thrown away, before closing.
 *
 * OpenSSL's queue of errors belongs to the thread, that is, to all coroutines: it is emptied before each
 * call whose result is asked of it, and left empty.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "loop/io/tls.h"
#include "loop/waits.h"

#define HANDSHAKE_TIMEOUT OX_SEC(10)
#define SHUTDOWN_TIMEOUT  OX_SEC(5)
#define HOLD_MAX          OX_MIB(1)     /* in `out`: of a peer that makes us answer and does not read */
#define UNREAD_MAX        OX_KIB(64)    /* read and thrown away at the end */

static struct oxi_tls_stream *of(ox_stream *s)
{
	return OXI_CONTAINER(s, struct oxi_tls_stream, s);
}

/* ---- OpenSSL's way to the stream below ---- */

static int bio_read(BIO *b, char *buf, int cap)
{
	struct oxi_tls_stream *t = BIO_get_data(b);
	ssize_t n = t->below_ended ? 0 : oxi_stream_try_read(t->below, buf, (size_t)cap);

	BIO_clear_retry_flags(b);
	if (n == 0)
		t->below_ended = true;
	else if (n == -EAGAIN)
		BIO_set_retry_read(b);
	else if (n < 0)
		t->read_error = (int)n;
	return n < 0 ? -1 : (int)n;
}

/* Adds to `out`. */
static int hold(struct oxi_tls_stream *t, const char *buf, size_t len)
{
	uint8_t *room = t->out.len < HOLD_MAX ? oxi_buffer_room(&t->out, len) : NULL;

	if (room == NULL)
		return t->out.len < HOLD_MAX ? OX_ENOMEM : OX_ETOOBIG;
	memcpy(room, buf, len);
	t->out.len += len;
	return 0;
}

/* Hands bytes to the stream below. How many it took: all, or its answer in *ret is -EAGAIN or a code. */
static size_t hand_on(struct oxi_tls_stream *t, const void *buf, size_t len, int *ret)
{
	size_t sent = 0;

	while (sent < len) {
		struct iovec v = { (char *)(uintptr_t)buf + sent, len - sent };
		ssize_t n = oxi_stream_try_write(t->below, &v, 1);

		if (n < 0) {
			*ret = (int)n;
			break;
		}
		sent += (size_t)n;
	}
	return sent;
}

static int bio_write(BIO *b, const char *buf, int len)
{
	struct oxi_tls_stream *t = BIO_get_data(b);
	int r = t->write_error;
	size_t n = 0;

	BIO_clear_retry_flags(b);
	if (r == 0 && t->out.len == 0)
		n = hand_on(t, buf, (size_t)len, &r);
	if (n < (size_t)len && (r == 0 || r == -EAGAIN))
		r = hold(t, buf + n, (size_t)len - n);
	t->write_error = r;
	return len;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
	(void)b, (void)n, (void)p;
	return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *oxi_tls_bio_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "oxbow stream");

	if (m) {
		BIO_meth_set_read(m, bio_read);
		BIO_meth_set_write(m, bio_write);
		BIO_meth_set_ctrl(m, bio_ctrl);
	}
	return m;
}

/* Passes on what waits here, and then what waits below. 0; -EAGAIN; a code. */
static int push(struct oxi_tls_stream *t)
{
	int r = t->write_error;

	if (r == 0 && t->out.len > 0) {
		oxi_buffer_skip(&t->out, hand_on(t, t->out.data + t->out.start, t->out.len, &r));
		oxi_buffer_release(&t->out);
	}
	if (r == 0)
		r = oxi_stream_try_flush(t->below);
	t->s.holding = r == -EAGAIN;
	if (r < 0 && r != -EAGAIN)
		t->write_error = r;
	return r;
}

/* ---- what OpenSSL answered ---- */

static int explain(struct oxi_tls_stream *t)
{
	long v = SSL_get_verify_result(t->ssl);
	int code = oxi_tls_code();

	if (t->text[0])
		ERR_clear_error();      /* the first story is the one */
	else if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED && v != X509_V_OK)
		snprintf(t->text, sizeof(t->text), "certificate of %.150s: %s", t->host ? t->host : "the client",
		         X509_verify_cert_error_string(v));
	else
		oxi_tls_explain(t->text, "broken TLS");
	return code == OX_ENOMEM || v == X509_V_ERR_OUT_OF_MEM ? OX_ENOMEM : OX_ETLS;
}

/* After a call that failed: -EAGAIN; 0: close_notify came; a code. */
static int verdict(struct oxi_tls_stream *t, int result)
{
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		if (t->read_error)
			return t->read_error;
		if (t->below_ended)
			return OX_EINCOMPLETE;
	}
	return explain(t);
}

/* ---- the transport ---- */

static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	struct oxi_tls_stream *t = of(s);
	size_t got = 0, n;
	int r = t->read_error;

	while (r == 0 && got < cap) {
		ERR_clear_error();
		if (SSL_read_ex(t->ssl, (char *)buf + got, cap - got, &n)) {
			got += n;
			continue;
		}
		r = verdict(t, 0);
		if (r == 0 || (r == OX_EINCOMPLETE && t->allow_truncation))
			break;                  /* the end; OpenSSL will say so again */
		if (r == -EAGAIN)
			s->readable = false;
		else
			t->read_error = r;
	}
	ERR_clear_error();
	if (t->out.len > 0)
		push(t);                        /* what reading made it say: an alert, a new key */
	if (got > 0)
		return (ssize_t)got;
	return r == OX_EINCOMPLETE && t->allow_truncation ? 0 : r;
}

static ssize_t transmit(ox_stream *s, const struct iovec *v, int n)
{
	struct oxi_tls_stream *t = of(s);
	size_t sent = 0, k;
	int r = t->write_error;

	for (int i = 0; i < n; i++) {
		for (size_t at = 0; at < v[i].iov_len && r == 0; at += k, sent += k) {
			k = 0;
			ERR_clear_error();
			if (t->out.len > 0)
				r = -EAGAIN;
			else if (!SSL_write_ex(t->ssl, (char *)v[i].iov_base + at, v[i].iov_len - at, &k))
				r = verdict(t, 0) ? : OX_ETLS;
			else
				r = t->write_error;
		}
	}
	ERR_clear_error();
	if (r == 0 || r == -EAGAIN)
		push(t);
	return r < 0 && (sent == 0 || r != -EAGAIN) ? r : (ssize_t)sent;
}

static int flush(ox_stream *s)
{
	return push(of(s));
}

static int shut(ox_stream *s)
{
	struct oxi_tls_stream *t = of(s);
	int r;

	ERR_clear_error();
	r = SSL_shutdown(t->ssl);
	r = r < 0 ? verdict(t, r) : 0;
	ERR_clear_error();
	t->said_goodbye = true;
	push(t);
	return t->write_error ? t->write_error : r;
}

static void throw_away(ox_stream *below)
{
	char buf[4096];

	for (size_t n = 0; n < UNREAD_MAX; n += sizeof(buf))
		if (oxi_stream_try_read(below, buf, sizeof(buf)) <= 0)
			break;
}

static void end(ox_stream *s, bool abort)
{
	struct oxi_tls_stream *t = of(s);

	if (!abort) {
		if (t->open && !t->said_goodbye && s->out.len == 0 && s->write_error == 0)
			shut(s);
		push(t);
		throw_away(t->below);
	}
	SSL_free(t->ssl);
	t->below->above = NULL;
	oxi_stream_destroy(t->below, abort);
	ox_tls_free(t->tls);
	ox_tls_free(t->chosen);
	oxi_free(t->out.data);
	oxi_free(t->host);
	oxi_free(t->peer);
	oxi_free(t);
}

static const struct oxi_transport transport = {
	.name = "TLS", .recv = receive, .send = transmit, .flush = flush,
	.shut = shut, .shut_first = true, .close = end,
};

struct oxi_tls_stream *oxi_tls_stream_of(ox_stream *s)
{
	ox_stream_fd(s);                        /* looks at its magic */
	return s->transport == &transport ? of(s) : NULL;
}

/* The stream below has something, or takes something. */
static void told(void *arg, unsigned events)
{
	struct oxi_tls_stream *t = arg;

	if (!t->open)
		oxi_waits_wake(&t->s.flushers, 0);      /* the handshake */
	else if (events & OX_READABLE)
		oxi_stream_readable(&t->s);
	else
		oxi_stream_writable(&t->s);
}

/* ---- the handshake ---- */

static int handshake(struct oxi_tls_stream *t)
{
	for (;;) {
		int r;

		ERR_clear_error();
		r = SSL_do_handshake(t->ssl);
		r = r == 1 ? 0 : verdict(t, r) ? : OX_EINCOMPLETE;
		ERR_clear_error();
		push(t);
		if (r != -EAGAIN)
			return r;
		if (t->write_error)
			return t->write_error;
		r = oxi_stream_wait(&t->s, &t->s.flushers, "TLS handshake");
		if (r < 0)
			return r;
	}
}

static int handshake_within(struct oxi_tls_stream *t, ox_time timeout)
{
	ox_scope scope;
	int r;

	ox_scope_enter(&scope, timeout ? timeout : HANDSHAKE_TIMEOUT);
	r = ox_scope_leave(&scope, handshake(t));
	if (r == OX_ETIMEDOUT)
		snprintf(t->text, sizeof(t->text), "the handshake took too long");
	else if (r == OX_EINCOMPLETE)
		snprintf(t->text, sizeof(t->text), "the peer closed the connection during the handshake");
	return r;
}

/* ---- beginning ---- */

/* The host without the dot that ends a full domain name. */
static int copy_host(struct oxi_tls_stream *t, const char *host)
{
	size_t len = host ? strlen(host) : 0;

	if (host == NULL)
		return t->tls->insecure ? 0 : OX_EINVAL;
	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len == 0 || len > TLSEXT_MAXLEN_host_name)
		return OX_EINVAL;
	t->host = oxi_alloc(len + 1);
	if (t->host == NULL)
		return OX_ENOMEM;
	memcpy(t->host, host, len);
	return 0;
}

/* Whom the certificate must name: an address, or a name, which is also asked for (RFC 6066, 3: addresses are not). */
static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(p, host);
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

static int be_client(struct oxi_tls_stream *t, const char *host)
{
	SSL_SESSION *session;
	int r = copy_host(t, host);

	if (r == 0 && !t->tls->insecure)
		r = oxi_tls_believe_system(t->tls);
	if (r < 0)
		return r;
	SSL_set_connect_state(t->ssl);
	SSL_set_verify(t->ssl, t->tls->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (t->host == NULL)
		return 0;
	if (!expect_host(t->ssl, t->host))
		return explain(t);
	session = t->tls->resumption ? oxi_tls_session_take(t->tls, t->host) : NULL;
	if (session) {
		SSL_set_session(t->ssl, session);
		SSL_SESSION_free(session);
	}
	return 0;
}

static int be_server(struct oxi_tls_stream *t)
{
	static const int modes[] = {
		[OX_TLS_CLIENT_OPTIONAL] = SSL_VERIFY_PEER,
		[OX_TLS_CLIENT_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	};

	if (!t->tls->has_cert)
		return OX_EINVAL;
	SSL_set_accept_state(t->ssl);
	SSL_set_verify(t->ssl, modes[t->tls->client_auth], NULL);
	return 0;
}

/* Nobody else may use the stream below from now on. */
static int may_begin(const ox_stream *below)
{
	if (below->reader || !oxi_list_empty(&below->writers) || !oxi_list_empty(&below->flushers))
		return OX_EBUSY;
	if (below->write_error)
		return below->write_error;
	return below->write_over ? OX_ECLOSED : 0;
}

static int make_ssl(struct oxi_tls_stream *t)
{
	BIO *bio = BIO_new(t->tls->bio);

	t->ssl = bio ? SSL_new(t->tls->ctx) : NULL;
	if (t->ssl == NULL) {
		BIO_free(bio);
		return OX_ENOMEM;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	return SSL_set_app_data(t->ssl, t) ? 0 : OX_ENOMEM;
}

/* Puts a stream on the one below, which it owns from then on. */
static int stand_on(ox_stream *below, ox_tls *tls, const ox_tls_stream_options *o, struct oxi_tls_stream **ret)
{
	struct oxi_tls_stream *t;
	int fd = ox_stream_fd(below), r = may_begin(below);

	OXI_CHECK_OBJECT(tls, OXI_TLS_MAGIC);
	t = r == 0 ? oxi_alloc(sizeof(*t)) : NULL;
	if (t == NULL)
		return r < 0 ? r : OX_ENOMEM;
	oxi_stream_init(&t->s, &transport, fd, below->real);
	t->s.close_limit = o->shutdown_timeout ? o->shutdown_timeout : SHUTDOWN_TIMEOUT;
	t->allow_truncation = o->allow_truncation;
	t->tls = oxi_tls_ref(tls);
	t->below = below;
	below->above = told;
	below->above_arg = t;
	*ret = t;
	return make_ssl(t);
}

static int begin(ox_stream *below, ox_tls *tls, bool server, const char *host, const ox_tls_stream_options *options,
                 ox_stream **ret)
{
	const ox_tls_stream_options *o = options ? options : OX_TLS_STREAM_OPTIONS(.size = sizeof(*o));
	struct oxi_tls_stream *t = NULL;
	int r = below && tls ? oxi_checkpoint() : OX_ENOMEM;

	if (r == 0)
		r = stand_on(below, tls, o, &t);
	if (r == 0)
		r = server ? be_server(t) : be_client(t, host);
	if (r == 0)
		r = handshake_within(t, o->handshake_timeout);
	if (r == 0) {
		t->open = true;
		*ret = &t->s;
		return 0;
	}
	if (o->error_text)
		snprintf(o->error_text, OXI_TLS_TEXT_LEN, "%s", t && t->text[0] ? t->text : ox_strerror(r));
	if (t)
		oxi_stream_destroy(&t->s, r == OX_ECANCELED || r == OX_ETIMEDOUT);
	else
		ox_stream_abort(below);
	return r;
}

void ox_tls_stream_options_init(ox_tls_stream_options *o)
{
	*o = *OX_TLS_STREAM_OPTIONS(.size = sizeof(*o));
}

int ox_tls_connect(ox_stream *below, ox_tls *tls, const char *host, const ox_tls_stream_options *o, ox_stream **ret)
{
	return begin(below, tls, false, host, o, ret);
}

int ox_tls_accept(ox_stream *below, ox_tls *tls, const ox_tls_stream_options *o, ox_stream **ret)
{
	return begin(below, tls, true, NULL, o, ret);
}

int ox_connect_tls(const char *address, ox_tls *tls, const ox_tls_stream_options *o, ox_stream **ret)
{
	char host[TLSEXT_MAXLEN_host_name + 1];
	const char *colon = address ? strrchr(address, ':') : NULL;
	size_t len = colon ? (size_t)(colon - address) : 0;
	ox_stream *below;
	int r = tls ? oxi_checkpoint() : OX_ENOMEM;

	if (r == 0 && (len == 0 || len >= sizeof(host) || strncmp(address, "unix:", 5) == 0))
		r = OX_EINVAL;
	if (r == 0)
		r = ox_connect(address, &below);
	if (r < 0) {
		if (o && o->error_text)
			snprintf(o->error_text, OXI_TLS_TEXT_LEN, "%s", ox_strerror(r));
		return r;
	}
	if (*address == '[') {                  /* "[::1]:443" */
		address++;
		len -= 2;
	}
	memcpy(host, address, len);
	host[len] = '\0';
	host[strcspn(host, "%")] = '\0';        /* of an address's zone no certificate knows */
	return ox_tls_connect(below, tls, host, o, ret);
}
