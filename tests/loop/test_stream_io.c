/* SPDX-License-Identifier: MIT */
/* What streams can do beyond reading and writing: cases S46 to S49 in detail, over sockets, pipes and memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/random.h"
#include "tests/support/support.h"

#define TEXT(t) ((ox_bytes){ (t), sizeof(t) - 1 })

static bool is(ox_bytes b, const char *text)
{
	return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static void put(ox_stream *s, const char *text)
{
	EXPECT_EQ(ox_write(s, text, strlen(text)), strlen(text));
}

static int memory_pair(ox_stream **a, ox_stream **b)
{
	return ox_test_stream_pair(NULL, a, b);
}

/* ---- reading ---- */

static int several_separators(void *arg)
{
	const ox_bytes ends[] = { TEXT("\n"), TEXT("\r\n"), TEXT("--end--") };
	ox_stream *a, *b;
	ox_bytes part;
	char rest[8];

	(void)arg;
	EXPECT_EQ(memory_pair(&a, &b), 0);
	put(a, "one\r\ntwo\nthree--end--four\nfive");
	EXPECT_EQ(ox_read_until_any(b, ends, 3, 3, &part), 0);          /* the longer of two that end together: 3 before it */
	EXPECT(is(part, "one\r\n"));
	EXPECT_EQ(ox_read_until_any(b, ends, 3, 100, &part), 0);
	EXPECT(is(part, "two\n"));
	EXPECT_EQ(ox_read_until_any(b, ends, 3, 4, &part), OX_EOVERRUN);
	EXPECT_EQ(part.len, 12);
	EXPECT_EQ(ox_read_until_any(b, ends, 3, 100, &part), 0);
	EXPECT(is(part, "three--end--"));
	EXPECT_EQ(ox_read_until_any(b, ends, 3, 100, &part), 0);
	EXPECT(is(part, "four\n"));
	ox_close(a);
	EXPECT_EQ(ox_read_until_any(b, ends, 3, 0, &part), OX_EINCOMPLETE);     /* 4 bytes might have begun one of 7 */
	EXPECT(is(part, "five"));
	EXPECT_EQ(ox_read_until_any(b, ends, 0, 100, &part), OX_EINVAL);
	EXPECT_EQ(ox_read_until_any(b, (ox_bytes[]){ TEXT("x"), TEXT("") }, 2, 100, &part), OX_EINVAL);
	EXPECT_EQ(ox_read(b, rest, sizeof(rest)), 0);
	ox_close(b);
	return 0;
}

static int lines(void *arg)
{
	ox_stream *a, *b;
	ox_bytes line;

	(void)arg;
	EXPECT_EQ(memory_pair(&a, &b), 0);
	put(a, "LF\nCRLF\r\n\n\r\na\rb\r\r\nfour\nlonger\nend");
	EXPECT_EQ(ox_read_line(b, 100, &line), 0);
	EXPECT(is(line, "LF"));
	EXPECT_EQ(ox_read_line(b, 4, &line), 0);                /* neither byte of the end counts */
	EXPECT(is(line, "CRLF"));
	EXPECT_EQ(ox_read_line(b, 0, &line), 0);
	EXPECT_EQ(line.len, 0);
	EXPECT_EQ(ox_read_line(b, 0, &line), 0);
	EXPECT_EQ(line.len, 0);
	EXPECT_EQ(ox_read_line(b, 100, &line), 0);
	EXPECT(is(line, "a\rb\r"));                             /* a CR alone is a byte as any other */
	EXPECT_EQ(ox_read_line(b, 4, &line), 0);
	EXPECT_EQ(ox_read_line(b, 4, &line), OX_EOVERRUN);
	EXPECT_EQ(line.len, 7);
	EXPECT_EQ(ox_read_line(b, 6, &line), 0);
	EXPECT(is(line, "longer"));
	ox_close(a);
	EXPECT_EQ(ox_read_line(b, 100, &line), OX_EINCOMPLETE);
	EXPECT(is(line, "end"));
	EXPECT_EQ(ox_read_line(b, 100, &line), OX_EINCOMPLETE);
	EXPECT_EQ(line.len, 0);
	ox_close(b);
	return 0;
}

static int send_two_late(void *arg)
{
	EXPECT_EQ(ox_sleep(OX_MS(10)), 0);
	put(arg, "ab");
	EXPECT_EQ(ox_sleep(OX_MS(10)), 0);
	put(arg, "cd");
	return 0;
}

static int peeks(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *a, *b;
	ox_bytes seen;
	char buf[8];

	(void)arg;
	EXPECT_EQ(memory_pair(&a, &b), 0);
	EXPECT_EQ(ox_peek(b, 0, &seen), 0);             /* what is there: nothing */
	EXPECT_EQ(seen.len, 0);
	ox_spawn(g, send_two_late, a);
	EXPECT_EQ(ox_peek(b, 3, &seen), 0);
	EXPECT(is(seen, "abcd"));
	EXPECT_EQ(ox_consume(b, 5), OX_EINVAL);
	EXPECT_EQ(ox_consume(b, 1), 0);
	EXPECT_EQ(ox_peek(b, 1, &seen), 0);
	EXPECT(is(seen, "bcd"));
	EXPECT_EQ(ox_read(b, buf, 2), 2);
	ox_close(a);
	EXPECT_EQ(ox_peek(b, 2, &seen), OX_EINCOMPLETE);
	EXPECT(is(seen, "d"));
	EXPECT_EQ(ox_consume(b, 1), 0);
	EXPECT_EQ(ox_peek(b, 1, &seen), OX_EINCOMPLETE);
	EXPECT_EQ(seen.len, 0);
	ox_close(b);
	return 0;
}

START_TEST(read_until_any_takes_the_separator_that_ends_first_S47)
{
	run_virtual(several_separators, NULL);
}
END_TEST

START_TEST(lines_end_with_lf_or_crlf_and_keep_to_their_limit_S47)
{
	run_virtual(lines, NULL);
}
END_TEST

START_TEST(peek_waits_for_enough_and_takes_nothing)
{
	run_virtual(peeks, NULL);
}
END_TEST

/* ---- every split ---- */

static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";

static int parse_request(ox_stream *s)
{
	ox_bytes line;
	char body[4];
	int n = 0;

	while (ox_read_line(s, 64, &line) == 0 && line.len > 0)
		n++;
	EXPECT_EQ(n, 2);
	EXPECT_EQ(ox_read_exact(s, body, 4, NULL), 0);
	EXPECT(memcmp(body, "body", 4) == 0);
	return 0;
}

static int parse_split(const ox_test_stream_options *o)
{
	ox_stream *a, *b;

	EXPECT_EQ(ox_test_stream_pair(o, &a, &b), 0);
	put(a, request);
	EXPECT_EQ(ox_write_eof(a), 0);
	parse_request(b);
	ox_close(a);
	ox_close(b);
	return 0;
}

static int every_split(void *arg)
{
	(void)arg;
	for (size_t k = 1; k < sizeof(request); k++)
		parse_split(OX_TEST_STREAM_OPTIONS(.first = k));
	for (size_t k = 1; k < sizeof(request); k++)
		parse_split(OX_TEST_STREAM_OPTIONS(.most = k));
	for (uint64_t seed = 1; seed <= 50; seed++)
		parse_split(OX_TEST_STREAM_OPTIONS(.most = 9, .seed = seed));
	return 0;
}

static int cut_sockets(void *arg)
{
	ox_stream *a, *b;
	char c[64];

	(void)arg;
	for (uint64_t seed = 0; seed < 20; seed++) {
		ox_test_cut_streams(5, seed);
		EXPECT_EQ(ox_stream_pair(&a, &b), 0);
		put(a, request);
		if (seed == 0) {
			EXPECT_EQ(ox_read(b, c, sizeof(c)), 5);
			EXPECT(memcmp(c, request, 5) == 0);
		} else {
			parse_request(b);
		}
		ox_close(a);
		ox_close(b);
	}
	ox_test_cut_streams(0, 0);
	return 0;
}

START_TEST(a_parser_sees_every_split_of_its_input)
{
	run_virtual(every_split, NULL);
	run_real(cut_sockets, NULL);
}
END_TEST

/* ---- against a plain reading of the manual ---- */

static bool ends_with(ox_bytes text, ox_bytes end)
{
	return text.len >= end.len && memcmp((const char *)text.data + text.len - end.len, end.data, end.len) == 0;
}

/* How long the first part is, and how much of it is before its separator; 0: no separator. */
static size_t first_part(ox_bytes text, const ox_bytes *ends, size_t n, size_t *ret_before)
{
	for (size_t len = 1; len <= text.len; len++) {
		size_t longest = 0;

		for (size_t i = 0; i < n; i++)
			if (ends_with((ox_bytes){ text.data, len }, ends[i]) && ends[i].len > longest)
				longest = ends[i].len;
		if (longest > 0) {
			*ret_before = len - longest;
			return len;
		}
	}
	return 0;
}

#define LEN 300u

static int random_parts(void *arg)
{
	uint64_t *rnd = arg;
	const ox_test_stream_options *o =
		OX_TEST_STREAM_OPTIONS(.most = 1 + random_below(rnd, 40), .seed = random_below(rnd, 1000));
	char text[LEN], separators[3][4];
	ox_bytes ends[3], rest = { text, LEN }, part;
	size_t n = 1 + random_below(rnd, 3), limit = random_below(rnd, 30);
	ox_stream *a, *b;

	for (size_t i = 0; i < LEN; i++)
		text[i] = (char)('a' + random_below(rnd, 3));
	for (size_t i = 0; i < n; i++) {
		ends[i] = (ox_bytes){ separators[i], 1 + random_below(rnd, 4) };
		for (size_t k = 0; k < ends[i].len; k++)
			separators[i][k] = (char)('a' + random_below(rnd, 3));
	}
	EXPECT_EQ(ox_test_stream_pair(o, &a, &b), 0);
	EXPECT_EQ(ox_write(a, text, LEN), LEN);
	EXPECT_EQ(ox_write_eof(a), 0);
	for (int r = 0; r == 0;) {
		size_t before = 0, len = first_part(rest, ends, n, &before);

		r = ox_read_until_any(b, ends, n, limit, &part);
		if (r == OX_EOVERRUN) {
			EXPECT(len == 0 || before > limit);
			EXPECT(part.len == 0 || part.len == len);
			r = ox_read_until_any(b, ends, n, SIZE_MAX, &part);
		} else {
			EXPECT(len == 0 || before <= limit);
		}
		EXPECT_EQ(r, len > 0 ? 0 : OX_EINCOMPLETE);
		EXPECT_EQ(part.len, len > 0 ? len : rest.len);
		EXPECT(memcmp(part.data, rest.data, part.len) == 0);
		rest = (ox_bytes){ (const char *)rest.data + part.len, rest.len - part.len };
	}
	ox_close(a);
	ox_close(b);
	return 0;
}

START_TEST(parts_are_the_same_however_their_bytes_come_S47)
{
	uint64_t rnd = 47;

	for (int i = 0; i < 500; i++)
		run_virtual(random_parts, &rnd);
}
END_TEST

/* ---- writing ---- */

static int gathers(void *arg)
{
	ox_bytes parts[40], none[] = { TEXT(""), TEXT("") };
	ox_stream *a, *b;
	char text[41], buf[64];

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 7), &a, &b), 0);
	for (size_t i = 0; i < 40; i++) {
		text[i] = (char)('0' + i);
		parts[i] = (ox_bytes){ &text[i], i % 5 ? 1 : 0 };
	}
	EXPECT_EQ(ox_writev(a, parts, 40), 32);
	EXPECT_EQ(ox_writev(a, none, 2), 0);
	EXPECT_EQ(ox_writev(a, (ox_bytes[]){ { text, SIZE_MAX }, { text, 2 } }, 2), OX_EINVAL);
	EXPECT_EQ(ox_read_exact(b, buf, 32, NULL), 0);
	for (size_t i = 0, k = 0; i < 40; i++)
		if (i % 5)
			EXPECT_EQ(buf[k++], text[i]);
	ox_close(a);
	ox_close(b);
	return 0;
}

static int write_six(void *arg)
{
	return (int)ox_write(arg, "666666", 6);
}

static int marks(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *first, *second;
	ox_stream *a, *b;
	char buf[64];

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 4), &a, &b), 0);
	ox_stream_set_high_water(a, 8);
	first = ox_spawn(g, write_six, a);              /* 4 on their way, 2 buffered */
	second = ox_spawn(g, write_six, a);             /* 8 buffered: at the mark */
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(ox_future_done(first) && ox_future_done(second));
	first = ox_spawn(g, write_six, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(first));
	ox_stream_set_high_water(a, 100);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(ox_future_done(first));
	ox_stream_set_high_water(a, 0);
	second = ox_spawn(g, write_six, a);
	EXPECT_EQ(ox_read_exact(b, buf, 23, NULL), 0);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(second) || ox_future_status(second) == 6);
	EXPECT_EQ(ox_read_exact(b, buf, 1, NULL), 0);
	EXPECT_EQ(ox_await(second), 6);
	ox_close(a);
	ox_close(b);
	return 0;
}

START_TEST(parts_are_written_in_order_past_what_the_peer_takes)
{
	run_virtual(gathers, NULL);
}
END_TEST

START_TEST(writers_park_above_the_high_water_mark_of_their_stream)
{
	run_virtual(marks, NULL);
}
END_TEST

/* ---- the end ---- */

static int close_in_time(void *arg)
{
	ox_time before = ox_now();
	ox_stream *a, *b;
	ox_bytes seen;
	char buf[8];

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 2), &a, &b), 0);
	put(a, "more than two");
	EXPECT_EQ(ox_close_within(a, OX_SEC(5)), OX_ETIMEDOUT);         /* nobody reads */
	EXPECT_EQ(ox_now() - before, OX_SEC(5));
	EXPECT_EQ(ox_read(b, buf, 8), 2);
	EXPECT_EQ(ox_read(b, buf, 8), -ECONNRESET);             /* a part was not taken for the whole */
	EXPECT_EQ(ox_write(b, "x", 1), -EPIPE);
	EXPECT_EQ(ox_write(b, "x", 1), -EPIPE);
	ox_close(b);

	EXPECT_EQ(memory_pair(&a, &b), 0);
	put(a, "all");
	EXPECT_EQ(ox_close_within(a, OX_SEC(5)), 0);
	EXPECT_EQ(ox_peek(b, 4, &seen), OX_EINCOMPLETE);
	EXPECT(is(seen, "all"));
	ox_close(b);
	EXPECT_EQ(ox_close_within(NULL, 1), 0);
	return 0;
}

static int read_bytes(void *arg)
{
	char buf[8];

	return (int)ox_read(arg, buf, sizeof(buf));
}

static int flush_it(void *arg)
{
	return ox_flush(arg);
}

static int eof_it(void *arg)
{
	return ox_write_eof(arg);
}

static int close_it(void *arg)
{
	return ox_close(arg);
}

/* Everybody has been woken and nobody has run when the stream goes: none of them may look at it. */
static int closed_after_the_wake(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *reader, *flusher, *finisher;
	ox_stream *a, *b;
	char buf[64];

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 4), &a, &b), 0);
	put(a, "six...");
	reader = ox_spawn(g, read_bytes, a);
	flusher = ox_spawn(g, flush_it, a);
	finisher = ox_spawn(g, eof_it, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	put(b, "for a");
	EXPECT_EQ(ox_read(b, buf, 4), 4);
	EXPECT_EQ(ox_yield(), 0);                       /* the hook of this turn wakes all three; they run after this one */
	ox_stream_abort(a);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT(ox_await(reader) == OX_ECLOSED || ox_await(reader) == 4);
	EXPECT(ox_await(flusher) == OX_ECLOSED || ox_await(flusher) == 0);
	EXPECT(ox_await(finisher) == OX_ECLOSED || ox_await(finisher) == 0);
	ox_close(b);
	return 0;
}

/* A coroutine that never has to wait lets the others run all the same, inside of some call. One of them closes. */
static bool begun;

static int read_on(void *arg)
{
	char c;
	int r;

	while ((r = (int)ox_read(arg, &c, 1)) == 1)
		begun = true;
	return r;
}

static int write_on(void *arg)
{
	int r;

	while ((r = (int)ox_write(arg, "x", 1)) == 1)
		begun = true;
	return r;
}

static int flush_on(void *arg)
{
	int r;

	while ((r = ox_flush(arg)) == 0)
		begun = true;
	return r;
}

static int peek_on(void *arg)
{
	ox_bytes b;
	int r;

	while ((r = ox_peek(arg, 1, &b)) == 0)
		begun = true;
	return r;
}

static int closed_while_busy(void *arg)
{
	ox_coro *const loops[] = { read_on, write_on, flush_on, peek_on };
	char lots[1000] = { 0 };

	(void)arg;
	for (size_t i = 0; i < 4; i++) {
		OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
		ox_stream *a, *b;
		ox_future *f;

		EXPECT_EQ(memory_pair(&a, &b), 0);
		EXPECT_EQ(ox_write(b, lots, sizeof(lots)), sizeof(lots));
		begun = false;
		f = ox_spawn(g, loops[i], a);
		while (!begun)
			EXPECT_EQ(ox_yield(), 0);
		EXPECT(!ox_future_done(f));
		ox_stream_abort(a);
		EXPECT_EQ(ox_await(f), OX_ECLOSED);
		ox_close(b);
	}
	return 0;
}

static int abort_while_closing(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *closer;
	ox_stream *a, *b;

	(void)arg;
	EXPECT_EQ(ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 4), &a, &b), 0);
	put(a, "six...");
	closer = ox_spawn(g, close_it, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_close(a), OX_ECLOSED);             /* somebody is at it */
	ox_stream_abort(a);
	EXPECT_EQ(ox_await(closer), OX_ECLOSED);
	ox_close(b);
	return 0;
}

START_TEST(close_with_a_deadline_resets_what_it_could_not_send)
{
	run_virtual(close_in_time, NULL);
}
END_TEST

START_TEST(who_only_lets_others_run_learns_of_a_close_too_S49)
{
	run_virtual(closed_while_busy, NULL);
}
END_TEST

START_TEST(who_was_woken_before_the_close_learns_of_it_S49)
{
	run_virtual(closed_after_the_wake, NULL);
	run_virtual(abort_while_closing, NULL);
}
END_TEST

/* ---- pipes ---- */

static int pipes(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *r, *w;
	char *big = calloc(1, OX_MIB(1)), c;
	ox_future *reader;
	size_t got;

	(void)arg;
	EXPECT_EQ(ox_pipe(&r, &w), 0);
	EXPECT_EQ(ox_write(r, "x", 1), OX_ECLOSED);
	EXPECT_EQ(ox_read(w, &c, 1), -EBADF);
	reader = ox_spawn(g, read_bytes, r);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	put(w, "through");
	EXPECT_EQ(ox_await(reader), 7);
	put(w, "last");
	EXPECT_EQ(ox_write_eof(w), 0);                  /* data and hang-up come with one edge */
	EXPECT_EQ(ox_stream_fd(w), -1);
	EXPECT_EQ(ox_read_exact(r, big, 5, &got), OX_EINCOMPLETE);
	EXPECT_EQ(got, 4);
	ox_close(w);
	ox_close(r);

	EXPECT_EQ(ox_pipe(&r, &w), 0);
	ox_stream_set_high_water(w, SIZE_MAX);
	EXPECT_EQ(ox_write(w, big, OX_MIB(1)), OX_MIB(1));
	ox_spawn(g, close_it, w);
	EXPECT_EQ(ox_read_exact(r, big, OX_MIB(1), NULL), 0);
	EXPECT_EQ(ox_read(r, &c, 1), 0);
	ox_close(r);

	EXPECT_EQ(ox_pipe(&r, &w), 0);
	ox_close(r);
	EXPECT_EQ(ox_write(w, "x", 1), -EPIPE);
	ox_close(w);
	free(big);
	return 0;
}

static int adopted(void *arg)
{
	ox_stream *r, *w, *s = NULL;
	char path[64], buf[8];
	int fds[2], fd;

	(void)arg;
	EXPECT_EQ(pipe(fds), 0);
	EXPECT_EQ(ox_stream_adopt(fds[0], &r), 0);
	EXPECT_EQ(ox_stream_adopt(fds[1], &w), 0);
	EXPECT(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	put(w, "piped");
	EXPECT_EQ(ox_read(r, buf, 8), 5);
	ox_close(w);
	EXPECT_EQ(ox_read(r, buf, 8), 0);
	ox_close(r);

	snprintf(path, sizeof(path), "test-fifo-%d", (int)getpid());
	EXPECT_EQ(mkfifo(path, 0600), 0);
	EXPECT_EQ(ox_stream_adopt(open(path, O_RDWR), &s), 0);
	put(s, "itself");
	EXPECT_EQ(ox_read(s, buf, 8), 6);
	ox_close(s);
	unlink(path);

	fd = posix_openpt(O_RDWR | O_NOCTTY);
	if (fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0) {
		int terminal = open(ptsname(fd), O_RDWR | O_NOCTTY);

		EXPECT_EQ(ox_stream_adopt(fd, &s), 0);
		EXPECT_EQ(write(terminal, "tty", 3), 3);
		EXPECT_EQ(ox_read(s, buf, 8), 3);
		close(terminal);
		EXPECT_EQ(ox_read(s, buf, 8), 0);       /* EIO is how a terminal says it */
		ox_close(s);
	}
	EXPECT_EQ(ox_stream_adopt(open("/proc/self/exe", O_RDONLY), &s), -EPERM);
	EXPECT_EQ(ox_stream_adopt(-1, &s), -EBADF);
	return 0;
}

START_TEST(pipes_are_streams_of_one_direction)
{
	run_real(pipes, NULL);
}
END_TEST

START_TEST(pipe_ends_fifos_and_terminals_are_adopted)
{
	run_real(adopted, NULL);
}
END_TEST

/* ---- descriptors ---- */

static int one_pipe[2];

static int passes_descriptors(void *arg)
{
	ox_stream *a, *b, *m, *n;
	ox_credentials who;
	int fds[4] = { -1, -1, -1, -1 }, more[3], before = count_fds();
	size_t got = 4;
	char buf[64], c;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	EXPECT_EQ(pipe(one_pipe), 0);
	put(a, "before");
	EXPECT_EQ(ox_send_fds(a, "two", 3, one_pipe, 2), 3);
	EXPECT_EQ(ox_read_exact(b, buf, 6, NULL), 0);           /* not a byte too many */
	EXPECT_EQ(ox_recv_fds(b, buf, sizeof(buf), fds, &got), 3);
	EXPECT_EQ(got, 2);
	EXPECT(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(write(fds[1], "!", 1), 1);                    /* it is the same pipe */
	EXPECT_EQ(read(one_pipe[0], &c, 1), 1);
	close(fds[0]);
	close(fds[1]);

	got = 4;
	put(a, "none");
	EXPECT_EQ(ox_recv_fds(b, buf, sizeof(buf), fds, &got), 4);
	EXPECT_EQ(got, 0);

	more[0] = more[1] = more[2] = one_pipe[0];
	EXPECT_EQ(ox_send_fds(a, "3", 1, more, 3), 1);
	got = 1;
	EXPECT_EQ(ox_recv_fds(b, buf, sizeof(buf), fds, &got), OX_ETOOBIG);
	EXPECT_EQ(ox_send_fds(a, "3", 1, more, 3), 1);
	EXPECT_EQ(ox_read(b, buf, sizeof(buf)), 1);             /* another call drops them */
	EXPECT_EQ(ox_send_fds(a, "", 0, more, 1), OX_EINVAL);
	EXPECT_EQ(ox_send_fds(a, "x", 1, more, 0), OX_EINVAL);
	EXPECT_EQ(ox_send_fds(a, "x", 1, more, 254), OX_EINVAL);
	EXPECT_EQ(ox_send_fds(a, "x", 1, (int[]){ -1 }, 1), -EBADF);
	EXPECT_EQ(ox_write(a, "x", 1), 1);                      /* which does not end the stream */

	EXPECT_EQ(ox_stream_credentials(a, &who), 0);
	EXPECT_EQ(who.pid, getpid());
	EXPECT_EQ(who.uid, getuid());
	EXPECT_EQ(memory_pair(&m, &n), 0);
	EXPECT_EQ(ox_stream_credentials(m, &who), OX_EINVAL);
	EXPECT_EQ(ox_send_fds(m, "x", 1, more, 1), OX_EINVAL);
	ox_close(m);
	ox_close(n);
	ox_close(a);
	EXPECT_EQ(ox_read(b, buf, sizeof(buf)), 1);
	got = 4;
	EXPECT_EQ(ox_recv_fds(b, buf, sizeof(buf), fds, &got), 0);
	ox_close(b);
	close(one_pipe[0]);
	close(one_pipe[1]);
	EXPECT_EQ(count_fds(), before);
	return 0;
}

static int receive_later(void *arg)
{
	char buf[64];
	size_t got = 1;
	int fd, r = (int)ox_recv_fds(arg, buf, sizeof(buf), &fd, &got);

	EXPECT_EQ(got, 1);                      /* untouched by a failure */
	if (r > 0)
		close(fd);
	return r;
}

static int send_behind_a_full_socket(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	char *big = calloc(1, OX_MIB(1));
	ox_stream *a, *b;
	ox_future *f;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	f = ox_spawn(g, receive_later, b);              /* waits first */
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_send_fds(a, "x", 1, (int[]){ 1 }, 1), 1);
	EXPECT_EQ(ox_await(f), 1);
	ox_stream_set_high_water(a, SIZE_MAX);
	EXPECT_EQ(ox_write(a, big, OX_MIB(1)), OX_MIB(1));
	f = ox_spawn(g, receive_later, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	free(big);
	ox_stream_abort(a);
	ox_close(b);
	return 0;
}

static int read_six(void *arg)
{
	char buf[64];
	size_t got = 0;

	while (got < 6) {
		ssize_t n = ox_read(arg, buf + got, sizeof(buf) - got);

		if (n <= 0)
			return n < 0 ? (int)n : OX_EINCOMPLETE;
		got += (size_t)n;
	}
	return memcmp(buf, "abcdef", 6) == 0 ? 0 : OX_EPROTO;
}

/* A Unix socket gives what came with descriptors for itself, and says nothing of the rest again. */
static int read_on_behind_descriptors(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *a, *b;
	ox_future *f;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	f = ox_spawn(g, read_six, b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_send_fds(a, "ab", 2, (int[]){ 1 }, 1), 2);
	put(a, "cdef");
	EXPECT_EQ(ox_wait_for(f, OX_SEC(10)), 0);
	ox_close(a);
	ox_close(b);
	return 0;
}

START_TEST(what_came_behind_dropped_descriptors_is_read)
{
	run_real(read_on_behind_descriptors, NULL);
}
END_TEST

START_TEST(descriptors_travel_with_bytes_and_never_leak)
{
	run_real(passes_descriptors, NULL);
}
END_TEST

START_TEST(receivers_of_descriptors_wait_and_are_cancelled)
{
	run_real(send_behind_a_full_socket, NULL);
}
END_TEST

/* ---- out of memory ---- */

static int scenario(ox_stream *a, ox_stream *b)
{
	char buf[16];
	ox_bytes line;
	int r = (int)ox_write(a, "line\nand more than fits", 23);

	if (r >= 0)
		r = ox_read_line(b, 100, &line);
	if (r >= 0)
		r = ox_peek(b, 2, &line);
	if (r >= 0)
		r = (int)ox_read(b, buf, sizeof(buf));
	return r < 0 ? r : 0;
}

static int memory_without_memory(void *arg)
{
	ox_stream *a, *b;
	int r = ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 8), &a, &b);

	(void)arg;
	if (r < 0)
		return r;
	r = scenario(a, b);
	ox_stream_abort(a);
	ox_stream_abort(b);
	return r;
}

static int pipes_without_memory(void *arg)
{
	ox_stream *a, *b;
	int r = (arg ? ox_pipe : ox_stream_pair)(&b, &a);

	if (r < 0)
		return r;
	r = scenario(a, b);
	ox_stream_abort(a);
	ox_stream_abort(b);
	return r;
}

/* 8 of 10 bytes are out when there is no memory to keep the others: no later bytes may follow them. */
static int gapless_without_memory(void *arg)
{
	ox_stream *a, *b;
	int r = ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 8), &a, &b), again;

	(void)arg;
	if (r < 0)
		return r;
	r = (int)ox_write(a, "0123456789", 10);
	again = (int)ox_write(a, "abc", 3);
	if (r < 0)
		EXPECT_EQ(again, OX_ENOMEM);
	ox_stream_abort(a);
	ox_stream_abort(b);
	return r < 0 ? r : again < 0 ? again : 0;
}

START_TEST(a_write_of_which_a_part_is_lost_ends_writing)
{
	fails_cleanly(gapless_without_memory, NULL);
}
END_TEST

START_TEST(streams_without_memory_are_errors_and_leave_nothing)
{
	fails_cleanly(memory_without_memory, NULL);
	fails_cleanly_real(pipes_without_memory, NULL);
	fails_cleanly_real(pipes_without_memory, "pipe");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stream-io");
	TCase *c = new_case(s, "streams", 20);

	tcase_add_test(c, read_until_any_takes_the_separator_that_ends_first_S47);
	tcase_add_test(c, lines_end_with_lf_or_crlf_and_keep_to_their_limit_S47);
	tcase_add_test(c, peek_waits_for_enough_and_takes_nothing);
	tcase_add_test(c, a_parser_sees_every_split_of_its_input);
	tcase_add_test(c, parts_are_the_same_however_their_bytes_come_S47);
	tcase_add_test(c, parts_are_written_in_order_past_what_the_peer_takes);
	tcase_add_test(c, writers_park_above_the_high_water_mark_of_their_stream);
	tcase_add_test(c, close_with_a_deadline_resets_what_it_could_not_send);
	tcase_add_test(c, who_only_lets_others_run_learns_of_a_close_too_S49);
	tcase_add_test(c, who_was_woken_before_the_close_learns_of_it_S49);
	tcase_add_test(c, pipes_are_streams_of_one_direction);
	tcase_add_test(c, pipe_ends_fifos_and_terminals_are_adopted);
	tcase_add_test(c, descriptors_travel_with_bytes_and_never_leak);
	tcase_add_test(c, what_came_behind_dropped_descriptors_is_read);
	tcase_add_test(c, receivers_of_descriptors_wait_and_are_cancelled);
	tcase_add_test(c, streams_without_memory_are_errors_and_leave_nothing);
	tcase_add_test(c, a_write_of_which_a_part_is_lost_ends_writing);
	return run_suite(s);
}
