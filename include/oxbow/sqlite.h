/* SPDX-License-Identifier: MIT */
/*
 * SQLite (liboxbow-sqlite): each connection has a thread of its own, and its calls yield while that works.
 * The shapes are those of <oxbow/pg.h>.
 *
 *	OX_AUTO_SQLITE *db = NULL;
 *	OX_AUTO_SQLITE_RESULT *res = NULL;
 *	int r = ox_sqlite_open("shop.db", NULL, &db);
 *	if (r == 0)
 *		r = ox_sqlite_query(db, "select name from item where price < ?", OX_VALUES(ox_int(10)), &res);
 *	for (size_t i = 0; r == 0 && i < ox_sqlite_rows(res); i++)
 *		puts(ox_sqlite_value(res, i, 0).data);
 *
 * What holds for every call that takes a connection:
 * - One coroutine uses it at a time: another one's call fails with OX_EBUSY. For several at a time open
 *   several connections.
 * - When SQLite reports an error, the result is OX_EDB, and ox_sqlite_last_error() has the story. A database
 *   that is still locked after busy_timeout is such an error too.
 * - Cancel: interrupts the statement, waits until it has ended, and what it had done is undone. One that was
 *   done by then is a success: nothing that was committed is reported as cancelled. A statement that writes
 *   inside a transaction may take the whole transaction with it: roll back.
 */
#ifndef OXBOW_SQLITE_H
#define OXBOW_SQLITE_H

#include <oxbow/value.h>

OX_BEGIN

typedef struct ox_sqlite ox_sqlite;
typedef struct ox_sqlite_result ox_sqlite_result;

/* ---- connections ---- */

typedef struct ox_sqlite_options {
	size_t size;
	bool read_only;
	bool must_exist;                /* the file is not made when it is not there */
	bool no_wal;                    /* leave the journal mode as it is; else it is made WAL */
	ox_time busy_timeout;           /* how long a lock of others is waited for; 0: 5 s */
	unsigned statements;            /* prepared ones that are kept for their next use; 0: 32 */
	char *error_text;               /* at least 256 bytes: why opening failed, written on failure */
} ox_sqlite_options;
#define OX_SQLITE_OPTIONS(...) (&(ox_sqlite_options){ .size = sizeof(ox_sqlite_options), __VA_ARGS__ })
OX_API void ox_sqlite_options_init(ox_sqlite_options *o);

/**
 * Opens a database file.
 *
 * @path: ":memory:" for one that lives as long as the connection. @o: NULL for the defaults. @ret: owned:
 * ox_sqlite_close() or OX_AUTO_SQLITE.
 * Returns: 0; OX_EDB (no such file, not a database), OX_EINVAL, -EAGAIN (no more threads), -EMFILE,
 * OX_ECANCELED, OX_ENOMEM, OX_ESTATE, OX_EFORKED. Yields: always. Since: 0.1
 */
OX_API OX_YIELDS int ox_sqlite_open(const char *path, const ox_sqlite_options *o, ox_sqlite **ret);

/**
 * Closes a connection: an open transaction is rolled back, its thread has ended. Takes NULL.
 *
 * A statement of another coroutine is interrupted; its call fails with OX_ECLOSED. What is open when the loop ends is
 * closed then, and only freed by this.
 * Yields: while SQLite closes the file. Cancel: does not reach in. Since: 0.1
 */
OX_API OX_YIELDS void ox_sqlite_close(ox_sqlite *db);
static inline void ox_sqlite_auto_(ox_sqlite **db) { ox_sqlite_close(*db); }
#define OX_AUTO_SQLITE __attribute__((cleanup(ox_sqlite_auto_))) ox_sqlite

/** What SQLite said. */
typedef struct ox_sqlite_error {
	int code;                       /* the extended result code, 2067 (not unique) for instance; 0: none */
	const char *message;            /* "" if there is none */
	size_t position;                /* in the statement, bytes from 1; 0: not said */
} ox_sqlite_error;

/** The last failure on this connection; never NULL. Borrowed until its next call. Since: 0.1 */
OX_API const ox_sqlite_error *ox_sqlite_last_error(const ox_sqlite *db);

/* ---- statements ---- */

/**
 * Runs a statement and collects its result.
 *
 * Without parameters sql may be several statements: the last one's result is given, the first failure ends
 * them.
 *
 * @sql: with ? or ?1, ?2... for the parameters. @params: n of them, as many as there are in sql; see
 * OX_VALUES() and <oxbow/value.h>.
 * @ret: owned: ox_sqlite_result_free() or OX_AUTO_SQLITE_RESULT; NULL if not wanted. Written on success only.
 * Returns: 0; OX_EDB, OX_EINVAL (the number of parameters), OX_ETOOBIG, OX_EBUSY, OX_ESTATE (a stream is
 * under way), OX_ECLOSED, OX_ECANCELED, OX_ENOMEM, OX_EFORKED. Yields: always. Cancel: see the top. Since:
 * 0.1
 */
OX_API OX_YIELDS int ox_sqlite_query(ox_sqlite *db, const char *sql, const ox_value *params, size_t n,
                                     ox_sqlite_result **ret);

/**
 * Starts a query whose rows ox_sqlite_next() gives. Until its end, or ox_sqlite_abandon(), the connection
 * does nothing else.
 *
 * @params: copied. Returns: as ox_sqlite_query() of one statement. Since: 0.1
 */
OX_API OX_YIELDS int ox_sqlite_stream(ox_sqlite *db, const char *sql, const ox_value *params, size_t n);

/**
 * Gives the next rows of a stream, up to 256 of them or 256 KiB.
 *
 * @ret: owned, with at least one row; NULL if not wanted.
 * Returns: 1: rows; 0: the end. OX_ESTATE: no stream is under way; as ox_sqlite_query(): the stream has
 * ended. Since: 0.1
 */
OX_API OX_YIELDS int ox_sqlite_next(ox_sqlite *db, ox_sqlite_result **ret);

/**
 * Ends a stream before its end. Returns: 0, also if there is none; OX_EBUSY. Cancel: does not reach in.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_sqlite_abandon(ox_sqlite *db);

/* ---- results: what is borrowed from one lives until it is freed ---- */

/** The number of rows. Since: 0.1 */
OX_API size_t ox_sqlite_rows(const ox_sqlite_result *res);
/** The number of columns. Since: 0.1 */
OX_API size_t ox_sqlite_columns(const ox_sqlite_result *res);
/** The name of a column; NULL: no such column. Borrowed. Since: 0.1 */
OX_API const char *ox_sqlite_column_name(const ox_sqlite_result *res, size_t column);
/** What kind a value is, as SQLite stores it; OX_VALUE_NULL also where there is none. Since: 0.1 */
OX_API ox_value_kind ox_sqlite_kind(const ox_sqlite_result *res, size_t row, size_t column);
/**
 * A value: bytes as they are, anything else as text; a NUL that is not counted follows. Of null, and where
 * there is no such value, data is NULL. Borrowed. Since: 0.1
 */
OX_API ox_bytes ox_sqlite_value(const ox_sqlite_result *res, size_t row, size_t column);
/** A value as a whole number, as SQLite casts it; 0: null. Since: 0.1 */
OX_API int64_t ox_sqlite_int(const ox_sqlite_result *res, size_t row, size_t column);
/** A value as a floating-point number, as SQLite casts it; 0: null. Since: 0.1 */
OX_API double ox_sqlite_real(const ox_sqlite_result *res, size_t row, size_t column);
/** How many rows the statement inserted, changed or deleted. Since: 0.1 */
OX_API uint64_t ox_sqlite_affected(const ox_sqlite_result *res);
/** The rowid of the last row that was inserted on the connection; 0: none yet. Since: 0.1 */
OX_API int64_t ox_sqlite_last_id(const ox_sqlite_result *res);
/** Frees a result. Takes NULL. Since: 0.1 */
OX_API void ox_sqlite_result_free(ox_sqlite_result *res);
static inline void ox_sqlite_result_auto_(ox_sqlite_result **res) { ox_sqlite_result_free(*res); }
#define OX_AUTO_SQLITE_RESULT __attribute__((cleanup(ox_sqlite_result_auto_))) ox_sqlite_result

/* ---- transactions ---- */

/** Begins a transaction, or inside one a savepoint. Returns: as ox_sqlite_query(). Since: 0.1 */
OX_API OX_YIELDS int ox_sqlite_begin(ox_sqlite *db);

/**
 * Commits what the last ox_sqlite_begin() began.
 *
 * Returns: 0; OX_ESTATE: nothing is begun (any more); as ox_sqlite_query(): it is then still open, unless
 * SQLite has rolled it back. Since: 0.1
 */
OX_API OX_YIELDS int ox_sqlite_commit(ox_sqlite *db);

/**
 * Rolls back what the last ox_sqlite_begin() began; nothing if that is over. Cancel: does not reach in.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_sqlite_rollback(ox_sqlite *db);

typedef struct ox_sqlite_transaction_options {
	size_t size;
	const char *mode;               /* of the outermost: "deferred" (NULL), "immediate" or "exclusive" */
	unsigned retries;               /* how often it is run again when others held the lock */
} ox_sqlite_transaction_options;
#define OX_SQLITE_TRANSACTION_OPTIONS(...) \
	(&(ox_sqlite_transaction_options){ .size = sizeof(ox_sqlite_transaction_options), __VA_ARGS__ })
OX_API void ox_sqlite_transaction_options_init(ox_sqlite_transaction_options *o);

/**
 * Runs fn in a transaction, or inside one in a savepoint: commits if it returns 0 or more, rolls back
 * otherwise, and when it was cancelled. With retries fn is run again, after a growing pause, when it or the
 * commit failed by SQLITE_BUSY; not inside another transaction.
 *
 * @fn: its result is returned. @o: NULL for the defaults. Returns: what fn returned; a failure of begin or
 * commit. Since: 0.1
 */
OX_API OX_YIELDS int ox_sqlite_transaction(ox_sqlite *db, int (*fn)(ox_sqlite *db, void *arg), void *arg,
                                           const ox_sqlite_transaction_options *o);

OX_END

#endif
