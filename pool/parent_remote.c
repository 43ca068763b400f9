/* SPDX-License-Identifier: MIT */
/*
 * Hosts of remote workers. The pool listens; a host says HELLO, is judged, gets as many free lanes as it has slots, sets
 * up its own pool and says CREDIT. From then on its lanes are workers of the dispatcher (parent_lane.c).
 *
 *	HELLO --refused--> REFUSE, with the reason that both sides log; the pool goes on
 *	  '----> WELCOMED --CREDIT--> READY --DRAIN--> LEAVING --BYE--> GONE
 *	              '------------------'----- silent, unreachable, or wrong: lost ----^
 *
 * Who is there. A host says something at least four times in the time after which it counts as lost; a connection that
 * ends is told by the channel, not whose it was, so then all hosts are said PING: the one that cannot be reached is
 * the one. Nobody is taken for lost because this process was not running: a turn that comes late gives all of them
 * another period. A host that was given up and speaks again is told REFUSE, and joins anew.
 *
 * Why a host is a pool and not a worker. A job that must be killed needs a process of its own beside the one that holds the
 * connection; so do memory limits, crash stories, captured output. All that exists: a host runs an ordinary local
 * pool whose jobs come from the wire (agent.c), and each of its slots is one credit here. Rejected: a receiving thread in
 * each worker, which dies with the job that it should report, and a connection per worker.
 */
#include "pool/remote.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUMP_BUDGET    16u              /* messages in a turn */
#define MAX_LANES      4096u
#define MAX_SILENCE    OX_SEC(3600)
#define FLUSH_MS       200              /* the last messages have so long to leave when the pool is closed */

/* ---- saying things ---- */

void oxi_host_lose(struct oxi_host *host, const char *why)
{
	if (host->state == OXI_HOST_GONE)
		return;
	host->state = OXI_HOST_GONE;
	host->why = host->dismissed ? NULL : why;       /* after BYE it may just be gone */
}

/* To whoever it is. */
static int say(ox_pool *p, const struct oxi_peer *peer, struct oxi_header h, const struct oxi_record *r, const void *payload)
{
	size_t cap = OXI_WIRE_RECORD + (r != NULL ? oxi_align16((size_t)r->length) : 0);
	struct oxi_body body;

	h.epoch = p->remote->join.epoch;
	if (r == NULL)
		return oxi_channel_send(p->remote->channel, peer, &h, NULL);
	void *data = oxi_channel_body(p->remote->channel, cap);
	if (data == NULL)
		return OX_ENOMEM;
	oxi_body_init(&body, data, cap, 1);
	OXI_CHECK(oxi_body_put(&body, r, payload) == 0);
	h.count = 1;
	h.length = body.len;
	return oxi_channel_send_body(p->remote->channel, peer, &h, body.len);
}

void oxi_host_say(ox_pool *p, struct oxi_host *host, struct oxi_header h, const struct oxi_record *r, const void *payload)
{
	if (host->state != OXI_HOST_GONE && say(p, &host->peer, h, r, payload) < 0)
		oxi_host_lose(host, "it cannot be reached");
}

static void refuse(ox_pool *p, const struct oxi_peer *peer, const char *who, int status, const char *reason)
{
	struct oxi_record r = { .status = status, .length = strlen(reason) };

	p->remote->refused++;
	oxi_log(OX_LOG_WARNING, "remote worker %s refused: %s", who, reason);
	say(p, peer, (struct oxi_header){ .type = OXI_REFUSE }, &r, reason);
}

static void dismiss(ox_pool *p, struct oxi_host *host)
{
	if (!host->dismissed)
		oxi_host_say(p, host, (struct oxi_header){ .type = OXI_BYE }, NULL, NULL);
	host->dismissed = true;
}

/* ---- lanes of a host ---- */

#define EACH_LANE(l, m) \
	for (struct oxi_lane *l = (m)->lanes; l < (m)->lanes + (m)->lane_count; l++)

static struct oxi_host *host_of(const struct oxi_remote *m, const struct oxi_peer *peer)
{
	OXI_LIST_EACH(e, &m->hosts) {
		struct oxi_host *host = OXI_CONTAINER(e, struct oxi_host, link);
		if (host->peer.len == peer->len && memcmp(host->peer.id, peer->id, peer->len) == 0)
			return host;
	}
	return NULL;
}

static unsigned take_lanes(struct oxi_remote *m, struct oxi_host *host, unsigned wanted)
{
	unsigned n = 0;

	EACH_LANE(l, m)
		if (l->host == NULL && n < wanted) {
			l->host = host;
			n++;
		}
	return n;
}

/* The host is forgotten; what its lanes had goes elsewhere. */
static void bury(ox_pool *p, struct oxi_host *host)
{
	struct oxi_remote *m = p->remote;

	if (host->why != NULL)
		oxi_log(OX_LOG_WARNING, "remote host %s is lost: %s", host->name, host->why);
	if (m->asked_host == host)
		m->asked_count = 0;
	oxi_list_remove(&host->link);
	EACH_LANE(l, m)
		if (l->host == host) {
			l->host = NULL;
			oxi_lane_lost(p, l, l->running, OX_ELOST, NULL);
		}
	oxi_free(host);
}

/* ---- HELLO ---- */

struct candidate {
	struct oxi_hello hello;
	ox_pool *pool;
	bool *known;                    /* one of each of the pool's kinds */
	const char *missing;            /* a job that it does not know; NULL: none */
};

static void on_job(void *arg, const char *name)
{
	struct candidate *c = arg;

	for (unsigned i = 0; i < c->pool->job_count; i++)
		if (strcmp(c->pool->kinds[i].copy.name, name) == 0)
			c->known[i] = true;
}

/* 0 with all that is to be known of it; OX_EPROTO, OX_ENOMEM. */
static int read_hello(const struct oxi_received *m, struct candidate *c)
{
	struct oxi_record r;
	const void *text;

	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &text) < 0 || text == NULL)
		return OX_EPROTO;
	c->known = oxi_alloc(c->pool->job_count * sizeof *c->known);
	if (c->known == NULL)
		return OX_ENOMEM;
	int status = oxi_hello_read(text, (size_t)r.length, &c->hello, on_job, c);
	for (unsigned i = c->pool->job_count; i-- > 0;)
		if (!c->known[i])
			c->missing = c->pool->kinds[i].copy.name;
	oxi_free(c->known);
	return status;
}

/* Why it is not wanted: 0 if it is. */
static int judge(const ox_pool *p, const struct oxi_received *m, const struct candidate *c, char *reason, size_t cap)
{
	if (p->closing) {
		snprintf(reason, cap, "the pool is being closed");
		return OX_ECLOSED;
	}
	if (m->header.epoch != p->remote->join.epoch) {
		snprintf(reason, cap, "its join file is of an earlier pool");
		return OX_ESTATE;
	}
	if (strcmp(c->hello.library, OX_VERSION) != 0) {
		snprintf(reason, cap, "it has version %s of the library, the pool %s", c->hello.library, OX_VERSION);
		return OX_EVERSION;
	}
	if (c->missing != NULL) {
		snprintf(reason, cap, "it does not know the job '%s'", c->missing);
		return OX_ENOJOB;
	}
	return 0;
}

static void welcome(ox_pool *p, struct oxi_host *host)
{
	const struct oxi_pool_page *page = oxi_pool_page(&p->arena);
	struct oxi_remote *m = p->remote;
	size_t cap = OXI_GREET_FIXED + m->lane_count * OXI_GREET_SLOT + p->job_count * OXI_VALUE;
	struct oxi_text t = { .data = oxi_alloc(cap), .cap = cap };

	if (t.data == NULL) {
		oxi_host_lose(host, "no memory to greet it");
		return;
	}
	oxi_text_add(&t, "capture %zu\nmax-rss %zu\n", p->options.capture, p->options.max_rss);
	EACH_LANE(l, m)
		if (l->host == host)
			oxi_text_add(&t, "slot %u\n", l->slot);
	for (unsigned i = 0; i < p->job_count; i++)
		oxi_text_add(&t, "job %zu %s\n", page->job[i].max_result, p->kinds[i].copy.name);
	OXI_CHECK(!t.full);
	oxi_host_say(p, host, (struct oxi_header){ .type = OXI_WELCOME }, &(struct oxi_record){ .length = t.len }, t.data);
	oxi_free(t.data);
}

static void hello(ox_pool *p, const struct oxi_received *m)
{
	struct candidate c = { .pool = p };
	char reason[256], who[OXI_HOST + 16] = "(unknown)";
	int status = read_hello(m, &c);

	if (status < 0) {
		refuse(p, &m->peer, who, status, "it says HELLO in a way that is not understood");
		return;
	}
	snprintf(who, sizeof who, "%s/%u", c.hello.host, (unsigned)c.hello.pid);
	status = judge(p, m, &c, reason, sizeof reason);
	struct oxi_host *host = status == 0 ? oxi_alloc(sizeof *host) : NULL;
	if (status == 0 && host == NULL) {
		snprintf(reason, sizeof reason, "the pool has no memory for it");
		status = OX_ENOMEM;
	}
	if (status == 0 && take_lanes(p->remote, host, (unsigned)c.hello.slots) == 0) {
		snprintf(reason, sizeof reason, "the pool has its %u remote workers", p->remote->lane_count);
		status = OX_EBUSY;
		oxi_free(host);
	}
	if (status < 0) {
		refuse(p, &m->peer, who, status, reason);
		return;
	}
	host->peer = m->peer;
	host->heard_at = oxi_pool_now();
	memcpy(host->name, who, sizeof who);
	oxi_list_append(&p->remote->hosts, &host->link);
	welcome(p, host);
}

/* ---- messages ---- */

static void on_credit(ox_pool *p, struct oxi_host *host)
{
	if (host->state != OXI_HOST_WELCOMED)
		return;
	host->state = OXI_HOST_READY;
	unsigned n = 0;
	EACH_LANE(l, p->remote)
		if (l->host == host) {
			oxi_lane_join(p, l);
			n++;
		}
	oxi_log(OX_LOG_INFO, "remote host %s has joined, with %u workers", host->name, n);
}

static void on_drain(ox_pool *p, struct oxi_host *host)
{
	if (host->state != OXI_HOST_READY)
		return;
	host->state = OXI_HOST_LEAVING;
	EACH_LANE(l, p->remote)
		if (l->host == host)
			oxi_dispatch_leave(p->dispatch, l->slot, l->generation);
}

static void from_stranger(ox_pool *p, const struct oxi_received *m)
{
	char reason[128];

	if (m->header.type == OXI_HELLO) {
		hello(p, m);
	} else if (m->header.type == 0) {
		snprintf(reason, sizeof reason, "it speaks version %u of the protocol, the pool %u", m->header.flags, OXI_WIRE_VERSION);
		refuse(p, &m->peer, "(unknown)", OX_EVERSION, reason);
	} else if (m->header.type != OXI_BYE) {
		p->remote->late += m->header.type == OXI_RESULTS ? m->header.count : 0;
		refuse(p, &m->peer, "(unknown)", OX_ESTATE, "it was taken for lost, or has not said HELLO");
	}
}

static void handle(ox_pool *p, const struct oxi_received *m)
{
	struct oxi_host *host = host_of(p->remote, &m->peer);

	if (host == NULL) {
		from_stranger(p, m);
		return;
	}
	if (host->state == OXI_HOST_GONE)
		return;
	host->heard_at = oxi_pool_now();
	switch (m->header.type) {
	case OXI_PING:
		break;
	case OXI_CREDIT:
		on_credit(p, host);
		break;
	case OXI_DRAIN:
		on_drain(p, host);
		break;
	case OXI_BYE:
		oxi_host_lose(host, NULL);
		break;
	default:
		if (oxi_lane_handle(p, host, m) < 0) {
			refuse(p, &m->peer, host->name, OX_EPROTO, "it says what cannot be");
			oxi_host_lose(host, "it says what cannot be");
		}
	}
}

/* ---- who is there ---- */

static void ping_all(ox_pool *p)
{
	OXI_LIST_EACH(e, &p->remote->hosts)
		oxi_host_say(p, OXI_CONTAINER(e, struct oxi_host, link), (struct oxi_header){ .type = OXI_PING }, NULL, NULL);
}

static void beat(ox_pool *p, ox_time now)
{
	struct oxi_remote *m = p->remote;
	bool late = now - m->beat_at > m->silence / OXI_BEATS;

	OXI_LIST_EACH(e, &m->hosts) {
		struct oxi_host *host = OXI_CONTAINER(e, struct oxi_host, link);
		if (late)
			host->heard_at = now;
		else if (now - host->heard_at >= m->silence)
			oxi_host_lose(host, "it says nothing any more");
	}
	ping_all(p);
	m->beat_at = now + m->silence / OXI_BEATS;
}

/* Lanes that shall end and owe nothing; hosts that have none left. */
static void let_go(ox_pool *p)
{
	EACH_LANE(l, p->remote)
		if (l->stopping && l->generation != 0 && !oxi_dispatch_owes(p->dispatch, l->slot))
			oxi_lane_lost(p, l, 0, OX_ECLOSED, NULL);
	if (!p->closing)
		return;
	OXI_LIST_EACH(e, &p->remote->hosts) {
		struct oxi_host *host = OXI_CONTAINER(e, struct oxi_host, link);
		bool busy = false;
		EACH_LANE(l, p->remote)
			busy |= l->host == host && l->generation != 0;
		if (!busy)
			dismiss(p, host);
	}
}

static void bury_all(ox_pool *p)
{
	for (struct oxi_list *e = p->remote->hosts.next, *next; e != &p->remote->hosts; e = next) {
		struct oxi_host *host = OXI_CONTAINER(e, struct oxi_host, link);
		next = e->next;
		if (host->state == OXI_HOST_GONE)
			bury(p, host);
	}
}

void oxi_remote_turn(ox_pool *p)
{
	struct oxi_remote *m = p->remote;
	struct oxi_received received;
	unsigned n = 0;
	bool ended = oxi_channel_attend(m->channel);

	while (n < PUMP_BUDGET && oxi_channel_receive(m->channel, &received) == 1) {
		handle(p, &received);
		n++;
	}
	ox_time now = oxi_pool_now();
	if (n < PUMP_BUDGET && now >= m->beat_at)       /* all that they have said was heard */
		beat(p, now);
	else if (ended)
		ping_all(p);
	let_go(p);
	bury_all(p);
}

bool oxi_remote_settle(ox_pool *p)
{
	oxi_lane_ask_back(p);
	bury_all(p);
	return oxi_channel_pending(p->remote->channel);
}

ox_time oxi_remote_next(const ox_pool *p)
{
	return oxi_list_empty(&p->remote->hosts) ? OX_NEVER : p->remote->beat_at;
}

void oxi_remote_kill(ox_pool *p)
{
	OXI_LIST_EACH(e, &p->remote->hosts) {
		struct oxi_host *host = OXI_CONTAINER(e, struct oxi_host, link);
		dismiss(p, host);
		oxi_host_lose(host, NULL);
	}
	bury_all(p);
}

bool oxi_remote_empty(const ox_pool *p)
{
	return p->remote == NULL || oxi_list_empty(&p->remote->hosts);
}

void oxi_remote_count(const ox_pool *p, ox_pool_stats *s)
{
	const struct oxi_remote *m = p->remote;

	s->rejected += m->refused + oxi_channel_malformed(m->channel) + oxi_channel_refused(m->channel);
	s->late += m->late;
	OXI_LIST_EACH(e, &m->hosts)
		s->hosts++;
	EACH_LANE(l, m)
		s->remote += l->generation != 0;
}

/* ---- opening ---- */

static bool names_fit(const ox_pool *p)
{
	for (unsigned i = 0; i < p->job_count; i++)
		if (!oxi_greet_name(p->kinds[i].copy.name))
			return false;
	return true;
}

/* Endpoints of the machine's addresses, those that others can reach first. */
static void add_addresses(struct oxi_join *j, const char *port, int family, bool loopback)
{
	struct ifaddrs *all, *a;

	if (getifaddrs(&all) < 0)
		return;
	for (a = all; a != NULL && j->endpoints < OXI_JOIN_ENDPOINTS; a = a->ifa_next) {
		char text[NI_MAXHOST];
		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != family || (a->ifa_flags & IFF_UP) == 0 ||
		    ((a->ifa_flags & IFF_LOOPBACK) != 0) != loopback)
			continue;
		socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		if (getnameinfo(a->ifa_addr, len, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 && strchr(text, '%') == NULL)
			snprintf(j->endpoint[j->endpoints++], OXI_ENDPOINT, family == AF_INET ? "tcp://%s:%s" : "tcp://[%s]:%s", text, port);
	}
	freeifaddrs(all);
}

/* bound: as ZeroMQ says it, "tcp://0.0.0.0:40123". */
static void name_endpoints(struct oxi_join *j, const char *bound)
{
	const char *port = strrchr(bound, ':') + 1;
	int family = strncmp(bound, "tcp://0.0.0.0:", 14) == 0 ? AF_INET : strncmp(bound, "tcp://[::]:", 11) == 0 ? AF_INET6 : 0;

	if (family == 0) {
		snprintf(j->endpoint[j->endpoints++], OXI_ENDPOINT, "%s", bound);
		return;
	}
	for (int loopback = 0; loopback <= 1; loopback++) {
		add_addresses(j, port, AF_INET, loopback);
		if (family == AF_INET6)
			add_addresses(j, port, AF_INET6, loopback);
	}
}

static int make_lanes(ox_pool *p)
{
	struct oxi_remote *m = p->remote;

	m->lane_count = p->options.remote_workers;
	m->lanes = oxi_alloc(m->lane_count * sizeof *m->lanes);
	if (m->lanes == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; i < m->lane_count; i++) {
		m->lanes[i].slot = p->seat_count + i;
		m->lanes[i].output.fd = -1;
		oxi_list_init(&m->lanes[i].uploads);
	}
	return 0;
}

static int listen_on(ox_pool *p)
{
	struct oxi_remote *m = p->remote;
	char bound[OXI_ENDPOINT];
	int fds[OXI_CHANNEL_FDS];
	struct oxi_serve_at o = {
		.endpoint = p->options.listen, .keys = &m->server, .allowed = m->join.client.public_key,
		.max_message = OXI_REMOTE_FRAME, .silence_ms = (int)m->join.heartbeat_ms,
	};
	int r = oxi_keys_make(&m->server);

	if (r == 0)
		r = oxi_keys_make(&m->join.client);
	if (r == 0)
		r = oxi_channel_serve(&o, bound, &m->channel);
	if (r < 0)
		return r;
	memcpy(m->join.server_key, m->server.public_key, OXI_KEY);
	name_endpoints(&m->join, bound);
	oxi_channel_fds(m->channel, fds);
	for (unsigned i = 0; i < OXI_CHANNEL_FDS && r == 0; i++)
		r = oxi_pool_listen(p, fds[i], OXI_EVENT_CHANNEL, 0);
	return r;
}

static int write_file(ox_pool *p)
{
	struct oxi_remote *m = p->remote;
	struct stat st;
	int r = oxi_join_write(p->options.join_file, &m->join);

	if (r < 0)
		return r;
	m->path = realpath(p->options.join_file, NULL);
	if (m->path == NULL || stat(m->path, &st) < 0)
		return -errno;
	m->file_dev = st.st_dev;
	m->file_ino = st.st_ino;
	m->file_time = st.st_ctim;
	return 0;
}

int oxi_remote_open(ox_pool *p)
{
	ox_pool_options *o = &p->options;

	if (o->listen == NULL)
		return o->join_file == NULL ? 0 : OX_EINVAL;
	if (o->join_file == NULL || o->remote_workers > MAX_LANES || o->heartbeat < 0 || o->heartbeat > MAX_SILENCE || !names_fit(p))
		return OX_EINVAL;
	if (o->remote_workers == 0)
		o->remote_workers = 64;
	p->remote = oxi_alloc(sizeof *p->remote);
	if (p->remote == NULL)
		return OX_ENOMEM;
	struct oxi_remote *m = p->remote;
	oxi_list_init(&m->hosts);
	m->silence = o->heartbeat == 0 ? OX_SEC(3) : o->heartbeat < OX_MS(100) ? OX_MS(100) : o->heartbeat;
	m->join.heartbeat_ms = (unsigned)(m->silence / OX_MS(1));
	m->join.epoch = oxi_pool_page(&p->arena)->epoch;
	int r = make_lanes(p);
	if (r == 0)
		r = listen_on(p);
	return r == 0 ? write_file(p) : r;
}

/* The file, if it is still ours: a later pool may have written its own. */
static void remove_file(const struct oxi_remote *m)
{
	struct stat st;

	if (m->path != NULL && stat(m->path, &st) == 0 && st.st_dev == m->file_dev && st.st_ino == m->file_ino &&
	    st.st_ctim.tv_sec == m->file_time.tv_sec && st.st_ctim.tv_nsec == m->file_time.tv_nsec)
		unlink(m->path);
}

void oxi_remote_close(ox_pool *p)
{
	struct oxi_remote *m = p->remote;

	if (m == NULL)
		return;
	remove_file(m);
	free(m->path);
	if (m->channel != NULL)
		oxi_channel_linger(m->channel, FLUSH_MS);
	oxi_channel_free(m->channel);
	oxi_free(m->lanes);
	oxi_free(m);
	p->remote = NULL;
}
