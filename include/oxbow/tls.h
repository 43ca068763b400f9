/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.2 and 1.3, client and server, over any stream: a TCP connection, one that has spoken plain text so
 * far (STARTTLS), another TLS stream. What comes out is an ox_stream like any other.
 *
 *	OX_AUTO_TLS *tls = NULL;
 *	OX_AUTO_STREAM *s = NULL;
 *	int r = ox_tls_new(NULL, &tls);
 *	if (r == 0)
 *		r = ox_connect_tls("www.example.com:443", tls, NULL, &s);
 *
 * By default a client believes only a certificate that the system's authorities vouch for, and that was made
 * out to the host it asked for.
 */
#ifndef OXBOW_TLS_H
#define OXBOW_TLS_H

#include <oxbow/stream.h>

OX_BEGIN

/** A configuration: who we are, whom we believe, what we speak; shared by any number of connections. */
typedef struct ox_tls ox_tls;

typedef enum ox_tls_version {
	OX_TLS_DEFAULT,                 /* the lowest: 1.2; the highest: the highest there is */
	OX_TLS_1_2,
	OX_TLS_1_3,
} ox_tls_version;

/** What a server wants of its clients. */
typedef enum ox_tls_client_auth {
	OX_TLS_CLIENT_NONE,             /* no certificate */
	OX_TLS_CLIENT_OPTIONAL,         /* a good one or none */
	OX_TLS_CLIENT_REQUIRED,
} ox_tls_client_auth;

/* PEM comes from a file or from memory, which is copied. Texts are needed during ox_tls_new() only. */
typedef struct ox_tls_options {
	size_t size;
	/* whom we believe */
	const char *ca_file;            /* certificates of authorities; with ca_path and ca, instead of the system's */
	const char *ca_path;            /* a folder of them, named by hash: openssl-rehash(1) */
	ox_bytes ca;
	bool insecure;                  /* clients: believe anybody. For tests */
	ox_tls_client_auth client_auth; /* servers; other than NONE it needs authorities of ours */
	/* who we are: must for a server, may for a client */
	const char *cert_file;          /* our certificate, then those between it and an authority */
	ox_bytes cert;
	const char *key_file;           /* its key; neither this nor key: it is with the certificate */
	ox_bytes key;
	const char *key_password;       /* if the key is encrypted */
	/*
	 * Servers: asked for the configuration whose certificate and ALPN list answer a client that asks for
	 * this host; NULL refuses it. Everything else, client_auth too, stays as the first one has it. Not
	 * asked when the client names no host. It must not yield.
	 */
	ox_tls *(*choose)(void *arg, const char *host);
	void *choose_arg;
	/* what we speak */
	const char *alpn;               /* protocols, the best first: "h2,http/1.1". A server refuses clients that offer
	                                 * others only */
	ox_tls_version min_version, max_version;
	const char *ciphers;            /* of TLS 1.2, as in openssl-ciphers(1) */
	const char *ciphersuites;       /* of TLS 1.3 */
	bool no_resumption;             /* no session is kept, no ticket given */
	const char *keylog_file;        /* appended to: the secrets of all connections, for Wireshark */
	char *error_text;               /* at least 256 bytes: what went wrong, written on failure */
} ox_tls_options;
#define OX_TLS_OPTIONS(...) (&(ox_tls_options){ .size = sizeof(ox_tls_options), __VA_ARGS__ })
OX_API void ox_tls_options_init(ox_tls_options *o);

/**
 * Makes a configuration. Reads its files now, so it is best made before the run.
 *
 * @o: NULL for the defaults: a client's. @ret: owned: ox_tls_free() or OX_AUTO_TLS.
 * Returns: 0; OX_EINVAL (an option, or options that contradict each other), OX_ETLS (what is in a file),
 * -ENOENT and the like, OX_ENOMEM. Call from: anywhere. Threads: may be shared by several. Since: 0.1
 */
OX_API int ox_tls_new(const ox_tls_options *o, ox_tls **ret);

/** Frees a configuration; streams made with it go on. Takes NULL. Since: 0.1 */
OX_API void ox_tls_free(ox_tls *tls);
static inline void ox_tls_auto_(ox_tls **tls) { ox_tls_free(*tls); }
#define OX_AUTO_TLS __attribute__((cleanup(ox_tls_auto_))) ox_tls

typedef struct ox_tls_stream_options {
	size_t size;
	ox_time handshake_timeout;      /* 0: 10 s; OX_NEVER: none */
	ox_time shutdown_timeout;       /* the longest that ox_close() waits for the peer to take what is left; 0: 5 s */
	bool allow_truncation;          /* an end without close_notify is an end: for peers that never say it, and
	                                 * protocols that know their own ends */
	char *error_text;               /* at least 256 bytes: why the handshake failed, written on failure */
} ox_tls_stream_options;
#define OX_TLS_STREAM_OPTIONS(...) (&(ox_tls_stream_options){ .size = sizeof(ox_tls_stream_options), __VA_ARGS__ })
OX_API void ox_tls_stream_options_init(ox_tls_stream_options *o);

/**
 * Begins TLS as the client on a stream.
 *
 * @below: given, also on failure: the new stream closes it. Bytes that it has buffered are the first of the
 * peer's handshake, so plain text that somebody slipped in before STARTTLS fails the handshake and is never
 * read as if it had come over TLS. What was written to it goes out first. @host: who the peer must prove to
 * be: a name, or an IP address as a text; it is also what a session is kept under. NULL only if the
 * configuration is insecure. @o: NULL for the defaults. @ret: owned: ox_close() or ox_stream_abort().
 *
 * Returns: 0; OX_ETLS (see error_text), OX_EINCOMPLETE (the peer closed), -ECONNRESET and the like,
 * OX_ETIMEDOUT, OX_EINVAL (the host), OX_EBUSY (somebody is parked in the stream), OX_ECANCELED, OX_ENOMEM.
 * A server that refuses our certificate may say so only after this: then it is the first read that fails.
 *
 * On the new stream ox_write_eof() says close_notify, and reading goes on. Reading ends with 0 after the
 * peer's close_notify; without it with OX_EINCOMPLETE, for somebody may have cut off the rest.
 * Cancel: closes. Since: 0.1
 */
OX_API OX_YIELDS int ox_tls_connect(ox_stream *below, ox_tls *tls, const char *host, const ox_tls_stream_options *o,
                                    ox_stream **ret);

/**
 * Begins TLS as the server on a stream. Call it in the connection's own coroutine, not between two
 * ox_accept(): it waits for the client.
 *
 * As ox_tls_connect(); OX_EINVAL: the configuration has no certificate. Since: 0.1
 */
OX_API OX_YIELDS int ox_tls_accept(ox_stream *below, ox_tls *tls, const ox_tls_stream_options *o, ox_stream **ret);

/**
 * Connects to an address as ox_connect() does, then begins TLS with its host.
 *
 * Returns: as ox_connect() and ox_tls_connect(). Cancel: closes. Since: 0.1
 */
OX_API OX_YIELDS int ox_connect_tls(const char *address, ox_tls *tls, const ox_tls_stream_options *o, ox_stream **ret);

/** What is known of a TLS stream and its peer. Texts are borrowed until the stream is closed; NULL: there is none. */
typedef struct ox_tls_info {
	size_t size;
	const char *version;            /* "TLSv1.3" */
	const char *cipher;             /* "TLS_AES_256_GCM_SHA384" */
	const char *alpn;               /* the protocol agreed on */
	const char *host;               /* a client's: whom it asked for; a server's: whom the client asked for */
	bool resumed;                   /* an earlier session went on: the certificate was verified then */
	bool verified;                  /* the peer's certificate was verified; a client's: it is the host's, too */
	const char *subject, *issuer;   /* of the peer's certificate, as RFC 2253: "CN=www.example.com,O=Example" */
	const char *fingerprint;        /* SHA-256 of it, 64 hexadecimal digits */
	const char *pem;                /* all of it */
	int64_t not_before, not_after;  /* its validity, in seconds since 1970 */
	const char *error;              /* what ended the stream, if that was OX_ETLS */
} ox_tls_info;

/** Fills in *ret; set ret->size first. Returns: 0; OX_EINVAL (the size, or not a TLS stream), OX_ENOMEM. Since: 0.1 */
OX_API int ox_tls_get_info(ox_stream *s, ox_tls_info *ret);

OX_END

#endif
