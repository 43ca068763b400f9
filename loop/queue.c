/* SPDX-License-Identifier: MIT */
/*
 * Queues. Items lie in a ring. Whoever cannot go on parks in one of two FIFOs; whoever makes it possible
 * hands over directly: an item put while a getter waits never enters the ring, a get from a full ring moves
 * the first putter's item in. So at any time there are waiting getters (ring empty) or waiting putters (ring
 * full), never both, and a coroutine that is woken has what it came for: cancelling it afterwards loses
 * nothing.
 */
#include <oxbow/queue.h>

#include "loop/loop.h"

#define QUEUE_MAGIC 0x6575657571000001ull
#define FIRST_CAP   16u

struct ox_queue {
	uint64_t magic;
	void **ring;
	size_t head, len, ring_cap;     /* ring_cap: a power of two, grows up to the capacity */
	size_t capacity;
	size_t unfinished;              /* put and not yet task_done */
	struct oxi_list getters, putters, joiners;
	bool shut;
};

struct mover {
	struct oxi_wait wait;
	void *item;
};

static struct mover *first(struct oxi_list *waits)
{
	struct oxi_list *e = oxi_list_shift(waits);

	return e ? OXI_CONTAINER(OXI_CONTAINER(e, struct oxi_wait, link), struct mover, wait) : NULL;
}

static oxi_abort_answer leave(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

ox_queue *ox_queue_new(size_t capacity)
{
	ox_queue *q = capacity ? oxi_alloc(sizeof(*q)) : NULL;

	if (q == NULL)
		return NULL;
	q->magic = QUEUE_MAGIC;
	q->capacity = capacity;
	oxi_list_init(&q->getters);
	oxi_list_init(&q->putters);
	oxi_list_init(&q->joiners);
	return q;
}

void ox_queue_free(ox_queue *q)
{
	if (q == NULL)
		return;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	OXI_CHECK(oxi_list_empty(&q->getters) && oxi_list_empty(&q->putters) && oxi_list_empty(&q->joiners));
	q->magic = 0;
	oxi_free(q->ring);
	oxi_free(q);
}

static int grow(ox_queue *q)
{
	size_t cap = q->ring_cap ? q->ring_cap * 2 : FIRST_CAP;
	void **ring = cap <= SIZE_MAX / sizeof(*ring) ? oxi_alloc(cap * sizeof(*ring)) : NULL;

	if (ring == NULL)
		return OX_ENOMEM;
	for (size_t i = 0; i < q->len; i++)
		ring[i] = q->ring[(q->head + i) & (q->ring_cap - 1)];
	oxi_free(q->ring);
	q->ring = ring;
	q->ring_cap = cap;
	q->head = 0;
	return 0;
}

static int append(ox_queue *q, void *item)
{
	if (q->len == q->ring_cap && grow(q) < 0)
		return OX_ENOMEM;
	q->ring[(q->head + q->len++) & (q->ring_cap - 1)] = item;
	return 0;
}

static void *take(ox_queue *q)
{
	void *item = q->ring[q->head++ & (q->ring_cap - 1)];

	q->len--;
	return item;
}

int ox_queue_try_put(ox_queue *q, void *item)
{
	struct mover *getter;

	if (q == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	if (q->shut)
		return OX_ECLOSED;
	getter = first(&q->getters);
	if (getter) {
		getter->item = item;
		oxi_wake(&getter->wait, 0);
	} else if (q->len >= q->capacity) {
		return OX_EBUSY;
	} else if (append(q, item) < 0) {
		return OX_ENOMEM;
	}
	q->unfinished++;
	return 0;
}

int ox_queue_try_get(ox_queue *q, void **ret_item)
{
	struct mover *putter;

	if (q == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	if (q->len == 0)
		return q->shut ? OX_ECLOSED : OX_EBUSY;
	*ret_item = take(q);
	putter = first(&q->putters);
	if (putter) {
		append(q, putter->item);        /* into the place that has just become free: no memory is needed */
		q->unfinished++;
		oxi_wake(&putter->wait, 0);
	}
	return 0;
}

static int wait_in(struct oxi_list *waits, struct mover *m, const char *kind, ox_queue *q)
{
	oxi_wait_init(&m->wait, kind, q, leave);
	oxi_list_append(waits, &m->wait.link);
	return oxi_park(&m->wait);
}

int ox_queue_put(ox_queue *q, void *item)
{
	struct mover m = { .item = item };
	int r = oxi_checkpoint();

	if (r == 0)
		r = ox_queue_try_put(q, item);
	return r == OX_EBUSY ? wait_in(&q->putters, &m, "queue put", q) : r;
}

int ox_queue_get(ox_queue *q, void **ret_item)
{
	struct mover m;
	int r = oxi_checkpoint();

	if (r == 0)
		r = ox_queue_try_get(q, ret_item);
	if (r == OX_EBUSY) {
		r = wait_in(&q->getters, &m, "queue get", q);
		if (r == 0)
			*ret_item = m.item;
	}
	return r;
}

int ox_queue_task_done(ox_queue *q)
{
	if (q == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	if (q->unfinished == 0)
		return OX_ESTATE;
	if (--q->unfinished == 0)
		oxi_wake_all(&q->joiners, 0);
	return 0;
}

int ox_queue_join(ox_queue *q)
{
	struct oxi_wait w;
	int r = q ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0 || q->unfinished == 0)
		return r;
	oxi_wait_init(&w, "queue join", q, leave);
	oxi_list_append(&q->joiners, &w.link);
	return oxi_park(&w);
}

void ox_queue_shut(ox_queue *q, void (*drop)(void *item))
{
	if (q == NULL)
		return;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	q->shut = true;
	oxi_wake_all(&q->putters, OX_ECLOSED);
	oxi_wake_all(&q->getters, OX_ECLOSED);      /* they wait: the ring is empty */
	while (drop && q->len > 0) {
		drop(take(q));
		if (--q->unfinished == 0)
			oxi_wake_all(&q->joiners, 0);
	}
}

size_t ox_queue_len(const ox_queue *q)
{
	return q ? q->len : 0;
}
