/* SPDX-License-Identifier: MIT */
/*
 * Jobs in, results out. A JOBS message holds up to OXI_BATCH jobs; before each one is begun it is claimed by
 * compare-and-swap in the worker's slot, so the parent can take back, at any moment and without asking, what
 * has not begun. The slot says which job runs since when.
 *
 * A result is written into an outbox in the slot and published there before the job counts as done, so
 * whatever happens to this process afterwards, the parent finds it: a message in ZeroMQ's hands would die
 * with us. The outbox leaves as a RESULTS message when the batch is done, when about a millisecond has
 * passed, or when it is full. It is used again once the parent has counted that message as received.
 *
 * What comes through the channel is copied off it, because a job may have to wait for an answer of its own
 * (GRANT, CHUNK, TAKE) in the middle of a batch whose inputs lie in the message before.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/private/check.h"
#include "pool/worker.h"

#define SEND_AFTER OX_MS(1)
#define LULL_MS    1                    /* without a message: time to look what jobs have left */

int64_t oxi_worker_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return OX_SEC(t.tv_sec) + t.tv_nsec;
}

/* ---- the outbox ---- */

/* Waits until the message that was last in this outbox has been received. The parent may be busy: then so are we. */
static void await_room(struct oxi_worker *w)
{
	struct timespec pause = { .tv_nsec = 20000 };

	while ((int32_t)(w->seq - atomic_load_explicit(&w->slot->received, memory_order_acquire)) > (int32_t)OXI_OUTBOXES) {
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 1000000)
			pause.tv_nsec *= 2;
	}
}

/* Readies the outbox for a message of at most so many results. */
static void open_outbox(struct oxi_worker *w, uint32_t records)
{
	if (w->outbox == NULL) {
		w->seq++;
		await_room(w);
		w->outbox = &w->slot->outbox[w->seq % OXI_OUTBOXES];
		atomic_store(&w->outbox->count, 0);
		atomic_store(&w->outbox->seq, w->seq);
	}
	w->room = records;
	atomic_store_explicit(&w->outbox->len, records * OXI_WIRE_RECORD, memory_order_relaxed);
}

static uint32_t outbox_len(const struct oxi_worker *w)
{
	return atomic_load_explicit(&w->outbox->len, memory_order_relaxed);
}

static uint32_t outbox_count(const struct oxi_worker *w)
{
	return atomic_load_explicit(&w->outbox->count, memory_order_relaxed);
}

static void send_results(struct oxi_worker *w)
{
	fflush(stdout);
	w->sent_at = oxi_worker_now();
	if (outbox_count(w) == 0)
		return;
	if (OXI_UNLIKELY(w->page->chaos.on))
		oxi_worker_chaos(w, OXI_CHAOS_DELAY);
	struct oxi_header h = { .type = OXI_RESULTS, .count = outbox_count(w), .length = outbox_len(w) };
	if (!oxi_worker_leave_results(w))
		oxi_worker_send(w, &h, w->outbox->body);
	w->outbox = NULL;
}

uint8_t *oxi_worker_page(struct oxi_worker *w)
{
	if (w->outbox != NULL && outbox_len(w) + OXI_INLINE > OXI_OUTBOX)
		send_results(w);
	if (w->outbox == NULL)
		open_outbox(w, w->left);
	return w->outbox->body + outbox_len(w);
}

void oxi_worker_turn_page(struct oxi_worker *w)
{
	send_results(w);
	oxi_worker_page(w);
}

/* What is published is there from the moment that count says so. */
void oxi_worker_publish(struct oxi_worker *w, struct oxi_record *r)
{
	uint32_t count = outbox_count(w);

	if ((r->flags & (OXI_RECORD_ARENA | OXI_RECORD_CHUNKS)) == 0) {
		r->place = outbox_len(w);
		atomic_store_explicit(&w->outbox->len, (uint32_t)(r->place + oxi_align16((size_t)r->length)), memory_order_relaxed);
	}
	oxi_record_encode(w->outbox->body + count * OXI_WIRE_RECORD, r);
	atomic_store_explicit(&w->outbox->count, count + 1, memory_order_release);
}

/* ---- jobs ---- */

bool ox_job_cancelled(const ox_reply *out)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	for (; out != NULL; out = out->outer)
		if (oxi_slot_told(out->worker->slot, out->lease))
			return true;
	return false;
}

ox_time ox_job_deadline(const ox_reply *out)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	return out->deadline;
}

size_t ox_job_dependencies(const ox_reply *out)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	return out->afters;
}

/* Where the payload of a record from our parent is. That it is there is still checked. */
static const void *payload_at(const struct oxi_worker *w, const struct oxi_record *r, const void *in_message)
{
	const struct oxi_arena *a = &w->heritage->arena;

	if ((r->flags & OXI_RECORD_ARENA) == 0)
		return in_message;
	OXI_CHECK(oxi_arena_contains(a, r->place, r->length));
	return a->base + r->place;
}

static void read_record(const struct oxi_mail *m, uint32_t i, struct oxi_record *ret, const void **ret_payload)
{
	OXI_CHECK(oxi_body_record(m->body, (size_t)m->header.length, m->header.count, i, ret, ret_payload) == 0);
}

int ox_job_dependency(const ox_reply *out, size_t i, ox_bytes *ret)
{
	struct oxi_record r;
	const void *payload;

	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (i >= out->afters)
		return OX_EINVAL;
	read_record(out->mail, out->after + (uint32_t)i, &r, &payload);
	if (ret != NULL)
		*ret = (ox_bytes){ r.length > 0 ? payload_at(out->worker, &r, payload) : NULL, (size_t)r.length };
	return r.status;
}

static bool claim(struct oxi_worker *w, uint64_t lease)
{
	uint64_t offered = oxi_claim(lease, OXI_CLAIM_OFFERED);

	return atomic_compare_exchange_strong(&w->slot->claims[lease % OXI_CLAIMS], &offered, oxi_claim(lease, OXI_CLAIM_TAKEN));
}

static void say_running(struct oxi_worker *w, uint64_t lease, int64_t since)
{
	atomic_store_explicit(&w->slot->since, since, memory_order_relaxed);
	atomic_store_explicit(&w->slot->running, lease, memory_order_release);
}

/* Where the result is, when the parent may look for it. */
static unsigned flags_of(const ox_reply *out)
{
	return out->where == OXI_IN_ARENA ? OXI_RECORD_ARENA : out->where == OXI_IN_PRIVATE ? OXI_RECORD_CHUNKS : 0;
}

/* The record of a job that has returned; its reply is where the parent will look for it. */
static struct oxi_record make_result(ox_reply *out, const struct oxi_record *job, int status, int64_t time)
{
	bool failed = status >= 0 && out->error != 0;

	if (out->aside != NULL && out->where == OXI_IN_OUTBOX && !failed)
		memcpy(oxi_worker_page(out->worker), out->aside, out->len);
	return (struct oxi_record){
		.job = (uint64_t)out->since, .lease = job->lease, .index = job->index, .time = time,
		.status = failed ? out->error : status, .length = failed ? 0 : out->len,
		.flags = (uint16_t)(failed ? OXI_RECORD_LIMIT : flags_of(out)),
		.place = out->where == OXI_IN_ARENA ? (uint64_t)(out->data - out->worker->heritage->arena.base) : 0,
	};
}

/* What the job has used besides its reply; most have not. */
static void drop_rest(ox_reply *out)
{
	free(out->aside);
	oxi_reply_forget_answer(out);
	if (OXI_UNLIKELY(out->worker->log_lost > 0))
		oxi_worker_tell_lost(out);
}

/* Its result for the job that has run it: as it lies in the arena, or copied. False: no memory. */
static bool keep(ox_reply *outer, const ox_reply *out, ox_bytes *ret)
{
	const void *at = out->data;

	if (out->where != OXI_IN_ARENA) {
		outer->answer = oxi_mail_new(out->len);
		if (outer->answer == NULL)
			return false;
		at = out->len > 0 ? memcpy(outer->answer->body, out->data, out->len) : outer->answer->body;
	}
	*ret = (ox_bytes){ at, out->len };
	return true;
}

/* Calls the function; an input in chunks comes before and goes afterwards, and without it there is no call. */
static int call(struct oxi_worker *w, const struct oxi_record *job, const void *in, ox_reply *out)
{
	bool chunks = (job->flags & OXI_RECORD_CHUNKS) != 0;

	if (chunks && (out->error = oxi_worker_fetch(w, job, &in)) < 0)
		return 0;
	int status = out->entry->role == OXI_ROLE_JOB ? out->entry->fn(in, (size_t)job->length, out) : oxi_worker_act(w, job, in, out);
	if (chunks)
		oxi_worker_discard(in, (size_t)job->length);
	return status;
}

/* *ret: the result of a job that runs in another one, to be kept for that; NULL: nobody here asks. */
static int run_job(struct oxi_worker *w, const struct oxi_record *job, const void *in, ox_reply *out, bool last, ox_bytes *ret)
{
	out->data = oxi_worker_page(w);
	out->shared = atomic_load_explicit(&w->page->shared, memory_order_acquire);
	out->since = oxi_worker_now();
	if (out->timeout > 0 && out->timeout < out->deadline - out->since)
		out->deadline = out->since + out->timeout;
	say_running(w, job->lease, out->since);
	bool killed = OXI_UNLIKELY(w->page->chaos.on) && oxi_worker_chaos_begin(w);
	int status = call(w, job, in, out);
	if (!*w->original)
		_exit(OXI_EXIT_OK);     /* a child that the job forked came back; the job's own process goes on */
	if (OXI_UNLIKELY(killed))
		raise(SIGKILL);
	out->ended = oxi_worker_now();
	bool kept = out->outer == NULL || status < 0 || out->error != 0 || keep(out->outer, out, ret);
	oxi_reply_end(out);
	/* the parent keeps one result in chunks at a time: it is told of this one before the next comes */
	bool send = last || out->where == OXI_IN_PRIVATE || out->ended - w->sent_at >= SEND_AFTER;
	if (send && !oxi_worker_intact(w))
		_exit(OXI_EXIT_CLOSED);         /* still running, as the slot says: this job's crash */

	struct oxi_record r = make_result(out, job, status, out->ended - out->since);
	if (!kept)
		r = (struct oxi_record){ .lease = r.lease, .index = r.index, .status = OX_ENOMEM, .flags = OXI_RECORD_LIMIT };
	if (out->outer != NULL)
		say_running(w, out->outer->lease, out->outer->since);   /* before: with its result known, the other one runs again */
	drop_rest(out);
	oxi_worker_publish(w, &r);
	if (out->outer == NULL)
		atomic_store_explicit(&w->slot->running, 0, memory_order_release);
	if (OXI_UNLIKELY(w->page->chaos.on))
		oxi_worker_chaos(w, OXI_CHAOS_RESULT);
	if (send)
		send_results(w);
	return r.status;
}

/* Says that a job whose deadline has passed was not begun. */
static void leave_out(struct oxi_worker *w, const struct oxi_record *job)
{
	struct oxi_record r = {
		.job = job->job, .lease = job->lease, .index = job->index, .status = OX_ECANCELED,
		.flags = OXI_RECORD_LIMIT | OXI_RECORD_LATE,
	};

	oxi_worker_page(w);
	oxi_worker_publish(w, &r);
}

/* The reply of the job whose record is the i-th, with what the records behind it say. Returns the number of the next job's. */
static uint32_t begin_reply(struct oxi_worker *w, const struct oxi_mail *m, uint32_t i, const struct oxi_record *job, ox_reply *ret)
{
	const struct oxi_job_entry *entry = &w->page->job[job->index];
	struct oxi_record r;
	const void *payload;

	*ret = (ox_reply){
		.magic = OXI_REPLY_MAGIC, .worker = w, .lease = job->lease, .max = entry->max_result, .cap = OXI_INLINE,
		.deadline = OX_NEVER, .timeout = entry->timeout, .mail = m, .entry = entry, .number = job->job,
	};
	while (++i < m->header.count) {
		read_record(m, i, &r, &payload);
		if ((r.flags & OXI_RECORD_GRANT) != 0) {
			ret->grant = w->heritage->arena.base + r.place;
			ret->grant_cap = (size_t)r.length;
		} else if ((r.flags & OXI_RECORD_TERMS) != 0) {
			ret->deadline = r.time != 0 ? r.time : OX_NEVER;
			ret->timeout = (int64_t)r.length;
		} else if ((r.flags & OXI_RECORD_AFTER) == 0) {
			break;
		} else if (ret->afters++ == 0) {
			ret->after = i;
		}
	}
	return i;
}

static void check_state(struct oxi_worker *w)
{
	if (!oxi_state_check(w))
		return;
	if (w->outbox != NULL)
		send_results(w);        /* first: a worker that is spoiled may be ended at once */
	oxi_state_tell(w);
}

static void run_batch(struct oxi_worker *w, const struct oxi_mail *m)
{
	uint32_t count = m->header.count, ran = 0;
	struct oxi_record job;
	ox_reply out;
	const void *in;

	if (OXI_UNLIKELY(w->page->chaos.on))
		oxi_worker_chaos(w, OXI_CHAOS_DELAY);
	w->sent_at = oxi_worker_now();
	for (uint32_t i = 0, next; i < count; i = next) {
		if (OXI_UNLIKELY(w->page->chaos.on))
			oxi_worker_chaos(w, OXI_CHAOS_START);
		read_record(m, i, &job, &in);
		OXI_CHECK(job.index < w->page->jobs);
		next = begin_reply(w, m, i, &job, &out);
		if (w->spoiled || !claim(w, job.lease))
			continue;
		w->left = count - i < OXI_BATCH ? count - i : OXI_BATCH;
		if (out.deadline != OX_NEVER && oxi_worker_now() >= out.deadline) {
			leave_out(w, &job);
			continue;
		}
		ran++;
		run_job(w, &job, payload_at(w, &job, in), &out, next == count, NULL);
		if (oxi_state_after_job(w, job.index, out.ended))
			check_state(w);
	}
	if (w->outbox != NULL)
		send_results(w);
	if (ran == 1 && w->unchecked > 0)
		check_state(w);
}

int oxi_worker_run(struct oxi_mail *m, ox_reply *outer, ox_bytes *ret)
{
	struct oxi_worker *w = outer->worker;
	struct oxi_record job;
	ox_reply out;
	const void *in;

	read_record(m, 0, &job, &in);
	OXI_CHECK(job.index < w->page->jobs);
	begin_reply(w, m, 0, &job, &out);
	out.outer = outer;
	out.depth = outer->depth + 1;
	int status = run_job(w, &job, payload_at(w, &job, in), &out, true, ret);
	oxi_worker_page(w);
	return status;
}

static bool run_inbox(struct oxi_worker *w)
{
	struct oxi_mail m;

	if (!oxi_worker_inbox(w, &m))
		return false;
	run_batch(w, &m);
	oxi_worker_inbox_done(w);
	return true;
}

static void run_mail(struct oxi_worker *w)
{
	struct oxi_mail *m = OXI_CONTAINER(oxi_list_shift(&w->mail), struct oxi_mail, link);

	if (m->header.type == OXI_JOBS) {
		run_batch(w, m);
		w->by_channel++;
	}
	free(m);
}

void oxi_worker_loop(struct oxi_worker *w)
{
	for (;;) {
		if (OXI_UNLIKELY(oxi_worker_summoned(w)))
			oxi_worker_open_channel(w);
		if (run_inbox(w))
			continue;
		if (!oxi_list_empty(&w->mail))
			run_mail(w);
		else if (oxi_worker_is_drained(w))
			return;
		else if (!oxi_worker_sleep(w, w->unchecked > 0 ? LULL_MS : -1))
			check_state(w);
	}
}
