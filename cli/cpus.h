/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_CPUS_H
#define OXBOW_CLI_CPUS_H

/* How many CPUs this process may use, by its affinity and by the quota of its control group; at least 1. */
unsigned oxi_cpus(void);

#endif
