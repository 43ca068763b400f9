/* SPDX-License-Identifier: MIT */
/* What the files of cli/state/ share: open.c makes it, commit.c writes, blob.c keeps big outputs, find.c reads. */
#ifndef OXBOW_CLI_STATE_PARTS_H
#define OXBOW_CLI_STATE_PARTS_H

#include <oxbow/sqlite.h>
#include <oxbow/sync.h>

#include "cli/state/keys.h"
#include "cli/state/state.h"

#define OXI_GROUP_ROWS  256u
#define OXI_GROUP_TIME  OX_MS(5)
#define OXI_INLINE      OX_KIB(16)      /* longer output is a file */

/* A job's number in the database. A session is one process that works on the run. */
#define OXI_SEQ_BITS    40
#define OXI_SEQ_MAX     ((UINT64_C(1) << OXI_SEQ_BITS) - 1)
#define OXI_SESSION_MAX ((1u << 20) - 1)
static inline uint64_t oxi_job_id(unsigned session, uint64_t seq)
{
	return (uint64_t)session << OXI_SEQ_BITS | seq;
}

/* A record on its way into the database. It lives in the frame of who records. */
struct oxi_row {
	struct oxi_row *next;
	const struct oxi_record *r;
	struct oxi_buffer out, err;     /* output that goes into the row */
	char file[2][48];               /* its name in blobs/, if it is there; "" */
	uint64_t n;                     /* in the order of the records */
	int result;
	bool done;
};

/* An attempt on its way. */
struct oxi_attempt {
	uint64_t id;
	enum oxi_status status;
	int exit, signal;
	unsigned attempt, slot;
	double began;
	ox_time wall, user, system;
	size_t max_rss;
};

enum { OXI_STEPS = 3 };                 /* a statement takes 64 rows, 8 or 1 */

/* Statements that take many rows. */
enum oxi_table { OXI_JOBS, OXI_OUTPUTS, OXI_ATTEMPTS, OXI_SHOWN, OXI_REPLACED, OXI_TABLES };

struct oxi_state {
	char *dir;
	int lock_fd, blobs_fd;
	bool resume;
	enum oxi_durable durable;
	unsigned session, writers;
	ox_sqlite *db;
	ox_lock *lock;                  /* of db */
	struct oxi_keys keys;           /* recorded by earlier sessions: to the job's number and status */
	struct oxi_counts counts;
	struct oxi_buffer error;
	char *sql[OXI_TABLES][OXI_STEPS];
	ox_value *value;                /* of a group: OXI_GROUP_ROWS rows of the widest table */

	/* what waits for the next group */
	struct oxi_row *first, **last;
	size_t waiting;                 /* rows from first on */
	uint64_t recorded;              /* rows so far */
	struct oxi_attempt *attempt;
	size_t attempts, attempts_cap;
	uint64_t *shown;                /* numbers of jobs */
	size_t showns, shown_cap;
	ox_event *more;                 /* for the committer: look again */
	ox_event *committed[2];         /* for the recorders of the group that is collected: [turn], and of the one before */
	unsigned turn;
	bool committer;                 /* there is one */
	ox_time last_commit;            /* when it had ended */
};

/* schema.c: makes the tables, or looks whether they are those that are known. OX_EVERSION, OX_EDB: not ours. */
OX_YIELDS int oxi_schema_make(ox_sqlite *db, const char *path, struct oxi_buffer *why);
OX_YIELDS int oxi_schema_check(ox_sqlite *db, const char *path, struct oxi_buffer *why);
/* What a failure of the database is as a code, and in words: after "cannot open PATH: " say. */
int oxi_schema_error(const ox_sqlite *db, int r, struct oxi_buffer *why);

/* open.c */
bool oxi_is_network(long type);         /* of a file system, as statfs() has it */
OX_YIELDS int oxi_database_open(const char *path, bool network, enum oxi_durable durable, ox_sqlite **ret, struct oxi_buffer *why);

/* record.c */
int oxi_shown_mark(struct oxi_state *s, uint64_t id);
int oxi_state_failed(struct oxi_state *s, int r);       /* oxi_schema_error(), with the words where oxi_state_error() finds them */

/* commit.c */
int oxi_commit_prepare(struct oxi_state *s);
OX_YIELDS int oxi_commit_all(struct oxi_state *s);              /* what waits now */
OX_YIELDS int oxi_state_query(struct oxi_state *s, const char *sql, const ox_value *params, size_t n, ox_sqlite_result **ret);

/* blob.c */
OX_YIELDS int oxi_blobs_write(struct oxi_state *s, struct oxi_row *row);
void oxi_blobs_drop(struct oxi_state *s, const struct oxi_row *row);
OX_YIELDS int oxi_blobs_clean(struct oxi_state *s);             /* those of the session before that are on no record */

/* find.c: what follows "select"; its rows are read by oxi_found_read(). */
#define OXI_FOUND_SELECT \
	"select j.id, j.task, j.name, j.words, j.status, j.exit, j.signal, j.attempt, j.slot, j.began, j.wall, j.user, j.system, " \
	"j.rss, j.out, j.err, j.shown, j.why, o.out, o.out_file, o.err, o.err_file, o.value " \
	"from job j left join output o on o.job = j.id "
enum oxi_status oxi_status_of(int64_t n);        /* as it is in the database; interrupted, if it is none that is known */
/* Takes the result over, also when it fails. */
int oxi_found_read(const char *dir, ox_sqlite_result *res, size_t row, struct oxi_found *ret);

#endif
