/* SPDX-License-Identifier: MIT */
/*
 * Conditions. A waiter has let go of the lock and will hold it when it returns, whatever happens. So neither
 * a notify nor a cancel wakes it: both move it from the condition's list to the end of the lock's, and it
 * wakes, once, as the lock's owner.
 *
 *	WAITING --- notify ---> NOTIFIED, in the lock's list --- handed over ---> returns 0
 *	   '------- cancel ---> CANCELLED, in the lock's list --- handed over --> returns OX_ECANCELED
 *
 * A cancel that comes after the notification changes nothing any more: what notify() gave is not lost, and
 * the next call that yields sees the cancel.
 */
#include "loop/lock.h"

#define CONDITION_MAGIC 0x646e6f6300000001ull

struct ox_condition {
	uint64_t magic;
	ox_lock *lock;
	struct oxi_list waiters;        /* clauses of struct waiter */
};

struct waiter {
	struct oxi_select select;       /* of the one clause */
	struct oxi_clause clause;
	bool moved;                     /* into the lock's list */
	int result;
};

static const struct oxi_clause_ops ops = { .kind = "condition" };

ox_condition *ox_condition_new(ox_lock *lock)
{
	ox_condition *c = lock ? oxi_alloc(sizeof(*c)) : NULL;

	if (c) {
		c->magic = CONDITION_MAGIC;
		c->lock = lock;
		oxi_list_init(&c->waiters);
	}
	return c;
}

void ox_condition_free(ox_condition *c)
{
	if (c == NULL)
		return;
	OXI_CHECK_OBJECT(c, CONDITION_MAGIC);
	OXI_CHECK(oxi_list_empty(&c->waiters));
	c->magic = 0;
	oxi_free(c);
}

static void move(struct waiter *w, int result)
{
	ox_lock *lock = ((ox_condition *)w->clause.object)->lock;

	oxi_list_remove(&w->clause.link);
	w->moved = true;
	w->result = result;
	w->select.wait.kind = oxi_lock_kind;
	w->select.wait.object = lock;
	oxi_lock_queue(lock, &w->clause);
}

static oxi_abort_answer give_up(struct oxi_wait *wait)
{
	struct waiter *w = OXI_CONTAINER(wait, struct waiter, select.wait);

	if (!w->moved)
		move(w, OX_ECANCELED);
	return OXI_LATER;
}

int ox_condition_wait(ox_condition *c)
{
	struct waiter w = { .select = { .clauses = (ox_clause *)(void *)&w.clause, .n = 1 },
		            .clause = { .ops = &ops, .object = c, .of = &w.select } };
	int r = c ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(c, CONDITION_MAGIC);
	if (!oxi_lock_mine(c->lock))
		return OX_ESTATE;
	oxi_wait_init(&w.select.wait, ops.kind, c, give_up);
	oxi_list_append(&c->waiters, &w.clause.link);
	oxi_lock_pass_on(c->lock);
	oxi_park(&w.select.wait);
	return w.result;
}

int ox_condition_notify(ox_condition *c, size_t n)
{
	struct oxi_clause *next;
	int notified = 0;

	if (c == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(c, CONDITION_MAGIC);
	if (!oxi_lock_mine(c->lock))
		return OX_ESTATE;
	for (; n > 0 && (next = oxi_clause_shift(&c->waiters)); n--, notified++)
		move(OXI_CONTAINER(next, struct waiter, clause), 0);
	return notified;
}

int ox_condition_notify_all(ox_condition *c)
{
	return ox_condition_notify(c, SIZE_MAX);
}
