/* SPDX-License-Identifier: MIT */
/* What is put on record, by whoever has it. */
#include <stdlib.h>
#include <time.h>

#include <oxbow/run.h>
#include <oxbow/scope.h>

#include "cli/state/parts.h"

/* Room for one more behind n of them. */
static bool grow(void **list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t more = *cap ? 2 * *cap : 64;
	void *bigger = realloc(*list, more * size);
	if (!bigger)
		return false;
	*list = bigger;
	*cap = more;
	return true;
}

static int commit_row(struct oxi_state *s, struct oxi_row *row)
{
	ox_event *committed = s->committed[s->turn];
	row->n = ++s->recorded;
	*s->last = row;
	s->last = &row->next;
	s->waiting++;
	ox_event_set(s->more);
	while (!row->done) {
		if (s->committer)
			ox_event_wait(committed);
		else
			oxi_commit_all(s);
	}
	return row->result;
}

int oxi_state_record(struct oxi_state *s, const struct oxi_record *r)
{
	struct oxi_row row = { .r = r };
	ox_scope scope;
	if (r->seq == 0 || r->seq > OXI_SEQ_MAX)
		return OX_EINVAL;
	ox_scope_shield(&scope, OX_NEVER);
	int result = oxi_blobs_write(s, &row);
	if (result == 0)
		result = commit_row(s, &row);
	if (result < 0)
		oxi_blobs_drop(s, &row);
	oxi_buffer_free(&row.out);
	oxi_buffer_free(&row.err);
	return ox_scope_leave(&scope, result);
}

int oxi_state_attempt(struct oxi_state *s, const struct oxi_record *r)
{
	if (!grow((void **)&s->attempt, s->attempts, &s->attempts_cap, sizeof(*s->attempt)))
		return OX_ENOMEM;
	s->attempt[s->attempts++] = (struct oxi_attempt){
		.id = oxi_job_id(s->session, r->seq), .status = r->status, .exit = r->exit, .signal = r->signal,
		.attempt = r->attempt, .slot = r->slot, .began = r->began, .wall = r->wall, .user = r->user,
		.system = r->system, .max_rss = r->max_rss,
	};
	ox_event_set(s->more);
	return 0;
}

int oxi_shown_mark(struct oxi_state *s, uint64_t id)
{
	if (!grow((void **)&s->shown, s->showns, &s->shown_cap, sizeof(*s->shown)))
		return OX_ENOMEM;
	s->shown[s->showns++] = id;
	ox_event_set(s->more);
	return 0;
}

int oxi_state_shown(struct oxi_state *s, uint64_t seq)
{
	return oxi_shown_mark(s, oxi_job_id(s->session, seq));
}

/* ---- the run as a whole: a few statements, each by itself ---- */

/* In the order of those who ask. */
static int locked(struct oxi_state *s, int (*fn)(ox_sqlite *db, void *arg), void *arg)
{
	ox_scope scope;
	ox_scope_shield(&scope, OX_NEVER);
	int r = ox_lock_acquire(s->lock);
	if (r == 0) {
		r = ox_sqlite_transaction(s->db, fn, arg, NULL);
		if (r < 0)
			r = oxi_state_failed(s, r);
		ox_lock_release(s->lock);
	}
	return ox_scope_leave(&scope, r);
}

static int write_task(ox_sqlite *db, void *arg)
{
	const struct oxi_state_task *t = arg;
	int r = ox_sqlite_query(db, "insert or replace into task values (?, ?, ?, ?)",
	                        OX_VALUES(ox_int(t->n), ox_text(t->name), ox_int(t->kind), ox_int((int64_t)t->jobs)), NULL);
	if (r == 0)
		r = ox_sqlite_query(db, "delete from edge where task = ?", OX_VALUES(ox_int(t->n)), NULL);
	for (size_t i = 0; i < t->edges && r == 0; i++)
		r = ox_sqlite_query(db, "insert or replace into edge values (?, ?, ?)",
		                    OX_VALUES(ox_int(t->n), ox_int(t->edge[i].from), ox_int(t->edge[i].when)), NULL);
	return r;
}

struct tasks {
	const struct oxi_state_task *t;
	size_t n;
};

static int write_tasks(ox_sqlite *db, void *arg)
{
	const struct tasks *all = arg;
	int r = 0;
	for (size_t i = 0; i < all->n && r == 0; i++)
		r = write_task(db, (void *)&all->t[i]);
	return r;
}

int oxi_state_tasks(struct oxi_state *s, const struct oxi_state_task *t, size_t n)
{
	return locked(s, write_tasks, &(struct tasks){ t, n });
}

int oxi_state_task(struct oxi_state *s, const struct oxi_state_task *t)
{
	return oxi_state_tasks(s, t, 1);
}

struct end {
	const struct oxi_state *s;
	const struct oxi_tally *t;
	uint64_t skipped;
	double now;
	int exit;
};

static int write_end(ox_sqlite *db, void *arg)
{
	const struct end *e = arg;
	return ox_sqlite_query(db,
		"update session set ended = ?, done = ?, failed = ?, timeouts = ?, interrupted = ?, skipped = ?, exit = ? where n = ?",
		OX_VALUES(ox_real(e->now), ox_int((int64_t)e->t->done), ox_int((int64_t)e->t->failed), ox_int((int64_t)e->t->timeouts),
		          ox_int((int64_t)e->t->interrupted), ox_int((int64_t)e->skipped), ox_int(e->exit), ox_int(e->s->session)), NULL);
}

int oxi_state_end(struct oxi_state *s, const struct oxi_tally *t, uint64_t skipped, int exit)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct end e = { s, t, skipped, (double)now.tv_sec + (double)now.tv_nsec / 1e9, exit };
	int r = oxi_commit_all(s);
	return r < 0 ? r : locked(s, write_end, &e);
}

int oxi_state_failed(struct oxi_state *s, int r)
{
	oxi_buffer_free(&s->error);
	r = oxi_schema_error(s->db, r, &s->error);
	oxi_buffer_add_char(&s->error, '\0');
	return r;
}

const char *oxi_state_dir(const struct oxi_state *s)
{
	return s->dir;
}

const char *oxi_state_error(const struct oxi_state *s)
{
	return s->error.data && !s->error.failed ? s->error.data : "";
}
