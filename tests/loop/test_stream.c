/* SPDX-License-Identifier: MIT */
/* Streams and listeners on real sockets: cases S46 to S49. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"

static const ox_bytes newline = { "\n", 1 };

/* ---- S46 ---- */

static int s46(void *arg)
{
	ox_stream *a, *b;
	char buf[64] = { 0 };
	size_t got = 99;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	EXPECT_EQ(ox_read_exact(b, buf, 0, &got), 0);
	EXPECT_EQ(got, 0);
	EXPECT_EQ(ox_write(a, "eighteen bytes....", 18), 18);
	EXPECT_EQ(ox_write_eof(a), 0);
	EXPECT_EQ(ox_write(a, "x", 1), OX_ECLOSED);
	EXPECT_EQ(ox_read_exact(b, buf, 36, &got), OX_EINCOMPLETE);
	EXPECT_EQ(got, 18);
	EXPECT(memcmp(buf, "eighteen bytes....", 18) == 0);
	EXPECT_EQ(ox_read(b, buf, sizeof(buf)), 0);
	EXPECT_EQ(ox_write(b, "back", 4), 4);           /* the other direction still carries */
	EXPECT_EQ(ox_read_exact(a, buf, 4, NULL), 0);
	EXPECT(memcmp(buf, "back", 4) == 0);
	ox_close(a);
	ox_close(b);
	return 0;
}

#define BIG OX_MIB(3)

static int send_big_then_eof(void *arg)
{
	char *data = calloc(1, BIG);
	int r;

	EXPECT_EQ(ox_write(arg, data, BIG), BIG);
	free(data);
	r = ox_write_eof(arg);                          /* only when all of it is out */
	EXPECT_EQ(r, 0);
	return r;
}

static int s46_flush(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *a, *b;
	char *buf = malloc(BIG);
	size_t got;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	ox_spawn(g, send_big_then_eof, a);
	EXPECT_EQ(ox_read_exact(b, buf, BIG, &got), 0);
	EXPECT_EQ(ox_read(b, buf, 1), 0);
	EXPECT_EQ(ox_group_join(g), 0);
	free(buf);
	ox_close(a);
	ox_close(b);
	return 0;
}

START_TEST(end_of_stream_is_told_with_what_came_and_half_close_keeps_the_other_half_S46)
{
	run_real(s46, NULL);
	run_real(s46_flush, NULL);
}
END_TEST

/* ---- S47 ---- */

static int s47(void *arg)
{
	ox_stream *a, *b;
	ox_bytes line;
	char buf[16];

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	EXPECT_EQ(ox_write(a, "some data\nrest", 14), 14);
	EXPECT_EQ(ox_read_until(b, newline, 3, &line), OX_EOVERRUN);
	EXPECT_EQ(line.len, 10);                        /* the separator is there, too far */
	EXPECT_EQ(ox_read_until(b, newline, 100, &line), 0);
	EXPECT_EQ(line.len, 10);
	EXPECT(memcmp(line.data, "some data\n", 10) == 0);
	EXPECT_EQ(ox_read_until(b, newline, 3, &line), OX_EOVERRUN);
	EXPECT_EQ(line.len, 0);                         /* none in sight */
	EXPECT_EQ(ox_read(b, buf, sizeof(buf)), 4);     /* the buffer was left intact */
	EXPECT(memcmp(buf, "rest", 4) == 0);

	EXPECT_EQ(ox_write(a, "abc\n", 4), 4);          /* exactly at the limit */
	EXPECT_EQ(ox_read_until(b, newline, 3, &line), 0);
	EXPECT_EQ(ox_read_until(b, (ox_bytes){ "", 0 }, 3, &line), OX_EINVAL);

	EXPECT_EQ(ox_write(a, "tail", 4), 4);
	EXPECT_EQ(ox_write_eof(a), 0);
	EXPECT_EQ(ox_read_until(b, newline, 100, &line), OX_EINCOMPLETE);
	EXPECT(line.len == 4 && memcmp(line.data, "tail", 4) == 0);
	EXPECT_EQ(ox_read_until(b, newline, 100, &line), OX_EINCOMPLETE);
	EXPECT_EQ(line.len, 0);
	ox_close(a);
	ox_close(b);
	return 0;
}

static int drip(void *arg)
{
	static const char text[] = "one<sep>two<se<sep>";

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		EXPECT_EQ(ox_write(arg, text + i, 1), 1);
		EXPECT_EQ(ox_yield(), 0);
	}
	return 0;
}

static int s47_chunks(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	const ox_bytes separator = { "<sep>", 5 };
	ox_stream *a, *b;
	ox_bytes part;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	ox_spawn(g, drip, a);
	EXPECT_EQ(ox_read_until(b, separator, 100, &part), 0);
	EXPECT(part.len == 8 && memcmp(part.data, "one<sep>", 8) == 0);
	EXPECT_EQ(ox_read_until(b, separator, 100, &part), 0);
	EXPECT(part.len == 11 && memcmp(part.data, "two<se<sep>", 11) == 0);
	EXPECT_EQ(ox_group_join(g), 0);
	ox_close(a);
	ox_close(b);
	return 0;
}

START_TEST(read_until_finds_split_separators_and_keeps_to_its_limit_S47)
{
	run_real(s47, NULL);
	run_real(s47_chunks, NULL);
}
END_TEST

/* ---- S48 ---- */

static int flushed;

static int flush(void *arg)
{
	int r = ox_flush(arg);

	flushed++;
	return r;
}

static int write_a_lot(void *arg)
{
	char *data = calloc(1, BIG);
	int r = (int)ox_write(arg, data, BIG);

	free(data);
	return r;
}

static int s48(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *a, *b;
	char *buf = malloc(BIG);

	(void)arg;
	flushed = 0;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	ox_spawn(g, write_a_lot, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	for (int i = 0; i < 10; i++)
		ox_spawn(g, flush, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(flushed, 0);
	EXPECT_EQ(ox_read_exact(b, buf, BIG, NULL), 0);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(flushed, 10);
	free(buf);
	ox_close(a);
	ox_close(b);
	return 0;
}

static int s48_peer_gone(void *arg)
{
	ox_stream *a, *b;
	ssize_t n = 0;
	int rounds = 0;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	ox_close(b);
	while (n >= 0 && rounds++ < 100000) {
		n = ox_write(a, "data", 4);
		if (n >= 0)
			n = ox_flush(a);
	}
	EXPECT_EQ(n, -EPIPE);
	EXPECT_EQ(ox_write(a, "data", 4), -EPIPE);
	ox_close(a);
	return 0;
}

START_TEST(all_flushers_resume_and_writing_to_a_closed_peer_ends_S48)
{
	run_real(s48, NULL);
	run_real(s48_peer_gone, NULL);
}
END_TEST

/* ---- S49 ---- */

static int read_one(void *arg)
{
	char c;

	return (int)ox_read(arg, &c, 1);
}

static int s49(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_stream *a, *b, *c, *d;
	ox_future *reader, *writer;
	char byte;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	reader = ox_spawn(g, read_one, a);
	writer = ox_spawn(g, write_a_lot, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_read(a, &byte, 1), OX_EBUSY);
	ox_stream_abort(a);
	EXPECT_EQ(ox_stream_pair(&c, &d), 0);           /* takes the number that has become free */
	EXPECT_EQ(ox_await(reader), OX_ECLOSED);
	EXPECT_EQ(ox_await(writer), OX_ECLOSED);
	EXPECT_EQ(ox_write(c, "z", 1), 1);
	EXPECT_EQ(ox_read(d, &byte, 1), 1);
	EXPECT_EQ(byte, 'z');
	ox_close(b);
	ox_close(c);
	ox_close(d);
	return 0;
}

static int cancelled_read(void *arg)
{
	ox_stream *a, *b;
	ox_scope s;
	char buf[8];
	size_t got;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	EXPECT_EQ(ox_write(a, "abc", 3), 3);
	ox_scope_enter(&s, OX_MS(5));
	EXPECT_EQ(ox_read_exact(b, buf, 8, &got), OX_ECANCELED);
	EXPECT_EQ(got, 3);                              /* partial progress is told */
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT_EQ(ox_write(a, "d", 1), 1);
	EXPECT_EQ(ox_read(b, buf, 8), 1);
	ox_close(a);
	ox_close(b);
	return 0;
}

START_TEST(second_reader_is_refused_and_closing_wakes_who_is_parked_S49)
{
	run_real(s49, NULL);
	run_real(cancelled_read, NULL);
}
END_TEST

/* ---- listeners, connecting ---- */

static int echo(void *arg)
{
	OX_AUTO_STREAM *s = arg;
	char buf[4096];
	ssize_t n;

	while ((n = ox_read(s, buf, sizeof(buf))) > 0)
		if (ox_write(s, buf, (size_t)n) < 0)
			break;
	return 0;
}

static int serve(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));
	ox_stream *s;
	int r;

	while ((r = ox_accept(arg, &s)) == 0)
		ox_spawn(g, echo, s);
	return r;
}

static int client(void *arg)
{
	OX_AUTO_STREAM *s = NULL;
	char buf[32];
	int r = ox_connect(arg, &s);

	EXPECT_EQ(r, 0);
	for (int i = 0; r == 0 && i < 20; i++) {
		EXPECT_EQ(ox_write(s, "ping pong ping pong", 19), 19);
		r = ox_read_exact(s, buf, 19, NULL);
		EXPECT_EQ(r, 0);
		EXPECT(memcmp(buf, "ping pong ping pong", 19) == 0);
	}
	return r;
}

static int echo_over(const char *bind_to)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_LISTENER *l = NULL;
	OX_AUTO_GROUP *clients = ox_group_open();
	ox_future *server;
	char address[128];

	EXPECT_EQ(ox_listen(bind_to, NULL, &l), 0);
	EXPECT_EQ(ox_listener_address(l, address, sizeof(address)), 0);
	EXPECT_EQ(ox_listener_address(l, address, 3), OX_ETOOBIG);
	server = ox_spawn(g, serve, l);
	for (int i = 0; i < 100; i++)
		ox_spawn(clients, client, address);
	EXPECT_EQ(ox_group_join(clients), 0);
	ox_future_cancel(server);
	EXPECT_EQ(ox_await(server), OX_ECANCELED);
	return 0;
}

static int echoes(void *arg)
{
	char path[64], address[80];
	struct stat st;

	(void)arg;
	snprintf(path, sizeof(path), "test-stream-%d.sock", (int)getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	echo_over("127.0.0.1:0");
	echo_over(address);
	EXPECT(stat(path, &st) < 0);                    /* the file is gone */
	snprintf(address, sizeof(address), "unix:@oxbow-test-%d", (int)getpid());
	echo_over(address);
	return 0;
}

START_TEST(hundred_clients_echo_over_tcp_and_unix_sockets)
{
	run_real(echoes, NULL);
}
END_TEST

static int errors(void *arg)
{
	static const char *const bad[] = { "", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "1.2.3:80",
		                           "[::1:80", "local host:80", "1.2.3.4.:80", "unix:", ":80", "127.0.0.1:8x" };
	ox_listener *l, *second;
	ox_stream *s;
	char address[64];

	(void)arg;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(ox_connect(bad[i], &s), OX_EINVAL);
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &l), 0);
	EXPECT_EQ(ox_listener_address(l, address, sizeof(address)), 0);
	EXPECT_EQ(ox_listen(address, NULL, &second), -EADDRINUSE);
	ox_listener_close(l);
	EXPECT_EQ(ox_connect(address, &s), -ECONNREFUSED);
	EXPECT_EQ(ox_connect("unix:/nowhere/at/all", &s), -ENOENT);
	return 0;
}

START_TEST(bad_addresses_and_refused_connections_are_errors)
{
	run_real(errors, NULL);
}
END_TEST

static int emfile(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	struct rlimit before, tight;
	ox_stream *client_side, *s = NULL;
	char address[64];

	(void)arg;
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &l), 0);
	ox_listener_address(l, address, sizeof(address));
	EXPECT_EQ(ox_connect(address, &client_side), 0);
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &tight);
	EXPECT_EQ(ox_accept(l, &s), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
	EXPECT_EQ(ox_accept(l, &s), 0);                 /* the connection was not lost */
	ox_close(s);
	ox_close(client_side);
	return 0;
}

START_TEST(accept_without_descriptors_is_an_error_and_the_peer_waits)
{
	if (under_valgrind())
		SKIP("valgrind keeps descriptors of its own and lifts the limit");
	run_real(emfile, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stream");
	TCase *c = new_case(s, "streams", 20);

	tcase_add_test(c, end_of_stream_is_told_with_what_came_and_half_close_keeps_the_other_half_S46);
	tcase_add_test(c, read_until_finds_split_separators_and_keeps_to_its_limit_S47);
	tcase_add_test(c, all_flushers_resume_and_writing_to_a_closed_peer_ends_S48);
	tcase_add_test(c, second_reader_is_refused_and_closing_wakes_who_is_parked_S49);
	tcase_add_test(c, hundred_clients_echo_over_tcp_and_unix_sockets);
	tcase_add_test(c, bad_addresses_and_refused_connections_are_errors);
	tcase_add_test(c, accept_without_descriptors_is_an_error_and_the_peer_waits);
	return run_suite(s);
}
