/* SPDX-License-Identifier: MIT */
/*
 * Notifications. libpq keeps those that come, in order, whatever it was reading at that moment; so the one
 * who waits looks there, and is woken when something was read: by the call under way, or by the socket when
 * there is none.
 */
#include "loop/db/pg.h"

void oxi_pg_note_listen(ox_pg *db, const PGresult *res)
{
	db->listens |= strcmp(PQcmdStatus((PGresult *)(uintptr_t)res), "LISTEN") == 0;
}

static int listen_to(ox_pg *db, const char *command, const char *channel)
{
	int r = oxi_pg_enter(db, OXI_PG_IDLE);

	if (r < 0)
		return r;
	r = channel ? oxi_pg_run_name(db, command, channel) : oxi_pg_run(db, "UNLISTEN *");
	return oxi_pg_leave(db, r);
}

int ox_pg_listen(ox_pg *db, const char *channel)
{
	return channel ? listen_to(db, "LISTEN", channel) : OX_EINVAL;
}

int ox_pg_unlisten(ox_pg *db, const char *channel)
{
	return listen_to(db, "UNLISTEN", channel);
}

static oxi_abort_answer stop_listening(struct oxi_wait *w)
{
	((ox_pg *)(uintptr_t)w->object)->listener = NULL;
	return OXI_ABORTED;
}

/*
 * Waits until something may have come. While another coroutine uses the connection, it is the one who reads.
 */
static int wait_for_input(ox_pg *db)
{
	struct oxi_wait w;
	int r = 0;

	if (!db->busy && db->state == OXI_PG_IDLE)
		r = db->watch ? oxi_watch_set(db->watch, OX_READABLE) : -ECONNRESET;
	if (r < 0)
		return r;
	oxi_wait_init(&w, "postgresql notification", db, stop_listening);
	db->listener = &w;
	oxi_loop_hold(+1);
	r = oxi_park(&w);
	oxi_loop_hold(-1);
	return r;
}

/* 0: look again. */
static int read_input(ox_pg *db)
{
	int r = wait_for_input(db);

	if (r == 0 && db->closed)
		return OX_ECLOSED;
	if (r == 0 && db->state == OXI_PG_LOST)
		return -ECONNRESET;
	if (r < 0 || db->busy || db->state != OXI_PG_IDLE)
		return r;
	if (!oxi_pg_consume(db) && PQstatus(db->conn) == CONNECTION_BAD)
		return oxi_pg_lost(db);
	return 0;
}

int ox_pg_notification(ox_pg *db, ox_pg_note *ret)
{
	int r = db ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(db, OXI_PG_MAGIC);
	if (db->state == OXI_PG_LOST || db->closed)
		return OX_ECLOSED;
	if (db->listening)
		return OX_EBUSY;
	db->listening = true;
	PQfreemem(db->note);
	db->note = NULL;
	while (r == 0 && (db->note = PQnotifies(db->conn)) == NULL)
		r = read_input(db);
	if (r == 0)
		*ret = (ox_pg_note){ db->note->relname, db->note->extra, db->note->be_pid };
	return oxi_pg_leave_listening(db, r);
}
