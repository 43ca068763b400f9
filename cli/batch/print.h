/* SPDX-License-Identifier: MIT */
/* The printer: shows the output of ended jobs, whole job after whole job, and frees them. */
#ifndef OXBOW_CLI_PRINT_H
#define OXBOW_CLI_PRINT_H

#include <oxbow/queue.h>

#include "cli/bar.h"
#include "cli/batch/job.h"

struct oxi_printer {
	ox_queue *done;                 /* of struct oxi_job: ended */
	ox_queue *window;               /* one entry for each job that was fed and not shown */
	struct oxi_bar *bar;
	bool keep_order, tag;
	size_t window_len;
	struct oxi_tally tally;
};

/*
 * A coroutine's function, of a struct oxi_printer. Returns: 0 when done is shut and empty; -EPIPE, -ENOSPC
 * and the like: standard output is gone; OX_ECANCELED, OX_ENOMEM.
 */
OX_YIELDS int oxi_printer_run(void *printer);

#endif
