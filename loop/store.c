/* SPDX-License-Identifier: MIT */
/*
 * The items of a queue. FIFO and LIFO share a ring and differ in the end from which they take. The sorted
 * order is a binary heap whose entries carry a number, so that equals come out as they went in, which a heap
 * alone does not do.
 */
#include "loop/store.h"

#include "loop/loop.h"

#define FIRST_CAP 16u

static size_t entry_size(const struct oxi_store *s)
{
	return s->order == OXI_SORTED ? sizeof(*s->heap) : sizeof(*s->ring);
}

static int grow(struct oxi_store *s)
{
	size_t cap = s->cap ? s->cap * 2 : FIRST_CAP;
	void *memory = cap <= SIZE_MAX / entry_size(s) ? oxi_realloc(s->memory, cap * entry_size(s)) : NULL;

	if (memory == NULL)
		return OX_ENOMEM;
	s->memory = memory;
	/* A full ring: what lies before the head comes after the old end now, where there is just as much room. */
	if (s->order != OXI_SORTED) {
		s->head &= s->cap ? s->cap - 1 : 0;
		for (size_t i = 0; i < s->head; i++)
			s->ring[s->cap + i] = s->ring[i];
	}
	s->cap = cap;
	return 0;
}

static void **slot(struct oxi_store *s, size_t i)
{
	return &s->ring[(s->head + i) & (s->cap - 1)];
}

/* ---- the heap ---- */

static bool before(const struct oxi_store *s, struct oxi_ranked a, struct oxi_ranked b)
{
	int order = s->compare(a.item, b.item);

	return order < 0 || (order == 0 && a.number < b.number);
}

static void sift_up(struct oxi_store *s, size_t i, struct oxi_ranked e)
{
	for (size_t up; i > 0 && before(s, e, s->heap[up = (i - 1) / 2]); i = up)
		s->heap[i] = s->heap[up];
	s->heap[i] = e;
}

static void sift_down(struct oxi_store *s, size_t i, struct oxi_ranked e)
{
	for (size_t least; (least = 2 * i + 1) < s->len; i = least) {
		if (least + 1 < s->len && before(s, s->heap[least + 1], s->heap[least]))
			least++;
		if (!before(s, s->heap[least], e))
			break;
		s->heap[i] = s->heap[least];
	}
	s->heap[i] = e;
}

/* ---- both ---- */

int oxi_store_push(struct oxi_store *s, void *item)
{
	if (s->len == s->cap && grow(s) < 0)
		return OX_ENOMEM;
	if (s->order == OXI_SORTED)
		sift_up(s, s->len, (struct oxi_ranked){ item, s->numbers++ });
	else
		*slot(s, s->len) = item;
	s->len++;
	return 0;
}

void *oxi_store_pop(struct oxi_store *s)
{
	void *item;

	s->len--;
	switch (s->order) {
	case OXI_LIFO:
		return *slot(s, s->len);
	case OXI_SORTED:
		item = s->heap[0].item;
		if (s->len > 0)
			sift_down(s, 0, s->heap[s->len]);
		return item;
	default:
		item = *slot(s, 0);
		s->head++;
		return item;
	}
}

void oxi_store_destroy(struct oxi_store *s)
{
	oxi_free(s->memory);
}
