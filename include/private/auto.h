/* SPDX-License-Identifier: MIT */
/* Clean-up of locals on every way out of a block. */
#ifndef OXBOW_PRIVATE_AUTO_H
#define OXBOW_PRIVATE_AUTO_H

#include <unistd.h>

static inline void oxi_auto_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define OXI_AUTO_FD __attribute__((cleanup(oxi_auto_fd))) int

#endif
