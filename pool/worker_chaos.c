/* SPDX-License-Identifier: MIT */
/* A worker's part in OX_CHAOS: it kills itself where a kill from outside would hurt most, and is late with messages. */
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "pool/worker.h"

#define LATE 2000u                      /* us */
#define LIFE 1000u

static uint64_t who(const struct oxi_worker *w)
{
	return oxi_chaos_who(w->heritage->slot, w->heritage->generation);
}

void oxi_worker_chaos(struct oxi_worker *w, enum oxi_chaos_what what)
{
	const struct oxi_chaos *c = &w->page->chaos;

	if (!oxi_chaos_hits(c, what, who(w), ++w->dice))
		return;
	if (what == OXI_CHAOS_DELAY)
		nanosleep(&(struct timespec){ .tv_nsec = (long)oxi_chaos_number(c, who(w), w->dice, LATE) * 1000 }, NULL);
	else
		raise(SIGKILL);
}

/* A job that is to be killed gets a timer, and is killed behind it if it ended sooner. */
bool oxi_worker_chaos_begin(struct oxi_worker *w)
{
	const struct oxi_chaos *c = &w->page->chaos;
	struct itimerval life = { .it_value.tv_usec = 1 + (suseconds_t)oxi_chaos_number(c, who(w), ++w->dice, LIFE) };

	if (!oxi_chaos_hits(c, OXI_CHAOS_JOB, who(w), w->dice))
		return false;
	setitimer(ITIMER_REAL, &life, NULL);
	return true;
}
