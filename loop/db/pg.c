/* SPDX-License-Identifier: MIT */
/*
 * A connection between libpq and the loop. libpq runs on the stack of the coroutine that calls (it needs 4
 * KiB, 13 with TLS), with its non-blocking calls only, and here are the places where it is waited for.
 *
 *	          stream, pipeline_begin, copy_in, copy_out
 *	  IDLE -----------------------------------------------> STREAM, PIPELINE, COPY_IN, COPY_OUT
 *	    ^  <----------------------------------------------        |
 *	    |     the end, a failure, abandon, a cancel                |
 *	    '--- connect                    LOST <--- the socket is dead, or a cancel took too long
 *
 * The socket is watched level-triggered. The watch stays armed for reading after a wait, so that a query and
 * its answer cost no epoll_ctl; the first event that nobody waits for disarms it.
 *
 * Invariant: libpq may close its socket in nearly every call. Control goes to other coroutines, who may be
 * given the same number for a new descriptor, only in oxi_pg_wait() and oxi_pg_leave(); both let go of the
 * watch first if the socket is gone (settle).
 *
 * Rejected: PQgetResult() without PQisBusy() (blocks the loop); a reader task for each connection (a group
 * would have to own it, and the hand-over costs two switches for each answer).
 */
#include "loop/db/pg.h"

/* ---- waiting ---- */

/* libpq has closed the socket: its watch must not outlive this turn of the coroutine. */
static void settle(ox_pg *db)
{
	if (db->conn == NULL || PQsocket(db->conn) < 0) {
		oxi_watch_free(db->watch);
		db->watch = NULL;
	}
}

static void wake(struct oxi_wait **w, int result)
{
	struct oxi_wait *waiting = *w;

	*w = NULL;
	if (waiting)
		oxi_wake(waiting, result);
}

static void ready(void *arg, int fd, unsigned events)
{
	ox_pg *db = arg;

	(void)fd;
	if (db->waiter && events & db->wanted)
		wake(&db->waiter, (int)(events & db->wanted));
	else if (!db->busy && db->state == OXI_PG_IDLE && db->listener)
		wake(&db->listener, 0);
	else if (!db->busy && db->idle_ready)
		db->idle_ready(db);
	else
		oxi_watch_set(db->watch, 0);
}

int oxi_pg_watch(ox_pg *db)
{
	db->watch = oxi_watch_new(PQsocket(db->conn), ready, db);
	return db->watch ? 0 : OX_ENOMEM;
}

static oxi_abort_answer stop_waiting(struct oxi_wait *w)
{
	((ox_pg *)(uintptr_t)w->object)->waiter = NULL;
	return OXI_ABORTED;
}

int oxi_pg_wait(ox_pg *db, unsigned events)
{
	struct oxi_wait w;
	int r;

	settle(db);
	if (db->closed)
		return OX_ECLOSED;
	if (db->watch == NULL)
		return -ECONNRESET;
	r = oxi_watch_set(db->watch, events);
	if (r < 0)
		return r;
	oxi_wait_init(&w, "postgresql", db, stop_waiting);
	db->waiter = &w;
	db->wanted = events;
	oxi_loop_hold(+1);
	r = oxi_park(&w);
	oxi_loop_hold(-1);
	return r;
}

bool oxi_pg_consume(ox_pg *db)
{
	bool sound = PQconsumeInput(db->conn) != 0;

	if (db->busy && db->listener)
		wake(&db->listener, 0);         /* there may be a notification among it */
	return sound;
}

int oxi_pg_flush(ox_pg *db)
{
	int n;

	while ((n = PQflush(db->conn)) > 0) {
		int r = oxi_pg_wait(db, OX_READABLE | OX_WRITABLE);

		if (r < 0)
			return r;
		if (r & OX_READABLE && !oxi_pg_consume(db))
			return 0;               /* what the server said at last is the next result */
	}
	return 0;
}

int oxi_pg_get(ox_pg *db, PGresult **ret)
{
	int r = oxi_pg_flush(db);

	while (r == 0 && PQisBusy(db->conn)) {
		r = oxi_pg_wait(db, OX_READABLE);
		if (r > 0)
			r = oxi_pg_consume(db) ? 0 : 1;
	}
	if (r < 0 && r != -ECONNRESET)
		return r;
	*ret = PQgetResult(db->conn);   /* of a broken connection: the server's last words, or libpq's */
	return 0;
}

/* ---- calls ---- */

int oxi_pg_enter_any(ox_pg *db)
{
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(db, OXI_PG_MAGIC);
	if (db->state == OXI_PG_LOST || db->closed)
		return OX_ECLOSED;
	if (db->busy)
		return OX_EBUSY;
	db->busy = true;
	return 0;
}

int oxi_pg_enter(ox_pg *db, enum oxi_pg_state state)
{
	int r = db ? oxi_checkpoint() : OX_ENOMEM;

	if (r == 0)
		r = oxi_pg_enter_any(db);
	if (r < 0)
		return r;
	if (db->state != state) {
		db->busy = false;
		return OX_ESTATE;
	}
	oxi_pg_set_error(db, NULL, NULL);
	return 0;
}

static bool is_used(const ox_pg *db)
{
	return db->busy || db->listening || db->transactions > 0;
}

static void destroy_unused(ox_pg *db)
{
	if (!is_used(db))
		oxi_pg_destroy(db);
}

int oxi_pg_leave(ox_pg *db, int r)
{
	db->busy = false;
	if (db->closed) {
		destroy_unused(db);
		return r < 0 ? OX_ECLOSED : r;
	}
	if (db->conn && PQstatus(db->conn) == CONNECTION_BAD) {
		int lost = oxi_pg_lost(db);

		r = r < 0 ? lost : r;
	}
	/* After a failure of ours in the middle of an answer there is no way back into step. */
	if (db->conn && db->state == OXI_PG_IDLE && PQtransactionStatus(db->conn) == PQTRANS_ACTIVE)
		oxi_pg_lost(db);
	settle(db);
	wake(&db->listener, 0);         /* it goes on waiting by itself */
	return r;
}

int oxi_pg_leave_listening(ox_pg *db, int r)
{
	db->listening = false;
	if (db->closed) {
		destroy_unused(db);
		return r < 0 ? OX_ECLOSED : r;
	}
	settle(db);
	return r;
}

void oxi_pg_leave_transaction(ox_pg *db)
{
	db->transactions--;
	if (db->closed)
		destroy_unused(db);
}

int oxi_pg_not_sent(ox_pg *db)
{
	if (PQstatus(db->conn) == CONNECTION_BAD)
		return oxi_pg_lost(db);
	oxi_pg_set_error(db, NULL, PQerrorMessage(db->conn));
	return OX_ENOMEM;
}

int oxi_pg_lost(ox_pg *db)
{
	if (db->failed == NULL && db->text[0] == '\0')
		oxi_pg_set_error(db, NULL, PQerrorMessage(db->conn));
	oxi_watch_free(db->watch);
	db->watch = NULL;
	PQfinish(db->conn);
	db->conn = NULL;
	db->state = OXI_PG_LOST;
	wake(&db->listener, -ECONNRESET);
	return -ECONNRESET;
}

/* ---- the end of a connection ---- */

int oxi_pg_end_all(ox_pg *db)
{
	int r = 0;

	switch (db->state) {
	case OXI_PG_STREAM:
	case OXI_PG_COPY_OUT:
		r = oxi_pg_cancel(db, NULL);
		break;
	case OXI_PG_PIPELINE:
		r = oxi_pg_pipeline_drain(db);
		break;
	case OXI_PG_COPY_IN:
		r = oxi_pg_copy_fail(db);
		break;
	case OXI_PG_IDLE:
	case OXI_PG_LOST:
		break;
	}
	if (db->state == OXI_PG_LOST)
		return r < 0 ? r : OX_ECLOSED;
	db->state = OXI_PG_IDLE;
	return 0;
}

int ox_pg_abandon(ox_pg *db)
{
	int r = db ? oxi_pg_enter_any(db) : OX_ENOMEM;

	return r < 0 ? r : oxi_pg_leave(db, oxi_pg_end_all(db));
}

void oxi_pg_destroy(ox_pg *db)
{
	db->magic = 0;
	oxi_watch_free(db->watch);
	oxi_pg_set_error(db, NULL, NULL);
	PQfreemem(db->piece);
	PQfreemem(db->note);
	PQfinish(db->conn);
	oxi_list_remove(&db->link);
	if (db->pool)
		oxi_pg_pool_forget(db->pool);
	oxi_free(db);
}

void ox_pg_close(ox_pg *db)
{
	if (db == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(db, OXI_PG_MAGIC);
	if (is_used(db)) {
		db->closed = true;
		wake(&db->waiter, OX_ECLOSED);
		wake(&db->listener, OX_ECLOSED);
	} else if (db->pool) {
		oxi_pg_give_back(db);
	} else {
		oxi_pg_destroy(db);
	}
}

int ox_pg_server_pid(const ox_pg *db)
{
	OXI_CHECK_OBJECT(db, OXI_PG_MAGIC);
	return db->conn ? PQbackendPID(db->conn) : 0;
}
