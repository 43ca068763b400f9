/* SPDX-License-Identifier: MIT */
/*
 * A job file, oxbow-jobs(5), becomes entries, one after the other: YAML, lines of JSON, or a list of plain commands.
 * Nothing in them is expanded, and nobody asks here whether an entry that is named exists.
 */
#ifndef OXBOW_CLI_JOBFILE_H
#define OXBOW_CLI_JOBFILE_H

#include "cli/batch/child.h"
#include "cli/batch/halt.h"
#include "cli/batch/jobfile_node.h"
#include "cli/batch/reader.h"
#include "cli/batch/retry.h"
#include "cli/batch/timing.h"

/* ---- an entry ---- */

struct oxi_text {
	char *data;                     /* NUL behind it, none inside; NULL: not given */
	size_t len;
	struct oxi_spot spot;
};

enum oxi_kind { OXI_RUN, OXI_SHELL, OXI_CALL, OXI_FETCH };

enum oxi_axis_kind { OXI_AXIS_VALUES, OXI_AXIS_GLOB, OXI_AXIS_LINES, OXI_AXIS_CSV, OXI_AXIS_JSONL, OXI_AXIS_ARRAY };

struct oxi_axis {
	struct oxi_text name;           /* of a matrix: what its place is called; of each: not given */
	enum oxi_axis_kind kind;
	struct oxi_text *value;         /* VALUES: n of them; else one: a pattern, a path, the text of an array */
	size_t n;
};

enum oxi_condition { OXI_AFTER_OK, OXI_AFTER_ANY, OXI_AFTER_FAIL };

struct oxi_after {
	struct oxi_text name;
	enum oxi_condition when;
};

struct oxi_need {
	struct oxi_text name;
	uint64_t amount;                /* cpu: thousandths of one; mem: bytes; else a number */
};

/* Everything in it is its own; text with places is as it is written. */
struct oxi_entry {
	struct oxi_spot spot;
	struct oxi_text name;           /* not given: a line of a list, an object without id */
	enum oxi_kind kind;
	struct oxi_text *word;          /* RUN: the command; SHELL: its text; CALL: plugin, function, perhaps an argument; FETCH: the URL */
	size_t words;
	size_t fetch_max;               /* bytes of a body; 0: not given */
	struct oxi_axis *axis;          /* none: one job. each: one without a name. matrix: their product */
	size_t axes;
	struct oxi_text foreach;        /* one job for each that succeeds of the entry called so */
	struct oxi_after *after;
	size_t afters;
	struct oxi_text *in, *out;      /* declared files */
	size_t ins, outs;
	struct oxi_need *need;
	size_t needs;
	struct oxi_text *env;           /* "K=V", each K once */
	size_t envs;
	struct oxi_text cwd, input;
	enum oxi_stdin input_kind;
	bool retry_given, timeout_given;
	struct oxi_retry retry;
	struct oxi_time_limit timeout;
	int priority, nice;
	struct oxi_chunk *memory;       /* of all of that */
};

void oxi_entry_free(struct oxi_entry *e);

/* ---- limits of the run ---- */

struct oxi_pool {
	struct oxi_text name;
	struct oxi_text *index;         /* n of them; NULL: they have no names */
	size_t n;
};

struct oxi_jobfile_limits {
	unsigned jobs;                  /* at a time; 0: not given */
	struct oxi_text jobs_text;
	double rate;                    /* starts per second; 0: any */
	ox_time deadline;               /* 0: none */
	bool halt_given;
	struct oxi_halt halt;
	struct oxi_pool *pool;
	size_t pools;
};

/* ---- the file ---- */

enum oxi_jobfile_format { OXI_JOBFILE_LIST, OXI_JOBFILE_JSONL, OXI_JOBFILE_YAML };

struct oxi_jobfile {
	const char *name;               /* for messages */
	enum oxi_jobfile_format format;
	struct oxi_reader reader;
	uint32_t line;                  /* of the byte that comes next */
	struct oxi_arena head;          /* limits, and the nodes of defaults */
	struct oxi_arena tree;          /* the nodes of YAML, or of the line at hand */
	struct oxi_jobfile_limits limits;
	const struct oxi_node *defaults;        /* a map; NULL: none */
	const struct oxi_node *job;             /* YAML: the name of the next entry; NULL: that was all */
};

/*
 * Opens a job file, "-" for standard input, tells its format, and reads what stands before the entries: of YAML all there
 * is. path is borrowed. Returns: 0; OX_ECANCELED, OX_ENOMEM; another negative code, and *why says what is wrong and where.
 * Close it in any case. Yields: inside a loop, while a pipe has nothing; outside of one it blocks.
 */
OX_YIELDS int oxi_jobfile_open(struct oxi_jobfile *f, const char *path, struct oxi_buffer *why);

/*
 * The next entry, with the defaults in it, which oxi_entry_free frees. Returns: 1; 0 at the end; as oxi_jobfile_open, and
 * no entry.
 */
OX_YIELDS int oxi_jobfile_next(struct oxi_jobfile *f, struct oxi_entry *ret, struct oxi_buffer *why);

static inline const struct oxi_jobfile_limits *oxi_jobfile_limits(const struct oxi_jobfile *f)
{
	return &f->limits;
}

/* Entries come as they are written: somebody may keep the pipe open. */
static inline bool oxi_jobfile_is_stream(const struct oxi_jobfile *f)
{
	return f->format != OXI_JOBFILE_YAML && !f->reader.regular;
}

/* Adds "FILE:LINE:COLUMN: ". */
void oxi_jobfile_error(const struct oxi_jobfile *f, struct oxi_spot spot, struct oxi_buffer *why);

/* The same, and what is wrong there. Returns OX_EINVAL. */
int oxi_jobfile_fault(const struct oxi_jobfile *f, struct oxi_spot spot, struct oxi_buffer *why, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void oxi_jobfile_close(struct oxi_jobfile *f);

/* How much "cpu" (thousandths), "mem" (bytes) or anything else (a number) text asks for. 0, or OX_EINVAL. */
int oxi_need_parse(const char *name, const char *text, uint64_t *ret);

#endif
