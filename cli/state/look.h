/* SPDX-License-Identifier: MIT */
/*
 * Looking at runs: what the commands that only read have in common. Nothing is written, and whether the runner lives makes no
 * difference.
 */
#ifndef OXBOW_CLI_LOOK_H
#define OXBOW_CLI_LOOK_H

#include <oxbow/sqlite.h>
#include <stdio.h>

#include "cli/buffer.h"
#include "cli/state/found.h"
#include "cli/state/lock.h"

#define OXI_RUNS_FOLDER ".oxbow"

struct oxi_look {
	char *dir;
	ox_sqlite *db;                  /* in a transaction: all that is read is of one moment */
	bool live;                      /* somebody works on it */
	struct oxi_holder holder;       /* if live */
	unsigned session;               /* the last one */
};

/*
 * Opens a run and calls fn in a loop, whose result is the exit code; a negative one is said to be a failure to read. run: a folder,
 * the id of a run in ./.oxbow or what it begins with; NULL: the newest of those. command: for messages.
 * Returns: the exit code.
 */
int oxi_look_run(const char *command, const char *run, int (*fn)(struct oxi_look *l, void *arg), void *arg);

/* The runs in ./.oxbow, the newest first: folders, NULL behind the last; free each and the list. NULL: no memory. */
char **oxi_look_list(void);
void oxi_look_list_free(char **list);

/* In a loop. Returns: 0; OX_EVERSION, OX_EDB and the like, with words in why. dir is copied. */
OX_YIELDS int oxi_look_open(struct oxi_look *l, const char *dir, struct oxi_buffer *why);
OX_YIELDS void oxi_look_close(struct oxi_look *l);
/* From now on what is read is of this moment. */
OX_YIELDS int oxi_look_again(struct oxi_look *l);

OX_YIELDS int oxi_look_query(struct oxi_look *l, const char *sql, const ox_value *params, size_t n, ox_sqlite_result **ret);

/* Calls fn for each row of a query, however many; until it is negative, which is returned. */
OX_YIELDS int oxi_look_each(struct oxi_look *l, const char *sql, const ox_value *params, size_t n,
                            int (*fn)(void *arg, const ox_sqlite_result *res, size_t row), void *arg);

/* ---- jobs ---- */

/* The words [RUN] JOB of a command line, n of them; *ret_run NULL: it was left out. False: it was said what is wrong. */
bool oxi_look_job_words(const char *command, int n, char **words, const char **ret_run, const char **ret_job);
#define OXI_LOOK_JOB_NOTES \
	"RUN is a folder, or the beginning of an id in ./.oxbow; without it, the newest run there.\n" \
	"JOB is its number, or its name: thumb[3].\n"

/*
 * Finds what is on record of a job: its number, or its name. Returns: 1; 0: nothing is on record. *ret is to be freed then by
 * oxi_found_free().
 */
OX_YIELDS int oxi_look_job(struct oxi_look *l, const char *job, struct oxi_found *ret);

/* ---- words ---- */

/* "running", "ended", "interrupted": the runner went without a word. ended: what the last session says. */
const char *oxi_look_state(const struct oxi_look *l, bool ended);
const char *oxi_kind_name(int kind);            /* of a task: "run", "sh", "call", "fetch" */
const char *oxi_condition_name(int when);       /* "ok", "any", "fail" */
/* "exit 1", "signal 9", "timeout", "ok", "skipped" ... */
void oxi_outcome_add(struct oxi_buffer *out, struct oxi_outcome o);
/* "2026-11-30 16:30:12", in local time */
void oxi_time_add(struct oxi_buffer *out, double seconds);
/* "0.123 s", "2 min 3 s", "1 h 2 min" */
void oxi_duration_add(struct oxi_buffer *out, double seconds);
/* Fields of JSON for a job's words. */
struct oxi_json;
void oxi_argv_json(struct oxi_json *json, const char *name, ox_bytes words);
/* The bytes of a command's words as a shell reads them, at most so many of it. */
void oxi_command_add(struct oxi_buffer *out, ox_bytes words, size_t most);

/* Writes and empties the buffer. False: errno says why not. */
bool oxi_look_print(FILE *to, struct oxi_buffer *b);

#endif
