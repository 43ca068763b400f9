/* SPDX-License-Identifier: MIT */
/* PostgreSQL where more than one answer is on its way: streams, pipelines, COPY, notifications. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/db/server.h"

/* ---- streams ---- */

static long max_rss_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* 200,000 rows of 1 KiB are 200 MiB; they pass through a few. */
DB_TEST(a_large_result_streams_in_constant_memory)
{
	long rows = 0, sum = 0, before = max_rss_kib();
	ox_pg_result *res;
	int r;

	EXPECT_EQ(ox_pg_stream(db, "select i, repeat('x', 1000) from generate_series(1, $1) i",
	                       OX_VALUES(ox_int(200000))),
	          0);
	while ((r = ox_pg_next(db, &res)) == 1) {
		for (size_t i = 0; i < ox_pg_rows(res); i++, rows++)
			sum += ox_pg_int(res, i, 0);
		ox_pg_result_free(res);
	}
	EXPECT_EQ(r, 0);
	EXPECT_EQ(rows, 200000);
	EXPECT_EQ(sum, 200000L * 200001 / 2);
	EXPECT(under_sanitizer || under_valgrind() || max_rss_kib() - before < 20000);
	EXPECT_EQ(ox_pg_next(db, &res), OX_ESTATE);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

DB_TEST(a_stream_that_fails_in_the_middle_says_so_after_its_rows)
{
	int r, rows = 0;

	EXPECT_EQ(ox_pg_stream(db, "select 1 / (5 - i) from generate_series(1, 9) i", NULL, 0), 0);
	EXPECT_EQ(ox_pg_query(db, "select 1", NULL, 0, NULL), OX_ESTATE);
	while ((r = ox_pg_next(db, NULL)) == 1)
		rows++;
	EXPECT_EQ(r, OX_EDB);
	EXPECT_EQ(rows, 4);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "22012");
	EXPECT_EQ(one_int(db, "select 1"), 1);
	EXPECT_EQ(ox_pg_stream(db, "create temp table t ()", NULL, 0), 0);
	EXPECT_EQ(ox_pg_next(db, NULL), 0);
	EXPECT_EQ(ox_pg_stream(db, "nonsense", NULL, 0), 0);
	EXPECT_EQ(ox_pg_next(db, NULL), OX_EDB);
	EXPECT_EQ(ox_pg_stream(db, "copy (select 1) to stdout", NULL, 0), 0);
	EXPECT_EQ(ox_pg_next(db, NULL), OX_EINVAL);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

DB_TEST(a_stream_is_left_early_by_abandon_and_by_a_deadline)
{
	ox_scope s;
	int r;

	EXPECT_EQ(ox_pg_stream(db, "select generate_series(1, 100000000)", NULL, 0), 0);
	EXPECT_EQ(ox_pg_next(db, NULL), 1);
	ox_scope_enter(&s, 0);                          /* cleaning up in a cancelled scope */
	EXPECT_EQ(ox_pg_next(db, NULL), OX_ECANCELED);
	EXPECT_EQ(ox_pg_abandon(db), 0);
	ox_scope_leave(&s, 0);
	EXPECT_EQ(one_int(db, "select 2"), 2);
	EXPECT_EQ(ox_pg_stream(db, "select pg_sleep(30)", NULL, 0), 0);
	ox_scope_enter(&s, OX_MS(50));
	r = ox_pg_next(db, NULL);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_EQ(one_int(db, "select 3"), 3);
	EXPECT_EQ(ox_pg_abandon(db), 0);                /* of nothing */
}

/* ---- pipelines ---- */

DB_TEST(a_pipeline_gives_results_in_order)
{
	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_pipeline_begin(db), OX_ESTATE);
	EXPECT_EQ(ox_pg_query(db, "select 1", NULL, 0, NULL), OX_ESTATE);
	EXPECT_EQ(ox_pg_next(db, NULL), OX_ESTATE);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ox_pg_send(db, "select $1::int", OX_VALUES(ox_int(i))), 0);
	for (int i = 0; i < 100; i++) {
		OX_AUTO_PG_RESULT *res = NULL;

		EXPECT_EQ(ox_pg_next(db, &res), 1);     /* without a sync: the server is asked to send */
		EXPECT_EQ(ox_pg_int(res, 0, 0), i);
	}
	EXPECT_EQ(ox_pg_next(db, NULL), OX_ESTATE);
	EXPECT_EQ(ox_pg_pipeline_end(db), 0);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

DB_TEST(a_failure_in_a_pipeline_skips_up_to_the_sync)
{
	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int)", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_prepare(db, "put", "insert into t values ($1)"), 0);
	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_send_execute(db, "put", OX_VALUES(ox_int(1))), 0);
	EXPECT_EQ(ox_pg_send(db, "select 1/0", NULL, 0), 0);
	EXPECT_EQ(ox_pg_send_execute(db, "put", OX_VALUES(ox_int(2))), 0);
	EXPECT_EQ(ox_pg_pipeline_sync(db), 0);
	EXPECT_EQ(ox_pg_send_execute(db, "put", OX_VALUES(ox_int(3))), 0);
	EXPECT_EQ(ox_pg_pipeline_sync(db), 0);
	EXPECT_EQ(ox_pg_next(db, NULL), 1);
	EXPECT_EQ(ox_pg_next(db, NULL), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "22012");
	EXPECT_EQ(ox_pg_next(db, NULL), OX_EINCOMPLETE);
	EXPECT_EQ(ox_pg_next(db, NULL), 0);
	EXPECT_EQ(ox_pg_next(db, NULL), 1);
	EXPECT_EQ(ox_pg_next(db, NULL), 0);
	EXPECT_EQ(ox_pg_pipeline_end(db), 0);
	EXPECT_EQ(one_int(db, "select sum(a) from t"), 3);      /* 1 was rolled back with its part */
}

DB_TEST(ending_a_pipeline_tells_the_first_failure_among_the_rest)
{
	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_send(db, "select 1", NULL, 0), 0);
	EXPECT_EQ(ox_pg_send(db, "select nothing", NULL, 0), 0);
	EXPECT_EQ(ox_pg_send(db, "select 1", NULL, 0), 0);
	EXPECT_EQ(ox_pg_pipeline_end(db), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "42703");
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

/* Far more than the sockets hold, both ways, before the first result is taken. */
DB_TEST(a_pipeline_of_more_than_the_sockets_hold_does_not_lock_up)
{
	char *text = malloc(20001);
	size_t bytes = 0;

	memset(text, 'y', 20000);
	text[20000] = '\0';
	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(ox_pg_send(db, "select $1::text", OX_VALUES(ox_text(text))), 0);
	for (int i = 0; i < 1000; i++) {
		OX_AUTO_PG_RESULT *res = NULL;

		EXPECT_EQ(ox_pg_next(db, &res), 1);
		bytes += ox_pg_value(res, 0, 0).len;
	}
	EXPECT_EQ(bytes, 20000u * 1000u);
	EXPECT_EQ(ox_pg_pipeline_end(db), 0);
	free(text);
}

DB_TEST(a_cancelled_pipeline_ends_on_the_server_and_leaves_a_usable_connection)
{
	ox_scope s;
	int r;

	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_send(db, "select pg_sleep(30)", NULL, 0), 0);
	EXPECT_EQ(ox_pg_send(db, "select 1", NULL, 0), 0);
	ox_scope_enter(&s, OX_MS(50));
	r = ox_pg_next(db, NULL);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_send(db, "select pg_sleep(30)", NULL, 0), 0);
	EXPECT_EQ(ox_pg_abandon(db), 0);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

DB_TEST(copy_in_a_pipeline_costs_the_connection_and_does_not_hang)
{
	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_send(db, "copy (select 1) to stdout", NULL, 0), 0);
	EXPECT_EQ(ox_pg_next(db, NULL), -ECONNRESET);
	EXPECT(strstr(ox_pg_last_error(db)->message, "COPY"));
	EXPECT_EQ(ox_pg_send(db, "select 1", NULL, 0), OX_ECLOSED);
}

DB_TEST(a_server_killed_under_a_pipeline_is_a_reset)
{
	ox_pg *other = NULL;

	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_send(db, "select pg_terminate_backend(pg_backend_pid())", NULL, 0), 0);
	EXPECT_EQ(ox_pg_send(db, "select 1", NULL, 0), 0);
	EXPECT_EQ(ox_pg_pipeline_end(db), -ECONNRESET);
	EXPECT_EQ(ox_pg_pipeline_end(db), OX_ECLOSED);
	other = open_db();
	EXPECT_EQ(one_int(other, "select 1"), 1);
	ox_pg_close(other);
}

/* ---- COPY ---- */

DB_TEST(copy_in_and_out_carry_a_million_bytes_and_more)
{
	uint64_t rows = 0;
	ox_bytes piece;
	size_t bytes = 0, pieces = 0;
	char line[64];
	int r;

	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int, b text)", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_copy_in(db, "copy t from stdin"), 0);
	EXPECT_EQ(ox_pg_query(db, "select 1", NULL, 0, NULL), OX_ESTATE);
	for (int i = 0; i < 100000; i++) {
		int n = snprintf(line, sizeof(line), "%d\tline number %d\n", i, i);

		EXPECT_EQ(ox_pg_copy_write(db, line, 1), 0);    /* cut anywhere */
		EXPECT_EQ(ox_pg_copy_write(db, line + 1, (size_t)n - 1), 0);
	}
	EXPECT_EQ(ox_pg_copy_end(db, &rows), 0);
	EXPECT_EQ(rows, 100000);
	EXPECT_EQ(one_int(db, "select sum(a) from t"), 100000LL * 99999 / 2);
	EXPECT_EQ(ox_pg_copy_out(db, "copy t to stdout"), 0);
	while ((r = ox_pg_copy_read(db, &piece)) == 1) {
		bytes += piece.len;
		pieces++;
	}
	EXPECT_EQ(r, 0);
	EXPECT_EQ(pieces, 100000);
	EXPECT_EQ(bytes, one_int(db, "select sum(length(a::text) + length(b) + 2) from t"));
}

DB_TEST(a_bad_line_shows_at_the_end_of_the_copy)
{
	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int)", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_copy_in(db, "copy t from stdin"), 0);
	EXPECT_EQ(ox_pg_copy_write(db, "1\ntwo\n", 6), 0);
	EXPECT_EQ(ox_pg_copy_end(db, NULL), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "22P02");
	EXPECT_EQ(one_int(db, "select count(*) from t"), 0);
	EXPECT_EQ(ox_pg_copy_in(db, "copy nothing from stdin"), OX_EDB);
	EXPECT_EQ(ox_pg_copy_in(db, "select 1"), OX_EINVAL);
	EXPECT_EQ(ox_pg_copy_in(db, "copy t to stdout"), OX_EINVAL);
	EXPECT_EQ(ox_pg_copy_out(db, "copy t from stdin"), OX_EINVAL);
	EXPECT_EQ(ox_pg_copy_write(db, "1", 1), OX_ESTATE);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

DB_TEST(an_abandoned_copy_leaves_nothing_and_a_usable_connection)
{
	ox_bytes piece;
	ox_scope s;
	int r;

	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int)", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_copy_in(db, "copy t from stdin"), 0);
	EXPECT_EQ(ox_pg_copy_write(db, "1\n2\n", 4), 0);
	EXPECT_EQ(ox_pg_abandon(db), 0);
	EXPECT_EQ(one_int(db, "select count(*) from t"), 0);
	EXPECT_EQ(ox_pg_copy_out(db, "copy (select generate_series(1, 100000000)) to stdout"), 0);
	EXPECT_EQ(ox_pg_copy_read(db, &piece), 1);
	EXPECT_EQ(ox_pg_abandon(db), 0);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	ox_scope_enter(&s, OX_MS(50));                  /* the server says nothing before its first row */
	EXPECT_EQ(ox_scope_leave(&s, ox_pg_copy_out(db, "copy (select pg_sleep(30)) to stdout")), OX_ETIMEDOUT);
	EXPECT_EQ(ox_pg_copy_out(db, "copy (select repeat('x', 10000), pg_sleep(i) from (values (0), (0), "
	                             "(30)) v(i)) to stdout"),
	          0);
	ox_scope_enter(&s, OX_MS(50));
	while ((r = ox_pg_copy_read(db, &piece)) == 1)
		;
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_EQ(one_int(db, "select 2"), 2);
}

struct writer {
	ox_pg *db;
	size_t written;
};

static int write_for_ever(void *arg)
{
	static char lines[65536];
	struct writer *w = arg;
	int r = 0;

	memset(lines, '\n', sizeof(lines));
	while (r == 0) {
		r = ox_pg_copy_write(w->db, lines, sizeof(lines));
		w->written += r == 0 ? sizeof(lines) : 0;
	}
	return r;
}

DB_TEST(copy_in_waits_for_a_slow_server_and_can_be_cancelled_there)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct writer w = { .db = db };
	int pid = ox_pg_server_pid(db);
	ox_future *f;

	EXPECT_EQ(ox_pg_query(db, "create temp table t (a text)", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_copy_in(db, "copy t from stdin"), 0);
	kill(pid, SIGSTOP);
	f = ox_spawn(g, write_for_ever, &w);
	EXPECT_EQ(ox_wait_all_parked(), 0);             /* the sockets are full: it is parked, its memory bounded */
	EXPECT(w.written < OX_MIB(16));
	kill(pid, SIGCONT);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(one_int(db, "select count(*) from t"), 0);
	ox_group_close(g);
}

/* ---- notifications ---- */

struct hearing {
	ox_pg *db;
	int count;
	char last[64];
};

static int hear_three(void *arg)
{
	struct hearing *h = arg;

	while (h->count < 3) {
		ox_pg_note n;
		int r = ox_pg_notification(h->db, &n);

		if (r < 0)
			return r;
		EXPECT_STR(n.channel, "Odd \"name\"");
		EXPECT(n.pid > 0);
		snprintf(h->last, sizeof(h->last), "%s", n.payload);
		h->count++;
	}
	return 0;
}

DB_TEST(a_listener_hears_psql_while_others_query_on_the_connection)
{
	ox_group *g = ox_group_open();
	struct hearing h = { .db = db };
	ox_future *f;
	ox_pg_note n;

	EXPECT_EQ(ox_pg_listen(db, "Odd \"name\""), 0);
	f = ox_spawn(g, hear_three, &h);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_pg_notification(db, &n), OX_EBUSY);
	psql("notify \"Odd \"\"name\"\"\", 'one'");
	for (int i = 0; i < 500 && h.count < 1; i++)    /* nobody queries: the socket wakes it */
		ox_sleep(OX_MS(10));
	EXPECT_EQ(h.count, 1);
	EXPECT_STR(h.last, "one");
	psql("notify \"Odd \"\"name\"\"\", 'two'");
	EXPECT_EQ(one_int(db, "select 1 from pg_sleep(0.05)"), 1);      /* a query reads it */
	EXPECT_EQ(ox_pg_query(db, "notify \"Odd \"\"name\"\"\", 'three'", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_STR(h.last, "three");
	ox_group_close(g);
}

DB_TEST(notifications_wait_in_order_and_a_cancelled_listener_loses_none)
{
	ox_pg_note n;
	ox_scope s;

	EXPECT_EQ(ox_pg_listen(db, "c"), 0);
	ox_scope_enter(&s, OX_MS(10));
	EXPECT_EQ(ox_scope_leave(&s, ox_pg_notification(db, &n)), OX_ETIMEDOUT);
	EXPECT_EQ(ox_pg_query(db, "notify c, '1'; notify c, '2'", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_query(db, "select 1", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_notification(db, &n), 0);
	EXPECT_STR(n.payload, "1");
	EXPECT_EQ(ox_pg_notification(db, &n), 0);
	EXPECT_STR(n.payload, "2");
	EXPECT_EQ(ox_pg_unlisten(db, "c"), 0);
	EXPECT_EQ(ox_pg_unlisten(db, NULL), 0);
	EXPECT_EQ(ox_pg_query(db, "notify c, '3'", NULL, 0, NULL), 0);
	ox_scope_enter(&s, OX_MS(10));
	EXPECT_EQ(ox_scope_leave(&s, ox_pg_notification(db, &n)), OX_ETIMEDOUT);
	EXPECT_EQ(ox_pg_listen(db, NULL), OX_EINVAL);
}

static int hear(void *arg)
{
	ox_pg_note n;

	return ox_pg_notification(arg, &n);
}

DB_TEST(a_listener_learns_that_the_connection_is_gone)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_pg *other = open_db();
	ox_future *f;
	char sql[64];

	EXPECT_EQ(ox_pg_listen(db, "c"), 0);
	f = ox_spawn(g, hear, db);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	snprintf(sql, sizeof(sql), "select pg_terminate_backend(%d)", ox_pg_server_pid(db));
	psql(sql);
	EXPECT_EQ(ox_await(f), -ECONNRESET);
	EXPECT_EQ(hear(db), OX_ECLOSED);
	f = ox_spawn(g, hear, other);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_pg_close(other);                     /* closed under it */
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	ox_group_close(g);
}

/* ---- memory ---- */

static int scenario(void *arg)
{
	OX_AUTO_PG *db = NULL;
	OX_AUTO_PG_RESULT *a = NULL, *b = NULL;
	ox_bytes piece;
	int r = ox_pg_connect(arg, NULL, &db);

	if (r == 0)
		r = ox_pg_stream(db, "select $1::int", OX_VALUES(ox_int(1)));
	if (r == 0)
		r = ox_pg_next(db, &a);
	if (r == 1)
		r = ox_pg_next(db, NULL);
	if (r == 0)
		r = ox_pg_pipeline_begin(db);
	if (r == 0)
		r = ox_pg_send(db, "select $1::text", OX_VALUES(ox_text("x")));
	if (r == 0)
		r = ox_pg_next(db, &b);
	if (r == 1)
		r = ox_pg_pipeline_end(db);
	if (r == 0)
		r = ox_pg_copy_out(db, "copy (select 1) to stdout");
	while (r == 0 && (r = ox_pg_copy_read(db, &piece)) == 1)
		r = 0;
	return r;
}

/* ---- cancelled anywhere ---- */

static int use_query(ox_pg *db)
{
	OX_AUTO_PG_RESULT *res = NULL;
	int r = ox_pg_query_binary(db, "select repeat('x', 200000), $1", OX_VALUES(ox_text("y")), &res);

	return r < 0 ? r : ox_pg_query(db, "select 1; select 2", NULL, 0, NULL);
}

static int use_prepared(ox_pg *db)
{
	int r = ox_pg_prepare(db, "", "select $1::int8");

	return r < 0 ? r : ox_pg_execute(db, "", OX_VALUES(ox_int(1)), NULL);
}

static int use_stream(ox_pg *db)
{
	int r = ox_pg_stream(db, "select generate_series(1, 300)", NULL, 0);

	while (r >= 0 && (r = ox_pg_next(db, NULL)) == 1)
		;
	return r;
}

static int use_pipeline(ox_pg *db)
{
	int r = ox_pg_pipeline_begin(db);

	for (int i = 0; i < 5 && r >= 0; i++)
		r = ox_pg_send(db, "select repeat('x', 50000)", NULL, 0);
	if (r >= 0)
		r = ox_pg_pipeline_sync(db);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = ox_pg_next(db, NULL);
	return r < 0 ? r : ox_pg_pipeline_end(db);
}

static int use_copy_in(ox_pg *db)
{
	static char lines[200000];
	int r = ox_pg_query(db, "create temp table if not exists t (a text)", NULL, 0, NULL);

	memset(lines, '\n', sizeof(lines));
	if (r == 0)
		r = ox_pg_copy_in(db, "copy t from stdin");
	if (r == 0)
		r = ox_pg_copy_write(db, lines, sizeof(lines));
	return r < 0 ? r : ox_pg_copy_end(db, NULL);
}

static int use_copy_out(ox_pg *db)
{
	ox_bytes piece;
	int r = ox_pg_copy_out(db, "copy (select generate_series(1, 300)) to stdout");

	while (r >= 0 && (r = ox_pg_copy_read(db, &piece)) == 1)
		;
	return r;
}

static int begin_and_query(ox_pg *db, void *arg)
{
	int r = ox_pg_begin(db);

	(void)arg;
	if (r == 0)
		r = ox_pg_query(db, "select 1", NULL, 0, NULL);
	return r < 0 ? r : ox_pg_commit(db);
}

static int use_transaction(ox_pg *db)
{
	return ox_pg_transaction(db, begin_and_query, NULL, NULL);
}

static int use_notifications(ox_pg *db)
{
	ox_pg_note note;
	int r = ox_pg_listen(db, "here");

	if (r == 0)
		r = ox_pg_query(db, "notify here", NULL, 0, NULL);
	if (r == 0)
		r = ox_pg_notification(db, &note);
	return r < 0 ? r : ox_pg_unlisten(db, NULL);
}

static int (*const uses[])(ox_pg *) = {
	use_query, use_prepared, use_stream, use_pipeline, use_copy_in, use_copy_out, use_transaction, use_notifications,
};

/* The deadline comes a little later each time, until all is done in time; the connection is fit each time. */
DB_TEST(whatever_is_under_way_may_be_cancelled_at_any_moment)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		int pid = ox_pg_server_pid(db), r = OX_ETIMEDOUT;

		for (ox_time after = 0; r != 0 && after < OX_SEC(10); after += OX_US(50) + after / (under_valgrind() ? 2 : 16)) {
			ox_scope s;

			ox_scope_enter(&s, after);
			r = ox_scope_leave(&s, uses[i](db));
			EXPECT(r == 0 || r == OX_ETIMEDOUT);
			EXPECT_EQ(ox_pg_rollback(db), 0);
			EXPECT_EQ(one_int(db, "select 42"), 42);
		}
		EXPECT_EQ(r, 0);
		EXPECT_EQ(ox_pg_server_pid(db), pid);
	}
}

/*
 * A trigger holds the server between its word that a COPY has begun and the first message that it reads then, so that
 * a cancel comes first: an answer too many would be taken for that of the next statement.
 */
DB_TEST(a_cancel_that_meets_the_start_of_a_copy_leaves_nothing_for_the_next_statement)
{
	int pid = ox_pg_server_pid(db);

	EXPECT_EQ(ox_pg_query(db, "create temp table t (a text);"
	                          "create function pg_temp.slow() returns trigger language plpgsql as "
	                          "'begin perform pg_sleep(0.5); return null; end';"
	                          "create trigger slow before insert on t execute function pg_temp.slow()", NULL, 0, NULL), 0);
	for (ox_time after = OX_US(10); after < OX_MS(20); after *= 2) {
		ox_scope s;

		ox_scope_enter(&s, after);
		int r = ox_scope_leave(&s, ox_pg_copy_in(db, "copy t from stdin"));
		EXPECT(r == 0 || r == OX_ETIMEDOUT);
		EXPECT_EQ(ox_pg_rollback(db), 0);
		EXPECT_EQ(one_int(db, "select 42"), 42);
	}
	EXPECT_EQ(ox_pg_server_pid(db), pid);
}

/* The same where libpq sends a Sync of its own behind the end of the COPY. */
DB_TEST(a_copy_that_was_refused_and_then_cancelled_costs_the_connection)
{
	ox_scope s;

	EXPECT_EQ(ox_pg_query(db, "create temp table t (a text);"
	                          "create function pg_temp.slow() returns trigger language plpgsql as "
	                          "'begin perform pg_sleep(60); return null; end';"
	                          "create trigger slow before insert on t execute function pg_temp.slow()", NULL, 0, NULL), 0);
	ox_scope_enter(&s, OX_MS(100));
	EXPECT_EQ(ox_scope_leave(&s, ox_pg_query_binary(db, "copy t from stdin", NULL, 0, NULL)), -ECONNRESET);
	EXPECT_EQ(ox_pg_query(db, "select 42", NULL, 0, NULL), OX_ECLOSED);
}

/* Each use with its first allocation failing, then the second. The connection is fit then, or gone. */
static ox_pg *fit_or_new(ox_pg *db)
{
	if (ox_pg_rollback(db) == 0 && ox_pg_query(db, "select 42", NULL, 0, NULL) == 0)
		return db;
	ox_pg_close(db);
	return open_db();
}

static int use_sleep(ox_pg *db)
{
	ox_scope s;
	int r;

	ox_scope_enter(&s, OX_MS(2));
	r = ox_scope_leave(&s, ox_pg_query(db, "select pg_sleep(60)", NULL, 0, NULL));
	return r == OX_ETIMEDOUT ? 0 : r;
}

static int use_execute_in_a_pipeline(ox_pg *db)
{
	int r = ox_pg_prepare(db, "", "select $1::int8");

	if (r == 0)
		r = ox_pg_pipeline_begin(db);
	if (r == 0)
		r = ox_pg_send_execute(db, "", OX_VALUES(ox_int(1)));
	return r < 0 ? r : ox_pg_pipeline_end(db);
}

static void use_without_memory(int (*use)(ox_pg *))
{
	ox_pg *db = open_db();

	for (size_t n = 1, made = n; made >= n; n++) {
		int r;

		ox_test_fail_allocation(n);
		r = use(db);
		made = ox_test_fail_allocation(0);
		EXPECT(r == 0 || (r == OX_ENOMEM && made >= n));
		db = fit_or_new(db);
	}
	ox_pg_close(db);
}

static int uses_without_memory(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		use_without_memory(uses[i]);
	use_without_memory(use_sleep);
	use_without_memory(use_execute_in_a_pipeline);
	return 0;
}

START_TEST(each_allocation_of_each_call_fails_once)
{
	run_real(uses_without_memory, NULL);
}
END_TEST

START_TEST(every_failing_allocation_is_an_error_and_no_leak)
{
	fails_cleanly_real(scenario, (void *)(uintptr_t)server_conninfo());
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("pg_flow");
	TCase *c = new_case(s, "streams", 30);

	tcase_add_test(c, a_large_result_streams_in_constant_memory);
	tcase_add_test(c, a_stream_that_fails_in_the_middle_says_so_after_its_rows);
	tcase_add_test(c, a_stream_is_left_early_by_abandon_and_by_a_deadline);
	c = new_case(s, "pipelines", 30);
	tcase_add_test(c, a_pipeline_gives_results_in_order);
	tcase_add_test(c, a_failure_in_a_pipeline_skips_up_to_the_sync);
	tcase_add_test(c, ending_a_pipeline_tells_the_first_failure_among_the_rest);
	tcase_add_test(c, a_pipeline_of_more_than_the_sockets_hold_does_not_lock_up);
	tcase_add_test(c, a_cancelled_pipeline_ends_on_the_server_and_leaves_a_usable_connection);
	tcase_add_test(c, copy_in_a_pipeline_costs_the_connection_and_does_not_hang);
	tcase_add_test(c, a_server_killed_under_a_pipeline_is_a_reset);
	c = new_case(s, "copy", 30);
	tcase_add_test(c, copy_in_and_out_carry_a_million_bytes_and_more);
	tcase_add_test(c, a_bad_line_shows_at_the_end_of_the_copy);
	tcase_add_test(c, an_abandoned_copy_leaves_nothing_and_a_usable_connection);
	tcase_add_test(c, copy_in_waits_for_a_slow_server_and_can_be_cancelled_there);
	c = new_case(s, "notifications", 30);
	tcase_add_test(c, a_listener_hears_psql_while_others_query_on_the_connection);
	tcase_add_test(c, notifications_wait_in_order_and_a_cancelled_listener_loses_none);
	tcase_add_test(c, a_listener_learns_that_the_connection_is_gone);
	c = new_case(s, "memory", 120);
	tcase_add_test(c, whatever_is_under_way_may_be_cancelled_at_any_moment);
	tcase_add_test(c, a_cancel_that_meets_the_start_of_a_copy_leaves_nothing_for_the_next_statement);
	tcase_add_test(c, a_copy_that_was_refused_and_then_cancelled_costs_the_connection);
	tcase_add_test(c, each_allocation_of_each_call_fails_once);
	tcase_add_test(c, every_failing_allocation_is_an_error_and_no_leak);
	return s;
}

int main(void)
{
	return run_with_server(make);
}
