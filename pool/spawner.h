/* SPDX-License-Identifier: MIT */
/* The spawner's entry, and its help with namespaces: what it does is told in spawner.c, what is said to it in packet.h. */
#ifndef OXBOW_POOL_SPAWNER_H
#define OXBOW_POOL_SPAWNER_H

#include <sys/resource.h>

#include "pool/heritage.h"

/* Runs in the child that the main process forked. control: its socket; parent_pidfd: of the main process. */
_Noreturn void oxi_spawner_main(int control, int parent_pidfd);

/* ---- workers in PID namespaces of their own: keeper.c ---- */

/* Whether there may be such. *own: a descriptor of the spawner's namespace, opened if it is -1. 0; -EPERM, -errno. */
int oxi_keeper_prepare(int *own);
pid_t oxi_keeper_fork(int own);         /* as fork(), and the child is the first process of a new namespace */
_Noreturn void oxi_keeper_main(struct oxi_heritage *h);         /* there */
/* A keeper has ended: how its worker did, if it got to say so. */
void oxi_keeper_tell(const struct oxi_slot *slot, int *status, struct rusage *usage);

#endif
