/* SPDX-License-Identifier: MIT */
/*
 * Pipelines: libpq's pipeline mode. Each query that was sent is answered by one result and an empty one
 * behind it, each sync by one result; so counting what is not answered yet tells whether there is anything to
 * wait for.
 *
 * The server keeps its answers in a buffer until a sync. Whoever waits for one before that has it send them
 * (PQsendFlushRequest), else both sides would wait for ever.
 */
#include "loop/db/pg.h"

int ox_pg_pipeline_begin(ox_pg *db)
{
	int r = db ? oxi_pg_enter_any(db) : OX_ENOMEM;

	if (r < 0)
		return r;
	if (db->state != OXI_PG_IDLE)
		return oxi_pg_leave(db, OX_ESTATE);
	PQsendQuery(db->conn, NULL);    /* sends nothing; ends a single-row mode that libpq 15 would carry over */
	if (!PQenterPipelineMode(db->conn))
		return oxi_pg_leave(db, OX_ESTATE);
	db->state = OXI_PG_PIPELINE;
	db->queries = db->syncs = 0;
	db->asked = true;
	return oxi_pg_leave(db, 0);
}

/* ---- the end ---- */

/* libpq cannot leave a COPY that came in a pipeline. */
static bool is_copy(const PGresult *res)
{
	ExecStatusType what = PQresultStatus(res);

	return what == PGRES_COPY_IN || what == PGRES_COPY_OUT || what == PGRES_COPY_BOTH;
}

static int unusable(ox_pg *db, PGresult *res)
{
	if (is_copy(res)) {
		PQclear(res);
		oxi_pg_set_error(db, NULL, "COPY cannot be part of a pipeline");
	} else {
		oxi_pg_set_error(db, res, res ? NULL : PQerrorMessage(db->conn));
	}
	return oxi_pg_lost(db);
}

/* A cancel that meets the server at a sync is an answer to no query. */
static void query_answered(ox_pg *db)
{
	if (db->queries > 0)
		db->queries--;
}

/* Takes what is in flight, up to the last sync. 0; the first failure of a query; what waiting says. */
static int drop_all(ox_pg *db)
{
	int first = 0;

	while (db->queries > 0 || db->syncs > 0) {
		PGresult *res;
		int r = oxi_pg_get(db, &res);

		if (r < 0)
			return r;
		if (PQstatus(db->conn) == CONNECTION_BAD || is_copy(res))
			return unusable(db, res);
		if (res == NULL)
			continue;
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC)
			db->syncs--;
		else
			query_answered(db);
		oxi_pg_note_listen(db, res);
		if (PQresultStatus(res) == PGRES_FATAL_ERROR && first == 0) {
			first = OX_EDB;
			oxi_pg_set_error(db, res, NULL);
		} else {
			PQclear(res);
		}
	}
	return first;
}

static int sync_pipeline(ox_pg *db)
{
	if (!PQpipelineSync(db->conn))
		return oxi_pg_not_sent(db);
	db->syncs++;
	db->asked = true;
	return 0;
}

static int leave_mode(ox_pg *db)
{
	PGresult *res;
	int r = 0;

	if (db->state == OXI_PG_LOST)
		return -ECONNRESET;
	while (!PQexitPipelineMode(db->conn)) {         /* the empty result behind the last one may be left */
		r = oxi_pg_get(db, &res);
		if (r == 0 && (res || PQstatus(db->conn) == CONNECTION_BAD))
			r = -ECONNRESET;
		if (r < 0) {
			PQclear(r == -ECONNRESET ? res : NULL);
			return oxi_pg_lost(db);
		}
	}
	db->state = OXI_PG_IDLE;
	return 0;
}

static int drop_and_leave(ox_pg *db, void *arg)
{
	int r = drop_all(db);

	(void)arg;
	return r == 0 || r == OX_EDB ? leave_mode(db) : r;
}

int oxi_pg_pipeline_drain(ox_pg *db)
{
	int r = db->syncs == 0 ? sync_pipeline(db) : 0;

	return r == 0 ? oxi_pg_end_by_cancel(db, drop_and_leave, NULL) : r;
}

/* The caller was cancelled: so is the pipeline. */
static int give_up(ox_pg *db)
{
	int r = oxi_pg_pipeline_drain(db);

	return r == 0 ? OX_ECANCELED : r;
}

int ox_pg_pipeline_end(ox_pg *db)
{
	int r = oxi_pg_enter(db, OXI_PG_PIPELINE), left;

	if (r < 0)
		return r;
	r = sync_pipeline(db);
	if (r == 0)
		r = drop_all(db);
	if (r == OX_ECANCELED)
		return oxi_pg_leave(db, give_up(db));
	left = r == 0 || r == OX_EDB ? leave_mode(db) : 0;
	return oxi_pg_leave(db, left < 0 ? left : r);
}

/* ---- sending ---- */

/* Hands libpq's buffer to the socket as far as that goes without waiting, unless it takes nothing more. */
static int send_on(ox_pg *db, int r)
{
	if (r == 0)
		r = oxi_pg_flush(db);
	if (r == OX_ECANCELED)
		r = give_up(db);
	return oxi_pg_leave(db, r);
}

static int send_query(ox_pg *db, const struct oxi_pg_statement *st)
{
	int r = oxi_pg_enter(db, OXI_PG_PIPELINE);

	if (r < 0)
		return r;
	r = oxi_pg_send(db, st);
	if (r == 0) {
		db->queries++;
		db->asked = false;
	}
	return send_on(db, r);
}

int ox_pg_send(ox_pg *db, const char *sql, const ox_value *params, size_t n)
{
	return send_query(db, &(struct oxi_pg_statement){ .sql = sql, .params = params, .n = n });
}

int ox_pg_send_execute(ox_pg *db, const char *name, const ox_value *params, size_t n)
{
	return send_query(db, &(struct oxi_pg_statement){ .name = name, .params = params, .n = n });
}

int ox_pg_pipeline_sync(ox_pg *db)
{
	int r = oxi_pg_enter(db, OXI_PG_PIPELINE);

	return r < 0 ? r : send_on(db, sync_pipeline(db));
}

/* ---- the next result ---- */

int oxi_pg_pipeline_next(ox_pg *db, ox_pg_result **ret)
{
	PGresult *res = NULL;
	int r = 0;

	if (db->queries == 0 && db->syncs == 0)
		return OX_ESTATE;
	if (!db->asked && !PQsendFlushRequest(db->conn))
		return oxi_pg_not_sent(db);
	db->asked = true;
	while (r == 0 && res == NULL && PQstatus(db->conn) != CONNECTION_BAD)
		r = oxi_pg_get(db, &res);
	if (r < 0)
		return r == OX_ECANCELED ? give_up(db) : r;
	switch (PQresultStatus(res)) {
	case PGRES_PIPELINE_SYNC:
		db->syncs--;
		PQclear(res);
		return 0;
	case PGRES_PIPELINE_ABORTED:
		query_answered(db);
		PQclear(res);
		return OX_EINCOMPLETE;
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		oxi_pg_note_listen(db, res);
		query_answered(db);
		r = oxi_pg_result_new(res, ret);
		return r < 0 ? r : 1;
	default:
		if (PQstatus(db->conn) == CONNECTION_BAD || is_copy(res))
			return unusable(db, res);
		query_answered(db);
		oxi_pg_set_error(db, res, NULL);
		return OX_EDB;
	}
}
