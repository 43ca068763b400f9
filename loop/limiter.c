/* SPDX-License-Identifier: MIT */
/*
 * Limiters: a semaphore that knows its borrowers and whose capacity may change. The borrowers are in a hash
 * table of addresses (open addressing, linear probing, removal by shifting back). It has room for those who
 * wait, too: so giving one a token never fails for lack of memory.
 */
#include <oxbow/sync.h>

#include "loop/select.h"
#include "loop/state.h"

#define LIMITER_MAGIC 0x74696d696c000001ull

struct ox_limiter {
	uint64_t magic;
	size_t capacity, borrowed, waiting;
	struct oxi_list waiters;        /* clauses; their item is the borrower */
	const void **table;             /* NULL in empty places */
	size_t size;                    /* a power of two, at least twice borrowed + waiting; or 0 */
};

ox_limiter *ox_limiter_new(size_t capacity)
{
	ox_limiter *l = oxi_alloc(sizeof(*l));

	if (l) {
		l->magic = LIMITER_MAGIC;
		l->capacity = capacity;
		oxi_list_init(&l->waiters);
	}
	return l;
}

void ox_limiter_free(ox_limiter *l)
{
	if (l == NULL)
		return;
	OXI_CHECK_OBJECT(l, LIMITER_MAGIC);
	OXI_CHECK(oxi_list_empty(&l->waiters));
	l->magic = 0;
	oxi_free(l->table);
	oxi_free(l);
}

/* ---- the table ---- */

static size_t home(const ox_limiter *l, const void *borrower)
{
	return (size_t)((uint64_t)(uintptr_t)borrower * 0x9e3779b97f4a7c15u >> 32) & (l->size - 1);
}

/* Where it is, or the empty place where it would be. */
static size_t find(const ox_limiter *l, const void *borrower)
{
	size_t i = home(l, borrower);

	while (l->table[i] && l->table[i] != borrower)
		i = (i + 1) & (l->size - 1);
	return i;
}

static bool has(const ox_limiter *l, const void *borrower)
{
	return l->size > 0 && l->table[find(l, borrower)] != NULL;
}

static void add(ox_limiter *l, const void *borrower)
{
	l->table[find(l, borrower)] = borrower;
	l->borrowed++;
}

static void take_out(ox_limiter *l, const void *borrower)
{
	size_t mask = l->size - 1, hole = find(l, borrower);

	/* What stands behind moves into the hole unless its home lies between. */
	for (size_t i = (hole + 1) & mask; l->table[i]; i = (i + 1) & mask)
		if (((i - home(l, l->table[i])) & mask) >= ((i - hole) & mask)) {
			l->table[hole] = l->table[i];
			hole = i;
		}
	l->table[hole] = NULL;
	l->borrowed--;
}

/* Makes sure that one more can borrow or wait. */
static int reserve(ox_limiter *l)
{
	const void **old = l->table;
	size_t old_size = l->size, size = old_size ? old_size * 2 : 16;

	if (2 * (l->borrowed + l->waiting + 1) <= old_size)
		return 0;
	l->table = oxi_alloc(size * sizeof(*l->table));
	if (l->table == NULL) {
		l->table = old;
		return OX_ENOMEM;
	}
	l->size = size;
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			l->table[find(l, old[i])] = old[i];
	oxi_free(old);
	return 0;
}

/* ---- borrowing ---- */

int ox_limiter_try_acquire_for(ox_limiter *l, const void *borrower)
{
	if (l == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(l, LIMITER_MAGIC);
	if (borrower == NULL)
		return OX_EINVAL;
	if (has(l, borrower))
		return OX_ESTATE;
	if (reserve(l) < 0)
		return OX_ENOMEM;
	if (l->borrowed >= l->capacity)
		return OX_EBUSY;
	add(l, borrower);
	return 0;
}

/* One borrower may have waited in two coroutines: the second has come too often. */
static void serve(ox_limiter *l)
{
	struct oxi_clause *c;

	while (l->borrowed < l->capacity && (c = oxi_clause_shift(&l->waiters))) {
		bool twice = has(l, c->item);

		if (!twice)
			add(l, c->item);
		oxi_clause_commit(c, twice ? OX_ESTATE : 0);
	}
}

static bool attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = ox_limiter_try_acquire_for(c->object, c->item);
	return *ret_result != OX_EBUSY;
}

static int arm(struct oxi_clause *c)
{
	ox_limiter *l = c->object;

	oxi_list_append(&l->waiters, &c->link);
	l->waiting++;
	return 0;
}

static void disarm(struct oxi_clause *c)
{
	oxi_list_remove(&c->link);
	((ox_limiter *)c->object)->waiting--;
}

static const struct oxi_clause_ops ops = { "limiter", attempt, arm, disarm };

int ox_limiter_acquire_for(ox_limiter *l, const void *borrower)
{
	int r = oxi_checkpoint();
	struct oxi_clause c = { .ops = &ops, .object = l, .item = (void *)(uintptr_t)borrower };

	return r < 0 ? r : oxi_clause_run(&c);
}

int ox_limiter_release_for(ox_limiter *l, const void *borrower)
{
	if (l == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(l, LIMITER_MAGIC);
	if (borrower == NULL || !has(l, borrower))
		return OX_ESTATE;
	take_out(l, borrower);
	serve(l);
	return 0;
}

void ox_limiter_resize(ox_limiter *l, size_t capacity)
{
	if (l == NULL)
		return;
	OXI_CHECK_OBJECT(l, LIMITER_MAGIC);
	l->capacity = capacity;
	serve(l);
}

/* ---- for the calling task ---- */

int ox_limiter_acquire(ox_limiter *l)
{
	return oxi_task_current() ? ox_limiter_acquire_for(l, oxi_task_current()) : OX_ESTATE;
}

int ox_limiter_try_acquire(ox_limiter *l)
{
	return oxi_task_current() ? ox_limiter_try_acquire_for(l, oxi_task_current()) : OX_ESTATE;
}

int ox_limiter_release(ox_limiter *l)
{
	return ox_limiter_release_for(l, oxi_task_current());
}

/* ---- statistics ---- */

size_t ox_limiter_capacity(const ox_limiter *l)
{
	return l ? l->capacity : 0;
}

size_t ox_limiter_borrowed(const ox_limiter *l)
{
	return l ? l->borrowed : 0;
}

size_t ox_limiter_waiting(const ox_limiter *l)
{
	return l ? l->waiting : 0;
}
