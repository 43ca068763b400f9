/* SPDX-License-Identifier: MIT */
/*
 * Readers-writer locks. Readers and writers wait in one list, in order. It is served from the front as far as
 * possible whenever that may have become possible: somebody let go, or the first waiter gave up.
 */
#include <oxbow/sync.h>

#include "loop/select.h"
#include "loop/state.h"

#define RWLOCK_MAGIC 0x6b636f6c77720001ull

struct ox_rwlock {
	uint64_t magic;
	size_t readers;                 /* that hold it */
	struct oxi_task *writer;        /* that holds it, */
	struct oxi_owned owned;         /* by it; readers are only counted */
	struct oxi_list waiters;        /* clauses of both kinds */
};

static void forget(struct oxi_owned *o);

ox_rwlock *ox_rwlock_new(void)
{
	ox_rwlock *l = oxi_alloc(sizeof(*l));

	if (l) {
		l->magic = RWLOCK_MAGIC;
		l->owned.kind = "rwlock";
		l->owned.forget = forget;
		oxi_list_init(&l->owned.link);
		oxi_list_init(&l->waiters);
	}
	return l;
}

void ox_rwlock_free(ox_rwlock *l)
{
	if (l == NULL)
		return;
	OXI_CHECK_OBJECT(l, RWLOCK_MAGIC);
	OXI_CHECK(l->readers == 0 && l->writer == NULL);
	l->magic = 0;
	oxi_free(l);
}

/* Takes it for a task, if it is free for that. */
static bool take(ox_rwlock *l, struct oxi_task *task, bool write)
{
	if (l->writer || (write && l->readers > 0))
		return false;
	if (write) {
		l->writer = task;
		oxi_list_append(&task->owned, &l->owned.link);
	} else {
		l->readers++;
	}
	return true;
}

static int try_acquire(ox_rwlock *l, bool write)
{
	if (l == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(l, RWLOCK_MAGIC);
	if (oxi_task_current() == NULL || l->writer == oxi_task_current())
		return OX_ESTATE;
	return oxi_list_empty(&l->waiters) && take(l, oxi_task_current(), write) ? 0 : OX_EBUSY;
}

int ox_rwlock_try_acquire_read(ox_rwlock *l)
{
	return try_acquire(l, false);
}

int ox_rwlock_try_acquire_write(ox_rwlock *l)
{
	return try_acquire(l, true);
}

/* ---- waiting ---- */

static const struct oxi_clause_ops write_ops;

static void serve(ox_rwlock *l)
{
	while (!oxi_list_empty(&l->waiters)) {
		struct oxi_clause *c = OXI_CONTAINER(l->waiters.next, struct oxi_clause, link);

		if (!take(l, c->of->wait.task, c->ops == &write_ops))
			return;
		oxi_list_remove(&c->link);
		oxi_clause_commit(c, 0);
	}
}

static void write_done(ox_rwlock *l)
{
	l->writer = NULL;
	oxi_list_remove(&l->owned.link);
}

static void forget(struct oxi_owned *o)
{
	ox_rwlock *l = OXI_CONTAINER(o, ox_rwlock, owned);

	write_done(l);
	serve(l);
}

static bool read_attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = try_acquire(c->object, false);
	return *ret_result != OX_EBUSY;
}

static bool write_attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = try_acquire(c->object, true);
	return *ret_result != OX_EBUSY;
}

static int arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_rwlock *)c->object)->waiters, &c->link);
	return 0;
}

/* One that gives up may have kept others behind it from going on; one that has been served is in no list any more. */
static void disarm(struct oxi_clause *c)
{
	if (oxi_list_empty(&c->link))
		return;
	oxi_list_remove(&c->link);
	serve(c->object);
}

static const struct oxi_clause_ops read_ops = { "rwlock read", read_attempt, arm, disarm };
static const struct oxi_clause_ops write_ops = { "rwlock write", write_attempt, arm, disarm };

static int acquire(ox_rwlock *l, const struct oxi_clause_ops *ops)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = ops, .object = l });
}

int ox_rwlock_acquire_read(ox_rwlock *l)
{
	return acquire(l, &read_ops);
}

int ox_rwlock_acquire_write(ox_rwlock *l)
{
	return acquire(l, &write_ops);
}

int ox_rwlock_release(ox_rwlock *l)
{
	if (l == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(l, RWLOCK_MAGIC);
	if (l->writer ? l->writer != oxi_task_current() : l->readers == 0)
		return OX_ESTATE;
	if (l->writer)
		write_done(l);
	else
		l->readers--;
	serve(l);
	return 0;
}
