/* SPDX-License-Identifier: MIT */
/* The spawner's entry: what it does is told in spawner.c, what is said to it in packet.h. */
#ifndef OXBOW_POOL_SPAWNER_H
#define OXBOW_POOL_SPAWNER_H

/* Runs in the child that the main process forked. control: its socket; parent_pidfd: of the main process. */
_Noreturn void oxi_spawner_main(int control, int parent_pidfd);

#endif
