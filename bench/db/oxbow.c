/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL: round trips beside blocking libpq in the same run, a pool, and inserts one at a time beside a
 * pipeline and COPY.
 *
 *	make bench-db with_server && ./with_server ./bench-db
 *
 * The server is the one of the environment (PGHOST and so on). Pairs in alternating order, medians of ROUNDS.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include <oxbow/oxbow.h>
#include <oxbow/pg.h>

#define ROUNDS  15
#define TRIPS   4000
#define USERS   64
#define PLACES  8
#define INSERTS 10000

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

static double seconds_since(ox_time t)
{
	return (double)(ox_now() - t) / 1e9;
}

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, ox_strerror(r));
	exit(1);
}

/* ---- round trips ---- */

static double blocking_trips(PGconn *conn)
{
	ox_time began = ox_now();

	for (int i = 0; i < TRIPS; i++)
		PQclear(PQexec(conn, "select 1"));
	return TRIPS / seconds_since(began);
}

static double trips(ox_pg *db)
{
	ox_time began = ox_now();

	for (int i = 0; i < TRIPS; i++) {
		OX_AUTO_PG_RESULT *res = NULL;

		must(ox_pg_query(db, "select 1", NULL, 0, &res), "select 1");
	}
	return TRIPS / seconds_since(began);
}

static void compare_trips(ox_pg *db)
{
	double theirs[ROUNDS], ours[ROUNDS], ratio[ROUNDS];
	PGconn *conn = PQconnectdb("");

	for (int i = 0; i < ROUNDS; i++) {
		if (i % 2)
			ours[i] = trips(db);
		theirs[i] = blocking_trips(conn);
		if (i % 2 == 0)
			ours[i] = trips(db);
		ratio[i] = ours[i] / theirs[i];
	}
	PQfinish(conn);
	printf("libpq blocking, select 1       %8.0f trips/s\n", median(theirs, ROUNDS));
	printf("ox_pg_query, select 1          %8.0f trips/s\n", median(ours, ROUNDS));
	printf("  of blocking libpq            %8.3f\n", median(ratio, ROUNDS));
}

/* ---- a pool ---- */

static int user(void *arg)
{
	for (int i = 0; i < TRIPS * 4 / USERS; i++) {
		OX_AUTO_PG *db = NULL;

		must(ox_pg_pool_get(arg, &db), "pool");
		must(ox_pg_query(db, "select 1", NULL, 0, NULL), "select 1");
	}
	return 0;
}

static void pool_trips(void)
{
	OX_AUTO_PG_POOL *pool = NULL;
	double per_second[ROUNDS];

	must(ox_pg_pool_open("", OX_PG_POOL_OPTIONS(.min = PLACES, .max = PLACES), &pool), "pool");
	for (int i = 0; i < ROUNDS; i++) {
		OX_AUTO_GROUP *g = ox_group_open();
		ox_time began = ox_now();

		for (int u = 0; u < USERS; u++)
			ox_spawn(g, user, pool);
		must(ox_group_join(g), "users");
		per_second[i] = TRIPS * 4 / seconds_since(began);
	}
	printf("%d coroutines, pool of %d       %8.0f trips/s\n", USERS, PLACES, median(per_second, ROUNDS));
}

/* ---- inserts ---- */

static double insert_singly(ox_pg *db)
{
	ox_time began = ox_now();

	for (int i = 0; i < INSERTS; i++)
		must(ox_pg_execute(db, "put", OX_VALUES(ox_int(i), ox_text("some text")), NULL), "insert");
	return seconds_since(began);
}

static double insert_by_pipeline(ox_pg *db)
{
	ox_time began = ox_now();

	must(ox_pg_pipeline_begin(db), "pipeline");
	for (int i = 0; i < INSERTS; i++)
		must(ox_pg_send_execute(db, "put", OX_VALUES(ox_int(i), ox_text("some text"))), "send");
	must(ox_pg_pipeline_end(db), "pipeline");
	return seconds_since(began);
}

static double insert_by_copy(ox_pg *db)
{
	ox_time began = ox_now();
	char line[64];

	must(ox_pg_copy_in(db, "copy t from stdin"), "copy");
	for (int i = 0; i < INSERTS; i++)
		must(ox_pg_copy_write(db, line, (size_t)snprintf(line, sizeof(line), "%d\tsome text\n", i)),
		     "copy");
	must(ox_pg_copy_end(db, NULL), "copy");
	return seconds_since(began);
}

static void compare_inserts(ox_pg *db)
{
	double single[5], pipeline[5], copy[5];

	must(ox_pg_query(db, "create temp table t (a int, b text)", NULL, 0, NULL), "create");
	must(ox_pg_prepare(db, "put", "insert into t values ($1, $2)"), "prepare");
	for (int i = 0; i < 5; i++) {
		single[i] = insert_singly(db);
		pipeline[i] = insert_by_pipeline(db);
		copy[i] = insert_by_copy(db);
	}
	printf("%d inserts one at a time    %8.3f s\n", INSERTS, median(single, 5));
	printf("  in a pipeline                %8.3f s\n", median(pipeline, 5));
	printf("  by COPY                      %8.3f s\n", median(copy, 5));
}

static int main_co(void *arg)
{
	OX_AUTO_PG *db = NULL;

	(void)arg;
	must(ox_pg_connect("", NULL, &db), "connect");
	compare_trips(db);
	pool_trips();
	compare_inserts(db);
	return 0;
}

int main(void)
{
	return ox_run(main_co, NULL, NULL) < 0;
}
