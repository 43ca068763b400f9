/* SPDX-License-Identifier: MIT */
/*
 * Locks. The owner hands over to the first waiter, which owns the lock from that moment, before it runs: so a
 * lock is free only while nobody waits, and nobody barges in. One that ends as the owner has its locks handed
 * over all the same (the next task may have its address), as an exception that leaves a block does elsewhere.
 */
#include "loop/lock.h"
#include "loop/state.h"

#define LOCK_MAGIC 0x6b636f6c00000001ull

const char oxi_lock_kind[] = "lock";

static void own(ox_lock *l, struct oxi_task *owner)
{
	l->owner = owner;
	oxi_list_append(&owner->owned, &l->owned.link);
}

static void forget(struct oxi_owned *o)
{
	oxi_lock_pass_on(OXI_CONTAINER(o, ox_lock, owned));
}

ox_lock *ox_lock_new(void)
{
	ox_lock *l = oxi_alloc(sizeof(*l));

	if (l) {
		l->magic = LOCK_MAGIC;
		l->owned.kind = oxi_lock_kind;
		l->owned.forget = forget;
		oxi_list_init(&l->owned.link);
		oxi_list_init(&l->waiters);
	}
	return l;
}

void ox_lock_free(ox_lock *l)
{
	if (l == NULL)
		return;
	OXI_CHECK_OBJECT(l, LOCK_MAGIC);
	OXI_CHECK(l->owner == NULL);
	l->magic = 0;
	oxi_free(l);
}

bool oxi_lock_mine(const ox_lock *l)
{
	return l->owner && l->owner == oxi_task_current();
}

void oxi_lock_queue(ox_lock *l, struct oxi_clause *c)
{
	if (l->owner) {
		oxi_list_append(&l->waiters, &c->link);
		return;
	}
	own(l, c->of->wait.task);
	oxi_clause_commit(c, 0);
}

void oxi_lock_pass_on(ox_lock *l)
{
	struct oxi_clause *next = oxi_clause_shift(&l->waiters);

	l->owner = NULL;
	oxi_list_remove(&l->owned.link);
	if (next)
		oxi_lock_queue(l, next);
}

int ox_lock_try_acquire(ox_lock *l)
{
	if (l == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(l, LOCK_MAGIC);
	if (oxi_task_current() == NULL || oxi_lock_mine(l))
		return OX_ESTATE;
	if (l->owner)
		return OX_EBUSY;
	own(l, oxi_task_current());
	return 0;
}

static bool attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = ox_lock_try_acquire(c->object);
	return *ret_result != OX_EBUSY;
}

static int arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_lock *)c->object)->waiters, &c->link);
	return 0;
}

static const struct oxi_clause_ops ops = { .kind = oxi_lock_kind, .attempt = attempt, .arm = arm };

ox_clause ox_clause_lock(ox_lock *l)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &ops, .object = l });
}

int ox_lock_acquire(ox_lock *l)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &ops, .object = l });
}

int ox_lock_release(ox_lock *l)
{
	if (l == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(l, LOCK_MAGIC);
	if (!oxi_lock_mine(l))
		return OX_ESTATE;
	oxi_lock_pass_on(l);
	return 0;
}

bool ox_lock_held(const ox_lock *l)
{
	if (l == NULL)
		return false;
	OXI_CHECK_OBJECT(l, LOCK_MAGIC);
	return l->owner != NULL;
}
