/* SPDX-License-Identifier: MIT */
/*
 * Queues of pointers between coroutines of one loop: first in, first out; last in, first out; or the least
 * first. Waiters are served in order; the item of a getter that was cancelled goes to the next one, so
 * nothing is lost and nothing comes twice.
 */
#ifndef OXBOW_QUEUE_H
#define OXBOW_QUEUE_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_queue ox_queue;

#define OX_UNBOUNDED SIZE_MAX

/**
 * Makes a queue of at most capacity items, first in, first out.
 *
 * @capacity: 0: a rendezvous, where a put waits until a get takes its item; OX_UNBOUNDED if that is really
 * wanted.
 * Returns: owned: ox_queue_free() or OX_AUTO_QUEUE; NULL without memory, which the other calls answer with
 * OX_ENOMEM.
 * Call from: the loop's thread. Since: 0.1
 */
OX_API ox_queue *ox_queue_new(size_t capacity);

/** The same, last in, first out. Since: 0.1 */
OX_API ox_queue *ox_queue_new_lifo(size_t capacity);

/**
 * The same, the least item first.
 *
 * @compare: less than 0 if a comes before b, 0 if they are equal, which come out as they went in. Called by
 * put and get; what it looks at in an item must not change while that is in the queue.
 * Since: 0.1
 */
OX_API ox_queue *ox_queue_new_priority(size_t capacity, int (*compare)(const void *a, const void *b));

/** Frees a queue that nobody waits at. Items still in it are the caller's to have taken out. Takes NULL. Since: 0.1 */
OX_API void ox_queue_free(ox_queue *q);
static inline void ox_queue_auto_(ox_queue **q) { ox_queue_free(*q); }
#define OX_AUTO_QUEUE __attribute__((cleanup(ox_queue_auto_))) ox_queue

/**
 * Puts an item in.
 *
 * @item: given to whoever gets it; stays the caller's on failure.
 * Returns: 0; OX_ECLOSED after ox_queue_shut(), OX_ECANCELED, OX_ENOMEM (q is NULL).
 * Yields: while the queue is full; at capacity 0 until the item is taken. Cancel: the item was not put.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_queue_put(ox_queue *q, void *item);

/**
 * Takes the item whose turn it is.
 *
 * Returns: 0; OX_ECLOSED when the queue is shut and empty, OX_ECANCELED, OX_ENOMEM (q is NULL).
 * Yields: while the queue is empty. Cancel: takes nothing. Since: 0.1
 */
OX_API OX_YIELDS int ox_queue_get(ox_queue *q, void **ret_item);

/** As put and get, but OX_EBUSY instead of waiting. Since: 0.1 */
OX_API int ox_queue_try_put(ox_queue *q, void *item);
OX_API int ox_queue_try_get(ox_queue *q, void **ret_item);

/** Says that the work on one item that was got is done. Returns: 0; OX_ESTATE: more often than items were put. Since: 0.1 */
OX_API int ox_queue_task_done(ox_queue *q);

/** Waits until ox_queue_task_done() was called for every item put. Returns: 0; OX_ECANCELED. Since: 0.1 */
OX_API OX_YIELDS int ox_queue_join(ox_queue *q);

/**
 * Shuts the queue: parked and later puts fail with OX_ECLOSED, what is in it can still be got, then gets
 * fail.
 *
 * @drop: NULL, or called with each item still in the queue, which is then empty at once and not waited for by
 * join.
 * Since: 0.1
 */
OX_API void ox_queue_shut(ox_queue *q, void (*drop)(void *item));

/** The number of items in the queue, without those that parked putters hold. Since: 0.1 */
OX_API size_t ox_queue_len(const ox_queue *q);

OX_END

#endif
