/* SPDX-License-Identifier: MIT */
/*
 * The inside of liboxbow-sqlite:
 *
 *	sqlite.c              a connection and its thread: handing work over, waiting, cancelling
 *	sqlite_statement.c    what runs in the thread
 *	sqlite_result.c       results: filled in the thread, looked at in the loop
 *	sqlite_query.c        statements and streams
 *	sqlite_transaction.c  begin, commit, rollback
 */
#ifndef OXBOW_LOOP_DB_SQLITE_H
#define OXBOW_LOOP_DB_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include <oxbow/sqlite.h>

#include "loop/loop.h"

#define OXI_SQLITE_MAGIC 0x6574696c71730001ull

enum oxi_sqlite_op {
	OXI_SQLITE_OPEN, OXI_SQLITE_QUERY, OXI_SQLITE_STREAM, OXI_SQLITE_NEXT, OXI_SQLITE_ABANDON, OXI_SQLITE_CLOSE
};

/*
 * The work under way: written by the loop before it is handed over, the results by the thread before it is
 * handed back.
 */
struct oxi_sqlite_work {
	enum oxi_sqlite_op op;
	const char *sql;                /* OPEN: the path */
	const ox_value *params;
	size_t n;
	bool wants_result;
	ox_sqlite_result *result;       /* owned; NULL if there is none */
	int status;
};

/* A prepared statement that waits for its next use. */
struct oxi_sqlite_kept {
	struct oxi_list link;           /* the one used last at the front */
	sqlite3_stmt *stmt;
};

struct ox_sqlite {
	uint64_t magic;
	ox_sqlite_options o;

	/* the loop's */
	struct oxi_watch *watch;        /* of done_fd */
	struct oxi_wait *waiter;
	bool busy;                      /* a coroutine is in a call */
	unsigned spans;                 /* of several calls that others may not close it between */
	bool closed;                    /* meanwhile: who is in the call closes it. Or the loop has ended */
	struct oxi_hook at_end;         /* of the loop */
	bool stream;                    /* rows are to come */
	unsigned depth;                 /* of begins that are not ended */

	/* shared; work and what follows belong to the side that has the work */
	pthread_t thread;
	int done_fd;                    /* an eventfd: the work is done */
	pthread_mutex_t lock;
	pthread_cond_t wake;            /* for the thread: work, or a cancel while it waits for a lock */
	bool handed_over;               /* under lock */
	_Atomic bool cancelled;
	struct oxi_sqlite_work work;
	bool in_transaction;            /* as SQLite sees it, after the work */
	ox_sqlite_error error;
	char text[512];                 /* what error.message points into */

	/* the thread's */
	sqlite3 *handle;
	sqlite3_stmt *active;           /* of the stream */
	bool exhausted;                 /* it has no more rows */
	struct oxi_list kept;
	unsigned kept_count;
	struct timespec busy_until;     /* CLOCK_MONOTONIC, while a lock is waited for */
};

/* ---- sqlite.c ---- */

/*
 * Begins a call: 0, or what is wrong. Ended by oxi_sqlite_leave(), which gives its result back; db may be
 * gone then.
 */
int oxi_sqlite_enter(ox_sqlite *db, bool stream);
int oxi_sqlite_enter_any(ox_sqlite *db);        /* in a cancelled scope too, and in any state; keeps the story */
int oxi_sqlite_leave(ox_sqlite *db, int r);
void oxi_sqlite_enter_span(ox_sqlite *db);
int oxi_sqlite_leave_span(ox_sqlite *db, int r);

/* Has the thread do db->work: its status. Cancel: interrupts it, if it may. */
int oxi_sqlite_do(ox_sqlite *db, bool may_cancel);

/* A statement of our own. */
int oxi_sqlite_run(ox_sqlite *db, const char *sql, bool may_cancel);

/* ---- sqlite_statement.c, in the thread ---- */

void oxi_sqlite_work(ox_sqlite *db);

/* ---- sqlite_result.c ---- */

/* Makes one for the columns of a statement; NULL: no memory. */
ox_sqlite_result *oxi_sqlite_result_new(sqlite3_stmt *stmt);
/* Adds the row that the statement stands on. 0; OX_ENOMEM. */
int oxi_sqlite_result_add(ox_sqlite_result *res, sqlite3_stmt *stmt);
size_t oxi_sqlite_result_bytes(const ox_sqlite_result *res);
void oxi_sqlite_result_end(ox_sqlite_result *res, sqlite3 *handle, bool changes);

#endif
