/* SPDX-License-Identifier: MIT */
#include "cli/crawl/alarm.h"

#include <stdlib.h>

static void put(struct oxi_alarms *s, size_t i, struct oxi_alarm *a)
{
	s->heap[i] = a;
	a->place = i + 1;
}

static void rise(struct oxi_alarms *s, size_t i)
{
	struct oxi_alarm *a = s->heap[i];
	for (; i > 0 && s->heap[(i - 1) / 2]->at > a->at; i = (i - 1) / 2)
		put(s, i, s->heap[(i - 1) / 2]);
	put(s, i, a);
}

static void sink(struct oxi_alarms *s, size_t i)
{
	struct oxi_alarm *a = s->heap[i];
	size_t child;
	while ((child = 2 * i + 1) < s->n) {
		if (child + 1 < s->n && s->heap[child + 1]->at < s->heap[child]->at)
			child++;
		if (a->at <= s->heap[child]->at)
			break;
		put(s, i, s->heap[child]);
		i = child;
	}
	put(s, i, a);
}

int oxi_alarm_set(struct oxi_alarms *s, struct oxi_alarm *a, ox_time at)
{
	if (!a->place) {
		if (s->n == s->cap) {
			size_t cap = s->cap ? 2 * s->cap : 64;
			struct oxi_alarm **heap = realloc(s->heap, cap * sizeof(*heap));
			if (!heap)
				return OX_ENOMEM;
			s->heap = heap;
			s->cap = cap;
		}
		put(s, s->n++, a);
	}
	a->at = at;
	rise(s, a->place - 1);
	sink(s, a->place - 1);
	return 0;
}

void oxi_alarm_clear(struct oxi_alarms *s, struct oxi_alarm *a)
{
	if (!a->place)
		return;
	size_t i = a->place - 1;
	struct oxi_alarm *last = s->heap[--s->n];
	a->place = 0;
	if (last == a)
		return;
	put(s, i, last);
	rise(s, i);
	sink(s, last->place - 1);
}

struct oxi_alarm *oxi_alarms_due(struct oxi_alarms *s, ox_time now)
{
	struct oxi_alarm *a = s->n ? s->heap[0] : NULL;
	if (!a || a->at > now)
		return NULL;
	oxi_alarm_clear(s, a);
	return a;
}

ox_time oxi_alarms_next(const struct oxi_alarms *s)
{
	return s->n ? s->heap[0]->at : OX_NEVER;
}

void oxi_alarms_free(struct oxi_alarms *s)
{
	free(s->heap);
	*s = (struct oxi_alarms){ 0 };
}
