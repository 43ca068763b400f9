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
 * Messages are copied off the channel as they come, because a job may have to wait for an answer of its own
 * (GRANT) in the middle of a batch whose inputs lie in the message before.
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

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return OX_SEC(t.tv_sec) + t.tv_nsec;
}

/* ---- messages ---- */

void oxi_worker_send(struct oxi_worker *w, struct oxi_header *h, const void *body)
{
	h->epoch = w->page->epoch;
	h->generation = w->heritage->generation;
	if (oxi_channel_send(w->channel, NULL, h, body) < 0)
		_exit(OXI_EXIT_PARENT);
}

bool oxi_worker_receive(struct oxi_worker *w, int timeout_ms)
{
	struct oxi_received m;
	int r;

	while ((r = oxi_channel_receive(w->channel, &m)) != 1 || m.header.epoch != w->page->epoch) {
		if (r == 0)
			r = oxi_channel_wait(w->channel, timeout_ms);
		if (r < 0)
			_exit(OXI_EXIT_PARENT);
		if (r == 0)
			return false;
	}
	struct oxi_mail *mail = malloc(sizeof *mail + m.len);
	if (mail == NULL)
		_exit(OXI_EXIT_PARENT);
	mail->header = m.header;
	if (m.len > 0)
		memcpy(mail->body, m.body, m.len);
	oxi_list_append(&w->mail, &mail->link);
	return true;
}

/* Takes the answer out of the mail, if the message that came last is it. */
static bool take_grant(struct oxi_worker *w, uint64_t lease, struct oxi_record *ret)
{
	struct oxi_mail *last = OXI_CONTAINER(w->mail.prev, struct oxi_mail, link);
	const void *payload;

	if (last->header.type != OXI_GRANT)
		return false;
	int r = oxi_body_record(last->body, last->header.length, last->header.count, 0, ret, &payload);
	oxi_list_remove(&last->link);
	free(last);
	return r == 0 && ret->lease == lease;
}

uint8_t *oxi_worker_need(struct oxi_worker *w, uint64_t lease, size_t length, size_t *ret_cap)
{
	uint8_t body[OXI_WIRE_RECORD];
	struct oxi_record r = { .lease = lease, .length = length, .flags = OXI_RECORD_GRANT };

	oxi_record_encode(body, &r);
	oxi_worker_send(w, &(struct oxi_header){ .type = OXI_NEED, .count = 1, .length = sizeof body }, body);
	do
		oxi_worker_receive(w, -1);
	while (!take_grant(w, lease, &r));
	*ret_cap = (size_t)r.length;
	return r.length == 0 ? NULL : w->heritage->arena.base + r.place;
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
	w->sent_at = now();
	if (outbox_count(w) == 0)
		return;
	if (OXI_UNLIKELY(w->page->chaos.on))
		oxi_worker_chaos(w, OXI_CHAOS_DELAY);
	struct oxi_header h = { .type = OXI_RESULTS, .count = outbox_count(w), .length = outbox_len(w) };
	oxi_worker_send(w, &h, w->outbox->body);
	w->outbox = NULL;
}

/* The result is there from the moment that count says so. */
static void publish(struct oxi_worker *w, struct oxi_record *r)
{
	uint32_t count = outbox_count(w);

	if ((r->flags & OXI_RECORD_ARENA) == 0) {
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
	return atomic_load_explicit(&out->worker->slot->told, memory_order_relaxed) == out->lease;
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

static void run_job(struct oxi_worker *w, const struct oxi_record *job, const void *in, ox_reply *out, bool last)
{
	int64_t begun = now();

	out->data = w->outbox->body + outbox_len(w);
	if (out->timeout > 0 && out->timeout < out->deadline - begun)
		out->deadline = begun + out->timeout;
	atomic_store_explicit(&w->slot->since, begun, memory_order_relaxed);
	atomic_store_explicit(&w->slot->running, job->lease, memory_order_release);
	bool killed = OXI_UNLIKELY(w->page->chaos.on) && oxi_worker_chaos_begin(w);
	const struct oxi_job_entry *entry = &w->page->job[job->index];
	int status = entry->role == OXI_ROLE_JOB ? entry->fn(in, (size_t)job->length, out) : oxi_worker_act(w, job, in, out);
	if (!*w->original)
		_exit(OXI_EXIT_OK);     /* a child that the job forked came back; the job's own process goes on */
	if (OXI_UNLIKELY(killed))
		raise(SIGKILL);
	int64_t ended = now();
	bool send = last || ended - w->sent_at >= SEND_AFTER;
	if (send && !oxi_channel_intact(w->channel))
		_exit(OXI_EXIT_CLOSED);         /* still running, as the slot says: this job's crash */

	bool failed = status >= 0 && out->error != 0;
	struct oxi_record r = {
		.job = (uint64_t)begun, .lease = job->lease, .index = job->index, .time = ended - begun,
		.status = failed ? out->error : status, .length = failed ? 0 : out->len,
		.flags = (uint16_t)(failed ? OXI_RECORD_LIMIT : out->in_arena ? OXI_RECORD_ARENA : 0),
		.place = out->in_arena ? (uint64_t)(out->data - w->heritage->arena.base) : 0,
	};
	publish(w, &r);
	atomic_store_explicit(&w->slot->running, 0, memory_order_release);
	if (OXI_UNLIKELY(w->page->chaos.on))
		oxi_worker_chaos(w, OXI_CHAOS_RESULT);
	if (send)
		send_results(w);
}

/* Says that a job whose deadline has passed was not begun. */
static void leave_out(struct oxi_worker *w, const struct oxi_record *job)
{
	struct oxi_record r = {
		.job = job->job, .lease = job->lease, .index = job->index, .status = OX_ECANCELED,
		.flags = OXI_RECORD_LIMIT | OXI_RECORD_LATE,
	};

	publish(w, &r);
}

/* The reply of the job whose record is the i-th, with what the records behind it say. Returns the number of the next job's. */
static uint32_t begin_reply(struct oxi_worker *w, const struct oxi_mail *m, uint32_t i, const struct oxi_record *job, ox_reply *ret)
{
	const struct oxi_job_entry *entry = &w->page->job[job->index];
	struct oxi_record r;
	const void *payload;

	*ret = (ox_reply){
		.magic = OXI_REPLY_MAGIC, .worker = w, .lease = job->lease, .max = entry->max_result, .cap = OXI_INLINE,
		.deadline = OX_NEVER, .timeout = entry->timeout, .mail = m,
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

static void run_batch(struct oxi_worker *w, const struct oxi_mail *m)
{
	uint32_t count = m->header.count;
	struct oxi_record job;
	ox_reply out;
	const void *in;

	if (OXI_UNLIKELY(w->page->chaos.on))
		oxi_worker_chaos(w, OXI_CHAOS_DELAY);
	w->sent_at = now();
	for (uint32_t i = 0, next; i < count; i = next) {
		if (OXI_UNLIKELY(w->page->chaos.on))
			oxi_worker_chaos(w, OXI_CHAOS_START);
		read_record(m, i, &job, &in);
		OXI_CHECK(job.index < w->page->jobs);
		next = begin_reply(w, m, i, &job, &out);
		if (!claim(w, job.lease))
			continue;
		if (w->outbox != NULL && outbox_len(w) + OXI_INLINE > OXI_OUTBOX)
			send_results(w);
		if (w->outbox == NULL)
			open_outbox(w, count - i < OXI_BATCH ? count - i : OXI_BATCH);
		if (out.deadline != OX_NEVER && now() >= out.deadline)
			leave_out(w, &job);
		else
			run_job(w, &job, payload_at(w, &job, in), &out, next == count);
	}
	if (w->outbox != NULL)
		send_results(w);
}

void oxi_worker_loop(struct oxi_worker *w)
{
	for (;;) {
		if (oxi_list_empty(&w->mail))
			oxi_worker_receive(w, -1);
		struct oxi_mail *m = OXI_CONTAINER(oxi_list_shift(&w->mail), struct oxi_mail, link);
		uint8_t type = m->header.type;
		if (type == OXI_JOBS)
			run_batch(w, m);
		free(m);
		if (type == OXI_DRAIN)
			return;
	}
}
