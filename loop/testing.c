/* SPDX-License-Identifier: MIT */
/* The part of the testing kit that is not time, order (sched.c) or memory (memory.c). */
#include <oxbow/ox_test.h>

#include "loop/state.h"

static oxi_abort_answer give_up(struct oxi_wait *w)
{
	(void)w;
	oxi_loop->all_parked = NULL;
	return OXI_ABORTED;
}

int ox_wait_all_parked(void)
{
	struct oxi_wait w;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	if (oxi_loop->all_parked)
		return OX_EBUSY;
	oxi_wait_init(&w, "all parked", NULL, give_up);
	oxi_loop->all_parked = &w;
	return oxi_park(&w);
}
