/* SPDX-License-Identifier: MIT */
/*
 * A lane is a slot of the dispatcher whose worker is on another host. The dispatcher's wishes become messages, and what a
 * local worker would say in shared memory comes by messages and is kept in the lane: which leases are offered, taken
 * (START) or asked back, and which one runs since when. So the dispatcher sees no difference but one: to take a job
 * back is a question here, and its answer comes later (STEALBACK with the lease, or START if it has begun meanwhile).
 *
 * Fencing. A lease is a number that is never used twice, so a result of an attempt that is over finds nothing. A lane's
 * generation grows each time its worker is lost, and the host drops JOBS of a generation that it has reported as
 * lost: they were given to others. A lane belongs to one connection: a host that comes back gets lanes anew.
 *
 * A result that does not fit into a message comes in chunks; the job counts as ended from then on (no timeout hits it any
 * more), and its memory is made before the first chunk is asked for. Inputs go the same way.
 *
 * A job that comes after others brings their results along: its payload is then a body of its own (BUNDLE), the input
 * first, made when it is sent.
 *
 * Local slots are handed through to parent_transport.c; a pool without remote workers does not come here at all.
 */
#include <string.h>

#include "pool/remote.h"

static bool is_remote(const ox_pool *p, unsigned slot)
{
	return slot >= p->seat_count;
}

static struct oxi_lane *lane_at(const ox_pool *p, unsigned slot)
{
	return &p->remote->lanes[slot - p->seat_count];
}

static struct oxi_header lane_header(const struct oxi_lane *l, enum oxi_message type)
{
	return (struct oxi_header){ .type = (uint8_t)type, .flags = (uint16_t)l->slot, .generation = l->generation };
}

static struct ox_result *job_of(struct oxi_djob *d)
{
	return OXI_CONTAINER(d, struct ox_result, dispatch);
}

static uint64_t *claim_of(struct oxi_lane *l, uint64_t lease)
{
	return &l->claims[lease % OXI_CLAIMS];
}

/* ---- inputs in chunks ---- */

static struct oxi_upload *find_upload(const struct oxi_lane *l, uint64_t lease)
{
	OXI_LIST_EACH(e, &l->uploads)
		if (OXI_CONTAINER(e, struct oxi_upload, link)->sending.lease == lease)
			return OXI_CONTAINER(e, struct oxi_upload, link);
	return NULL;
}

static void drop_upload(struct oxi_upload *u)
{
	if (u == NULL)
		return;
	oxi_list_remove(&u->link);
	oxi_free(u->bundle);
	oxi_free(u);
}

/* What is sent for a job: its input, or a bundle. */
struct payload {
	const void *data;
	size_t len;
	uint32_t records;               /* of a bundle; 0: it is none */
};

static const struct oxi_after *after_of(const struct oxi_djob *d)
{
	const struct oxi_job_extra *x = oxi_job_extra(d);

	return x != NULL ? x->after : NULL;
}

/* Its data is NULL for a bundle. */
static struct payload payload_of(struct oxi_djob *d)
{
	const struct ox_result *j = job_of(d);
	const struct oxi_after *a = after_of(d);
	size_t more;

	if (a == NULL)
		return (struct payload){ .data = j->input, .len = j->input_len };
	uint32_t n = 1 + oxi_after_size_inline(a, &more);
	return (struct payload){ .len = (size_t)n * OXI_WIRE_RECORD + oxi_align16(j->input_len) + more, .records = n };
}

/* A bundle goes in chunks, whatever its length: it has to be made somewhere. */
static bool is_small(const struct payload *p)
{
	return p->records == 0 && p->len <= OXI_REMOTE_INLINE;
}

/* A bundle, written to memory of its length. */
static void bundle(struct oxi_djob *d, const struct payload *p, void *to)
{
	const struct ox_result *j = job_of(d);
	struct oxi_body b;

	oxi_body_init(&b, to, p->len, p->records);
	OXI_CHECK(oxi_body_put(&b, &(struct oxi_record){ .length = j->input_len }, j->input) == 0);
	oxi_after_put_inline(after_of(d), &b);
}

/* 0 with an upload for each job that needs one; OX_ENOMEM: none. */
static int add_uploads(struct oxi_lane *l, struct oxi_djob *const *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct payload what = payload_of(jobs[i]);
		if (is_small(&what))
			continue;
		struct oxi_upload *u = oxi_alloc(sizeof *u);
		if (u != NULL && what.records > 0)
			what.data = u->bundle = oxi_alloc(what.len);
		if (u == NULL || what.data == NULL) {
			oxi_free(u);
			while (i-- > 0)
				drop_upload(find_upload(l, jobs[i]->lease));
			return OX_ENOMEM;
		}
		if (what.records > 0)
			bundle(jobs[i], &what, u->bundle);
		oxi_sending_init(&u->sending, jobs[i]->lease, what.data, what.len, 0);
		oxi_list_append(&l->uploads, &u->link);
	}
	return 0;
}

/* The host can take more of an input. */
static int on_take(ox_pool *p, struct oxi_lane *l, const struct oxi_record *take)
{
	struct oxi_upload *u = find_upload(l, take->lease);
	struct oxi_record chunk;
	const void *bytes;

	if (u == NULL)
		return 0;               /* the job has gone elsewhere meanwhile */
	int r = oxi_sending_credit(&u->sending, take);
	while (r == 0 && oxi_sending_next(&u->sending, &chunk, &bytes))
		oxi_host_say(p, l->host, lane_header(l, OXI_CHUNK), &chunk, bytes);
	if (r < 0 || oxi_sending_done(&u->sending))
		drop_upload(u);
	return r == OX_EPROTO ? r : 0;
}

/* ---- the dispatcher's wishes ---- */

static int spawn(void *t, unsigned slot, uint32_t generation)
{
	return is_remote(t, slot) ? OX_ESTATE : oxi_transport_ops.spawn(t, slot, generation);
}

static void kill_worker(void *t, unsigned slot)
{
	if (!is_remote(t, slot)) {
		oxi_transport_ops.kill(t, slot);
		return;
	}
	struct oxi_lane *l = lane_at(t, slot);
	if (l->dying || l->host == NULL)
		return;
	oxi_host_say(t, l->host, lane_header(l, OXI_KILL), NULL, NULL);
}

static void stop(void *t, unsigned slot)
{
	if (is_remote(t, slot))
		lane_at(t, slot)->stopping = true;
	else
		oxi_transport_ops.stop(t, slot);
}

static bool has_terms(const struct oxi_djob *d)
{
	return d->timeout > 0 || d->dated;
}

static size_t job_size(struct oxi_djob *d)
{
	struct payload what = payload_of(d);

	return (1 + has_terms(d)) * OXI_WIRE_RECORD + (is_small(&what) ? oxi_align16(what.len) : 0);
}

static void put_job(struct oxi_body *b, struct oxi_djob *d)
{
	struct payload what = payload_of(d);
	struct oxi_record r = {
		.lease = d->lease, .index = d->index, .job = what.records, .length = what.len,
		.flags = (is_small(&what) ? 0 : OXI_RECORD_CHUNKS) | (what.records > 0 ? OXI_RECORD_BUNDLE : 0),
	};

	OXI_CHECK(oxi_body_put(b, &r, what.data) == 0);
	if (!has_terms(d))
		return;
	ox_time deadline = d->dated ? oxi_job_deadline(NULL, d) : OX_NEVER, now = oxi_pool_now();
	r = (struct oxi_record){
		.lease = d->lease, .flags = OXI_RECORD_TERMS, .length = (uint64_t)d->timeout,
		.time = deadline == OX_NEVER ? 0 : deadline > now ? deadline - now : 1,
	};
	OXI_CHECK(oxi_body_put(b, &r, NULL) == 0);
}

/* One message of n jobs. 0; a code: it was not sent. */
static int send_message(ox_pool *p, struct oxi_lane *l, struct oxi_djob *const *jobs, unsigned n, size_t size)
{
	uint32_t records = n;
	struct oxi_header h = lane_header(l, OXI_JOBS);
	void *data = oxi_channel_body(p->remote->channel, size);
	struct oxi_body body;

	if (data == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; i < n; i++)
		records += has_terms(jobs[i]);
	oxi_body_init(&body, data, size, records);
	for (unsigned i = 0; i < n; i++)
		put_job(&body, jobs[i]);
	h.epoch = p->remote->join.epoch;
	h.count = records;
	h.length = body.len;
	return oxi_channel_send_body(p->remote->channel, &l->host->peer, &h, body.len);
}

/* As many messages as it takes. One that fails is the host's end, and then the jobs come back as those of a lost worker. */
static int send_jobs(void *t, unsigned slot, struct oxi_djob *const *jobs, unsigned n)
{
	ox_pool *p = t;

	if (!is_remote(p, slot))
		return oxi_transport_ops.send(t, slot, jobs, n);
	struct oxi_lane *l = lane_at(p, slot);
	int r = l->host == NULL ? -EHOSTUNREACH : add_uploads(l, jobs, n);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		*claim_of(l, jobs[i]->lease) = oxi_claim(jobs[i]->lease, OXI_CLAIM_OFFERED);
	for (unsigned first = 0, i = 0; first < n && r == 0; first = i) {
		size_t size = job_size(jobs[first]);
		for (i = first + 1; i < n && size + job_size(jobs[i]) <= OXI_REMOTE_MESSAGE; i++)
			size += job_size(jobs[i]);
		r = send_message(p, l, jobs + first, i - first, size);
	}
	if (r < 0)
		oxi_host_lose(l->host, "it cannot be reached");
	return 0;
}

static enum oxi_taken take_back(void *t, unsigned slot, uint64_t lease)
{
	ox_pool *p = t;

	if (!is_remote(p, slot))
		return oxi_transport_ops.take_back(t, slot, lease);
	struct oxi_lane *l = lane_at(p, slot);
	struct oxi_remote *m = p->remote;
	uint64_t *claim = claim_of(l, lease);
	if (*claim == oxi_claim(lease, OXI_CLAIM_BACK))
		return OXI_TAKEN_ASKED;
	if (*claim != oxi_claim(lease, OXI_CLAIM_OFFERED))
		return OXI_TAKEN_NOT;
	if (m->asked_count == OXI_BATCH || m->asked_host != l->host)
		oxi_lane_ask_back(p);
	m->asked_host = l->host;
	m->asked[m->asked_count++] = lease;
	*claim = oxi_claim(lease, OXI_CLAIM_BACK);
	return OXI_TAKEN_ASKED;
}

void oxi_lane_ask_back(ox_pool *p)
{
	struct oxi_remote *m = p->remote;
	struct oxi_header h = { .type = OXI_STEALBACK, .count = m->asked_count, .length = m->asked_count * OXI_WIRE_RECORD };

	if (m->asked_count == 0)
		return;
	uint8_t *body = oxi_channel_body(m->channel, (size_t)h.length);
	for (unsigned i = 0; body != NULL && i < m->asked_count; i++)
		oxi_record_encode(body + i * OXI_WIRE_RECORD, &(struct oxi_record){ .lease = m->asked[i], .place = h.length });
	m->asked_count = 0;
	h.epoch = m->join.epoch;
	if (m->asked_host->state == OXI_HOST_GONE)
		return;
	if (body == NULL || oxi_channel_send_body(m->channel, &m->asked_host->peer, &h, (size_t)h.length) < 0)
		oxi_host_lose(m->asked_host, "it cannot be reached");
}

static int run_inside(void *t, unsigned slot, struct oxi_djob *job)
{
	return is_remote(t, slot) ? OX_ESTATE : oxi_transport_ops.run(t, slot, job);
}

static void again(void *t, struct oxi_djob *job)
{
	oxi_transport_ops.again(t, job);
}

static void running(void *t, unsigned slot, struct oxi_running *ret)
{
	if (is_remote(t, slot))
		*ret = (struct oxi_running){ .lease = lane_at(t, slot)->running, .since = lane_at(t, slot)->since };
	else
		oxi_transport_ops.running(t, slot, ret);
}

static void tell(void *t, unsigned slot, uint64_t lease)
{
	if (!is_remote(t, slot)) {
		oxi_transport_ops.tell(t, slot, lease);
		return;
	}
	struct oxi_lane *l = lane_at(t, slot);
	if (l->told != lease && l->host != NULL)
		oxi_host_say(t, l->host, lane_header(l, OXI_CANCEL), &(struct oxi_record){ .lease = lease }, NULL);
	l->told = lease;
}

static void timer(void *t, ox_time at)
{
	oxi_transport_ops.timer(t, at);
}

const struct oxi_dispatch_ops oxi_remote_ops = {
	.spawn = spawn, .kill = kill_worker, .stop = stop, .send = send_jobs, .take_back = take_back, .running = running,
	.tell = tell, .run = run_inside, .again = again, .deadline = oxi_job_deadline, .crashed = oxi_quarantine_crashed, .end = oxi_job_ended, .timer = timer,
	.pin_lost = oxi_actor_lost,
};

/* ---- a worker's life ---- */

void oxi_lane_join(ox_pool *p, struct oxi_lane *l)
{
	l->stopping = false;
	l->generation = oxi_dispatch_join(p->dispatch, l->slot, oxi_pool_now());
}

static void drop_result(ox_pool *p, struct oxi_lane *l)
{
	if (l->in.data != NULL)
		oxi_memory_put(p, l->in.data);
	l->in.data = NULL;
	oxi_free(l->output.data);
	l->output = (struct oxi_output){ .fd = -1 };
}

void oxi_lane_lost(ox_pool *p, struct oxi_lane *l, uint64_t culprit, int status, struct oxi_story *story)
{
	uint32_t generation = l->generation;

	drop_result(p, l);
	l->dying = false;
	while (!oxi_list_empty(&l->uploads))
		drop_upload(OXI_CONTAINER(l->uploads.next, struct oxi_upload, link));
	memset(l->claims, 0, sizeof l->claims);
	l->running = 0;
	l->generation = 0;
	if (generation == 0)
		return;                 /* was not ready yet: the dispatcher does not know it */
	p->obituary = story;
	oxi_dispatch_lost(p->dispatch, l->slot, generation, culprit, status, oxi_pool_now());
	p->obituary = NULL;
}

/* ---- what its host says ---- */

struct oxi_lane *oxi_lane_of(ox_pool *p, const struct oxi_host *host, uint64_t lease)
{
	unsigned slot = oxi_lease_slot(lease);

	if (slot < p->seat_count || slot - p->seat_count >= p->remote->lane_count || lane_at(p, slot)->host != host ||
	    lane_at(p, slot)->generation == 0)
		return NULL;
	return lane_at(p, slot);
}

static int on_start(struct oxi_lane *l, const struct oxi_record *r)
{
	enum oxi_claim state = (enum oxi_claim)(*claim_of(l, r->lease) & 3);

	if (*claim_of(l, r->lease) >> 2 != r->lease || (state != OXI_CLAIM_OFFERED && state != OXI_CLAIM_BACK) ||
	    l->running != 0 || l->in.data != NULL)
		return OX_EPROTO;
	*claim_of(l, r->lease) = oxi_claim(r->lease, OXI_CLAIM_TAKEN);
	l->running = r->lease;
	l->since = oxi_pool_now();
	return 0;
}

/* What the host gives back, because it was asked or because it leaves. */
static int on_returned(ox_pool *p, struct oxi_lane *l, const struct oxi_record *r)
{
	if (*claim_of(l, r->lease) >> 2 != r->lease || r->lease == l->running)
		return OX_EPROTO;
	*claim_of(l, r->lease) = 0;
	drop_upload(find_upload(l, r->lease));
	oxi_dispatch_returned(p->dispatch, l->slot, r->lease, oxi_pool_now());
	return 0;
}

static int finish(ox_pool *p, struct oxi_djob *d, const struct oxi_record *r, const void *data, bool in_arena,
                  struct oxi_output *output)
{
	int status = oxi_job_store(job_of(d), r, data, in_arena, output);

	oxi_dispatch_done(p->dispatch, d, status, r->time, oxi_pool_now());
	return 0;
}

/* A result in chunks: has them come, if there is room. */
static int expect(ox_pool *p, struct oxi_lane *l, struct oxi_djob *d, const struct oxi_record *r, struct oxi_output *output)
{
	struct oxi_record take, failure = { .lease = r->lease, .flags = OXI_RECORD_LIMIT, .time = r->time };
	int error = 0;

	if (d != NULL)
		error = oxi_receiving_init(&l->in, r->lease, r->length, oxi_pool_page(&p->arena)->job[d->index].max_result, 0);
	if (d != NULL && error == 0 && (l->in.data = oxi_memory_new(p, (size_t)r->length)) == NULL)
		error = OX_ENOMEM;
	if (d == NULL || error < 0) {
		struct oxi_record no = oxi_chunk_refusal(r->lease, error < 0 ? error : OX_ECANCELED);
		oxi_host_say(p, l->host, lane_header(l, OXI_TAKE), &no, NULL);
		failure.status = error;
		return d != NULL ? finish(p, d, &failure, NULL, false, output) : 0;
	}
	l->result = *r;
	l->output = *output;
	output->data = NULL;
	if (oxi_receiving_take(&l->in, &take))
		oxi_host_say(p, l->host, lane_header(l, OXI_TAKE), &take, NULL);
	return 0;
}

static int on_result(ox_pool *p, struct oxi_lane *l, const struct oxi_record *r, const void *payload, struct oxi_output *output)
{
	struct oxi_djob *d = oxi_dispatch_find(p->dispatch, l->slot, r->lease);

	if (r->lease != l->running || l->in.data != NULL)
		return OX_EPROTO;
	l->running = 0;
	*claim_of(l, r->lease) = 0;
	drop_upload(find_upload(l, r->lease));
	if (d != NULL && r->status < 0 && (r->flags & OXI_RECORD_LIMIT) == 0 &&
	    oxi_dispatch_failed(p->dispatch, d, r->time, oxi_pool_now()))
		d = NULL;
	if ((r->flags & OXI_RECORD_CHUNKS) != 0)
		return expect(p, l, d, r, output);
	return d != NULL ? finish(p, d, r, payload, false, output) : 0;
}

static int on_chunk(ox_pool *p, struct oxi_lane *l, const struct oxi_record *r, const void *bytes)
{
	struct oxi_record take;

	if (l->in.data == NULL || l->in.lease != r->lease)
		return 0;               /* was refused meanwhile */
	int n = oxi_receiving_put(&l->in, r, bytes);
	if (n < 0)
		return OX_EPROTO;
	if (oxi_receiving_take(&l->in, &take))
		oxi_host_say(p, l->host, lane_header(l, OXI_TAKE), &take, NULL);
	if (n == 0)
		return 0;
	struct oxi_djob *d = oxi_dispatch_find(p->dispatch, l->slot, r->lease);
	const uint8_t *data = l->in.data;
	l->in.data = NULL;
	if (d != NULL)
		finish(p, d, &l->result, data, true, &l->output);
	else
		oxi_memory_put(p, data);
	drop_result(p, l);
	return 0;
}

/* The output that a result or a story brings along, as the record behind it. */
static void take_output(const struct oxi_received *m, uint32_t i, struct oxi_output *ret)
{
	struct oxi_record r;
	const void *bytes;

	*ret = (struct oxi_output){ .fd = -1 };
	if (i >= m->header.count || oxi_body_record(m->body, m->len, m->header.count, i, &r, &bytes) < 0 ||
	    (r.flags & OXI_RECORD_OUTPUT) == 0 || bytes == NULL || r.length == 0)
		return;
	ret->data = oxi_alloc((size_t)r.length);
	if (ret->data == NULL)
		return;
	memcpy(ret->data, bytes, (size_t)r.length);
	ret->len = (size_t)r.length;
	ret->truncated = r.status != 0;
}

/* A slot's worker has died; the host has another one. */
static int on_lost(ox_pool *p, struct oxi_host *host, const struct oxi_received *m)
{
	struct oxi_lane *l = oxi_lane_of(p, host, (uint64_t)m->header.flags << OXI_LEASE_BITS);
	struct oxi_story story;
	struct oxi_output output;
	struct oxi_record r;
	const void *text;

	if (l == NULL || l->generation != m->header.generation)
		return 0;
	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &text) < 0 || text == NULL || r.status >= 0 ||
	    oxi_story_hear(text, (size_t)r.length, &story) < 0)
		return OX_EPROTO;
	take_output(m, 1, &output);
	oxi_output_move(&output, &story);
	l->dying = true;
	if ((r.flags & OXI_RECORD_LIMIT) != 0)
		oxi_dispatch_condemn(p->dispatch, l->slot, l->generation, r.status, oxi_pool_now());
	oxi_lane_lost(p, l, r.lease == l->running ? r.lease : 0, r.status, &story);
	oxi_free(story.output);
	if (host->state == OXI_HOST_READY && !p->closing)
		oxi_lane_join(p, l);
	return 0;
}

static int on_record(ox_pool *p, struct oxi_lane *l, const struct oxi_received *m, uint32_t i, const struct oxi_record *r,
                     const void *payload)
{
	struct oxi_output output;

	switch (m->header.type) {
	case OXI_START:
		return on_start(l, r);
	case OXI_STEALBACK:
		return on_returned(p, l, r);
	case OXI_CHUNK:
		return on_chunk(p, l, r, payload);
	case OXI_TAKE:
		return on_take(p, l, r);
	case OXI_RESULTS:
		if ((r->flags & OXI_RECORD_OUTPUT) != 0)
			return 0;       /* was taken with the record before */
		take_output(m, i + 1, &output);
		int status = on_result(p, l, r, payload, &output);
		oxi_free(output.data);
		return status;
	default:
		return OX_EPROTO;
	}
}

int oxi_lane_handle(ox_pool *p, struct oxi_host *host, const struct oxi_received *m)
{
	struct oxi_record r;
	const void *payload;
	int status = 0;

	if (m->header.type == OXI_LOST)
		return on_lost(p, host, m);
	for (uint32_t i = 0; i < m->header.count && status == 0; i++) {
		if (oxi_body_record(m->body, m->len, m->header.count, i, &r, &payload) < 0 ||
		    (r.flags & (OXI_RECORD_ARENA | OXI_RECORD_GRANT)) != 0)
			return OX_EPROTO;
		struct oxi_lane *l = oxi_lane_of(p, host, r.lease);
		if (l == NULL)
			p->remote->late += m->header.type == OXI_RESULTS;
		else
			status = on_record(p, l, m, i, &r, payload);
	}
	return status;
}
