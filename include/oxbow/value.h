/* SPDX-License-Identifier: MIT */
/*
 * Values on their way into a statement, for <oxbow/pg.h> and <oxbow/sqlite.h> alike. What comes back is read
 * by the result's calls there.
 *
 *	ox_pg_query(db, "insert into t values ($1, $2)", OX_VALUES(ox_int(5), ox_text("five")), NULL);
 */
#ifndef OXBOW_VALUE_H
#define OXBOW_VALUE_H

#include <string.h>

#include <oxbow/base.h>

OX_BEGIN

typedef enum ox_value_kind {
	OX_VALUE_NULL,
	OX_VALUE_INT,
	OX_VALUE_REAL,
	OX_VALUE_TEXT,
	OX_VALUE_BINARY
} ox_value_kind;

typedef struct ox_value {
	ox_value_kind kind;
	uint32_t type;                  /* PostgreSQL: the OID of its type; 0: the server works it out */
	int64_t integer;                /* INT */
	double real;                    /* REAL */
	ox_bytes bytes;                 /* TEXT (without a NUL in it), BINARY: borrowed during the call */
} ox_value;

/** The null of SQL. Since: 0.1 */
static inline ox_value ox_null(void)
{
	ox_value v;

	memset(&v, 0, sizeof(v));
	return v;
}

/** A whole number. Since: 0.1 */
static inline ox_value ox_int(int64_t n)
{
	ox_value v = ox_null();

	v.kind = OX_VALUE_INT;
	v.integer = n;
	return v;
}

/** A floating-point number. Since: 0.1 */
static inline ox_value ox_real(double x)
{
	ox_value v = ox_null();

	v.kind = OX_VALUE_REAL;
	v.real = x;
	return v;
}

/** A text; of NULL the null. PostgreSQL reads any type from its text. Since: 0.1 */
static inline ox_value ox_text(const char *text)
{
	ox_value v = ox_null();

	if (text == NULL)
		return v;
	v.kind = OX_VALUE_TEXT;
	v.bytes.data = text;
	v.bytes.len = strlen(text);
	return v;
}

/**
 * Bytes as they are, NULs included: for bytea, blobs and, in PostgreSQL, any type's binary format. NULL with
 * length 0 is an empty value. Since: 0.1
 */
static inline ox_value ox_binary(const void *data, size_t len)
{
	ox_value v = ox_null();

	v.kind = OX_VALUE_BINARY;
	v.bytes.data = data;
	v.bytes.len = len;
	return v;
}

/* An array of values and its length, as two arguments. Without any: NULL, 0. */
#define OX_VALUES(...) \
	((const ox_value[]){ __VA_ARGS__ }), (sizeof((const ox_value[]){ __VA_ARGS__ }) / sizeof(ox_value))

OX_END

#endif
