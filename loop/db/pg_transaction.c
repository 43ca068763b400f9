/* SPDX-License-Identifier: MIT */
/*
 * Transactions. A begin inside a transaction is a savepoint, named by its depth; what the server says about
 * its state is believed before our own count, since anybody may send BEGIN and COMMIT as statements.
 */
#include <stdio.h>

#include "loop/db/pg.h"

#define FIRST_PAUSE OX_MS(5)

static PGTransactionStatusType state_of(const ox_pg *db)
{
	return PQtransactionStatus(db->conn);
}

static int run_at(ox_pg *db, const char *format, unsigned depth)
{
	char sql[96];

	snprintf(sql, sizeof(sql), format, depth, depth);
	return oxi_pg_run(db, sql);
}

static int begin(ox_pg *db, const char *mode)
{
	char sql[256];
	int r = oxi_pg_enter(db, OXI_PG_IDLE);

	if (r < 0)
		return r;
	if (mode && strlen(mode) > sizeof(sql) - sizeof("BEGIN "))
		return oxi_pg_leave(db, OX_EINVAL);
	if (state_of(db) == PQTRANS_IDLE) {
		db->depth = 0;
		snprintf(sql, sizeof(sql), "BEGIN %s", mode ? mode : "");
		r = oxi_pg_run(db, sql);
	} else {
		r = run_at(db, "SAVEPOINT ox_%u", db->depth);
	}
	if (r == 0)
		db->depth++;
	return oxi_pg_leave(db, r);
}

int ox_pg_begin(ox_pg *db)
{
	return begin(db, NULL);
}

/* In a shield. Keeps the story of what failed before. */
int oxi_pg_roll_back(ox_pg *db, bool all)
{
	ox_scope s;
	int r = 0;

	ox_scope_shield(&s, db->cancel_limit);
	if (state_of(db) == PQTRANS_IDLE)
		db->depth = 0;
	else if (all || db->depth <= 1)
		r = oxi_pg_run(db, "ROLLBACK");
	else
		r = run_at(db, "ROLLBACK TO SAVEPOINT ox_%u; RELEASE SAVEPOINT ox_%u", db->depth - 1);
	ox_scope_leave(&s, 0);
	if (r == 0 && db->depth > 0)
		db->depth = all ? 0 : db->depth - 1;
	return r;
}

int ox_pg_commit(ox_pg *db)
{
	int r = oxi_pg_enter(db, OXI_PG_IDLE);

	if (r < 0)
		return r;
	if (state_of(db) == PQTRANS_IDLE || db->depth == 0)
		return oxi_pg_leave(db, OX_ESTATE);
	if (state_of(db) == PQTRANS_INERROR) {
		r = oxi_pg_roll_back(db, false);
		return oxi_pg_leave(db, r < 0 ? r : OX_ESTATE);
	}
	r = db->depth > 1 ? run_at(db, "RELEASE SAVEPOINT ox_%u", db->depth - 1) : oxi_pg_run(db, "COMMIT");
	if (r == 0)
		db->depth--;
	else if (r == OX_EDB)
		db->depth = state_of(db) == PQTRANS_IDLE ? 0 : db->depth;
	return oxi_pg_leave(db, r);
}

int ox_pg_rollback(ox_pg *db)
{
	int r = db ? oxi_pg_enter_any(db) : OX_ENOMEM;

	if (r < 0)
		return r;
	r = oxi_pg_end_all(db);
	if (r == 0)
		r = oxi_pg_roll_back(db, false);
	return oxi_pg_leave(db, r);
}

/* ---- a function in a transaction ---- */

void ox_pg_transaction_options_init(ox_pg_transaction_options *o)
{
	*o = *OX_PG_TRANSACTION_OPTIONS(.size = sizeof(*o));
}

/* Worth another try from the beginning: a serialization failure, a deadlock. */
static bool passing(const ox_pg *db, int r)
{
	const char *state = db->error.sqlstate;

	return r == OX_EDB && (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0);
}

/* Twice as long each time, and not for all who collided the same. */
static int pause_before(unsigned retry)
{
	ox_time longest = FIRST_PAUSE << (retry < 7 ? retry : 7);

	return ox_sleep(longest / 2 + ox_now() % (longest / 2));
}

/* Ends the level that begin() entered, and those in it that fn left open. */
static int end(ox_pg *db, unsigned depth, int r)
{
	int done;

	if (db->depth > depth)
		db->depth = depth;
	done = r < 0 ? r : ox_pg_commit(db);
	if (done < 0 && db->depth >= depth)
		ox_pg_rollback(db);
	return done < 0 ? done : r;
}

static int run_all(ox_pg *db, int (*fn)(ox_pg *db, void *arg), void *arg, const ox_pg_transaction_options *o)
{
	for (unsigned retry = 0;; retry++) {
		int r = begin(db, o ? o->mode : NULL);
		unsigned depth;

		if (r < 0)
			return r;
		depth = db->depth;
		r = end(db, depth, fn(db, arg));
		if (o == NULL || retry >= o->retries || depth > 1 || !passing(db, r) || pause_before(retry) < 0)
			return r;
	}
}

int ox_pg_transaction(ox_pg *db, int (*fn)(ox_pg *db, void *arg), void *arg, const ox_pg_transaction_options *o)
{
	int r;

	if (db == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(db, OXI_PG_MAGIC);
	db->transactions++;             /* others may close it meanwhile */
	r = run_all(db, fn, arg, o);
	oxi_pg_leave_transaction(db);
	return r;
}
