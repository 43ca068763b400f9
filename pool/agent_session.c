/* SPDX-License-Identifier: MIT */
/*
 * One connection of a host to a pool, a channel of its own: nothing said in an earlier one can be in it.
 *
 *	connect -> HELLO -> WELCOME: a local pool, one bench a slot -> CREDIT -> jobs ... -> over
 *	                    REFUSE: over, with its reason
 *
 * Over is whatever comes first: the channel is gone (the far end, or the network: ZMTP's heartbeats notice both; the far
 * loop may be busy for long, its library answers), BYE, a refusal, or this host's own wish. Then the benches are
 * cancelled and the local pool is closed, which kills what still runs: the pool has given it to others, or will.
 *
 * Leaving, which is over later: DRAIN is said, what has not begun is given back, also what comes still, and when the last
 * bench is done, BYE.
 *
 * One coroutine receives. ZeroMQ's descriptor may be silent about what has come after anybody has sent, so whoever sends
 * has it look again.
 */
#include <string.h>
#include <unistd.h>

#include <oxbow/select.h>

#include "pool/agent.h"

#define CONNECT_TIME OX_SEC(5)
#define BYE_MS       200
#define BUDGET       64u                /* messages between two looks at the other coroutines */
#define MAX_RESERVED OX_GIB(4)

/* ---- sending ---- */

void oxi_session_end(struct oxi_session *s, int why)
{
	if (s->over == 0)
		s->over = why;
	ox_event_set(s->wake);
}

void oxi_session_send(struct oxi_session *s, struct oxi_header h, const void *body)
{
	h.epoch = s->epoch;
	if (s->over != 0)
		return;
	int r = oxi_channel_send(s->channel, NULL, &h, body);
	if (r < 0)
		oxi_session_end(s, r == OX_ENOMEM ? r : -ECONNRESET);
	ox_event_set(s->wake);
}

void oxi_session_say(struct oxi_session *s, struct oxi_header h, const struct oxi_record *r, const void *payload)
{
	size_t cap = OXI_WIRE_RECORD + (r != NULL ? oxi_align16((size_t)r->length) : 0);
	struct oxi_body body;
	void *data = oxi_alloc(cap);

	if (data == NULL) {
		oxi_session_end(s, OX_ENOMEM);
		return;
	}
	oxi_body_init(&body, data, cap, r != NULL);
	if (r != NULL)
		OXI_CHECK(oxi_body_put(&body, r, payload) == 0);
	h.count = r != NULL;
	h.length = body.len;
	oxi_session_send(s, h, data);
	oxi_free(data);
}

/* ---- receiving ---- */

static struct oxi_bench *bench_of(const struct oxi_session *s, unsigned slot)
{
	for (unsigned i = 0; i < s->bench_count; i++)
		if (s->benches[i].slot == slot)
			return &s->benches[i];
	return NULL;
}

/* Messages that name leases. */
static int on_records(struct oxi_session *s, const struct oxi_received *m)
{
	struct oxi_record r;
	const void *payload;
	int status = 0;

	for (uint32_t i = 0; i < m->header.count && status == 0; i++) {
		if (oxi_body_record(m->body, m->len, m->header.count, i, &r, &payload) < 0)
			return OX_EPROTO;
		struct oxi_bench *b = bench_of(s, oxi_lease_slot(r.lease));
		if (b == NULL)
			return OX_EPROTO;
		switch (m->header.type) {
		case OXI_CHUNK:
			status = oxi_bench_chunk(b, &r, payload);
			break;
		case OXI_TAKE:
			oxi_bench_take(b, &r);
			break;
		case OXI_STEALBACK:
			if (r.lease != 0)
				oxi_bench_give_back(b, r.lease);
			break;
		default:
			oxi_bench_tell(b, r.lease);
		}
	}
	return status;
}

/* What a refusal says, in the log; its status. */
static int refused(const struct oxi_received *m)
{
	struct oxi_record r;
	const void *reason;

	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &reason) < 0 || reason == NULL || r.status >= 0)
		return OX_EPROTO;
	oxi_log(OX_LOG_WARNING, "the pool refuses this host: %.*s", r.length < 256 ? (int)r.length : 256, (const char *)reason);
	return r.status;
}

static int handle(struct oxi_session *s, const struct oxi_received *m)
{
	struct oxi_bench *b;

	switch (m->header.type) {
	case 0:
		oxi_log(OX_LOG_WARNING, "the pool speaks version %u of the protocol, this host %u", m->header.flags, OXI_WIRE_VERSION);
		return OX_EVERSION;
	case OXI_PING:
		return 0;
	case OXI_BYE:
		return OX_ECLOSED;
	case OXI_REFUSE:
		return refused(m);
	case OXI_JOBS:
		b = bench_of(s, m->header.flags);
		return b != NULL ? oxi_bench_jobs(b, m) : OX_EPROTO;
	case OXI_KILL:
		b = bench_of(s, m->header.flags);
		if (b == NULL)
			return OX_EPROTO;
		oxi_bench_kill(b, m->header.generation);
		return 0;
	case OXI_CHUNK:
	case OXI_TAKE:
	case OXI_STEALBACK:
	case OXI_CANCEL:
		return on_records(s, m);
	default:
		return OX_EPROTO;
	}
}

/* 1 with a message of this pool; 0: none now; negative: over. */
static int receive(struct oxi_session *s, struct oxi_received *ret)
{
	int r = oxi_channel_receive(s->channel, ret);

	if (r == 1 && ret->header.type != 0 && ret->header.type != OXI_REFUSE && ret->header.epoch != s->epoch)
		return OX_EPROTO;
	if (r == 0 && (r = oxi_channel_link(s->channel)) > 0)
		r = 0;
	return r;
}

/* Waits until there may be something to receive; until at. */
static int wait_for_more(struct oxi_session *s, ox_time at)
{
	int fds[OXI_CHANNEL_FDS];

	if (oxi_channel_pending(s->channel))
		return ox_yield();
	oxi_channel_fds(s->channel, fds);
	int r = OX_SELECT(NULL, OX_SET(s->wake), OX_FD(fds[0], OX_READABLE), OX_FD(fds[1], OX_READABLE), OX_AT(at));
	ox_event_clear(s->wake);
	return r < 0 ? r : 0;
}

/* ---- HELLO ---- */

static int say_hello(struct oxi_session *s)
{
	const struct oxi_agent *a = s->agent;
	size_t cap = OXI_GREET_FIXED + a->job_count * OXI_VALUE;
	struct oxi_text t = { .data = oxi_alloc(cap), .cap = cap };

	if (t.data == NULL)
		return OX_ENOMEM;
	oxi_text_add(&t, "library %s\nhost %s\npid %d\nslots %u\n", OX_VERSION, a->host, (int)getpid(), a->options.slots);
	for (unsigned i = 0; i < a->job_count; i++)
		oxi_text_add(&t, "job %s\n", a->jobs[i].name);
	OXI_CHECK(!t.full);
	oxi_session_say(s, (struct oxi_header){ .type = OXI_HELLO }, &(struct oxi_record){ .length = t.len }, t.data);
	oxi_free(t.data);
	return s->over;
}

static int on_slot(void *arg, unsigned slot)
{
	struct oxi_session *s = arg;

	if (s->bench_count == s->bench_cap || bench_of(s, slot) != NULL)
		return OX_EPROTO;
	struct oxi_bench *b = &s->benches[s->bench_count];
	*b = (struct oxi_bench){ .session = s, .slot = slot, .wake = ox_event_new() };
	if (b->wake == NULL)
		return OX_ENOMEM;
	oxi_list_init(&b->pieces);
	s->bench_count++;
	return 0;
}

static int on_job(void *arg, const char *name, uint64_t max_result)
{
	struct oxi_session *s = arg;
	struct oxi_agent *a = s->agent;

	if (s->map_count == s->map_cap)
		return OX_EPROTO;
	for (unsigned i = 0; i < a->job_count; i++)
		if (strcmp(a->jobs[i].name, name) == 0) {
			a->jobs[i].max_result = (size_t)max_result;
			s->map[s->map_count++] = (uint16_t)i;
			return 0;
		}
	return OX_ENOJOB;
}

static int open_pool(struct oxi_session *s, const struct oxi_welcome *w)
{
	struct oxi_agent *a = s->agent;

	int r = ox_pool_open(OX_POOL_OPTIONS(.jobs = a->table, .workers = s->bench_count, .name = "host",
	                                    .worker_init = a->options.worker_init, .worker_fini = a->options.worker_fini,
	                                    .worker_arg = a->options.worker_arg, .capture = (size_t)w->capture,
	                                    .max_rss = (size_t)w->max_rss, .max_result = SIZE_MAX,
	                                    .max_pending_bytes = SIZE_MAX), &s->pool);
	return r == 0 ? oxi_pool_attach(s->pool) : r;
}

static int on_welcome(struct oxi_session *s, const struct oxi_received *m)
{
	static const struct oxi_welcome_ops ops = { on_slot, on_job };
	struct oxi_welcome w;
	struct oxi_record r;
	const void *text;

	if (m->header.type != OXI_WELCOME)
		return handle(s, m);
	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &text) < 0 || text == NULL)
		return OX_EPROTO;
	int status = oxi_welcome_read(text, (size_t)r.length, &w, &ops, s);
	if (status == 0 && s->bench_count == 0)
		status = OX_EPROTO;
	return status == 0 ? open_pool(s, &w) : status;
}

/* Until the pool has welcomed this host. */
static int begin(struct oxi_session *s, ox_time at)
{
	struct oxi_received m;
	bool said = false;
	int r = 0;

	while (s->pool == NULL) {
		if (ox_now() >= at)
			return OX_ETIMEDOUT;
		if (!said && (r = oxi_channel_link(s->channel)) == 1) {
			r = say_hello(s);
			said = true;
		}
		if (r == 0)
			r = receive(s, &m);
		if (r == 1)
			r = on_welcome(s, &m);
		else if (r == 0)
			r = wait_for_more(s, at);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- working ---- */

void oxi_session_drain(struct oxi_session *s)
{
	s->leaving = true;
	oxi_session_say(s, (struct oxi_header){ .type = OXI_DRAIN }, NULL, NULL);
	for (unsigned i = 0; i < s->bench_count; i++)
		oxi_bench_give_back(&s->benches[i], 0);
}

static bool all_idle(const struct oxi_session *s)
{
	for (unsigned i = 0; i < s->bench_count; i++)
		if (!oxi_bench_idle(&s->benches[i]))
			return false;
	return true;
}

static void leave(struct oxi_session *s)
{
	oxi_session_say(s, (struct oxi_header){ .type = OXI_BYE }, NULL, NULL);
	oxi_channel_linger(s->channel, BYE_MS);
	oxi_session_end(s, OX_ECLOSED);
}

static int work(struct oxi_session *s, ox_time beat)
{
	struct oxi_received m;
	ox_time next = ox_now();
	int r = 0;

	while (s->over == 0) {
		if (ox_now() >= next) {
			oxi_session_say(s, (struct oxi_header){ .type = OXI_PING }, NULL, NULL);
			next = ox_now() + beat;
		}
		unsigned n = 0;
		while (n++ < BUDGET && s->over == 0 && (r = receive(s, &m)) == 1)
			if ((r = handle(s, &m)) < 0)
				break;
		if (r < 0)
			oxi_session_end(s, r);
		else if (s->leaving && all_idle(s))
			leave(s);
		else if ((r = wait_for_more(s, next)) < 0)
			return r;
	}
	return s->over;
}

static int serve(struct oxi_session *s, ox_time beat)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));

	for (unsigned i = 0; i < s->bench_count; i++)
		ox_spawn(g, oxi_bench_main, &s->benches[i]);
	oxi_session_say(s, (struct oxi_header){ .type = OXI_CREDIT }, NULL, NULL);
	s->agent->session = s;
	s->agent->joined = true;
	if (s->agent->draining)
		oxi_session_drain(s);
	int r = work(s, beat);
	s->agent->session = NULL;
	oxi_session_end(s, r);
	for (unsigned i = 0; i < s->bench_count; i++)
		oxi_bench_stop(&s->benches[i]);
	ox_group_cancel(g);
	return r;
}

static void session_free(struct oxi_session *s)
{
	ox_pool_close(s->pool);
	for (unsigned i = 0; i < s->bench_count; i++)
		oxi_bench_free(&s->benches[i]);
	if (s->over == OX_ECLOSED)
		oxi_channel_linger(s->channel, BYE_MS);
	oxi_channel_free(s->channel);
	oxi_free(s->benches);
	oxi_free(s->map);
	ox_event_free(s->wake);
}

int oxi_session_run(struct oxi_agent *a, const struct oxi_join *join, unsigned endpoint)
{
	struct oxi_join_to to = {
		.endpoint = join->endpoint[endpoint], .server_key = join->server_key, .keys = &join->client,
		.silence_ms = (int)join->heartbeat_ms,
	};
	struct oxi_session s = {
		.agent = a, .epoch = join->epoch, .bench_cap = a->options.slots, .map_cap = a->job_count, .wake = ox_event_new(),
		.benches = oxi_alloc(a->options.slots * sizeof *s.benches), .map = oxi_alloc(a->job_count * sizeof *s.map),
	};
	int r = s.wake == NULL || s.benches == NULL || s.map == NULL ? OX_ENOMEM : oxi_channel_join(&to, &s.channel);

	if (r == 0)
		r = begin(&s, ox_now() + CONNECT_TIME);
	if (r == 0) {
		oxi_log(OX_LOG_INFO, "joined the pool at %s, with %u workers", to.endpoint, s.bench_count);
		r = serve(&s, OX_MS(join->heartbeat_ms) / OXI_BEATS);
	}
	session_free(&s);
	return r;
}
