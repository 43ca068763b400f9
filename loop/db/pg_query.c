/* SPDX-License-Identifier: MIT */
/*
 * Statements and their parameters. Numbers travel as text, so that the server reads them as whatever type the
 * statement wants; binary values travel as they are. A statement without parameters goes by the simple
 * protocol, which takes several at once; all others by the extended one.
 */
#include <stdio.h>

#include "loop/db/pg.h"

#define MAX_PARAMS  65535u

/* ---- parameters ---- */

/* What libpq wants them to be: arrays of n, and behind them the texts that had to be made. */
struct params {
	Oid *types;
	const char **values;
	int *lengths, *formats;
	char *texts;
};

static size_t text_len(const ox_value *v)
{
	switch (v->kind) {
	case OX_VALUE_INT:
	case OX_VALUE_REAL:
		return OXI_PG_NUMBER_LEN;
	case OX_VALUE_TEXT:
		return v->bytes.len + 1;
	case OX_VALUE_NULL:
	case OX_VALUE_BINARY:
		break;
	}
	return 0;
}

static int check(const ox_value *v, size_t n, size_t *ret_texts)
{
	size_t texts = 0;

	if (n > MAX_PARAMS)
		return OX_EINVAL;
	for (size_t i = 0; i < n; i++) {
		bool bytes = v[i].kind == OX_VALUE_TEXT || v[i].kind == OX_VALUE_BINARY;

		if (v[i].kind > OX_VALUE_BINARY)
			return OX_EINVAL;
		if (bytes && v[i].bytes.len > INT32_MAX - 1)
			return OX_ETOOBIG;
		if (v[i].kind == OX_VALUE_TEXT && v[i].bytes.len > 0 &&
		    memchr(v[i].bytes.data, 0, v[i].bytes.len))
			return OX_EINVAL;
		texts += text_len(&v[i]);
	}
	*ret_texts = texts;
	return 0;
}

static char *write_text(char *to, const ox_value *v)
{
	if (v->kind == OX_VALUE_INT)
		snprintf(to, OXI_PG_NUMBER_LEN, "%lld", (long long)v->integer);
	else if (v->kind == OX_VALUE_REAL)
		oxi_pg_write_real(to, v->real);
	else if (v->bytes.len > 0)
		memcpy(to, v->bytes.data, v->bytes.len);        /* the memory is zeroed: a NUL follows */
	return to + text_len(v);
}

static int make(struct params *p, const ox_value *v, size_t n)
{
	size_t texts, each = sizeof(*p->values) + sizeof(*p->types) + sizeof(*p->lengths) + sizeof(*p->formats);
	char *text;
	int r = check(v, n, &texts);

	if (r < 0)
		return r;
	p->values = oxi_alloc(n * each + texts + 1);
	if (p->values == NULL)
		return OX_ENOMEM;
	p->types = (Oid *)(p->values + n);
	p->lengths = (int *)(p->types + n);
	p->formats = p->lengths + n;
	text = (char *)(p->formats + n);
	for (size_t i = 0; i < n; i++) {
		p->types[i] = v[i].type;
		if (v[i].kind == OX_VALUE_BINARY) {
			p->values[i] = v[i].bytes.data ? v[i].bytes.data : "";
			p->lengths[i] = (int)v[i].bytes.len;
			p->formats[i] = 1;
		} else if (v[i].kind != OX_VALUE_NULL) {
			p->values[i] = text;
			text = write_text(text, &v[i]);
		}
	}
	return 0;
}

/* ---- statements ---- */

int oxi_pg_send(ox_pg *db, const struct oxi_pg_statement *st)
{
	struct params p;
	int sent, r;

	if ((st->sql == NULL && st->name == NULL) || (st->n > 0 && st->params == NULL))
		return OX_EINVAL;
	db->extended = !st->several || st->n > 0;
	if (!db->extended)
		return PQsendQuery(db->conn, st->sql) ? 0 : oxi_pg_not_sent(db);
	r = make(&p, st->params, st->n);
	if (r < 0)
		return r;
	if (st->name)
		sent = PQsendQueryPrepared(db->conn, st->name, (int)st->n, p.values, p.lengths, p.formats,
		                           st->binary);
	else
		sent = PQsendQueryParams(db->conn, st->sql, (int)st->n, p.types, p.values, p.lengths,
		                         p.formats, st->binary);
	oxi_free(p.values);
	return sent ? 0 : oxi_pg_not_sent(db);
}

static int run(ox_pg *db, const struct oxi_pg_statement *st, ox_pg_result **ret)
{
	PGresult *res = NULL;
	int r = oxi_pg_enter(db, OXI_PG_IDLE);

	if (r < 0)
		return r;
	r = oxi_pg_send(db, st);
	if (r == 0)
		r = oxi_pg_finish(db, &res);
	if (r == 0)
		r = oxi_pg_result_new(res, ret);
	return oxi_pg_leave(db, r);
}

int ox_pg_query(ox_pg *db, const char *sql, const ox_value *params, size_t n, ox_pg_result **ret)
{
	return run(db, &(struct oxi_pg_statement){ .sql = sql, .params = params, .n = n, .several = true },
	           ret);
}

int ox_pg_query_binary(ox_pg *db, const char *sql, const ox_value *params, size_t n, ox_pg_result **ret)
{
	return run(db, &(struct oxi_pg_statement){ .sql = sql, .params = params, .n = n, .binary = true }, ret);
}

int ox_pg_execute(ox_pg *db, const char *name, const ox_value *params, size_t n, ox_pg_result **ret)
{
	return run(db, &(struct oxi_pg_statement){ .name = name, .params = params, .n = n }, ret);
}

int ox_pg_prepare(ox_pg *db, const char *name, const char *sql)
{
	int r = oxi_pg_enter(db, OXI_PG_IDLE);

	if (r < 0)
		return r;
	if (name == NULL || sql == NULL)
		r = OX_EINVAL;
	else if (!PQsendPrepare(db->conn, name, sql, 0, NULL))
		r = oxi_pg_not_sent(db);
	else
		r = oxi_pg_finish(db, NULL);
	return oxi_pg_leave(db, r);
}

int oxi_pg_run(ox_pg *db, const char *sql)
{
	return PQsendQuery(db->conn, sql) ? oxi_pg_finish(db, NULL) : oxi_pg_not_sent(db);
}

int oxi_pg_run_name(ox_pg *db, const char *command, const char *identifier)
{
	char *quoted = PQescapeIdentifier(db->conn, identifier, strlen(identifier)), *sql;
	size_t cap;
	int r;

	if (quoted == NULL) {
		oxi_pg_set_error(db, NULL, PQerrorMessage(db->conn));
		return OX_EINVAL;
	}
	cap = strlen(command) + strlen(quoted) + 2;
	sql = oxi_alloc(cap);
	if (sql)
		snprintf(sql, cap, "%s %s", command, quoted);
	PQfreemem(quoted);
	r = sql ? oxi_pg_run(db, sql) : OX_ENOMEM;
	oxi_free(sql);
	return r;
}

/* ---- streams: libpq's single-row mode ---- */

/* The rest of the rows is dropped on the server, and so a success of the statement is none. */
static int give_up(ox_pg *db)
{
	int r = oxi_pg_cancel(db, NULL);

	return r == 0 ? OX_ECANCELED : r;
}

int ox_pg_stream(ox_pg *db, const char *sql, const ox_value *params, size_t n)
{
	int r = oxi_pg_enter(db, OXI_PG_IDLE);

	if (r < 0)
		return r;
	r = oxi_pg_send(db, &(struct oxi_pg_statement){ .sql = sql, .params = params, .n = n });
	if (r == 0) {
		PQsetSingleRowMode(db->conn);
		r = oxi_pg_flush(db);
		if (r == OX_ECANCELED)
			r = give_up(db);
		else if (r == 0)
			db->state = OXI_PG_STREAM;
	}
	return oxi_pg_leave(db, r);
}

static int next_of_stream(ox_pg *db, ox_pg_result **ret)
{
	PGresult *res;
	int r = oxi_pg_get(db, &res);

	if (r == 0 && PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
		r = oxi_pg_result_new(res, ret);
		return r < 0 ? r : 1;
	}
	if (r == 0)
		r = oxi_pg_finish_from(db, res, NULL);
	else if (r == OX_ECANCELED)
		r = give_up(db);
	if (db->state == OXI_PG_STREAM)
		db->state = OXI_PG_IDLE;
	return r;
}

int ox_pg_next(ox_pg *db, ox_pg_result **ret)
{
	bool pipeline = db && db->state == OXI_PG_PIPELINE;
	int r = oxi_pg_enter(db, pipeline ? OXI_PG_PIPELINE : OXI_PG_STREAM);

	if (r < 0)
		return r;
	return oxi_pg_leave(db, pipeline ? oxi_pg_pipeline_next(db, ret) : next_of_stream(db, ret));
}
