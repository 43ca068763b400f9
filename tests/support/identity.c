/* SPDX-License-Identifier: MIT */
#include "tests/support/identity.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/private/check.h"

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	OXI_CHECK(e && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static ox_bytes take(BIO *b)
{
	char *data;
	size_t len = (size_t)BIO_get_mem_data(b, &data);
	ox_bytes copy = { memcpy(malloc(len), data, len), len };

	BIO_free(b);
	return copy;
}

identity identity_make(const identity_options *o)
{
	static long serial;
	identity i = { .pkey = o->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), .x = X509_new() };
	X509 *issuer = o->issuer ? o->issuer->x : i.x;
	bool dated = o->from_days || o->until_days;
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());

	X509_set_version(i.x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(i.x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(i.x), (dated ? o->from_days : -1) * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(i.x), (dated ? o->until_days : 1) * 86400L);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(i.x), "CN", MBSTRING_UTF8, (const unsigned char *)o->name, -1, -1, 0);
	X509_set_issuer_name(i.x, X509_get_subject_name(issuer));
	X509_set_pubkey(i.x, i.pkey);
	extend(i.x, issuer, NID_basic_constraints, o->authority ? "critical,CA:TRUE" : "CA:FALSE");
	extend(i.x, issuer, NID_subject_key_identifier, "hash");
	if (o->san)
		extend(i.x, issuer, NID_subject_alt_name, o->san);
	OXI_CHECK(X509_sign(i.x, o->issuer ? o->issuer->pkey : i.pkey, EVP_sha256()));
	PEM_write_bio_X509(cert, i.x);
	PEM_write_bio_PrivateKey(key, i.pkey, o->password ? EVP_aes_256_cbc() : NULL, (const unsigned char *)o->password,
	                         o->password ? (int)strlen(o->password) : 0, NULL, NULL);
	i.cert = take(cert);
	i.key = take(key);
	return i;
}

void identity_free(identity *i)
{
	EVP_PKEY_free(i->pkey);
	X509_free(i->x);
	free((void *)(uintptr_t)i->cert.data);
	free((void *)(uintptr_t)i->key.data);
}

void identity_write(const char *path, const ox_bytes *first, const ox_bytes *second)
{
	FILE *f = fopen(path, "we");

	OXI_CHECK(f && fwrite(first->data, 1, first->len, f) == first->len);
	OXI_CHECK(!second || fwrite(second->data, 1, second->len, f) == second->len);
	fclose(f);
}
