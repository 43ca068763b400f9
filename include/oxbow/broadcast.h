/* SPDX-License-Identifier: MIT */
/*
 * Broadcast: every subscriber sees every item. Sending never waits. A ring keeps the last items; a subscriber
 * that is so slow that it misses some is told how many, and goes on with the oldest that is still there.
 *
 * Items are of one size and are copied in and out. What they point to, if they do, is the program's to keep.
 */
#ifndef OXBOW_BROADCAST_H
#define OXBOW_BROADCAST_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_broadcast ox_broadcast;
typedef struct ox_subscriber ox_subscriber;

/**
 * Makes a broadcast that keeps the last capacity items.
 *
 * @capacity: at least 1. @item_size: bytes, at least 1.
 * Returns: owned: ox_broadcast_free() or OX_AUTO_BROADCAST; NULL without memory. Call from: the loop's
 * thread. Since: 0.1
 */
OX_API ox_broadcast *ox_broadcast_new(size_t capacity, size_t item_size);

/** Frees a broadcast whose subscribers have been freed. Takes NULL. Since: 0.1 */
OX_API void ox_broadcast_free(ox_broadcast *b);
static inline void ox_broadcast_auto_(ox_broadcast **b) { ox_broadcast_free(*b); }
#define OX_AUTO_BROADCAST __attribute__((cleanup(ox_broadcast_auto_))) ox_broadcast

/**
 * Sends an item to all who are subscribed now.
 *
 * @item: item_size bytes, copied. Returns: 0; OX_ECLOSED after ox_broadcast_shut(), OX_ENOMEM (b is NULL).
 * Since: 0.1
 */
OX_API int ox_broadcast_send(ox_broadcast *b, const void *item);

/** Ends the sending. Subscribers see what is left for them, then OX_ECLOSED. Takes NULL. Since: 0.1 */
OX_API void ox_broadcast_shut(ox_broadcast *b);

/** Subscribes: to what is sent from now on. Returns: owned: ox_subscriber_free() or OX_AUTO_SUBSCRIBER; NULL. Since: 0.1 */
OX_API ox_subscriber *ox_subscriber_new(ox_broadcast *b);

/** Ends a subscription at which nobody waits. Takes NULL. Since: 0.1 */
OX_API void ox_subscriber_free(ox_subscriber *s);
static inline void ox_subscriber_auto_(ox_subscriber **s) { ox_subscriber_free(*s); }
#define OX_AUTO_SUBSCRIBER __attribute__((cleanup(ox_subscriber_auto_))) ox_subscriber

/**
 * Gets the next item.
 *
 * @ret_item: item_size bytes.
 * Returns: 0; n above 0: nothing was got, n items were lost because the subscriber was too slow, and the next
 * call goes on behind them; OX_ECLOSED when all is sent and seen; OX_EBUSY if another coroutine waits at this
 * subscriber; OX_ECANCELED, OX_ENOMEM (s is NULL).
 * Yields: while there is none. Cancel: gets nothing, loses nothing. Since: 0.1
 */
OX_API OX_YIELDS int ox_subscriber_get(ox_subscriber *s, void *ret_item);

OX_END

#endif
