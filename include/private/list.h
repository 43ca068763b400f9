/* SPDX-License-Identifier: MIT */
/*
 * Intrusive doubly linked list. A list is its own link, pointing to itself when empty; an element that is in no list
 * points to itself too, so that removing is always safe.
 */
#ifndef OXBOW_PRIVATE_LIST_H
#define OXBOW_PRIVATE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct oxi_list {
	struct oxi_list *next, *prev;
};

#define OXI_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

static inline void oxi_list_init(struct oxi_list *l)
{
	l->next = l->prev = l;
}

static inline bool oxi_list_empty(const struct oxi_list *l)
{
	return l->next == l;
}

static inline void oxi_list_insert(struct oxi_list *after, struct oxi_list *e)
{
	e->prev = after;
	e->next = after->next;
	after->next->prev = e;
	after->next = e;
}

static inline void oxi_list_append(struct oxi_list *l, struct oxi_list *e)
{
	oxi_list_insert(l->prev, e);
}

static inline void oxi_list_prepend(struct oxi_list *l, struct oxi_list *e)
{
	oxi_list_insert(l, e);
}

static inline void oxi_list_remove(struct oxi_list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	oxi_list_init(e);
}

/* Takes the first element out; NULL from an empty list. */
static inline struct oxi_list *oxi_list_shift(struct oxi_list *l)
{
	struct oxi_list *e = l->next;

	if (e == l)
		return NULL;
	oxi_list_remove(e);
	return e;
}

/* Moves all of src to the end of dst. */
static inline void oxi_list_splice(struct oxi_list *dst, struct oxi_list *src)
{
	if (oxi_list_empty(src))
		return;
	src->next->prev = dst->prev;
	dst->prev->next = src->next;
	src->prev->next = dst;
	dst->prev = src->prev;
	oxi_list_init(src);
}

/* Walks a list whose current element may be removed by the body. */
#define OXI_LIST_EACH(e, l) \
	for (struct oxi_list *e = (l)->next, *e##_next = e->next; e != (l); e = e##_next, e##_next = e->next)

#endif
