/* SPDX-License-Identifier: MIT */
/*
 * Select: waits for the first of several things and does exactly that one. The others have no effect: no item
 * is taken or put, no lock is held.
 *
 *	int r, i = OX_SELECT(&r, OX_GET(jobs, &job), OX_DONE(stop), OX_AFTER(OX_SEC(1)));
 *
 *	switch (i) {
 *	case 0: ...                             // r is what ox_queue_get() would have returned: 0, OX_ECLOSED
 *	case 1: ...                             // r is the status of the future
 *	case 2: ...                             // a second has passed
 *	default: return i;                      // OX_ECANCELED
 *	}
 *
 * Of several that are ready the first in the list wins, always: put first what matters most (the end, before
 * the work), and last what may wait. A clause that is always ready keeps those behind it from being served.
 */
#ifndef OXBOW_SELECT_H
#define OXBOW_SELECT_H

#include <oxbow/broadcast.h>
#include <oxbow/channel.h>
#include <oxbow/future.h>
#include <oxbow/queue.h>
#include <oxbow/run.h>
#include <oxbow/sync.h>

OX_BEGIN

/** One of the things to wait for, made by an OX_... macro or the function behind it; used by one select, once. */
typedef struct ox_clause {
	union {
		uint64_t words[10];
		void *align;
	} private_;
} ox_clause;

/**
 * Waits until one of the clauses can be done, and does that one.
 *
 * @clauses: n of them, tried in order; each is used up. @n: at least 1. @ret_result: what the plain call of
 * the clause that was done would have returned, its errors too: a queue that is shut is OX_ECLOSED here. NULL
 * if not wanted.
 * Returns: the index of the clause that was done; OX_ECANCELED, OX_EINVAL, OX_ESTATE: none was.
 * Yields: unless one can be done at once. Cancel: none is done; one that was done before the cancel came is
 * reported. Since: 0.1
 */
OX_API OX_YIELDS int ox_select(ox_clause *clauses, size_t n, int *ret_result);
#define OX_SELECT(ret_result, ...) ox_select(OX_CLAUSES_(__VA_ARGS__), (ret_result))

/** As ox_select(), but OX_EBUSY instead of waiting. Never yields. Since: 0.1 */
OX_API int ox_select_try(ox_clause *clauses, size_t n, int *ret_result);
#define OX_SELECT_TRY(ret_result, ...) ox_select_try(OX_CLAUSES_(__VA_ARGS__), (ret_result))

#define OX_CLAUSES_(...) (ox_clause[]){ __VA_ARGS__ }, sizeof((ox_clause[]){ __VA_ARGS__ }) / sizeof(ox_clause)

/** An item is got from, or put into a queue, as by ox_queue_get() and ox_queue_put(). Result: theirs. Since: 0.1 */
OX_API ox_clause ox_clause_get(ox_queue *q, void **ret_item);
OX_API ox_clause ox_clause_put(ox_queue *q, void *item);
#define OX_GET(q, ret_item) ox_clause_get((q), (ret_item))
#define OX_PUT(q, item)     ox_clause_put((q), (item))

/** The same of a channel, as by ox_receiver_get() and ox_sender_put(). Since: 0.1 */
OX_API ox_clause ox_clause_receive(ox_receiver *r, void **ret_item);
OX_API ox_clause ox_clause_send(ox_sender *s, void *item);
#define OX_RECEIVE(r, ret_item) ox_clause_receive((r), (ret_item))
#define OX_SEND(s, item)        ox_clause_send((s), (item))

/** A subscriber has its next item, or has lost some, as by ox_subscriber_get(). Result: its. Since: 0.1 */
OX_API ox_clause ox_clause_next(ox_subscriber *s, void *ret_item);
#define OX_NEXT(s, ret_item) ox_clause_next((s), (ret_item))

/** The future is done; it is only looked at. Result: its status. Since: 0.1 */
OX_API ox_clause ox_clause_done(ox_future *f);
#define OX_DONE(f) ox_clause_done(f)

/** That much time has passed since the clause was made. Result: 0. Since: 0.1 */
OX_API ox_clause ox_clause_after(ox_time d);
#define OX_AFTER(d) ox_clause_after(d)

/** The time has come; OX_NEVER: never. Result: 0. Since: 0.1 */
OX_API ox_clause ox_clause_at(ox_time at);
#define OX_AT(at) ox_clause_at(at)

/** The descriptor is ready, as by ox_wait_fd(). Result: its. Since: 0.1 */
OX_API ox_clause ox_clause_fd(int fd, unsigned events);
#define OX_FD(fd, events) ox_clause_fd((fd), (events))

/** The event is set. Result: 0. Since: 0.1 */
OX_API ox_clause ox_clause_set(ox_event *e);
#define OX_SET(e) ox_clause_set(e)

/** The lock, or one of the semaphore, is acquired, and the caller's to release. Result: theirs. Since: 0.1 */
OX_API ox_clause ox_clause_lock(ox_lock *l);
OX_API ox_clause ox_clause_acquire(ox_semaphore *s);
#define OX_LOCK(l)    ox_clause_lock(l)
#define OX_ACQUIRE(s) ox_clause_acquire(s)

OX_END

#endif
