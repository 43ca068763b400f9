/* SPDX-License-Identifier: MIT */
/*
 * The transport behind the dispatcher: its wishes become messages, claims in shared memory, and signals;
 * messages and the spawner's reports become its events. Every send and receive on the channel is in this
 * file; what goes by shared memory and a bell instead is in parent_bell.c.
 *
 * A batch is offered in the worker's slot before it is sent, so that a lease which is taken back while the
 * message is on its way never runs. A result names its lease; the dispatcher says whether that is still
 * alive; if not, whatever came with it is dropped.
 *
 * Which messages of a worker have been handled is counted, on both sides: its outbox n % 4 may be used again
 * when n messages have been received, and when it dies, or one of its jobs takes long, what its outboxes hold
 * beyond that is read there.
 */
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "pool/measure.h"
#include "pool/packet.h"
#include "pool/parent_inside.h"

/* In a turn, for the loop has other work too: results take time by their number, messages by their length. */
#define PUMP_MESSAGES 16u
#define PUMP_RECORDS  1024u

static struct oxi_header header(const ox_pool *p, const struct oxi_seat *s, enum oxi_message type)
{
	return (struct oxi_header){ .type = (uint8_t)type, .epoch = oxi_pool_page(&p->arena)->epoch, .generation = s->generation };
}

/* ---- the dispatcher's wishes ---- */

static int spawn(void *t, unsigned slot, uint32_t generation)
{
	ox_pool *p = t;
	int r = oxi_seat_spawn(p, &p->seats[slot], generation);

	if (r < 0 && r != OX_EBUSY)
		oxi_pool_degraded(p, r);
	return r;
}

static void kill_worker(void *t, unsigned slot)
{
	ox_pool *p = t;

	oxi_seat_kill(&p->seats[slot]);
}

static void stop(void *t, unsigned slot)
{
	ox_pool *p = t;
	struct oxi_seat *s = &p->seats[slot];

	if (s->state == OXI_SEAT_READY)
		oxi_bell_drain(s);
	else if (s->state != OXI_SEAT_EMPTY)
		oxi_seat_kill(s);
}

static struct ox_result *job_of(struct oxi_djob *j)
{
	return OXI_CONTAINER(j, struct ox_result, dispatch);
}

static bool is_inline(const struct ox_result *j)
{
	return j->input == j->room;
}

/* Room for the results of those jobs whose kind has lately had large ones. Says how many got some. */
static unsigned grant_room(ox_pool *p, struct oxi_seat *s, struct oxi_djob *const *jobs, unsigned n)
{
	unsigned granted = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t expect = p->kinds[jobs[i]->index].expect;
		if (expect > 0 && !oxi_pool_chaos(p, OXI_CHAOS_GRANT) && oxi_grant_add(p, s, jobs[i]->lease, expect) != NULL)
			granted++;
	}
	return granted;
}

/* How many records a job has besides its own and its grant's, and their inline bytes. */
static uint32_t more_records(const ox_pool *p, const struct oxi_djob *d, size_t *ret_bytes)
{
	const struct oxi_job_extra *x = oxi_job_extra(d);
	uint32_t n = d->dated || d->timeout != p->kinds[d->index].copy.timeout;

	*ret_bytes = 0;
	return x != NULL && x->after != NULL ? n + oxi_after_size(p, x->after, ret_bytes) : n;
}

static void put_more(const ox_pool *p, struct oxi_body *b, const struct oxi_djob *d)
{
	const struct oxi_job_extra *x = oxi_job_extra(d);

	if (d->dated || d->timeout != p->kinds[d->index].copy.timeout) {
		ox_time deadline = d->dated ? oxi_job_deadline(NULL, d) : OX_NEVER;
		struct oxi_record r = {
			.lease = d->lease, .flags = OXI_RECORD_TERMS, .length = (uint64_t)d->timeout,
			.time = deadline != OX_NEVER ? deadline : 0,
		};
		OXI_CHECK(oxi_body_put(b, &r, NULL) == 0);
	}
	if (x != NULL && x->after != NULL)
		oxi_after_put(p, x->after, d->lease, b);
}

static void put_job(const ox_pool *p, const struct oxi_seat *s, struct oxi_body *b, const struct oxi_djob *d)
{
	const struct ox_result *j = job_of((struct oxi_djob *)d);
	uint64_t actor = oxi_actor_number(d);
	struct oxi_record r = {
		.job = actor != 0 ? actor : oxi_job_number(j), .lease = d->lease, .index = d->index, .length = j->input_len,
	};

	if (oxi_memory_inside(p, j->input)) {
		r.flags = OXI_RECORD_ARENA;
		r.place = (uint64_t)(j->input - p->arena.base);
	} else if (!is_inline(j)) {
		r.flags = OXI_RECORD_CHUNKS;
	}
	OXI_CHECK(oxi_body_put(b, &r, j->input) == 0);
	const struct oxi_grant *g = oxi_grant_find(s, d->lease);
	if (g != NULL) {
		r = (struct oxi_record){ .lease = d->lease, .flags = OXI_RECORD_GRANT, .length = g->cap, .place = g->place };
		OXI_CHECK(oxi_body_put(b, &r, NULL) == 0);
	}
	put_more(p, b, d);
}

/* The size of a body with these jobs and so many grants; and how many records that are. */
static size_t body_size(const ox_pool *p, struct oxi_djob *const *jobs, unsigned n, unsigned granted, uint32_t *ret_records)
{
	uint32_t records = n + granted;
	size_t size = 0, more;

	for (unsigned i = 0; i < n; i++) {
		if (is_inline(job_of(jobs[i])))
			size += oxi_align16(job_of(jobs[i])->input_len);
		records += more_records(p, jobs[i], &more);
		size += more;
	}
	*ret_records = records;
	return size + (size_t)records * OXI_WIRE_RECORD;
}

static void offer(struct oxi_seat *s, struct oxi_djob *const *jobs, unsigned n, enum oxi_claim state)
{
	for (unsigned i = 0; i < n; i++)
		atomic_store_explicit(&s->shared->claims[jobs[i]->lease % OXI_CLAIMS], oxi_claim(jobs[i]->lease, state),
		                      memory_order_release);
}

/* NULL: there is no memory, or the channel is not open yet: it will be, the dispatcher tries again. */
static void *body_for_channel(ox_pool *p, struct oxi_seat *s, size_t size)
{
	if (s->peer.len > 0)
		return oxi_channel_body(p->channel, size);
	oxi_bell_summon(s);
	return NULL;
}

static int send_jobs(void *t, unsigned slot, struct oxi_djob *const *jobs, unsigned n)
{
	ox_pool *p = t;
	struct oxi_seat *s = &p->seats[slot];
	struct oxi_header h = header(p, s, OXI_JOBS);
	unsigned granted = grant_room(p, s, jobs, n);
	uint32_t records;
	size_t size = body_size(p, jobs, n, granted, &records);
	void *inbox = oxi_bell_inbox(s, size), *data = inbox != NULL ? inbox : body_for_channel(p, s, size);
	struct oxi_body body;
	int r = data != NULL ? 0 : -EAGAIN;

	if (r == 0) {
		oxi_body_init(&body, data, size, records);
		for (unsigned i = 0; i < n; i++)
			put_job(p, s, &body, jobs[i]);
		h.count = records;
		h.length = body.len;
		offer(s, jobs, n, OXI_CLAIM_OFFERED);
		if (inbox != NULL)
			oxi_bell_post(s, records, body.len);
		else
			r = oxi_channel_send_body(p->channel, &s->peer, &h, body.len);
	}
	if (r < 0) {
		offer(s, jobs, n, OXI_CLAIM_NONE);
		for (unsigned i = 0; i < n; i++)
			oxi_grant_drop(p, s, jobs[i]->lease);
		return r;
	}
	s->by_channel += inbox == NULL;
	if (p->options.output == OX_OUTPUT_TAG)
		s->writer = p->kinds[jobs[0]->index].copy.name;
	return 0;
}

static int run_inside(void *t, unsigned slot, struct oxi_djob *job)
{
	_Alignas(16) uint8_t data[3 * OXI_WIRE_RECORD + OXI_INLINE];
	ox_pool *p = t;
	struct oxi_seat *s = &p->seats[slot];
	struct oxi_header h = header(p, s, OXI_RUN);
	struct oxi_body body;

	body_size(p, &job, 1, grant_room(p, s, &job, 1), &h.count);
	oxi_body_init(&body, data, sizeof data, h.count);
	put_job(p, s, &body, job);
	h.length = body.len;
	int r = oxi_channel_send(p->channel, &s->peer, &h, data);
	if (r < 0)
		oxi_grant_drop(p, s, job->lease);
	return r;
}

static void again(void *t, struct oxi_djob *job)
{
	struct ox_result *j = job_of(job);

	(void)t;
	if (j->story != NULL && j->story->inside != NULL)
		oxi_inside_again(j->story->inside);
}

static enum oxi_taken take_back(void *t, unsigned slot, uint64_t lease)
{
	ox_pool *p = t;
	struct oxi_seat *s = &p->seats[slot];
	uint64_t offered = oxi_claim(lease, OXI_CLAIM_OFFERED);

	if (!atomic_compare_exchange_strong(&s->shared->claims[lease % OXI_CLAIMS], &offered, oxi_claim(lease, OXI_CLAIM_BACK)))
		return OXI_TAKEN_NOT;
	oxi_grant_drop(p, s, lease);
	return OXI_TAKEN;
}

static void running(void *t, unsigned slot, struct oxi_running *ret)
{
	const ox_pool *p = t;
	const struct oxi_slot *shared = p->seats[slot].shared;

	ret->lease = atomic_load_explicit(&shared->running, memory_order_acquire);
	ret->since = atomic_load_explicit(&shared->since, memory_order_relaxed);
}

static void tell(void *t, unsigned slot, uint64_t lease)
{
	ox_pool *p = t;
	struct oxi_seat *s = &p->seats[slot];

	atomic_store_explicit(&s->shared->told[lease % OXI_CLAIMS], lease, memory_order_relaxed);
	oxi_inside_told(p, s);
}

static void timer(void *t, ox_time at)
{
	ox_pool *p = t;

	p->timer_at = at;
}

const struct oxi_dispatch_ops oxi_transport_ops = {
	.spawn = spawn, .kill = kill_worker, .stop = stop, .send = send_jobs, .take_back = take_back, .running = running,
	.tell = tell, .run = run_inside, .again = again, .deadline = oxi_job_deadline, .crashed = oxi_quarantine_crashed,
	.end = oxi_job_ended, .timer = timer, .pin_lost = oxi_actor_lost,
};

int oxi_transport_tell(ox_pool *p, struct oxi_seat *s, enum oxi_message type, const struct oxi_record *r, const void *payload)
{
	_Alignas(16) uint8_t data[OXI_WIRE_RECORD + OXI_INLINE];
	struct oxi_header h = header(p, s, type);
	struct oxi_body body;

	oxi_body_init(&body, data, sizeof data, 1);
	OXI_CHECK(oxi_body_put(&body, r, payload) == 0);
	h.count = 1;
	h.length = body.len;
	return oxi_channel_send(p->channel, &s->peer, &h, data);
}

/* ---- results ---- */

/* A kind whose results are large gets room sent along; one whose results have become small again does not for long. */
static void learn(struct oxi_kind *kind, const struct oxi_record *r)
{
	if ((r->flags & OXI_RECORD_ARENA) != 0 && r->length > OXI_INLINE)
		kind->expect = r->length > kind->expect - kind->expect / 8 ? (size_t)r->length : kind->expect - kind->expect / 8;
	else if (r->status >= 0)
		kind->expect = kind->expect / 2 > OXI_INLINE ? kind->expect / 2 : 0;
}

/* A result that lies where the parent has it already. NULL: a worker that gives away what it was not given has run wild, so has this result. */
static const void *given_payload(ox_pool *p, struct oxi_seat *s, const struct oxi_djob *d, const struct oxi_record *r)
{
	if (r->length > oxi_pool_max_result(p, d->index))
		return NULL;
	if ((r->flags & OXI_RECORD_CHUNKS) != 0)
		return oxi_chunks_result(s, r->lease, (size_t)r->length);
	return oxi_grant_take(s, r->lease, (size_t)r->place, (size_t)r->length) ? p->arena.base + r->place : NULL;
}

/* What the worker says of times is not believed where it cannot be. */
static struct oxi_times times_of(const struct oxi_djob *d, const struct oxi_record *r, ox_time now)
{
	struct oxi_times t = { .queued = d->doomed ? now : d->at, .begun = (ox_time)r->job, .run = r->time, .now = now };

	if (t.run < 0 || t.run > now)
		t.run = 0;
	if (t.begun <= 0 || t.begun > now - t.run)
		t.begun = now - t.run;
	return t;
}

static void look_at_result(ox_pool *p, const struct oxi_seat *s, const struct oxi_djob *d, const struct oxi_record *r)
{
	struct oxi_times t = times_of(d, r, oxi_pool_now());

	if (p->measured != NULL && !d->doomed)
		oxi_measured_add(&p->measured[d->index], &t);
	if (p->trace != NULL)
		oxi_trace_job(p->trace, &(struct oxi_trace_job){ .name = p->kinds[d->index].copy.name, .slot = s->slot, .begun = t.begun,
		                                                 .run = t.run, .status = r->status, .result_len = (size_t)r->length });
}

static void take_result(ox_pool *p, struct oxi_seat *s, struct oxi_record *r, const void *payload)
{
	bool given = (r->flags & (OXI_RECORD_ARENA | OXI_RECORD_CHUNKS)) != 0;
	struct oxi_djob *d = oxi_dispatch_find(p->dispatch, s->slot, r->lease);

	if (d != NULL && (r->flags & OXI_RECORD_LATE) != 0 && d->dated) {
		oxi_grant_drop(p, s, r->lease);
		oxi_dispatch_late(p->dispatch, d, oxi_pool_now());
		return;
	}
	if (OXI_UNLIKELY(p->measured != NULL || p->trace != NULL) && d != NULL)
		look_at_result(p, s, d, r);
	if (d != NULL && r->status < 0 && (r->flags & OXI_RECORD_LIMIT) == 0 &&
	    oxi_dispatch_failed(p->dispatch, d, r->time, oxi_pool_now()))
		d = NULL;
	if (d != NULL && given && (payload = given_payload(p, s, d, r)) == NULL) {
		*r = (struct oxi_record){ .lease = r->lease, .status = OX_EPROTO, .flags = OXI_RECORD_LIMIT };
		given = false;
		p->rejected++;
	}
	oxi_grant_drop(p, s, r->lease);
	if (d == NULL) {
		oxi_output_forget(&s->output);  /* the next job did not write it */
		return;
	}
	learn(&p->kinds[d->index], r);
	int status = oxi_job_store(job_of(d), r, payload, given, d->nesting & OXI_INNER ? NULL : &s->output);
	oxi_dispatch_done(p->dispatch, d, status, r->time, oxi_pool_now());
}

void oxi_transport_results(ox_pool *p, struct oxi_seat *s, const void *body, size_t len, uint32_t count, uint32_t first)
{
	struct oxi_record r;
	const void *payload;

	oxi_output_drain(p, s);
	for (uint32_t i = first; i < count; i++) {
		if (oxi_body_record(body, len, count, i, &r, &payload) < 0 || r.lease == 0) {
			oxi_seat_reject(p, s);
			return;
		}
		if (OXI_UNLIKELY(r.flags & OXI_RECORD_PART))
			oxi_emit_add(p, s, &r, payload);
		else
			take_result(p, s, &r, payload);
	}
}

void oxi_transport_harvest(ox_pool *p, struct oxi_seat *s, bool dead)
{
	for (uint32_t i = 0; i < OXI_OUTBOXES; i++) {
		struct oxi_outbox *o = &s->shared->outbox[(s->received + 1) % OXI_OUTBOXES];
		if (atomic_load(&o->seq) != s->received + 1)
			return;
		uint32_t count = atomic_load_explicit(&o->count, memory_order_acquire);
		uint32_t len = atomic_load_explicit(&o->len, memory_order_relaxed);
		if (count > s->harvested)
			oxi_transport_results(p, s, o->body, len < OXI_OUTBOX ? len : OXI_OUTBOX, count, s->harvested);
		s->harvested = count;
		if (!dead)
			return;         /* the message will come, and say that there is no more in it */
		s->received++;
		s->harvested = 0;
	}
}

/* ---- messages ---- */

static struct oxi_seat *seat_of_peer(ox_pool *p, const struct oxi_peer *peer, uint32_t generation)
{
	for (unsigned i = 0; i < p->seat_count; i++) {
		struct oxi_seat *s = &p->seats[i];
		if (s->peer.len == peer->len && s->generation == generation && memcmp(s->peer.id, peer->id, peer->len) == 0)
			return s;
	}
	return NULL;
}

/* A new worker names its seat and proves by the secret that it is the one that was asked for. */
static void hello(ox_pool *p, const struct oxi_received *m)
{
	struct oxi_record r;
	const void *secret;

	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &secret) < 0 || secret == NULL ||
	    r.length != OXI_SECRET || r.index >= p->seat_count) {
		p->rejected++;
		return;
	}
	struct oxi_seat *s = &p->seats[r.index];
	if (!s->expected || s->peer.len > 0 || s->generation != m->header.generation || memcmp(secret, s->secret, OXI_SECRET) != 0)
		p->rejected++;
	else
		s->peer = m->peer;
}

/*
 * A job needs more room for its result than it has: GRANT it, or say that there is none and it shall send the result in
 * chunks, or no with a length of 0. A job that has been abandoned runs out: it gets room as the others.
 */
static void need(ox_pool *p, struct oxi_seat *s, const struct oxi_received *m)
{
	struct oxi_header h = header(p, s, OXI_GRANT);
	struct oxi_record r, answer = { .flags = OXI_RECORD_GRANT };
	uint8_t body[OXI_WIRE_RECORD];
	const void *none;

	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &none) < 0)
		return;
	const struct oxi_djob *d = oxi_dispatch_look(p->dispatch, s->slot, r.lease);
	size_t limit = d != NULL ? oxi_pool_max_result(p, d->index) : p->options.max_result;
	bool may = r.length <= limit && !oxi_pool_chaos(p, OXI_CHAOS_ARENA);
	const struct oxi_grant *g = may ? oxi_grant_more(p, s, r.lease, (size_t)r.place, (size_t)r.length) : NULL;
	answer.lease = r.lease;
	if (g != NULL) {
		answer.place = g->place;
		answer.length = g->cap;
	} else if (r.length <= limit) {
		answer.flags |= OXI_RECORD_CHUNKS;
	}
	oxi_record_encode(body, &answer);
	h.count = 1;
	h.length = sizeof body;
	oxi_channel_send(p->channel, &s->peer, &h, body);
}

static void chunks(ox_pool *p, struct oxi_seat *s, const struct oxi_received *m)
{
	struct oxi_record r;
	const void *bytes;

	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &bytes) < 0)
		p->rejected++;
	else if (m->header.type == OXI_TAKE)
		oxi_chunks_take(p, s, &r);
	else
		oxi_chunks_put(p, s, &r, bytes);
}

void oxi_transport_received(ox_pool *p, struct oxi_seat *s, const void *body, size_t len, uint32_t count)
{
	uint32_t first = s->harvested;

	s->harvested = 0;
	s->received++;
	oxi_transport_results(p, s, body, len, count, first);
	atomic_store_explicit(&s->shared->received, s->received, memory_order_release);
}

static void left(ox_pool *p, struct oxi_seat *s, const struct oxi_received *m)
{
	struct oxi_record r;
	const void *none;

	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &none) < 0 || r.index >= p->kind_count)
		p->rejected++;
	else
		oxi_residue_tell(p, s, &r);
}

static void handle(ox_pool *p, const struct oxi_received *m)
{
	if (m->header.epoch != oxi_pool_page(&p->arena)->epoch) {
		p->rejected++;
		return;
	}
	if (m->header.type == OXI_HELLO) {
		hello(p, m);
		return;
	}
	struct oxi_seat *s = seat_of_peer(p, &m->peer, m->header.generation);
	if (s == NULL)
		return;                 /* of a worker that is dead: what counted of it was found in its outbox */
	oxi_bell_take(p, s);            /* it was there before */
	switch (m->header.type) {
	case OXI_RESULTS:
	case OXI_EMIT:
		oxi_transport_received(p, s, m->body, m->len, m->header.count);
		oxi_bell_take(p, s);    /* what had to wait for this one */
		break;
	case OXI_LOG:
	case OXI_SUBMIT:
	case OXI_CALL:
	case OXI_AWAIT:
	case OXI_FULL:
		oxi_inside_message(p, s, m);
		break;
	case OXI_NEED:
		need(p, s, m);
		break;
	case OXI_TAKE:
	case OXI_CHUNK:
		chunks(p, s, m);
		break;
	case OXI_LEFT:
		left(p, s, m);
		break;
	default:
		p->rejected++;
	}
}

void oxi_transport_pump(ox_pool *p)
{
	struct oxi_received m;
	unsigned messages = 0, records = 0;

	if (p->rung)
		oxi_bell_answer(p, PUMP_RECORDS);
	while (messages++ < PUMP_MESSAGES && records < PUMP_RECORDS && oxi_channel_stirred(p->channel) &&
	       oxi_channel_receive(p->channel, &m) == 1) {
		handle(p, &m);
		records += m.header.count;
	}
}

/* ---- the spawner's reports ---- */

/* Its workers die with it; each one's pidfd tells when. One without a pidfd had not been reported yet: it did nothing. */
static void spawner_gone(ox_pool *p)
{
	struct rusage none = { 0 };

	oxi_pool_unlisten(p, &p->spawner);
	if (p->trace != NULL)
		oxi_trace_event(p->trace, "spawner lost", UINT_MAX, 0, 0);
	for (unsigned i = 0; i < p->seat_count; i++) {
		struct oxi_seat *s = &p->seats[i];
		if (s->state == OXI_SEAT_EMPTY)
			continue;
		s->orphaned = true;
		oxi_seat_kill(s);
		if (s->pidfd < 0 || oxi_pool_listen(p, s->pidfd, OXI_EVENT_DEATH, i) < 0)
			oxi_seat_died(p, s, SIGKILL, &none);
	}
}

void oxi_transport_reports(ox_pool *p)
{
	struct oxi_packet m;
	int fds[OXI_PACKET_FDS], r;

	while (p->spawner >= 0 && (r = oxi_packet_receive(p->spawner, &m, fds)) != -EAGAIN) {
		if (r != 1) {
			spawner_gone(p);
			return;
		}
		struct oxi_seat *s = m.slot < p->seat_count ? &p->seats[m.slot] : NULL;
		if (s == NULL || s->generation != m.generation || s->state == OXI_SEAT_EMPTY) {
			if (fds[0] >= 0)
				close(fds[0]);
		} else if (m.kind == OXI_PACKET_FORKED) {
			oxi_seat_forked(p, s, m.status, m.pid, fds[0]);
		} else if (m.kind == OXI_PACKET_DIED) {
			oxi_seat_died(p, s, m.status, &m.usage);
		}
	}
}
