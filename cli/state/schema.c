/* SPDX-License-Identifier: MIT */
/*
 * run.db. A job's number is its session and its sequence number in one (parts.h), so that rows come nearly in order and
 * no index has to be kept: what is looked for by key is found by the table in memory, the rest by a scan. Output stands
 * apart from the jobs, which keeps that scan small. Text may be any bytes without a NUL.
 *
 * A newer schema has a higher user_version; what this one does not know is refused, for reading too.
 */
#include <string.h>

#include "cli/state/parts.h"

#define APPLICATION_ID 0x4f784277          /* "OxBw" */
#define SCHEMA_VERSION     1

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

static const char TABLES[] =
	"create table session (n integer primary key, id text, command text, argv blob, cwd text, file text, pid int, host text, "
	"began real, ended real, done int, failed int, timeouts int, interrupted int, skipped int, exit int) strict;"
	"create table task (n integer primary key, name text, kind int, jobs int) strict;"
	"create table edge (task int, source int, condition int, primary key (task, source)) strict, without rowid;"
	/* n: in the order of the session's records. final: 0 once a later session has done the job again. Times in ns. */
	"create table job (id integer primary key, key blob, n int, task int, name text, words blob, status int, exit int, "
	"signal int, attempt int, slot int, began real, wall int, user int, system int, rss int, out int, err int, shown int, "
	"final int, why text) strict;"
	"create table output (job integer primary key, out blob, out_file text, err blob, err_file text, value text) strict;"
	/* Those that were followed by another. */
	"create table attempt (job int, attempt int, status int, exit int, signal int, slot int, began real, wall int, user int, "
	"system int, rss int, primary key (job, attempt)) strict, without rowid;"
	"pragma application_id = " STRING(APPLICATION_ID) ";"
	"pragma user_version = " STRING(SCHEMA_VERSION);

int oxi_schema_error(const ox_sqlite *db, int r, struct oxi_buffer *why)
{
	const ox_sqlite_error *e = db && r == OX_EDB ? ox_sqlite_last_error(db) : NULL;
	oxi_buffer_add_text(why, e && *e->message ? e->message : ox_strerror(r));
	switch (e ? e->code & 0xff : 0) {       /* SQLite's result codes, https://sqlite.org/rescode.html */
	case 5: return OX_EBUSY;
	case 8: return -EROFS;
	case 10: return -EIO;
	case 13: return -ENOSPC;
	default: return r;
	}
}

static int number(ox_sqlite *db, const char *sql, int64_t *ret)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = ox_sqlite_query(db, sql, NULL, 0, &res);
	if (r == 0)
		*ret = ox_sqlite_int(res, 0, 0);
	return r;
}

static int failed(ox_sqlite *db, const char *path, int r, struct oxi_buffer *why)
{
	oxi_buffer_add_text(why, "cannot open ");
	oxi_buffer_add_text(why, path);
	oxi_buffer_add_text(why, ": ");
	return oxi_schema_error(db, r, why);
}

int oxi_schema_check(ox_sqlite *db, const char *path, struct oxi_buffer *why)
{
	int64_t application = 0, version = 0;
	int r = number(db, "pragma application_id", &application);
	if (r == 0)
		r = number(db, "pragma user_version", &version);
	if (r < 0)
		return failed(db, path, r, why);
	if (application != APPLICATION_ID || version < 1) {
		oxi_buffer_add_text(why, path);
		oxi_buffer_add_text(why, " is not the database of a run");
		return OX_EDB;
	}
	if (version > SCHEMA_VERSION) {
		oxi_buffer_add_text(why, path);
		oxi_buffer_add_format(why, " was recorded by a newer Oxbow (schema %lld, this one knows %d): use that one",
		                      (long long)version, SCHEMA_VERSION);
		return OX_EVERSION;
	}
	return 0;
}

static int make(ox_sqlite *db, void *arg)
{
	(void)arg;
	return ox_sqlite_query(db, TABLES, NULL, 0, NULL);
}

int oxi_schema_make(ox_sqlite *db, const char *path, struct oxi_buffer *why)
{
	int64_t tables = 0;
	int r = number(db, "select count(*) from sqlite_schema", &tables);
	if (r == 0 && tables == 0)
		r = ox_sqlite_transaction(db, make, NULL, NULL);
	return r < 0 ? failed(db, path, r, why) : oxi_schema_check(db, path, why);
}
