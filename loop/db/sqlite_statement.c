/* SPDX-License-Identifier: MIT */
/*
 * What runs in a connection's thread. A statement that was used is kept, prepared, under its text, the least
 * recently used one making room; a statement in use is not among the kept.
 */
#include <string.h>

#include "loop/db/sqlite.h"

#define BATCH_ROWS  256u
#define BATCH_BYTES OX_KIB(256)
#define CHECK_EVERY 1000                /* of SQLite's instructions: some 50 us */

/* ---- errors ---- */

static int failed(ox_sqlite *db)
{
	int code = sqlite3_extended_errcode(db->handle), at = sqlite3_error_offset(db->handle);

	db->error.code = code;
	db->error.position = at < 0 ? 0 : (size_t)at + 1;
	strncpy(db->text, sqlite3_errmsg(db->handle), sizeof(db->text) - 1);
	switch (code & 0xff) {
	case SQLITE_INTERRUPT:
	case SQLITE_BUSY:
		return atomic_load(&db->cancelled) ? OX_ECANCELED : OX_EDB;
	case SQLITE_NOMEM:
		return OX_ENOMEM;
	case SQLITE_TOOBIG:
		return OX_ETOOBIG;
	}
	return OX_EDB;
}

/* ---- cancelling, and waiting for locks ---- */

static int look_for_cancel(void *arg)
{
	ox_sqlite *db = arg;

	return atomic_load(&db->cancelled);
}

static struct timespec after(struct timespec t, ox_time d)
{
	t.tv_sec += d / OX_SEC(1);
	t.tv_nsec += d % OX_SEC(1);
	if (t.tv_nsec >= OX_SEC(1)) {
		t.tv_sec++;
		t.tv_nsec -= OX_SEC(1);
	}
	return t;
}

/*
 * Called again and again while others hold a lock: waits a little, or gives up (0). A cancel ends the little
 * wait.
 */
static int wait_for_lock(void *arg, int count)
{
	ox_sqlite *db = arg;
	struct timespec now, soon;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (count == 0)
		db->busy_until = after(now, db->o.busy_timeout);
	soon = after(now, count < 5 ? OX_MS(1) : OX_MS(10));
	if (now.tv_sec > db->busy_until.tv_sec ||
	    (now.tv_sec == db->busy_until.tv_sec && now.tv_nsec >= db->busy_until.tv_nsec))
		return 0;
	pthread_mutex_lock(&db->lock);
	if (!atomic_load(&db->cancelled))
		pthread_cond_timedwait(&db->wake, &db->lock, &soon);
	pthread_mutex_unlock(&db->lock);
	return !atomic_load(&db->cancelled);
}

/* ---- prepared statements ---- */

static sqlite3_stmt *take_kept(ox_sqlite *db, const char *sql)
{
	OXI_LIST_EACH(e, &db->kept) {
		struct oxi_sqlite_kept *k = OXI_CONTAINER(e, struct oxi_sqlite_kept, link);
		sqlite3_stmt *stmt = k->stmt;

		if (strcmp(sqlite3_sql(stmt), sql) == 0) {
			oxi_list_remove(&k->link);
			oxi_free(k);
			db->kept_count--;
			return stmt;
		}
	}
	return NULL;
}

static void drop_oldest(ox_sqlite *db)
{
	struct oxi_sqlite_kept *k = OXI_CONTAINER(db->kept.prev, struct oxi_sqlite_kept, link);

	oxi_list_remove(&k->link);
	sqlite3_finalize(k->stmt);
	oxi_free(k);
	db->kept_count--;
}

static void keep(ox_sqlite *db, sqlite3_stmt *stmt)
{
	struct oxi_sqlite_kept *k = stmt ? oxi_alloc(sizeof(*k)) : NULL;

	if (k == NULL) {
		sqlite3_finalize(stmt);
		return;
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	k->stmt = stmt;
	oxi_list_prepend(&db->kept, &k->link);
	if (++db->kept_count > db->o.statements)
		drop_oldest(db);
}

/* @ret_rest: what follows the statement in sql. */
static int prepare(ox_sqlite *db, const char *sql, sqlite3_stmt **ret, const char **ret_rest)
{
	*ret_rest = "";
	*ret = take_kept(db, sql);
	if (*ret)
		return 0;
	if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, ret_rest) != SQLITE_OK)
		return failed(db);
	*ret_rest += strspn(*ret_rest, " \t\r\n;");
	return 0;
}

/* @copy: what becomes of the bytes: SQLITE_STATIC, SQLITE_TRANSIENT. */
static int bind_one(sqlite3_stmt *stmt, int i, const ox_value *v, sqlite3_destructor_type copy)
{
	const char *bytes = v->bytes.data ? v->bytes.data : "";

	switch (v->kind) {
	case OX_VALUE_NULL:
		return sqlite3_bind_null(stmt, i);
	case OX_VALUE_INT:
		return sqlite3_bind_int64(stmt, i, v->integer);
	case OX_VALUE_REAL:
		return sqlite3_bind_double(stmt, i, v->real);
	case OX_VALUE_TEXT:
		return sqlite3_bind_text64(stmt, i, bytes, v->bytes.len, copy, SQLITE_UTF8);
	case OX_VALUE_BINARY:
		return sqlite3_bind_blob64(stmt, i, bytes, v->bytes.len, copy);
	}
	return SQLITE_MISUSE;
}

static int bind(ox_sqlite *db, sqlite3_stmt *stmt, sqlite3_destructor_type copy)
{
	const struct oxi_sqlite_work *w = &db->work;

	if (w->n != (size_t)sqlite3_bind_parameter_count(stmt))
		return OX_EINVAL;
	for (size_t i = 0; i < w->n; i++) {
		int code = bind_one(stmt, (int)i + 1, &w->params[i], copy);

		if (code != SQLITE_OK)
			return code == SQLITE_MISUSE ? OX_EINVAL : failed(db);
	}
	return 0;
}

/* ---- queries ---- */

static int prepared_anew(sqlite3_stmt *stmt)
{
	return sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE, false);
}

static int make_result(ox_sqlite *db, sqlite3_stmt *stmt)
{
	ox_sqlite_result_free(db->work.result);
	db->work.result = oxi_sqlite_result_new(stmt);
	return db->work.result ? 0 : OX_ENOMEM;
}

/*
 * The first step. It prepares the statement anew if its tables have changed, and then the columns may be
 * others than the result was made for.
 */
static int step_first(ox_sqlite *db, sqlite3_stmt *stmt, int *ret_code)
{
	int before = prepared_anew(stmt);

	*ret_code = sqlite3_step(stmt);
	return db->work.result && prepared_anew(stmt) != before ? make_result(db, stmt) : 0;
}

/* Steps through the rows into the result, if there is one: SQLITE_DONE's 0, or 1 when a batch is full. */
static int step(ox_sqlite *db, sqlite3_stmt *stmt, bool batch)
{
	int code, r = step_first(db, stmt, &code);

	while (r == 0 && code == SQLITE_ROW) {
		ox_sqlite_result *res = db->work.result;

		r = res ? oxi_sqlite_result_add(res, stmt) : 0;
		if (r < 0)
			return r;
		if (batch && (ox_sqlite_rows(res) == BATCH_ROWS || oxi_sqlite_result_bytes(res) >= BATCH_BYTES))
			return 1;
		code = sqlite3_step(stmt);
	}
	return r < 0 || code == SQLITE_DONE ? r : failed(db);
}

/* One statement to its end. */
static int run_one(ox_sqlite *db, sqlite3_stmt *stmt)
{
	struct oxi_sqlite_work *w = &db->work;
	sqlite3_int64 before = sqlite3_total_changes64(db->handle);
	int r = bind(db, stmt, SQLITE_STATIC);

	if (r == 0 && w->wants_result)
		r = make_result(db, stmt);
	if (r == 0)
		r = step(db, stmt, false);
	if (w->result)
		oxi_sqlite_result_end(w->result, db->handle, sqlite3_total_changes64(db->handle) != before);
	return r;
}

static int query(ox_sqlite *db)
{
	struct oxi_sqlite_work *w = &db->work;
	const char *sql = w->sql;
	int r;

	do {
		sqlite3_stmt *stmt;
		const char *rest;

		r = prepare(db, sql, &stmt, &rest);
		if (r < 0)
			break;
		if (*rest && w->n > 0)
			r = OX_EINVAL;
		else if (stmt)
			r = run_one(db, stmt);
		else if (w->wants_result && w->result == NULL && !(w->result = oxi_sqlite_result_new(NULL)))
			r = OX_ENOMEM;                  /* nothing but blanks and comments: an empty result */
		if (*rest || sql != w->sql)
			sqlite3_finalize(stmt);
		else
			keep(db, stmt);
		sql = rest;
	} while (r == 0 && *sql);
	if (r < 0) {
		ox_sqlite_result_free(w->result);
		w->result = NULL;
	}
	return r;
}

static void end_stream(ox_sqlite *db)
{
	keep(db, db->active);
	db->active = NULL;
}

static int start_stream(ox_sqlite *db)
{
	const char *rest;
	int r = prepare(db, db->work.sql, &db->active, &rest);

	db->exhausted = false;
	if (r == 0)
		r = *rest || db->active == NULL ? OX_EINVAL : bind(db, db->active, SQLITE_TRANSIENT);
	if (r < 0) {
		sqlite3_finalize(db->active);
		db->active = NULL;
	}
	return r;
}

/*
 * A statement that is done would begin anew if it were stepped again: so the last rows are followed by a call
 * that does not.
 */
static int next(ox_sqlite *db)
{
	struct oxi_sqlite_work *w = &db->work;
	int r = 0;

	if (!db->exhausted) {
		r = make_result(db, db->active);
		if (r == 0)
			r = step(db, db->active, true);
		db->exhausted = r == 0;
		if (r == 1 || (r == 0 && ox_sqlite_rows(w->result) > 0))
			return 1;
		ox_sqlite_result_free(w->result);
		w->result = NULL;
	}
	end_stream(db);
	return r;
}

/* ---- the connection ---- */

static int run(ox_sqlite *db, const char *sql)
{
	return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(db);
}

static int open_file(ox_sqlite *db)
{
	int flags = db->o.read_only ? SQLITE_OPEN_READONLY
	                            : SQLITE_OPEN_READWRITE | (db->o.must_exist ? 0 : SQLITE_OPEN_CREATE);
	int code, r;

	flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	code = sqlite3_open_v2(db->work.sql, &db->handle, flags, NULL);
	if (db->handle == NULL)
		return OX_ENOMEM;
	if (code != SQLITE_OK)
		return failed(db);
	sqlite3_progress_handler(db->handle, CHECK_EVERY, look_for_cancel, db);
	sqlite3_busy_handler(db->handle, wait_for_lock, db);
	r = run(db, "SELECT 1 FROM sqlite_schema LIMIT 1");     /* is it a database? */
	if (r == 0 && !db->o.no_wal && !db->o.read_only)
		r = run(db, "PRAGMA journal_mode = WAL");
	return r;
}

static int close_file(ox_sqlite *db)
{
	end_stream(db);
	while (db->kept_count > 0)
		drop_oldest(db);
	sqlite3_close(db->handle);
	db->handle = NULL;
	return 0;
}

static int work(ox_sqlite *db)
{
	switch (db->work.op) {
	case OXI_SQLITE_OPEN:
		return open_file(db);
	case OXI_SQLITE_QUERY:
		return query(db);
	case OXI_SQLITE_STREAM:
		return start_stream(db);
	case OXI_SQLITE_NEXT:
		return next(db);
	case OXI_SQLITE_ABANDON:
		end_stream(db);
		return 0;
	case OXI_SQLITE_CLOSE:
		return close_file(db);
	}
	return OX_EINVAL;
}

void oxi_sqlite_work(ox_sqlite *db)
{
	db->work.status = work(db);
	db->in_transaction = db->handle && !sqlite3_get_autocommit(db->handle);
}
