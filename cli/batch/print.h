/* SPDX-License-Identifier: MIT */
/* Shows the output of jobs: whole job after whole job when they have ended, or whole line after whole line before. */
#ifndef OXBOW_CLI_PRINT_H
#define OXBOW_CLI_PRINT_H

#include <oxbow/queue.h>
#include <oxbow/sync.h>

#include "cli/bar.h"
#include "cli/batch/job.h"

struct oxi_printer {
	ox_queue *done;                 /* of struct oxi_job: ended and recorded */
	ox_queue *window;               /* one entry for each job that was fed and not shown */
	ox_lock *voice;                 /* who shows something, and may wait in the middle of it, has it */
	struct oxi_bar *bar;
	bool keep_order;
	bool shown;                     /* line by line: there is nothing left to show at the end */
	bool tag, colour[2];            /* before each line; of standard output and error */
	size_t window_len;
	struct oxi_state *state;        /* is told what was shown; NULL: nobody is */
	struct oxi_sink sink[2];
};

/*
 * A coroutine's function, of a struct oxi_printer. Returns: 0 when done is shut and empty; -EPIPE, -ENOSPC
 * and the like: standard output is gone; OX_ECANCELED, OX_ENOMEM.
 */
OX_YIELDS int oxi_printer_run(void *printer);

/*
 * Adds to what a job wrote to its standard output (0) or error (1), and shows the whole lines of it. end: also the rest.
 * Returns as oxi_printer_run().
 */
OX_YIELDS int oxi_printer_add(struct oxi_printer *p, const struct oxi_job *j, int which, struct oxi_buffer *held,
                              const char *data, size_t len, bool end);

#endif
