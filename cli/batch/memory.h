/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_MEMORY_H
#define OXBOW_CLI_MEMORY_H

#include <stdint.h>

/* How many bytes of memory jobs may use together: the machine's, or fewer if a control group of ours has a limit. */
uint64_t oxi_memory_total(void);

#endif
