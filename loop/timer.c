/* SPDX-License-Identifier: MIT */
/*
 * Timers: a 4-ary heap of deadlines. An entry keeps the deadline beside the pointer, so that sifting touches
 * one array only; the timer keeps its place, so that clearing one is a sift and not a search. Timers of one
 * deadline fire in the order in which they were set.
 */
#include "loop/state.h"

static bool before(const struct oxi_timer_entry *a, const struct oxi_timer_entry *b)
{
	return a->at < b->at || (a->at == b->at && a->number < b->number);
}

static void place(struct oxi_timers *h, size_t i, struct oxi_timer_entry e)
{
	h->heap[i] = e;
	e.timer->index = i + 1;
}

static void sift_up(struct oxi_timers *h, size_t i, struct oxi_timer_entry e)
{
	for (size_t up; i > 0 && before(&e, &h->heap[up = (i - 1) / 4]); i = up)
		place(h, i, h->heap[up]);
	place(h, i, e);
}

static void sift_down(struct oxi_timers *h, size_t i, struct oxi_timer_entry e)
{
	for (;;) {
		size_t first = 4 * i + 1, least = first;

		if (first >= h->len)
			break;
		for (size_t c = first + 1; c < first + 4 && c < h->len; c++)
			if (before(&h->heap[c], &h->heap[least]))
				least = c;
		if (!before(&h->heap[least], &e))
			break;
		place(h, i, h->heap[least]);
		i = least;
	}
	place(h, i, e);
}

static void sift(struct oxi_timers *h, size_t i, struct oxi_timer_entry e)
{
	if (i > 0 && before(&e, &h->heap[(i - 1) / 4]))
		sift_up(h, i, e);
	else
		sift_down(h, i, e);
}

static int grow(struct oxi_timers *h)
{
	size_t cap = h->cap ? h->cap * 2 : 64;
	struct oxi_timer_entry *heap = oxi_realloc(h->heap, cap * sizeof(*heap));

	if (heap == NULL)
		return OX_ENOMEM;
	h->heap = heap;
	h->cap = cap;
	return 0;
}

void oxi_timer_init(struct oxi_timer *t, void (*fire)(struct oxi_timer *))
{
	*t = (struct oxi_timer){ .fire = fire };
}

int oxi_timer_set(struct oxi_timer *t, ox_time at)
{
	struct oxi_timers *h = &oxi_loop->timers;
	struct oxi_timer_entry e = { at, h->numbers++, t };

	if (at == OX_NEVER) {
		oxi_timer_clear(t);
		return 0;
	}
	if (t->index == 0) {
		if (h->len == h->cap && grow(h) < 0)
			return OX_ENOMEM;
		t->index = ++h->len;
		t->at = at;
		sift_up(h, t->index - 1, e);
	} else {
		t->at = at;
		sift(h, t->index - 1, e);
	}
	if (OXI_UNLIKELY(!oxi_loop->turning))
		oxi_loop_disturbed(oxi_loop);
	return 0;
}

void oxi_timer_clear(struct oxi_timer *t)
{
	struct oxi_timers *h = &oxi_loop->timers;
	size_t i = t->index - 1;

	if (t->index == 0)
		return;
	t->index = 0;
	if (i != --h->len)
		sift(h, i, h->heap[h->len]);
}

ox_time oxi_timers_next(const struct oxi_timers *h)
{
	return h->len ? h->heap[0].at : OX_NEVER;
}

void oxi_timers_fire(struct oxi_timers *h, ox_time now)
{
	uint64_t last = h->numbers;     /* one set by a fire below waits for the next time, or it could go on for ever */

	while (h->len > 0 && h->heap[0].at <= now && h->heap[0].number < last) {
		struct oxi_timer *t = h->heap[0].timer;

		oxi_timer_clear(t);
		t->fire(t);
	}
}

void oxi_timers_destroy(struct oxi_timers *h)
{
	oxi_free(h->heap);
}
