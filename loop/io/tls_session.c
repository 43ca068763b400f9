/* SPDX-License-Identifier: MIT */
/*
 * The sessions that clients keep, so that the next connection to a host needs no certificates: a list, the
 * newest first, of at most MOST, searched from its head; a handshake costs more than the longest search.
 *
 * A session belongs to the host that the certificate was verified for, and to the configuration, which says
 * who is believed: it is never offered under another name or trust. One of TLS 1.3 is used once, as RFC 8446
 * section C.4 asks (else an observer could tell that two connections are one client's); those of TLS 1.2 are
 * used until the server no longer takes them.
 */
#include <string.h>

#include "loop/io/tls.h"

#define MOST 256u

struct kept {
	struct oxi_list link;
	SSL_SESSION *session;
	char host[];
};

static void drop(ox_tls *tls, struct kept *k)
{
	oxi_list_remove(&k->link);
	tls->sessions_len--;
	SSL_SESSION_free(k->session);
	oxi_free(k);
}

bool oxi_tls_session_keep(ox_tls *tls, const char *host, SSL_SESSION *session)
{
	size_t len = strlen(host) + 1;
	struct kept *k = oxi_alloc(sizeof(*k) + len);

	if (k == NULL)
		return false;
	k->session = session;
	memcpy(k->host, host, len);
	pthread_mutex_lock(&tls->lock);
	oxi_list_prepend(&tls->sessions, &k->link);
	if (++tls->sessions_len > MOST)
		drop(tls, OXI_CONTAINER(tls->sessions.prev, struct kept, link));
	pthread_mutex_unlock(&tls->lock);
	return true;
}

static SSL_SESSION *take(ox_tls *tls, const char *host)
{
	OXI_LIST_EACH(e, &tls->sessions) {
		struct kept *k = OXI_CONTAINER(e, struct kept, link);
		SSL_SESSION *session = k->session;
		bool good = SSL_SESSION_is_resumable(session);

		if (strcmp(k->host, host) != 0)
			continue;
		if (good)
			SSL_SESSION_up_ref(session);
		if (!good || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
			drop(tls, k);
		if (good)
			return session;
	}
	return NULL;
}

SSL_SESSION *oxi_tls_session_take(ox_tls *tls, const char *host)
{
	SSL_SESSION *session;

	pthread_mutex_lock(&tls->lock);
	session = take(tls, host);
	pthread_mutex_unlock(&tls->lock);
	return session;
}

void oxi_tls_sessions_free(ox_tls *tls)
{
	OXI_LIST_EACH(e, &tls->sessions)
		drop(tls, OXI_CONTAINER(e, struct kept, link));
}
