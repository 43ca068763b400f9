/* SPDX-License-Identifier: MIT */
/* Deferred calls: a stack of them in each task. */
#include <oxbow/task.h>

#include "loop/state.h"

struct oxi_deferred {
	struct oxi_deferred *next;      /* to be called after this one */
	void (*fn)(void *arg);
	void *arg;
};

int ox_defer(void (*fn)(void *arg), void *arg)
{
	struct oxi_task *t = oxi_task_current();
	struct oxi_deferred *d;

	if (t == NULL)
		return OX_ESTATE;
	d = oxi_alloc(sizeof(*d));
	if (d == NULL)
		return OX_ENOMEM;
	*d = (struct oxi_deferred){ t->deferred, fn, arg };
	t->deferred = d;
	return 0;
}

void oxi_deferred_call(struct oxi_task *t)
{
	struct oxi_deferred d = *t->deferred;

	oxi_free(t->deferred);
	t->deferred = d.next;
	d.fn(d.arg);
}
