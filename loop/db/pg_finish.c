/* SPDX-License-Identifier: MIT */
/*
 * The end of a statement: its results are collected, or it is cancelled and what is left is dropped.
 *
 * Cancelling: PQcancel() opens a second connection and blocks, so it runs in a thread. When it returns the
 * server's process has been signalled, and what is left of the answer is read to its end, in a shield with a
 * limit; so a later statement cannot be hit. A process that had not yet begun with the statement ignores the
 * signal, so the request is repeated while no end comes. If the limit passes the connection is given up. The
 * thread may then still be connecting; it owns the PGcancel, which is a copy of the address and the key, and
 * nothing of the connection.
 *
 * Rejected: statement_timeout for deadlines (two more statements for each one, and it changes what the user
 * may have set).
 */
#include "loop/db/pg.h"

#include <oxbow/thread.h>

#define CANCEL_AGAIN OX_MS(50)          /* at first; twice as long each time */

struct answer {
	PGresult *last;
	int status;                     /* OX_EDB: a statement failed */
	bool ending;                    /* whatever still comes is dropped */
	bool refused;                   /* it was a COPY */
	bool two_syncs;                 /* a COPY in whose end has a Sync behind it too */
};

/* Drops the data of a COPY out, up to its end. */
static int skip_copy(ox_pg *db)
{
	char *data;
	int n, r = 0;

	while (r >= 0 && (n = PQgetCopyData(db->conn, &data, 1)) >= 0) {
		if (n > 0)
			PQfreemem(data);
		else if ((r = oxi_pg_wait(db, OX_READABLE)) > 0 && !oxi_pg_consume(db))
			return 0;
	}
	return r < 0 ? r : 0;
}

/* A COPY that nobody will feed or read: fails it. OX_EINVAL: the server has to be asked to end it. */
static int refuse_copy(ox_pg *db, struct answer *a, ExecStatusType what)
{
	a->refused = true;
	a->two_syncs = what == PGRES_COPY_IN && db->extended;
	if (what == PGRES_COPY_IN)
		return PQputCopyEnd(db->conn, "this COPY needs ox_pg_copy_in()") < 0 ? oxi_pg_not_sent(db) : 0;
	if (what == PGRES_COPY_BOTH)
		return oxi_pg_lost(db);
	return a->ending ? skip_copy(db) : OX_EINVAL;
}

static int judge(ox_pg *db, struct answer *a, PGresult *res)
{
	ExecStatusType what = PQresultStatus(res);

	switch (what) {
	case PGRES_EMPTY_QUERY:
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		oxi_pg_note_listen(db, res);
		PQclear(a->last);
		a->last = res;
		return 0;
	case PGRES_SINGLE_TUPLE:
		PQclear(res);
		return 0;
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		PQclear(res);
		return refuse_copy(db, a, what);
	default:
		if (a->status == 0)
			oxi_pg_set_error(db, res, NULL);
		else
			PQclear(res);           /* what followed from the first: "server closed the connection" */
		a->status = OX_EDB;
		return PQstatus(db->conn) == CONNECTION_BAD ? oxi_pg_lost(db) : 0;
	}
}

/* @res: what came already; NULL: nothing. */
static int collect(ox_pg *db, struct answer *a, PGresult *res)
{
	int r = res ? judge(db, a, res) : 0;

	while (r == 0 && (r = oxi_pg_get(db, &res)) == 0 && res)
		r = judge(db, a, res);
	if (r == 0 && a->last == NULL && a->status == 0 && PQstatus(db->conn) == CONNECTION_BAD)
		r = oxi_pg_lost(db);
	return r;
}

static void *cancel_in_thread(void *cancel)
{
	char text[256];

	PQcancel(cancel, text, sizeof(text));
	return NULL;
}

static void free_cancel(void *cancel, void *result)
{
	(void)result;
	PQfreeCancel(cancel);
}

static void send_cancel(ox_pg *db)
{
	PGcancel *cancel = PQgetCancel(db->conn);
	int r;

	if (cancel == NULL)
		return;
	r = ox_thread_call_with(cancel_in_thread, cancel, OX_THREAD_OPTIONS(.abandoned = free_cancel), NULL);
	if (r != OX_ECANCELED)
		PQfreeCancel(cancel);
}

int oxi_pg_end_by_cancel(ox_pg *db, int (*rest)(ox_pg *db, void *arg), void *arg)
{
	ox_scope all, once;
	int r;

	ox_scope_shield(&all, db->cancel_limit);
	for (ox_time patience = CANCEL_AGAIN;; patience *= 2) {
		send_cancel(db);
		ox_scope_enter(&once, patience);
		r = ox_scope_leave(&once, rest(db, arg));
		if (r != OX_ETIMEDOUT)
			break;
	}
	ox_scope_leave(&all, 0);
	if (r == OX_ECANCELED)
		oxi_pg_lost(db);        /* it took too long */
	return r;
}

static int collect_rest(ox_pg *db, void *answer)
{
	return collect(db, answer, NULL);
}

/* Ends it on the server. A statement that was done by then keeps its result. */
static int cancel(ox_pg *db, struct answer *a)
{
	a->ending = true;
	return oxi_pg_end_by_cancel(db, collect_rest, a);
}

static int verdict(ox_pg *db, const struct answer *a, int r)
{
	if (r < 0)
		return r;
	if (a->two_syncs && a->ending)
		return oxi_pg_lost(db); /* nobody can tell whether one or both are answered (pg_copy.c) */
	if (a->refused)
		return OX_EINVAL;
	if (a->status == OX_EDB && a->ending && strcmp(db->error.sqlstate, "57014") == 0)
		return OX_ECANCELED;    /* "canceling statement due to user request" */
	return a->status;
}

static int end(ox_pg *db, struct answer *a, int r, PGresult **ret)
{
	r = verdict(db, a, r);
	if (r == 0 && ret)
		*ret = a->last;
	else
		PQclear(a->last);
	return r;
}

int oxi_pg_finish_from(ox_pg *db, PGresult *res, PGresult **ret)
{
	struct answer a = { 0 };
	int r = collect(db, &a, res);

	if (r == OX_ECANCELED || (r == OX_EINVAL && a.refused))
		r = cancel(db, &a);
	return end(db, &a, r, ret);
}

int oxi_pg_finish(ox_pg *db, PGresult **ret)
{
	return oxi_pg_finish_from(db, NULL, ret);
}

int oxi_pg_cancel(ox_pg *db, PGresult **ret)
{
	struct answer a = { 0 };

	return end(db, &a, cancel(db, &a), ret);
}
