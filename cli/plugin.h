/* SPDX-License-Identifier: MIT */
/* Shared libraries with jobs in them: a table `const ox_job *const ox_jobs[]`, NULL at its end. */
#ifndef OXBOW_CLI_PLUGIN_H
#define OXBOW_CLI_PLUGIN_H

#include <oxbow/job.h>

#include "cli/buffer.h"

#define OXI_PLUGIN_TABLE "ox_jobs"

/*
 * Loads one, for good. NULL: *why says why not.
 */
const ox_job *const *oxi_plugin_load(const char *name, struct oxi_buffer *why);

/* The jobs of all plugins that were asked for. */
struct oxi_plugins {
	char **name;                    /* n of them */
	const ox_job *const **table;
	size_t n;
	const ox_job **jobs;            /* all of them, NULL at the end; NULL: none */
	size_t jobs_n;
};

/*
 * Finds a job of a plugin, which is loaded unless it is already. @closed: no more may be loaded.
 * Returns: 0; OX_EINVAL, and *why says what is wrong; OX_ENOMEM.
 */
int oxi_plugins_find(struct oxi_plugins *p, const char *name, const char *job, bool closed, const ox_job **ret,
                     struct oxi_buffer *why);

void oxi_plugins_free(struct oxi_plugins *p);

#endif
