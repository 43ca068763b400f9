/* SPDX-License-Identifier: MIT */
/* Events: a flag, and who waits for it. Setting it wakes those who wait now, whatever becomes of the flag afterwards. */
#include <oxbow/sync.h>

#include "loop/select.h"

#define EVENT_MAGIC 0x746e657665000001ull

struct ox_event {
	uint64_t magic;
	bool set;
	struct oxi_list waiters;        /* clauses; none while it is set */
};

ox_event *ox_event_new(void)
{
	ox_event *e = oxi_alloc(sizeof(*e));

	if (e) {
		e->magic = EVENT_MAGIC;
		oxi_list_init(&e->waiters);
	}
	return e;
}

void ox_event_free(ox_event *e)
{
	if (e == NULL)
		return;
	OXI_CHECK_OBJECT(e, EVENT_MAGIC);
	OXI_CHECK(oxi_list_empty(&e->waiters));
	e->magic = 0;
	oxi_free(e);
}

void ox_event_set(ox_event *e)
{
	if (e == NULL)
		return;
	OXI_CHECK_OBJECT(e, EVENT_MAGIC);
	e->set = true;
	oxi_clause_commit_all(&e->waiters, 0);
}

void ox_event_clear(ox_event *e)
{
	if (e == NULL)
		return;
	OXI_CHECK_OBJECT(e, EVENT_MAGIC);
	e->set = false;
}

bool ox_event_is_set(const ox_event *e)
{
	if (e == NULL)
		return false;
	OXI_CHECK_OBJECT(e, EVENT_MAGIC);
	return e->set;
}

static bool attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = c->object ? 0 : OX_ENOMEM;
	return c->object == NULL || ox_event_is_set(c->object);
}

static int arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_event *)c->object)->waiters, &c->link);
	return 0;
}

static const struct oxi_clause_ops ops = { .kind = "event", .attempt = attempt, .arm = arm };

ox_clause ox_clause_set(ox_event *e)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &ops, .object = e });
}

int ox_event_wait(ox_event *e)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &ops, .object = e });
}
