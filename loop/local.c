/* SPDX-License-Identifier: MIT */
/*
 * Task-locals: a list of bindings, at most one of each variable. Lists share their ends: a task that is
 * spawned takes a reference to its spawner's list, and nothing is copied. A binding that only one task can
 * see (no other reference to it, nor to any before it) is changed in place; otherwise those before it are
 * copied. So spawning takes constant time, and a program that sets its few variables for ever has lists of a
 * few bindings for ever.
 */
#include <oxbow/task.h>

#include "loop/state.h"

struct oxi_binding {
	struct oxi_binding *next;       /* one reference */
	const ox_local *local;
	void *value;
	size_t references;
};

struct oxi_binding *oxi_bindings_ref(struct oxi_binding *b)
{
	if (b)
		b->references++;
	return b;
}

void oxi_bindings_unref(struct oxi_binding *b)
{
	while (b && --b->references == 0) {
		struct oxi_binding *next = b->next;

		oxi_free(b);
		b = next;
	}
}

void *ox_local_get(const ox_local *local)
{
	struct oxi_task *t = oxi_task_current();

	for (struct oxi_binding *b = t ? t->bindings : NULL; b; b = b->next)
		if (b->local == local)
			return b->value;
	return NULL;
}

static struct oxi_binding *bind(const ox_local *local, void *value, struct oxi_binding *next)
{
	struct oxi_binding *b = oxi_alloc(sizeof(*b));

	if (b)
		*b = (struct oxi_binding){ next, local, value, 1 };
	return b;
}

/* A list with a new value in the place of an old binding, which is in it. NULL without memory. */
static struct oxi_binding *replace(const struct oxi_binding *list, const struct oxi_binding *old, void *value)
{
	struct oxi_binding *copy = NULL, **end = &copy;

	for (;; list = list->next) {
		*end = bind(list->local, list == old ? value : list->value, NULL);
		if (*end == NULL) {
			oxi_bindings_unref(copy);
			return NULL;
		}
		if (list == old)
			break;
		end = &(*end)->next;
	}
	(*end)->next = oxi_bindings_ref(old->next);
	return copy;
}

int ox_local_set(const ox_local *local, void *value)
{
	struct oxi_task *t = oxi_task_current();
	struct oxi_binding *b, *list;
	bool shared = false;

	if (t == NULL)
		return OX_ESTATE;
	for (b = t->bindings; b && b->local != local; b = b->next)
		shared |= b->references > 1;
	if (b && !shared && b->references == 1) {
		b->value = value;
		return 0;
	}
	if (b == NULL) {
		list = bind(local, value, t->bindings);
		if (list == NULL)
			return OX_ENOMEM;
	} else {
		list = replace(t->bindings, b, value);
		if (list == NULL)
			return OX_ENOMEM;
		oxi_bindings_unref(t->bindings);
	}
	t->bindings = list;
	return 0;
}
