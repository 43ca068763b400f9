/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL client (liboxbow-pg): libpq underneath, never blocking the loop.
 *
 *	OX_AUTO_PG *db = NULL;
 *	OX_AUTO_PG_RESULT *res = NULL;
 *	int r = ox_pg_connect("dbname=shop", NULL, &db);
 *	if (r == 0)
 *		r = ox_pg_query(db, "select name from item where price < $1", OX_VALUES(ox_int(10)), &res);
 *	for (size_t i = 0; r == 0 && i < ox_pg_rows(res); i++)
 *		puts(ox_pg_value(res, i, 0).data);
 *
 * What holds for every call that takes a connection:
 * - One coroutine uses a connection at a time: another one's call fails with OX_EBUSY. (A transaction that
 *   two coroutines mix would be nobody's; for many coroutines there are pools.) Only ox_pg_notification() may
 *   wait while another coroutine queries.
 * - When the server reports an error, the result is OX_EDB, and ox_pg_last_error() has the story.
 * - A connection that breaks during a call makes it fail with -ECONNRESET; later calls fail with OX_ECLOSED.
 *   Whether the statement took effect is then not known. Close the connection and open another.
 * - Cancel: reaches the server. The call sends it a cancel request and waits, at most for cancel_limit, until
 *   the statement has ended; then the connection can be used again. (If it takes longer, the connection is
 *   closed.) A statement that ends well before the request has arrived is a success: nothing that was
 *   committed is reported as cancelled. Deadlines of scopes travel this way, not as statement_timeout, which
 *   would cost a round trip for each statement; set it on the server if it should hold for clients that
 *   vanish.
 * - In a failed transaction block the server refuses everything until it is rolled back.
 */
#ifndef OXBOW_PG_H
#define OXBOW_PG_H

#include <oxbow/value.h>

OX_BEGIN

typedef struct ox_pg ox_pg;
typedef struct ox_pg_result ox_pg_result;
typedef struct ox_pg_pool ox_pg_pool;

/* ---- connections ---- */

typedef struct ox_pg_options {
	size_t size;
	ox_time connect_timeout;        /* of the whole connecting, look-up of names and all hosts; 0: 30 s */
	ox_time cancel_limit;           /* how long a cancelled statement is waited for; 0: 5 s */
	char *error_text;               /* at least 256 bytes: why connecting failed, written on failure */
} ox_pg_options;
#define OX_PG_OPTIONS(...) (&(ox_pg_options){ .size = sizeof(ox_pg_options), __VA_ARGS__ })
OX_API void ox_pg_options_init(ox_pg_options *o);

/**
 * Connects to a server.
 *
 * Host names are looked up by this library, without blocking; TLS is libpq's and as sslmode says. Several
 * hosts are tried in order; one that does not answer at all for connect_timeout (of conninfo; 10 s if it does
 * not say) is passed over. The environment (PGHOST and so on), service and password files count as for any
 * program of libpq. The server's notices go to the log hook.
 *
 * @conninfo: libpq's "host=... dbname=..." or "postgresql://...", or the name of a
 * database; "" for the defaults. @o: NULL for the defaults. @ret: owned: ox_pg_close() or OX_AUTO_PG.
 * Returns: 0; OX_EINVAL (conninfo), OX_EDNS, -ECONNREFUSED, -ENOENT (no such Unix socket) and what else
 * connect() says, OX_EAUTH (password, role), OX_ETLS, OX_EDB (the server refused: too many connections, no
 * such database), -ECONNRESET, OX_ETIMEDOUT, OX_ECANCELED, OX_ENOMEM, OX_ESTATE, OX_EFORKED.
 * Yields: always. Cancel: closes. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_connect(const char *conninfo, const ox_pg_options *o, ox_pg **ret);

/**
 * Closes a connection; one that a pool gave goes back to it, its state cleaned. Takes NULL.
 *
 * A coroutine that is parked in a call on it wakes with OX_ECLOSED.
 * Yields: for a pool's, while an open transaction is rolled back and so on, shielded, at most cancel_limit.
 * Cancel: does not reach in. Since: 0.1
 */
OX_API OX_YIELDS void ox_pg_close(ox_pg *db);
static inline void ox_pg_auto_(ox_pg **db) { ox_pg_close(*db); }
#define OX_AUTO_PG __attribute__((cleanup(ox_pg_auto_))) ox_pg

/** What the server said. Members are "" where it said nothing. */
typedef struct ox_pg_error {
	const char *sqlstate;           /* five characters, "23505" for instance; "": libpq failed, not the server */
	const char *severity;           /* "ERROR", "FATAL" */
	const char *message, *detail, *hint, *context;
	const char *schema, *table, *column, *constraint;
	size_t position;                /* in the statement, characters from 1; 0: not said */
} ox_pg_error;

/** The last failure on this connection; never NULL. Borrowed until its next call. Since: 0.1 */
OX_API const ox_pg_error *ox_pg_last_error(const ox_pg *db);

/** The process id of the server's process for this connection, as in pg_stat_activity; 0: lost. Since: 0.1 */
OX_API int ox_pg_server_pid(const ox_pg *db);

/* ---- statements ---- */

/**
 * Runs a statement and collects its result.
 *
 * Without parameters sql may be several statements: the last one's result is given, the first failure ends
 * them, all of them in one transaction. COPY is refused: see ox_pg_copy_in().
 *
 * @sql: with $1, $2... for the parameters. @params: n of them, n at most 65535; see OX_VALUES() and
 * <oxbow/value.h>. @ret: owned: ox_pg_result_free() or OX_AUTO_PG_RESULT; NULL if not wanted. Written on
 * success only.
 * Returns: 0; OX_EDB, OX_EINVAL (a NUL in a text, too many parameters, COPY), OX_ETOOBIG (a value of 2 GiB),
 * OX_EBUSY, OX_ESTATE (a stream, COPY or pipeline is under way), -ECONNRESET, OX_ECLOSED, OX_ECANCELED,
 * OX_ENOMEM, OX_EFORKED.
 * Yields: always. Cancel: see the top. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_query(ox_pg *db, const char *sql, const ox_value *params, size_t n,
                                 ox_pg_result **ret);

/**
 * As ox_pg_query() of one statement, with the values of the result in the types' binary formats. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_query_binary(ox_pg *db, const char *sql, const ox_value *params, size_t n,
                                        ox_pg_result **ret);

/** Prepares a statement for ox_pg_execute(), on this connection. Otherwise as ox_pg_query(). Since: 0.1 */
OX_API OX_YIELDS int ox_pg_prepare(ox_pg *db, const char *name, const char *sql);

/** Runs a prepared statement. Otherwise as ox_pg_query(). Since: 0.1 */
OX_API OX_YIELDS int ox_pg_execute(ox_pg *db, const char *name, const ox_value *params, size_t n,
                                   ox_pg_result **ret);

/* ---- results: what is borrowed from one lives until it is freed ---- */

/** The number of rows. Since: 0.1 */
OX_API size_t ox_pg_rows(const ox_pg_result *res);
/** The number of columns, which may be 0. Since: 0.1 */
OX_API size_t ox_pg_columns(const ox_pg_result *res);
/** The name of a column; NULL: no such column. Borrowed. Since: 0.1 */
OX_API const char *ox_pg_column_name(const ox_pg_result *res, size_t column);
/** The OID of a column's type; 0: no such column. Since: 0.1 */
OX_API uint32_t ox_pg_column_type(const ox_pg_result *res, size_t column);
/**
 * A value: its text, or its binary format if that was asked for; a NUL that is not counted follows. Of null,
 * and where there is no such value, data is NULL. Borrowed. Since: 0.1
 */
OX_API ox_bytes ox_pg_value(const ox_pg_result *res, size_t row, size_t column);
/** A value's text read as a whole number; 0: null, or no number. Since: 0.1 */
OX_API int64_t ox_pg_int(const ox_pg_result *res, size_t row, size_t column);
/** A value's text read as a floating-point number; 0: null, or no number. Since: 0.1 */
OX_API double ox_pg_real(const ox_pg_result *res, size_t row, size_t column);
/** How many rows the statement inserted, changed, deleted, returned or copied. Since: 0.1 */
OX_API uint64_t ox_pg_affected(const ox_pg_result *res);
/** Frees a result. Takes NULL. Since: 0.1 */
OX_API void ox_pg_result_free(ox_pg_result *res);
static inline void ox_pg_result_auto_(ox_pg_result **res) { ox_pg_result_free(*res); }
#define OX_AUTO_PG_RESULT __attribute__((cleanup(ox_pg_result_auto_))) ox_pg_result

/* ---- large results, in constant memory ---- */

/**
 * Starts a query whose rows ox_pg_next() gives as they come. Until its end, or ox_pg_abandon(), the
 * connection does nothing else. Returns: as ox_pg_query(). Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_stream(ox_pg *db, const char *sql, const ox_value *params, size_t n);

/**
 * Gives the next rows of a stream, or the next result of a pipeline.
 *
 * @ret: owned, with at least one row of a stream; NULL if not wanted.
 * Returns: 1: a result. 0: the end of the stream, or a sync of the pipeline. OX_EDB: the stream has ended, or
 * this query of the pipeline failed; OX_EINCOMPLETE: it was skipped, for an earlier one had failed.
 * OX_ESTATE: nothing is under way; as ox_pg_query().
 * Yields: while nothing is there. Cancel: ends the stream or the pipeline on the server too. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_next(ox_pg *db, ox_pg_result **ret);

/**
 * Ends what is under way, whatever it is: the rest of a stream or of a COPY out is cancelled, a COPY in fails
 * on the server, results of a pipeline are dropped.
 *
 * Returns: 0, also if nothing is; -ECONNRESET, OX_ECLOSED. Yields: at most cancel_limit, shielded. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_abandon(ox_pg *db);

/* ---- pipelines: many queries on their way before the first result is back ---- */

/**
 * Begins a pipeline: from now on ox_pg_send() and ox_pg_send_execute() send queries, and ox_pg_next() gives
 * their results in order. A failure skips what follows it up to the next sync; what lies between two syncs is
 * one transaction, unless it says otherwise itself.
 *
 * Returns: 0; OX_EBUSY, OX_ESTATE, OX_ECLOSED. Since: 0.1
 */
OX_API int ox_pg_pipeline_begin(ox_pg *db);

/**
 * Sends a query into the pipeline.
 *
 * Results that come meanwhile wait in memory: take them now and then.
 * Returns: as ox_pg_query(). Yields: while the socket takes no more. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_send(ox_pg *db, const char *sql, const ox_value *params, size_t n);
/** The same for a prepared statement. Since: 0.1 */
OX_API OX_YIELDS int ox_pg_send_execute(ox_pg *db, const char *name, const ox_value *params, size_t n);

/** Sends a sync: ox_pg_next() answers 0 there. A failure goes no further. Since: 0.1 */
OX_API OX_YIELDS int ox_pg_pipeline_sync(ox_pg *db);

/**
 * Ends the pipeline: a last sync if one is missing, and the results that were not taken are dropped.
 *
 * Returns: 0; the first failure among the dropped ones; as ox_pg_query(). Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_pipeline_end(ox_pg *db);

/* ---- COPY ---- */

/**
 * Starts a COPY ... FROM STDIN; ox_pg_copy_write() and ox_pg_copy_end() follow. Returns: as ox_pg_query().
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_copy_in(ox_pg *db, const char *sql);

/**
 * Writes data, cut wherever it suits.
 *
 * Returns: 0; an error of the server shows at the end. Yields: while more than 64 KiB wait to be sent.
 * Cancel: the COPY has failed. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_copy_write(ox_pg *db, const void *data, size_t len);

/**
 * Ends a COPY in. @ret_rows: how many it brought; NULL if not wanted. Returns: as ox_pg_query(). Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_copy_end(ox_pg *db, uint64_t *ret_rows);

/** Starts a COPY ... TO STDOUT; ox_pg_copy_read() follows. Returns: as ox_pg_query(). Since: 0.1 */
OX_API OX_YIELDS int ox_pg_copy_out(ox_pg *db, const char *sql);

/**
 * Reads the next piece, in text and CSV formats a line.
 *
 * @ret: borrowed until the next call on the connection.
 * Returns: 1: a piece; 0: the end, all was well; OX_EDB; as ox_pg_query(). Cancel: ends the COPY. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_copy_read(ox_pg *db, ox_bytes *ret);

/* ---- notifications ---- */

/** Listens on a channel, whose name is taken literally. Returns: as ox_pg_query(). Since: 0.1 */
OX_API OX_YIELDS int ox_pg_listen(ox_pg *db, const char *channel);
/** Listens no more; NULL: on no channel. Returns: as ox_pg_query(). Since: 0.1 */
OX_API OX_YIELDS int ox_pg_unlisten(ox_pg *db, const char *channel);

typedef struct ox_pg_note {
	const char *channel, *payload;
	int pid;                        /* of the server's process that notified */
} ox_pg_note;

/**
 * Waits for the next notification. Those that come while queries run are kept in order.
 *
 * @ret: borrowed until the next ox_pg_notification().
 * Returns: 0; OX_EBUSY if another coroutine waits, -ECONNRESET, OX_ECLOSED, OX_ECANCELED. Cancel: nothing is
 * lost. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_notification(ox_pg *db, ox_pg_note *ret);

/* ---- transactions ---- */

/** Begins a transaction, or inside one a savepoint. Returns: as ox_pg_query(). Since: 0.1 */
OX_API OX_YIELDS int ox_pg_begin(ox_pg *db);

/**
 * Commits what the last ox_pg_begin() began; the outermost one makes it durable.
 *
 * Returns: 0; OX_ESTATE: a statement had failed, so that it was rolled back, or nothing was begun; as
 * ox_pg_query(): it is then still open if OX_ECANCELED, rolled back if OX_EDB. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_commit(ox_pg *db);

/**
 * Rolls back what the last ox_pg_begin() began; nothing if that is over. Shielded, at most cancel_limit.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_rollback(ox_pg *db);

typedef struct ox_pg_transaction_options {
	size_t size;
	const char *mode;               /* of the outermost: "isolation level serializable", say */
	unsigned retries;               /* how often it is run again after a serialization failure or deadlock */
} ox_pg_transaction_options;
#define OX_PG_TRANSACTION_OPTIONS(...) \
	(&(ox_pg_transaction_options){ .size = sizeof(ox_pg_transaction_options), __VA_ARGS__ })
OX_API void ox_pg_transaction_options_init(ox_pg_transaction_options *o);

/**
 * Runs fn in a transaction, or inside one in a savepoint: commits if it returns 0 or more, rolls back
 * otherwise, and when it was cancelled.
 *
 * With retries fn is run again, from a new beginning and after a growing pause, when it or the commit failed
 * by SQLSTATE 40001 or 40P01. Inside another transaction that would be of no use, and is not done.
 *
 * @fn: its result is returned. @o: NULL for the defaults.
 * Returns: what fn returned; a failure of begin or commit. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_transaction(ox_pg *db, int (*fn)(ox_pg *db, void *arg), void *arg,
                                       const ox_pg_transaction_options *o);

/* ---- pools ---- */

typedef struct ox_pg_pool_options {
	size_t size;
	unsigned min;                   /* opened with the pool, and kept when idle */
	unsigned max;                   /* 0: 10 */
	ox_time max_idle;               /* idle ones above min are closed after it; 0: 10 min; OX_NEVER: kept */
	ox_time max_age;                /* older ones are not used again; 0: 1 h; OX_NEVER: no limit */
	ox_time check_after;            /* one idle for longer is asked for a sign of life; 0: 30 s; OX_NEVER */
	bool discard_all;               /* what comes back forgets all its state, prepared statements too */
	int (*init)(ox_pg *db, void *arg);      /* sets a new connection up; negative: it failed */
	void *init_arg;
	const ox_pg_options *connect;   /* for each connection, without error_text; NULL: the defaults. Copied */
	char *error_text;               /* as in ox_pg_options, for ox_pg_pool_open() */
} ox_pg_pool_options;
#define OX_PG_POOL_OPTIONS(...) (&(ox_pg_pool_options){ .size = sizeof(ox_pg_pool_options), __VA_ARGS__ })
OX_API void ox_pg_pool_options_init(ox_pg_pool_options *o);

/**
 * Opens a pool of connections, for the coroutines of this loop.
 *
 * A connection that broke is replaced when one is wanted; an idle one that the server closes is noticed at
 * once.
 *
 * @conninfo: copied. @o: NULL for the defaults. @ret: owned: ox_pg_pool_close() or OX_AUTO_PG_POOL.
 * Returns: 0; OX_EINVAL (max below min); as ox_pg_connect() if one of min failed. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_pool_open(const char *conninfo, const ox_pg_pool_options *o, ox_pg_pool **ret);

/**
 * Takes a connection: an idle one, a new one, or the next that comes back. ox_pg_close() gives it back: an
 * open transaction is then rolled back, what is under way abandoned, LISTEN ended.
 *
 * Returns: 0; OX_ECLOSED, OX_ECANCELED; as ox_pg_connect(). Yields: until there is one; who waits is served
 * in order. Cancel: takes nothing. Since: 0.1
 */
OX_API OX_YIELDS int ox_pg_pool_get(ox_pg_pool *p, ox_pg **ret);

/**
 * Closes the pool: idle connections now, those that are out when they come back; who waits for one fails with
 * OX_ECLOSED. Takes NULL. Since: 0.1
 */
OX_API void ox_pg_pool_close(ox_pg_pool *p);
static inline void ox_pg_pool_auto_(ox_pg_pool **p) { ox_pg_pool_close(*p); }
#define OX_AUTO_PG_POOL __attribute__((cleanup(ox_pg_pool_auto_))) ox_pg_pool

typedef struct ox_pg_pool_stats {
	size_t size;
	size_t open, idle, waiting;     /* connections, those not in use, and coroutines that wait for one */
	uint64_t connects;              /* made since the pool was opened */
} ox_pg_pool_stats;
/** How the pool is doing; set ret->size first. Returns: 0; OX_EINVAL. Since: 0.1 */
OX_API int ox_pg_pool_get_stats(const ox_pg_pool *p, ox_pg_pool_stats *ret);

OX_END

#endif
