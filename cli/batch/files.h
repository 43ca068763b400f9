/* SPDX-License-Identifier: MIT */
/* Files that jobs declare, by in: and out:. A job whose files are up to date is not run; half-made ones are removed. */
#ifndef OXBOW_CLI_FILES_H
#define OXBOW_CLI_FILES_H

#include <oxbow/sync.h>

#include "cli/batch/job.h"
#include "cli/state/keys.h"
#include "cli/state/made.h"

/* Of a run. All-zero, but for lock, when it begins. */
struct oxi_files {
	ox_lock *lock;                  /* of all of it */
	bool ephemeral;                 /* nothing is remembered */
	bool opened, told;
	struct oxi_made *made;          /* NULL: times alone decide */
	struct oxi_keys claimed;        /* paths of out files, by their hash: to the number of the job that makes them */
};

/* What a file is, for whoever asks whether it has changed. */
struct oxi_stamp {
	bool is;
	uint64_t inode, size;
	int64_t time;                   /* of its last change, in nanoseconds since 1970 */
};

/* Files of a job: n of them. */
struct oxi_paths {
	struct oxi_buffer text;         /* their paths from the root, NUL behind each */
	size_t n;
	struct oxi_stamp *stamp;        /* n of them: when it was begun */
};

/* Of a job, while it is tried. All-zero is nothing. */
struct oxi_declared {
	struct oxi_paths in, out;
	struct oxi_identity command;
};

/* No I/O: are files like these up to date? All of in are there. */
bool oxi_files_fresh(const struct oxi_paths *in, const struct oxi_paths *out);

void oxi_files_close(struct oxi_files *f);

#endif
