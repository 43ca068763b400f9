/* SPDX-License-Identifier: MIT */
/* Certificates and keys for tests, made when they run: elliptic ones, which is fast, or RSA. */
#ifndef OXBOW_TESTS_IDENTITY_H
#define OXBOW_TESTS_IDENTITY_H

#include <openssl/x509.h>

#include <oxbow/base.h>

typedef struct identity {
	EVP_PKEY *pkey;
	X509 *x;
	ox_bytes cert, key;             /* as PEM */
} identity;

typedef struct identity_options {
	const char *name;               /* the subject's CN */
	const char *san;                /* "DNS:localhost,IP:127.0.0.1"; NULL: none */
	const identity *issuer;         /* NULL: signed by itself */
	bool authority;
	bool rsa;                       /* 2048 bits */
	int from_days, until_days;      /* relative to now; both 0: from yesterday until tomorrow */
	const char *password;           /* of the key's PEM; NULL: not encrypted */
} identity_options;

/* Ends the process if OpenSSL cannot. */
identity identity_make(const identity_options *o);
#define IDENTITY(...) identity_make(&(identity_options){ __VA_ARGS__ })
void identity_free(identity *i);

/* Writes what PEM there is into a file: first, and second if not NULL. */
void identity_write(const char *path, const ox_bytes *first, const ox_bytes *second);

#endif
