/* SPDX-License-Identifier: MIT */
/*
 * A bench is a slot of this host: what the pool sees as one worker. Its coroutine has one job at a time run by the local
 * pool, so what has not begun lies here and can be given back at once, and START is said of one job before it is begun.
 *
 *	JOBS --> pieces --whole, and a process is free--> START --> local pool --> RESULTS (and CHUNKs), or LOST
 *	            '--STEALBACK--> given back
 *
 * How a job ended is the local pool's knowledge: a death comes as the story on the job's future, and is reported as the
 * end of the bench's worker (LOST), as the pool knows it from its own. What else the bench has is then the pool's
 * again; so everything of that generation is dropped here, also what comes later.
 *
 * Timeouts, graces and retries are decided by the pool alone: it says CANCEL to have a job told, KILL to have it killed. The
 * local pool knows the time that a job has, for ox_job_deadline(), and a grace without end, so that it never kills for it.
 */
#include <string.h>

#include "pool/agent.h"
#include "pool/parent_inside.h"

#define LOOK_AGAIN OX_MS(2)

static struct oxi_header header(const struct oxi_bench *b, enum oxi_message type)
{
	return (struct oxi_header){ .type = (uint8_t)type, .flags = (uint16_t)b->slot, .generation = b->generation };
}

/* ---- pieces ---- */

static void piece_free(struct oxi_piece *w)
{
	oxi_list_remove(&w->link);
	ox_blob_free(w->blob);
	oxi_free(w);
}

static struct oxi_piece *piece_of(struct oxi_list *link)
{
	return OXI_CONTAINER(link, struct oxi_piece, link);
}

static struct oxi_piece *find(const struct oxi_bench *b, uint64_t lease)
{
	OXI_LIST_EACH(e, &b->pieces)
		if (piece_of(e)->lease == lease)
			return piece_of(e);
	return NULL;
}

static void drop_all(struct oxi_bench *b)
{
	while (!oxi_list_empty(&b->pieces))
		piece_free(piece_of(b->pieces.next));
}

/* A large input: room for it, and then it may come. */
static void expect(struct oxi_bench *b, struct oxi_piece *w, uint64_t len)
{
	struct oxi_record take;
	int r = oxi_receiving_init(&w->in, w->lease, len, SIZE_MAX, 0);

	if (r == 0 && (w->blob = ox_blob_new(b->session->pool, (size_t)len)) == NULL)
		r = OX_ENOMEM;
	if (r < 0) {
		take = oxi_chunk_refusal(w->lease, r);
		w->refused = r;
		w->whole = true;
	} else {
		w->in.data = ox_blob_data(w->blob);
	}
	if (r < 0 || oxi_receiving_take(&w->in, &take))
		oxi_session_say(b->session, header(b, OXI_TAKE), &take, NULL);
}

static int add_piece(struct oxi_bench *b, const struct oxi_record *r, const void *payload)
{
	struct oxi_session *s = b->session;
	bool small = (r->flags & OXI_RECORD_CHUNKS) == 0;

	if (r->index >= s->map_count || (small && payload == NULL) || r->lease == 0 ||
	    ((r->flags & OXI_RECORD_BUNDLE) != 0 && (r->job == 0 || r->job > UINT16_MAX + 1)))
		return OX_EPROTO;
	struct oxi_piece *w = oxi_alloc(sizeof *w + (small ? (size_t)r->length : 0));
	if (w == NULL)
		return OX_ENOMEM;
	w->lease = r->lease;
	w->kind = s->map[r->index];
	w->len = (size_t)r->length;
	w->records = (r->flags & OXI_RECORD_BUNDLE) != 0 ? (uint32_t)r->job : 0;
	w->deadline = OX_NEVER;
	oxi_list_append(&b->pieces, &w->link);
	if (!small) {
		expect(b, w, r->length);
		return 0;
	}
	if (w->len > 0)
		memcpy(w->data, payload, w->len);
	w->whole = true;
	return 0;
}

/* For the piece that came last. */
static int add_terms(struct oxi_bench *b, const struct oxi_record *r)
{
	struct oxi_piece *w = !oxi_list_empty(&b->pieces) ? piece_of(b->pieces.prev) : NULL;

	if (w == NULL || w->lease != r->lease || r->time < 0 || r->length > OX_NEVER / 4)
		return OX_EPROTO;
	w->timeout = (ox_time)r->length;
	if (r->time > 0)
		w->deadline = r->time < OX_NEVER / 4 ? oxi_pool_now() + r->time : OX_NEVER;
	return 0;
}

int oxi_bench_jobs(struct oxi_bench *b, const struct oxi_received *m)
{
	struct oxi_record r;
	const void *payload;
	int status = 0;

	if (m->header.generation <= b->lost)
		return 0;
	b->generation = m->header.generation;
	for (uint32_t i = 0; i < m->header.count && status == 0; i++) {
		status = oxi_body_record(m->body, m->len, m->header.count, i, &r, &payload);
		if (status == 0)
			status = (r.flags & OXI_RECORD_TERMS) != 0 ? add_terms(b, &r) : add_piece(b, &r, payload);
	}
	if (b->session->leaving)
		oxi_bench_give_back(b, 0);
	ox_event_set(b->wake);
	return status;
}

int oxi_bench_chunk(struct oxi_bench *b, const struct oxi_record *r, const void *bytes)
{
	struct oxi_piece *w = find(b, r->lease);
	struct oxi_record take;

	if (w == NULL || w->whole)
		return 0;               /* was given back meanwhile, or refused */
	int n = oxi_receiving_put(&w->in, r, bytes);
	if (n < 0)
		return n;
	if (oxi_receiving_take(&w->in, &take))
		oxi_session_say(b->session, header(b, OXI_TAKE), &take, NULL);
	w->whole = n == 1;
	if (w->whole)
		ox_event_set(b->wake);
	return 0;
}

static void give_back(struct oxi_bench *b, struct oxi_piece *w)
{
	oxi_session_say(b->session, header(b, OXI_STEALBACK), &(struct oxi_record){ .lease = w->lease }, NULL);
	piece_free(w);
}

void oxi_bench_give_back(struct oxi_bench *b, uint64_t lease)
{
	struct oxi_piece *w = lease != 0 ? find(b, lease) : NULL;

	if (w != NULL)
		give_back(b, w);
	while (lease == 0 && !oxi_list_empty(&b->pieces))
		give_back(b, piece_of(b->pieces.prev));
}

/* ---- ends ---- */

/* A record, and behind it what the job wrote, if anything was captured. */
static void report(struct oxi_bench *b, enum oxi_message type, const struct oxi_record *r, const void *payload, const ox_future *f)
{
	bool cut = false;
	size_t output_len = 0;
	const char *output = f != NULL ? ox_future_output(f, &output_len, &cut) : NULL;
	struct oxi_record o = { .lease = r->lease, .flags = OXI_RECORD_OUTPUT, .length = output_len, .status = cut };

	if (output_len > OXI_REMOTE_OUTPUT) {
		o.length = OXI_REMOTE_OUTPUT;
		o.status = 1;
	}
	uint32_t count = output_len > 0 ? 2 : 1;
	bool in = (r->flags & OXI_RECORD_CHUNKS) == 0;
	size_t cap = count * OXI_WIRE_RECORD + (in ? oxi_align16((size_t)r->length) : 0) + oxi_align16((size_t)o.length);
	struct oxi_body body;
	void *data = oxi_alloc(cap);
	if (data == NULL) {
		oxi_session_end(b->session, OX_ENOMEM);
		return;
	}
	oxi_body_init(&body, data, cap, count);
	OXI_CHECK(oxi_body_put(&body, r, payload) == 0 && (count == 1 || oxi_body_put(&body, &o, output) == 0));
	struct oxi_header h = header(b, type);
	h.count = count;
	h.length = body.len;
	oxi_session_send(b->session, h, data);
	oxi_free(data);
}

/* The bench's worker is gone. f: the job that it ran; NULL: none. */
static void report_lost(struct oxi_bench *b, const ox_future *f)
{
	static const ox_crash unknown;
	const ox_crash *crash = f != NULL && ox_future_crash(f) != NULL ? ox_future_crash(f) : &unknown;
	size_t cap = OXI_GREET_FIXED + (crash->backtrace_len + 1) * OXI_GREET_SLOT;
	struct oxi_text t = { .data = oxi_alloc(cap), .cap = cap };
	int status = f == NULL || ox_future_status(f) == OX_ECANCELED ? OX_ECRASHED : ox_future_status(f);

	if (t.data == NULL) {
		oxi_session_end(b->session, OX_ENOMEM);
		return;
	}
	oxi_story_say(&t, crash, b->session->agent->host);
	struct oxi_record r = {
		.lease = b->lease, .status = status, .length = t.len,
		.flags = f != NULL && ox_future_origin(f) == OX_ORIGIN_LIMIT ? OXI_RECORD_LIMIT : 0,
	};
	report(b, OXI_LOST, &r, t.data, f);
	oxi_free(t.data);
	b->lost = b->generation;
	drop_all(b);
}

static bool may_send(const struct oxi_bench *b)
{
	return b->session->over == 0 && !b->killed && b->out_refused == 0;
}

/* The chunks of a large result, as the pool asks for them. */
static void send_chunks(struct oxi_bench *b)
{
	struct oxi_record chunk;
	const void *bytes;

	while (may_send(b) && !oxi_sending_done(&b->out)) {
		if (oxi_sending_next(&b->out, &chunk, &bytes))
			oxi_session_say(b->session, header(b, OXI_CHUNK), &chunk, bytes);
		else if (ox_event_wait(b->wake) < 0)
			return;
		ox_event_clear(b->wake);
	}
}

/* Parts of a result do not travel: it would be without them. */
static bool has_emitted(const ox_future *f, const ox_pool *p)
{
	const struct oxi_story *s = oxi_job_is(f, p) ? OXI_CONTAINER(f, struct ox_result, future)->story : NULL;

	return s != NULL && s->inside != NULL && !oxi_list_empty(&s->inside->parts);
}

static void report_result(struct oxi_bench *b, const ox_future *f)
{
	size_t len;
	const void *value = ox_future_value(f, &len);
	struct oxi_record r = {
		.lease = b->lease, .status = ox_future_status(f), .time = ox_future_run_time(f), .length = value != NULL ? len : 0,
		.flags = ox_future_origin(f) == OX_ORIGIN_LIMIT ? OXI_RECORD_LIMIT : 0,
	};

	if (has_emitted(f, b->session->pool)) {
		r.status = OX_ESTATE;
		r.flags = OXI_RECORD_LIMIT;
		r.length = 0;
	}
	if (r.length > OXI_REMOTE_INLINE) {
		r.flags |= OXI_RECORD_CHUNKS;
		b->out_refused = 0;
		oxi_sending_init(&b->out, b->lease, value, r.length, 0);
	}
	report(b, OXI_RESULTS, &r, value, f);
	if (r.length > OXI_REMOTE_INLINE)
		send_chunks(b);
	b->out = (struct oxi_sending){ .total = 0 };
	if (b->killed)
		report_lost(b, NULL);
}

/* ---- the coroutine ---- */

/* Waits until a process of the local pool is free. */
static int await_process(struct oxi_session *s)
{
	struct oxi_dispatch_counts c;
	int r = 0;

	for (;;) {
		unsigned busy = 0;
		for (unsigned i = 0; i < s->bench_count; i++)
			busy += s->benches[i].future != NULL;
		oxi_dispatch_get_counts(s->pool->dispatch, &c);
		if (c.refuse < 0) {
			oxi_session_end(s, c.refuse);
			return c.refuse;
		}
		if (c.ready > busy)
			return 0;
		r = ox_sleep(LOOK_AGAIN);
		if (r < 0)
			return r;
	}
}

/* ---- jobs of the pool that were done before ---- */

static bool cannot_cancel(ox_future *f, ox_cause cause)
{
	(void)f, (void)cause;
	return false;
}

static void release(ox_future *f)
{
	oxi_free(f);
}

const struct oxi_future_ops oxi_host_result_ops = { .kind = "result", .cancel = cannot_cancel, .release = release };

/* Stands for one, with its result, which lies in the piece. */
static ox_future *done_before(ox_group *g, const struct oxi_record *r, const void *payload)
{
	ox_future *f = oxi_alloc(sizeof *f);

	if (f == NULL || oxi_future_init(f, g, &oxi_host_result_ops) < 0) {
		oxi_free(f);
		return oxi_future_failed(g, OX_ENOMEM);
	}
	f->value = r->length > 0 ? payload : NULL;
	f->value_len = (size_t)r->length;
	oxi_future_resolve(f, r->status, OX_ORIGIN_JOB);
	oxi_future_heard(f);
	return f;
}

/* ---- running ---- */

/* Has the local pool run it. A bundle is taken apart; one that is none fails. */
static ox_future *submit(struct oxi_bench *b, const struct oxi_piece *w, ox_group *g)
{
	const void *in = w->blob != NULL ? ox_blob_data(w->blob) : w->data, *payload;
	ox_time left = w->deadline == OX_NEVER ? OX_NEVER : w->deadline - oxi_pool_now();
	ox_time timeout = w->timeout > 0 && w->timeout < left ? w->timeout : left;
	ox_submit_options o = {
		.size = sizeof o, .timeout = timeout > 0 ? timeout : 1, .after_any = true,
		.after_count = w->records > 1 ? w->records - 1 : 0,
	};
	ox_pool *pool = b->session->pool;
	const ox_job *job = b->session->agent->table[w->kind];
	struct oxi_record r;

	if (w->refused < 0)
		return oxi_future_failed(g, w->refused);
	if (w->records == 0)
		return ox_submit_with(g, pool, job, in, w->len, &o);
	ox_future **after = oxi_alloc(w->records * sizeof *after);
	ox_future *f = after == NULL ? oxi_future_failed(g, OX_ENOMEM) : NULL;
	for (uint32_t i = 1; i < w->records && f == NULL; i++) {
		if (oxi_body_record(in, w->len, w->records, i, &r, &payload) < 0 || payload == NULL)
			f = oxi_future_failed(g, OX_EPROTO);
		else
			after[i - 1] = done_before(g, &r, payload);
	}
	if (f == NULL && (oxi_body_record(in, w->len, w->records, 0, &r, &payload) < 0 || payload == NULL))
		f = oxi_future_failed(g, OX_EPROTO);
	o.after = after;
	if (f == NULL)
		f = ox_submit_with(g, pool, job, payload, (size_t)r.length, &o);
	oxi_free(after);
	return f;
}

/* At once, whatever grace the local pool would give. */
static void kill_job(struct oxi_bench *b)
{
	struct oxi_djob *d;

	ox_future_cancel(b->future);
	if (ox_future_done(b->future))
		return;
	d = &OXI_CONTAINER(b->future, struct ox_result, future)->dispatch;
	if (d->state == OXI_LEASED)
		oxi_transport_ops.kill(b->session->pool, d->slot);
}

static void run(struct oxi_bench *b, struct oxi_piece *w)
{
	struct oxi_session *s = b->session;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));

	b->lease = w->lease;
	b->killed = false;
	oxi_session_say(s, header(b, OXI_START), &(struct oxi_record){ .lease = w->lease }, NULL);
	ox_future *f = submit(b, w, g);
	b->future = f;
	if (b->killed && !ox_future_done(f))
		kill_job(b);            /* while it was being submitted */
	ox_await(f);
	b->future = NULL;
	s->agent->busy_at = oxi_pool_now();
	if (ox_future_origin(f) == OX_ORIGIN_NONE || s->over != 0)
		return;                 /* the session is over */
	if (ox_future_crash(f) != NULL || ox_future_origin(f) == OX_ORIGIN_CANCEL)
		report_lost(b, f);
	else
		report_result(b, f);
	b->lease = 0;
}

static struct oxi_piece *next_piece(const struct oxi_bench *b)
{
	OXI_LIST_EACH(e, &b->pieces)
		if (piece_of(e)->whole)
			return piece_of(e);
	return NULL;
}

int oxi_bench_main(void *arg)
{
	struct oxi_bench *b = arg;
	struct oxi_piece *w;
	int r = 0;

	while (r >= 0 && b->session->over == 0) {
		if (next_piece(b) == NULL) {
			ox_event_set(b->session->wake);         /* is it the last one, in a session that is leaving? */
			r = ox_event_wait(b->wake);
			ox_event_clear(b->wake);
			continue;
		}
		r = await_process(b->session);
		w = r == 0 ? next_piece(b) : NULL;      /* it may have been given back meanwhile */
		if (w == NULL)
			continue;
		if (w->deadline <= oxi_pool_now()) {
			give_back(b, w);        /* the pool knows what becomes of it */
			continue;
		}
		oxi_list_remove(&w->link);
		oxi_list_init(&w->link);
		run(b, w);
		piece_free(w);
	}
	return r;
}

/* ---- what the pool says ---- */

void oxi_bench_take(struct oxi_bench *b, const struct oxi_record *r)
{
	int status = b->out.total > 0 ? oxi_sending_credit(&b->out, r) : 0;

	if (status < 0)
		b->out_refused = status;
	ox_event_set(b->wake);
}

void oxi_bench_tell(struct oxi_bench *b, uint64_t lease)
{
	struct oxi_djob *d;

	if (b->future == NULL || b->lease != lease || ox_future_done(b->future))
		return;
	d = &OXI_CONTAINER(b->future, struct ox_result, future)->dispatch;
	if (d->state == OXI_LEASED)
		oxi_transport_ops.tell(b->session->pool, d->slot, d->lease);
}

void oxi_bench_kill(struct oxi_bench *b, uint32_t generation)
{
	if (generation <= b->lost)
		return;
	b->generation = generation;
	b->killed = true;
	if (b->future != NULL)
		kill_job(b);
	else if (b->lease == 0)
		report_lost(b, NULL);
	ox_event_set(b->wake);
}

void oxi_bench_stop(struct oxi_bench *b)
{
	if (b->future != NULL && !ox_future_done(b->future))
		kill_job(b);
	ox_event_set(b->wake);
}

bool oxi_bench_idle(const struct oxi_bench *b)
{
	return b->lease == 0 && oxi_list_empty(&b->pieces);
}

void oxi_bench_free(struct oxi_bench *b)
{
	drop_all(b);
	ox_event_free(b->wake);
}
