/* SPDX-License-Identifier: MIT */
/* Processes that left their job's process group, found by the environment that they were given. */
#ifndef OXBOW_CLI_STRAY_H
#define OXBOW_CLI_STRAY_H

#include <oxbow/base.h>

/*
 * Kills the calling process's children that have all n variables ("K=V") in their environment and are not in
 * except (m pids, 0 among them is none). n 0: all of them. Returns how many were killed.
 */
size_t oxi_stray_kill(const char *const *variables, size_t n, const pid_t *except, size_t m);

#endif
