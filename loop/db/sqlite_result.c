/* SPDX-License-Identifier: MIT */
/*
 * Results of SQLite: copied out of the statement in its thread, so that the loop can look at them whenever it
 * likes.
 */
#include <stdlib.h>
#include <string.h>

#include "loop/db/sqlite.h"

#define RESULT_MAGIC 0x7365726c71730001ull

struct cell {
	ox_value_kind kind;
	size_t at, len;                 /* its bytes or text, in bytes */
	int64_t integer;
	double real;
};

struct ox_sqlite_result {
	uint64_t magic;
	size_t rows, columns;
	size_t *names;                  /* where they are in bytes */
	struct cell *cells;
	size_t cells_cap;
	char *bytes;
	size_t len, cap;
	uint64_t affected;
	int64_t last_id;
};

/* ---- filling ---- */

/* Copies bytes to the end, with a NUL behind them. */
static int append(ox_sqlite_result *res, const void *data, size_t len, size_t *ret_at)
{
	if (res->len + len + 1 > res->cap) {
		size_t cap = 2 * res->cap + len + 256;
		char *grown = oxi_realloc(res->bytes, cap);

		if (grown == NULL)
			return OX_ENOMEM;
		res->bytes = grown;
		res->cap = cap;
	}
	if (len > 0)
		memcpy(res->bytes + res->len, data, len);
	res->bytes[res->len + len] = '\0';
	*ret_at = res->len;
	res->len += len + 1;
	return 0;
}

ox_sqlite_result *oxi_sqlite_result_new(sqlite3_stmt *stmt)
{
	ox_sqlite_result *res = oxi_alloc(sizeof(*res));
	size_t columns = stmt ? (size_t)sqlite3_column_count(stmt) : 0;

	if (res == NULL)
		return NULL;
	res->magic = RESULT_MAGIC;
	res->columns = columns;
	res->names = oxi_alloc((columns + 1) * sizeof(*res->names));
	for (size_t i = 0; res->names && i < columns; i++) {
		const char *name = sqlite3_column_name(stmt, (int)i);

		if (name == NULL || append(res, name, strlen(name), &res->names[i]) < 0) {
			oxi_free(res->names);
			res->names = NULL;
		}
	}
	if (res->names)
		return res;
	ox_sqlite_result_free(res);
	return NULL;
}

static int add_cell(ox_sqlite_result *res, struct cell *c, sqlite3_stmt *stmt, int column)
{
	static const ox_value_kind kinds[] = {
		[SQLITE_INTEGER] = OX_VALUE_INT, [SQLITE_FLOAT] = OX_VALUE_REAL, [SQLITE_TEXT] = OX_VALUE_TEXT,
		[SQLITE_BLOB] = OX_VALUE_BINARY, [SQLITE_NULL] = OX_VALUE_NULL,
	};
	const void *data;

	*c = (struct cell){ .kind = kinds[sqlite3_column_type(stmt, column)] };
	if (c->kind == OX_VALUE_NULL)
		return 0;
	c->integer = sqlite3_column_int64(stmt, column);
	c->real = sqlite3_column_double(stmt, column);
	data = c->kind == OX_VALUE_BINARY ? sqlite3_column_blob(stmt, column)
	                                  : sqlite3_column_text(stmt, column);
	c->len = (size_t)sqlite3_column_bytes(stmt, column);
	if (data == NULL && c->len > 0)
		return OX_ENOMEM;
	return append(res, data, c->len, &c->at);
}

int oxi_sqlite_result_add(ox_sqlite_result *res, sqlite3_stmt *stmt)
{
	size_t used = res->rows * res->columns;

	if (used + res->columns > res->cells_cap) {
		size_t cap = 2 * res->cells_cap + res->columns;
		struct cell *grown = oxi_realloc(res->cells, cap * sizeof(*grown));

		if (grown == NULL)
			return OX_ENOMEM;
		res->cells = grown;
		res->cells_cap = cap;
	}
	for (size_t i = 0; i < res->columns; i++)
		if (add_cell(res, &res->cells[used + i], stmt, (int)i) < 0)
			return OX_ENOMEM;
	res->rows++;
	return 0;
}

size_t oxi_sqlite_result_bytes(const ox_sqlite_result *res)
{
	return res->len;
}

void oxi_sqlite_result_end(ox_sqlite_result *res, sqlite3 *handle, bool changes)
{
	res->affected = changes ? (uint64_t)sqlite3_changes64(handle) : 0;
	res->last_id = sqlite3_last_insert_rowid(handle);
}

/* ---- looking ---- */

void ox_sqlite_result_free(ox_sqlite_result *res)
{
	if (res == NULL)
		return;
	OXI_CHECK_OBJECT(res, RESULT_MAGIC);
	res->magic = 0;
	oxi_free(res->names);
	oxi_free(res->cells);
	oxi_free(res->bytes);
	oxi_free(res);
}

size_t ox_sqlite_rows(const ox_sqlite_result *res)
{
	OXI_CHECK_OBJECT(res, RESULT_MAGIC);
	return res->rows;
}

size_t ox_sqlite_columns(const ox_sqlite_result *res)
{
	OXI_CHECK_OBJECT(res, RESULT_MAGIC);
	return res->columns;
}

const char *ox_sqlite_column_name(const ox_sqlite_result *res, size_t column)
{
	return column < ox_sqlite_columns(res) ? res->bytes + res->names[column] : NULL;
}

/* Where there is none: null. */
static const struct cell *cell(const ox_sqlite_result *res, size_t row, size_t column)
{
	static const struct cell none;

	return row < ox_sqlite_rows(res) && column < res->columns ? &res->cells[row * res->columns + column]
	                                                          : &none;
}

ox_value_kind ox_sqlite_kind(const ox_sqlite_result *res, size_t row, size_t column)
{
	return cell(res, row, column)->kind;
}

ox_bytes ox_sqlite_value(const ox_sqlite_result *res, size_t row, size_t column)
{
	const struct cell *c = cell(res, row, column);

	return c->kind == OX_VALUE_NULL ? (ox_bytes){ NULL, 0 } : (ox_bytes){ res->bytes + c->at, c->len };
}

int64_t ox_sqlite_int(const ox_sqlite_result *res, size_t row, size_t column)
{
	return cell(res, row, column)->integer;
}

double ox_sqlite_real(const ox_sqlite_result *res, size_t row, size_t column)
{
	return cell(res, row, column)->real;
}

uint64_t ox_sqlite_affected(const ox_sqlite_result *res)
{
	OXI_CHECK_OBJECT(res, RESULT_MAGIC);
	return res->affected;
}

int64_t ox_sqlite_last_id(const ox_sqlite_result *res)
{
	OXI_CHECK_OBJECT(res, RESULT_MAGIC);
	return res->last_id;
}
