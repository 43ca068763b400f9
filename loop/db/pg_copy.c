/* SPDX-License-Identifier: MIT */
/*
 * COPY. In: libpq's buffer takes pieces of up to 64 KiB and is then emptied into the socket, which is where a
 * fast writer waits for a slow server. Out: libpq holds what one read of the socket brought; nothing is read
 * while nobody asks.
 *
 * Both go by the simple protocol, which sends no Sync: a server that is cancelled before it has read the one behind a COPY
 * in would answer it, and the one behind the COPY's end too, and one of the answers would be the next statement's.
 */
#include "loop/db/pg.h"

#define HIGH_WATER OX_KIB(64)

/* Starts: the first answer must be what is wanted; anything else is seen to its end. */
static int start(ox_pg *db, const char *sql, ExecStatusType wanted, enum oxi_pg_state state)
{
	PGresult *res = NULL;
	int r = oxi_pg_enter(db, OXI_PG_IDLE);

	if (r < 0)
		return r;
	r = oxi_pg_send(db, &(struct oxi_pg_statement){ .sql = sql, .several = true });
	if (r == 0)
		r = oxi_pg_get(db, &res);
	if (r == 0 && PQresultStatus(res) == wanted) {
		PQclear(res);
		db->state = state;
		db->unflushed = 0;
	} else if (r == 0) {
		r = oxi_pg_finish_from(db, res, NULL);
		r = r == 0 ? OX_EINVAL : r;
	} else if (r == OX_ECANCELED) {
		r = oxi_pg_cancel(db, NULL);
		r = r == 0 || r == OX_EINVAL ? OX_ECANCELED : r;
	}
	return oxi_pg_leave(db, r);
}

/* ---- in ---- */

int ox_pg_copy_in(ox_pg *db, const char *sql)
{
	return start(db, sql, PGRES_COPY_IN, OXI_PG_COPY_IN);
}

int oxi_pg_copy_fail(ox_pg *db)
{
	ox_scope s;
	int r;

	ox_scope_shield(&s, db->cancel_limit);
	r = PQputCopyEnd(db->conn, "canceled by the client") < 0 ? oxi_pg_not_sent(db)
	                                                         : oxi_pg_finish(db, NULL);
	ox_scope_leave(&s, 0);
	if (r == OX_ENOMEM)
		r = oxi_pg_lost(db);
	if (db->state != OXI_PG_LOST)
		db->state = OXI_PG_IDLE;
	return r;
}

/* What has not been sent whole must not count as the whole. */
static int give_up(ox_pg *db, int r)
{
	oxi_pg_copy_fail(db);
	return r;
}

static int put(ox_pg *db, const char *data, size_t len)
{
	int r = 0;

	while (r == 0 && len > 0) {
		size_t n = len < HIGH_WATER ? len : HIGH_WATER;

		if (PQputCopyData(db->conn, data, (int)n) != 1)         /* 0: no memory for its buffer */
			return oxi_pg_not_sent(db);
		data += n;
		len -= n;
		db->unflushed += n;
		if (db->unflushed >= HIGH_WATER) {
			db->unflushed = 0;
			r = oxi_pg_flush(db);
		}
	}
	return r;
}

int ox_pg_copy_write(ox_pg *db, const void *data, size_t len)
{
	int r = oxi_pg_enter(db, OXI_PG_COPY_IN);

	if (r < 0)
		return r;
	r = put(db, data, len);
	return oxi_pg_leave(db, r == OX_ECANCELED || r == OX_ENOMEM ? give_up(db, r) : r);
}

int ox_pg_copy_end(ox_pg *db, uint64_t *ret_rows)
{
	PGresult *res = NULL;
	int r = oxi_pg_enter(db, OXI_PG_COPY_IN);

	if (r < 0)
		return r;
	r = PQputCopyEnd(db->conn, NULL) < 0 ? oxi_pg_not_sent(db) : oxi_pg_finish(db, &res);
	if (db->state == OXI_PG_COPY_IN)
		db->state = OXI_PG_IDLE;
	if (r == 0 && ret_rows)
		*ret_rows = strtoull(PQcmdTuples(res), NULL, 10);
	PQclear(res);
	return oxi_pg_leave(db, r);
}

/* ---- out ---- */

int ox_pg_copy_out(ox_pg *db, const char *sql)
{
	return start(db, sql, PGRES_COPY_OUT, OXI_PG_COPY_OUT);
}

/* The number of bytes of the next piece; 0 at the end. */
static int get(ox_pg *db)
{
	int n, r = oxi_pg_flush(db);

	PQfreemem(db->piece);
	db->piece = NULL;
	while (r == 0 && (n = PQgetCopyData(db->conn, &db->piece, 1)) != -1) {
		if (n > 0)
			return n;
		r = n == 0 ? oxi_pg_wait(db, OX_READABLE) : 0;
		if (n < -1 || (r > 0 && !oxi_pg_consume(db)))
			return 0;       /* the failure is the next result */
		r = r < 0 ? r : 0;
	}
	return r;
}

int ox_pg_copy_read(ox_pg *db, ox_bytes *ret)
{
	int n, r = oxi_pg_enter(db, OXI_PG_COPY_OUT);

	if (r < 0)
		return r;
	n = get(db);
	if (n > 0) {
		*ret = (ox_bytes){ db->piece, (size_t)n };
		return oxi_pg_leave(db, 1);
	}
	if (n == OX_ECANCELED) {
		r = oxi_pg_cancel(db, NULL);
		r = r == 0 || r == OX_EINVAL ? OX_ECANCELED : r;
	} else {
		r = n < 0 && n != -ECONNRESET ? n : oxi_pg_finish(db, NULL);
	}
	if (db->state == OXI_PG_COPY_OUT)
		db->state = OXI_PG_IDLE;
	return oxi_pg_leave(db, r);
}
