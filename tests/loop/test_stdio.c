/* SPDX-License-Identifier: MIT */
/*
 * Streams over descriptors that others have too: pipes, terminals, sockets, files, and what is none of these.
 */
#include "tests/loop/folder.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <termios.h>

/* As it was before: open, and blocking for all others. */
static void expect_untouched(int fd)
{
	EXPECT(fcntl(fd, F_GETFL) >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
}

static int read_four(void *arg)
{
	char buf[4];

	return ox_read_exact(arg, buf, 4, NULL) == 0 && memcmp(buf, "abc\n", 4) == 0 ? 1 : 0;
}

/*
 * What is written to one end comes out of the stream at the other, waiting costs nobody else, and a cancelled
 * read loses nothing.
 */
static void check_reading(int fd, int other)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_stream *s = NULL;
	ox_future *f;

	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	expect_untouched(fd);
	f = ox_spawn(g, read_four, s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), 0);
	f = ox_spawn(g, read_four, s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(write(other, "abc\n", 4), 4);
	EXPECT_EQ(ox_await(f), 1);
	expect_untouched(fd);
	EXPECT_EQ(ox_close(s), 0);
	expect_untouched(fd);
}

static void check_writing(int fd, int other)
{
	static char big[300000], got[1000];
	ox_stream *s = NULL;
	size_t n = 0;

	memset(big, 'x', sizeof(big));
	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	EXPECT_EQ(ox_write(s, "hello", 5), 5);
	EXPECT_EQ(ox_flush(s), 0);
	EXPECT_EQ(read(other, got, sizeof(got)), 5);
	expect_untouched(fd);
	ox_scope scope;
	ox_scope_enter(&scope, OX_NEVER);
	ox_scope_cancel(&scope);
	EXPECT_EQ(ox_write(s, "x", 1), OX_ECANCELED);
	ox_scope_leave(&scope, 0);
	ox_stream_set_high_water(s, sizeof(big));
	EXPECT_EQ(ox_write(s, big, sizeof(big)), sizeof(big));  /* more than any of them takes at once */
	EXPECT_EQ(fcntl(other, F_SETFL, O_NONBLOCK), 0);
	while (n < sizeof(big)) {
		ssize_t k = read(other, got, sizeof(got));

		if (k > 0)
			n += (size_t)k;
		else
			EXPECT_EQ(ox_wait_fd(other, OX_READABLE), OX_READABLE);
	}
	EXPECT_EQ(n, sizeof(big));
	EXPECT_EQ(ox_close(s), 0);
	expect_untouched(fd);
}

static int through_pipes(void *arg)
{
	int fds[2];

	(void)arg;
	EXPECT_EQ(pipe(fds), 0);
	check_reading(fds[0], fds[1]);
	check_writing(fds[1], fds[0]);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

START_TEST(pipes_stay_blocking_for_others)
{
	run_virtual(through_pipes, NULL);
}
END_TEST

static int through_sockets(void *arg)
{
	ox_stream *s;
	int fds[2];
	char c;

	(void)arg;
	EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_reading(fds[0], fds[1]);
	check_writing(fds[0], fds[1]);
	EXPECT_EQ(ox_stream_borrow(fds[0], &s), 0);
	EXPECT_EQ(close(fds[1]), 0);
	EXPECT_EQ(ox_read(s, &c, 1), 0);
	ox_stream_abort(s);
	expect_untouched(fds[0]);
	close(fds[0]);
	return 0;
}

START_TEST(sockets_stay_blocking_for_others)
{
	run_virtual(through_sockets, NULL);
}
END_TEST

static int through_terminals(void *arg)
{
	struct termios raw;
	ox_stream *s;
	char buf[16] = "";
	int master, slave;

	(void)arg;
	EXPECT_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	raw.c_lflag |= ICANON;                          /* lines, without echo */
	tcsetattr(slave, TCSANOW, &raw);
	check_reading(slave, master);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	check_writing(slave, master);
	EXPECT_EQ(fcntl(master, F_SETFL, 0), 0);
	check_reading(master, slave);                   /* a master cannot be opened again: threads */
	EXPECT_EQ(ox_stream_borrow(slave, &s), 0);
	EXPECT_EQ(write(master, "x", 1), 1);
	EXPECT_EQ(ox_read(s, buf, sizeof(buf)), 1);
	close(master);
	EXPECT_EQ(ox_read(s, buf, sizeof(buf)), 0);     /* hung up */
	EXPECT_EQ(ox_close(s), 0);
	close(slave);
	return 0;
}

START_TEST(terminals_stay_blocking_for_others)
{
	run_virtual(through_terminals, NULL);
}
END_TEST

/* ---- files ---- */

static int files(void *arg)
{
	OX_AUTO_CONTENTS *c = NULL;
	ox_stream *s;
	ox_bytes line;
	char rest[8];
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)arg;
	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	for (int i = 0; i < 50000; i++)
		EXPECT_EQ(ox_write(s, "line\n", 5), 5);
	EXPECT_EQ(ox_close(s), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 250000);      /* the position is shared */
	EXPECT_EQ(ox_file_load("f", SIZE_MAX, &c), 0);
	EXPECT_EQ(c ? c->len : 0, 250000);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	for (int i = 0; i < 50000; i++) {
		EXPECT_EQ(ox_read_line(s, 100, &line), 0);
		EXPECT(line.len == 4 && memcmp(line.data, "line", 4) == 0);
	}
	EXPECT_EQ(ox_read(s, rest, sizeof(rest)), 0);
	EXPECT_EQ(write(fd, "more", 4), 4);             /* it has grown meanwhile */
	EXPECT_EQ(lseek(fd, -4, SEEK_CUR), 250000);
	EXPECT_EQ(ox_read(s, rest, sizeof(rest)), 4);
	EXPECT_EQ(ox_close(s), 0);
	close(fd);
	return 0;
}

START_TEST(regular_files_are_streams_too)
{
	run_virtual(files, NULL);
}
END_TEST

static int uncached(void *arg)
{
	ox_stream *s;
	char buf[4];
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)arg;
	EXPECT_EQ(write(fd, "abcd", 4), 4);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	EXPECT_EQ(ox_read(s, buf, 1), 1);
	EXPECT_EQ(ox_read(s, buf, 4), 3);
	EXPECT(memcmp(buf, "bcd", 3) == 0);
	EXPECT_EQ(ox_read(s, buf, 4), 0);
	EXPECT_EQ(ox_close(s), 0);
	close(fd);
	return 0;
}

START_TEST(what_a_file_has_not_in_memory_comes_from_a_thread)
{
	run_virtual(uncached, NULL);
}
END_TEST

static int devices(void *arg)
{
	ox_stream *s;
	char c;
	int fd = open("/dev/null", O_RDWR);

	(void)arg;
	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	EXPECT_EQ(ox_read(s, &c, 1), 0);
	EXPECT_EQ(ox_write(s, "x", 1), 1);
	EXPECT_EQ(ox_close(s), 0);
	close(fd);
	fd = open("/dev/full", O_WRONLY);
	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	EXPECT_EQ(ox_write(s, "x", 1), 1);
	EXPECT_EQ(ox_flush(s), -ENOSPC);
	EXPECT_EQ(ox_write(s, "x", 1), -ENOSPC);
	EXPECT_EQ(ox_close(s), -ENOSPC);
	close(fd);
	return 0;
}

START_TEST(devices_are_streams_too_and_a_full_one_says_so)
{
	run_virtual(devices, NULL);
}
END_TEST

static ox_stream *left_open;

/* An eventfd can be polled, but not opened again. */
static int odd_ones(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	uint64_t n = 5, got = 0;
	int fd = eventfd(0, EFD_CLOEXEC);
	ox_stream *s;
	ox_future *f;

	(void)arg;
	EXPECT_EQ(ox_stream_borrow(fd, &s), 0);
	f = ox_spawn(g, read_four, s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_EQ(ox_write(s, &n, sizeof(n)), sizeof(n));
	EXPECT_EQ(ox_read_exact(s, &got, sizeof(got), NULL), 0);
	EXPECT_EQ(got, 5);
	f = ox_spawn(g, read_four, s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_close(s), 0);                      /* while a thread waits for it */
	EXPECT_EQ(ox_await(f), 0);
	expect_untouched(fd);
	close(fd);
	return 0;
}

START_TEST(closing_ends_the_wait_of_a_thread)
{
	run_virtual(odd_ones, NULL);
}
END_TEST

static int leave_reading(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f;

	EXPECT_EQ(ox_stream_borrow(*(int *)arg, &left_open), 0);
	f = ox_spawn(g, read_four, left_open);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	return ox_await(f);
}

START_TEST(a_thread_that_waits_does_not_hold_up_the_end_of_the_loop)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	run_virtual(leave_reading, &fd);
	ox_stream_abort(left_open);
	close(fd);
}
END_TEST

/* ---- a whole program ---- */

static int upper(void *arg)
{
	ox_stream *in, *out;
	ox_bytes line;
	char text[64];
	int r = ox_stdin(&in);

	(void)arg;
	if (r == 0)
		r = ox_stdout(&out);
	if (r < 0)
		return r;
	while ((r = ox_read_line(in, 60, &line)) == 0) {
		for (size_t i = 0; i < line.len; i++)
			text[i] = (char)(((const char *)line.data)[i] - 'a' + 'A');
		text[line.len] = '\n';
		ox_write(out, text, line.len + 1);
	}
	ox_close(in);
	ox_close(out);
	return r == OX_EINCOMPLETE ? 0 : 1;
}

/* Runs this program again, with its standard streams as in a shell's redirection. */
static void play(const char *redirection, const char *want)
{
	char command[256], got[64] = "", exe[128] = "";
	FILE *f;

	ck_assert_int_gt(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
	snprintf(command, sizeof(command), redirection, exe);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	(void)!fread(got, 1, sizeof(got) - 1, f);
	ck_assert_int_eq(pclose(f), 0);
	ck_assert_str_eq(got, want);
}

START_TEST(a_filter_works_with_pipes_and_files)
{
	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	play("printf 'one\\ntwo\\n' | %s upper", "ONE\nTWO\n");
	play("printf 'one\\n' >in && %s upper <in >out && cat out", "ONE\n");
	play("printf 'one\\n' | %s upper >>out; cat out", "ONE\nONE\n");
	play("%s upper </dev/null", "");
}
END_TEST

/* ---- trouble ---- */

static int first_error(void *arg)
{
	int fds[2], file = open("f", O_RDWR | O_CREAT, 0644), r;
	ox_stream *a = NULL, *b = NULL, *c = NULL;
	char byte;

	(void)arg;
	if (pipe(fds) < 0)
		return 1;
	r = ox_stream_borrow(fds[1], &a);
	if (r == 0)
		r = ox_stream_borrow(fds[0], &b);
	if (r == 0)
		r = ox_stream_borrow(file, &c);
	if (r == 0)
		r = (int)ox_write(a, "x", 1);
	if (r == 1)
		r = (int)ox_read(b, &byte, 1);
	if (r == 1)
		r = (int)ox_write(c, "x", 1);
	if (r == 1)
		r = ox_flush(c);
	ox_stream_abort(a);
	ox_stream_abort(b);
	ox_stream_abort(c);
	close(fds[0]);
	close(fds[1]);
	close(file);
	return r;
}

static int first_error_of_our_own(void *arg)
{
	ox_stream *in = NULL, *out = NULL;
	int r = ox_stdin(&in);

	(void)arg;
	if (r == 0)
		r = ox_stdout(&out);
	ox_stream_abort(in);
	ox_stream_abort(out);
	return r;
}

START_TEST(every_allocation_may_fail)
{
	fails_cleanly(first_error, NULL);
	fails_cleanly(first_error_of_our_own, NULL);
}
END_TEST

static int refusals(void *arg)
{
	ox_stream *s = arg;

	EXPECT_EQ(ox_stream_borrow(-1, &s), -EBADF);
	EXPECT(s == arg);
	return 0;
}

START_TEST(what_is_not_open_is_refused)
{
	ox_stream *s;

	run_virtual(refusals, NULL);
	ck_assert_int_eq(ox_stream_borrow(0, &s), OX_ESTATE);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s;
	TCase *c;

	if (argc == 2 && strcmp(argv[1], "upper") == 0)
		return ox_run(upper, NULL, NULL);
	s = suite_create("stdio");
	c = folder_case(s, "kinds", 20);
	tcase_add_test(c, pipes_stay_blocking_for_others);
	tcase_add_test(c, sockets_stay_blocking_for_others);
	tcase_add_test(c, terminals_stay_blocking_for_others);
	tcase_add_test(c, regular_files_are_streams_too);
	tcase_add_test(c, what_a_file_has_not_in_memory_comes_from_a_thread);
	tcase_add_test(c, devices_are_streams_too_and_a_full_one_says_so);
	tcase_add_test(c, closing_ends_the_wait_of_a_thread);
	tcase_add_test(c, a_thread_that_waits_does_not_hold_up_the_end_of_the_loop);
	c = folder_case(s, "programs", 20);
	tcase_add_test(c, a_filter_works_with_pipes_and_files);
	tcase_add_test(c, what_is_not_open_is_refused);
	tcase_add_test(c, every_allocation_may_fail);
	return run_suite(s);
}
