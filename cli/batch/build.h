/* SPDX-License-Identifier: MIT */
/* Entries of a job file become tasks of a plan. */
#ifndef OXBOW_CLI_BUILD_H
#define OXBOW_CLI_BUILD_H

#include "cli/batch/batch.h"
#include "cli/batch/jobfile.h"
#include "cli/plugin.h"
#include "cli/state/keys.h"

struct oxi_built;

struct oxi_build {
	const struct oxi_batch_options *o;      /* what holds for entries that do not say it */
	const struct oxi_jobfile *file;         /* for messages */
	struct oxi_plan *plan;
	struct oxi_plugins *plugins;
	bool plugins_closed;            /* the workers are there: no plugin can be added */
	struct oxi_built **built;       /* by the number of their task: n of them */
	size_t n, cap;
	uint32_t *by_name;              /* hash table of numbers + 1; 0: free */
	size_t names, table;            /* in it; its size, a power of two */
	struct oxi_keys makers;         /* paths without places, by their hash: to the number + 1 of the first that makes it */
};

/* Takes e over and adds its task to the plan. Returns: 0; OX_EINVAL, and *why says what is wrong and where; OX_ENOMEM. */
int oxi_build_add(struct oxi_build *b, struct oxi_entry *e, struct oxi_buffer *why);

/*
 * Links the tasks from number `from` on to those they name, looks for circles, makes their templates, and releases them. As
 * oxi_build_add. Yields: as oxi_input_open.
 */
OX_YIELDS int oxi_build_link(struct oxi_build *b, size_t from, struct oxi_buffer *why);

/* The entry that a task was made from. */
const struct oxi_entry *oxi_build_entry(const struct oxi_task *t);

/* After the plan is freed. */
void oxi_build_free(struct oxi_build *b);

#endif
