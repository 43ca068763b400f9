/* SPDX-License-Identifier: MIT */
/*
 * A FIFO queue of pointers between coroutines of one loop. Waiters are served in order; the item of a getter
 * that was cancelled goes to the next one, so nothing is lost and nothing comes twice.
 */
#ifndef OXBOW_QUEUE_H
#define OXBOW_QUEUE_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_queue ox_queue;

#define OX_UNBOUNDED SIZE_MAX

/**
 * Makes a queue of at most capacity items.
 *
 * @capacity: 1 or more; OX_UNBOUNDED if that is really wanted.
 * Returns: owned: ox_queue_free(); NULL without memory or for capacity 0. Call from: the loop's thread.
 * Since: 0.1
 */
OX_API ox_queue *ox_queue_new(size_t capacity);

/** Frees a queue that nobody waits at. Items still in it are the caller's to have taken out. Takes NULL. Since: 0.1 */
OX_API void ox_queue_free(ox_queue *q);

/**
 * Puts an item at the end.
 *
 * @item: given to whoever gets it; stays the caller's on failure.
 * Returns: 0; OX_ECLOSED after ox_queue_shut(), OX_ECANCELED, OX_ENOMEM (q is NULL).
 * Yields: while the queue is full. Cancel: the item was not put. Since: 0.1
 */
OX_API OX_YIELDS int ox_queue_put(ox_queue *q, void *item);

/**
 * Takes the first item.
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

/** The number of items in the queue. Since: 0.1 */
OX_API size_t ox_queue_len(const ox_queue *q);

OX_END

#endif
