/* SPDX-License-Identifier: MIT */
/*
 * Waiting for futures. One wait serves one future or many: an entry is linked into each future that is not
 * done, and each that becomes done is counted against what the caller wants; when that is reached the
 * coroutine wakes.
 *
 * The calls differ in what they want and in what cancelling them does: await and gather own what they wait
 * for, so a cancel passes on to it and they return when it has ended; wait_any and wait only look.
 */
#include "loop/state.h"

#define ENTRIES 8u                      /* kept in the frame; more are allocated */

struct entry {
	struct oxi_waiter waiter;
	struct waiting *of;
};

struct waiting {
	ox_future *const *fs;
	size_t n;
	size_t want;                    /* done futures that end the wait */
	bool at_failure;                /* the first failure ends it too */
	bool owns;                      /* a cancel passes on */
	ox_time timeout;                /* ends it too, and cancels nothing; 0: none */
	/* since it began */
	struct oxi_wait wait;
	size_t left;                    /* done futures until it ends */
	int failure;                    /* the first, in time; 0: none yet */
	int last;                       /* status of the one that became done last; a reaping group has freed it */
	bool cancelled;
	struct oxi_timer timer;
	struct entry *entries, few[ENTRIES];
};

static void unlink_all(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		oxi_list_remove(&w->entries[i].waiter.link);
	oxi_timer_clear(&w->timer);
}

static void notify(struct oxi_waiter *e, ox_future *f)
{
	struct waiting *w = OXI_CONTAINER(e, struct entry, waiter)->of;

	if (f->status < 0 && w->failure == 0)
		w->failure = f->status;
	w->last = f->status;
	if (w->owns)
		oxi_future_heard(f);
	w->left--;
	if (w->wait.parked && (w->left == 0 || (w->at_failure && w->failure < 0)))
		oxi_wake(&w->wait, 0);
}

static void timed_out(struct oxi_timer *t)
{
	struct waiting *w = OXI_CONTAINER(t, struct waiting, timer);

	if (w->wait.parked)
		oxi_wake(&w->wait, 0);
}

/* The caller is cancelled: so is what it owns, and it waits for the end of all of that. */
static oxi_abort_answer abort_waiting(struct oxi_wait *wait)
{
	struct waiting *w = OXI_CONTAINER(wait, struct waiting, wait);

	if (!w->owns)
		return OXI_ABORTED;
	w->at_failure = false;
	w->cancelled = true;
	for (size_t i = 0; i < w->n; i++)
		ox_future_cancel(w->fs[i]);
	return OXI_LATER;
}

static size_t count_done(ox_future *const *fs, size_t n)
{
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		done += ox_future_done(fs[i]);
	return done;
}

static int first_failure(ox_future *const *fs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ox_future_done(fs[i]) && ox_future_status(fs[i]) < 0)
			return ox_future_status(fs[i]);
	return 0;
}

static void link_all(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct entry *e = &w->entries[i];

		*e = (struct entry){ .waiter.notify = notify, .of = w };
		oxi_list_init(&e->waiter.link);
		if (!ox_future_done(w->fs[i]))
			oxi_list_append(&w->fs[i]->waiters, &e->waiter.link);
	}
}

/* Parks until it has come as w says. 0; OX_ECANCELED (if it owns nothing), OX_ENOMEM. */
static int wait_for(struct waiting *w)
{
	size_t done = count_done(w->fs, w->n);
	int r = 0;

	w->failure = first_failure(w->fs, w->n);
	if (done >= w->want || (w->at_failure && w->failure < 0))
		return 0;
	w->left = w->want - done;
	w->entries = w->n <= ENTRIES ? w->few : oxi_alloc(w->n * sizeof(*w->entries));
	if (w->entries == NULL)
		return OX_ENOMEM;
	link_all(w);
	oxi_timer_init(&w->timer, timed_out);
	if (w->timeout > 0)
		r = oxi_timer_set(&w->timer, w->timeout < OX_NEVER - oxi_now() ? oxi_now() + w->timeout : OX_NEVER);
	if (r == 0) {
		if (w->n == 1)
			oxi_wait_init(&w->wait, w->fs[0]->ops->kind, w->fs[0], abort_waiting);
		else
			oxi_wait_init(&w->wait, "futures", NULL, abort_waiting);
		r = oxi_park(&w->wait);
	}
	unlink_all(w);
	if (w->entries != w->few)
		oxi_free(w->entries);
	return r;
}

/* A coroutine that waits for itself would wait for ever. */
static bool own_future(ox_future *const *fs, size_t n)
{
	struct oxi_task *self = oxi_loop->current;

	for (size_t i = 0; i < n; i++)
		if (fs[i] == &self->future)
			return true;
	return false;
}

/* May the caller wait at all? What is done needs no waiting, and cancellation is for the wait to deal with. It will park. */
static int may_wait(ox_future *const *fs, size_t n)
{
	int r = oxi_may_begin();

	if (r < 0 && r != OX_ECANCELED)
		return r;
	return own_future(fs, n) ? OX_ESTATE : 0;
}

int ox_await(ox_future *f)
{
	struct waiting w = { .fs = &f, .n = 1, .want = 1, .owns = true };
	int r;

	if (ox_future_done(f))
		return ox_future_status(f);
	r = may_wait(&f, 1);
	if (r == 0)
		r = wait_for(&w);
	return r < 0 ? r : w.last;
}

int ox_wait_for(ox_future *f, ox_time timeout)
{
	struct waiting w = { .fs = &f, .n = 1, .want = 1, .owns = true, .timeout = timeout };
	int r;

	if (ox_future_done(f))
		return ox_future_status(f);
	r = may_wait(&f, 1);
	if (r == 0 && timeout > 0)
		r = wait_for(&w);
	if (r < 0)
		return r;
	if (timeout > 0 && w.left == 0)
		return w.last;
	ox_future_cancel(f);
	r = ox_await(f);
	return r == OX_ECANCELED ? OX_ETIMEDOUT : r;
}

int ox_wait_any(ox_future *const *fs, size_t n)
{
	struct waiting w = { .fs = fs, .n = n, .want = 1 };
	int r = n == 0 || n > INT32_MAX ? OX_EINVAL : 0;

	if (r == 0 && count_done(fs, n) == 0) {
		r = n == 1 ? may_wait(fs, n) : 0;
		if (r == 0)
			r = oxi_checkpoint();
		if (r == 0)
			r = wait_for(&w);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		if (ox_future_done(fs[i]))
			return (int)i;
	return r;
}

int ox_gather(ox_future *const *fs, size_t n)
{
	struct waiting w = { .fs = fs, .n = n, .want = n, .at_failure = true, .owns = true };
	int r = 0;

	if (count_done(fs, n) == n)
		return first_failure(fs, n);
	r = may_wait(fs, n);
	if (r == 0)
		r = wait_for(&w);
	if (r < 0)
		return r;
	return w.cancelled ? OX_ECANCELED : w.failure;
}

int ox_wait(ox_future *const *fs, size_t n, ox_wait_mode until, ox_time timeout)
{
	struct waiting w = { .fs = fs, .n = n, .want = until == OX_WAIT_FIRST_DONE ? 1 : n,
		             .at_failure = until == OX_WAIT_FIRST_FAILURE, .timeout = timeout };
	int r = n > INT32_MAX ? OX_EINVAL : oxi_checkpoint();

	if (r == 0 && w.want == n && own_future(fs, n))
		r = OX_ESTATE;
	if (r == 0 && n > 0 && timeout > 0)
		r = wait_for(&w);
	return r < 0 ? r : (int)count_done(fs, n);
}
