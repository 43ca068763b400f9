/* SPDX-License-Identifier: MIT */
/* Barriers: the last to come releases those who wait, and numbers them in the order of their list. */
#include <oxbow/sync.h>

#include "loop/select.h"

#define BARRIER_MAGIC 0x7265697272616201ull

struct ox_barrier {
	uint64_t magic;
	size_t parties, waiting;
	struct oxi_list waiters;        /* clauses */
	bool shut;
};

ox_barrier *ox_barrier_new(size_t parties)
{
	ox_barrier *b = parties > 0 && parties <= INT32_MAX ? oxi_alloc(sizeof(*b)) : NULL;

	if (b) {
		b->magic = BARRIER_MAGIC;
		b->parties = parties;
		oxi_list_init(&b->waiters);
	}
	return b;
}

void ox_barrier_free(ox_barrier *b)
{
	if (b == NULL)
		return;
	OXI_CHECK_OBJECT(b, BARRIER_MAGIC);
	OXI_CHECK(oxi_list_empty(&b->waiters));
	b->magic = 0;
	oxi_free(b);
}

static bool attempt(struct oxi_clause *c, int *ret_result)
{
	ox_barrier *b = c->object;
	struct oxi_clause *waiter;

	*ret_result = b ? OX_ECLOSED : OX_ENOMEM;
	if (b == NULL)
		return true;
	OXI_CHECK_OBJECT(b, BARRIER_MAGIC);
	if (b->shut)
		return true;
	if (b->waiting + 1 < b->parties)
		return false;
	for (*ret_result = 0; (waiter = oxi_clause_shift(&b->waiters)); ++*ret_result)
		oxi_clause_commit(waiter, *ret_result);
	return true;
}

static int arm(struct oxi_clause *c)
{
	ox_barrier *b = c->object;

	oxi_list_append(&b->waiters, &c->link);
	b->waiting++;
	return 0;
}

static void disarm(struct oxi_clause *c)
{
	oxi_list_remove(&c->link);
	((ox_barrier *)c->object)->waiting--;
}

static const struct oxi_clause_ops ops = { "barrier", attempt, arm, disarm };

int ox_barrier_wait(ox_barrier *b)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &ops, .object = b });
}

void ox_barrier_shut(ox_barrier *b)
{
	if (b == NULL)
		return;
	OXI_CHECK_OBJECT(b, BARRIER_MAGIC);
	b->shut = true;
	oxi_clause_commit_all(&b->waiters, OX_ECLOSED);
}

size_t ox_barrier_waiting(const ox_barrier *b)
{
	return b ? b->waiting : 0;
}
