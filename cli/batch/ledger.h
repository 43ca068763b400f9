/* SPDX-License-Identifier: MIT */
/* The ledger: the one place where a finished job is written down, before anybody is shown anything of it. */
#ifndef OXBOW_CLI_LEDGER_H
#define OXBOW_CLI_LEDGER_H

#include "cli/batch/durable.h"
#include "cli/batch/events.h"
#include "cli/batch/job.h"

struct oxi_ledger {
	struct oxi_durability durability;
	int joblog;                     /* -1: none */
	const char *results_text;       /* what the tasks' OXI_RESULTS are made from */
	struct oxi_events events;
	struct oxi_tally tally;
	const char *failed;             /* what could not be written; NULL: nothing */
};

/*
 * Writes down how a job ended for good: record, results, job log, counts, event, in this order.
 * Returns: 0; -ENOSPC and the like with l->failed set, OX_ECANCELED, OX_ENOMEM.
 */
OX_YIELDS int oxi_ledger_commit(struct oxi_ledger *l, struct oxi_job *j);

#endif
