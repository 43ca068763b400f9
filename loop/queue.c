/* SPDX-License-Identifier: MIT */
/*
 * Queues. Items lie in a store, in the queue's order. Whoever cannot go on parks in one of two FIFOs; whoever
 * makes it possible hands over directly: an item put while a getter waits never enters the store, a get from
 * a full one moves the first putter's item in. So at any time there are waiting getters (nothing to get) or
 * waiting putters (no room), and a coroutine that is woken has what it came for: cancelling it afterwards
 * loses nothing.
 *
 * A capacity of 0 is the same without a store: a put meets a get. There a select may wait on both sides at
 * once; it never meets itself, because attempts are made before it is linked (select.h).
 */
#include "loop/queue.h"

#define QUEUE_MAGIC 0x6575657571000001ull

/* ---- life ---- */

static ox_queue *make(size_t capacity, enum oxi_order order, oxi_compare *compare)
{
	ox_queue *q = oxi_alloc(sizeof(*q));

	if (q == NULL)
		return NULL;
	q->magic = QUEUE_MAGIC;
	q->store.order = order;
	q->store.compare = compare;
	q->capacity = capacity;
	oxi_list_init(&q->getters);
	oxi_list_init(&q->putters);
	oxi_list_init(&q->joiners);
	return q;
}

ox_queue *ox_queue_new(size_t capacity)
{
	return make(capacity, OXI_FIFO, NULL);
}

ox_queue *ox_queue_new_lifo(size_t capacity)
{
	return make(capacity, OXI_LIFO, NULL);
}

ox_queue *ox_queue_new_priority(size_t capacity, int (*compare)(const void *a, const void *b))
{
	return make(capacity, OXI_SORTED, compare);
}

void ox_queue_free(ox_queue *q)
{
	if (q == NULL)
		return;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	OXI_CHECK(oxi_list_empty(&q->getters) && oxi_list_empty(&q->putters) && oxi_list_empty(&q->joiners));
	q->magic = 0;
	oxi_store_destroy(&q->store);
	oxi_free(q);
}

/* ---- putting and getting ---- */

int ox_queue_try_put(ox_queue *q, void *item)
{
	struct oxi_clause *getter;

	if (q == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	if (q->shut)
		return OX_ECLOSED;
	getter = oxi_clause_shift(&q->getters);
	if (getter) {
		*(void **)getter->ret = item;
		oxi_clause_commit(getter, 0);
	} else if (q->store.len >= q->capacity) {
		return OX_EBUSY;
	} else if (oxi_store_push(&q->store, item) < 0) {
		return OX_ENOMEM;
	}
	q->unfinished++;
	return 0;
}

int ox_queue_try_get(ox_queue *q, void **ret_item)
{
	struct oxi_clause *putter;

	if (q == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	putter = oxi_clause_shift(&q->putters);
	if (q->store.len > 0) {
		*ret_item = oxi_store_pop(&q->store);
		if (putter)
			oxi_store_push(&q->store, putter->item);        /* where there is room now: no memory is needed */
	} else if (putter) {
		*ret_item = putter->item;
	} else {
		return q->shut ? OX_ECLOSED : OX_EBUSY;
	}
	if (putter) {
		q->unfinished++;
		oxi_clause_commit(putter, 0);
	}
	return 0;
}

/* ---- as clauses ---- */

static bool put_attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = ox_queue_try_put(c->object, c->item);
	return *ret_result != OX_EBUSY;
}

static int put_arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_queue *)c->object)->putters, &c->link);
	return 0;
}

static bool get_attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = ox_queue_try_get(c->object, c->ret);
	return *ret_result != OX_EBUSY;
}

static int get_arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_queue *)c->object)->getters, &c->link);
	return 0;
}

static const struct oxi_clause_ops put_ops = { .kind = "queue put", .attempt = put_attempt, .arm = put_arm };
static const struct oxi_clause_ops get_ops = { .kind = "queue get", .attempt = get_attempt, .arm = get_arm };

ox_clause ox_clause_put(ox_queue *q, void *item)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &put_ops, .object = q, .item = item });
}

ox_clause ox_clause_get(ox_queue *q, void **ret_item)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &get_ops, .object = q, .ret = ret_item });
}

int ox_queue_put(ox_queue *q, void *item)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &put_ops, .object = q, .item = item });
}

int ox_queue_get(ox_queue *q, void **ret_item)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &get_ops, .object = q, .ret = ret_item });
}

/* ---- the end of the work ---- */

static void one_done(ox_queue *q)
{
	if (q->unfinished > 0 && --q->unfinished == 0)
		oxi_wake_all(&q->joiners, 0);
}

int ox_queue_task_done(ox_queue *q)
{
	if (q == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	if (q->unfinished == 0)
		return OX_ESTATE;
	one_done(q);
	return 0;
}

static oxi_abort_answer leave(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

int ox_queue_join(ox_queue *q)
{
	struct oxi_wait w;
	int r = q ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(q, QUEUE_MAGIC);
	if (q->unfinished == 0)
		return 0;
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
	oxi_clause_commit_all(&q->putters, OX_ECLOSED);
	oxi_clause_commit_all(&q->getters, OX_ECLOSED);     /* they wait: there is nothing to get */
	while (drop && q->store.len > 0) {
		drop(oxi_store_pop(&q->store));
		one_done(q);
	}
}

size_t ox_queue_len(const ox_queue *q)
{
	return q ? q->store.len : 0;
}
