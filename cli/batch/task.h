/* SPDX-License-Identifier: MIT */
/* A task: what some jobs have in common. `oxbow run` has one; in a job file each entry is one. */
#ifndef OXBOW_CLI_TASK_H
#define OXBOW_CLI_TASK_H

#include <oxbow/job.h>

#include "cli/batch/child.h"
#include "cli/batch/identity.h"
#include "cli/batch/input.h"
#include "cli/batch/jobfile.h"
#include "cli/batch/resources.h"
#include "cli/batch/retry.h"
#include "cli/batch/timing.h"

/* Templates of one word beside the command's own. */
enum oxi_extra { OXI_TAG, OXI_CWD, OXI_INPUT, OXI_RESULTS, OXI_EXTRAS };

/* Templates of the paths that jobs declare. */
enum oxi_files_kind { OXI_FILES_IN, OXI_FILES_OUT, OXI_FILES_KINDS };

struct oxi_task;
struct oxi_element;

struct oxi_edge {
	struct oxi_task *to;            /* the one that comes after */
	enum oxi_condition when;
};

struct oxi_task {
	const char *name;               /* of the entry in the job file; NULL: it has none */
	struct oxi_identity identity;   /* of what it says, for those of its jobs */
	enum oxi_kind kind;
	int priority;                   /* the highest goes first */

	/* where its jobs come from: rows, what another task's jobs have given (source), or neither: it is one job */
	struct oxi_input *in;
	struct oxi_names *names;        /* what its templates may refer to: in's, or its own */
	struct oxi_template command;
	struct oxi_template *extra[OXI_EXTRAS];         /* NULL: not wanted */
	enum oxi_stdin input_kind;
	struct oxi_template *env;       /* "K=V" words, envs of them; NULL: none */
	size_t envs;
	struct oxi_template *files[OXI_FILES_KINDS];    /* NULL: none */
	int nice;
	struct oxi_needs needs;         /* at the same time, for each job */
	unsigned threads;               /* {threads} */
	const ox_job *job;              /* of a call */
	bool reads_file;                /* a call's argument is the name of a file, and it gets what is in it */
	size_t max;                     /* bytes of a page; 0: as the library has it */
	unsigned gathered;              /* enum oxi_gather: what its jobs have given is one list, for another task */
	struct oxi_buffer list;
	uint64_t list_sum;              /* of its lines, in whatever order */
	int list_fd;                    /* the list that its jobs read: if list_path is not NULL */
	char *list_path;
	bool body;                      /* somebody wants what its jobs have written, or fetched, as a file */

	const struct oxi_retry *retry;
	const struct oxi_time_limit *timeout;
	struct oxi_median *times;       /* of its jobs, if the limit is a share of their median; else NULL */

	/* What is left to do before its first job, when what it comes after is over; NULL: nothing. As oxi_input_open. */
	int (*prepare)(struct oxi_task *t, struct oxi_buffer *why);

	/* the plan's: */
	uint32_t number;
	bool waiting;                   /* in one of the plan's heaps */
	bool skipped, given_all, over;
	const struct oxi_task *because; /* skipped: the one that was not as it had to be */
	unsigned waits;                 /* tasks before it that are not over */
	struct oxi_edge *edge;          /* to those after it: edges of them */
	size_t edges;
	struct oxi_task *source;        /* each job of that task that succeeds makes one of this task's */
	struct oxi_task **sink;         /* sinks of them: whose source this is */
	size_t sinks;
	unsigned depth;                 /* sources above it */
	struct oxi_element *first, **last;      /* elements that wait to become jobs: elements of them */
	size_t elements;
	uint64_t given, settled, failed;        /* jobs */
};

/* Makes the template of an extra. Returns: 0; OX_EINVAL, and *why says what is wrong; OX_ENOMEM. */
int oxi_task_extra(struct oxi_task *t, enum oxi_extra which, const char *text, struct oxi_buffer *why);

/* Completes its templates with what its input knows, once that has begun. As oxi_input_complete. */
OX_YIELDS int oxi_task_complete(struct oxi_task *t);

/* Takes limit, which is borrowed, as that of its jobs. 0; OX_ENOMEM. */
int oxi_task_limit(struct oxi_task *t, const struct oxi_time_limit *limit);

/* A job of it has taken so long, and ended by itself. */
void oxi_task_add_time(struct oxi_task *t, ox_time wall);

/* How long a job of it may take now; OX_NEVER: as long as it likes. */
ox_time oxi_task_limit_get(const struct oxi_task *t);

/* Frees what it has, not the task itself, and not its input. */
void oxi_task_free(struct oxi_task *t);

#endif
