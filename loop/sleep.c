/* SPDX-License-Identifier: MIT */
/* Sleeping: a timer that wakes. */
#include "loop/state.h"

struct sleeper {
	struct oxi_wait wait;
	struct oxi_timer timer;
};

static void fire(struct oxi_timer *t)
{
	oxi_wake(&OXI_CONTAINER(t, struct sleeper, timer)->wait, 0);
}

static oxi_abort_answer give_up(struct oxi_wait *w)
{
	oxi_timer_clear(&OXI_CONTAINER(w, struct sleeper, wait)->timer);
	return OXI_ABORTED;
}

int ox_sleep_until(ox_time at)
{
	struct sleeper s;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	oxi_wait_init(&s.wait, "sleep", NULL, give_up);
	oxi_timer_init(&s.timer, fire);
	r = oxi_timer_set(&s.timer, at);
	return r < 0 ? r : oxi_park(&s.wait);
}

int ox_sleep(ox_time d)
{
	ox_time now;

	if (d <= 0)
		return ox_yield();
	now = oxi_now();
	return ox_sleep_until(d < OX_NEVER - now ? now + d : OX_NEVER);
}
