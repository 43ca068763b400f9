/* SPDX-License-Identifier: MIT */
/*
 * Channels: a queue with two sides. Each side is held by its ends, of which there may be any number, each
 * closed by whoever has it: when the last sender is closed the receivers see the end, when the last receiver
 * is closed the senders are told that nobody listens. So neither side has to know how many there are on the
 * other.
 */
#ifndef OXBOW_CHANNEL_H
#define OXBOW_CHANNEL_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_sender ox_sender;
typedef struct ox_receiver ox_receiver;

/**
 * Makes a channel, with one end on each side.
 *
 * @capacity: as of ox_queue_new(), 0 too. @drop: called with each item that is left when the last receiver is
 * closed; NULL for none. @ret_sender, @ret_receiver: owned: ox_sender_close() or OX_AUTO_SENDER,
 * ox_receiver_close() or OX_AUTO_RECEIVER.
 * Returns: 0; OX_ENOMEM. Call from: the loop's thread. Since: 0.1
 */
OX_API int ox_channel_new(size_t capacity, void (*drop)(void *item), ox_sender **ret_sender, ox_receiver **ret_receiver);

/** Makes another end on the same side. Returns: owned, as the first; NULL without memory, or of NULL. Since: 0.1 */
OX_API ox_sender *ox_sender_clone(ox_sender *s);
OX_API ox_receiver *ox_receiver_clone(ox_receiver *r);

/** Closes an end; who is parked there gets OX_ECLOSED. What was sent stays to be received. Takes NULL. Since: 0.1 */
OX_API void ox_sender_close(ox_sender *s);
OX_API void ox_receiver_close(ox_receiver *r);
static inline void ox_sender_auto_(ox_sender **s) { ox_sender_close(*s); }
static inline void ox_receiver_auto_(ox_receiver **r) { ox_receiver_close(*r); }
#define OX_AUTO_SENDER   __attribute__((cleanup(ox_sender_auto_))) ox_sender
#define OX_AUTO_RECEIVER __attribute__((cleanup(ox_receiver_auto_))) ox_receiver

/**
 * Sends an item.
 *
 * @item: given to whoever receives it; stays the caller's on failure.
 * Returns: 0; -EPIPE when all receivers are closed, also while it waits; OX_ECLOSED if this end is closed
 * while it waits; OX_ECANCELED, OX_ENOMEM.
 * Yields: as ox_queue_put(). Cancel: the item was not sent. Since: 0.1
 */
OX_API OX_YIELDS int ox_sender_put(ox_sender *s, void *item);

/**
 * Receives an item.
 *
 * Returns: 0; OX_ECLOSED when all senders are closed and all items received, or if this end is closed while
 * it waits; OX_ECANCELED, OX_ENOMEM.
 * Yields: while there is none. Cancel: receives nothing. Since: 0.1
 */
OX_API OX_YIELDS int ox_receiver_get(ox_receiver *r, void **ret_item);

OX_END

#endif
