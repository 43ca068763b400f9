/* SPDX-License-Identifier: MIT */
#include "cli/batch/events.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"

double oxi_wall_clock(ox_time t)
{
	struct timespec real, mono;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return (double)(real.tv_sec - mono.tv_sec) + (double)(real.tv_nsec - mono.tv_nsec) / 1e9 + (double)t / 1e9;
}

/* Milliseconds are enough for a point in time, microseconds for a length of it. */
static double rounded(double seconds, double steps)
{
	return (double)(int64_t)(seconds * steps + 0.5) / steps;
}

static double seconds(ox_time t)
{
	return rounded((double)t / 1e9, 1e6);
}

int oxi_events_open(const char *where)
{
	uint64_t n;
	if (strncmp(where, "fd:", 3) != 0) {
		int fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
		return fd < 0 ? -errno : fd;
	}
	if (oxi_value_count(where + 3, 1, INT32_MAX, &n) < 0)
		return OX_EINVAL;
	return fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0 ? -errno : (int)n;
}

int oxi_events_begin(struct oxi_events *e, int fd)
{
	*e = (struct oxi_events){ .sink = oxi_sink_of(fd), .lock = ox_lock_new(), .on = true };
	return e->lock ? 0 : OX_ENOMEM;
}

void oxi_events_close(struct oxi_events *e)
{
	if (!e->on)
		return;
	ox_lock_free(e->lock);
	if (e->sink.fd > STDERR_FILENO)
		close(e->sink.fd);
	*e = (struct oxi_events){ 0 };
}

/* ---- a line ---- */

struct line {
	struct oxi_buffer text;
	struct oxi_json json;
};

static void begin(struct line *l, struct oxi_events *e, const char *name)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	*l = (struct line){ 0 };
	l->json.out = &l->text;
	oxi_json_begin(&l->json, NULL, '{');
	if (e->n == 0)
		oxi_json_int(&l->json, "v", 1);
	oxi_json_int(&l->json, "n", (int64_t)++e->n);
	oxi_json_double(&l->json, "t", rounded((double)t.tv_sec + (double)t.tv_nsec / 1e9, 1e3));
	oxi_json_text(&l->json, "ev", name);
}

/* Ends and writes it. Numbers come in the order of the lines: nothing yields between begin and the lock's queue. */
static int end(struct line *l, struct oxi_events *e)
{
	oxi_json_end(&l->json);
	oxi_buffer_add_char(&l->text, '\n');
	int r = l->text.failed || l->json.failed ? OX_ENOMEM : ox_lock_acquire(e->lock);
	if (r == 0) {
		r = oxi_sink_write(&e->sink, l->text.data, l->text.len);
		ox_lock_release(e->lock);
	}
	oxi_buffer_free(&l->text);
	return r;
}

static void add_values(struct oxi_json *json, const struct oxi_job *j)
{
	oxi_json_begin(json, "values", '[');
	for (size_t i = 0; i < j->n; i++)
		oxi_json_bytes(json, NULL, j->value[i].data, j->value[i].len);
	oxi_json_end(json);
}

void oxi_record_members(struct oxi_json *json, const struct oxi_job *j)
{
	oxi_json_int(json, "job", (int64_t)j->seq);
	oxi_json_int(json, "attempt", j->attempt);
	oxi_json_text(json, "status", oxi_status_name(j->outcome.status));
	oxi_json_int(json, "exit", j->outcome.exit);
	if (j->outcome.signal)
		oxi_json_int(json, "signal", j->outcome.signal);
	oxi_json_double(json, "wall", seconds(j->wall));
	oxi_json_double(json, "user", seconds(j->ended.user));
	oxi_json_double(json, "sys", seconds(j->ended.system));
	oxi_json_int(json, "maxrss", (int64_t)j->ended.max_rss);
	oxi_json_int(json, "out", (int64_t)j->received[0]);
	oxi_json_int(json, "err", (int64_t)j->received[1]);
}

int oxi_events_run(struct oxi_events *e, const char *id, char *const *argv, uint64_t jobs)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "run");
	oxi_json_text(&l.json, "id", id);
	oxi_json_begin(&l.json, "argv", '[');
	oxi_json_text(&l.json, NULL, "oxbow");
	for (; argv && *argv; argv++)
		oxi_json_bytes(&l.json, NULL, *argv, strlen(*argv));
	oxi_json_end(&l.json);
	if (jobs)
		oxi_json_int(&l.json, "jobs", (int64_t)jobs);
	return end(&l, e);
}

int oxi_events_start(struct oxi_events *e, const struct oxi_job *j, unsigned slot, pid_t pid)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "start");
	oxi_json_int(&l.json, "job", (int64_t)j->seq);
	oxi_json_int(&l.json, "attempt", j->attempt);
	oxi_json_int(&l.json, "slot", slot + 1);
	oxi_json_int(&l.json, "pid", pid);
	oxi_json_text(&l.json, "at", "local");
	add_values(&l.json, j);
	return end(&l, e);
}

int oxi_events_finish(struct oxi_events *e, const struct oxi_job *j)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "finish");
	oxi_record_members(&l.json, j);
	return end(&l, e);
}

int oxi_events_retry(struct oxi_events *e, const struct oxi_job *j, ox_time wait)
{
	struct line l;
	char why[32];
	if (!e->on)
		return 0;
	if (j->outcome.status == OXI_TIMEOUT)
		strcpy(why, "timeout");
	else
		snprintf(why, sizeof(why), j->outcome.signal ? "signal:%d" : "exit:%d",
		         j->outcome.signal ? j->outcome.signal : j->outcome.exit);
	begin(&l, e, "retry");
	oxi_json_int(&l.json, "job", (int64_t)j->seq);
	oxi_json_int(&l.json, "attempt", j->attempt);
	oxi_json_double(&l.json, "in", seconds(wait));
	oxi_json_text(&l.json, "why", why);
	return end(&l, e);
}

int oxi_events_halt(struct oxi_events *e, const char *mode, const char *why)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "halt");
	oxi_json_text(&l.json, "mode", mode);
	oxi_json_text(&l.json, "why", why);
	return end(&l, e);
}

int oxi_events_fetch(struct oxi_events *e, const char *url, bool robots, unsigned attempt)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "fetch");
	oxi_json_text(&l.json, "url", url);
	oxi_json_text(&l.json, "for", robots ? "robots" : "page");
	oxi_json_int(&l.json, "attempt", attempt);
	return end(&l, e);
}

int oxi_events_result(struct oxi_events *e, const char *url, int status, const char *error, unsigned attempt, ox_time took,
                      size_t bytes)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "result");
	oxi_json_text(&l.json, "url", url);
	if (status)
		oxi_json_int(&l.json, "http", status);
	oxi_json_text(&l.json, "error", error);
	oxi_json_int(&l.json, "attempt", attempt);
	oxi_json_double(&l.json, "wall", seconds(took));
	oxi_json_int(&l.json, "bytes", (int64_t)bytes);
	return end(&l, e);
}

int oxi_events_again(struct oxi_events *e, const char *url, unsigned attempt, ox_time wait, const char *why)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "again");
	oxi_json_text(&l.json, "url", url);
	oxi_json_int(&l.json, "attempt", attempt);
	oxi_json_double(&l.json, "in", seconds(wait));
	oxi_json_text(&l.json, "why", why);
	return end(&l, e);
}

int oxi_events_end(struct oxi_events *e, const struct oxi_tally *t, uint64_t skipped, int exit)
{
	struct line l;
	if (!e->on)
		return 0;
	begin(&l, e, "end");
	oxi_json_int(&l.json, "ok", (int64_t)(t->done - t->failed - t->skipped));
	oxi_json_int(&l.json, "failed", (int64_t)t->failed);
	oxi_json_int(&l.json, "interrupted", (int64_t)t->interrupted);
	oxi_json_int(&l.json, "skipped", (int64_t)(skipped + t->skipped));
	oxi_json_int(&l.json, "exit", exit);
	return end(&l, e);
}
