/* SPDX-License-Identifier: MIT */
/*
 * TLS configurations: options become an SSL_CTX, which connections share. It serves both sides; what differs
 * between client and server (who is verified) is set for each connection.
 *
 * PEM is read here and not by OpenSSL's SSL_CTX_use_..._file(), for there are none of these for memory; and
 * never with OpenSSL's own password question, which would talk to the terminal.
 */
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/io/tls.h"

struct making {
	ox_tls *tls;
	const ox_tls_options *o;
	char text[OXI_TLS_TEXT_LEN];    /* what is wrong */
};

/* ---- what went wrong ---- */

void oxi_tls_explain(char text[OXI_TLS_TEXT_LEN], const char *fallback)
{
	unsigned long e = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);

	snprintf(text, OXI_TLS_TEXT_LEN, "%s", reason ? reason : fallback);
	ERR_clear_error();
}

int oxi_tls_code(void)
{
	unsigned long e = ERR_peek_error();

	if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
		return OX_ENOMEM;
	return ERR_SYSTEM_ERROR(e) && ERR_GET_REASON(e) ? -ERR_GET_REASON(e) : OX_ETLS;
}

__attribute__((format(printf, 3, 4))) static int wrong(struct making *m, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(m->text, sizeof(m->text), format, args);
	va_end(args);
	return code;
}

/* About a file (or memory), with OpenSSL's reason. */
static int wrong_in(struct making *m, const char *file, const char *what)
{
	char reason[OXI_TLS_TEXT_LEN];
	int code = oxi_tls_code();

	oxi_tls_explain(reason, "not what it should be");
	return wrong(m, code, "%.100s: %s: %.100s", file ? file : "memory", what, reason);
}

/* ---- PEM ---- */

/* The password of a key: there is one in the options or none. */
static int password(char *buf, int cap, int writing, void *arg)
{
	size_t len = arg ? strlen(arg) : 0;

	(void)writing;
	if (len == 0 || len > (size_t)cap)
		return -1;
	memcpy(buf, arg, len);
	return (int)len;
}

/* A BIO over a file, or over memory. */
static int open_pem(struct making *m, const char *file, ox_bytes memory, BIO **ret)
{
	if (memory.len > INT_MAX)
		return wrong(m, OX_ETOOBIG, "more than 2 GiB of PEM");
	*ret = file ? BIO_new_file(file, "re") : BIO_new_mem_buf(memory.data, (int)memory.len);
	return *ret ? 0 : wrong_in(m, file, "cannot be read");
}

/* True if the queue says no more than that there was no further PEM block. */
static bool at_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

/* Gives each certificate of the PEM, as a reference that is given too, to `use`. The number; a code. */
static int each_certificate(struct making *m, const char *file, ox_bytes memory,
                            bool (*use)(struct making *m, X509 *x, int i))
{
	BIO *bio = NULL;
	X509 *x;
	int n = 0, r = open_pem(m, file, memory, &bio);

	while (r == 0 && (x = PEM_read_bio_X509_AUX(bio, NULL, password, NULL)))
		if (!use(m, x, n++))
			r = wrong_in(m, file, "certificate");
	if (r == 0 && (n == 0 || !at_end()))
		r = wrong_in(m, file, "certificate");
	ERR_clear_error();
	BIO_free(bio);
	return r < 0 ? r : n;
}

/* ---- who we are ---- */

static bool use_ours(struct making *m, X509 *x, int i)
{
	bool ok;

	if (i > 0) {
		ok = SSL_CTX_add0_chain_cert(m->tls->ctx, x);
		if (ok)
			return true;
	} else {
		ok = SSL_CTX_use_certificate(m->tls->ctx, x);
	}
	X509_free(x);
	return ok;
}

static int load_key(struct making *m, const char *file, ox_bytes memory)
{
	EVP_PKEY *key = NULL;
	BIO *bio = NULL;
	int r = open_pem(m, file, memory, &bio);

	if (r == 0) {
		key = PEM_read_bio_PrivateKey(bio, NULL, password, (void *)(uintptr_t)m->o->key_password);
		if (key == NULL)
			r = wrong(m, oxi_tls_code(), "%.100s: no private key in it, or not this password",
			          file ? file : "memory");
		else if (!SSL_CTX_use_PrivateKey(m->tls->ctx, key) || !SSL_CTX_check_private_key(m->tls->ctx))
			r = wrong_in(m, file, "key");
	}
	EVP_PKEY_free(key);
	BIO_free(bio);
	return r;
}

static int load_identity(struct making *m)
{
	const ox_tls_options *o = m->o;
	bool with_cert = o->key_file == NULL && o->key.len == 0;
	int r;

	if (o->cert_file == NULL && o->cert.len == 0)
		return with_cert ? 0 : wrong(m, OX_EINVAL, "a key needs a certificate");
	r = each_certificate(m, o->cert_file, o->cert, use_ours);
	if (r < 0)
		return r;
	m->tls->has_cert = true;
	return with_cert ? load_key(m, o->cert_file, o->cert) : load_key(m, o->key_file, o->key);
}

/* ---- whom we believe ---- */

/* An authority; its name also goes to clients, so that they can choose a certificate that we believe. */
static bool use_authority(struct making *m, X509 *x, int i)
{
	bool ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(m->tls->ctx), x) &&
	          (m->o->client_auth == OX_TLS_CLIENT_NONE || SSL_CTX_add_client_CA(m->tls->ctx, x));

	(void)i;
	X509_free(x);
	return ok;
}

static int load_folder(struct making *m)
{
	struct stat st;

	if (stat(m->o->ca_path, &st) < 0)
		return wrong(m, -errno, "%.200s: %s", m->o->ca_path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return wrong(m, -ENOTDIR, "%.200s: %s", m->o->ca_path, strerror(ENOTDIR));
	if (!X509_STORE_load_path(SSL_CTX_get_cert_store(m->tls->ctx), m->o->ca_path))
		return wrong_in(m, m->o->ca_path, "authorities");
	return 0;
}

int oxi_tls_believe_system(ox_tls *tls)
{
	int r = 0;

	pthread_mutex_lock(&tls->lock);
	if (!tls->believes && !SSL_CTX_set_default_verify_paths(tls->ctx))
		r = oxi_tls_code();
	tls->believes = r == 0;
	pthread_mutex_unlock(&tls->lock);
	return r;
}

static int load_authorities(struct making *m)
{
	const ox_tls_options *o = m->o;
	int r = 0;

	if (!o->ca_file && !o->ca_path && o->ca.len == 0) {
		if (o->client_auth != OX_TLS_CLIENT_NONE)
			return wrong(m, OX_EINVAL, "client_auth needs authorities: ca_file, ca_path or ca");
		return 0;
	}
	m->tls->believes = true;
	if (o->ca_file)
		r = each_certificate(m, o->ca_file, (ox_bytes){ 0 }, use_authority);
	if (r >= 0 && o->ca.len > 0)
		r = each_certificate(m, NULL, o->ca, use_authority);
	if (r >= 0 && o->ca_path)
		r = load_folder(m);
	return r < 0 ? r : 0;
}

/* ---- what we speak ---- */

static int load_alpn(struct making *m)
{
	const char *names = m->o->alpn;
	size_t len = names ? strlen(names) : 0, start = 0;
	uint8_t *wire;

	if (names == NULL)
		return 0;
	wire = m->tls->alpn = oxi_alloc(len + 1);
	if (wire == NULL)
		return OX_ENOMEM;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && names[i] != ',') {
			wire[i + 1] = (uint8_t)names[i];
			continue;
		}
		if (i == start || i - start > 255)
			return wrong(m, OX_EINVAL, "alpn: a name has 1 to 255 characters");
		wire[start] = (uint8_t)(i - start);
		start = i + 1;
	}
	m->tls->alpn_len = len + 1;
	if (SSL_CTX_set_alpn_protos(m->tls->ctx, wire, (unsigned)(len + 1)) != 0)
		return wrong_in(m, "alpn", "protocols");
	return 0;
}

static int version_of(ox_tls_version v, int otherwise)
{
	return v == OX_TLS_1_2 ? TLS1_2_VERSION : v == OX_TLS_1_3 ? TLS1_3_VERSION : otherwise;
}

static int load_protocol(struct making *m)
{
	const ox_tls_options *o = m->o;
	SSL_CTX *ctx = m->tls->ctx;
	int lowest = version_of(o->min_version, TLS1_2_VERSION), highest = version_of(o->max_version, 0);

	if (highest && highest < lowest)
		return wrong(m, OX_EINVAL, "max_version is below min_version");
	if (!SSL_CTX_set_min_proto_version(ctx, lowest) || !SSL_CTX_set_max_proto_version(ctx, highest))
		return wrong_in(m, "version", "not offered by this OpenSSL");
	if (o->ciphers && !SSL_CTX_set_cipher_list(ctx, o->ciphers))
		return wrong(m, OX_EINVAL, "ciphers: none of \"%.150s\" is known", o->ciphers);
	if (o->ciphersuites && !SSL_CTX_set_ciphersuites(ctx, o->ciphersuites))
		return wrong(m, OX_EINVAL, "ciphersuites: none of \"%.150s\" is known", o->ciphersuites);
	return load_alpn(m);
}

/* ---- OpenSSL's questions ---- */

static ox_tls *config_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *theirs,
                       unsigned theirs_len, void *arg)
{
	const ox_tls *tls = config_of(ssl);     /* the chosen one */

	(void)arg;
	if (tls->alpn == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_len, tls->alpn, (unsigned)tls->alpn_len, theirs,
	                          theirs_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static int choose_certificate(SSL *ssl, int *ret_alert, void *arg)
{
	struct oxi_tls_stream *t = SSL_get_app_data(ssl);
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	ox_tls *tls = t->tls, *chosen;

	(void)arg;
	if (!SSL_is_server(ssl) || host == NULL || tls->choose == NULL || t->chosen)
		return SSL_TLSEXT_ERR_NOACK;
	chosen = tls->choose(tls->choose_arg, host);
	OXI_CHECK(chosen == NULL || chosen->magic == OXI_TLS_MAGIC);
	if (chosen == NULL || !chosen->has_cert) {
		*ret_alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	/* who is believed would change with the certificate: it must not */
	if (chosen != tls && (!SSL_set_SSL_CTX(ssl, chosen->ctx) ||
	                      !SSL_set1_verify_cert_store(ssl, SSL_CTX_get_cert_store(tls->ctx)))) {
		*ret_alert = SSL_AD_INTERNAL_ERROR;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	t->chosen = oxi_tls_ref(chosen);
	return SSL_TLSEXT_ERR_OK;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	const struct oxi_tls_stream *t = SSL_get_app_data(ssl);

	return !SSL_is_server(ssl) && t->host && oxi_tls_session_keep(t->tls, t->host, session);
}

static void write_keys(const SSL *ssl, const char *line)
{
	char whole[512];
	int len = snprintf(whole, sizeof(whole), "%s\n", line);

	if (len > 0 && (size_t)len < sizeof(whole) && write(config_of(ssl)->keylog_fd, whole, (size_t)len) < 0)
		oxi_log(OX_LOG_WARNING, "the TLS key log could not be written: %s", strerror(errno));
}

static int load_keylog(struct making *m)
{
	const char *file = m->o->keylog_file;

	if (file == NULL)
		return 0;
	m->tls->keylog_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (m->tls->keylog_fd < 0)
		return wrong(m, -errno, "%.200s: %s", file, strerror(errno));
	SSL_CTX_set_keylog_callback(m->tls->ctx, write_keys);
	return 0;
}

/* ---- making ---- */

static int make_context(struct making *m)
{
	static const unsigned char name[] = "oxbow";
	SSL_CTX *ctx = m->tls->ctx = SSL_CTX_new(TLS_method());

	if (ctx == NULL || !SSL_CTX_set_app_data(ctx, m->tls))
		return oxi_tls_code();
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);        /* 34 KiB that an idle connection can do without */
	SSL_CTX_set_read_ahead(ctx, 1);         /* what there is by one read from below, not header and body by two */
	/* an authority is who is listed as one, also if another has signed it */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_session_id_context(ctx, name, sizeof(name));
	if (m->tls->resumption) {
		/* servers keep nothing: their clients have tickets. OpenSSL's store would hold 20,480 sessions */
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
	} else {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
	}
	SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	return 0;
}

static int make(struct making *m)
{
	ox_tls *tls = m->tls;
	const ox_tls_options *o = m->o;
	int r;

	tls->magic = OXI_TLS_MAGIC;
	atomic_init(&tls->refs, 1);
	tls->keylog_fd = -1;
	tls->insecure = o->insecure;
	tls->resumption = !o->no_resumption;
	tls->client_auth = o->client_auth;
	tls->choose = o->choose;
	tls->choose_arg = o->choose_arg;
	pthread_mutex_init(&tls->lock, NULL);
	oxi_list_init(&tls->sessions);
	tls->bio = oxi_tls_bio_new();
	r = tls->bio ? make_context(m) : OX_ENOMEM;
	if (r == 0)
		r = load_protocol(m);
	if (r == 0)
		r = load_authorities(m);
	if (r == 0)
		r = load_identity(m);
	if (r == 0 && !tls->has_cert && !tls->insecure)
		r = oxi_tls_believe_system(tls);        /* a client, certainly; others may never need them */
	return r < 0 ? r : load_keylog(m);
}

void ox_tls_options_init(ox_tls_options *o)
{
	*o = *OX_TLS_OPTIONS(.size = sizeof(*o));
}

int ox_tls_new(const ox_tls_options *o, ox_tls **ret)
{
	struct making m = { .o = o ? o : OX_TLS_OPTIONS(.size = sizeof(*o)) };
	int r = OX_ENOMEM;

	if (oxi_forked())
		return OX_EFORKED;
	ERR_clear_error();
	m.tls = oxi_alloc(sizeof(*m.tls));
	if (m.tls)
		r = make(&m);
	ERR_clear_error();
	if (r == 0) {
		*ret = m.tls;
		return 0;
	}
	if (m.tls)
		ox_tls_free(m.tls);
	if (m.o->error_text)
		snprintf(m.o->error_text, OXI_TLS_TEXT_LEN, "%s", m.text[0] ? m.text : ox_strerror(r));
	return r;
}

ox_tls *oxi_tls_ref(ox_tls *tls)
{
	atomic_fetch_add(&tls->refs, 1);
	return tls;
}

void ox_tls_free(ox_tls *tls)
{
	if (tls == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(tls, OXI_TLS_MAGIC);
	if (atomic_fetch_sub(&tls->refs, 1) > 1)
		return;
	tls->magic = 0;
	oxi_tls_sessions_free(tls);
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->bio);
	pthread_mutex_destroy(&tls->lock);
	if (tls->keylog_fd >= 0)
		close(tls->keylog_fd);
	oxi_free(tls->alpn);
	oxi_free(tls);
}
