/* SPDX-License-Identifier: MIT */
/* What the TLS files share: configurations (tls_config.c), streams (tls.c), kept sessions (tls_session.c). */
#ifndef OXBOW_LOOP_IO_TLS_H
#define OXBOW_LOOP_IO_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include <oxbow/tls.h>

#include "loop/io/stream.h"

#define OXI_TLS_MAGIC    0x736c7400736c0001ull
#define OXI_TLS_TEXT_LEN 256            /* of every error text, with the 0 */

struct ox_tls {
	uint64_t magic;
	atomic_uint refs;               /* the owner's, and one of each stream */
	SSL_CTX *ctx;
	BIO_METHOD *bio;                /* tls.c's: how OpenSSL reaches the stream below */
	bool insecure, has_cert, resumption;
	ox_tls_client_auth client_auth;
	ox_tls *(*choose)(void *arg, const char *host);
	void *choose_arg;
	uint8_t *alpn;                  /* as on the wire: a byte of length before each name */
	size_t alpn_len;
	int keylog_fd;                  /* -1: none */
	pthread_mutex_t lock;           /* of what follows */
	bool believes;                  /* authorities are loaded, ours or the system's */
	struct oxi_list sessions;       /* kept by clients, the newest first */
	size_t sessions_len;
};

struct oxi_tls_stream {
	ox_stream s;                    /* first: transports cast */
	ox_stream *below;               /* ours */
	ox_tls *tls;                    /* a reference */
	ox_tls *chosen;                 /* the one whose certificate answered, if another; a reference */
	SSL *ssl;
	struct oxi_buffer out;          /* records that the stream below did not take */
	char *host;                     /* a client's: who the peer must be; NULL: anybody */
	bool open;                      /* the handshake is over */
	bool allow_truncation;
	bool below_ended;
	bool said_goodbye;              /* our close_notify is out, or in `out` */
	int read_error;                 /* what ended reading; 0: nothing yet */
	int write_error;                /* what ended writing: below, or our memory; 0: nothing yet */
	char text[OXI_TLS_TEXT_LEN];    /* the story of an OX_ETLS */
	char alpn[256];                 /* tls_info.c: the protocol agreed on */
	char *peer;                     /* tls_info.c: texts about the peer's certificate; NULL: not made yet */
};

/* A TLS stream; NULL if s is another kind of stream (tls.c). */
struct oxi_tls_stream *oxi_tls_stream_of(ox_stream *s);

/* How OpenSSL reaches the stream below; for ox_tls_new() (tls.c). NULL without memory. */
BIO_METHOD *oxi_tls_bio_new(void);

ox_tls *oxi_tls_ref(ox_tls *tls);

/* Reads the system's authorities, unless there are some: 30 ms, so not for those who need none. 0; a code. */
int oxi_tls_believe_system(ox_tls *tls);

/* What the first error in OpenSSL's queue is about: OX_ENOMEM, -errno, or OX_ETLS. */
int oxi_tls_code(void);

/* What it says, in one line; empties the queue. */
void oxi_tls_explain(char text[OXI_TLS_TEXT_LEN], const char *fallback);

/* ---- sessions that clients keep (tls_session.c) ---- */

/* Keeps a session for the host; the reference is taken over if the result is true. */
bool oxi_tls_session_keep(ox_tls *tls, const char *host, SSL_SESSION *session);

/* A session for the host, as a reference of the caller's; NULL: there is none. */
SSL_SESSION *oxi_tls_session_take(ox_tls *tls, const char *host);

void oxi_tls_sessions_free(ox_tls *tls);

#endif
