/* SPDX-License-Identifier: MIT */
/*
 * The inside of liboxbow-pg. The files, lowest first:
 *
 *	pg.c             a connection between libpq and the loop: waiting, calls, closing
 *	pg_finish.c      the end of a statement, cancelling
 *	pg_result.c      results and errors, looked at
 *	pg_number.c      numbers as text, in no locale
 *	pg_query.c       statements, their parameters, streams of rows
 *	pg_pipeline.c    many queries in flight
 *	pg_copy.c        COPY in and out
 *	pg_listen.c      notifications
 *	pg_transaction.c begin, commit, rollback
 *	pg_connect.c     connecting
 *	pg_hosts.c       the hosts of a connection string, looked up
 *	pg_pool.c        pools
 */
#ifndef OXBOW_LOOP_DB_PG_H
#define OXBOW_LOOP_DB_PG_H

#include <libpq-fe.h>

#include <oxbow/pg.h>

#include "loop/loop.h"

#define OXI_PG_MAGIC 0x7172677073000001ull

enum oxi_pg_state {
	OXI_PG_IDLE,
	OXI_PG_STREAM,                  /* rows of a query are to come */
	OXI_PG_PIPELINE,
	OXI_PG_COPY_IN, OXI_PG_COPY_OUT,
	OXI_PG_LOST,                    /* conn is NULL */
};

struct ox_pg {
	uint64_t magic;
	PGconn *conn;
	struct oxi_watch *watch;        /* of its socket; NULL: libpq has closed that */
	enum oxi_pg_state state;
	bool busy;                      /* a coroutine is in a call */
	bool listening;                 /* another one is in ox_pg_notification() */
	unsigned transactions;          /* ox_pg_transaction() that run on it */
	bool closed;                    /* meanwhile: the last who is in a call frees it */
	struct oxi_wait *waiter;        /* of the call; NULL: not parked here */
	unsigned wanted;                /* its events */
	struct oxi_wait *listener;      /* of ox_pg_notification(); NULL: not parked */
	void (*idle_ready)(struct ox_pg *db);   /* readable, and nobody waits; NULL: so what */
	ox_time cancel_limit;
	PGresult *failed;               /* what error points into; NULL: into text */
	char text[512];
	ox_pg_error error;
	unsigned depth;                 /* of begins that are not ended */
	size_t queries, syncs;          /* in the pipeline, not answered yet */
	bool asked;                     /* the server was told to send the pipeline's answers so far */
	bool extended;                  /* libpq has sent a Sync behind the statement under way */
	size_t unflushed;               /* bytes of a COPY in, at most, that libpq has not sent */
	char *piece;                    /* of a COPY out, given out last */
	PGnotify *note;                 /* given out last */
	bool listens;                   /* LISTEN was used: to be undone before another one gets the connection */
	struct ox_pg_pool *pool;        /* it belongs to; or NULL */
	struct oxi_list link;           /* in the pool's idle ones */
	ox_time made, idle_since;
};

/* ---- pg.c ---- */

/*
 * Begins a call on a connection that must be in a state: 0, or what is wrong. Each is ended by
 * oxi_pg_leave(), which gives its result back; db may be gone then.
 */
int oxi_pg_enter(ox_pg *db, enum oxi_pg_state state);
int oxi_pg_leave(ox_pg *db, int r);
int oxi_pg_leave_listening(ox_pg *db, int r);
void oxi_pg_leave_transaction(ox_pg *db);

/*
 * The same in any state, for calls that must get through in a cancelled scope too (they shield themselves)
 * and keep the story of the failure that led to them.
 */
int oxi_pg_enter_any(ox_pg *db);

/* Waits for the socket: the events; OX_ECANCELED, OX_ECLOSED, -ECONNRESET, OX_ENOMEM. */
int oxi_pg_wait(ox_pg *db, unsigned events);

/* Reads what has come; false: the connection is broken. */
bool oxi_pg_consume(ox_pg *db);

/* Sends all that libpq has buffered, reading meanwhile, so that two full sockets cannot block each other. */
int oxi_pg_flush(ox_pg *db);

/* Waits for libpq's next result. 0, with NULL at the end of a statement. */
int oxi_pg_get(ox_pg *db, PGresult **ret);

/* The connection is of no use any more; keeps its last words. Returns: -ECONNRESET. */
int oxi_pg_lost(ox_pg *db);

/* What to answer when libpq would not send: lost, or no memory. */
int oxi_pg_not_sent(ox_pg *db);

int oxi_pg_watch(ox_pg *db);            /* its socket, from now on: 0; OX_ENOMEM */
void oxi_pg_destroy(ox_pg *db);

/* ---- pg_finish.c ---- */

/*
 * Waits for the end of the statement under way, and when the caller is cancelled, ends it on the server.
 *
 * @ret: its last result, owned; NULL if not wanted. Returns: 0; OX_EDB, OX_EINVAL (a COPY), OX_ECANCELED...
 */
int oxi_pg_finish(ox_pg *db, PGresult **ret);
/* @res: its first result, given; NULL: none has come yet. */
int oxi_pg_finish_from(ox_pg *db, PGresult *res, PGresult **ret);

/*
 * Ends the statement under way on the server, in a shield: 0; OX_EDB, OX_ECANCELED (so it has ended),
 * -ECONNRESET.
 */
int oxi_pg_cancel(ox_pg *db, PGresult **ret);

/*
 * Cancels on the server while rest() waits for the end, in a shield: what rest() said; OX_ECANCELED: in vain,
 * lost.
 */
int oxi_pg_end_by_cancel(ox_pg *db, int (*rest)(ox_pg *db, void *arg), void *arg);

/* ---- pg_result.c ---- */

/* Wraps a result, which is given; frees it when ret is NULL or memory is short. 0; OX_ENOMEM. */
int oxi_pg_result_new(PGresult *res, ox_pg_result **ret);

/* The story of a failure: of a result, which is given, or libpq's own text (NULL: none). */
void oxi_pg_set_error(ox_pg *db, PGresult *failed, const char *text);

/* ---- pg_query.c ---- */

struct oxi_pg_statement {
	const char *sql, *name;         /* one of them */
	const ox_value *params;
	size_t n;
	bool binary;                    /* the result */
	bool several;                   /* sql may be several statements, if there are no parameters */
};
int oxi_pg_send(ox_pg *db, const struct oxi_pg_statement *st);

/* Runs statements of our own. */
int oxi_pg_run(ox_pg *db, const char *sql);
int oxi_pg_run_name(ox_pg *db, const char *command, const char *identifier);

/* ---- pg_number.c ---- */

#define OXI_PG_NUMBER_LEN 32u           /* the longest: -1.7976931348623157e+308 */

void oxi_pg_write_real(char text[OXI_PG_NUMBER_LEN], double value);
double oxi_pg_read_real(const char *text);

/* ---- pg_listen.c ---- */

/* Looks whether the command that has succeeded was a LISTEN, however it was sent. */
void oxi_pg_note_listen(ox_pg *db, const PGresult *res);

/* ---- pg_pipeline.c, pg_copy.c ---- */

int oxi_pg_pipeline_next(ox_pg *db, ox_pg_result **ret);
int oxi_pg_pipeline_drain(ox_pg *db);
int oxi_pg_copy_fail(ox_pg *db);         /* in a shield, as drain */

/* Ends whatever is under way. 0; a negative code: lost. */
int oxi_pg_end_all(ox_pg *db);

/* ---- pg_transaction.c ---- */

int oxi_pg_roll_back(ox_pg *db, bool all);

/* ---- pg_connect.c, pg_pool.c ---- */

/* PQconnectStartParams(), where there is stack enough. */
PGconn *oxi_pg_start(const char *const *keywords, const char *const *values);

/* Makes a connection; error_text as in ox_pg_options. */
int oxi_pg_connect(const char *conninfo, const ox_pg_options *o, ox_pg **ret);

void oxi_pg_give_back(ox_pg *db);                       /* to its pool */
void oxi_pg_pool_forget(struct ox_pg_pool *p);          /* one of its connections is gone */

#endif
