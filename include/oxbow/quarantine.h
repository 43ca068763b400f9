/* SPDX-License-Identifier: MIT */
/*
 * Inputs that crash workers. A job with a crash_limit is not run any more with an input that has crashed that many
 * workers: it fails with OX_EQUARANTINED, now and when it is submitted again, and the input is saved in the pool's
 * quarantine_dir. A saved input is run again, alone and under a debugger, by ox_replay() or `oxbow replay`.
 */
#ifndef OXBOW_QUARANTINE_H
#define OXBOW_QUARANTINE_H

#include <oxbow/pool.h>

OX_BEGIN

/** One input that is in quarantine. */
typedef struct ox_quarantined {
	size_t size;
	const char *job;                /* the job's name, borrowed from the pool */
	size_t length;                  /* of the input, bytes */
	unsigned crashes;               /* workers that it has cost */
	uint8_t digest[32];             /* SHA-256 of the input */
	const char *path;               /* where it is saved, borrowed until it is cleared; NULL: it is not */
} ox_quarantined;

/**
 * How many inputs of a pool are in quarantine. It has room for 1,024, with those that have crashed and are not in it
 * yet: then the one that crashed least recently is forgotten, of these first.
 *
 * Call from: the thread of the pool's loop. Since: 0.1
 */
OX_API size_t ox_quarantine_count(const ox_pool *p);

/**
 * Tells of the i-th input in quarantine, the one that crashed least recently first.
 *
 * @ret: set ret->size first. Returns: 0; OX_EINVAL: there is no such one. Call from: the thread of the pool's loop.
 * Since: 0.1
 */
OX_API int ox_quarantine_get(const ox_pool *p, size_t i, ox_quarantined *ret);

/** Forgets all crashes: every input may be submitted again. Saved files stay. Since: 0.1 */
OX_API void ox_quarantine_clear(ox_pool *p);

/** A saved input in memory: text fields, then the bytes. */
typedef struct ox_saved ox_saved;

/**
 * Reads a saved input.
 *
 * @ret: owned: ox_saved_free(). Returns: 0; OX_EPROTO: no saved input, or not all of one; OX_EVERSION; OX_ENOMEM; -errno.
 * Call from: anywhere; it blocks. Since: 0.1
 */
OX_API int ox_saved_read(const char *path, ox_saved **ret);

/**
 * A field of a saved input: job, program, directory, argument (one for each), build-id, crashes, signal, exit-code,
 * address, story, time, sha256, length.
 *
 * @i: which, of several of that name. Returns: borrowed until it is freed; NULL: there is none. Since: 0.1
 */
OX_API const char *ox_saved_field(const ox_saved *s, const char *name, size_t i);
/** The input itself, borrowed until it is freed, 16-byte aligned. Since: 0.1 */
OX_API ox_bytes ox_saved_input(const ox_saved *s);
OX_API void ox_saved_free(ox_saved *s);

/**
 * Runs a saved input again, once, in this process and this thread: where it crashes, this process does. The pool's
 * worker_init is called before and its worker_fini after; timeouts, limits and retries are not kept. How it went is told
 * to the log hook.
 *
 * A program that opens a pool need not call it: with OX_REPLAY=FILE in the environment, ox_pool_open() does that for
 * the pool that has the job, and then ends the program, with 0 for a status of 0 or more, 1 for a negative one and 3
 * for a file that cannot be read; with OX_REPLAY_IN=worker in a process forked for it, under the limits of a worker.
 *
 * @o: the options that the pool is opened with. Returns: the job's status, or worker_init's if that is negative; codes
 * as ox_saved_read(); OX_ENOJOB: the file is of another job; OX_ENOMEM; OX_EINVAL.
 * Call from: anywhere but a coroutine, whose stack is small. Since: 0.1
 */
OX_API int ox_replay(const char *path, const ox_pool_options *o);

OX_END

#endif
