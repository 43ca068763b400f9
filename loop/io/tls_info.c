/* SPDX-License-Identifier: MIT */
/*
 * What is known of a TLS stream's peer. The texts about its certificate are made at the first question, one
 * after the other in one piece of memory: subject, issuer, fingerprint, PEM, each with its 0.
 */
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

#include "loop/io/tls.h"

static bool write_end(BIO *b)
{
	return BIO_write(b, "", 1) == 1;
}

static bool write_name(BIO *b, const X509_NAME *name)
{
	/* RFC 2253, but UTF-8 stays legible */
	return X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0 && write_end(b);
}

static bool write_fingerprint(BIO *b, const X509 *x)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!X509_digest(x, EVP_sha256(), digest, &len))
		return false;
	for (unsigned i = 0; i < len; i++)
		if (BIO_printf(b, "%02x", digest[i]) != 2)
			return false;
	return write_end(b);
}

static char *texts_of(X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *data, *copy = NULL;
	long len;

	if (b && write_name(b, X509_get_subject_name(x)) && write_name(b, X509_get_issuer_name(x)) &&
	    write_fingerprint(b, x) && PEM_write_bio_X509(b, x) && write_end(b)) {
		len = BIO_get_mem_data(b, &data);
		copy = oxi_alloc((size_t)len);
		if (copy)
			memcpy(copy, data, (size_t)len);
	}
	ERR_clear_error();
	BIO_free(b);
	return copy;
}

static int64_t seconds_of(const ASN1_TIME *at)
{
	struct tm tm;

	return ASN1_TIME_to_tm(at, &tm) ? timegm(&tm) : 0;
}

static const char *next(const char *text)
{
	return text + strlen(text) + 1;
}

static int fill_peer(struct oxi_tls_stream *t, X509 *x, ox_tls_info *i)
{
	if (t->peer == NULL)
		t->peer = texts_of(x);
	if (t->peer == NULL)
		return OX_ENOMEM;
	i->subject = t->peer;
	i->issuer = next(i->subject);
	i->fingerprint = next(i->issuer);
	i->pem = next(i->fingerprint);
	i->not_before = seconds_of(X509_get0_notBefore(x));
	i->not_after = seconds_of(X509_get0_notAfter(x));
	return 0;
}

/* OpenSSL's is not ended by a 0. */
static const char *alpn_of(struct oxi_tls_stream *t)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(t->ssl, &name, &len);
	if (len == 0)
		return NULL;
	memcpy(t->alpn, name, len);
	t->alpn[len] = '\0';
	return t->alpn;
}

int ox_tls_get_info(ox_stream *s, ox_tls_info *ret)
{
	size_t size = ret->size;
	struct oxi_tls_stream *t;
	X509 *x;
	int r = 0;

	if (oxi_forked())
		return OX_EFORKED;
	t = s ? oxi_tls_stream_of(s) : NULL;
	if (t == NULL || size == 0)
		return s ? OX_EINVAL : OX_ENOMEM;
	x = SSL_get0_peer_certificate(t->ssl);
	ox_tls_info i = {
		.size = size, .version = SSL_get_version(t->ssl), .cipher = SSL_get_cipher_name(t->ssl),
		.alpn = alpn_of(t),
		.host = t->host ? t->host : SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name),
		.resumed = SSL_session_reused(t->ssl),
		.verified = x && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE &&
		            SSL_get_verify_result(t->ssl) == X509_V_OK,
		.error = t->text[0] ? t->text : NULL,
	};
	if (x)
		r = fill_peer(t, x, &i);
	if (r == 0)
		memcpy(ret, &i, size < sizeof(i) ? size : sizeof(i));
	return r;
}
