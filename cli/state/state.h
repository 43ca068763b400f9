/* SPDX-License-Identifier: MIT */
/*
 * The durable state of a run: a folder with run.db (SQLite), lock and blobs/. A job's end is on disk before anybody is
 * shown anything of it. What a later session of the run, and the commands that look, find there is true whatever has
 * killed the runner.
 *
 *	oxi_state_open(dir, resume, &s, &why)           before the loop: takes the lock
 *	oxi_state_begin(s, durable, &info, &why)        in it: opens the database, loads what is done
 *	ox_spawn(watch, oxi_state_commit_run, s)
 *	oxi_state_record(s, &record) ... oxi_state_shown(s, seq)
 *	oxi_state_end(s, &tally, skipped, exit)         once nobody records any more
 *	oxi_state_close(s)
 */
#ifndef OXBOW_CLI_STATE_H
#define OXBOW_CLI_STATE_H

#include "cli/batch/capture.h"
#include "cli/batch/identity.h"
#include "cli/batch/outcome.h"
#include "cli/state/found.h"

struct oxi_state;

/* When a record counts as written. */
enum oxi_durable {
	OXI_DURABLE_GROUP,              /* with others that end within 5 ms, 256 at most */
	OXI_DURABLE_JOB,                /* each by itself */
	OXI_DURABLE_OFF,                /* in groups, and nothing waits for the disk: a crash of the machine may lose it */
};

struct oxi_run_info {
	const char *id, *command;       /* command: "run", "batch" */
	char *const *argv;              /* NULL behind the last */
	const char *cwd, *file;         /* file: the job file; NULL: none */
	double began;                   /* seconds since 1970 */
	unsigned writers;               /* so many records wait at a time at most: then nothing is gained by waiting for more; 0: unknown */
};

/* The end of a job, or of an attempt of it. All is borrowed. */
struct oxi_record {
	struct oxi_identity key;
	uint64_t seq;                   /* from 1, below 2^40 */
	uint32_t task;
	const char *name;               /* "thumb[3]"; NULL: none */
	ox_bytes words;                 /* of its command, NUL behind each */
	enum oxi_status status;
	int exit, signal;
	unsigned attempt, slot;
	double began;                   /* seconds since 1970 */
	ox_time wall, user, system;
	size_t max_rss;                 /* bytes */
	uint64_t received[2];           /* bytes of standard output and error, whether they are in out and err or not */
	struct oxi_capture *out, *err;  /* NULL: nothing is kept */
	bool body_as_file;              /* out becomes a file in blobs/ whatever its size, for jobs that are given its path */
	ox_bytes value;                 /* JSON that a call returned; data NULL: none */
	const char *why;                /* of one that was skipped: which dependency; NULL */
};

#define OXI_EDGE_FOREACH 3

/* A task of a job file: several jobs, or one. */
struct oxi_state_task {
	uint32_t n;
	const char *name;
	int kind;                       /* enum oxi_kind */
	const struct oxi_state_edge {
		uint32_t from;          /* n of the task that it comes after */
		int when;               /* enum oxi_condition; OXI_EDGE_FOREACH: each job of it makes one */
	} *edge;
	size_t edges;
	uint64_t jobs;                  /* 0: unknown yet. It may be told again when it is known */
};

/*
 * Makes the folder, those above it too, and locks it. For as long as this process, or one that it has forked, has the lock's
 * descriptor, nobody else opens the run.
 * Returns: 0; OX_EBUSY: another has it; -EEXIST: there is a run already, and it is not to be resumed; -errno, OX_ENOMEM.
 * Without SQLite in this build: -ENOTSUP.
 */
int oxi_state_open(const char *dir, bool resume, struct oxi_state **ret, struct oxi_buffer *why);

/*
 * Opens the database, and if the run is resumed loads what has been recorded.
 * Returns: 0; OX_EVERSION: a newer Oxbow has recorded it; OX_EDB, -ENOSPC, -EIO, OX_ECANCELED, OX_ENOMEM.
 */
OX_YIELDS int oxi_state_begin(struct oxi_state *s, enum oxi_durable d, const struct oxi_run_info *info, struct oxi_buffer *why);

/* A coroutine's function: commits what is recorded, in groups, until it is cancelled. Failures are the recorders' to see. */
int oxi_state_commit_run(void *state);

/*
 * What follows returns 0, or: -ENOSPC, -EIO, OX_EDB and the like, nothing of the record is in the database then;
 * OX_ENOMEM. oxi_state_error() says it in words.
 */
OX_YIELDS int oxi_state_task(struct oxi_state *s, const struct oxi_state_task *t);
OX_YIELDS int oxi_state_tasks(struct oxi_state *s, const struct oxi_state_task *t, size_t n);   /* several at once */

/* An attempt that is followed by another one: written with the next group, not waited for. Its output is not kept. */
int oxi_state_attempt(struct oxi_state *s, const struct oxi_record *r);

/* The job's last word. Returns when it is on disk. Cancel: does not reach in, it is a matter of milliseconds. */
OX_YIELDS int oxi_state_record(struct oxi_state *s, const struct oxi_record *r);

/* The output of a job that this session recorded was shown: written with the next group. */
int oxi_state_shown(struct oxi_state *s, uint64_t seq);

/* 1: an earlier session of this run recorded the job's end, interruptions aside. 0: it did not. */
int oxi_state_done(struct oxi_state *s, const struct oxi_identity *key, enum oxi_status *ret);

/* How many jobs an earlier session has recorded. */
uint64_t oxi_state_done_count(const struct oxi_state *s);

/* How many jobs that hash so this session has asked for before. Part of what makes a job's key. Or OX_ENOMEM. */
int64_t oxi_state_occurrence(struct oxi_state *s, uint64_t hash);

/* What an earlier session recorded. Returns: 1: oxi_found_free() what is found; 0: nothing. */
OX_YIELDS int oxi_state_find(struct oxi_state *s, const struct oxi_identity *key, struct oxi_found *ret);

/*
 * Gives fn each job of earlier sessions that was recorded and never shown, in the order of their records. One for which fn
 * returns 0 counts as shown; a negative result ends it and is returned.
 */
OX_YIELDS int oxi_state_unshown(struct oxi_state *s, int (*fn)(void *arg, const struct oxi_found *job), void *arg);

/* The path of the file that body_as_file has made of a job of this session, NUL behind it. */
int oxi_state_body(const struct oxi_state *s, uint64_t seq, struct oxi_buffer *path);

/* Writes what still waits, and that the session has ended. */
OX_YIELDS int oxi_state_end(struct oxi_state *s, const struct oxi_tally *t, uint64_t skipped, int exit);

/* Its folder. Borrowed. */
const char *oxi_state_dir(const struct oxi_state *s);

/* What was wrong in the last call that failed; "" if nothing was. */
const char *oxi_state_error(const struct oxi_state *s);

/* Takes NULL. Inside the loop if it was begun there; the lock is let go. */
OX_YIELDS void oxi_state_close(struct oxi_state *s);

#endif
