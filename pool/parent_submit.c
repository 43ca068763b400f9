/* SPDX-License-Identifier: MIT */
/*
 * The way into the pool:
 *
 *	admission (parks, FIFO; or says busy) -> job made -> dispatcher -> sent by the hook at the end of the turn
 *	                                             '-> waits for others (parent_after.c) -^
 *
 * What is wrong with a request is found before it waits for a place, and what may have ended meanwhile is asked again after. Work
 * that another job does already (parent_same.c) gives its place back and makes no job.
 */
#include <string.h>

#include "pool/parent_inside.h"

void ox_submit_options_init(ox_submit_options *o)
{
	*o = (ox_submit_options){ .size = sizeof *o };
}

/* What comes of a request. */
struct plan {
	const struct oxi_kind *kind;
	unsigned index;                 /* of the kind */
	ox_submit_options options;      /* defaults filled in */
	ox_time deadline;               /* of whom it is for; OX_NEVER: none */
	struct oxi_after *after;        /* NULL: none, or the job's */
};

const struct oxi_kind *oxi_pool_find_kind(const ox_pool *p, const ox_job *job)
{
	for (unsigned i = 0; i < p->job_count; i++)
		if (p->kinds[i].job == job)
			return &p->kinds[i];
	for (unsigned i = 0; i < p->job_count; i++)     /* a static in a header: each source file has its own */
		if (p->kinds[i].copy.fn == job->fn && strcmp(p->kinds[i].copy.name, job->name) == 0)
			return &p->kinds[i];
	return NULL;
}

static bool is_missing(ox_bytes b)
{
	return b.data == NULL && b.len > 0;
}

static int take_options(const ox_submit_options *o, ox_submit_options *ret)
{
	*ret = (ox_submit_options){ 0 };
	if (o == NULL)
		return 0;
	if (o->size == 0)
		return OX_EINVAL;
	memcpy(ret, o, o->size < sizeof *ret ? o->size : sizeof *ret);
	if (ret->priority < -OXI_PRIORITY_MAX || ret->priority > OXI_PRIORITY_MAX || ret->timeout < 0 || is_missing(ret->key) ||
	    is_missing(ret->same))
		return OX_EINVAL;
	if (ret->key_limit == 0)
		ret->key_limit = 1;
	return 0;
}

/* The checks that need no place. The futures that it is to come after may be gone when it has one, so they are noted here. */
static int may_submit(const struct oxi_request *q, struct plan *ret)
{
	ox_pool *p = q->pool;
	int r;

	if (p == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	if ((q->job == NULL && q->actor == NULL) || (q->in == NULL && q->len > 0) || (r = take_options(q->options, &ret->options)) < 0)
		return OX_EINVAL;
	if (p->closing || p->draining > 0)
		return OX_ECLOSED;
	ret->kind = q->actor != NULL ? q->kind : oxi_pool_find_kind(p, q->job);
	if (ret->kind == NULL)
		return OX_ENOJOB;
	ret->index = (unsigned)(ret->kind - p->kinds);
	if (OXI_UNLIKELY(p->quarantine != NULL) && oxi_quarantine_holds(p, ret->kind, q->in, q->len))
		return OX_EQUARANTINED;
	if (q->len > p->options.max_input)
		return OX_ETOOBIG;
	r = oxi_pool_attach(p);
	if (r == 0 && ret->options.after_count > 0)
		r = oxi_after_new(p, ret->options.after, ret->options.after_count, ret->options.after_any, &ret->after);
	return r;
}

/* What few jobs have. 0; OX_ENOMEM: oxi_job_discard() undoes what there is. */
static int add_extra(struct ox_result *j, const struct oxi_request *q, struct plan *plan)
{
	const ox_submit_options *o = &plan->options;
	bool is_call = q->group == NULL && plan->deadline != OX_NEVER;
	struct oxi_job_extra *x;

	if (o->key.len == 0 && plan->after == NULL && o->same.len == 0 && !is_call && o->affinity == 0 && q->actor == NULL)
		return 0;
	x = oxi_alloc(sizeof *x);
	if (x == NULL)
		return OX_ENOMEM;
	j->dispatch.extra = &x->dispatch;
	x->scope = is_call ? oxi_scope_here() : NULL;
	x->dispatch.affinity = o->affinity;
	x->dispatch.pin = q->actor != NULL ? oxi_actor_pin(q->actor) : NULL;
	x->after = plan->after;
	plan->after = NULL;
	if (o->key.len == 0)
		return 0;
	x->dispatch.key = oxi_dispatch_key(j->pool->dispatch, oxi_hash(o->key.data, o->key.len, 0), o->key_limit);
	return x->dispatch.key != NULL ? 0 : OX_ENOMEM;
}

/* For its future is in no group if it is shared: *ret is its submitter's then. 0; a code: nothing was made. */
static int make_future(struct ox_result *j, const struct oxi_request *q, const struct plan *plan, ox_future **ret)
{
	bool shared = plan->options.same.len > 0;
	int r = oxi_job_join(j, shared ? NULL : q->group);

	if (shared)
		return oxi_same_new(j, plan->options.same, q->group, ret);
	if (r == 0)
		j->pool->submitted++;
	*ret = &j->future;
	return r;
}

/* The job without its future. 0; OX_ENOMEM. */
static int make_planned(const struct oxi_request *q, struct plan *plan, struct ox_result **ret)
{
	const ox_submit_options *o = &plan->options;
	struct ox_result *j;
	int r = oxi_job_new(q->pool, q->in, q->len, &j);

	if (r < 0)
		return r;
	j->dispatch.priority = (int8_t)o->priority;
	oxi_job_enter_books(j, plan->index);
	if (o->timeout != 0)
		j->dispatch.timeout = o->timeout <= OX_NEVER / 4 ? o->timeout : 0;
	j->dispatch.dated = plan->deadline != OX_NEVER;
	r = add_extra(j, q, plan);
	if (r < 0) {
		oxi_job_discard(j);
		return r;
	}
	*ret = j;
	return 0;
}

/* Makes the job, or has it share another's work, and gives it to the dispatcher. 0; a code: nothing was made. */
static int enter(const struct oxi_request *q, struct plan *plan, ox_future **ret)
{
	ox_pool *p = q->pool;
	const ox_submit_options *o = &plan->options;
	struct oxi_same *same = o->same.len > 0 ? oxi_same_find(p, plan->index, o->same) : NULL;
	struct ox_result *j;
	int r;

	if (same != NULL) {
		r = oxi_same_join(same, q->group, ret);
		if (r == 0)
			oxi_place_shrink(p, q->len);
		return r;
	}
	if (plan->after != NULL && (r = oxi_after_verdict(plan->after)) < 0)
		return r;
	r = make_planned(q, plan, &j);
	if (r < 0)
		return r;
	r = make_future(j, q, plan, ret);
	if (r < 0) {
		oxi_job_discard(j);
		return r;
	}
	j->number = (uint32_t)++p->numbers;
	j->future.spare = (uint16_t)(p->numbers >> 32);
	oxi_pool_hold(p);
	struct oxi_job_extra *x = oxi_job_extra(&j->dispatch);
	if (x == NULL || x->after == NULL || !oxi_after_wait(x->after, j))
		oxi_dispatch_submit(p->dispatch, &j->dispatch, oxi_pool_now());
	return 0;
}

/* What was asked for may have ended while a place was waited for. */
static int may_still_submit(const struct oxi_request *q)
{
	if (q->pool->closing)
		return OX_ECLOSED;
	return q->actor != NULL ? oxi_actor_status(q->actor) : 0;
}

static int submit(const struct oxi_request *q, ox_time deadline, bool wait, ox_future **ret)
{
	ox_pool *p = q->pool;
	struct plan plan = { .deadline = deadline };
	int r = may_submit(q, &plan);

	if (r == 0)
		r = wait ? oxi_place_await(p, q->len) : oxi_place_try(p, q->len) ? 0 : OX_EBUSY;
	if (r == 0) {
		r = may_still_submit(q);
		if (r == 0)
			r = enter(q, &plan, ret);
		if (r < 0)
			oxi_place_leave(p, q->len);
	}
	oxi_after_free(p, plan.after);
	return r;
}

/* It waits for no place: whoever has one might be waiting for this. */
int oxi_job_new_child(ox_pool *p, unsigned index, const void *in, size_t len, struct ox_result **ret)
{
	struct ox_result *j;
	int r = oxi_job_new(p, in, len, &j);

	if (r < 0)
		return r;
	oxi_job_join(j, NULL);
	oxi_job_enter_books(j, index);
	p->submitted++;
	oxi_place_take(p, len);
	oxi_pool_hold(p);
	*ret = j;
	return 0;
}

/* Has what was submitted sent: once for the whole turn, at once when there is a message full of it. */
static void send_soon(ox_pool *p)
{
	oxi_hook_arm(&p->flush);
	if (oxi_dispatch_eager(p->dispatch))
		oxi_dispatch_flush(p->dispatch, oxi_pool_now());
}

/* Into a group that may have been cancelled. */
int oxi_job_submit_to_group(const struct oxi_request *q, bool wait, ox_future **ret)
{
	if (q->group == NULL)
		return OX_ENOMEM;
	ox_time deadline = oxi_group_deadline(q->group);
	if (deadline == INT64_MIN)
		return OX_ECANCELED;
	int r = wait ? oxi_checkpoint() : 0;
	if (r == 0)
		r = submit(q, deadline, wait, ret);
	if (r == 0)
		send_soon(q->pool);
	return r;
}

ox_future *ox_submit_with(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len,
                          const ox_submit_options *o)
{
	struct oxi_request q = { .group = g, .pool = p, .job = job, .in = in, .len = len, .options = o };
	ox_future *f;
	int r = oxi_forked() ? OX_EFORKED : oxi_job_submit_to_group(&q, true, &f);

	return r == 0 ? f : oxi_future_failed(g, r);
}

ox_future *ox_submit(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len)
{
	return ox_submit_with(g, p, job, in, len, NULL);
}

int ox_try_submit(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len,
                  const ox_submit_options *o, ox_future **ret)
{
	struct oxi_request q = { .group = g, .pool = p, .job = job, .in = in, .len = len, .options = o };

	if (oxi_forked())
		return OX_EFORKED;
	if (ox_loop_self() == NULL)
		return OX_ESTATE;
	return oxi_job_submit_to_group(&q, false, ret);
}

/* Outside of any group: for its caller, who waits. */
int oxi_job_submit_call(const struct oxi_request *q, ox_future **ret)
{
	int r = oxi_checkpoint();

	if (r == 0)
		r = submit(q, ox_deadline(), true, ret);
	if (r == 0)
		send_soon(q->pool);
	return r;
}

int oxi_job_await(ox_future *f, ox_result **ret)
{
	int r = ox_await(f);

	if (r >= 0 && ret != NULL)
		*ret = oxi_job_of(f);
	else
		oxi_future_release(f);
	return r;
}

int ox_call(ox_pool *p, const ox_job *job, const void *in, size_t len, ox_result **ret)
{
	ox_future *f;
	int r = oxi_job_submit_call(&(struct oxi_request){ .pool = p, .job = job, .in = in, .len = len }, &f);

	return r == 0 ? oxi_job_await(f, ret) : r;
}

int oxi_job_make(const struct oxi_request *q, struct ox_result **ret)
{
	struct plan plan = { .kind = q->kind, .index = (unsigned)(q->kind - q->pool->kinds), .deadline = OX_NEVER };
	int r = make_planned(q, &plan, ret);

	if (r == 0)
		oxi_job_join(*ret, NULL);
	return r;
}

void oxi_job_enter(struct ox_result *j)
{
	ox_pool *p = j->pool;

	oxi_place_take(p, j->input_len);
	p->submitted++;
	oxi_pool_hold(p);
	oxi_dispatch_submit(p->dispatch, &j->dispatch, oxi_pool_now());
}
