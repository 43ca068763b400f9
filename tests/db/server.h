/* SPDX-License-Identifier: MIT */
/*
 * A real PostgreSQL server for the tests: in a folder of its own, on a Unix socket there and on loopback with
 * a port that the kernel chose, under an ordinary user. A process between it and the test starts it, and ends
 * it and removes the folder when the test program has ended, however it ended.
 */
#ifndef OXBOW_TESTS_DB_SERVER_H
#define OXBOW_TESTS_DB_SERVER_H

#include <oxbow/pg.h>

#include "tests/support/support.h"

#define EXPECT_STR(a, b)                                                        \
	do {                                                                    \
		const char *a_ = (a);                                           \
		if (!a_ || strcmp(a_, (b)) != 0)                                \
			expect_failed(__FILE__, __LINE__, #a " is " #b, 0, 0);  \
	} while (0)

/* For the whole program, before the suite: false, with the reason printed, where there is no PostgreSQL. */
bool server_start(void);
void server_stop(void);

/* kill -9 of all of it, and a start; a fast shutdown and a start. */
void server_kill(void);
void server_revive(void);
void server_restart(void);

extern char server_folder[64];          /* with the socket in it */
extern unsigned server_port;

/* "host=FOLDER port=... user=ox dbname=postgres", or by TCP with the password. */
const char *server_conninfo(void);
const char *server_conninfo_tcp(void);

/*
 * Runs psql; its output, unaligned and without decoration, without the last newline. Valid until the next
 * call. Blocks.
 */
const char *psql(const char *sql);

/* The process of a connection is gone from the server's list, within five seconds. In a coroutine. */
bool server_forgot(int pid);

/* A connection to the server, and the one number of a query. */
ox_pg *open_db(void);
long long one_int(ox_pg *db, const char *sql);

/* A test whose body, a coroutine's, has a connection `db`. */
#define DB_TEST(name)                                                           \
	static void name##_body(ox_pg *db);                                     \
	static int name##_co(void *arg)                                         \
	{                                                                       \
		ox_pg *db = open_db();                                          \
		(void)arg;                                                      \
		if (db)                                                         \
			name##_body(db);                                        \
		ox_pg_close(db);                                                \
		return 0;                                                       \
	}                                                                       \
	START_TEST(name)                                                        \
	{                                                                       \
		run_real(name##_co, NULL);                                      \
	}                                                                       \
	END_TEST                                                                \
	static void name##_body(ox_pg *db)

/* main() of a test program: starts the server, runs the suite, stops the server. */
int run_with_server(Suite *(*make)(void));

#endif
