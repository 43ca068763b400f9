/* SPDX-License-Identifier: MIT */
/* Transactions and pools of PostgreSQL connections. */
#include <stdio.h>
#include <string.h>

#include "tests/db/server.h"

/* ---- transactions ---- */

static void make_table(ox_pg *db)
{
	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int)", NULL, 0, NULL), 0);
}

static int put(ox_pg *db, int n)
{
	return ox_pg_query(db, "insert into t values ($1)", OX_VALUES(ox_int(n)), NULL);
}

#define SUM "select coalesce(sum(a), 0) from t"

DB_TEST(a_transaction_commits_rolls_back_and_nests)
{
	make_table(db);
	EXPECT_EQ(ox_pg_commit(db), OX_ESTATE);
	EXPECT_EQ(ox_pg_rollback(db), 0);               /* of nothing */
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 1), 0);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 2), 0);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 4), 0);
	EXPECT_EQ(ox_pg_commit(db), 0);
	EXPECT_EQ(ox_pg_rollback(db), 0);               /* 2 and 4 */
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 8), 0);
	EXPECT_EQ(ox_pg_commit(db), 0);
	EXPECT_EQ(ox_pg_commit(db), 0);
	EXPECT_EQ(ox_pg_commit(db), OX_ESTATE);
	EXPECT_EQ(one_int(db, SUM), 9);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 16), 0);
	EXPECT_EQ(ox_pg_rollback(db), 0);
	EXPECT_EQ(one_int(db, SUM), 9);
}

DB_TEST(committing_what_has_failed_is_an_error_and_rolls_back)
{
	make_table(db);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 1), 0);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(ox_pg_query(db, "select 1/0", NULL, 0, NULL), OX_EDB);
	EXPECT_EQ(put(db, 2), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "25P02");
	EXPECT_EQ(ox_pg_commit(db), OX_ESTATE);         /* the savepoint */
	EXPECT_EQ(put(db, 4), 0);
	EXPECT_EQ(ox_pg_commit(db), 0);
	EXPECT_EQ(one_int(db, SUM), 5);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(ox_pg_query(db, "select 1/0", NULL, 0, NULL), OX_EDB);
	EXPECT_EQ(ox_pg_rollback(db), 0);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "22012");    /* the story outlives the rollback */
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(ox_pg_query(db, "commit", NULL, 0, NULL), 0); /* by hand */
	EXPECT_EQ(ox_pg_commit(db), OX_ESTATE);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 8), 0);
	EXPECT_EQ(ox_pg_commit(db), 0);
	EXPECT_EQ(one_int(db, SUM), 13);
}

DB_TEST(a_deferred_constraint_fails_the_commit)
{
	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int unique deferrable initially deferred)", NULL, 0,
	                      NULL),
	          0);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(put(db, 1), 0);
	EXPECT_EQ(put(db, 1), 0);
	EXPECT_EQ(ox_pg_commit(db), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "23505");
	EXPECT_EQ(ox_pg_commit(db), OX_ESTATE);
	EXPECT_EQ(one_int(db, SUM), 0);
}

static int put_and(ox_pg *db, void *arg)
{
	int r = put(db, 1);

	return r < 0 ? r : *(int *)arg;
}

static int put_and_nest(ox_pg *db, void *arg)
{
	int fail = -EIO, r = put(db, 2);

	EXPECT_EQ(ox_pg_transaction(db, put_and, &fail, NULL), -EIO);
	return r < 0 ? r : *(int *)arg;
}

static int put_and_leave_open(ox_pg *db, void *arg)
{
	int r = ox_pg_begin(db);

	return r < 0 ? r : put_and(db, arg);
}

DB_TEST(a_function_in_a_transaction_commits_by_its_result)
{
	int fine = 7, fail = -EIO;

	make_table(db);
	EXPECT_EQ(ox_pg_transaction(db, put_and, &fine, NULL), 7);
	EXPECT_EQ(one_int(db, SUM), 1);
	EXPECT_EQ(ox_pg_transaction(db, put_and, &fail, NULL), -EIO);
	EXPECT_EQ(one_int(db, SUM), 1);
	EXPECT_EQ(ox_pg_transaction(db, put_and_nest, &fine, NULL), 7);
	EXPECT_EQ(one_int(db, SUM), 3);
	EXPECT_EQ(ox_pg_transaction(db, put_and_leave_open, &fine, NULL), 7);
	EXPECT_EQ(one_int(db, SUM), 4);
	EXPECT_EQ(ox_pg_transaction(db, put_and_leave_open, &fail, NULL), -EIO);
	EXPECT_EQ(one_int(db, SUM), 4);
	EXPECT_EQ(ox_pg_commit(db), OX_ESTATE);
	EXPECT_EQ(ox_pg_transaction(db, put_and, &fine, OX_PG_TRANSACTION_OPTIONS(.mode = "read only")), 7);   /* a temp table may */
	EXPECT_EQ(ox_pg_transaction(db, put_and, &fine, OX_PG_TRANSACTION_OPTIONS(.mode = "bogus")), OX_EDB);
}

static int put_and_sleep(ox_pg *db, void *arg)
{
	int r = put(db, 1);

	(void)arg;
	return r < 0 ? r : ox_pg_query(db, "select pg_sleep(30)", NULL, 0, NULL);
}

DB_TEST(a_cancelled_transaction_is_rolled_back)
{
	ox_scope s;

	make_table(db);
	ox_scope_enter(&s, OX_MS(50));
	EXPECT_EQ(ox_scope_leave(&s, ox_pg_transaction(db, put_and_sleep, NULL, NULL)), OX_ETIMEDOUT);
	EXPECT_EQ(one_int(db, SUM), 0);
	EXPECT_EQ(ox_pg_commit(db), OX_ESTATE);
}

static int put_and_wait(ox_pg *db, void *arg)
{
	int r = put(db, 1);

	if (r == 0 && ox_sleep(OX_MS(20)) == 0)         /* in no call */
		r = *(bool *)arg ? ox_pg_query(db, "select pg_sleep(30)", NULL, 0, NULL) : 0;
	return r;
}

struct span {
	ox_pg *db;
	bool in_call;
};

static int run_span(void *arg)
{
	struct span *s = arg;

	return ox_pg_transaction(s->db, put_and_wait, &s->in_call, OX_PG_TRANSACTION_OPTIONS(.retries = 3));
}

static int closed_in_a_transaction(void *arg)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));

	(void)arg;
	for (int i = 0; i < 2; i++) {
		struct span s = { open_db(), i == 1 };
		ox_future *f;

		make_table(s.db);
		f = ox_spawn(g, run_span, &s);
		ox_sleep(i == 0 ? OX_MS(10) : OX_MS(60));
		ox_pg_close(s.db);
		EXPECT_EQ(ox_await(f), OX_ECLOSED);
	}
	ox_group_close(g);
	return 0;
}

START_TEST(a_connection_may_be_closed_under_a_transaction)
{
	run_real(closed_in_a_transaction, NULL);
}
END_TEST

/* Two serializable transactions that each read the sum and add a row: one of them has to be run again. */
struct serial {
	ox_pg *db;
	int runs;
};

static int sum_and_put(ox_pg *db, void *arg)
{
	struct serial *s = arg;
	long long sum = one_int(db, "select coalesce(sum(a), 0) from shared");

	s->runs++;
	ox_sleep(OX_MS(20));
	return ox_pg_query(db, "insert into shared values ($1)", OX_VALUES(ox_int(sum + 1)), NULL);
}

static int run_serial(void *arg)
{
	struct serial *s = arg;

	return ox_pg_transaction(
	        s->db, sum_and_put, s,
	        OX_PG_TRANSACTION_OPTIONS(.mode = "isolation level serializable", .retries = 20));
}

DB_TEST(serialization_failures_are_run_again)
{
	struct serial a = { .db = db }, b = { .db = open_db() };
	ox_group *g = ox_group_open();

	EXPECT_EQ(ox_pg_query(db, "drop table if exists shared; create table shared (a int)", NULL, 0, NULL),
	          0);
	ox_spawn(g, run_serial, &a);
	ox_spawn(g, run_serial, &b);
	EXPECT_EQ(ox_group_join(g), 0);
	ox_group_close(g);
	EXPECT(a.runs + b.runs > 2);
	EXPECT_EQ(one_int(db, "select sum(a) from shared"), 1 + 2);
	EXPECT_EQ(ox_pg_query(db, "drop table shared", NULL, 0, NULL), 0);
	ox_pg_close(b.db);
}

/* ---- pools ---- */

static ox_pg_pool_stats stats(const ox_pg_pool *p)
{
	ox_pg_pool_stats s = { .size = sizeof(s) };

	EXPECT_EQ(ox_pg_pool_get_stats(p, &s), 0);
	return s;
}

static ox_pg *get(ox_pg_pool *p)
{
	ox_pg *db = NULL;

	EXPECT_EQ(ox_pg_pool_get(p, &db), 0);
	return db;
}

#define POOL_TEST(name, ...)                                                    \
	static void name##_body(ox_pg_pool *p);                                 \
	static int name##_co(void *arg)                                         \
	{                                                                       \
		ox_pg_pool *p = NULL;                                           \
		(void)arg;                                                      \
		EXPECT_EQ(ox_pg_pool_open(server_conninfo(), OX_PG_POOL_OPTIONS(__VA_ARGS__), &p), 0);  \
		if (p)                                                          \
			name##_body(p);                                         \
		ox_pg_pool_close(p);                                            \
		return 0;                                                       \
	}                                                                       \
	START_TEST(name)                                                        \
	{                                                                       \
		run_real(name##_co, NULL);                                      \
	}                                                                       \
	END_TEST                                                                \
	static void name##_body(ox_pg_pool *p)

struct user {
	ox_pg_pool *pool;
	int number, *order, *turn;
	int in_use, *most;
};

static int use_pool(void *arg)
{
	struct user *u = arg;
	OX_AUTO_PG *db = NULL;
	int r = ox_pg_pool_get(u->pool, &db);

	if (r < 0)
		return r;
	u->order[(*u->turn)++] = u->number;
	return ox_pg_query(db, "select pg_sleep(0.002)", NULL, 0, NULL);
}

POOL_TEST(many_coroutines_share_a_few_connections_in_order, .max = 3)
{
	int order[40], turn = 0;
	struct user u[40];
	ox_group *g = ox_group_open();

	for (int i = 0; i < 40; i++) {
		u[i] = (struct user){ .pool = p, .number = i, .order = order, .turn = &turn };
		ox_spawn(g, use_pool, &u[i]);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	ox_group_close(g);
	EXPECT_EQ(turn, 40);
	for (int i = 0, next = 3; i < 40; i++)  /* the first three connect at the same time, and come when they are connected */
		if (order[i] >= 3)
			EXPECT_EQ(order[i], next++);
	EXPECT_EQ(stats(p).open, 3);
	EXPECT_EQ(stats(p).connects, 3);
	EXPECT_EQ(stats(p).idle, 3);
}

POOL_TEST(the_minimum_is_open_from_the_start, .min = 2, .max = 4)
{
	EXPECT_EQ(stats(p).open, 2);
	EXPECT_EQ(stats(p).idle, 2);
	EXPECT_STR(psql("select count(*) from pg_stat_activity where client_port = -1 and state = 'idle'"),
	           "2");
}

POOL_TEST(a_connection_comes_back_clean, .max = 1)
{
	ox_pg *db = get(p);
	int pid = ox_pg_server_pid(db);
	ox_pg_note n;
	ox_scope s;

	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(ox_pg_query(db, "create table left_over ()", NULL, 0, NULL), 0);
	ox_pg_close(db);                        /* an open transaction */
	db = get(p);
	EXPECT_EQ(one_int(db, "select count(*) from pg_class where relname = 'left_over'"), 0);
	EXPECT_EQ(ox_pg_listen(db, "c"), 0);
	EXPECT_EQ(ox_pg_query(db, "notify c", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_stream(db, "select generate_series(1, 100000000)", NULL, 0), 0);
	ox_scope_enter(&s, 0);
	ox_pg_close(db);                        /* a stream, LISTEN, and in a cancelled scope */
	ox_scope_leave(&s, 0);
	db = get(p);
	ox_scope_enter(&s, OX_MS(20));
	EXPECT_EQ(ox_scope_leave(&s, ox_pg_notification(db, &n)), OX_ETIMEDOUT);
	EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
	EXPECT_EQ(ox_pg_send(db, "select 1", NULL, 0), 0);
	ox_pg_close(db);                        /* a pipeline */
	db = get(p);
	EXPECT_EQ(ox_pg_copy_in(db, "copy pg_am from stdin"), 0);
	ox_pg_close(db);                        /* a COPY */
	db = get(p);
	EXPECT_EQ(ox_pg_prepare(db, "kept", "select 1"), 0);
	EXPECT_EQ(ox_pg_begin(db), 0);
	EXPECT_EQ(ox_pg_query(db, "select 1/0", NULL, 0, NULL), OX_EDB);
	ox_pg_close(db);                        /* a failed transaction */
	db = get(p);
	EXPECT_EQ(ox_pg_execute(db, "kept", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_server_pid(db), pid);   /* the same one all the time */
	EXPECT_EQ(stats(p).connects, 1);
	ox_pg_close(db);
}

POOL_TEST(a_listen_by_hand_ends_with_its_use_too, .max = 1)
{
	static const char *const listens[] = { "listen a", "begin; listen a; commit; listen b" };
	ox_pg *db;

	for (int i = 0; i < 4; i++) {
		db = get(p);
		EXPECT_EQ(one_int(db, "select count(*) from pg_listening_channels()"), 0);
		if (i < 2) {
			EXPECT_EQ(ox_pg_query(db, listens[i], NULL, 0, NULL), 0);
		} else if (i == 2) {
			EXPECT_EQ(ox_pg_pipeline_begin(db), 0);
			EXPECT_EQ(ox_pg_send(db, "listen a", NULL, 0), 0);
			EXPECT_EQ(ox_pg_pipeline_end(db), 0);
		}
		ox_pg_close(db);
	}
}

POOL_TEST(discard_all_forgets_prepared_statements_too, .max = 1, .discard_all = true)
{
	ox_pg *db = get(p);

	EXPECT_EQ(ox_pg_prepare(db, "gone", "select 1"), 0);
	EXPECT_EQ(ox_pg_query(db, "set work_mem = '77MB'", NULL, 0, NULL), 0);
	ox_pg_close(db);
	db = get(p);
	EXPECT_EQ(ox_pg_execute(db, "gone", NULL, 0, NULL), OX_EDB);
	EXPECT_EQ(one_int(db, "select current_setting('work_mem') = '77MB'"), 0);
	ox_pg_close(db);
}

POOL_TEST(idle_connections_that_the_server_closes_are_dropped_at_once, .min = 2, .max = 2)
{
	ox_pg *db;

	psql("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and "
	     "backend_type = 'client backend'");
	for (int i = 0; i < 500 && stats(p).open > 0; i++)
		ox_sleep(OX_MS(10));
	EXPECT_EQ(stats(p).open, 0);
	db = get(p);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	ox_pg_close(db);
	EXPECT_EQ(stats(p).connects, 3);
}

POOL_TEST(a_broken_connection_is_replaced, .max = 1)
{
	ox_pg *db = get(p);

	EXPECT_EQ(ox_pg_query(db, "select pg_terminate_backend(pg_backend_pid())", NULL, 0, NULL), -ECONNRESET);
	ox_pg_close(db);
	EXPECT_EQ(stats(p).open, 0);
	db = get(p);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	ox_pg_close(db);
}

POOL_TEST(a_pool_survives_a_restart_of_the_server, .min = 2, .max = 3)
{
	ox_pg *a, *b;

	server_restart();
	a = get(p);
	b = get(p);
	EXPECT_EQ(one_int(a, "select 1"), 1);
	EXPECT_EQ(one_int(b, "select 1"), 1);
	ox_pg_close(a);
	ox_pg_close(b);
}

POOL_TEST(what_is_too_old_or_idle_for_too_long_is_closed, .max = 2, .max_idle = OX_MS(30), .max_age = OX_MS(60))
{
	ox_pg *db = get(p);

	ox_sleep(OX_MS(80));
	ox_pg_close(db);                        /* too old */
	EXPECT_EQ(stats(p).open, 0);
	db = get(p);
	ox_pg_close(db);
	EXPECT_EQ(stats(p).idle, 1);
	for (int i = 0; i < 500 && stats(p).open > 0; i++)
		ox_sleep(OX_MS(5));
	EXPECT_EQ(stats(p).open, 0);
}

POOL_TEST(a_long_idle_connection_is_asked_for_a_sign_of_life, .max = 1, .check_after = 1)
{
	ox_pg *db = get(p);

	ox_pg_close(db);
	ox_sleep(OX_MS(1));
	db = get(p);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	ox_pg_close(db);
	EXPECT_EQ(stats(p).connects, 1);
}

static int get_one(void *arg)
{
	OX_AUTO_PG *db = NULL;

	return ox_pg_pool_get(arg, &db);
}

POOL_TEST(cancelled_waiters_lose_nothing, .max = 1)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_pg *db = get(p);
	ox_future *a = ox_spawn(g, get_one, p), *b = ox_spawn(g, get_one, p), *c = ox_spawn(g, get_one, p);

	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(stats(p).waiting, 3);
	ox_future_cancel(a);
	EXPECT_EQ(ox_await(a), OX_ECANCELED);
	EXPECT_EQ(stats(p).waiting, 2);
	ox_pg_close(db);                        /* b is woken with it, */
	ox_future_cancel(b);                    /* and cancelled before it runs: it has it all the same, and gives it back */
	EXPECT_EQ(ox_await(b), 0);
	EXPECT_EQ(ox_await(c), 0);
	EXPECT_EQ(stats(p).idle, 1);
	ox_group_close(g);
}

static int cancelled_connect(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	char address[64], conninfo[128];
	ox_pg_pool *p = NULL;
	ox_scope s;

	(void)arg;
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &l), 0);
	ox_listener_address(l, address, sizeof(address));
	snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%s user=ox", strrchr(address, ':') + 1);
	EXPECT_EQ(ox_pg_pool_open(conninfo, OX_PG_POOL_OPTIONS(.max = 1), &p), 0);
	for (int i = 0; i < 3; i++) {           /* the place is free again each time */
		ox_scope_enter(&s, OX_MS(10));
		EXPECT_EQ(ox_scope_leave(&s, get_one(p)), OX_ETIMEDOUT);
		EXPECT_EQ(stats(p).open, 0);
	}
	ox_pg_pool_close(p);
	return 0;
}

START_TEST(a_cancelled_connect_frees_its_place)
{
	run_real(cancelled_connect, NULL);
}
END_TEST

struct hasty {
	ox_pg_pool *p;
	ox_time patience;
	int done;
};

static int begin_and_leave(void *arg)
{
	struct hasty *h = arg;
	OX_AUTO_PG *db = NULL;
	ox_scope s;
	int r;

	ox_scope_enter(&s, h->patience);
	r = ox_pg_pool_get(h->p, &db);
	if (r == 0)
		r = ox_pg_begin(db);
	if (r == 0)
		r = ox_pg_query(db, "select pg_sleep(0.001)", NULL, 0, NULL);
	r = ox_scope_leave(&s, r);
	EXPECT(r == 0 || r == OX_ETIMEDOUT);
	h->done += r == 0;
	return 0;                                       /* in a transaction that nobody ends */
}

POOL_TEST(users_who_are_cancelled_at_any_moment_leave_nothing_behind, .max = 2)
{
	OX_AUTO_GROUP *g = ox_group_open();
	struct hasty h[60];
	int done = 0;
	ox_pg *db[2];

	for (int i = 0; i < 60; i++) {
		h[i] = (struct hasty){ p, OX_US(200) * i, 0 };
		ox_spawn(g, begin_and_leave, &h[i]);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	for (int i = 0; i < 60; i++)
		done += h[i].done;
	EXPECT(done < 60);
	EXPECT_EQ(stats(p).waiting, 0);
	EXPECT_EQ(stats(p).idle, stats(p).open);
	for (int i = 0; i < 2; i++) {
		db[i] = get(p);
		EXPECT_EQ(ox_pg_commit(db[i]), OX_ESTATE);
	}
	EXPECT_EQ(one_int(db[0], "select count(*) from pg_stat_activity where state like 'idle in tr%'"), 0);
	ox_pg_close(db[0]);
	ox_pg_close(db[1]);
}

POOL_TEST(closing_the_pool_wakes_waiters_and_closes_what_comes_back, .max = 1)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_pg_pool *other = NULL;
	ox_pg *db;
	ox_future *a;

	(void)p;
	EXPECT_EQ(ox_pg_pool_open(server_conninfo(), OX_PG_POOL_OPTIONS(.max = 1), &other), 0);
	db = get(other);
	a = ox_spawn(g, get_one, other);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_pg_pool_close(other);
	EXPECT_EQ(ox_await(a), OX_ECLOSED);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	ox_pg_close(db);
	ox_group_close(g);
}

static int set_up(ox_pg *db, void *arg)
{
	++*(int *)arg;
	return ox_pg_query(db, *(int *)arg < 3 ? "set application_name = 'mine'" : "nonsense", NULL, 0, NULL);
}

static int with_init(void *arg)
{
	OX_AUTO_PG_RESULT *res = NULL;
	ox_pg_pool *p = NULL;
	ox_pg *db, *other;
	int n = 0;

	(void)arg;
	EXPECT_EQ(ox_pg_pool_open(server_conninfo(),
	                          OX_PG_POOL_OPTIONS(.min = 1, .init = set_up, .init_arg = &n), &p),
	          0);
	db = get(p);
	EXPECT_EQ(ox_pg_query(db, "show application_name", NULL, 0, &res), 0);
	EXPECT_STR(ox_pg_value(res, 0, 0).data, "mine");
	other = get(p);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(get_one(p), OX_EDB);
	EXPECT_EQ(stats(p).open, 2);
	ox_pg_close(db);
	ox_pg_close(other);
	ox_pg_pool_close(p);
	return 0;
}

START_TEST(each_new_connection_is_set_up)
{
	run_real(with_init, NULL);
}
END_TEST

static int bad_pools(void *arg)
{
	char text[256] = "";
	ox_pg_pool *p = NULL;

	(void)arg;
	EXPECT_EQ(ox_pg_pool_open("", OX_PG_POOL_OPTIONS(.min = 3, .max = 2), &p), OX_EINVAL);
	EXPECT_EQ(ox_pg_pool_open(NULL, NULL, &p), OX_EINVAL);
	EXPECT_EQ(ox_pg_pool_open("host=127.0.0.1 port=1", OX_PG_POOL_OPTIONS(.min = 1, .error_text = text),
	                          &p),
	          -ECONNREFUSED);
	EXPECT(strstr(text, "refused") != NULL);
	EXPECT(p == NULL);
	EXPECT_EQ(ox_pg_pool_open("host=127.0.0.1 port=1", NULL, &p), 0);
	EXPECT_EQ(get_one(p), -ECONNREFUSED);
	EXPECT_EQ(get_one(p), -ECONNREFUSED);
	EXPECT_EQ(stats(p).open, 0);
	ox_pg_pool_close(p);
	return 0;
}

START_TEST(a_pool_that_cannot_connect_says_why)
{
	run_real(bad_pools, NULL);
}
END_TEST

/* ---- memory ---- */

static int work(ox_pg *db, void *arg)
{
	(void)arg;
	return ox_pg_query(db, "select 1", NULL, 0, NULL);
}

static int scenario(void *arg)
{
	OX_AUTO_PG_POOL *p = NULL;
	OX_AUTO_PG *db = NULL;
	int r = ox_pg_pool_open(arg, OX_PG_POOL_OPTIONS(.min = 1), &p);

	if (r == 0)
		r = ox_pg_pool_get(p, &db);
	if (r == 0)
		r = ox_pg_transaction(db, work, NULL, NULL);
	return r;
}

START_TEST(every_failing_allocation_is_an_error_and_no_leak)
{
	fails_cleanly_real(scenario, (void *)(uintptr_t)server_conninfo());
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("pg_pool");
	TCase *c = new_case(s, "transactions", 30);

	tcase_add_test(c, a_transaction_commits_rolls_back_and_nests);
	tcase_add_test(c, committing_what_has_failed_is_an_error_and_rolls_back);
	tcase_add_test(c, a_deferred_constraint_fails_the_commit);
	tcase_add_test(c, a_function_in_a_transaction_commits_by_its_result);
	tcase_add_test(c, a_cancelled_transaction_is_rolled_back);
	tcase_add_test(c, a_connection_may_be_closed_under_a_transaction);
	tcase_add_test(c, serialization_failures_are_run_again);
	c = new_case(s, "pools", 30);
	tcase_add_test(c, many_coroutines_share_a_few_connections_in_order);
	tcase_add_test(c, the_minimum_is_open_from_the_start);
	tcase_add_test(c, a_connection_comes_back_clean);
	tcase_add_test(c, a_listen_by_hand_ends_with_its_use_too);
	tcase_add_test(c, discard_all_forgets_prepared_statements_too);
	tcase_add_test(c, idle_connections_that_the_server_closes_are_dropped_at_once);
	tcase_add_test(c, a_broken_connection_is_replaced);
	tcase_add_test(c, a_pool_survives_a_restart_of_the_server);
	tcase_add_test(c, what_is_too_old_or_idle_for_too_long_is_closed);
	tcase_add_test(c, a_long_idle_connection_is_asked_for_a_sign_of_life);
	tcase_add_test(c, cancelled_waiters_lose_nothing);
	tcase_add_test(c, a_cancelled_connect_frees_its_place);
	tcase_add_test(c, users_who_are_cancelled_at_any_moment_leave_nothing_behind);
	tcase_add_test(c, closing_the_pool_wakes_waiters_and_closes_what_comes_back);
	tcase_add_test(c, each_new_connection_is_set_up);
	tcase_add_test(c, a_pool_that_cannot_connect_says_why);
	tcase_add_test(c, every_failing_allocation_is_an_error_and_no_leak);
	return s;
}

int main(void)
{
	return run_with_server(make);
}
