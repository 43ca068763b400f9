/* SPDX-License-Identifier: MIT */
/*
 * Jobs that come after others: each waits here, outside of the dispatcher, until those are done, and takes their results along.
 *
 *	waiting --all are done, or one has failed--> ripe --end of the turn--> to the dispatcher, or ended
 *
 * A result is taken at the moment when it comes, because its future may be freed right after: a large one becomes one more user of
 * its block in the arena, which the worker reads where the other worker has written it; one that came in a message,
 * 4 KiB at most, is copied and goes out in a message. Both last until the job has ended, for it may be run again.
 *
 * A failure does not end its dependants at once but when the turn is over: a group that fails with it has cancelled
 * them by then, and has it as its first error.
 *
 * Only jobs of the same pool can be waited for. Their payloads lie in its arena; and they have been let in before
 * the one that waits, so that never does all that max_pending lets in wait for something that is kept out. A coroutine that submits
 * would be kept out.
 */
#include <string.h>

#include "pool/parent.h"

struct dependency {
	struct oxi_waiter waiter;       /* in its future's list, until that is done */
	struct oxi_after *after;
	const uint8_t *data;            /* what it replied: in the arena, or a copy; NULL: nothing, or not done */
	size_t len;
	int status;
};

struct oxi_after {
	ox_pool *pool;
	struct ox_result *job;          /* once it waits */
	size_t left;                    /* not done */
	int verdict;                    /* negative: the job is not to begin */
	bool any;                       /* failures are results too */
	bool waits;                     /* in one of the pool's lists */
	size_t count;
	struct dependency dependency[];
};

/* ---- the results of others ---- */

static int copy_value(struct oxi_after *a, struct dependency *d, const ox_future *f)
{
	if (f->value_len == 0)
		return 0;
	if (oxi_memory_share(a->pool, f->value, f->value_len)) {
		d->data = f->value;
	} else {
		const uint8_t *copy = oxi_memory_copy_or_own(a->pool, f->value, f->value_len);
		if (copy == NULL)
			return OX_ENOMEM;
		d->data = copy;
	}
	d->len = f->value_len;
	return 0;
}

/* f is done; NULL is one that could not be made. */
static void take(struct oxi_after *a, struct dependency *d, const ox_future *f)
{
	int verdict = 0;

	d->status = f != NULL ? f->status : OX_ENOMEM;
	a->left--;
	if (d->status < 0 && !a->any)
		verdict = d->status == OX_ECANCELED ? OX_ECANCELED : OX_EDEPENDENCY;
	else if (f != NULL)
		verdict = copy_value(a, d, f);
	if (d->status < 0 && a->any && f != NULL)
		oxi_future_heard(f);
	if (a->verdict == 0)
		a->verdict = verdict;
}

static void ripen_if_due(struct oxi_after *a)
{
	if (!a->waits || (a->left > 0 && a->verdict == 0))
		return;
	oxi_list_remove(&a->job->dispatch.link);
	oxi_list_append(&a->pool->ripe, &a->job->dispatch.link);
	if (a->pool->loop != NULL)
		oxi_hook_arm(&a->pool->flush);
}

static void on_done(struct oxi_waiter *w, ox_future *f)
{
	struct dependency *d = OXI_CONTAINER(w, struct dependency, waiter);

	take(d->after, d, f);
	ripen_if_due(d->after);
}

static bool may_be_awaited(const ox_pool *p, const ox_future *f)
{
	if (f == NULL)
		return true;
	OXI_CHECK_OBJECT(f, OXI_FUTURE_MAGIC);
	return oxi_job_is(f, p) || f->ops == &oxi_host_result_ops || (f->status < 0 && (f->flags & (OXI_FUTURE_STATIC | OXI_FUTURE_STILLBORN)) != 0);
}

int oxi_after_new(ox_pool *p, ox_future *const *fs, size_t count, bool any, struct oxi_after **ret)
{
	if (fs == NULL || count > UINT16_MAX)
		return OX_EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!may_be_awaited(p, fs[i]))
			return OX_EINVAL;
	struct oxi_after *a = oxi_alloc(sizeof *a + count * sizeof *a->dependency);
	if (a == NULL)
		return OX_ENOMEM;
	a->pool = p;
	a->any = any;
	a->left = a->count = count;
	for (size_t i = 0; i < count; i++) {
		struct dependency *d = &a->dependency[i];
		d->after = a;
		d->waiter.notify = on_done;
		oxi_list_init(&d->waiter.link);
		if (fs[i] == NULL || fs[i]->origin != OX_ORIGIN_NONE)
			take(a, d, fs[i]);
		else
			oxi_list_append(&fs[i]->waiters, &d->waiter.link);
	}
	*ret = a;
	return 0;
}

void oxi_after_free(ox_pool *p, struct oxi_after *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->count; i++) {
		struct dependency *d = &a->dependency[i];
		oxi_list_remove(&d->waiter.link);
		if (d->data != NULL && oxi_memory_inside(p, d->data))
			oxi_memory_put(p, d->data);
		else
			oxi_free((void *)d->data);
	}
	oxi_free(a);
}

int oxi_after_verdict(const struct oxi_after *a)
{
	return a->verdict;
}

/* ---- waiting ---- */

bool oxi_after_wait(struct oxi_after *a, struct ox_result *job)
{
	if (a->left == 0 && a->verdict == 0)
		return false;
	a->job = job;
	a->waits = true;
	a->pool->waiting_count++;
	oxi_list_append(&a->pool->waiting, &job->dispatch.link);
	ripen_if_due(a);
	return true;
}

bool oxi_after_leave(struct oxi_after *a)
{
	if (!a->waits)
		return false;
	a->waits = false;
	a->pool->waiting_count--;
	oxi_list_remove(&a->job->dispatch.link);
	return true;
}

static struct ox_result *first_of(const struct oxi_list *l)
{
	return OXI_CONTAINER(l->next, struct ox_result, dispatch.link);
}

static void end(ox_pool *p, struct ox_result *j, int status)
{
	j->dispatch.state = OXI_ENDED;
	oxi_job_ended(p, &j->dispatch, status == OX_ECANCELED ? OXI_END_CANCEL : OXI_END_LIMIT, status);
}

void oxi_after_settle(ox_pool *p)
{
	while (!oxi_list_empty(&p->ripe)) {
		struct ox_result *j = first_of(&p->ripe);
		struct oxi_after *a = oxi_job_extra(&j->dispatch)->after;

		oxi_after_leave(a);
		if (a->verdict < 0)
			end(p, j, a->verdict);
		else
			oxi_dispatch_submit(p->dispatch, &j->dispatch, oxi_pool_now());
	}
}

void oxi_after_close(ox_pool *p)
{
	while (!oxi_list_empty(&p->waiting) || !oxi_list_empty(&p->ripe)) {
		struct ox_result *j = first_of(oxi_list_empty(&p->waiting) ? &p->ripe : &p->waiting);

		oxi_after_leave(oxi_job_extra(&j->dispatch)->after);
		end(p, j, OX_ECLOSED);
	}
}

/* ---- to the worker ---- */

static bool is_inline(const ox_pool *p, const struct dependency *d)
{
	return d->data == NULL || !oxi_memory_inside(p, d->data);
}

uint32_t oxi_after_size(const ox_pool *p, const struct oxi_after *a, size_t *ret_bytes)
{
	*ret_bytes = 0;
	for (size_t i = 0; i < a->count; i++)
		if (is_inline(p, &a->dependency[i]))
			*ret_bytes += oxi_align16(a->dependency[i].len);
	return (uint32_t)a->count;
}

void oxi_after_put(const ox_pool *p, const struct oxi_after *a, uint64_t lease, struct oxi_body *b)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct dependency *d = &a->dependency[i];
		struct oxi_record r = { .lease = lease, .flags = OXI_RECORD_AFTER, .status = d->status, .length = d->len };

		if (!is_inline(p, d)) {
			r.flags |= OXI_RECORD_ARENA;
			r.place = (uint64_t)(d->data - p->arena.base);
		}
		OXI_CHECK(oxi_body_put(b, &r, d->data) == 0);
	}
}

uint32_t oxi_after_size_inline(const struct oxi_after *a, size_t *ret_bytes)
{
	*ret_bytes = 0;
	for (size_t i = 0; i < a->count; i++)
		*ret_bytes += oxi_align16(a->dependency[i].len);
	return (uint32_t)a->count;
}

void oxi_after_put_inline(const struct oxi_after *a, struct oxi_body *b)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct dependency *d = &a->dependency[i];
		struct oxi_record r = { .status = d->status, .length = d->len };

		OXI_CHECK(oxi_body_put(b, &r, d->data) == 0);
	}
}
