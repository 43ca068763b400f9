/* SPDX-License-Identifier: MIT */
/*
 * A job is a future, the dispatcher's record of it, and its input, in one piece of memory:
 *
 *	| ox_future | oxi_djob | pool, input or run time, story | room ... |
 *
 * An input of up to 4 KiB lies in the room, a larger one in the arena (parent_memory.c). The room takes the result when it
 * fits, for the input is needed no more by then. With nothing in the room a job is 200 bytes; jobs are
 * recycled through two free lists of the pool, so a million of them cost no million of allocations. What few jobs have
 * besides is in a struct of its own (oxi_job_extra).
 *
 *	submit: admission (parks, FIFO; or says busy) -> job made -> dispatcher -> sent by the hook at the end of the turn
 *	                                                 '-> waits for others (parent_after.c) -^
 *	end:    told by the dispatcher exactly once -> counts, input given back, story attached -> future resolved
 *
 * A result lives as long as its future; so does what it needs of the pool, even when that is closed before.
 */
#include <string.h>

#include "pool/measure.h"
#include "pool/parent_inside.h"

static bool job_cancel(ox_future *f, ox_cause cause);
static void job_release(ox_future *f);
static const char *job_name(const ox_future *f);

static const struct oxi_future_ops job_ops = {
	.kind = "job", .cancel = job_cancel, .release = job_release, .name = job_name,
};

_Static_assert(sizeof(struct ox_result) + OXI_ROOM_SMALL <= 200, "a queued job is small");

struct ox_result *oxi_job_of(const ox_future *f)
{
	return f != NULL && f->ops == &job_ops ? OXI_CONTAINER(f, struct ox_result, future) : NULL;
}

bool oxi_job_is(const ox_future *f, const ox_pool *p)
{
	const struct ox_result *j = oxi_job_of(f);

	return j != NULL ? j->pool == p : oxi_same_is(f, p);
}

static const char *job_name(const ox_future *f)
{
	const struct ox_result *j = oxi_job_of(f);

	return j->pool->kinds[j->dispatch.index].copy.name;
}

/* ---- memory ---- */

static int class_of(size_t room)
{
	return room <= OXI_ROOM_SMALL ? 0 : room <= OXI_ROOM_MEDIUM ? 1 : -1;
}

static struct ox_result *job_new(ox_pool *p, size_t room)
{
	int class = class_of(room);
	size_t cap = class == 0 ? OXI_ROOM_SMALL : class == 1 ? OXI_ROOM_MEDIUM : room;
	struct ox_result *j = class >= 0 ? p->free_jobs[class] : NULL;

	if (j != NULL)
		p->free_jobs[class] = (struct ox_result *)j->pool;
	else
		j = oxi_alloc(sizeof *j + cap);
	if (j == NULL)
		return NULL;
	memset(j, 0, sizeof *j);
	j->pool = p;
	j->cap = (uint16_t)cap;
	p->users++;
	return j;
}

static void job_free(struct ox_result *j)
{
	ox_pool *p = j->pool;
	int class = class_of(j->cap);

	if (class >= 0) {
		j->pool = (ox_pool *)p->free_jobs[class];
		p->free_jobs[class] = j;
	} else {
		oxi_free(j);
	}
	oxi_pool_unref(p);
}

static void drop_value(struct ox_result *j)
{
	const uint8_t *value = j->future.value;

	if (value == NULL || value == j->room)
		return;
	if (oxi_memory_inside(j->pool, value))
		oxi_memory_put(j->pool, value);
	else
		oxi_free((void *)value);
	j->future.value = NULL;
}

static void drop_input(struct ox_result *j)
{
	if (oxi_memory_inside(j->pool, j->input))
		oxi_memory_put(j->pool, j->input);
	else if (j->input != j->room)
		oxi_free((void *)j->input);
	j->run_time = 0;
}

static void drop_extra(struct ox_result *j)
{
	struct oxi_job_extra *x = oxi_job_extra(&j->dispatch);

	if (x == NULL)
		return;
	if (x->dispatch.key != NULL)    /* the dispatcher has not had the job */
		oxi_dispatch_unkey(j->pool->dispatch, x->dispatch.key);
	oxi_after_free(j->pool, x->after);
	oxi_free(x);
	j->dispatch.extra = NULL;
}

static void job_release(ox_future *f)
{
	struct ox_result *j = oxi_job_of(f);

	drop_value(j);
	if (j->story != NULL) {
		oxi_inside_free(j->story->inside);
		oxi_free(j->story->output);
		oxi_free(j->story->saved);
		oxi_free(j->story);
	}
	job_free(j);
}

/* 0 with the input in place; OX_ENOMEM. */
static int make_job(ox_pool *p, const void *in, size_t len, struct ox_result **ret)
{
	bool shared = len > 0 && oxi_memory_share(p, in, len);
	bool small = !shared && len <= OXI_INLINE;
	struct ox_result *j = job_new(p, small ? len : 0);

	if (j == NULL) {
		if (shared)
			oxi_memory_put(p, in);
		return OX_ENOMEM;
	}
	j->input_len = len;
	j->input = shared ? in : small ? j->room : oxi_memory_copy_or_own(p, in, len);
	if (j->input == NULL) {
		job_free(j);
		return OX_ENOMEM;
	}
	if (small && len > 0)
		memcpy(j->room, in, len);
	*ret = j;
	return 0;
}

/* ---- submit and call ---- */

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

/* Tells a new job's records what is known of its kind. */
static void enter_books(struct ox_result *j, unsigned index)
{
	const ox_job *kind = &j->pool->kinds[index].copy;

	j->dispatch.index = (uint16_t)index;
	j->dispatch.timeout = kind->timeout;
	j->dispatch.retries = (uint8_t)(kind->retries < UINT8_MAX ? kind->retries : UINT8_MAX);
}

uint64_t oxi_job_number(const struct ox_result *j)
{
	const struct oxi_inside *in = j->story != NULL ? j->story->inside : NULL;

	return in != NULL && in->parent != NULL ? in->number : (uint64_t)j->future.spare << 32 | j->number;
}

/* What few jobs have. 0; OX_ENOMEM: drop_extra() undoes what there is. */
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
	int r = oxi_future_init(&j->future, shared ? NULL : q->group, &job_ops);

	if (shared)
		return oxi_same_new(j, plan->options.same, q->group, ret);
	if (r == 0)
		j->pool->submitted++;
	*ret = &j->future;
	return r;
}

void oxi_job_discard(struct ox_result *j)
{
	if (j == NULL)
		return;
	drop_extra(j);
	drop_input(j);
	job_free(j);
}

/* The job without its future. 0; OX_ENOMEM. */
static int make_planned(const struct oxi_request *q, struct plan *plan, struct ox_result **ret)
{
	const ox_submit_options *o = &plan->options;
	struct ox_result *j;
	int r = make_job(q->pool, q->in, q->len, &j);

	if (r < 0)
		return r;
	j->dispatch.priority = (int8_t)o->priority;
	enter_books(j, plan->index);
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
	int r = make_job(p, in, len, &j);

	if (r < 0)
		return r;
	oxi_future_init(&j->future, NULL, &job_ops);
	enter_books(j, index);
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
		oxi_future_init(&(*ret)->future, NULL, &job_ops);
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

/* ---- the end ---- */

void oxi_job_cancel(struct ox_result *j)
{
	ox_pool *p = j->pool;
	const struct oxi_job_extra *x = oxi_job_extra(&j->dispatch);
	bool abandon = p->kinds[j->dispatch.index].copy.on_cancel == OX_ABANDON;

	if (x != NULL && x->after != NULL && oxi_after_leave(x->after)) {
		j->dispatch.state = OXI_ENDED;
		oxi_job_ended(p, &j->dispatch, OXI_END_CANCEL, OX_ECANCELED);
		return;
	}
	if (p->loop != NULL)
		oxi_hook_arm(&p->flush);        /* others may have its place now */
	oxi_dispatch_cancel(p->dispatch, &j->dispatch, OXI_END_CANCEL, OX_ECANCELED, abandon, oxi_pool_now());
}

static bool job_cancel(ox_future *f, ox_cause cause)
{
	(void)cause;
	oxi_job_cancel(oxi_job_of(f));
	return true;
}

struct oxi_story *oxi_job_story(struct ox_result *j)
{
	if (j->story == NULL)
		j->story = oxi_alloc(sizeof *j->story);
	return j->story;
}

ox_time oxi_job_deadline(void *t, const struct oxi_djob *dispatch)
{
	const struct ox_result *j = OXI_CONTAINER((struct oxi_djob *)dispatch, struct ox_result, dispatch);
	const struct oxi_job_extra *x = oxi_job_extra(dispatch);

	(void)t;
	if (x != NULL && x->same != NULL)
		return oxi_real_deadline(oxi_same_deadline(x->same));
	return oxi_real_deadline(x != NULL && x->scope != NULL ? oxi_scope_effective_deadline(x->scope)
	                                                       : oxi_group_deadline(j->future.group));
}

/* The job's own copy of a death, beside what it has of its own; captured output goes to the first that asks. */
static void attach_death(struct ox_result *j, struct oxi_story *death)
{
	struct oxi_story *s = oxi_job_story(j);

	if (s == NULL || s->crashed)
		return;
	s->crashed = true;
	s->crash = death->crash;
	memcpy(s->frames, death->frames, sizeof s->frames);
	s->crash.backtrace = death->crash.backtrace_len > 0 ? s->frames : NULL;
	s->crash.note = s->said.note[0] != '\0' ? s->said.note : NULL;
	s->crash.progress_done = s->said.done;
	s->crash.progress_total = s->said.total;
	memcpy(s->system_call, death->system_call, sizeof s->system_call);
	s->crash.system_call = s->system_call[0] != '\0' ? s->system_call : NULL;
	s->crash.job = j->pool->kinds[j->dispatch.index].copy.name;
	memcpy(s->host, death->host, sizeof s->host);
	s->crash.host = s->host[0] != '\0' ? s->host : NULL;
	s->output = death->output;
	s->output_len = death->output_len;
	s->output_truncated = death->output_truncated;
	s->saved = death->saved;
	death->output = death->saved = NULL;
	death->crash.output = NULL;
	death->output_len = death->crash.output_len = 0;
}

static void attach_output(struct ox_result *j, struct oxi_output *o)
{
	if (o != NULL && o->len > 0 && oxi_job_story(j) != NULL)
		oxi_output_move(o, j->story);
}

int oxi_job_store(struct ox_result *j, const struct oxi_record *r, const void *data, bool given,
                  struct oxi_output *output)
{
	size_t len = (size_t)r->length;

	j->limit = (r->flags & OXI_RECORD_LIMIT) != 0;
	attach_output(j, output);
	drop_input(j);
	j->run_time = r->time;
	if (given) {
		j->future.value = data;
	} else if (len > 0) {
		uint8_t *room = len <= j->cap ? j->room : oxi_alloc(len);
		if (room == NULL) {
			j->limit = true;
			return OX_ENOMEM;
		}
		j->future.value = memcpy(room, data, len);
	}
	j->future.value_len = len;
	return r->status;
}

static ox_origin origin_of(const struct ox_result *j, enum oxi_end how)
{
	switch (how) {
	case OXI_END_RESULT: return j->limit ? OX_ORIGIN_LIMIT : OX_ORIGIN_JOB;
	case OXI_END_CRASH: return OX_ORIGIN_CRASH;
	case OXI_END_CANCEL: return OX_ORIGIN_CANCEL;
	case OXI_END_TIMEOUT: return OX_ORIGIN_TIMEOUT;
	default: return OX_ORIGIN_LIMIT;
	}
}

static void count_end(ox_pool *p, const struct ox_result *j, enum oxi_end how, int status)
{
	struct oxi_measured *m = &p->measured[j->dispatch.index];

	if (how == OXI_END_CANCEL)
		m->cancelled++;
	else if (status < 0)
		m->failed++;
	else
		m->done++;
}

void oxi_job_count(ox_pool *p, int status, ox_origin origin)
{
	if (origin == OX_ORIGIN_CANCEL)
		p->cancelled++;
	else if (status < 0)
		p->failed++;
	else
		p->done++;
}

/* Of an actor's life. */
static bool is_step(const ox_pool *p, const struct oxi_djob *dispatch)
{
	enum oxi_role role = p->kinds[dispatch->index].role;

	return role == OXI_ROLE_CONSTRUCT || role == OXI_ROLE_DESTRUCT;
}

void oxi_job_ended(void *t, struct oxi_djob *dispatch, enum oxi_end how, int status)
{
	ox_pool *p = t;
	struct ox_result *j = OXI_CONTAINER(dispatch, struct ox_result, dispatch);

	if (how == OXI_END_CRASH && p->killed) {        /* by us, at closing */
		how = OXI_END_LIMIT;
		status = OX_ECLOSED;
	}
	bool died = how != OXI_END_RESULT && (how != OXI_END_LIMIT || status == OX_EOOM || status == OX_ESTUCK);
	if (died && p->obituary != NULL)
		attach_death(j, p->obituary);
	if (how != OXI_END_RESULT)
		drop_input(j);
	if (j->story == NULL || j->story->inside == NULL || oxi_inside_ended(j->story->inside, how, status))
		oxi_job_finish(j, how, status);
}

void oxi_job_finish(struct ox_result *j, enum oxi_end how, int status)
{
	struct oxi_inside *inside = j->story != NULL ? j->story->inside : NULL;
	bool is_child = inside != NULL && inside->parent != NULL;
	struct oxi_job_extra *x = oxi_job_extra(&j->dispatch);
	struct oxi_same *same = x != NULL ? x->same : NULL;
	ox_pool *p = j->pool;
	struct oxi_pin *pin = is_step(p, &j->dispatch) ? x->dispatch.pin : NULL;
	ox_origin origin = origin_of(j, how);

	if (same == NULL)
		oxi_job_count(p, status, origin);
	if (OXI_UNLIKELY(p->measured != NULL))
		count_end(p, j, how, status);
	drop_extra(j);
	oxi_place_leave(p, j->input_len);
	if (inside != NULL)
		oxi_inside_finish(inside, status);
	oxi_future_resolve(&j->future, status, origin);
	if (same != NULL)
		oxi_same_ended(same);
	if (pin != NULL)
		oxi_actor_advance(pin, j);
	if (is_child)                   /* in no group: it is still there */
		oxi_nested_ended(inside);
}

/* ---- asking ---- */

ox_bytes ox_result_bytes(const ox_result *r)
{
	return r != NULL ? (ox_bytes){ r->future.value, r->future.value_len } : (ox_bytes){ NULL, 0 };
}

int ox_result_status(const ox_result *r)
{
	return r != NULL ? r->future.status : OX_ENOMEM;
}

void ox_result_free(ox_result *r)
{
	if (r == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(&r->future, OXI_FUTURE_MAGIC);
	oxi_future_release(&r->future);
}

/* The job that a future's end came from. NULL: none. */
static const struct ox_result *work_of(const ox_future *f)
{
	const struct ox_result *j = oxi_job_of(f);

	return j != NULL ? j : oxi_same_work(f);
}

const ox_crash *ox_future_crash(const ox_future *f)
{
	const struct ox_result *j = work_of(f);
	const struct oxi_story *s = j != NULL ? j->story : oxi_snapshot_story(f);

	return s != NULL && s->crashed ? &s->crash : NULL;
}

const char *ox_future_output(const ox_future *f, size_t *ret_len, bool *ret_truncated)
{
	const struct ox_result *j = work_of(f);
	const struct oxi_story *s = j != NULL ? j->story : NULL;

	if (ret_len != NULL)
		*ret_len = s != NULL ? s->output_len : 0;
	if (ret_truncated != NULL)
		*ret_truncated = s != NULL && s->output_truncated;
	return s != NULL ? s->output : NULL;
}

ox_time ox_future_run_time(const ox_future *f)
{
	const struct ox_result *j = work_of(f);

	if (j == NULL)
		return oxi_snapshot_run_time(f);
	return j->future.origin != OX_ORIGIN_NONE ? j->run_time : 0;
}
