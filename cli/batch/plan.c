/* SPDX-License-Identifier: MIT */
/*
 * A task waits until the tasks before it are over, and then stands in the heap of its lane: by priority, then the one
 * furthest down its row of sources, so that what was begun is ended before more is begun, then in the order of the file.
 * The feeder of the lane takes the first one, has it give a job, and puts it back.
 *
 *	add, after, source -> release -> (waits: 0) -> ready -> gives jobs -> given_all -> all settled -> over
 *	                                                                           the tasks after it: waits - 1
 *
 * A task that comes after one that was not as it had to be gives its jobs all the same, marked as skipped: they pass through
 * slot, ledger and printer like others, without being run, so that everybody hears of them in one way.
 *
 * A task with sinks stops giving jobs while too many elements of it wait there, those that its running jobs may
 * still make among them: a fast beginning of a row is slowed by its end, and memory is bounded.
 */
#include "cli/batch/plan.h"

#include <stdlib.h>

#include "cli/batch/gather.h"

enum oxi_lane oxi_task_lane(const struct oxi_task *t)
{
	return t->kind == OXI_CALL ? OXI_LANE_CALL : t->kind == OXI_FETCH ? OXI_LANE_FETCH : OXI_LANE_RUN;
}

/* ---- heaps ---- */

static bool goes_first(const struct oxi_task *a, const struct oxi_task *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->depth != b->depth ? a->depth > b->depth : a->number < b->number;
}

static int push(struct oxi_heap *h, struct oxi_task *t)
{
	if (h->n == h->cap) {
		size_t cap = h->cap ? 2 * h->cap : 8;
		struct oxi_task **grown = realloc(h->task, cap * sizeof(struct oxi_task *));
		if (!grown)
			return OX_ENOMEM;
		h->task = grown;
		h->cap = cap;
	}
	size_t i = h->n++;
	for (; i && goes_first(t, h->task[(i - 1) / 2]); i = (i - 1) / 2)
		h->task[i] = h->task[(i - 1) / 2];
	h->task[i] = t;
	return 0;
}

static struct oxi_task *pop(struct oxi_heap *h)
{
	struct oxi_task *first = h->task[0], *last = h->task[--h->n];
	size_t i = 0;
	for (size_t k; (k = 2 * i + 1) < h->n; i = k) {
		if (k + 1 < h->n && goes_first(h->task[k + 1], h->task[k]))
			k++;
		if (!goes_first(h->task[k], last))
			break;
		h->task[i] = h->task[k];
	}
	h->task[i] = last;
	return first;
}

static int make_ready(struct oxi_plan *p, struct oxi_task *t)
{
	if (t->waiting || t->waits || t->given_all)
		return 0;
	int r = push(&p->ready[oxi_task_lane(t)], t);
	t->waiting = r == 0;
	if (r == 0 && p->news)
		ox_event_set(p->news);
	return r;
}

/* ---- making it ---- */

int oxi_plan_add(struct oxi_plan *p, struct oxi_task *t)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 8;
		struct oxi_task **grown = realloc(p->task, cap * sizeof(struct oxi_task *));
		if (!grown)
			return OX_ENOMEM;
		p->task = grown;
		p->cap = cap;
	}
	t->number = (uint32_t)p->n;
	t->last = &t->first;
	p->task[p->n++] = t;
	p->left[oxi_task_lane(t)]++;
	return 0;
}

int oxi_plan_release(struct oxi_plan *p, struct oxi_task *t)
{
	for (const struct oxi_task *s = t->source; s; s = s->source)
		t->depth++;
	return make_ready(p, t);
}

void oxi_plan_close(struct oxi_plan *p)
{
	p->open = false;
	if (p->news)
		ox_event_set(p->news);
}

/* ---- the end of a task ---- */

void oxi_task_let(const struct oxi_task *t, struct oxi_task *after, enum oxi_condition when)
{
	bool as_it_must_be = when == OXI_AFTER_ANY || (when == OXI_AFTER_FAIL ? t->failed > 0 : !t->failed && !t->skipped);
	if (as_it_must_be || after->skipped)
		return;
	after->skipped = true;
	after->because = t;
}

static int end_task(struct oxi_plan *p, struct oxi_task *t)
{
	int r = 0;
	if (t->over || !t->given_all || t->settled < t->given)
		return 0;
	t->over = true;
	for (size_t i = 0; i < t->edges && r == 0; i++) {
		struct oxi_task *to = t->edge[i].to;
		oxi_task_let(t, to, t->edge[i].when);
		to->waits--;
		r = make_ready(p, to);
	}
	for (size_t i = 0; i < t->sinks && r == 0; i++) {
		struct oxi_task *sink = t->sink[i];
		if (t->skipped && !sink->skipped) {
			sink->skipped = true;
			sink->because = t->because;
		}
		r = make_ready(p, sink);                /* to find that there will be no more */
	}
	return r;
}

/* ---- jobs ---- */

static int give(struct oxi_plan *p, struct oxi_task *t, const ox_bytes *value, size_t n, struct oxi_job **ret)
{
	struct oxi_job *j = oxi_job_new(t, p->jobs + 1, value, n, p->spill);
	*ret = j;
	if (!j)
		return OX_ENOMEM;
	p->jobs++;
	j->index = ++t->given;
	if (t->skipped)
		j->outcome.status = OXI_SKIPPED;
	return OXI_PLAN_JOB;
}

static int give_row(struct oxi_plan *p, struct oxi_task *t, struct oxi_job **ret)
{
	int r = oxi_input_next(t->in);
	if (r > 0)
		return give(p, t, t->in->value, t->in->n, ret);
	if (r < 0 && t->in->why.len) {
		oxi_buffer_add(&p->why, t->in->why.data, t->in->why.len);
		t->in->why.len = 0;
	}
	return r;
}

static bool is_ahead(const struct oxi_plan *p, const struct oxi_task *t)
{
	for (size_t i = 0; i < t->sinks; i++) {
		if (t->sink[i]->elements + (t->given - t->settled) >= p->ahead)
			return true;
	}
	return false;
}

static int give_element(struct oxi_plan *p, struct oxi_task *t, struct oxi_job **ret)
{
	struct oxi_element *e = t->first;
	if (!e)
		return t->source->over ? OXI_PLAN_OVER : OXI_PLAN_LATER;
	t->first = e->next;
	if (!t->first)
		t->last = &t->first;
	t->elements--;
	int r = give(p, t, e->value, e->n, ret);
	if (r > 0) {
		(*ret)->row = e->row;
		(*ret)->fault = e->fault;
		e->row = NULL;
		e->fault = NULL;
	}
	oxi_element_free(e);
	int s = is_ahead(p, t->source) ? 0 : make_ready(p, t->source);
	if (s < 0 && r > 0) {
		oxi_job_free(*ret);
		return s;
	}
	return r;
}

/*
 * One that is skipped is not prepared: what its rows are read from has not been made. It gives a single job, without values.
 * Those whose source it is follow it at once: what they want of its jobs has to be known before the first of these has ended.
 */
static int prepare(struct oxi_plan *p, struct oxi_task *t)
{
	int (*fn)(struct oxi_task *t, struct oxi_buffer *why) = t->skipped ? NULL : t->prepare;
	if (!fn)
		return 0;
	t->prepare = NULL;
	int r = fn(t, &p->why);
	for (size_t i = 0; i < t->sinks && r == 0; i++)
		r = prepare(p, t->sink[i]);
	return r;
}

static int give_next(struct oxi_plan *p, struct oxi_task *t, struct oxi_job **ret)
{
	if (is_ahead(p, t))
		return OXI_PLAN_LATER;
	int r = t->source && t->source->prepare ? 0 : prepare(p, t);
	if (r < 0)
		return r;
	if (t->source)
		return give_element(p, t, ret);
	if (t->in)
		return give_row(p, t, ret);
	return t->given ? OXI_PLAN_OVER : give(p, t, NULL, 0, ret);
}

/* The next one of t, which has left the heap. */
static int take_from(struct oxi_plan *p, struct oxi_task *t, struct oxi_job **ret)
{
	int r = give_next(p, t, ret);
	t->waiting = false;
	if (r == OXI_PLAN_OVER) {
		t->given_all = true;
		p->left[oxi_task_lane(t)]--;
		r = end_task(p, t);
		return r < 0 ? r : OXI_PLAN_LATER;
	}
	int s = r == OXI_PLAN_JOB ? make_ready(p, t) : 0;
	if (s < 0)
		oxi_job_free(*ret);
	return s < 0 ? s : r;
}

int oxi_plan_next(struct oxi_plan *p, enum oxi_lane lane, struct oxi_job **ret)
{
	while (p->ready[lane].n) {
		int r = take_from(p, pop(&p->ready[lane]), ret);
		if (r == OXI_PLAN_LATER)
			continue;
		int known = r == OXI_PLAN_JOB && p->known ? p->known(p->arg, *ret) : 0;
		if (known == 0)
			return r;
		r = known < 0 ? known : oxi_plan_settle(p, *ret);
		oxi_job_free(*ret);
		if (r < 0)
			return r;
	}
	return p->open || p->left[lane] ? OXI_PLAN_LATER : OXI_PLAN_OVER;
}

static int add_element(struct oxi_plan *p, struct oxi_task *t, const struct oxi_job *j)
{
	struct oxi_element *e = oxi_element_new(t, j);
	if (!e)
		return OX_ENOMEM;
	*t->last = e;
	t->last = &e->next;
	t->elements++;
	return make_ready(p, t);
}

int oxi_plan_settle(struct oxi_plan *p, const struct oxi_job *j)
{
	struct oxi_task *t = j->task;
	bool ok = j->outcome.status == OXI_OK || j->outcome.status == OXI_UP_TO_DATE;
	int r = 0;
	t->settled++;
	t->failed += j->outcome.status == OXI_FAILED || j->outcome.status == OXI_TIMEOUT;
	if (ok && t->gathered)
		oxi_gather_add(t, j);
	for (size_t i = 0; i < t->sinks && ok && r == 0; i++)
		r = add_element(p, t->sink[i], j);
	if (r == 0 && t->sinks && !is_ahead(p, t))
		r = make_ready(p, t);
	return r < 0 ? r : end_task(p, t);
}

uint64_t oxi_plan_total(const struct oxi_plan *p)
{
	uint64_t total = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct oxi_task *t = p->task[i];
		uint64_t n = t->given_all ? t->given : t->source || t->prepare ? 0 : t->in ? oxi_input_total(t->in) : 1;
		if (n == 0 && !t->given_all)
			return 0;
		total += n;
	}
	return p->open ? 0 : total;
}

static void free_elements(struct oxi_task *t)
{
	while (t->first) {
		struct oxi_element *e = t->first;
		t->first = e->next;
		oxi_element_free(e);
	}
}

void oxi_plan_free(struct oxi_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free_elements(p->task[i]);
		oxi_task_free(p->task[i]);
	}
	for (int i = 0; i < OXI_LANES; i++)
		free(p->ready[i].task);
	oxi_resources_free(&p->resources);
	free(p->task);
	oxi_buffer_free(&p->why);
	*p = (struct oxi_plan){ 0 };
}
