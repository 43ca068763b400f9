/* SPDX-License-Identifier: MIT */
#include "cli/batch/durable.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/events.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/temp.h"

static int say(const struct oxi_durability *d, const char *what, int r)
{
	const char *text = d->state ? oxi_state_error(d->state) : "";
	oxi_say(d->command, "%s: %s", what, *text ? text : ox_strerror(r));
	return r;
}

/* ---- opening ---- */

int oxi_durable_open(struct oxi_durability *d, const char *id)
{
	char newest[40];
	struct oxi_buffer why = { 0 };
	const char *dir = d->o->dir;
	if (!dir || d->o->ephemeral)
		return 0;
	if (*dir == '\0') {
		snprintf(newest, sizeof(newest), ".oxbow/%s", id);
		dir = newest;
	}
	int r = oxi_state_open(dir, d->o->resume != OXI_RESUME_NO, &d->state, &why);
	if (r < 0)
		oxi_say(d->command, "%.*s", (int)why.len, why.data);
	oxi_buffer_free(&why);
	return r == 0 ? 0 : r == OX_EBUSY ? OXI_EXIT_LOCKED : OXI_EXIT_OUTPUT;
}

/* ---- what is done already ---- */

static int identify(struct oxi_durability *d, struct oxi_job *j)
{
	struct oxi_identity i = oxi_identity_of(&j->task->identity, j->value, j->n);
	int64_t before = oxi_state_occurrence(d->state, oxi_identity_head(&i));
	if (before < 0)
		return OX_ENOMEM;
	j->identity = before ? oxi_identity_of(&i, &(ox_bytes){ &before, sizeof(before) }, 1) : i;
	return 0;
}

/* How it failed; and what it had made, for jobs that are made from it. Of most jobs nobody wants to know. */
static int find(struct oxi_durability *d, struct oxi_job *j)
{
	struct oxi_found f;
	bool wanted = j->task->sinks || j->task->gathered || j->outcome.status == OXI_FAILED;
	int r = wanted ? oxi_state_find(d->state, &j->identity, &f) : 0;
	if (r <= 0)
		return r;
	j->outcome = f.outcome;
	oxi_buffer_add(&j->product.value, f.value.data, f.value.len);
	if (f.out.path)
		oxi_buffer_add_text(&j->product.body, f.out.path);
	oxi_found_free(&f);
	return 0;
}

/* Does name mean it? See struct oxi_durable_options. */
static bool is_named(const struct oxi_job *j, const char *name)
{
	const char *task = j->task->name;
	size_t len = task ? strlen(task) : 0;
	char number[32];
	snprintf(number, sizeof(number), "%" PRIu64, j->seq);
	if (strcmp(name, number) == 0)
		return true;
	snprintf(number, sizeof(number), "[%" PRIu64 "]", j->index);
	return len && strncmp(name, task, len) == 0 && (!name[len] || strcmp(name + len, number) == 0);
}

static bool is_asked_for(const struct oxi_durable_options *o, const struct oxi_job *j)
{
	size_t i = 0;
	while (i < o->only_n && !is_named(j, o->only[i]))
		i++;
	return i < o->only_n;
}

/* Whether a job that has ended so, if it is on record, is not run again. */
static bool is_left_out(const struct oxi_durability *d, const struct oxi_job *j, bool recorded, enum oxi_status status)
{
	if (d->o->resume == OXI_ONLY)
		return !is_asked_for(d->o, j);
	bool failed = recorded && (status == OXI_FAILED || status == OXI_TIMEOUT);
	return d->o->resume == OXI_RETRY_FAILED ? !failed : recorded && !(failed && d->o->resume == OXI_RESUME_FAILED);
}

static void count(struct oxi_durability *d, const struct oxi_job *j, bool recorded)
{
	d->known += recorded;
	if (recorded)
		oxi_tally_add(d->tally, j->outcome);
}

/* plan.h: known */
static int is_known(void *arg, struct oxi_job *j)
{
	struct oxi_durability *d = arg;
	struct oxi_outcome o = { 0 };
	int r = identify(d, j);
	if (r < 0 || d->o->resume == OXI_RESUME_NO)
		return r;
	bool recorded = oxi_state_done(d->state, &j->identity, &o.status) > 0 && o.status != OXI_SKIPPED;
	if (!is_left_out(d, j, recorded, o.status))
		return 0;
	j->outcome = recorded ? o : (struct oxi_outcome){ .status = OXI_INTERRUPTED };
	r = recorded ? find(d, j) : 0;
	count(d, j, recorded);
	return r < 0 ? r : 1;
}

/* ---- a job log ---- */

static int is_logged(void *arg, struct oxi_job *j)
{
	struct oxi_durability *d = arg;
	struct oxi_outcome o = { 0 };
	bool recorded = oxi_logged_find(&d->logged, j->seq, &o);
	if (!is_left_out(d, j, recorded, o.status))
		return 0;
	j->outcome = recorded ? o : (struct oxi_outcome){ .status = OXI_INTERRUPTED };
	count(d, j, recorded);
	return 1;
}

bool oxi_durable_from_log(const struct oxi_durable_options *o)
{
	return o->resume != OXI_RESUME_NO && (!o->dir || o->ephemeral);
}

int oxi_durable_log(struct oxi_durability *d, struct oxi_plan *p, const char *path, bool look)
{
	struct oxi_buffer why = { 0 };
	off_t end;
	path += *path == '+';
	int r = oxi_logged_read(path, &d->logged, &end, &why);
	if (r == 0 && !look && truncate(path, end) < 0 && errno != ENOENT && errno != EINVAL)     /* EINVAL: it is no file */
		r = -errno;
	if (r < 0)
		oxi_say(d->command, "cannot resume from the job log: %.*s", (int)(why.len ? why.len : strlen(ox_strerror(r))),
		        why.len ? why.data : ox_strerror(r));
	oxi_buffer_free(&why);
	p->known = is_logged;
	p->arg = d;
	return r == 0 ? 0 : OXI_EXIT_INPUT;
}

void oxi_durable_free(struct oxi_durability *d)
{
	for (size_t i = 0; i < d->bodies; i++)
		close(d->body[i]);
	free(d->body);
	oxi_state_close(d->state);
	d->state = NULL;
	oxi_logged_free(&d->logged);
}

/* ---- the plan, for those who look ---- */

/* Edges are kept where they begin; on record they stand where they end. */
static struct oxi_state_edge *edges_in(const struct oxi_plan *p, struct oxi_state_task *t)
{
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++) {
		for (size_t k = 0; k < p->task[i]->edges; k++)
			t[p->task[i]->edge[k].to->number].edges++;
		for (size_t k = 0; k < p->task[i]->sinks; k++)
			t[p->task[i]->sink[k]->number].edges++;
	}
	for (size_t i = 0; i < p->n; i++)
		n += t[i].edges;
	struct oxi_state_edge *edge = calloc(n + 1, sizeof(*edge)), *next = edge;
	for (size_t i = 0; edge && i < p->n; i++) {
		t[i].edge = next;
		next += t[i].edges;
		t[i].edges = 0;
	}
	return edge;
}

static void put_edge(struct oxi_state_task *t, uint32_t from, int when)
{
	((struct oxi_state_edge *)t->edge)[t->edges++] = (struct oxi_state_edge){ from, when };
}

static int write_plan(struct oxi_durability *d, const struct oxi_plan *p)
{
	struct oxi_state_task *t = calloc(p->n + 1, sizeof(*t));
	struct oxi_state_edge *edge = t ? edges_in(p, t) : NULL;
	int r = edge ? 0 : OX_ENOMEM;
	for (size_t i = 0; i < p->n && r == 0; i++) {
		const struct oxi_task *task = p->task[i];
		t[i].n = (uint32_t)i;
		t[i].name = task->name;
		t[i].kind = (int)task->kind;
		t[i].jobs = task->source || task->prepare ? 0 : task->in ? oxi_input_total(task->in) : 1;
		for (size_t k = 0; k < task->edges; k++)
			put_edge(&t[task->edge[k].to->number], (uint32_t)i, (int)task->edge[k].when);
		for (size_t k = 0; k < task->sinks; k++)
			put_edge(&t[task->sink[k]->number], (uint32_t)i, OXI_EDGE_FOREACH);
	}
	if (r == 0)
		r = oxi_state_tasks(d->state, t, p->n);
	free(edge);
	free(t);
	return r;
}

int oxi_durable_begin(struct oxi_durability *d, struct oxi_plan *p, const struct oxi_run_info *info)
{
	struct oxi_buffer why = { 0 };
	if (!d->state)
		return 0;
	int r = oxi_state_begin(d->state, d->o->durable, info, &why);
	if (r < 0)
		oxi_say(d->command, "%.*s", (int)why.len, why.data);
	oxi_buffer_free(&why);
	if (r < 0)
		return r;
	p->known = is_known;
	p->arg = d;
	r = write_plan(d, p);
	return r < 0 ? say(d, "cannot record the jobs", r) : 0;
}

/* ---- output of before ---- */

struct shower {
	struct oxi_printer *p;
	int which;
};

static int show_piece(void *arg, const char *data, size_t len)
{
	struct shower *s = arg;
	return oxi_sink_write(&s->p->sink[s->which], data, len);
}

static int show(void *arg, const struct oxi_found *job)
{
	struct shower s = { .p = arg, .which = 0 };
	int r = oxi_stored_each(&job->out, show_piece, &s);
	s.which = 1;
	return r < 0 ? r : oxi_stored_each(&job->err, show_piece, &s);
}

int oxi_durable_catch_up(struct oxi_durability *d, struct oxi_printer *p)
{
	return d->state && d->o->resume != OXI_RESUME_NO ? oxi_state_unshown(d->state, show, p) : 0;
}

/* ---- jobs ---- */

static struct oxi_record record_of(const struct oxi_job *j)
{
	return (struct oxi_record){
		.key = j->identity, .seq = j->seq, .task = j->task->number, .name = j->name.len ? j->name.data : NULL,
		.words = { j->words.data, j->words.len }, .status = j->outcome.status, .exit = j->outcome.exit,
		.signal = j->outcome.signal, .attempt = j->attempt, .slot = j->slot + 1,
		.began = oxi_wall_clock(j->ended.began), .wall = j->wall, .user = j->ended.user, .system = j->ended.system,
		.max_rss = j->ended.max_rss, .received = { j->received[0], j->received[1] },
	};
}

struct body {
	int fd;
	off_t end;
};

static int write_piece(void *arg, const char *data, size_t len)
{
	struct body *b = arg;
	int r = oxi_temp_write(b->fd, data, len, b->end);
	b->end += (off_t)len;
	return r;
}

/* A run without a record keeps such files open, without a name in any folder: so nothing is left, whatever ends it. */
static int keep_body(struct oxi_durability *d, struct oxi_job *j)
{
	int *grown = realloc(d->body, (d->bodies + 1) * sizeof(*grown));
	if (!grown)
		return OX_ENOMEM;
	d->body = grown;
	int fd = oxi_temp_open();
	if (fd < 0)
		return -errno;
	d->body[d->bodies++] = fd;
	oxi_buffer_add_format(&j->product.body, "/proc/%d/fd/%d", (int)getpid(), fd);
	return oxi_capture_each(&j->out, write_piece, &(struct body){ .fd = fd });
}

int oxi_durable_record(struct oxi_durability *d, struct oxi_job *j)
{
	if (!d->state)
		return j->task->body && j->attempt && !d->dry ? keep_body(d, j) : 0;
	struct oxi_buffer why = { 0 };
	struct oxi_record r = record_of(j);
	r.out = &j->out;
	r.err = &j->err;
	r.body_as_file = j->task->body && j->attempt;
	if (j->product.value.len)
		r.value = (ox_bytes){ j->product.value.data, j->product.value.len };
	if (j->outcome.status == OXI_SKIPPED && j->task->because) {
		oxi_buffer_add_format(&why, "%s", j->task->because->name ? j->task->because->name : "a job before it");
		oxi_buffer_add_char(&why, '\0');
		r.why = why.data;
	}
	int e = oxi_state_record(d->state, &r);
	oxi_buffer_free(&why);
	if (e == 0 && r.body_as_file)
		e = oxi_state_body(d->state, j->seq, &j->product.body);
	if (j->product.body.len && j->product.body.data[j->product.body.len - 1] == '\0')
		j->product.body.len--;
	return e;
}

int oxi_durable_attempt(struct oxi_durability *d, const struct oxi_job *j)
{
	struct oxi_record r = record_of(j);
	return d->state ? oxi_state_attempt(d->state, &r) : 0;
}

int oxi_durable_end(struct oxi_durability *d, uint64_t skipped, int exit)
{
	int r = d->state ? oxi_state_end(d->state, d->tally, skipped, exit) : 0;
	return r < 0 ? say(d, "cannot record the run's end", r) : 0;
}
