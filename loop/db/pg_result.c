/* SPDX-License-Identifier: MIT */
/* Results and errors of PostgreSQL, looked at. */
#include <stdio.h>
#include <stdlib.h>

#include "loop/db/pg.h"

#define RESULT_MAGIC 0x7365727170000001ull

struct ox_pg_result {
	uint64_t magic;
	PGresult *res;
};

int oxi_pg_result_new(PGresult *res, ox_pg_result **ret)
{
	ox_pg_result *r = ret && res ? oxi_alloc(sizeof(*r)) : NULL;

	if (r == NULL) {
		PQclear(res);
		return ret && res ? OX_ENOMEM : 0;
	}
	r->magic = RESULT_MAGIC;
	r->res = res;
	*ret = r;
	return 0;
}

void ox_pg_result_free(ox_pg_result *r)
{
	if (r == NULL)
		return;
	OXI_CHECK_OBJECT(r, RESULT_MAGIC);
	r->magic = 0;
	PQclear(r->res);
	oxi_free(r);
}

size_t ox_pg_rows(const ox_pg_result *r)
{
	OXI_CHECK_OBJECT(r, RESULT_MAGIC);
	return (size_t)PQntuples(r->res);
}

size_t ox_pg_columns(const ox_pg_result *r)
{
	OXI_CHECK_OBJECT(r, RESULT_MAGIC);
	return (size_t)PQnfields(r->res);
}

const char *ox_pg_column_name(const ox_pg_result *r, size_t column)
{
	return column < ox_pg_columns(r) ? PQfname(r->res, (int)column) : NULL;
}

uint32_t ox_pg_column_type(const ox_pg_result *r, size_t column)
{
	return column < ox_pg_columns(r) ? PQftype(r->res, (int)column) : 0;
}

ox_bytes ox_pg_value(const ox_pg_result *r, size_t row, size_t column)
{
	ox_bytes none = { NULL, 0 };

	if (row >= ox_pg_rows(r) || column >= ox_pg_columns(r) || PQgetisnull(r->res, (int)row, (int)column))
		return none;
	return (ox_bytes){ PQgetvalue(r->res, (int)row, (int)column),
		           (size_t)PQgetlength(r->res, (int)row, (int)column) };
}

int64_t ox_pg_int(const ox_pg_result *r, size_t row, size_t column)
{
	const char *text = ox_pg_value(r, row, column).data;

	return text ? strtoll(text, NULL, 10) : 0;
}

double ox_pg_real(const ox_pg_result *r, size_t row, size_t column)
{
	const char *text = ox_pg_value(r, row, column).data;

	return text ? oxi_pg_read_real(text) : 0;
}

uint64_t ox_pg_affected(const ox_pg_result *r)
{
	OXI_CHECK_OBJECT(r, RESULT_MAGIC);
	return strtoull(PQcmdTuples(r->res), NULL, 10);
}

/* ---- errors ---- */

static const char *field(const PGresult *res, int code)
{
	const char *text = res ? PQresultErrorField(res, code) : NULL;

	return text ? text : "";
}

/* libpq's texts end in newlines. */
static void copy_text(char *to, size_t cap, const char *text)
{
	size_t len = (size_t)snprintf(to, cap, "%s", text);

	for (len = len < cap ? len : cap - 1; len > 0 && to[len - 1] == '\n'; len--)
		to[len - 1] = '\0';
}

void oxi_pg_set_error(ox_pg *db, PGresult *failed, const char *text)
{
	ox_pg_error *e = &db->error;

	PQclear(db->failed);
	db->failed = failed;
	e->sqlstate = field(failed, PG_DIAG_SQLSTATE);
	e->severity = field(failed, PG_DIAG_SEVERITY_NONLOCALIZED);
	e->message = field(failed, PG_DIAG_MESSAGE_PRIMARY);
	e->detail = field(failed, PG_DIAG_MESSAGE_DETAIL);
	e->hint = field(failed, PG_DIAG_MESSAGE_HINT);
	e->context = field(failed, PG_DIAG_CONTEXT);
	e->schema = field(failed, PG_DIAG_SCHEMA_NAME);
	e->table = field(failed, PG_DIAG_TABLE_NAME);
	e->column = field(failed, PG_DIAG_COLUMN_NAME);
	e->constraint = field(failed, PG_DIAG_CONSTRAINT_NAME);
	e->position = strtoul(field(failed, PG_DIAG_STATEMENT_POSITION), NULL, 10);
	db->text[0] = '\0';
	if (e->message[0] == '\0') {            /* libpq's own failure has no fields */
		copy_text(db->text, sizeof(db->text), failed ? PQresultErrorMessage(failed) : text ? text : "");
		e->message = db->text;
	}
}

const ox_pg_error *ox_pg_last_error(const ox_pg *db)
{
	OXI_CHECK_OBJECT(db, OXI_PG_MAGIC);
	return &db->error;
}
