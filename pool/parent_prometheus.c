/* SPDX-License-Identifier: MIT */
/*
 * Text for Prometheus, exposition format 0.0.4: each metric once, with HELP and TYPE and then a line for each pool (and job).
 * Histograms have a bucket for each power of two between 8 us and 69 s; its bound is the longest span in it, which makes
 * them exact. Numbers are written without the C library's locale.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <oxbow/quarantine.h>

#include "pool/measure.h"
#include "pool/parent.h"

enum { FIRST_POWER = 13, LAST_POWER = 36 };

/* ---- text that may be longer than its buffer ---- */

struct text {
	char *buf;
	size_t cap, len;
};

__attribute__((format(printf, 2, 3)))
static void put(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->len < t->cap ? t->buf + t->len : NULL, t->len < t->cap ? t->cap - t->len : 0, format, args);
	va_end(args);
	t->len += n > 0 ? (size_t)n : 0;
}

/* In a label: backslash, quote and newline are escaped. */
static void put_escaped(struct text *t, const char *s)
{
	for (; *s != '\0'; s++)
		if (*s == '\n')
			put(t, "\\n");
		else
			put(t, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
}

static void put_seconds(struct text *t, ox_time ns)
{
	put(t, "%lld.%09lld", (long long)(ns / OX_SEC(1)), (long long)(ns % OX_SEC(1)));
}

/* metric{pool="...",job="..." and what the caller adds; job NULL: no such label. */
static void put_labels(struct text *t, const char *metric, const ox_pool *p, const char *job)
{
	put(t, "%s{pool=\"", metric);
	put_escaped(t, p->options.name != NULL ? p->options.name : "pool");
	put(t, "\"");
	if (job == NULL)
		return;
	put(t, ",job=\"");
	put_escaped(t, job);
	put(t, "\"");
}

static void put_head(struct text *t, const char *metric, const char *type, const char *help)
{
	put(t, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

/* ---- figures of the pool ---- */

struct figure {
	const char *metric, *label, *value;     /* a label besides the pool's, or NULL */
	const char *type, *help;        /* NULL: as the one before, whose metric it shares */
	size_t at;                      /* in ox_pool_stats */
	bool is_unsigned;               /* else uint64_t */
};

#define LONG(member)  offsetof(ox_pool_stats, member), false
#define SHORT(member) offsetof(ox_pool_stats, member), true

static const struct figure figures[] = {
	{ "oxbow_pool_submitted_total", NULL, NULL, "counter", "Jobs submitted.", LONG(submitted) },
	{ "oxbow_pool_ended_total", "end", "done", "counter", "Jobs that have ended, by how.", LONG(done) },
	{ "oxbow_pool_ended_total", "end", "failed", NULL, NULL, LONG(failed) },
	{ "oxbow_pool_ended_total", "end", "cancelled", NULL, NULL, LONG(cancelled) },
	{ "oxbow_pool_pending", NULL, NULL, "gauge", "Jobs queued or running.", LONG(pending) },
	{ "oxbow_pool_pending_bytes", NULL, NULL, "gauge", "Bytes of their inputs.", LONG(pending_bytes) },
	{ "oxbow_pool_workers", "state", "ready", "gauge", "Worker processes, by state; busy and stopped ones are ready too.", SHORT(workers) },
	{ "oxbow_pool_workers", "state", "busy", NULL, NULL, SHORT(busy) },
	{ "oxbow_pool_workers", "state", "starting", NULL, NULL, SHORT(starting) },
	{ "oxbow_pool_workers", "state", "stopped", NULL, NULL, SHORT(stopped) },
	{ "oxbow_pool_workers_spawned_total", NULL, NULL, "counter", "Workers started.", LONG(spawned) },
	{ "oxbow_pool_workers_crashed_total", NULL, NULL, "counter", "Workers that died on their own.", LONG(crashed) },
	{ "oxbow_pool_workers_killed_total", NULL, NULL, "counter", "Workers killed by a cancel, a timeout or a limit.", LONG(killed) },
	{ "oxbow_pool_retries_total", NULL, NULL, "counter", "Attempts after the first.", LONG(retried) },
	{ "oxbow_pool_late_total", NULL, NULL, "counter", "Results that came when their job was over.", LONG(late) },
	{ "oxbow_pool_rejected_total", NULL, NULL, "counter", "Peers and messages refused.", LONG(rejected) },
};

static uint64_t value_of(const ox_pool *p, const struct figure *f)
{
	ox_pool_stats s = { .size = sizeof s };

	ox_pool_get_stats(p, &s);
	const char *at = (const char *)&s + f->at;
	return f->is_unsigned ? *(const unsigned *)(const void *)at : *(const uint64_t *)(const void *)at;
}

static void put_figures(struct text *t, ox_pool *const *pools, size_t n)
{
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
		const struct figure *f = &figures[i];
		if (f->type != NULL)
			put_head(t, f->metric, f->type, f->help);
		for (size_t k = 0; k < n; k++) {
			put_labels(t, f->metric, pools[k], NULL);
			if (f->label != NULL)
				put(t, ",%s=\"%s\"", f->label, f->value);
			put(t, "} %llu\n", (unsigned long long)value_of(pools[k], f));
		}
	}
	put_head(t, "oxbow_pool_quarantined", "gauge", "Inputs in quarantine.");
	for (size_t k = 0; k < n; k++) {
		put_labels(t, "oxbow_pool_quarantined", pools[k], NULL);
		put(t, "} %zu\n", ox_quarantine_count(pools[k]));
	}
}

/* ---- figures of each job ---- */

static void put_histogram(struct text *t, const char *metric, const ox_pool *p, const char *job, const ox_histogram *h)
{
	char name[64];
	uint64_t below = 0;
	unsigned bucket = 0;

	snprintf(name, sizeof name, "%s_bucket", metric);
	for (unsigned power = FIRST_POWER; power <= LAST_POWER; power++) {
		ox_time bound = (ox_time)1 << power;
		for (; ox_histogram_bound(bucket) < bound; bucket++)
			below += h->bucket[bucket];
		put_labels(t, name, p, job);
		put(t, ",le=\"");
		put_seconds(t, bound - 1);
		put(t, "\"} %llu\n", (unsigned long long)below);
	}
	put_labels(t, name, p, job);
	put(t, ",le=\"+Inf\"} %llu\n", (unsigned long long)h->count);
	snprintf(name, sizeof name, "%s_sum", metric);
	put_labels(t, name, p, job);
	put(t, "} ");
	put_seconds(t, h->sum);
	snprintf(name, sizeof name, "%s_count", metric);
	put(t, "\n");
	put_labels(t, name, p, job);
	put(t, "} %llu\n", (unsigned long long)h->count);
}

static void put_ends(struct text *t, const ox_pool *p, const char *job, const struct oxi_measured *m)
{
	const struct { const char *end; uint64_t n; } ends[] = { { "done", m->done }, { "failed", m->failed }, { "cancelled", m->cancelled } };

	for (size_t i = 0; i < 3; i++) {
		put_labels(t, "oxbow_job_ended_total", p, job);
		put(t, ",end=\"%s\"} %llu\n", ends[i].end, (unsigned long long)ends[i].n);
	}
}

static void put_jobs(struct text *t, ox_pool *const *pools, size_t n, const char *metric, int time)
{
	for (size_t k = 0; k < n; k++)
		for (unsigned i = 0; pools[k]->measured != NULL && i < pools[k]->kind_count; i++) {
			const struct oxi_measured *m = &pools[k]->measured[i];
			const char *job = pools[k]->kinds[i].copy.name;
			if (time < 0)
				put_ends(t, pools[k], job, m);
			else
				put_histogram(t, metric, pools[k], job, &m->time[time]);
		}
}

ssize_t ox_pool_prometheus(ox_pool *const *pools, size_t n, char *buf, size_t cap)
{
	static const struct { const char *metric, *type, *help; int time; } metrics[] = {
		{ "oxbow_job_ended_total", "counter", "Jobs that have ended, by kind and how.", -1 },
		{ "oxbow_job_queue_seconds", "histogram", "From being queued until the job began.", OX_JOB_QUEUE },
		{ "oxbow_job_run_seconds", "histogram", "Running in the worker.", OX_JOB_RUN },
		{ "oxbow_job_round_trip_seconds", "histogram", "From being queued until the result was here.", OX_JOB_ROUND_TRIP },
	};
	struct text t = { .buf = buf, .cap = cap };
	bool measured = false;

	if (oxi_forked())
		return OX_EFORKED;
	for (size_t k = 0; k < n; k++) {
		OXI_CHECK_OBJECT(pools[k], OXI_POOL_MAGIC);
		measured |= pools[k]->measured != NULL;
	}
	if (cap > 0)
		*buf = '\0';
	put_figures(&t, pools, n);
	for (size_t i = 0; measured && i < sizeof metrics / sizeof *metrics; i++) {
		put_head(&t, metrics[i].metric, metrics[i].type, metrics[i].help);
		put_jobs(&t, pools, n, metrics[i].metric, metrics[i].time);
	}
	return (ssize_t)t.len;
}
