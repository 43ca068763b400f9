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
 * How it comes about is told in parent_submit.c. Its end is told by the dispatcher exactly once: the input is given back, the
 * story attached, what it did inside is over, it is counted, and the future resolved.
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

int oxi_job_new(ox_pool *p, const void *in, size_t len, struct ox_result **ret)
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

void oxi_job_enter_books(struct ox_result *j, unsigned index)
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

void oxi_job_discard(struct ox_result *j)
{
	if (j == NULL)
		return;
	drop_extra(j);
	drop_input(j);
	job_free(j);
}

int oxi_job_join(struct ox_result *j, ox_group *g)
{
	return oxi_future_init(&j->future, g, &job_ops);
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
