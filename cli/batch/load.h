/* SPDX-License-Identifier: MIT */
/* Job files, read and linked: for who runs them, and for who only looks. */
#ifndef OXBOW_CLI_LOAD_H
#define OXBOW_CLI_LOAD_H

#include "cli/batch/build.h"

struct oxi_load {
	struct oxi_batch_options o;
	bool jobs_given, halt_given;    /* on the command line: it wins over what files say */
	struct oxi_jobfile *file;       /* files of them */
	size_t files;
	struct oxi_plugins plugins;
	struct oxi_plan plan;
	struct oxi_build build;
	struct oxi_buffer why;
};

/* Reads the files, n of them, of which the last may be a pipe: then l->plan.read goes on with it. As oxi_build_link. */
int oxi_load_open(struct oxi_load *l, char **names, size_t n);

/* Says what is wrong. Returns the exit code. */
int oxi_load_refuse(struct oxi_load *l, int r);

void oxi_load_close(struct oxi_load *l);

#endif
