/* SPDX-License-Identifier: MIT */
/*
 * Transactions of SQLite. A begin inside a transaction is a savepoint, named by its depth. SQLite may roll a
 * whole transaction back by itself (a full disk, an interrupted write); oxi_sqlite_leave() hears of it after
 * each statement.
 */
#include <stdio.h>
#include <string.h>

#include "loop/db/sqlite.h"

#define FIRST_PAUSE OX_MS(5)

static int run_at(ox_sqlite *db, const char *format, unsigned depth, bool may_cancel)
{
	char sql[96];

	snprintf(sql, sizeof(sql), format, depth, depth);
	return oxi_sqlite_run(db, sql, may_cancel);
}

static int begin(ox_sqlite *db, const char *mode)
{
	char sql[64];
	int r = oxi_sqlite_enter(db, false);

	if (r < 0)
		return r;
	if (mode && strcmp(mode, "deferred") != 0 && strcmp(mode, "immediate") != 0 &&
	    strcmp(mode, "exclusive") != 0)
		return oxi_sqlite_leave(db, OX_EINVAL);
	snprintf(sql, sizeof(sql), "BEGIN %s", mode ? mode : "");
	r = db->in_transaction ? run_at(db, "SAVEPOINT ox_%u", db->depth, true) : oxi_sqlite_run(db, sql, true);
	if (r == 0)
		db->depth++;
	return oxi_sqlite_leave(db, r);
}

int ox_sqlite_begin(ox_sqlite *db)
{
	return begin(db, NULL);
}

int ox_sqlite_commit(ox_sqlite *db)
{
	int r = oxi_sqlite_enter(db, false);

	if (r < 0)
		return r;
	if (db->depth == 0)
		return oxi_sqlite_leave(db, OX_ESTATE);
	r = db->depth > 1 ? run_at(db, "RELEASE ox_%u", db->depth - 1, true)
	                  : oxi_sqlite_run(db, "COMMIT", true);
	if (r == 0)
		db->depth--;
	return oxi_sqlite_leave(db, r);
}

static int roll_back(ox_sqlite *db)
{
	int r = ox_sqlite_abandon(db);

	if (r == 0)
		r = oxi_sqlite_enter_any(db);
	if (r < 0)
		return r;
	if (db->depth > 1)
		r = run_at(db, "ROLLBACK TO ox_%u; RELEASE ox_%u", db->depth - 1, false);
	else if (db->in_transaction)
		r = oxi_sqlite_run(db, "ROLLBACK", false);
	if (r == 0 && db->depth > 0)
		db->depth--;
	return oxi_sqlite_leave(db, r);
}

int ox_sqlite_rollback(ox_sqlite *db)
{
	if (db == NULL)
		return OX_ENOMEM;
	oxi_sqlite_enter_span(db);
	return oxi_sqlite_leave_span(db, roll_back(db));
}

/* ---- a function in a transaction ---- */

void ox_sqlite_transaction_options_init(ox_sqlite_transaction_options *o)
{
	*o = *OX_SQLITE_TRANSACTION_OPTIONS(.size = sizeof(*o));
}

/* Twice as long each time, and not for all who collided the same. */
static int pause_before(unsigned retry)
{
	ox_time longest = FIRST_PAUSE << (retry < 7 ? retry : 7);

	return ox_sleep(longest / 2 + ox_now() % (longest / 2));
}

/* Ends the level that begin() entered, and those in it that fn left open. */
static int end(ox_sqlite *db, unsigned depth, int r)
{
	int done;

	if (db->depth > depth)
		db->depth = depth;
	done = r < 0 ? r : ox_sqlite_commit(db);
	if (done < 0 && db->depth >= depth)
		ox_sqlite_rollback(db);
	return done < 0 ? done : r;
}

static int run_all(ox_sqlite *db, int (*fn)(ox_sqlite *db, void *arg), void *arg,
                   const ox_sqlite_transaction_options *o)
{
	for (unsigned retry = 0;; retry++) {
		int r = begin(db, o ? o->mode : NULL);
		unsigned depth;

		if (r == 0) {
			depth = db->depth;
			r = end(db, depth, fn(db, arg));
		} else {
			depth = db->depth + 1;
		}
		if (o == NULL || retry >= o->retries || depth > 1 || r != OX_EDB ||
		    (db->error.code & 0xff) != SQLITE_BUSY || pause_before(retry) < 0)
			return r;
	}
}

int ox_sqlite_transaction(ox_sqlite *db, int (*fn)(ox_sqlite *db, void *arg), void *arg,
                          const ox_sqlite_transaction_options *o)
{
	if (db == NULL)
		return OX_ENOMEM;
	oxi_sqlite_enter_span(db);
	return oxi_sqlite_leave_span(db, run_all(db, fn, arg, o));
}
