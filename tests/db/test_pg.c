/* SPDX-License-Identifier: MIT */
/* The PostgreSQL client: connecting, statements, results, errors, cancelling, a server that dies. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/db/server.h"

/* ---- connecting ---- */

static int failing_connect(const char *conninfo, const char *words)
{
	char text[256] = "";
	ox_pg *db = NULL;
	int r = ox_pg_connect(conninfo, OX_PG_OPTIONS(.error_text = text), &db);

	EXPECT(db == NULL);
	EXPECT(r < 0 && strstr(text, words));
	if (!strstr(text, words))
		fprintf(stderr, "%d: %s\n", r, text);
	return r;
}

static int connects(void *arg)
{
	char conninfo[300];

	(void)arg;
	for (int i = 0; i < 4; i++) {
		OX_AUTO_PG *db = NULL;
		OX_AUTO_PG_RESULT *res = NULL;

		switch (i) {
		case 0:
			snprintf(conninfo, sizeof(conninfo), "%s", server_conninfo());
			break;
		case 1:
			snprintf(conninfo, sizeof(conninfo), "%s", server_conninfo_tcp());
			break;
		case 2:                 /* a URL, a name that is looked up */
			snprintf(conninfo, sizeof(conninfo), "postgresql://ox:secret@localhost:%u/postgres",
			         server_port);
			break;
		default:                /* the first of two hosts is not there; the second is a Unix socket */
			snprintf(conninfo, sizeof(conninfo),
			         "host=127.0.0.1,%s port=1,%u user=ox dbname=postgres", server_folder,
			         server_port);
		}
		EXPECT_EQ(ox_pg_connect(conninfo, NULL, &db), 0);
		if (db == NULL)
			return 0;
		EXPECT(ox_pg_server_pid(db) > 0);
		EXPECT_EQ(ox_pg_query(db, "select current_user", NULL, 0, &res), 0);
		EXPECT_STR(ox_pg_value(res, 0, 0).data, "ox");
	}
	return 0;
}

START_TEST(connects_by_socket_address_name_and_to_the_second_of_two_hosts)
{
	run_real(connects, NULL);
}
END_TEST

static int refused(void *arg)
{
	char conninfo[300];

	(void)arg;
	EXPECT_EQ(failing_connect("host=127.0.0.1 port=1 user=ox", "refused"), -ECONNREFUSED);
	EXPECT_EQ(failing_connect("host=/nowhere-at-all", "No such file"), -ENOENT);
	EXPECT_EQ(failing_connect("no_such_option=1", "no_such_option"), OX_EINVAL);
	EXPECT_EQ(failing_connect("host=name.invalid user=ox", "name.invalid"), OX_EDNS);
	snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=ox dbname=postgres password=wrong",
	         server_port);
	EXPECT_EQ(failing_connect(conninfo, "28P01"), OX_EAUTH);
	snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=ox dbname=postgres", server_port);
	EXPECT_EQ(failing_connect(conninfo, "password"), OX_EAUTH);
	snprintf(conninfo, sizeof(conninfo), "host=%s port=%u user=ox dbname=nothing", server_folder,
	         server_port);
	EXPECT_EQ(failing_connect(conninfo, "3D000"), OX_EDB);
	return 0;
}

START_TEST(a_connect_that_fails_says_why)
{
	run_real(refused, NULL);
}
END_TEST

static int too_many(void *arg)
{
	ox_pg *dbs[40] = { NULL };
	char text[256];
	int n = 0, r;

	(void)arg;
	do
		r = ox_pg_connect(server_conninfo(), OX_PG_OPTIONS(.error_text = text), &dbs[n]);
	while (r == 0 && ++n < 40);
	EXPECT_EQ(r, OX_EDB);
	EXPECT_EQ(n, 24);
	EXPECT(strstr(text, "53300"));
	while (n-- > 0)
		ox_pg_close(dbs[n]);
	return 0;
}

START_TEST(one_connection_too_many_is_refused_with_its_sqlstate)
{
	run_real(too_many, NULL);
}
END_TEST

/* ---- TLS ---- */

static const char *conninfo_tls(const char *sslmode, const char *root)
{
	static char conninfo[400];

	snprintf(conninfo, sizeof(conninfo),
	         "host=localhost port=%u user=ox dbname=postgres password=secret sslmode=%s sslrootcert=%s/data/%s",
	         server_port, sslmode, server_folder, root);
	return conninfo;
}

static int tls(void *arg)
{
	ox_pg *db = NULL;
	OX_AUTO_PG_RESULT *res = NULL;
	char *text = malloc(3000001);
	ox_scope s;

	(void)arg;
	memset(text, 'z', 3000000);
	text[3000000] = '\0';
	EXPECT_EQ(ox_pg_connect(conninfo_tls("verify-full", "server.crt"), NULL, &db), 0);
	EXPECT_EQ(one_int(db, "select count(*) from pg_stat_ssl where ssl and pid = pg_backend_pid()"), 1);
	EXPECT_EQ(ox_pg_query(db, "select $1::text || $1", OX_VALUES(ox_text(text)), &res), 0);
	EXPECT_EQ(ox_pg_value(res, 0, 0).len, 6000000);
	ox_scope_enter(&s, OX_MS(50));
	EXPECT_EQ(ox_scope_leave(&s, ox_pg_query(db, "select pg_sleep(30)", NULL, 0, NULL)), OX_ETIMEDOUT);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	ox_pg_close(db);
	EXPECT_EQ(failing_connect(conninfo_tls("verify-full", "nowhere.crt"), "certificate"), OX_ETLS);
	free(text);
	return 0;
}

START_TEST(a_tls_connection_is_verified_by_the_name_that_was_looked_up)
{
	if (strcmp(psql("show ssl"), "on") != 0)
		SKIP("no openssl(1) to make a certificate with");
	run_real(tls, NULL);
}
END_TEST

/* A server without TLS, to the request of eight bytes. */
static int refuse_tls(void *arg)
{
	ox_stream *s = NULL;
	char request[8];

	EXPECT_EQ(ox_accept(arg, &s), 0);
	EXPECT_EQ(ox_read_exact(s, request, sizeof(request), NULL), 0);
	ox_write(s, "N", 1);
	ox_close(s);
	return 0;
}

static int no_tls(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	char address[64], conninfo[128];
	ox_group *g;

	(void)arg;
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &l), 0);
	ox_listener_address(l, address, sizeof(address));
	snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%s user=ox sslmode=require", strrchr(address, ':') + 1);
	g = ox_group_open();
	ox_spawn(g, refuse_tls, l);
	EXPECT_EQ(failing_connect(conninfo, "does not support SSL"), OX_ETLS);
	ox_group_close(g);
	return 0;
}

START_TEST(a_server_without_tls_is_refused_where_it_is_required)
{
	run_real(no_tls, NULL);
}
END_TEST

/* A listener whose queue is full answers no further SYN, like a host that is not there. */
static int silent_host(void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fillers[4];
	char conninfo[300];
	ox_pg *db = NULL;

	(void)arg;
	EXPECT(bind(full, (struct sockaddr *)&a, len) == 0 && listen(full, 0) == 0);
	EXPECT_EQ(getsockname(full, (struct sockaddr *)&a, &len), 0);
	for (int i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		EXPECT(connect(fillers[i], (struct sockaddr *)&a, len) == 0 || errno == EINPROGRESS);
	}
	snprintf(conninfo, sizeof(conninfo),
	         "host=127.0.0.1,%s port=%d,%u user=ox dbname=postgres connect_timeout=1", server_folder,
	         ntohs(a.sin_port), server_port);
	EXPECT_EQ(ox_pg_connect(conninfo, NULL, &db), 0);
	EXPECT_EQ(one_int(db, "select 1"), 1);
	ox_pg_close(db);
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	close(full);
	return 0;
}

START_TEST(a_host_that_does_not_answer_is_passed_over)
{
	run_real(silent_host, NULL);
}
END_TEST

static int accept_and_say_nothing(void *arg)
{
	ox_stream *s = NULL;
	char byte[64];

	EXPECT_EQ(ox_accept(arg, &s), 0);
	while (ox_read(s, byte, sizeof(byte)) > 0)
		;
	ox_close(s);
	return 0;
}

static int mute(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	char address[64], conninfo[128], text[256] = "";
	ox_pg *db = NULL;
	ox_group *g;
	ox_scope s;

	(void)arg;
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &l), 0);
	ox_listener_address(l, address, sizeof(address));
	snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%s user=ox", strrchr(address, ':') + 1);
	g = ox_group_open();
	ox_spawn(g, accept_and_say_nothing, l);
	EXPECT_EQ(
	        ox_pg_connect(conninfo, OX_PG_OPTIONS(.connect_timeout = OX_MS(50), .error_text = text), &db),
	        OX_ETIMEDOUT);
	EXPECT_STR(text, "timed out");
	EXPECT_EQ(ox_group_join(g), 0);
	ox_spawn(g, accept_and_say_nothing, l);
	ox_scope_enter(&s, OX_MS(50));
	EXPECT_EQ(ox_pg_connect(conninfo, NULL, &db), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	ox_group_close(g);
	return 0;
}

START_TEST(connecting_to_a_mute_server_ends_at_the_limit_and_at_the_deadline)
{
	run_real(mute, NULL);
}
END_TEST

/* ---- values ---- */

DB_TEST(parameters_of_every_kind_arrive_and_come_back)
{
	OX_AUTO_PG_RESULT *res = NULL;

	EXPECT_EQ(
	        ox_pg_query(db,
	                    "select $1::int8, $2::float8, $3::text, $4::bytea, $5::text, $6::int4, $7::text",
	                    OX_VALUES(ox_int(INT64_MIN), ox_real(0.1), ox_text("öx"), ox_binary("a\0b", 3),
	                              ox_null(), ox_text("42"), ox_text("")),
	                    &res),
	        0);
	EXPECT_EQ(ox_pg_rows(res), 1);
	EXPECT_EQ(ox_pg_columns(res), 7);
	EXPECT_EQ(ox_pg_int(res, 0, 0), INT64_MIN);
	EXPECT(ox_pg_real(res, 0, 1) == 0.1);
	EXPECT_STR(ox_pg_value(res, 0, 2).data, "öx");
	EXPECT_STR(ox_pg_value(res, 0, 3).data, "\\x610062");
	EXPECT(ox_pg_value(res, 0, 4).data == NULL);
	EXPECT_EQ(ox_pg_int(res, 0, 4), 0);
	EXPECT_EQ(ox_pg_int(res, 0, 5), 42);
	EXPECT(ox_pg_value(res, 0, 6).data != NULL && ox_pg_value(res, 0, 6).len == 0);
	EXPECT_EQ(ox_pg_column_type(res, 0), 20);
	EXPECT(ox_pg_value(res, 1, 0).data == NULL && ox_pg_value(res, 0, 7).data == NULL);
	EXPECT(ox_pg_column_name(res, 7) == NULL);
}

/* glibc forgets what it made of LOCPATH: nothing of ours. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:argz_add_sep";
}

/* As the program's locale may have it: with a comma. */
static locale_t make_german(const char *folder)
{
	char command[200];

	snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null", folder);
	if (under_valgrind() || system(command) != 0)   /* there the leak would count; no locales to make it of */
		return (locale_t)0;
	setenv("LOCPATH", folder, 1);
	return newlocale(LC_ALL_MASK, "de_DE.UTF-8", (locale_t)0);
}

DB_TEST(numbers_have_a_point_in_every_locale)
{
	char folder[] = "/tmp/oxbow-locale-XXXXXX", command[80], text[16];
	OX_AUTO_PG_RESULT *res = NULL;
	locale_t german, before;

	EXPECT(mkdtemp(folder));
	german = make_german(folder);
	if (german) {
		before = uselocale(german);
		snprintf(text, sizeof(text), "%.1f", 0.5);
		EXPECT_STR(text, "0,5");
		EXPECT_EQ(ox_pg_query(db, "select $1::numeric, $1", OX_VALUES(ox_real(1234.5)), &res), 0);
		EXPECT(res && ox_pg_real(res, 0, 0) == 1234.5);
		EXPECT_STR(ox_pg_value(res, 0, 0).data, "1234.5");
		snprintf(text, sizeof(text), "%.1f", 0.5);      /* still */
		EXPECT_STR(text, "0,5");
		uselocale(before);
		freelocale(german);
	}
	unsetenv("LOCPATH");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	EXPECT_EQ(system(command), 0);
}

DB_TEST(numbers_at_the_ends_of_their_ranges_go_there_and_back)
{
	const double ends[] = { DBL_MAX, -DBL_MAX, DBL_MIN, DBL_TRUE_MIN, DBL_EPSILON, 0.0, -0.0, INFINITY, -INFINITY };
	OX_AUTO_PG_RESULT *whole = NULL;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		OX_AUTO_PG_RESULT *res = NULL;

		EXPECT_EQ(ox_pg_query(db, "select $1::float8", OX_VALUES(ox_real(ends[i])), &res), 0);
		EXPECT(res && ox_pg_real(res, 0, 0) == ends[i] && signbit(ox_pg_real(res, 0, 0)) == signbit(ends[i]));
	}
	for (int sign = -1; sign <= 1; sign += 2) {
		OX_AUTO_PG_RESULT *res = NULL;

		EXPECT_EQ(ox_pg_query(db, "select $1::float8, $2::numeric",
		                      OX_VALUES(ox_real(copysign(NAN, sign)), ox_real(copysign(NAN, sign))), &res),
		          0);
		EXPECT(res && isnan(ox_pg_real(res, 0, 0)) && isnan(ox_pg_real(res, 0, 1)));
	}
	EXPECT_EQ(ox_pg_query(db, "select $1::int8, $2::int8", OX_VALUES(ox_int(INT64_MAX), ox_int(INT64_MIN)), &whole), 0);
	EXPECT_EQ(ox_pg_int(whole, 0, 0), INT64_MAX);
	EXPECT_EQ(ox_pg_int(whole, 0, 1), INT64_MIN);
	EXPECT_EQ(ox_pg_query(db, "select $1::int4", OX_VALUES(ox_int(INT64_MAX)), NULL), OX_EDB);
}

DB_TEST(binary_results_come_as_they_are_with_nuls_in_them)
{
	OX_AUTO_PG_RESULT *res = NULL;
	ox_bytes v;

	EXPECT_EQ(ox_pg_query_binary(db, "select $1::bytea, 258::int4", OX_VALUES(ox_binary("\0\1\0", 3)),
	                             &res),
	          0);
	v = ox_pg_value(res, 0, 0);
	EXPECT(v.len == 3 && memcmp(v.data, "\0\1\0", 3) == 0);
	v = ox_pg_value(res, 0, 1);
	EXPECT(v.len == 4 && memcmp(v.data, "\0\0\1\2", 4) == 0);
}

DB_TEST(bad_parameters_are_refused_before_anything_is_sent)
{
	static ox_value many[65536];
	ox_value v = ox_text("x");

	v.bytes = (ox_bytes){ "a\0b", 3 };
	EXPECT_EQ(ox_pg_query(db, "select $1", &v, 1, NULL), OX_EINVAL);
	v.bytes.len = (size_t)INT32_MAX + 1;
	EXPECT_EQ(ox_pg_query(db, "select $1", &v, 1, NULL), OX_ETOOBIG);
	v.kind = (ox_value_kind)77;
	EXPECT_EQ(ox_pg_query(db, "select $1", &v, 1, NULL), OX_EINVAL);
	EXPECT_EQ(ox_pg_query(db, "select 1", many, 65536, NULL), OX_EINVAL);
	EXPECT_EQ(ox_pg_query(db, NULL, NULL, 0, NULL), OX_EINVAL);
	EXPECT_EQ(ox_pg_query(NULL, "select 1", NULL, 0, NULL), OX_ENOMEM);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

DB_TEST(text_slices_need_no_nul_behind_them)
{
	OX_AUTO_PG_RESULT *res = NULL;
	ox_value v = ox_text("123456");

	v.bytes.len = 3;
	EXPECT_EQ(ox_pg_query(db, "select $1::int4", &v, 1, &res), 0);
	EXPECT_EQ(ox_pg_int(res, 0, 0), 123);
}

DB_TEST(a_huge_value_goes_there_and_back)
{
	size_t len = OX_MIB(20);
	char *data = malloc(len);
	OX_AUTO_PG_RESULT *res = NULL;
	ox_bytes v;

	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 7);
	EXPECT_EQ(ox_pg_query_binary(db, "select $1::bytea", OX_VALUES(ox_binary(data, len)), &res), 0);
	v = ox_pg_value(res, 0, 0);
	EXPECT(v.len == len && memcmp(v.data, data, len) == 0);
	free(data);
}

DB_TEST(results_without_rows_columns_or_statement_are_results)
{
	ox_pg_result *res = NULL;

	EXPECT_EQ(ox_pg_query(db, "select", NULL, 0, &res), 0);
	EXPECT(ox_pg_rows(res) == 1 && ox_pg_columns(res) == 0);
	ox_pg_result_free(res);
	EXPECT_EQ(ox_pg_query(db, "", NULL, 0, &res), 0);
	EXPECT(ox_pg_rows(res) == 0 && ox_pg_columns(res) == 0);
	ox_pg_result_free(res);
	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int)", NULL, 0, &res), 0);
	EXPECT_EQ(ox_pg_affected(res), 0);
	ox_pg_result_free(res);
	EXPECT_EQ(ox_pg_query(db, "insert into t select generate_series(1, $1)", OX_VALUES(ox_int(5)), &res),
	          0);
	EXPECT_EQ(ox_pg_affected(res), 5);
	ox_pg_result_free(res);
	EXPECT_EQ(ox_pg_query(db, "select a as \"the name\" from t where false", NULL, 0, &res), 0);
	EXPECT(ox_pg_rows(res) == 0 && ox_pg_columns(res) == 1);
	EXPECT_STR(ox_pg_column_name(res, 0), "the name");
	ox_pg_result_free(res);
}

DB_TEST(several_statements_give_the_last_result_and_end_at_the_first_failure)
{
	ox_pg_result *res = NULL;

	EXPECT_EQ(ox_pg_query(
	                  db,
	                  "create temp table t (a int); insert into t values (1), (2); select sum(a) from t",
	                  NULL, 0, &res),
	          0);
	EXPECT_EQ(ox_pg_int(res, 0, 0), 3);
	ox_pg_result_free(res);
	res = NULL;
	EXPECT_EQ(ox_pg_query(db, "insert into t values (3); select 1/0; insert into t values (4)", NULL, 0,
	                      &res),
	          OX_EDB);
	EXPECT(res == NULL);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "22012");
	EXPECT_EQ(one_int(db, "select sum(a) from t"), 3);
	EXPECT_EQ(ox_pg_query(db, "select $1::int; select 2", OX_VALUES(ox_int(1)), NULL), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "42601");
}

DB_TEST(copy_in_a_query_is_refused_and_does_not_hang)
{
	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int)", NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pg_query(db, "copy t from stdin", NULL, 0, NULL), OX_EINVAL);
	EXPECT_EQ(ox_pg_query(db, "copy (select generate_series(1, 10000000)) to stdout", NULL, 0, NULL),
	          OX_EINVAL);
	EXPECT_EQ(ox_pg_query(db, "copy t to stdout; select 1", NULL, 0, NULL), OX_EINVAL);
	EXPECT_EQ(one_int(db, "select 7"), 7);
}

DB_TEST(prepared_statements_run_and_know_their_errors)
{
	OX_AUTO_PG_RESULT *res = NULL;

	EXPECT_EQ(ox_pg_prepare(db, "add", "select $1::int + $2::int"), 0);
	EXPECT_EQ(ox_pg_execute(db, "add", OX_VALUES(ox_int(2), ox_int(3)), &res), 0);
	EXPECT_EQ(ox_pg_int(res, 0, 0), 5);
	EXPECT_EQ(ox_pg_prepare(db, "add", "select 1"), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "42P05");
	EXPECT_EQ(ox_pg_prepare(db, "bad", "selekt"), OX_EDB);
	EXPECT_EQ(ox_pg_execute(db, "add", OX_VALUES(ox_int(2)), NULL), OX_EDB);
	EXPECT_EQ(ox_pg_execute(db, "none", NULL, 0, NULL), OX_EDB);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "26000");
	EXPECT_EQ(ox_pg_execute(db, NULL, NULL, 0, NULL), OX_EINVAL);
	EXPECT_EQ(ox_pg_prepare(db, NULL, "select 1"), OX_EINVAL);
}

DB_TEST(the_same_query_by_psql_gives_the_same)
{
	static const char *const queries[] = {
		"select 1",
		"select null",
		"select 1.5::numeric, true, 'a b'",
		"select '{1,2}'::int[]",
		"select '2024-02-29'::date",
		"select pi()",
		"select repeat('x', 300)",
		"select '\\xdeadbeef'::bytea",
		"select i, i * i from generate_series(1, 5) i",
		"select 'Straße', U&'\\1F600'",
		"select interval '1 day 2 hours'",
	};

	for (size_t q = 0; q < sizeof(queries) / sizeof(queries[0]); q++) {
		OX_AUTO_PG_RESULT *res = NULL;
		char ours[2048] = "";

		EXPECT_EQ(ox_pg_query(db, queries[q], NULL, 0, &res), 0);
		for (size_t row = 0; row < ox_pg_rows(res); row++)
			for (size_t column = 0; column < ox_pg_columns(res); column++) {
				const char *text = ox_pg_value(res, row, column).data;

				strcat(ours, column > 0 ? "|" : row > 0 ? "\n" : "");
				strcat(ours, text ? text : "");
			}
		EXPECT_STR(psql(queries[q]), ours);
	}
}

/* ---- errors ---- */

DB_TEST(an_error_tells_its_story_until_the_next_call)
{
	const ox_pg_error *e = ox_pg_last_error(db);

	EXPECT_STR(e->sqlstate, "");
	EXPECT_EQ(ox_pg_query(db, "selct 1", NULL, 0, NULL), OX_EDB);
	EXPECT_STR(e->sqlstate, "42601");
	EXPECT_STR(e->severity, "ERROR");
	EXPECT(strstr(e->message, "syntax error"));
	EXPECT_EQ(e->position, 1);
	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int constraint once unique)", NULL, 0, NULL), 0);
	EXPECT_STR(e->sqlstate, "");
	EXPECT_EQ(ox_pg_query(db, "insert into t values (5), (5)", NULL, 0, NULL), OX_EDB);
	EXPECT_STR(e->sqlstate, "23505");
	EXPECT_STR(e->constraint, "once");
	EXPECT_STR(e->table, "t");
	EXPECT(strstr(e->detail, "(a)=(5)"));
	EXPECT_EQ(one_int(db, "select count(*) from t"), 0);
}

static char logged[256];

static void keep_log(void *arg, ox_log_level level, const char *text)
{
	(void)arg;
	if (level == OX_LOG_WARNING)
		snprintf(logged, sizeof(logged), "%s", text);
}

DB_TEST(notices_go_to_the_log_hook)
{
	ox_log_set(keep_log, NULL);
	EXPECT_EQ(ox_pg_query(db, "do $$begin raise warning 'mind %', 7; end$$", NULL, 0, NULL), 0);
	EXPECT_STR(logged, "postgresql: WARNING: mind 7");
	ox_log_set(NULL, NULL);
}

static int query_sleep(void *arg)
{
	return ox_pg_query(arg, "select pg_sleep(30)", NULL, 0, NULL);
}

DB_TEST(one_coroutine_at_a_time_uses_a_connection)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, query_sleep, db);

	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_pg_query(db, "select 1", NULL, 0, NULL), OX_EBUSY);
	EXPECT_EQ(ox_pg_abandon(db), OX_EBUSY);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	ox_group_close(g);
	EXPECT_EQ(one_int(db, "select 1"), 1);
}

/* ---- cancelling ---- */

static void wait_until_active(int pid)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
	         "select count(*) from pg_stat_activity where pid = %d and state = 'active' and wait_event = "
	         "'PgSleep'",
	         pid);
	for (int i = 0; i < 200 && strcmp(psql(sql), "1") != 0; i++)
		ox_sleep(OX_MS(10));
}

DB_TEST(a_cancel_reaches_the_server_and_the_connection_stays_usable)
{
	int pid = ox_pg_server_pid(db);
	char sql[128];
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, query_sleep, db);

	wait_until_active(pid);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	ox_group_close(g);
	snprintf(sql, sizeof(sql), "select state from pg_stat_activity where pid = %d", pid);
	EXPECT_STR(psql(sql), "idle");
	EXPECT_EQ(one_int(db, "select 3"), 3);
	EXPECT_EQ(ox_pg_server_pid(db), pid);
}

DB_TEST(a_deadline_travels_to_the_statement)
{
	ox_time began = ox_now();
	ox_scope s;
	int r;

	ox_scope_enter(&s, OX_MS(100));
	r = ox_pg_query(db, "select pg_sleep(30)", NULL, 0, NULL);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "57014");
	EXPECT(ox_now() - began < OX_SEC(25));
	EXPECT_EQ(one_int(db, "select 4"), 4);
}

DB_TEST(nothing_is_sent_in_a_cancelled_scope)
{
	ox_scope s;

	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_pg_query(db, "create table never ()", NULL, 0, NULL), OX_ECANCELED);
	ox_scope_leave(&s, 0);
	EXPECT_EQ(one_int(db, "select count(*) from pg_class where relname = 'never'"), 0);
}

/* A statement that commits or not, and a cancel at a random time: the result says which, always. */
DB_TEST(a_cancelled_statement_took_effect_exactly_if_it_succeeded)
{
	int expected = 0, cancelled = 0;

	EXPECT_EQ(ox_pg_query(db, "create temp table t (a int)", NULL, 0, NULL), 0);
	for (int i = 0; i < 60; i++) {
		ox_scope s;
		int r;

		ox_scope_enter(&s, OX_US(40) * (i % 20));
		r = ox_pg_query(db, "insert into t values (1)", NULL, 0, NULL);
		ox_scope_leave(&s, r);
		EXPECT(r == 0 || r == OX_ECANCELED);
		expected += r == 0;
		cancelled += r != 0;
	}
	EXPECT_EQ(one_int(db, "select count(*) from t"), expected);
	EXPECT(cancelled > 0);
}

static int deaf(void *arg)
{
	int pid;
	ox_pg *db = NULL;
	ox_scope s;
	int r;

	(void)arg;
	EXPECT_EQ(ox_pg_connect(server_conninfo(), OX_PG_OPTIONS(.cancel_limit = OX_MS(100)), &db), 0);
	pid = ox_pg_server_pid(db);
	kill(pid, SIGSTOP);
	ox_scope_enter(&s, OX_MS(20));
	r = ox_pg_query(db, "select 1", NULL, 0, NULL);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_EQ(ox_pg_query(db, "select 1", NULL, 0, NULL), OX_ECLOSED);
	EXPECT_EQ(ox_pg_server_pid(db), 0);
	kill(pid, SIGCONT);
	EXPECT(server_forgot(pid));
	ox_pg_close(db);
	return 0;
}

START_TEST(a_server_that_does_not_end_a_cancelled_statement_loses_the_connection)
{
	run_real(deaf, NULL);
}
END_TEST

static int close_it(void *arg)
{
	ox_pg_close(arg);
	return 0;
}

static int closed_under_way(void *arg)
{
	ox_pg *db = open_db();
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, query_sleep, db);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_spawn(g, close_it, db);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	ox_group_close(g);
	return 0;
}

START_TEST(closing_wakes_the_one_who_waits)
{
	run_real(closed_under_way, NULL);
}
END_TEST

/* ---- a server that dies ---- */

DB_TEST(a_killed_server_process_is_a_reset_and_then_closed)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, query_sleep, db);
	ox_pg *other = open_db();

	wait_until_active(ox_pg_server_pid(db));
	kill(ox_pg_server_pid(db), SIGKILL);            /* which makes the server restart all its processes */
	EXPECT_EQ(ox_await(f), -ECONNRESET);
	EXPECT(ox_pg_last_error(db)->message[0] != '\0');
	EXPECT_EQ(ox_pg_query(db, "select 1", NULL, 0, NULL), OX_ECLOSED);
	EXPECT_EQ(ox_pg_next(db, NULL), OX_ECLOSED);
	EXPECT_EQ(ox_pg_rollback(db), OX_ECLOSED);
	ox_group_close(g);
	for (int i = 0; i < 500 && ox_pg_query(other, "select 1", NULL, 0, NULL) == 0; i++)
		ox_sleep(OX_MS(20));
	ox_pg_close(other);                             /* it was among them */
	for (int i = 0; i < 500 && ox_pg_connect(server_conninfo(), NULL, &other) < 0; i++)
		ox_sleep(OX_MS(20));
	EXPECT_EQ(one_int(other, "select 5"), 5);
	ox_pg_close(other);
}

DB_TEST(a_shut_down_server_says_so_and_the_next_connect_works)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, query_sleep, db);
	ox_pg *other;

	wait_until_active(ox_pg_server_pid(db));
	server_restart();
	EXPECT_EQ(ox_await(f), -ECONNRESET);
	EXPECT_STR(ox_pg_last_error(db)->sqlstate, "57P01");
	ox_group_close(g);
	other = open_db();
	EXPECT_EQ(one_int(other, "select 6"), 6);
	ox_pg_close(other);
}

DB_TEST(a_whole_server_killed_is_noticed_by_idle_connections_too)
{
	ox_pg *idle = open_db(), *other;
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, query_sleep, db);

	wait_until_active(ox_pg_server_pid(db));
	server_kill();
	EXPECT_EQ(ox_await(f), -ECONNRESET);
	EXPECT_EQ(ox_pg_query(idle, "select 1", NULL, 0, NULL), -ECONNRESET);
	EXPECT_EQ(failing_connect(server_conninfo(), "refused"), -ECONNREFUSED);
	server_revive();
	other = open_db();
	EXPECT_EQ(one_int(other, "select 8"), 8);
	ox_pg_close(idle);
	ox_pg_close(other);
	ox_group_close(g);
}

/* ---- memory ---- */

static int scenario(void *arg)
{
	OX_AUTO_PG *db = NULL;
	OX_AUTO_PG_RESULT *res = NULL;
	int r = ox_pg_connect(arg, NULL, &db);

	if (r == 0)
		r = ox_pg_query(db, "select $1::int", OX_VALUES(ox_int(1)), &res);
	if (r == 0)
		r = ox_pg_prepare(db, "p", "select 1");
	if (r == 0)
		r = ox_pg_listen(db, "c");
	return r;
}

START_TEST(every_failing_allocation_is_an_error_and_no_leak)
{
	char conninfo[200];

	fails_cleanly_real(scenario, (void *)(uintptr_t)server_conninfo());
	snprintf(conninfo, sizeof(conninfo), "host=localhost port=%u user=ox dbname=postgres password=secret",
	         server_port);
	fails_cleanly_real(scenario, conninfo);
}
END_TEST

static Suite *make(void)
{
	Suite *s = suite_create("pg");
	TCase *c = new_case(s, "connecting", 30);

	tcase_add_test(c, connects_by_socket_address_name_and_to_the_second_of_two_hosts);
	tcase_add_test(c, a_connect_that_fails_says_why);
	tcase_add_test(c, one_connection_too_many_is_refused_with_its_sqlstate);
	tcase_add_test(c, a_tls_connection_is_verified_by_the_name_that_was_looked_up);
	tcase_add_test(c, a_server_without_tls_is_refused_where_it_is_required);
	tcase_add_test(c, a_host_that_does_not_answer_is_passed_over);
	tcase_add_test(c, connecting_to_a_mute_server_ends_at_the_limit_and_at_the_deadline);
	c = new_case(s, "statements", 30);
	tcase_add_test(c, parameters_of_every_kind_arrive_and_come_back);
	tcase_add_test(c, numbers_have_a_point_in_every_locale);
	tcase_add_test(c, numbers_at_the_ends_of_their_ranges_go_there_and_back);
	tcase_add_test(c, binary_results_come_as_they_are_with_nuls_in_them);
	tcase_add_test(c, bad_parameters_are_refused_before_anything_is_sent);
	tcase_add_test(c, text_slices_need_no_nul_behind_them);
	tcase_add_test(c, a_huge_value_goes_there_and_back);
	tcase_add_test(c, results_without_rows_columns_or_statement_are_results);
	tcase_add_test(c, several_statements_give_the_last_result_and_end_at_the_first_failure);
	tcase_add_test(c, copy_in_a_query_is_refused_and_does_not_hang);
	tcase_add_test(c, prepared_statements_run_and_know_their_errors);
	tcase_add_test(c, the_same_query_by_psql_gives_the_same);
	tcase_add_test(c, an_error_tells_its_story_until_the_next_call);
	tcase_add_test(c, notices_go_to_the_log_hook);
	tcase_add_test(c, one_coroutine_at_a_time_uses_a_connection);
	tcase_add_test(c, every_failing_allocation_is_an_error_and_no_leak);
	c = new_case(s, "cancelling", 30);
	tcase_add_test(c, a_cancel_reaches_the_server_and_the_connection_stays_usable);
	tcase_add_test(c, a_deadline_travels_to_the_statement);
	tcase_add_test(c, nothing_is_sent_in_a_cancelled_scope);
	tcase_add_test(c, a_cancelled_statement_took_effect_exactly_if_it_succeeded);
	tcase_add_test(c, a_server_that_does_not_end_a_cancelled_statement_loses_the_connection);
	tcase_add_test(c, closing_wakes_the_one_who_waits);
	c = new_case(s, "dying", 60);
	tcase_add_test(c, a_killed_server_process_is_a_reset_and_then_closed);
	tcase_add_test(c, a_shut_down_server_says_so_and_the_next_connect_works);
	tcase_add_test(c, a_whole_server_killed_is_noticed_by_idle_connections_too);
	return s;
}

int main(void)
{
	return run_with_server(make);
}
