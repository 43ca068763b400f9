/* SPDX-License-Identifier: MIT */
/*
 * What a job says while it runs.
 *
 * Progress and note are stores into the level of the slot that is this job's: a sequence lock whose one writer is this
 * process. A line for the log is a message; how many may be on their way is bounded by the count of those that the parent
 * has handled, which stands in the slot, and their rate by the clock. A part of the result goes through the outbox, like a
 * result, so it is in order with that and survives this process.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oxbow/report.h>

#include "include/private/check.h"
#include "pool/worker.h"

#define LOG_UNHEARD  256u               /* lines on their way */
#define LOG_INTERVAL OX_MS(1)           /* between lines, on average */
#define LOG_LUMP     OX_MS(100)         /* of them at once */

/* ---- progress and note ---- */

static struct oxi_report *begin_report(ox_reply *out, uint32_t *ret_seq)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (!*out->worker->original)
		return NULL;
	struct oxi_report *r = &out->worker->slot->report[out->depth];
	*ret_seq = atomic_load_explicit(&r->seq, memory_order_relaxed) | 1;     /* odd already: the last writer died in it */
	atomic_store_explicit(&r->seq, *ret_seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	if (atomic_load_explicit(&r->lease, memory_order_relaxed) != out->lease) {
		atomic_store_explicit(&r->done, 0, memory_order_relaxed);
		atomic_store_explicit(&r->total, 0, memory_order_relaxed);
		r->note[0] = '\0';
		atomic_store_explicit(&r->lease, out->lease, memory_order_relaxed);
	}
	return r;
}

static void end_report(struct oxi_report *r, uint32_t seq)
{
	atomic_store_explicit(&r->seq, seq + 1, memory_order_release);
}

void ox_job_progress(ox_reply *out, uint64_t done, uint64_t total)
{
	uint32_t seq;
	struct oxi_report *r = begin_report(out, &seq);

	if (r == NULL)
		return;
	atomic_store_explicit(&r->done, done, memory_order_relaxed);
	atomic_store_explicit(&r->total, total, memory_order_relaxed);
	end_report(r, seq);
}

/* At most cap bytes, and no half of a UTF-8 character. */
static size_t cut(const char *text, size_t cap)
{
	size_t len = strnlen(text, cap + 1);

	if (len <= cap)
		return len;
	for (len = cap; len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80; len--)
		;
	return len;
}

void ox_job_note(ox_reply *out, const char *text)
{
	uint32_t seq;
	struct oxi_report *r = begin_report(out, &seq);

	if (r == NULL)
		return;
	size_t len = text != NULL ? cut(text, OXI_NOTE - 1) : 0;
	if (len > 0)
		memcpy(r->note, text, len);
	r->note[len] = '\0';
	end_report(r, seq);
}

/* ---- log ---- */

static void send_line(ox_reply *out, int level, const char *text, size_t len)
{
	struct oxi_worker *w = out->worker;
	struct oxi_record r = { .lease = out->lease, .status = level, .length = len, .time = (int64_t)w->log_lost };

	w->logged++;
	w->log_lost = 0;
	oxi_worker_tell(w, OXI_LOG, &r, text);
}

static bool may_log(struct oxi_worker *w)
{
	int64_t now = oxi_worker_now();

	if (w->log_at < now - LOG_LUMP)
		w->log_at = now - LOG_LUMP;
	if (w->log_at > now || w->logged - atomic_load_explicit(&w->slot->logged, memory_order_relaxed) >= LOG_UNHEARD)
		return false;
	w->log_at += LOG_INTERVAL;
	return true;
}

void ox_job_log(ox_reply *out, ox_log_level level, const char *format, ...)
{
	char text[OXI_LOG_LINE + 2];
	va_list args;

	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (!*out->worker->original || out->worker->alone)
		return;
	if (!may_log(out->worker)) {
		out->worker->log_lost++;
		return;
	}
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	send_line(out, (int)level, text, n > 0 ? cut(text, OXI_LOG_LINE) : 0);
}

void oxi_worker_tell_lost(ox_reply *out)
{
	send_line(out, OX_LOG_WARNING, NULL, 0);
}

/* ---- parts ---- */

static bool is_full(const ox_reply *out, size_t len)
{
	return out->untaken > 0 &&
	       (out->untaken >= out->entry->emit_ahead || out->untaken_bytes + len > out->entry->emit_ahead_bytes);
}

/* Waits until there is room again; the answer says how much is left to take. */
static int await_takers(ox_reply *out)
{
	struct oxi_record r = { .lease = out->lease };
	const void *none;

	if (ox_job_cancelled(out))
		return OX_ECANCELED;
	struct oxi_mail *m = oxi_worker_ask(out->worker, OXI_FULL, &r, NULL);
	OXI_CHECK(oxi_body_record(m->body, (size_t)m->header.length, m->header.count, 0, &r, &none) == 0);
	free(m);
	out->untaken = (size_t)r.job;
	out->untaken_bytes = (size_t)r.time;
	return r.status;
}

int ox_job_emit(ox_reply *out, const void *data, size_t len)
{
	struct oxi_record r = { .flags = OXI_RECORD_PART };

	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (out->worker->alone)
		return len > out->max ? OX_ETOOBIG : 0;         /* a replay: nobody takes it */
	int status = oxi_reply_step_aside(out);
	while (status == 0 && is_full(out, len))
		status = await_takers(out);
	if (status == 0)
		status = oxi_worker_place(out, &r, data, len);
	if (status < 0)
		return status;
	uint8_t *page = oxi_worker_page(out->worker);
	if ((r.flags & OXI_RECORD_ARENA) == 0 && len > 0)
		memcpy(page, data, len);
	oxi_worker_publish(out->worker, &r);
	oxi_worker_turn_page(out->worker);
	out->untaken++;
	out->untaken_bytes += len;
	return 0;
}
