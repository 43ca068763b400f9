/* SPDX-License-Identifier: MIT */
/*
 * A job is a future, the dispatcher's record of it, and its input, in one piece of memory:
 *
 *	| ox_future | oxi_djob | pool, input, run time, story | room ... |
 *
 * An input of up to 4 KiB lies in the room, a larger one in the arena. The room takes the result when it
 * fits, for the input is needed no more by then. With nothing in the room a job is 200 bytes; jobs are
 * recycled through two free lists of the pool, so a million of them cost no million of allocations.
 *
 *	submit: admission (parks, FIFO; or says busy) -> job made -> dispatcher -> sent by the hook at the end of the turn
 *	end:    told by the dispatcher exactly once -> counts, input given back, story attached -> future resolved
 *
 * A result lives as long as its future; so does what it needs of the pool, even when that is closed before.
 */
#include <string.h>

#include "pool/parent.h"

static bool job_cancel(ox_future *f, ox_cause cause);
static void job_release(ox_future *f);
static const char *job_name(const ox_future *f);

static const struct oxi_future_ops job_ops = {
	.kind = "job", .cancel = job_cancel, .release = job_release, .name = job_name,
};

static struct ox_result *job_of(const ox_future *f)
{
	return f != NULL && f->ops == &job_ops ? OXI_CONTAINER(f, struct ox_result, future) : NULL;
}

static const char *job_name(const ox_future *f)
{
	const struct ox_result *j = job_of(f);

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
	j->cap = (uint32_t)cap;
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
	if (j->input != j->room && j->input != NULL)
		oxi_memory_put(j->pool, j->input);
	j->input = NULL;
}

static void job_release(ox_future *f)
{
	struct ox_result *j = job_of(f);

	drop_value(j);
	if (j->story != NULL) {
		oxi_free(j->story->output);
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
	j->input = shared ? in : small ? j->room : oxi_memory_copy(p, in, len);
	if (j->input == NULL) {
		job_free(j);
		return OX_ENOMEM;
	}
	if (small && len > 0)
		memcpy(j->room, in, len);
	*ret = j;
	return 0;
}

/* ---- admission ---- */

/* One that waits to be let in. The place is its own from the moment it is woken. */
struct submitter {
	struct oxi_wait wait;
	size_t len;
};

static bool has_room(const ox_pool *p, size_t len)
{
	return p->pending == 0 || (p->pending < p->options.max_pending &&
	                           p->pending_bytes + len <= p->options.max_pending_bytes);
}

static void hold(ox_pool *p)
{
	bool real = p->watch != NULL && (p->pending > 0 || p->closing);

	if (real != p->held)
		oxi_loop_hold(real ? 1 : -1);
	p->held = real;
}

static void take_place(ox_pool *p, size_t len)
{
	p->pending++;
	p->pending_bytes += len;
}

static void leave_place(ox_pool *p, size_t len)
{
	p->pending--;
	p->pending_bytes -= len;
	while (!oxi_list_empty(&p->submitters)) {
		struct submitter *s = OXI_CONTAINER(p->submitters.next, struct submitter, wait.link);
		if (!has_room(p, s->len))
			break;
		take_place(p, s->len);
		oxi_list_remove(&s->wait.link);
		oxi_wake(&s->wait, 0);
	}
	for (struct oxi_list *e; p->pending == 0 && (e = oxi_list_shift(&p->drainers)) != NULL;)
		oxi_wake(OXI_CONTAINER(e, struct oxi_wait, link), 0);
}

static oxi_abort_answer give_up(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

/* Takes a place if there is one that nobody waits for. */
static bool try_place(ox_pool *p, size_t len)
{
	if (!oxi_list_empty(&p->submitters) || !has_room(p, len))
		return false;
	take_place(p, len);
	return true;
}

/* Takes a place; parks until there is one. 0; OX_ECANCELED, OX_ECLOSED. */
static int await_place(ox_pool *p, size_t len)
{
	struct submitter s = { .len = len };

	if (try_place(p, len))
		return 0;
	oxi_wait_init(&s.wait, "submit", p, give_up);
	oxi_list_append(&p->submitters, &s.wait.link);
	return oxi_park(&s.wait);
}

/* ---- submit and call ---- */

void ox_submit_options_init(ox_submit_options *o)
{
	*o = (ox_submit_options){ .size = sizeof *o };
}

/* What a call to submit asks for. */
struct request {
	ox_group *group;                /* NULL: none */
	ox_pool *pool;
	const ox_job *job;
	const void *in;
	size_t len;
	const ox_submit_options *options;       /* NULL: all defaults */
};

static const struct oxi_kind *find_kind(const ox_pool *p, const ox_job *job)
{
	for (unsigned i = 0; i < p->kind_count; i++)
		if (p->kinds[i].job == job)
			return &p->kinds[i];
	for (unsigned i = 0; i < p->kind_count; i++)    /* a static in a header: each source file has its own */
		if (p->kinds[i].copy.fn == job->fn && strcmp(p->kinds[i].copy.name, job->name) == 0)
			return &p->kinds[i];
	return NULL;
}

static int take_options(const ox_submit_options *o, ox_submit_options *ret)
{
	*ret = (ox_submit_options){ 0 };
	if (o == NULL)
		return 0;
	if (o->size == 0)
		return OX_EINVAL;
	memcpy(ret, o, o->size < sizeof *ret ? o->size : sizeof *ret);
	return ret->priority < -OXI_PRIORITY_MAX || ret->priority > OXI_PRIORITY_MAX ? OX_EINVAL : 0;
}

/* The checks that need no place. */
static int may_submit(const struct request *q, const struct oxi_kind **ret_kind, ox_submit_options *ret_options)
{
	ox_pool *p = q->pool;
	int r;

	if (p == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	if (q->job == NULL || (q->in == NULL && q->len > 0) || (r = take_options(q->options, ret_options)) < 0)
		return OX_EINVAL;
	if (p->closing || p->draining > 0)
		return OX_ECLOSED;
	*ret_kind = find_kind(p, q->job);
	if (*ret_kind == NULL)
		return OX_ENOJOB;
	return q->len > p->arena.zone_size ? OX_ETOOBIG : oxi_pool_attach(p);
}

/* Makes and submits the job. 0; a code: nothing was made. */
static int submit(const struct request *q, bool wait, struct ox_result **ret)
{
	ox_pool *p = q->pool;
	const struct oxi_kind *kind;
	ox_submit_options o;
	struct ox_result *j;
	int r = may_submit(q, &kind, &o);

	if (r == 0)
		r = wait ? await_place(p, q->len) : try_place(p, q->len) ? 0 : OX_EBUSY;
	if (r < 0)
		return r;
	r = p->closing ? OX_ECLOSED : make_job(p, q->in, q->len, &j);
	if (r == 0 && (r = oxi_future_init(&j->future, q->group, &job_ops)) < 0) {
		drop_input(j);
		job_free(j);
	}
	if (r < 0) {
		leave_place(p, q->len);
		return r;
	}
	p->submitted++;
	j->dispatch.priority = (int8_t)o.priority;
	j->dispatch.index = (uint16_t)(kind - p->kinds);
	j->dispatch.timeout = kind->copy.timeout;
	j->dispatch.retries = (uint8_t)(kind->copy.retries < UINT8_MAX ? kind->copy.retries : UINT8_MAX);
	hold(p);
	*ret = j;
	oxi_dispatch_submit(p->dispatch, &j->dispatch, oxi_pool_now());
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
static int submit_to_group(const struct request *q, bool wait, struct ox_result **ret)
{
	if (q->group == NULL)
		return OX_ENOMEM;
	if (oxi_group_deadline(q->group) == INT64_MIN)
		return OX_ECANCELED;
	int r = wait ? oxi_checkpoint() : 0;
	if (r == 0)
		r = submit(q, wait, ret);
	if (r == 0)
		send_soon(q->pool);
	return r;
}

ox_future *ox_submit_with(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len,
                          const ox_submit_options *o)
{
	struct ox_result *j;
	int r = oxi_forked() ? OX_EFORKED : submit_to_group(&(struct request){ g, p, job, in, len, o }, true, &j);

	return r == 0 ? &j->future : oxi_future_failed(g, r);
}

ox_future *ox_submit(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len)
{
	return ox_submit_with(g, p, job, in, len, NULL);
}

int ox_try_submit(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len,
                  const ox_submit_options *o, ox_future **ret)
{
	struct ox_result *j;

	if (oxi_forked())
		return OX_EFORKED;
	if (ox_loop_self() == NULL)
		return OX_ESTATE;
	int r = submit_to_group(&(struct request){ g, p, job, in, len, o }, false, &j);
	if (r == 0)
		*ret = &j->future;
	return r;
}

int ox_call(ox_pool *p, const ox_job *job, const void *in, size_t len, ox_result **ret)
{
	struct ox_result *j;
	int r = oxi_checkpoint();

	if (r == 0)
		r = submit(&(struct request){ .pool = p, .job = job, .in = in, .len = len }, true, &j);
	if (r < 0)
		return r;
	send_soon(p);
	r = ox_await(&j->future);
	if (r >= 0 && ret != NULL)
		*ret = j;
	else
		oxi_future_release(&j->future);
	return r;
}

/* ---- the end ---- */

static bool job_cancel(ox_future *f, ox_cause cause)
{
	struct ox_result *j = job_of(f);
	ox_pool *p = j->pool;
	bool abandon = p->kinds[j->dispatch.index].copy.on_cancel == OX_ABANDON;

	(void)cause;
	oxi_dispatch_cancel(p->dispatch, &j->dispatch, OXI_END_CANCEL, OX_ECANCELED, abandon, oxi_pool_now());
	return true;
}

/* The job's own copy of a death; captured output goes to the first that asks. */
static void attach_death(struct ox_result *j, struct oxi_story *death)
{
	if (j->story != NULL || (j->story = oxi_alloc(sizeof *j->story)) == NULL)
		return;
	*j->story = *death;
	j->story->crash.backtrace = death->crash.backtrace_len > 0 ? j->story->frames : NULL;
	j->story->crash.host = death->host[0] != '\0' ? j->story->host : NULL;
	death->output = NULL;
	death->crash.output = NULL;
	death->output_len = death->crash.output_len = 0;
}

static void attach_output(struct ox_result *j, struct oxi_output *o)
{
	if (o->len > 0 && (j->story = oxi_alloc(sizeof *j->story)) != NULL)
		oxi_output_move(o, j->story);
}

int oxi_job_store(struct ox_result *j, const struct oxi_record *r, const void *data, bool in_arena,
                  struct oxi_output *output)
{
	size_t len = (size_t)r->length;

	j->run_time = r->time;
	j->limit = (r->flags & OXI_RECORD_LIMIT) != 0;
	attach_output(j, output);
	drop_input(j);
	if (in_arena) {
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

void oxi_job_ended(void *t, struct oxi_djob *dispatch, enum oxi_end how, int status)
{
	ox_pool *p = t;
	struct ox_result *j = OXI_CONTAINER(dispatch, struct ox_result, dispatch);

	if (how == OXI_END_CRASH && p->killed) {        /* by us, at closing */
		how = OXI_END_LIMIT;
		status = OX_ECLOSED;
	}
	ox_origin origin = origin_of(j, how);
	if (how == OXI_END_CANCEL)
		p->cancelled++;
	else if (status < 0)
		p->failed++;
	else
		p->done++;
	bool died = how != OXI_END_RESULT && (how != OXI_END_LIMIT || status == OX_EOOM || status == OX_ESTUCK);
	if (died && p->obituary != NULL)
		attach_death(j, p->obituary);
	if (how != OXI_END_RESULT)
		drop_input(j);
	leave_place(p, j->input_len);
	hold(p);
	oxi_future_resolve(&j->future, status, origin);
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

const ox_crash *ox_future_crash(const ox_future *f)
{
	const struct ox_result *j = job_of(f);

	return j != NULL && j->story != NULL && j->story->crashed ? &j->story->crash : NULL;
}

const char *ox_future_output(const ox_future *f, size_t *ret_len, bool *ret_truncated)
{
	const struct ox_result *j = job_of(f);
	const struct oxi_story *s = j != NULL ? j->story : NULL;

	if (ret_len != NULL)
		*ret_len = s != NULL ? s->output_len : 0;
	if (ret_truncated != NULL)
		*ret_truncated = s != NULL && s->output_truncated;
	return s != NULL ? s->output : NULL;
}

ox_time ox_future_run_time(const ox_future *f)
{
	const struct ox_result *j = job_of(f);

	return j != NULL ? j->run_time : 0;
}
