/* SPDX-License-Identifier: MIT */
/*
 * Locks and their relatives, between coroutines of one loop. All are fair and cancel-safe: those who wait are
 * served in the order in which they came, whoever lets go hands over to the first of them, and a coroutine
 * that was handed something has it, even if it is cancelled before it runs.
 *
 * Coroutines change only where a call is marked OX_YIELDS: code between two such calls needs no lock.
 *
 * The _new calls return NULL without memory (or for numbers that make no sense), and the other calls answer
 * NULL with OX_ENOMEM, so errors meet where something is waited for. The _free calls take NULL, and an object
 * that nobody waits at. All calls are for the loop's thread; none works after fork.
 */
#ifndef OXBOW_SYNC_H
#define OXBOW_SYNC_H

#include <oxbow/base.h>

OX_BEGIN

/* ---- lock: one coroutine at a time ---- */

typedef struct ox_lock ox_lock;

/** Makes a lock. Returns: owned: ox_lock_free() or OX_AUTO_LOCK. Since: 0.1 */
OX_API ox_lock *ox_lock_new(void);

/** Frees a lock that nobody holds. Takes NULL. Since: 0.1 */
OX_API void ox_lock_free(ox_lock *l);
static inline void ox_lock_auto_(ox_lock **l) { ox_lock_free(*l); }
#define OX_AUTO_LOCK __attribute__((cleanup(ox_lock_auto_))) ox_lock

/**
 * Takes the lock. A task that ends and holds it still has it released, and the log hook is told: an error.
 *
 * Returns: 0; OX_ESTATE if the caller holds it already; OX_ECANCELED.
 * Yields: while another holds it. Cancel: the lock is not taken. Since: 0.1
 */
OX_API OX_YIELDS int ox_lock_acquire(ox_lock *l);

/** The same, but OX_EBUSY instead of waiting. Since: 0.1 */
OX_API int ox_lock_try_acquire(ox_lock *l);

/** Gives the lock to who has waited longest. Returns: 0; OX_ESTATE if the caller does not hold it. Since: 0.1 */
OX_API int ox_lock_release(ox_lock *l);

/** True while some task holds it. Since: 0.1 */
OX_API bool ox_lock_held(const ox_lock *l);

/** A lock just acquired is released at the end of the block: `OX_AUTO_UNLOCK *held = lock;`. */
static inline void ox_lock_auto_release_(ox_lock **l) { ox_lock_release(*l); }
#define OX_AUTO_UNLOCK __attribute__((cleanup(ox_lock_auto_release_))) ox_lock

/* ---- condition: wait, inside a lock, until something changes ---- */

typedef struct ox_condition ox_condition;

/** Makes a condition of a lock, which is borrowed. Returns: owned: ox_condition_free() or OX_AUTO_CONDITION. Since: 0.1 */
OX_API ox_condition *ox_condition_new(ox_lock *lock);

/** Frees a condition. Takes NULL. Since: 0.1 */
OX_API void ox_condition_free(ox_condition *c);
static inline void ox_condition_auto_(ox_condition **c) { ox_condition_free(*c); }
#define OX_AUTO_CONDITION __attribute__((cleanup(ox_condition_auto_))) ox_condition

/**
 * Releases the lock, waits until it is notified, and takes the lock again. Others may have run meanwhile:
 * look again, `while (r == 0 && !ready) r = ox_condition_wait(c);`.
 *
 * Returns: 0; OX_ECANCELED. The caller holds the lock on every return, also when it was cancelled: that wait
 * for the lock cannot be cancelled. OX_ESTATE if the caller did not hold it.
 * Yields: always, unless it fails at once. Cancel: no notification is lost by it. Since: 0.1
 */
OX_API OX_YIELDS int ox_condition_wait(ox_condition *c);

/** Notifies the n who have waited longest; the caller holds the lock. Returns: how many; OX_ESTATE. Since: 0.1 */
OX_API int ox_condition_notify(ox_condition *c, size_t n);

/** Notifies all who wait. Since: 0.1 */
OX_API int ox_condition_notify_all(ox_condition *c);

/* ---- event: a flag to wait for ---- */

typedef struct ox_event ox_event;

/** Makes an event, not set. Returns: owned: ox_event_free() or OX_AUTO_EVENT. Since: 0.1 */
OX_API ox_event *ox_event_new(void);

/** Frees an event. Takes NULL. Since: 0.1 */
OX_API void ox_event_free(ox_event *e);
static inline void ox_event_auto_(ox_event **e) { ox_event_free(*e); }
#define OX_AUTO_EVENT __attribute__((cleanup(ox_event_auto_))) ox_event

/** Sets it: all who wait wake, also if it is cleared before they run. Takes NULL. Since: 0.1 */
OX_API void ox_event_set(ox_event *e);

/** Clears it: who comes from now on waits. Takes NULL. Since: 0.1 */
OX_API void ox_event_clear(ox_event *e);

/** True while it is set. Since: 0.1 */
OX_API bool ox_event_is_set(const ox_event *e);

/** Waits until it is set. Returns: 0; OX_ECANCELED. Yields: unless it is set. Since: 0.1 */
OX_API OX_YIELDS int ox_event_wait(ox_event *e);

/* ---- semaphore: so many at a time, whoever they are ---- */

typedef struct ox_semaphore ox_semaphore;

/**
 * Makes a semaphore.
 *
 * @value: how often it can be acquired before the first release. @max: never more than this; SIZE_MAX for no
 * bound.
 * Returns: owned: ox_semaphore_free() or OX_AUTO_SEMAPHORE; NULL also if value is above max. Since: 0.1
 */
OX_API ox_semaphore *ox_semaphore_new(size_t value, size_t max);

/** Frees a semaphore. Takes NULL. Since: 0.1 */
OX_API void ox_semaphore_free(ox_semaphore *s);
static inline void ox_semaphore_auto_(ox_semaphore **s) { ox_semaphore_free(*s); }
#define OX_AUTO_SEMAPHORE __attribute__((cleanup(ox_semaphore_auto_))) ox_semaphore

/** Takes one. Returns: 0; OX_ECANCELED. Yields: while there is none. Cancel: none is taken. Since: 0.1 */
OX_API OX_YIELDS int ox_semaphore_acquire(ox_semaphore *s);

/** The same, but OX_EBUSY instead of waiting. Since: 0.1 */
OX_API int ox_semaphore_try_acquire(ox_semaphore *s);

/** Gives one back, or adds one; whoever calls. Returns: 0; OX_ESTATE if that would be more than max. Since: 0.1 */
OX_API int ox_semaphore_release(ox_semaphore *s);

/** How many could be taken now. Since: 0.1 */
OX_API size_t ox_semaphore_value(const ox_semaphore *s);

/* ---- limiter: so many at a time, and it knows who ---- */

typedef struct ox_limiter ox_limiter;

/** Makes a limiter of so many tokens. Returns: owned: ox_limiter_free() or OX_AUTO_LIMITER. Since: 0.1 */
OX_API ox_limiter *ox_limiter_new(size_t capacity);

/** Frees a limiter. Takes NULL. Since: 0.1 */
OX_API void ox_limiter_free(ox_limiter *l);
static inline void ox_limiter_auto_(ox_limiter **l) { ox_limiter_free(*l); }
#define OX_AUTO_LIMITER __attribute__((cleanup(ox_limiter_auto_))) ox_limiter

/**
 * Borrows a token for the calling task, or for another borrower: any address that stands for it (a thread's
 * record, say) until the token is given back.
 *
 * Returns: 0; OX_ESTATE if that borrower has one already; OX_ECANCELED, OX_ENOMEM.
 * Yields: while as many as the capacity are borrowed. Cancel: none is borrowed. Since: 0.1
 */
OX_API OX_YIELDS int ox_limiter_acquire(ox_limiter *l);
OX_API OX_YIELDS int ox_limiter_acquire_for(ox_limiter *l, const void *borrower);

/** The same, but OX_EBUSY instead of waiting. Since: 0.1 */
OX_API int ox_limiter_try_acquire(ox_limiter *l);
OX_API int ox_limiter_try_acquire_for(ox_limiter *l, const void *borrower);

/** Gives the token back. Returns: 0; OX_ESTATE if that borrower has none. Since: 0.1 */
OX_API int ox_limiter_release(ox_limiter *l);
OX_API int ox_limiter_release_for(ox_limiter *l, const void *borrower);

/**
 * Changes the capacity. More: those who wait are served at once. Fewer: nothing is taken away; tokens given
 * back are not lent again until fewer than the capacity are out. Takes NULL. Since: 0.1
 */
OX_API void ox_limiter_resize(ox_limiter *l, size_t capacity);

/** Statistics: the capacity; how many tokens are borrowed; how many wait for one. Since: 0.1 */
OX_API size_t ox_limiter_capacity(const ox_limiter *l);
OX_API size_t ox_limiter_borrowed(const ox_limiter *l);
OX_API size_t ox_limiter_waiting(const ox_limiter *l);

/* ---- barrier: all go on together ---- */

typedef struct ox_barrier ox_barrier;

/** Makes a barrier of so many parties, at least 1. Returns: owned: ox_barrier_free() or OX_AUTO_BARRIER. Since: 0.1 */
OX_API ox_barrier *ox_barrier_new(size_t parties);

/** Frees a barrier. Takes NULL. Since: 0.1 */
OX_API void ox_barrier_free(ox_barrier *b);
static inline void ox_barrier_auto_(ox_barrier **b) { ox_barrier_free(*b); }
#define OX_AUTO_BARRIER __attribute__((cleanup(ox_barrier_auto_))) ox_barrier

/**
 * Waits until all parties have come; then the barrier is as new.
 *
 * Returns: 0 to parties - 1, in the order in which they came; OX_ECLOSED after ox_barrier_shut();
 * OX_ECANCELED.
 * Yields: unless it is the last to come. Cancel: as if it had not come; the others go on waiting. Since: 0.1
 */
OX_API OX_YIELDS int ox_barrier_wait(ox_barrier *b);

/** Gives up: those who wait and those who come get OX_ECLOSED. Takes NULL. Since: 0.1 */
OX_API void ox_barrier_shut(ox_barrier *b);

/** How many wait. Since: 0.1 */
OX_API size_t ox_barrier_waiting(const ox_barrier *b);

/* ---- rwlock: many readers, or one writer ---- */

typedef struct ox_rwlock ox_rwlock;

/** Makes a readers-writer lock. Returns: owned: ox_rwlock_free() or OX_AUTO_RWLOCK. Since: 0.1 */
OX_API ox_rwlock *ox_rwlock_new(void);

/** Frees it; nobody holds it. Takes NULL. Since: 0.1 */
OX_API void ox_rwlock_free(ox_rwlock *l);
static inline void ox_rwlock_auto_(ox_rwlock **l) { ox_rwlock_free(*l); }
#define OX_AUTO_RWLOCK __attribute__((cleanup(ox_rwlock_auto_))) ox_rwlock

/**
 * Takes it together with other readers, or alone. A reader that comes after a waiting writer waits behind it,
 * so that neither side starves; who reads already and wants to write lets go first. A writer that ends and holds
 * it still is treated as one of a lock; readers are only counted.
 *
 * Returns: 0; OX_ESTATE if the caller is its writer already; OX_ECANCELED.
 * Yields: while it is not to be had. Cancel: it is not taken. Since: 0.1
 */
OX_API OX_YIELDS int ox_rwlock_acquire_read(ox_rwlock *l);
OX_API OX_YIELDS int ox_rwlock_acquire_write(ox_rwlock *l);

/** The same, but OX_EBUSY instead of waiting. Since: 0.1 */
OX_API int ox_rwlock_try_acquire_read(ox_rwlock *l);
OX_API int ox_rwlock_try_acquire_write(ox_rwlock *l);

/** Lets go, of either. Returns: 0; OX_ESTATE if nobody holds it, or a writer that is not the caller. Since: 0.1 */
OX_API int ox_rwlock_release(ox_rwlock *l);

OX_END

#endif
