/* SPDX-License-Identifier: MIT */
/*
 * A loop inside another one: a program that has its own event loop (libevent, GLib, libuv, a game's frame)
 * opens a loop instead of running it, and turns it.
 *
 * - Any other loop: it watches ox_loop_fd() for reading and calls ox_loop_step() whenever it is readable.
 * - A libevent base of the caller's (ox_run_options.event_base): Oxbow's descriptors live in that base, and
 *   its coroutines run out of the caller's event_base_dispatch(). Nothing is to be stepped.
 *
 * Between two steps the thread is outside every coroutine: of this library it may call what does not yield
 * (ox_spawn(), ox_queue_try_put(), ox_promise_resolve(), ox_future_cancel()...), which makes the loop turn.
 */
#ifndef OXBOW_EMBED_H
#define OXBOW_EMBED_H

#include <oxbow/run.h>

OX_BEGIN

/**
 * Makes this thread's loop and starts fn(arg) as its main coroutine, which runs at the first step.
 *
 * @o: as for ox_run(), without a virtual clock; NULL for the defaults. @ret: owned: ox_loop_close().
 * Returns: 0; OX_ESTATE: this thread has a loop; OX_ENOMEM, -errno, OX_EFORKED.
 * Call from: an ordinary thread, which is the only one that may use the loop (ox_post() aside). Since: 0.1
 */
OX_API int ox_loop_open(ox_coro *fn, void *arg, const ox_run_options *o, ox_loop **ret);

/**
 * A descriptor that is readable when ox_loop_step() has something to do, timers and posts included.
 *
 * Returns: borrowed until the loop is closed, only for polling; OX_ESTATE with a base of the caller's;
 * -ENOENT without /proc, where it is found. Since: 0.1
 */
OX_API int ox_loop_fd(ox_loop *l);

/**
 * Runs what can run, without blocking and not much longer than a turn; what is left makes ox_loop_fd()
 * readable.
 *
 * Returns: 1; 0 once the main coroutine has ended; OX_ESTATE in a coroutine or in another thread. Since: 0.1
 */
OX_API int ox_loop_step(ox_loop *l);

/**
 * Ends the loop: cancels the main coroutine if it has not ended, turns the loop until it has (this blocks),
 * and frees everything. Takes NULL. With a base of the caller's: not out of one of its callbacks while the
 * main coroutine still runs.
 *
 * Returns: what the main coroutine returned; OX_ESTATE in a coroutine or in another thread. Since: 0.1
 */
OX_API int ox_loop_close(ox_loop *l);

OX_END

#endif
