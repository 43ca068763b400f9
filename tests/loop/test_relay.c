/* SPDX-License-Identifier: MIT */
/* Files into streams, and streams into streams. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/support.h"

#define SIZE (OX_MIB(1) + 12345)

static char *pattern;

static int make_file(void)
{
	char path[] = "test-relay-XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	pattern = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		pattern[i] = (char)(i * 7 + i / 251);
	EXPECT_EQ(write(fd, pattern, SIZE), SIZE);
	EXPECT_EQ(fsync(fd), 0);
	return fd;
}

/* Out of the page cache, where the file system has one of its own. */
static void forget(int fd)
{
	EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static void end_file(int fd)
{
	close(fd);
	free(pattern);
}

/* ---- files ---- */

struct sink {
	ox_stream *s;
	size_t skip, len;
};

static int expect_part(void *arg)
{
	struct sink *k = arg;
	char *buf = malloc(k->len + 1);
	size_t got;

	EXPECT_EQ(ox_read_exact(k->s, buf, k->len, &got), 0);
	EXPECT(memcmp(buf, pattern + k->skip, k->len) == 0);
	free(buf);
	return 0;
}

static int send_part(ox_stream *a, ox_stream *b, int fd, size_t offset, size_t len)
{
	OX_AUTO_GROUP *g = ox_group_open();
	struct sink k = { b, offset, len };
	size_t sent = 99;

	ox_spawn(g, expect_part, &k);
	EXPECT_EQ(ox_sendfile(a, fd, (off_t)offset, len, &sent), 0);
	EXPECT_EQ(sent, len);
	EXPECT_EQ(ox_group_join(g), 0);
	return 0;
}

static int send_parts(ox_stream *a, ox_stream *b)
{
	int fd = make_file();
	size_t sent;
	char tail[8];

	forget(fd);
	send_part(a, b, fd, 0, SIZE);
	send_part(a, b, fd, 0, SIZE);           /* cached now */
	send_part(a, b, fd, 100001, 300000);
	send_part(a, b, fd, 0, 0);
	EXPECT_EQ(ox_write(a, "<", 1), 1);      /* behind what was written before */
	EXPECT_EQ(ox_sendfile(a, fd, SIZE - 3, 10, &sent), OX_EINCOMPLETE);
	EXPECT_EQ(sent, 3);
	EXPECT_EQ(ox_read_exact(b, tail, 4, NULL), 0);
	EXPECT(tail[0] == '<' && memcmp(tail + 1, pattern + SIZE - 3, 3) == 0);
	EXPECT_EQ(ox_sendfile(a, fd, -1, 10, NULL), OX_EINVAL);
	EXPECT_EQ(ox_sendfile(a, fd, 1, SIZE_MAX, NULL), OX_EINVAL);
	EXPECT_EQ(ox_sendfile(a, -1, 0, 10, &sent), -EBADF);
	EXPECT_EQ(sent, 0);
	end_file(fd);
	ox_close(a);
	ox_close(b);
	return 0;
}

static int files(void *arg)
{
	ox_stream *a, *b;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	send_parts(a, b);
	EXPECT_EQ(ox_pipe(&b, &a), 0);
	send_parts(a, b);
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.most = 5000, .seed = 3), &a, &b), 0);
	send_parts(a, b);
	ox_test_cut_streams(70000, 9);
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	ox_test_cut_streams(0, 0);
	send_parts(a, b);
	return 0;
}

struct sending {
	ox_stream *s;
	int fd;
	size_t sent;
};

static int send_all(void *arg)
{
	struct sending *f = arg;

	return ox_sendfile(f->s, f->fd, 0, SIZE, &f->sent);
}

static int stopped(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct sending f = { .fd = make_file() };
	ox_stream *b;
	ox_future *task;
	char byte;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&f.s, &b), 0);
	task = ox_spawn(g, send_all, &f);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(task);
	EXPECT_EQ(ox_await(task), OX_ECANCELED);
	EXPECT(f.sent > 0 && f.sent < SIZE);            /* partial progress is told */
	task = ox_spawn(g, send_all, &f);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_close(b);
	EXPECT(ox_await(task) == -EPIPE || ox_await(task) == -ECONNRESET);
	ox_close(f.s);

	EXPECT_EQ(ox_stream_pair(&f.s, &b), 0);
	forget(f.fd);
	task = ox_spawn(g, send_all, &f);
	EXPECT_EQ(ox_yield(), 0);                       /* in its thread, or waiting for the reader */
	EXPECT_EQ(ox_yield(), 0);
	ox_stream_abort(f.s);
	EXPECT_EQ(ox_await(task), OX_ECLOSED);
	while (ox_read(b, &byte, 1) > 0)
		;
	ox_close(b);
	end_file(f.fd);
	return 0;
}

#define HUGE_FILE OX_MIB(48)

static int count_turns(void *arg)
{
	size_t *turns = arg;

	while (ox_yield() == 0)
		++*turns;
	return 0;
}

/* The peer's buffer takes the whole file: nothing that the sender would have to wait for. */
static int others_run(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	int room = OX_MIB(64), fd = make_file();
	size_t turns = 0, sent;
	ox_stream *a, *b;

	EXPECT_EQ(ftruncate(fd, HUGE_FILE), 0);
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	*(int *)arg = setsockopt(ox_stream_fd(a), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (*(int *)arg == 0) {
		EXPECT_EQ(ox_sendfile(a, fd, 0, HUGE_FILE, &sent), 0);      /* in the cache now */
		ox_stream_abort(a);
		ox_stream_abort(b);
		EXPECT_EQ(ox_stream_pair(&a, &b), 0);
		EXPECT_EQ(setsockopt(ox_stream_fd(a), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)), 0);
		ox_spawn(g, count_turns, &turns);
		EXPECT_EQ(ox_sendfile(a, fd, 0, HUGE_FILE, &sent), 0);
		EXPECT(turns > 0);
	}
	ox_group_cancel(g);
	ox_stream_abort(a);
	ox_stream_abort(b);
	end_file(fd);
	return 0;
}

START_TEST(sending_a_file_lets_others_run)
{
	int refused;

	fifo_only();                            /* who yields once may be drawn again at once */
	run_real(others_run, &refused);
	if (refused)
		SKIP("only root may have a socket buffer of this size");
}
END_TEST

START_TEST(files_are_sent_in_parts_over_every_kind_of_stream)
{
	run_real(files, NULL);
}
END_TEST

START_TEST(sending_a_file_stops_when_it_is_cancelled_or_nobody_reads_on)
{
	run_real(stopped, NULL);
}
END_TEST

/* ---- relays ---- */

struct relay {
	ox_stream *from, *to;
	uint64_t moved;
};

static int relay(void *arg)
{
	struct relay *r = arg;

	return ox_relay(r->from, r->to, &r->moved);
}

static int relay_both(void *arg)
{
	struct relay *r = arg;

	return ox_relay_both(r->from, r->to);
}

static int write_pattern(void *arg)
{
	int r = (int)ox_write(arg, pattern, 200000);

	EXPECT_EQ(r, 200000);
	return ox_write_eof(arg);
}

static int one_way(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	struct relay r = { .moved = 0 };
	ox_stream *a, *d;
	ox_future *f;
	char *buf = malloc(200000), c;
	int fd = make_file();

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.most = 999, .seed = 5), &a, &r.from), 0);
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 2000), &r.to, &d), 0);
	f = ox_spawn(g, relay, &r);
	ox_spawn(g, write_pattern, a);
	EXPECT_EQ(ox_read_exact(d, buf, 200000, NULL), 0);
	EXPECT(memcmp(buf, pattern, 200000) == 0);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_EQ(r.moved, 200000);
	EXPECT_EQ(ox_write(r.to, "!", 1), 1);           /* the second stream has not ended */
	EXPECT_EQ(ox_read(d, &c, 1), 1);
	EXPECT_EQ(ox_group_join(g), 0);
	ox_close(a);
	ox_close(r.from);
	ox_close(r.to);
	EXPECT_EQ(ox_relay(NULL, d, NULL), OX_ENOMEM);
	EXPECT_EQ(ox_relay(d, NULL, NULL), OX_ENOMEM);
	ox_close(d);
	free(buf);
	end_file(fd);
	return 0;
}

/* Cancelled half-way and taken up again: every byte comes once. */
static int again_and_again(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct relay r = { .moved = 0 };
	ox_stream *a, *d;
	char *buf = malloc(200000);
	int fd = make_file();
	uint64_t moved = 0;
	size_t got = 0;

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(NULL, &a, &r.from), 0);
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 3000), &r.to, &d), 0);
	ox_stream_set_high_water(r.to, 1000);
	ox_spawn(g, write_pattern, a);
	while (moved < 200000) {
		ox_future *f = ox_spawn(g, relay, &r);

		EXPECT_EQ(ox_wait_all_parked(), 0);
		ox_future_cancel(f);
		EXPECT(ox_await(f) == OX_ECANCELED || ox_await(f) == 0);
		moved += r.moved;
		EXPECT(moved > got);
		while (got < moved) {
			ssize_t n = ox_read(d, buf + got, 200000 - got);

			EXPECT(n > 0);
			got += (size_t)n;
		}
	}
	EXPECT(memcmp(buf, pattern, 200000) == 0);
	ox_stream_abort(a);
	ox_close(r.from);
	ox_close(r.to);
	ox_close(d);
	free(buf);
	end_file(fd);
	return 0;
}

static int both_ways(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct relay r = { .moved = 0 };
	ox_stream *client, *server;
	ox_future *f;
	char buf[64];

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&client, &r.from), 0);
	EXPECT_EQ(ox_stream_pair(&r.to, &server), 0);
	f = ox_spawn(g, relay_both, &r);
	EXPECT_EQ(ox_write(client, "question", 8), 8);
	EXPECT_EQ(ox_read_exact(server, buf, 8, NULL), 0);
	EXPECT_EQ(ox_write_eof(client), 0);
	EXPECT_EQ(ox_read(server, buf, 1), 0);          /* the end is passed on, */
	EXPECT_EQ(ox_write(server, "answer", 6), 6);    /* and the other way goes on */
	EXPECT_EQ(ox_read_exact(client, buf, 6, NULL), 0);
	EXPECT_EQ(ox_write_eof(server), 0);
	EXPECT_EQ(ox_read(client, buf, 1), 0);
	EXPECT_EQ(ox_await(f), 0);
	ox_close(client);
	ox_close(server);
	ox_close(r.from);
	ox_close(r.to);

	EXPECT_EQ(ox_stream_pair(&client, &r.from), 0);
	EXPECT_EQ(ox_stream_pair(&r.to, &server), 0);
	f = ox_spawn(g, relay_both, &r);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_close(server);                               /* both ways: nobody is there to write to */
	EXPECT_EQ(ox_write(client, "x", 1), 1);
	EXPECT_EQ(ox_await(f), -EPIPE);
	ox_close(client);
	ox_close(r.from);
	ox_close(r.to);
	return 0;
}

static int memory_pair(ox_stream **a, ox_stream **b)
{
	return ox_test_stream_pair(NULL, a, b);
}

/* The stream read from goes while its relay waits for the other one. */
static int closed_source(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct relay r = { .moved = 0 };
	ox_stream *a, *d;
	ox_future *f;
	char buf[64];

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(NULL, &a, &r.from), 0);
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 1), &r.to, &d), 0);
	ox_stream_set_high_water(r.to, 0);
	f = ox_spawn(g, relay, &r);
	EXPECT_EQ(ox_write(a, "abc", 3), 3);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_close(r.from);
	EXPECT_EQ(ox_read_exact(d, buf, 3, NULL), 0);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	EXPECT_EQ(r.moved, 3);
	ox_close(a);
	ox_close(r.to);
	ox_close(d);

	EXPECT_EQ(memory_pair(&a, &r.from), 0);
	EXPECT_EQ(memory_pair(&r.to, &d), 0);
	f = ox_spawn(g, relay, &r);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_write(a, "abc", 3), 3);
	EXPECT_EQ(ox_read_exact(d, buf, 3, NULL), 0);
	ox_close(r.to);                                 /* learned of at once, without another byte */
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	EXPECT_EQ(ox_write(a, "def", 3), 3);
	EXPECT_EQ(ox_read_exact(r.from, buf, 3, NULL), 0);      /* which stays in the first stream */
	ox_close(a);
	ox_close(r.from);
	ox_close(d);
	return 0;
}

static int without_memory(void *arg)
{
	ox_stream *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	int r = ox_test_stream_pair(NULL, &a, &b);

	(void)arg;
	if (r == 0)
		r = ox_test_stream_pair(NULL, &c, &d);
	if (r == 0)
		r = (int)ox_write(a, "abc", 3);
	if (r >= 0)
		r = ox_write_eof(a);
	if (r == 0)
		r = ox_write_eof(d);
	if (r == 0)
		r = ox_relay_both(b, c);
	ox_stream_abort(a);
	ox_stream_abort(b);
	ox_stream_abort(c);
	ox_stream_abort(d);
	return r;
}

START_TEST(a_relay_moves_all_bytes_and_keeps_the_second_stream_open)
{
	run_virtual(one_way, NULL);
	run_virtual(again_and_again, NULL);
	run_virtual(closed_source, NULL);
}
END_TEST

START_TEST(a_relay_both_ways_passes_the_ends_on)
{
	run_real(both_ways, NULL);
}
END_TEST

START_TEST(a_relay_without_memory_is_an_error)
{
	fails_cleanly(without_memory, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("relay");
	TCase *c = new_case(s, "relay", 20);

	tcase_add_test(c, files_are_sent_in_parts_over_every_kind_of_stream);
	tcase_add_test(c, sending_a_file_lets_others_run);
	tcase_add_test(c, sending_a_file_stops_when_it_is_cancelled_or_nobody_reads_on);
	tcase_add_test(c, a_relay_moves_all_bytes_and_keeps_the_second_stream_open);
	tcase_add_test(c, a_relay_both_ways_passes_the_ends_on);
	tcase_add_test(c, a_relay_without_memory_is_an_error);
	return run_suite(s);
}
