/* SPDX-License-Identifier: MIT */
/*
 * Group commit. What waits for the disk is what takes time: a commit costs the same for one row as for 256. So those who
 * record put their rows into a list and wait; the committer writes the list in one transaction and wakes them all.
 *
 *	recorder              committer                       thread of SQLite
 *	row -> list
 *	waits                 5 ms after its last commit,
 *	                      or 256 rows, or as many
 *	                      as can come: takes the list --> begin, insert 64 at a time, commit, fsync
 *	new rows -> list                             <------
 *	woken                 wakes the recorders
 *
 * So the first row after a pause is written at once, and a steady stream 200 times a second. While the committer does
 * not run, before the run's coroutines are started and after they were ended, who records writes the list himself.
 *
 * A statement takes its values many rows at a time, since to hand one over to the thread costs more than to insert a
 * row. Three lengths of each are prepared once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oxbow/run.h>
#include <oxbow/scope.h>

#include "cli/state/parts.h"

static const unsigned STEPS[OXI_STEPS] = { 64, 8, 1 };

static const struct table {
	const char *head, *tail;
	unsigned columns;
} TABLES[OXI_TABLES] = {
	[OXI_JOBS] = { "insert or replace into job values ", "", 21 },
	[OXI_OUTPUTS] = { "insert or replace into output values ", "", 6 },
	[OXI_ATTEMPTS] = { "insert or replace into attempt values ", "", 11 },
	[OXI_SHOWN] = { "update job set shown = 1 where id in (", ")", 1 },
	[OXI_REPLACED] = { "update job set final = 0 where id in (", ")", 1 },
};
#define WIDEST 21

/* ---- statements ---- */

/* "insert into t values (?,?),(?,?)", "... in (?,?)" */
static char *statement(const struct table *t, unsigned rows)
{
	struct oxi_buffer b = { 0 };
	bool list = *t->tail != '\0';
	oxi_buffer_add_text(&b, t->head);
	for (unsigned i = 0; i < rows; i++) {
		oxi_buffer_add_text(&b, i ? "," : "");
		oxi_buffer_add_text(&b, list ? "" : "(");
		for (unsigned c = 0; c < t->columns; c++)
			oxi_buffer_add_text(&b, c ? ",?" : "?");
		oxi_buffer_add_text(&b, list ? "" : ")");
	}
	oxi_buffer_add(&b, t->tail, strlen(t->tail) + 1);
	if (b.failed)
		oxi_buffer_free(&b);
	return b.data;
}

int oxi_commit_prepare(struct oxi_state *s)
{
	s->value = malloc(OXI_GROUP_ROWS * WIDEST * sizeof(*s->value));
	if (!s->value)
		return OX_ENOMEM;
	for (size_t t = 0; t < OXI_TABLES; t++) {
		for (size_t i = 0; i < OXI_STEPS; i++) {
			s->sql[t][i] = statement(&TABLES[t], STEPS[i]);
			if (!s->sql[t][i])
				return OX_ENOMEM;
		}
	}
	return 0;
}

int oxi_state_query(struct oxi_state *s, const char *sql, const ox_value *params, size_t n, ox_sqlite_result **ret)
{
	return ox_sqlite_query(s->db, sql, params, n, ret);
}

/* Runs the table's statement with the rows that are in s->value. */
static int write_rows(struct oxi_state *s, enum oxi_table t, size_t rows)
{
	const ox_value *v = s->value;
	int r = 0;
	for (size_t i = 0; i < OXI_STEPS && r >= 0; i++) {
		for (; rows >= STEPS[i] && r >= 0; rows -= STEPS[i], v += STEPS[i] * TABLES[t].columns)
			r = ox_sqlite_query(s->db, s->sql[t][i], v, STEPS[i] * TABLES[t].columns, NULL);
	}
	return r;
}

/* ---- values ---- */

static ox_value binary(const void *data, size_t len)
{
	return data ? ox_binary(data, len) : ox_null();
}

static ox_value text_of(ox_bytes b)
{
	ox_value v = binary(b.data, b.len);
	if (v.kind == OX_VALUE_BINARY)
		v.kind = OX_VALUE_TEXT;
	return v;
}

static void job_values(const struct oxi_state *s, const struct oxi_row *row, ox_value *v)
{
	const struct oxi_record *r = row->r;
	bool silent = row->out.len == 0 && row->err.len == 0 && !*row->file[0] && !*row->file[1];
	const ox_value values[] = {
		ox_int((int64_t)oxi_job_id(s->session, r->seq)), ox_binary(r->key.byte, sizeof(r->key.byte)), ox_int((int64_t)row->n),
		ox_int(r->task), ox_text(r->name), binary(r->words.data, r->words.len), ox_int(r->status), ox_int(r->exit),
		ox_int(r->signal), ox_int(r->attempt), ox_int(r->slot), ox_real(r->began), ox_int(r->wall), ox_int(r->user),
		ox_int(r->system), ox_int((int64_t)r->max_rss), ox_int((int64_t)r->received[0]), ox_int((int64_t)r->received[1]),
		ox_int(silent), ox_int(1), ox_text(r->why),
	};
	memcpy(v, values, WIDEST * sizeof(*v));
}

static void output_values(const struct oxi_state *s, const struct oxi_row *row, ox_value *v)
{
	v[0] = ox_int((int64_t)oxi_job_id(s->session, row->r->seq));
	v[1] = row->out.len ? ox_binary(row->out.data, row->out.len) : ox_null();
	v[2] = ox_text(*row->file[0] ? row->file[0] : NULL);
	v[3] = row->err.len ? ox_binary(row->err.data, row->err.len) : ox_null();
	v[4] = ox_text(*row->file[1] ? row->file[1] : NULL);
	v[5] = text_of(row->r->value);
}

static bool has_output(const struct oxi_row *row)
{
	return row->out.len || row->err.len || *row->file[0] || *row->file[1] || row->r->value.data;
}

static void attempt_values(const struct oxi_attempt *a, ox_value *v)
{
	const ox_value values[] = {
		ox_int((int64_t)a->id), ox_int(a->attempt), ox_int(a->status), ox_int(a->exit), ox_int(a->signal), ox_int(a->slot),
		ox_real(a->began), ox_int(a->wall), ox_int(a->user), ox_int(a->system), ox_int((int64_t)a->max_rss),
	};
	memcpy(v, values, sizeof(values));
}

/* ---- a group ---- */

/* What of the lists is in the transaction. More may come while that is under way. */
struct group {
	struct oxi_row *first;
	size_t rows, attempts, showns;
	ox_event *committed;
};

static void take(struct oxi_state *s, struct group *g)
{
	size_t most = s->durable == OXI_DURABLE_JOB ? 1 : OXI_GROUP_ROWS;
	struct oxi_row **end = &s->first;
	*g = (struct group){ .first = s->first, .committed = s->committed[s->turn] };
	for (; *end && g->rows < most; end = &(*end)->next)
		g->rows++;
	s->first = *end;
	*end = NULL;
	if (!s->first)
		s->last = &s->first;
	s->waiting -= g->rows;
	g->attempts = s->attempts < OXI_GROUP_ROWS ? s->attempts : OXI_GROUP_ROWS;
	g->showns = s->showns < OXI_GROUP_ROWS ? s->showns : OXI_GROUP_ROWS;
	if (!s->first)
		s->turn = !s->turn;
}

static int write_jobs(struct oxi_state *s, const struct group *g)
{
	size_t n = 0;
	for (struct oxi_row *row = g->first; row; row = row->next)
		job_values(s, row, s->value + WIDEST * n++);
	int r = write_rows(s, OXI_JOBS, n);
	n = 0;
	for (struct oxi_row *row = g->first; row; row = row->next) {
		if (has_output(row))
			output_values(s, row, s->value + TABLES[OXI_OUTPUTS].columns * n++);
	}
	return r < 0 ? r : write_rows(s, OXI_OUTPUTS, n);
}

/* Rows of earlier sessions whose job is done again. */
static int write_replaced(struct oxi_state *s, const struct group *g)
{
	size_t n = 0;
	for (struct oxi_row *row = g->first; row; row = row->next) {
		uint64_t before = oxi_keys_get(&s->keys, row->r->key.byte);
		if (before)
			s->value[n++] = ox_int((int64_t)(before >> 3));
	}
	return write_rows(s, OXI_REPLACED, n);
}

static int write_marks(struct oxi_state *s, const struct group *g)
{
	for (size_t i = 0; i < g->attempts; i++)
		attempt_values(&s->attempt[i], s->value + TABLES[OXI_ATTEMPTS].columns * i);
	int r = write_rows(s, OXI_ATTEMPTS, g->attempts);
	for (size_t i = 0; i < g->showns; i++)
		s->value[i] = ox_int((int64_t)s->shown[i]);
	return r < 0 ? r : write_rows(s, OXI_SHOWN, g->showns);
}

static int write_group(struct oxi_state *s, const struct group *g)
{
	int r = ox_sqlite_begin(s->db);
	if (r == 0)
		r = write_replaced(s, g);
	if (r == 0)
		r = write_jobs(s, g);
	if (r == 0)
		r = write_marks(s, g);
	return r == 0 ? ox_sqlite_commit(s->db) : r;
}

/* Those who wait, and not those who come. */
static void wake(ox_event *e)
{
	ox_event_set(e);
	ox_event_clear(e);
}

/* Removes the first n of a list of len. */
static size_t drop(void *list, size_t len, size_t n, size_t size)
{
	if (n)
		memmove(list, (char *)list + n * size, (len - n) * size);
	return len - n;
}

/* A group that could not be written is not written at all. Its marks wait for the next one, its recorders are told. */
static int commit_group(struct oxi_state *s)
{
	struct group g;
	take(s, &g);
	int r = write_group(s, &g);
	if (r < 0) {
		r = oxi_state_failed(s, r);
		ox_sqlite_rollback(s->db);
	} else {
		s->attempts = drop(s->attempt, s->attempts, g.attempts, sizeof(*s->attempt));
		s->showns = drop(s->shown, s->showns, g.showns, sizeof(*s->shown));
	}
	s->last_commit = ox_now();
	for (struct oxi_row *row = g.first, *next; row; row = next) {
		next = row->next;
		row->result = r;
		row->done = true;
	}
	wake(g.committed);
	return r;
}

static bool anything(const struct oxi_state *s)
{
	return s->first || s->attempts || s->showns;
}

int oxi_commit_all(struct oxi_state *s)
{
	ox_scope scope;
	ox_scope_shield(&scope, OX_NEVER);
	int r = ox_lock_acquire(s->lock);
	while (r == 0 && anything(s))
		r = commit_group(s);
	ox_lock_release(s->lock);
	return ox_scope_leave(&scope, r);
}

/* ---- the committer ---- */

static bool due(const struct oxi_state *s)
{
	size_t full = s->durable == OXI_DURABLE_JOB ? 1 : s->writers && s->writers < OXI_GROUP_ROWS ? s->writers : OXI_GROUP_ROWS;
	return s->waiting >= full || ox_now() >= s->last_commit + OXI_GROUP_TIME;
}

/* Waits until there is a group to write. */
static int wait_for_group(struct oxi_state *s)
{
	int r = 0;
	while (r == 0 && (!anything(s) || !due(s))) {
		ox_scope scope;
		ox_event_clear(s->more);
		ox_scope_enter(&scope, anything(s) ? s->last_commit + OXI_GROUP_TIME - ox_now() : OX_NEVER);
		r = ox_scope_leave(&scope, ox_event_wait(s->more));
		r = r == OX_ETIMEDOUT ? 0 : r;
	}
	return r;
}

int oxi_state_commit_run(void *state)
{
	struct oxi_state *s = state;
	int r;
	s->committer = true;
	do {
		r = wait_for_group(s);
		oxi_commit_all(s);
	} while (r == 0);
	/* What has failed to be written now, its recorders try themselves. */
	s->committer = false;
	wake(s->committed[0]);
	wake(s->committed[1]);
	return r;
}
