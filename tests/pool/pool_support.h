/* SPDX-License-Identifier: MIT */
/*
 * What the pool's tests share: a fixture that knows the spawner, and ways to find the processes that belong to a test.
 * Every process of a test program carries a nonce in the environment that it was executed with, so that survivors are
 * found in /proc whoever their parent is.
 */
#ifndef OXBOW_TESTS_POOL_SUPPORT_H
#define OXBOW_TESTS_POOL_SUPPORT_H

#include "tests/support/support.h"

/* First in main: executes the program again with a fresh nonce, unless it has one. With --driver NAME it runs that driver and exits. */
struct driver {
	const char *name;
	int (*run)(void);
};
void pool_main(int argc, char **argv, const struct driver *drivers);

/* The case's fixture forks the spawner, counts descriptors, and asserts afterwards that no worker and no stray is left. */
TCase *new_pool_case(Suite *s, const char *name, double timeout);

/* Processes with this nonce (NULL: this program's) and name (NULL: any); pids, if wanted, of the first max. */
unsigned find_processes(const char *nonce, const char *comm, pid_t *pids, unsigned max);

/* Starts this program anew as a driver, with a nonce of its own; what it prints comes from *ret_out. */
pid_t start_driver(const char *name, char nonce[64], int *ret_out);

/* True once cond(arg) is, within ms (more under a sanitizer). */
bool eventually(bool (*cond)(void *arg), void *arg, int ms);
bool no_worker_left(void *nonce);
bool no_process_left(void *nonce);

/* Options with a small arena, so that they work under sanitizers and valgrind too. */
#define POOL_OPTIONS(...) OX_POOL_OPTIONS(.arena_bytes = OX_MIB(64), __VA_ARGS__)

/* Asserts that the numbers add up, and closes. In or out of a coroutine. */
void close_pool(ox_pool *p);
ox_pool_stats stats_of(ox_pool *p);

extern const ox_job echo_job;           /* replies its input */
extern const ox_job sleep_job;          /* int ms */
extern const ox_job segv_job;
extern const ox_job pid_job;            /* replies its worker's pid */

#endif
