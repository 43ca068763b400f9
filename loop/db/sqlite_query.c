/* SPDX-License-Identifier: MIT */
/* Statements and streams of SQLite, as the loop sees them: work for the connection's thread. */
#include "loop/db/sqlite.h"

static int check(const char *sql, const ox_value *params, size_t n)
{
	if (sql == NULL || (n > 0 && params == NULL))
		return OX_EINVAL;
	for (size_t i = 0; i < n; i++)
		if (params[i].kind > OX_VALUE_BINARY)
			return OX_EINVAL;
	return 0;
}

int ox_sqlite_query(ox_sqlite *db, const char *sql, const ox_value *params, size_t n, ox_sqlite_result **ret)
{
	int r = oxi_sqlite_enter(db, false);

	if (r < 0)
		return r;
	r = check(sql, params, n);
	if (r < 0)
		return oxi_sqlite_leave(db, r);
	db->work = (struct oxi_sqlite_work){
		.op = OXI_SQLITE_QUERY, .sql = sql, .params = params, .n = n, .wants_result = ret != NULL,
	};
	r = oxi_sqlite_do(db, true);
	if (r == 0 && ret)
		*ret = db->work.result;
	return oxi_sqlite_leave(db, r);
}

int ox_sqlite_stream(ox_sqlite *db, const char *sql, const ox_value *params, size_t n)
{
	int r = oxi_sqlite_enter(db, false);

	if (r < 0)
		return r;
	r = check(sql, params, n);
	if (r == 0) {
		db->work = (struct oxi_sqlite_work){
			.op = OXI_SQLITE_STREAM, .sql = sql, .params = params, .n = n
		};
		r = oxi_sqlite_do(db, true);
		db->stream = r == 0;
	}
	return oxi_sqlite_leave(db, r);
}

int ox_sqlite_next(ox_sqlite *db, ox_sqlite_result **ret)
{
	int r = oxi_sqlite_enter(db, true);

	if (r < 0)
		return r;
	db->work = (struct oxi_sqlite_work){ .op = OXI_SQLITE_NEXT };
	r = oxi_sqlite_do(db, true);
	db->stream = r == 1;
	if (r == 1 && ret)
		*ret = db->work.result;
	else
		ox_sqlite_result_free(db->work.result);
	return oxi_sqlite_leave(db, r);
}

int ox_sqlite_abandon(ox_sqlite *db)
{
	int r = db ? oxi_sqlite_enter_any(db) : OX_ENOMEM;

	if (r < 0)
		return r;
	db->work = (struct oxi_sqlite_work){ .op = OXI_SQLITE_ABANDON };
	if (db->stream)
		oxi_sqlite_do(db, false);
	db->stream = false;
	return oxi_sqlite_leave(db, 0);
}
