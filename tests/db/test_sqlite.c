/* SPDX-License-Identifier: MIT */
/* SQLite through a thread for each connection. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <oxbow/sqlite.h>

#include "tests/support/support.h"

#define EXPECT_STR(a, b)                                                        \
	do {                                                                    \
		const char *a_ = (a);                                           \
		if (!a_ || strcmp(a_, (b)) != 0)                                \
			expect_failed(__FILE__, __LINE__, #a " is " #b, 0, 0);  \
	} while (0)

static char path[64];

static void make_path(void)
{
	strcpy(path, "/tmp/oxbow-sqlite-XXXXXX");
	close(mkstemp(path));
}

static void remove_path(void)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char name[80];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

static ox_sqlite *open_db(const char *name)
{
	ox_sqlite *db = NULL;

	EXPECT_EQ(ox_sqlite_open(name, NULL, &db), 0);
	return db;
}

static int run(ox_sqlite *db, const char *sql)
{
	return ox_sqlite_query(db, sql, NULL, 0, NULL);
}

static long long one_int(ox_sqlite *db, const char *sql)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = ox_sqlite_query(db, sql, NULL, 0, &res);

	EXPECT_EQ(r, 0);
	return r == 0 ? ox_sqlite_int(res, 0, 0) : r;
}

#define DB_TEST(name)                                                           \
	static void name##_body(ox_sqlite *db);                                 \
	static int name##_co(void *arg)                                         \
	{                                                                       \
		ox_sqlite *db = open_db(path);                                  \
		(void)arg;                                                      \
		if (db)                                                         \
			name##_body(db);                                        \
		ox_sqlite_close(db);                                            \
		return 0;                                                       \
	}                                                                       \
	START_TEST(name)                                                        \
	{                                                                       \
		run_real(name##_co, NULL);                                   \
	}                                                                       \
	END_TEST                                                                \
	static void name##_body(ox_sqlite *db)

DB_TEST(values_of_every_kind_go_in_and_come_back)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	ox_bytes v;

	EXPECT_EQ(run(db, "create table t (a, b, c, d, e, f)"), 0);
	EXPECT_EQ(ox_sqlite_query(db, "insert into t values (?, ?, ?, ?, ?, ?)",
	                          OX_VALUES(ox_int(INT64_MIN), ox_real(0.5), ox_text("öx"),
	                                    ox_binary("a\0b", 3), ox_null(), ox_binary(NULL, 0)),
	                          &res),
	          0);
	EXPECT_EQ(ox_sqlite_affected(res), 1);
	EXPECT_EQ(ox_sqlite_last_id(res), 1);
	EXPECT_EQ(ox_sqlite_columns(res), 0);
	ox_sqlite_result_free(res);
	EXPECT_EQ(ox_sqlite_query(db, "select a, b, c, d, e, f from t", NULL, 0, &res), 0);
	EXPECT_EQ(ox_sqlite_rows(res), 1);
	EXPECT_EQ(ox_sqlite_columns(res), 6);
	EXPECT_STR(ox_sqlite_column_name(res, 5), "f");
	EXPECT(ox_sqlite_column_name(res, 6) == NULL);
	EXPECT_EQ(ox_sqlite_kind(res, 0, 0), OX_VALUE_INT);
	EXPECT_EQ(ox_sqlite_int(res, 0, 0), INT64_MIN);
	EXPECT_STR(ox_sqlite_value(res, 0, 0).data, "-9223372036854775808");
	EXPECT_EQ(ox_sqlite_kind(res, 0, 1), OX_VALUE_REAL);
	EXPECT(ox_sqlite_real(res, 0, 1) == 0.5);
	EXPECT_STR(ox_sqlite_value(res, 0, 2).data, "öx");
	v = ox_sqlite_value(res, 0, 3);
	EXPECT(v.len == 3 && memcmp(v.data, "a\0b", 3) == 0 && ox_sqlite_kind(res, 0, 3) == OX_VALUE_BINARY);
	EXPECT(ox_sqlite_value(res, 0, 4).data == NULL && ox_sqlite_kind(res, 0, 4) == OX_VALUE_NULL);
	v = ox_sqlite_value(res, 0, 5);
	EXPECT(v.data != NULL && v.len == 0);
	EXPECT(ox_sqlite_value(res, 1, 0).data == NULL);
}

DB_TEST(a_file_database_is_in_wal_mode)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;

	EXPECT_EQ(ox_sqlite_query(db, "pragma journal_mode", NULL, 0, &res), 0);
	EXPECT_STR(ox_sqlite_value(res, 0, 0).data, "wal");
}

DB_TEST(several_statements_give_the_last_result_and_end_at_the_first_failure)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;

	EXPECT_EQ(
	        one_int(db,
	                "create table t (a); insert into t values (1), (2); select sum(a) from t; -- done\n"),
	        3);
	EXPECT_EQ(run(db, "insert into t values (3); selct; insert into t values (4)"), OX_EDB);
	EXPECT_EQ(one_int(db, "select sum(a) from t"), 6);
	EXPECT_EQ(ox_sqlite_query(db, "", NULL, 0, &res), 0);
	EXPECT_EQ(ox_sqlite_rows(res), 0);
	EXPECT_EQ(ox_sqlite_query(db, "select ?; select 1", OX_VALUES(ox_int(1)), NULL), OX_EINVAL);
	EXPECT_EQ(ox_sqlite_query(db, "select ?", NULL, 0, NULL), OX_EINVAL);
	EXPECT_EQ(ox_sqlite_query(db, "select 1", OX_VALUES(ox_int(1)), NULL), OX_EINVAL);
	EXPECT_EQ(ox_sqlite_query(db, NULL, NULL, 0, NULL), OX_EINVAL);
	EXPECT_EQ(ox_sqlite_query(NULL, "select 1", NULL, 0, NULL), OX_ENOMEM);
}

DB_TEST(an_error_tells_its_story_until_the_next_call)
{
	const ox_sqlite_error *e = ox_sqlite_last_error(db);

	EXPECT_EQ(e->code, 0);
	EXPECT_EQ(run(db, "select missing"), OX_EDB);
	EXPECT(strstr(e->message, "no such column"));
	EXPECT_EQ(e->position, 8);
	EXPECT_EQ(run(db, "create table t (a unique); insert into t values (1)"), 0);
	EXPECT_EQ(e->code, 0);
	EXPECT_EQ(run(db, "insert into t values (1)"), OX_EDB);
	EXPECT_EQ(e->code, 2067);
}

DB_TEST(more_statements_than_are_kept_work_all_the_same)
{
	char sql[64];

	for (int i = 0; i < 200; i++) {
		snprintf(sql, sizeof(sql), "select %d", i % 70);
		EXPECT_EQ(one_int(db, sql), i % 70);
	}
}

static int failing_open(const char *name, const ox_sqlite_options *o, const char *words)
{
	char text[256] = "";
	ox_sqlite_options with = *o;
	ox_sqlite *db = NULL;
	int r;

	with.error_text = text;
	r = ox_sqlite_open(name, &with, &db);
	EXPECT(strstr(text, words) && db == NULL);
	return r;
}

static int bad_opens(void *arg)
{
	ox_sqlite *db = NULL;
	FILE *f;

	(void)arg;
	EXPECT_EQ(failing_open("/nowhere/at/all.db", OX_SQLITE_OPTIONS(.size = sizeof(ox_sqlite_options)),
	                       "unable to open"),
	          OX_EDB);
	unlink(path);
	EXPECT_EQ(failing_open(path, OX_SQLITE_OPTIONS(.must_exist = true), "unable to open"), OX_EDB);
	f = fopen(path, "we");
	for (int i = 0; i < 1000; i++)
		fputs("this is not a database\n", f);
	fclose(f);
	EXPECT_EQ(failing_open(path, OX_SQLITE_OPTIONS(.size = sizeof(ox_sqlite_options)), "not a database"),
	          OX_EDB);
	EXPECT_EQ(ox_sqlite_open(NULL, NULL, &db), OX_EINVAL);
	unlink(path);
	db = open_db(path);
	EXPECT_EQ(run(db, "create table t (a)"), 0);
	ox_sqlite_close(db);
	EXPECT_EQ(ox_sqlite_open(path, OX_SQLITE_OPTIONS(.read_only = true), &db), 0);
	EXPECT_EQ(one_int(db, "select count(*) from t"), 0);
	EXPECT_EQ(run(db, "insert into t values (1)"), OX_EDB);
	ox_sqlite_close(db);
	ox_sqlite_close(NULL);
	return 0;
}

START_TEST(what_cannot_be_opened_says_why)
{
	run_real(bad_opens, NULL);
}
END_TEST

DB_TEST(a_kept_statement_has_the_columns_of_today)
{
	ox_sqlite *other = open_db(path);
	ox_sqlite_result *res = NULL;

	EXPECT_EQ(run(db, "create table t (a); insert into t values (1)"), 0);
	EXPECT_EQ(run(db, "select * from t"), 0);
	EXPECT_EQ(run(db, "select * from t where a > 5"), 0);
	EXPECT_EQ(run(other, "alter table t add column b default 'new'"), 0);
	EXPECT_EQ(ox_sqlite_query(db, "select * from t", NULL, 0, &res), 0);
	EXPECT_EQ(ox_sqlite_columns(res), 2);
	EXPECT_STR(ox_sqlite_column_name(res, 1), "b");
	EXPECT_STR(ox_sqlite_value(res, 0, 1).data, "new");
	ox_sqlite_result_free(res);
	EXPECT_EQ(ox_sqlite_query(db, "select * from t where a > 5", NULL, 0, &res), 0);
	EXPECT_EQ(ox_sqlite_columns(res), 2);
	ox_sqlite_result_free(res);
	EXPECT_EQ(run(other, "alter table t drop column b"), 0);
	EXPECT_EQ(ox_sqlite_stream(db, "select * from t", NULL, 0), 0);
	EXPECT_EQ(ox_sqlite_next(db, &res), 1);
	EXPECT_EQ(ox_sqlite_columns(res), 1);
	ox_sqlite_result_free(res);
	EXPECT_EQ(ox_sqlite_next(db, NULL), 0);
	ox_sqlite_close(other);
}

/* ---- streams ---- */

#define SERIES(n) "with recursive s(i) as (select 1 union all select i + 1 from s where i < " n ") "

DB_TEST(a_stream_gives_rows_in_batches)
{
	long rows = 0, sum = 0, batches = 0;
	ox_sqlite_result *res;
	int r;

	EXPECT_EQ(ox_sqlite_stream(db, SERIES("?") "select i, ? from s",
	                           OX_VALUES(ox_int(10000), ox_text("x"))),
	          0);
	EXPECT_EQ(run(db, "select 1"), OX_ESTATE);
	while ((r = ox_sqlite_next(db, &res)) == 1) {
		for (size_t i = 0; i < ox_sqlite_rows(res); i++, rows++)
			sum += ox_sqlite_int(res, i, 0);
		EXPECT_STR(ox_sqlite_value(res, 0, 1).data, "x");
		batches++;
		ox_sqlite_result_free(res);
	}
	EXPECT_EQ(r, 0);
	EXPECT_EQ(rows, 10000);
	EXPECT_EQ(sum, 10000L * 10001 / 2);
	EXPECT(batches >= 40 && batches < 100);
	EXPECT_EQ(ox_sqlite_next(db, &res), OX_ESTATE);
	EXPECT_EQ(ox_sqlite_stream(db, "select 1 where 0", NULL, 0), 0);
	EXPECT_EQ(ox_sqlite_next(db, NULL), 0);
	EXPECT_EQ(ox_sqlite_stream(db, "select abs(-9223372036854775808)", NULL, 0), 0);
	EXPECT_EQ(ox_sqlite_next(db, NULL), OX_EDB);
	EXPECT_EQ(ox_sqlite_stream(db, "select 1; select 2", NULL, 0), OX_EINVAL);
	EXPECT_EQ(ox_sqlite_stream(db, "", NULL, 0), OX_EINVAL);
	EXPECT_EQ(ox_sqlite_stream(db, "nonsense", NULL, 0), OX_EDB);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

DB_TEST(a_stream_can_be_left_early)
{
	ox_scope s;

	EXPECT_EQ(ox_sqlite_stream(db, SERIES("100000000") "select i from s", NULL, 0), 0);
	EXPECT_EQ(ox_sqlite_next(db, NULL), 1);
	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_sqlite_next(db, NULL), OX_ECANCELED);
	EXPECT_EQ(ox_sqlite_abandon(db), 0);
	ox_scope_leave(&s, 0);
	EXPECT_EQ(one_int(db, "select 2"), 2);
	EXPECT_EQ(ox_sqlite_abandon(db), 0);
	EXPECT_EQ(ox_sqlite_stream(db, SERIES("100000000") "select i from s", NULL, 0), 0);     /* closed with the connection */
}

/* ---- cancelling ---- */

#define LONG_QUERY SERIES("1000000000") "select count(*) from s"

static int run_long(void *arg)
{
	return run(arg, LONG_QUERY);
}

static int interrupted(void *arg)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_sqlite *db = open_db(path);
	ox_future *f = ox_spawn(g, run_long, db);
	ox_scope s;

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(run(db, "select 1"), OX_EBUSY);
	EXPECT_EQ(ox_sqlite_abandon(db), OX_EBUSY);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(one_int(db, "select 3"), 3);
	ox_scope_enter(&s, OX_MS(20));
	EXPECT_EQ(ox_scope_leave(&s, run_long(db)), OX_ETIMEDOUT);
	EXPECT_EQ(run(db, "create table t (a)"), 0);
	ox_scope_enter(&s, OX_MS(20));          /* what it had done is undone */
	EXPECT_EQ(ox_scope_leave(&s, run(db, "insert into t " SERIES("1000000000") "select i from s")),
	          OX_ETIMEDOUT);
	EXPECT_EQ(one_int(db, "select count(*) from t"), 0);
	f = ox_spawn(g, run_long, db);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_sqlite_close(db);                    /* under it */
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	ox_group_close(g);
	return 0;
}

START_TEST(a_cancel_interrupts_the_statement_and_the_connection_stays_usable)
{
	run_real(interrupted, NULL);
}
END_TEST

DB_TEST(a_cancelled_statement_took_effect_exactly_if_it_succeeded)
{
	int expected = 0;

	EXPECT_EQ(run(db, "create table t (a)"), 0);
	for (int i = 0; i < 100; i++) {
		ox_scope s;
		int r;

		ox_scope_enter(&s, OX_US(10) * i);
		r = run(db, "insert into t values (1)");
		ox_scope_leave(&s, 0);
		EXPECT(r == 0 || r == OX_ECANCELED);
		expected += r == 0;
	}
	EXPECT_EQ(one_int(db, "select count(*) from t"), expected);
}

static int insert_some(ox_sqlite *db, void *arg)
{
	int r = ox_sqlite_begin(db);

	(void)arg;
	if (r == 0)
		r = run(db, "insert into t " SERIES("300") "select i from s");
	return r < 0 ? r : ox_sqlite_commit(db);
}

static int use_stream(ox_sqlite *db)
{
	int r = ox_sqlite_stream(db, SERIES("3000") "select i from s", NULL, 0);

	while (r >= 0 && (r = ox_sqlite_next(db, NULL)) == 1)
		;
	return r;
}

/* The deadline comes a little later each time, until all is done in time; all or nothing is in the table. */
DB_TEST(whatever_is_under_way_may_be_cancelled_at_any_moment)
{
	int r = OX_ETIMEDOUT, inserted = 0;

	EXPECT_EQ(run(db, "create table t (a)"), 0);
	for (ox_time after = 0; r != 0 && after < OX_SEC(10); after += OX_US(20) + after / (under_valgrind() ? 2 : 16)) {
		ox_scope s;

		ox_scope_enter(&s, after);
		r = ox_sqlite_transaction(db, insert_some, NULL, NULL);
		inserted += r == 0 ? 300 : 0;
		if (r == 0)
			r = use_stream(db);
		r = ox_scope_leave(&s, r);
		EXPECT(r == 0 || r == OX_ETIMEDOUT);
		EXPECT_EQ(ox_sqlite_abandon(db), 0);
		EXPECT_EQ(ox_sqlite_commit(db), OX_ESTATE);
		EXPECT_EQ(one_int(db, "select count(*) from t"), inserted);
	}
	EXPECT_EQ(r, 0);
}

/* ---- locks and transactions ---- */

static int locked(void *arg)
{
	ox_sqlite *a = open_db(path), *b = NULL;
	ox_scope s;
	ox_time began;

	(void)arg;
	EXPECT_EQ(ox_sqlite_open(path, OX_SQLITE_OPTIONS(.busy_timeout = OX_MS(60)), &b), 0);
	EXPECT_EQ(run(a, "create table t (a); begin immediate"), 0);
	began = ox_now();
	EXPECT_EQ(run(b, "insert into t values (1)"), OX_EDB);
	EXPECT_EQ(ox_sqlite_last_error(b)->code & 0xff, 5);
	EXPECT(ox_now() - began >= OX_MS(60));
	ox_sqlite_close(b);
	EXPECT_EQ(ox_sqlite_open(path, OX_SQLITE_OPTIONS(.busy_timeout = OX_SEC(60)), &b), 0);
	began = ox_now();
	ox_scope_enter(&s, OX_MS(30));
	EXPECT_EQ(ox_scope_leave(&s, run(b, "insert into t values (1)")), OX_ETIMEDOUT);
	EXPECT(ox_now() - began < OX_SEC(30));
	EXPECT_EQ(run(a, "rollback"), 0);
	EXPECT_EQ(run(b, "insert into t values (1)"), 0);
	ox_sqlite_close(a);
	ox_sqlite_close(b);
	return 0;
}

START_TEST(a_lock_is_waited_for_up_to_the_limit_and_the_wait_can_be_cancelled)
{
	run_real(locked, NULL);
}
END_TEST

static int put(ox_sqlite *db, int n)
{
	return ox_sqlite_query(db, "insert into t values (?)", OX_VALUES(ox_int(n)), NULL);
}

#define SUM "select coalesce(sum(a), 0) from t"

static int put_and(ox_sqlite *db, void *arg)
{
	int r = put(db, 1);

	return r < 0 ? r : *(int *)arg;
}

static int put_and_run_long(ox_sqlite *db, void *arg)
{
	int r = put(db, 1);

	(void)arg;
	return r < 0 ? r : run(db, LONG_QUERY);
}

DB_TEST(transactions_commit_roll_back_and_nest)
{
	int fine = 7, fail = -EIO;
	ox_scope s;

	EXPECT_EQ(run(db, "create table t (a)"), 0);
	EXPECT_EQ(ox_sqlite_commit(db), OX_ESTATE);
	EXPECT_EQ(ox_sqlite_rollback(db), 0);
	EXPECT_EQ(ox_sqlite_begin(db), 0);
	EXPECT_EQ(put(db, 1), 0);
	EXPECT_EQ(ox_sqlite_begin(db), 0);
	EXPECT_EQ(put(db, 2), 0);
	EXPECT_EQ(ox_sqlite_begin(db), 0);
	EXPECT_EQ(put(db, 4), 0);
	EXPECT_EQ(ox_sqlite_commit(db), 0);
	EXPECT_EQ(ox_sqlite_rollback(db), 0);
	EXPECT_EQ(put(db, 8), 0);
	EXPECT_EQ(ox_sqlite_commit(db), 0);
	EXPECT_EQ(one_int(db, SUM), 9);
	EXPECT_EQ(ox_sqlite_begin(db), 0);
	EXPECT_EQ(run(db, "rollback"), 0);              /* by hand */
	EXPECT_EQ(ox_sqlite_commit(db), OX_ESTATE);
	EXPECT_EQ(ox_sqlite_transaction(db, put_and, &fine, NULL), 7);
	EXPECT_EQ(
	        ox_sqlite_transaction(db, put_and, &fail, OX_SQLITE_TRANSACTION_OPTIONS(.mode = "immediate")),
	        -EIO);
	EXPECT_EQ(one_int(db, SUM), 10);
	EXPECT_EQ(ox_sqlite_transaction(db, put_and, &fine, OX_SQLITE_TRANSACTION_OPTIONS(.mode = "bogus")),
	          OX_EINVAL);
	ox_scope_enter(&s, OX_MS(20));
	EXPECT_EQ(ox_scope_leave(&s, ox_sqlite_transaction(db, put_and_run_long, NULL, NULL)), OX_ETIMEDOUT);
	EXPECT_EQ(one_int(db, SUM), 10);
	EXPECT_EQ(ox_sqlite_commit(db), OX_ESTATE);
	EXPECT_EQ(ox_sqlite_begin(db), 0);
	EXPECT_EQ(put(db, 100), 0);                     /* closed with it: rolled back */
}

static int put_and_wait(ox_sqlite *db, void *arg)
{
	int r = put(db, 1);

	if (r == 0 && ox_sleep(OX_MS(20)) == 0)         /* in no call */
		r = *(bool *)arg ? run(db, LONG_QUERY) : 0;
	return r;
}

struct span {
	ox_sqlite *db;
	bool in_call;
};

static int run_span(void *arg)
{
	struct span *s = arg;

	return ox_sqlite_transaction(s->db, put_and_wait, &s->in_call, NULL);
}

static int end_stream_by_rollback(void *arg)
{
	return ox_sqlite_rollback(arg);
}

static int closed_in_a_transaction(void *arg)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct span s = { .db = open_db(path) };
	ox_sqlite *other = open_db(path);
	ox_future *f;

	(void)arg;
	EXPECT_EQ(run(other, "create table t (a)"), 0);
	for (int i = 0; i < 2; i++) {
		f = ox_spawn(g, run_span, &s);
		ox_sleep(i == 0 ? OX_MS(10) : OX_MS(60));
		ox_sqlite_close(s.db);
		EXPECT_EQ(ox_await(f), OX_ECLOSED);
		EXPECT_EQ(one_int(other, SUM), 0);
		s = (struct span){ open_db(path), true };
	}
	EXPECT_EQ(ox_sqlite_stream(s.db, LONG_QUERY, NULL, 0), 0);
	f = ox_spawn(g, end_stream_by_rollback, s.db);
	ox_yield();
	ox_sqlite_close(s.db);                          /* between the two steps of the rollback */
	ox_await(f);
	ox_sqlite_close(other);
	ox_group_close(g);
	return 0;
}

START_TEST(a_connection_may_be_closed_under_a_transaction)
{
	run_real(closed_in_a_transaction, NULL);
}
END_TEST

struct adder {
	ox_sqlite *db;
	int rounds;
};

static int add_one(ox_sqlite *db, void *arg)
{
	(void)arg;
	return run(db, "update t set a = a + 1");
}

static int add_many(void *arg)
{
	struct adder *a = arg;
	int r = 0;

	for (int i = 0; r >= 0 && i < a->rounds; i++)
		r = ox_sqlite_transaction(a->db, add_one, NULL,
		                          OX_SQLITE_TRANSACTION_OPTIONS(.mode = "immediate", .retries = 50));
	return r < 0 ? r : 0;
}

static int several(void *arg)
{
	ox_group *g = ox_group_open();
	struct adder a[4];

	(void)arg;
	for (int i = 0; i < 4; i++)
		a[i] = (struct adder){ .db = open_db(path), .rounds = 25 };
	EXPECT_EQ(run(a[0].db, "create table t (a); insert into t values (0)"), 0);
	for (int i = 0; i < 4; i++)
		ox_spawn(g, add_many, &a[i]);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(one_int(a[0].db, "select a from t"), 100);
	for (int i = 0; i < 4; i++)
		ox_sqlite_close(a[i].db);
	ox_group_close(g);
	return 0;
}

START_TEST(several_connections_write_one_after_the_other)
{
	run_real(several, NULL);
}
END_TEST

/* ---- memory ---- */

static int scenario(void *arg)
{
	OX_AUTO_SQLITE *db = NULL;
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = ox_sqlite_open(arg, NULL, &db);

	if (r == 0)
		r = ox_sqlite_query(db, "select 1", NULL, 0, &res);
	if (r == 0)
		r = ox_sqlite_stream(db, "select 1", NULL, 0);
	if (r == 0)
		r = ox_sqlite_next(db, NULL) == 1 ? 0 : OX_ENOMEM;
	return r;
}

START_TEST(every_failing_allocation_is_an_error_and_no_leak)
{
	fails_cleanly_real(scenario, path);
}
END_TEST

/*
 * The same in the connection's thread, where the results are filled: fail_next(n) lets the n-th allocation
 * there fail.
 */
static void fail_next(sqlite3_context *context, int n, sqlite3_value **values)
{
	(void)n;
	sqlite3_result_int64(context,
	                     (sqlite3_int64)ox_test_fail_allocation((size_t)sqlite3_value_int64(values[0])));
}

static int add_fail_next(sqlite3 *handle, char **error, const struct sqlite3_api_routines *api)
{
	(void)error;
	(void)api;
	return sqlite3_create_function(handle, "fail_next", 1, SQLITE_UTF8, NULL, fail_next, NULL, NULL);
}

static int failing_in_the_thread(void *arg)
{
	ox_sqlite *db = open_db(arg);
	int failures = 0;
	char sql[64];
	bool more = true;

	for (int n = 1; more && n < 50; n++) {
		ox_sqlite_result *res = NULL;
		int r, next = 0;

		snprintf(sql, sizeof(sql), "select fail_next(%d)", n);
		EXPECT_EQ(run(db, sql), 0);
		r = ox_sqlite_query(db, SERIES("9") "select i, 'text' from s", NULL, 0, &res);
		if (r == 0)
			r = ox_sqlite_stream(db, "select 1", NULL, 0);
		while (r == 0 && (next = ox_sqlite_next(db, NULL)) == 1)
			;
		EXPECT(r == OX_ENOMEM || (r == 0 && (next == 0 || next == OX_ENOMEM)));
		EXPECT(r == 0 || res == NULL);
		failures += r < 0 || next < 0;
		ox_sqlite_result_free(res);
		res = NULL;
		more = ox_sqlite_query(db, "select fail_next(0)", NULL, 0, &res) == 0 &&
		       ox_sqlite_int(res, 0, 0) >= n;
		ox_sqlite_result_free(res);     /* that the failure hit this means that it hit nothing before */
	}
	EXPECT(!more && failures >= 5);
	ox_sqlite_close(db);
	return 0;
}

START_TEST(every_failing_allocation_in_the_thread_is_an_error_and_no_leak)
{
	sqlite3_auto_extension((void (*)(void))add_fail_next);
	run_real(failing_in_the_thread, path);
	sqlite3_reset_auto_extension();
}
END_TEST

static unsigned threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) < 0 ? 0 : (unsigned)st.st_nlink - 2;
}

static unsigned threads_then;

static int leave_open(void *arg)
{
	ox_sqlite **db = arg;

	*db = open_db(path);
	threads_then = threads();
	EXPECT_EQ(run(*db, "CREATE TABLE t (n); BEGIN; INSERT INTO t VALUES (1)"), 0);
	return 0;
}

static int use_closed(void *arg)
{
	EXPECT_EQ(run(arg, "SELECT 1"), OX_ECLOSED);
	return 0;
}

START_TEST(what_is_open_when_the_loop_ends_is_closed)
{
	ox_sqlite *db;

	run_real(leave_open, &db);
	for (int i = 0; i < 1000 && threads() >= threads_then; i++)     /* the kernel counts it for a moment more */
		usleep(1000);
	ck_assert_uint_eq(threads(), threads_then - 1);
	run_real(use_closed, db);
	ox_sqlite_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sqlite");
	TCase *c = new_case(s, "sqlite", 30);

	tcase_add_checked_fixture(c, make_path, remove_path);
	tcase_add_test(c, values_of_every_kind_go_in_and_come_back);
	tcase_add_test(c, a_file_database_is_in_wal_mode);
	tcase_add_test(c, several_statements_give_the_last_result_and_end_at_the_first_failure);
	tcase_add_test(c, an_error_tells_its_story_until_the_next_call);
	tcase_add_test(c, more_statements_than_are_kept_work_all_the_same);
	tcase_add_test(c, a_kept_statement_has_the_columns_of_today);
	tcase_add_test(c, what_cannot_be_opened_says_why);
	tcase_add_test(c, a_stream_gives_rows_in_batches);
	tcase_add_test(c, a_stream_can_be_left_early);
	tcase_add_test(c, a_cancel_interrupts_the_statement_and_the_connection_stays_usable);
	tcase_add_test(c, a_cancelled_statement_took_effect_exactly_if_it_succeeded);
	tcase_add_test(c, whatever_is_under_way_may_be_cancelled_at_any_moment);
	tcase_add_test(c, a_lock_is_waited_for_up_to_the_limit_and_the_wait_can_be_cancelled);
	tcase_add_test(c, transactions_commit_roll_back_and_nest);
	tcase_add_test(c, a_connection_may_be_closed_under_a_transaction);
	tcase_add_test(c, several_connections_write_one_after_the_other);
	tcase_add_test(c, what_is_open_when_the_loop_ends_is_closed);
	tcase_add_test(c, every_failing_allocation_is_an_error_and_no_leak);
	tcase_add_test(c, every_failing_allocation_in_the_thread_is_an_error_and_no_leak);
	return run_suite(s);
}
