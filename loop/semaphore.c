/* SPDX-License-Identifier: MIT */
/* Semaphores: a number that is above 0 only while nobody waits. */
#include <oxbow/sync.h>

#include "loop/select.h"

#define SEMAPHORE_MAGIC 0x616d657300000001ull

struct ox_semaphore {
	uint64_t magic;
	size_t value, max;
	struct oxi_list waiters;        /* clauses */
};

ox_semaphore *ox_semaphore_new(size_t value, size_t max)
{
	ox_semaphore *s = value <= max ? oxi_alloc(sizeof(*s)) : NULL;

	if (s) {
		s->magic = SEMAPHORE_MAGIC;
		s->value = value;
		s->max = max;
		oxi_list_init(&s->waiters);
	}
	return s;
}

void ox_semaphore_free(ox_semaphore *s)
{
	if (s == NULL)
		return;
	OXI_CHECK_OBJECT(s, SEMAPHORE_MAGIC);
	OXI_CHECK(oxi_list_empty(&s->waiters));
	s->magic = 0;
	oxi_free(s);
}

int ox_semaphore_try_acquire(ox_semaphore *s)
{
	if (s == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(s, SEMAPHORE_MAGIC);
	if (s->value == 0)
		return OX_EBUSY;
	s->value--;
	return 0;
}

static bool attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = ox_semaphore_try_acquire(c->object);
	return *ret_result != OX_EBUSY;
}

static int arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_semaphore *)c->object)->waiters, &c->link);
	return 0;
}

static const struct oxi_clause_ops ops = { .kind = "semaphore", .attempt = attempt, .arm = arm };

ox_clause ox_clause_acquire(ox_semaphore *s)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &ops, .object = s });
}

int ox_semaphore_acquire(ox_semaphore *s)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &ops, .object = s });
}

int ox_semaphore_release(ox_semaphore *s)
{
	struct oxi_clause *next;

	if (s == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(s, SEMAPHORE_MAGIC);
	next = oxi_clause_shift(&s->waiters);
	if (next)
		oxi_clause_commit(next, 0);
	else if (s->value == s->max)
		return OX_ESTATE;
	else
		s->value++;
	return 0;
}

size_t ox_semaphore_value(const ox_semaphore *s)
{
	return s ? s->value : 0;
}
