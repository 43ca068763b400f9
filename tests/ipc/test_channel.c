/* SPDX-License-Identifier: MIT */
/*
 * Channels between real processes. A worker is forked before the parent's channel is made (never fork with a context), and
 * gets its name by a pipe.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "tests/support/support.h"

enum { DEADLINE_MS = 30000 };

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- workers ---- */

struct kid {
	pid_t pid;
	int name;               /* where its name is written to */
};

typedef int kid_fn(struct oxi_channel *c);

static void kid_main(int name_fd, pid_t parent, kid_fn *fn)
{
	char name[OXI_CHANNEL_NAME];
	struct oxi_channel *c;
	int r;

	if (read(name_fd, name, sizeof(name)) != sizeof(name))
		_exit(99);
	if (oxi_channel_new_worker(name, oxi_channel_prepare(), parent, &c) < 0 || oxi_channel_await_parent(c) < 0)
		_exit(98);
	r = fn(c);
	if (oxi_channel_intact(c))
		oxi_channel_free(c);
	_exit(r);
}

static struct kid start_kid(kid_fn *fn)
{
	struct kid k;
	pid_t parent = getpid();
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	k.pid = fork();
	ck_assert_int_ge(k.pid, 0);
	if (k.pid == 0) {
		close(p[1]);
		kid_main(p[0], parent, fn);
	}
	close(p[0]);
	k.name = p[1];
	return k;
}

static void name_kid(struct kid *k, const char name[OXI_CHANNEL_NAME])
{
	ck_assert_int_eq(write(k->name, name, OXI_CHANNEL_NAME), OXI_CHANNEL_NAME);
	close(k->name);
}

static int end_of_kid(struct kid *k)
{
	int status;

	ck_assert_int_eq(waitpid(k->pid, &status, 0), k->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int say(struct oxi_channel *c, uint8_t type)
{
	return oxi_channel_send(c, NULL, &(struct oxi_header){ .type = type }, NULL);
}

/* Says HELLO, sends back what comes, until DRAIN. */
static int echo(struct oxi_channel *c)
{
	if (say(c, OXI_HELLO) < 0)
		return 1;
	for (;;) {
		struct oxi_received m;
		int r = oxi_channel_wait(c, -1, -1);

		if (r < 0)
			return 2;
		while ((r = oxi_channel_receive(c, &m)) > 0) {
			if (m.header.type == OXI_DRAIN)
				return 0;
			if (m.len > 0 && (uintptr_t)m.body % 16 != 0)
				return 3;
			if (oxi_channel_send(c, NULL, &m.header, m.body) < 0)
				return 4;
		}
		if (r < 0)
			return 5;
	}
}

/* ---- the parent's side ---- */

/* Waits by the rule of the pump: the state first, then the descriptor. */
static void receive(struct oxi_channel *c, struct oxi_received *m)
{
	int64_t end = now_ms() + DEADLINE_MS;

	for (;;) {
		struct pollfd p = { .fd = oxi_channel_fd(c), .events = POLLIN };
		int r = oxi_channel_receive(c, m);

		ck_assert_int_ge(r, 0);
		if (r > 0)
			return;
		ck_assert_msg(now_ms() < end, "no message within the deadline");
		if (!oxi_channel_pending(c))
			poll(&p, 1, (int)(end - now_ms()));
	}
}

static struct oxi_channel *open_parent(struct kid *k, char name[OXI_CHANNEL_NAME], struct oxi_peer *peer)
{
	struct oxi_channel *c;
	struct oxi_received m;

	ck_assert_int_eq(oxi_channel_new_parent(&c), 0);
	ck_assert_int_eq(oxi_channel_make_name(name), 0);
	name_kid(k, name);
	ck_assert_int_eq(oxi_channel_expect(c, name), 0);
	receive(c, &m);
	ck_assert_uint_eq(m.header.type, OXI_HELLO);
	*peer = m.peer;
	return c;
}

static void tell(struct oxi_channel *c, const struct oxi_peer *peer, uint8_t type)
{
	ck_assert_int_eq(oxi_channel_send(c, peer, &(struct oxi_header){ .type = type }, NULL), 0);
}

/* ---- tests ---- */

START_TEST(bodies_of_any_size_come_back_as_they_went)
{
	static const size_t sizes[] = { 0, 1, 33, 48, 4096, 8191, 1 << 20, 64 << 20 };
	struct kid k = start_kid(echo);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct oxi_header h = { .type = OXI_JOBS, .epoch = 7, .generation = (uint32_t)i, .length = sizes[i] };
		uint8_t *data = malloc(sizes[i] + 1);
		struct oxi_received m;

		for (size_t k2 = 0; k2 < sizes[i]; k2++)
			data[k2] = (uint8_t)(k2 * 31 + i);
		if (i % 2 == 0) {
			ck_assert_int_eq(oxi_channel_send(c, &peer, &h, data), 0);
		} else {
			memcpy(oxi_channel_body(c, sizes[i] + 100), data, sizes[i]);
			ck_assert_int_eq(oxi_channel_send_body(c, &peer, &h, sizes[i]), 0);
		}
		receive(c, &m);
		ck_assert_uint_eq(m.len, sizes[i]);
		ck_assert_uint_eq(m.header.generation, i);
		ck_assert_uint_eq(m.header.epoch, 7);
		ck_assert(sizes[i] == 0 || memcmp(m.body, data, sizes[i]) == 0);
		free(data);
	}
	tell(c, &peer, OXI_DRAIN);
	ck_assert_int_eq(end_of_kid(&k), 0);
	oxi_channel_free(c);
}
END_TEST

START_TEST(a_hundred_thousand_messages_never_stall_the_pump)
{
	enum { TOTAL = 100000, BURST = 700 };
	struct kid k = start_kid(echo);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);
	int64_t end = now_ms() + DEADLINE_MS;
	unsigned sent = 0, got = 0;

	while (got < TOTAL) {
		struct pollfd p = { .fd = oxi_channel_fd(c), .events = POLLIN };
		struct oxi_received m;

		for (int i = 0; i < BURST && sent < TOTAL && sent - got < 5000; i++) {
			struct oxi_header h = { .type = OXI_JOBS, .epoch = sent++ };

			ck_assert_int_eq(oxi_channel_send(c, &peer, &h, NULL), 0);
		}
		for (int i = 0; i < 64 && oxi_channel_receive(c, &m) > 0; i++)
			ck_assert_uint_eq(m.header.epoch, got++);
		if (!oxi_channel_pending(c) && (sent == TOTAL || sent - got == 5000) && got < TOTAL)
			ck_assert_msg(poll(&p, 1, (int)(end - now_ms())) == 1, "stalled at %u of %u", got, sent);
	}
	tell(c, &peer, OXI_DRAIN);
	ck_assert_int_eq(end_of_kid(&k), 0);
	oxi_channel_free(c);
}
END_TEST

START_TEST(many_workers_are_told_apart)
{
	enum { KIDS = 6 };
	struct kid kids[KIDS];
	struct oxi_peer peers[KIDS];
	struct oxi_channel *c;
	struct oxi_received m;

	for (int i = 0; i < KIDS; i++)
		kids[i] = start_kid(echo);
	ck_assert_int_eq(oxi_channel_new_parent(&c), 0);
	for (int i = 0; i < KIDS; i++) {
		char name[OXI_CHANNEL_NAME];

		ck_assert_int_eq(oxi_channel_make_name(name), 0);
		ck_assert_int_eq(oxi_channel_expect(c, name), 0);
		name_kid(&kids[i], name);
		receive(c, &m);
		peers[i] = m.peer;
	}
	for (int i = 0; i < KIDS; i++) {
		struct oxi_header h = { .type = OXI_PING, .generation = (uint32_t)i };

		ck_assert_int_eq(oxi_channel_send(c, &peers[i], &h, NULL), 0);
		receive(c, &m);
		ck_assert_uint_eq(m.header.generation, i);
		ck_assert_mem_eq(&m.peer, &peers[i], sizeof(m.peer));
		tell(c, &peers[i], OXI_DRAIN);
		ck_assert_int_eq(end_of_kid(&kids[i]), 0);
	}
	oxi_channel_free(c);
}
END_TEST

START_TEST(every_name_is_fresh_and_a_name_that_nobody_takes_can_be_forgotten)
{
	char a[OXI_CHANNEL_NAME], b[OXI_CHANNEL_NAME];
	struct oxi_channel *c;

	ck_assert_int_eq(oxi_channel_new_parent(&c), 0);
	ck_assert_int_eq(oxi_channel_make_name(a), 0);
	ck_assert_int_eq(oxi_channel_make_name(b), 0);
	ck_assert_int_eq(oxi_channel_expect(c, a), 0);
	ck_assert_int_eq(oxi_channel_expect(c, b), 0);
	ck_assert_str_ne(a, b);
	ck_assert_uint_eq(strlen(a), strlen("@oxbow-") + 32);
	ck_assert_int_eq(strncmp(a, "@oxbow-", 7), 0);
	oxi_channel_forget(c, a);
	oxi_channel_forget(c, b);
	oxi_channel_forget(c, b);
	oxi_channel_free(c);
}
END_TEST

static int send_nonsense(struct oxi_channel *c)
{
	struct oxi_header h = { .type = 0 };

	oxi_channel_send(c, NULL, &h, NULL);
	h.type = 200;
	oxi_channel_send(c, NULL, &h, NULL);
	h = (struct oxi_header){ .type = OXI_RESULTS, .count = 1, .length = 8 };
	oxi_channel_send(c, NULL, &h, "12345678");
	return echo(c);
}

START_TEST(malformed_messages_are_dropped_and_counted)
{
	struct kid k = start_kid(send_nonsense);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);

	ck_assert_uint_eq(oxi_channel_malformed(c), 3);
	tell(c, &peer, OXI_DRAIN);
	ck_assert_int_eq(end_of_kid(&k), 0);
	oxi_channel_free(c);
}
END_TEST

START_TEST(a_killed_worker_is_unreachable_before_long)
{
	struct kid k = start_kid(echo);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);
	struct oxi_header h = { .type = OXI_PING };
	int64_t end = now_ms() + DEADLINE_MS;
	int r;

	kill(k.pid, SIGKILL);
	ck_assert_int_eq(end_of_kid(&k), -SIGKILL);
	while ((r = oxi_channel_send(c, &peer, &h, NULL)) == 0)
		ck_assert_int_lt(now_ms(), end);
	ck_assert_int_eq(r, -EHOSTUNREACH);
	oxi_channel_forget(c, name);
	oxi_channel_free(c);
}
END_TEST

/* 0 if the end of the parent was noticed. */
static int wait_for_the_end(struct oxi_channel *c)
{
	if (say(c, OXI_HELLO) < 0)
		return 1;
	if (oxi_channel_wait(c, -1, 10) != 0)
		return 2;
	say(c, OXI_HELLO);
	return oxi_channel_wait(c, -1, DEADLINE_MS) == -ECONNRESET ? 0 : 3;
}

START_TEST(a_worker_notices_that_the_parent_has_gone)
{
	struct kid k = start_kid(wait_for_the_end);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);
	struct oxi_received m;

	receive(c, &m);
	oxi_channel_free(c);
	ck_assert_int_eq(end_of_kid(&k), 0);
}
END_TEST

START_TEST(a_worker_notices_that_it_was_forgotten)
{
	int status = -1;
	struct kid k = start_kid(wait_for_the_end);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);
	struct oxi_received m;

	receive(c, &m);
	oxi_channel_forget(c, name);
	while (waitpid(k.pid, &status, WNOHANG) == 0) {
		struct pollfd p = { .fd = oxi_channel_fd(c), .events = POLLIN };

		if (!oxi_channel_pending(c))
			poll(&p, 1, 10);
	}
	ck_assert_int_eq(status, 0);
	oxi_channel_free(c);
}
END_TEST

/* ---- F33: others at a worker's name ---- */

static int raw_connect(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int64_t end = now_ms() + DEADLINE_MS;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path + 1, name + 1, strlen(name) - 1);
	while (connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) < 0)
		if (now_ms() > end) {
			close(fd);
			return -1;
		}
	return fd;
}

/* Milliseconds until the other side has closed; -1: it did not. */
static int64_t until_closed(int fd, int limit_ms)
{
	int64_t begin = now_ms();
	char buf[256];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = begin + limit_ms - now_ms();

		if (left <= 0 || poll(&p, 1, (int)left) != 1)
			return -1;
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			return now_ms() - begin;
	}
}

/* In a process that is not the parent: with a perfect greeting of ZMTP 3.1, NULL mechanism. 0 if it is shut out at once. */
static int intrude(const char *name, bool as_nobody)
{
	static const uint8_t greeting[64] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1, 'N', 'U', 'L', 'L' };
	int fd;

	if (as_nobody && setuid(65534) < 0)
		return 1;
	fd = raw_connect(name);
	if (fd < 0)
		return 2;
	if (send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		return 3;
	return until_closed(fd, 1000) >= 0 ? 0 : 4;
}

static void expect_shut_out(bool as_nobody)
{
	struct kid k = start_kid(echo), intruder;
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c;
	struct oxi_received m;
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	intruder.pid = fork();
	if (intruder.pid == 0) {
		if (read(p[0], name, sizeof(name)) != sizeof(name))
			_exit(99);
		_exit(intrude(name, as_nobody));
	}
	c = open_parent(&k, name, &peer);
	ck_assert_int_eq(write(p[1], name, sizeof(name)), sizeof(name));
	close(p[0]);
	close(p[1]);
	ck_assert_int_eq(end_of_kid(&intruder), 0);
	tell(c, &peer, OXI_PING);
	receive(c, &m);
	ck_assert_uint_eq(m.header.type, OXI_PING);
	tell(c, &peer, OXI_DRAIN);
	ck_assert_int_eq(end_of_kid(&k), 0);
	oxi_channel_free(c);
}

START_TEST(a_worker_lets_no_other_process_in)
{
	expect_shut_out(false);
}
END_TEST

START_TEST(a_worker_lets_no_other_user_in)
{
	if (getuid() != 0)
		SKIP("another uid needs root");
	expect_shut_out(true);
}
END_TEST

START_TEST(garbage_from_the_parent_itself_is_closed_within_two_seconds_and_reaches_nobody)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	uint8_t noise[512];
	struct kid k = start_kid(echo);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);
	struct oxi_received m;
	int quiet = raw_connect(name), web = raw_connect(name), loud = raw_connect(name);
	int64_t last;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 77 + 1);
	ck_assert_int_gt(send(web, http, sizeof(http) - 1, MSG_NOSIGNAL), 0);
	ck_assert_int_gt(send(loud, noise, sizeof(noise), MSG_NOSIGNAL), 0);
	ck_assert_int_ge(until_closed(web, 5000), 0);
	ck_assert_int_ge(until_closed(loud, 5000), 0);
	last = until_closed(quiet, 5000);       /* says nothing: the handshake's time limit */
	ck_assert(last >= 0 && last < 4000);
	close(web);
	close(loud);
	close(quiet);
	tell(c, &peer, OXI_PING);
	receive(c, &m);
	ck_assert_uint_eq(m.header.type, OXI_PING);
	tell(c, &peer, OXI_DRAIN);
	ck_assert_int_eq(end_of_kid(&k), 0);
	oxi_channel_free(c);
}
END_TEST

/* ---- descriptors ---- */

/* Occupies every descriptor; gives how many. */
static int use_up_fds(int *fds, int cap)
{
	int n = 0;

	while (n < cap && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	return n;
}

/* F22 */
START_TEST(a_parent_out_of_descriptors_connects_when_some_are_free_again)
{
	struct kid k = start_kid(echo);
	struct rlimit before, low;
	struct oxi_channel *c, *none;
	struct oxi_received m;
	char name[OXI_CHANNEL_NAME];
	int fds[256], n;

	ck_assert_int_eq(oxi_channel_new_parent(&c), 0);
	getrlimit(RLIMIT_NOFILE, &before);
	low = before;
	low.rlim_cur = 200;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	n = use_up_fds(fds, 256);
	ck_assert_int_lt(n, 256);
	ck_assert_int_eq(oxi_channel_new_parent(&none), -EMFILE);
	ck_assert_int_eq(oxi_channel_make_name(name), 0);
	ck_assert_int_eq(oxi_channel_expect(c, name), 0);
	ck_assert_int_eq(write(k.name, name, OXI_CHANNEL_NAME), OXI_CHANNEL_NAME);
	poll(NULL, 0, 50);      /* several tries, which all meet EMFILE */
	ck_assert_int_eq(oxi_channel_receive(c, &m), 0);
	while (n > 0)
		close(fds[--n]);
	close(k.name);
	receive(c, &m);
	tell(c, &m.peer, OXI_DRAIN);
	ck_assert_int_eq(end_of_kid(&k), 0);
	oxi_channel_free(c);
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

/* F12 */
static int look_at_fds(struct oxi_channel *c)
{
	DIR *d = opendir("/proc/self/fd");
	int low = 0, high = 0;

	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.')
			continue;
		if (fd >= 512)
			high++;
		else if (fd > 2)
			low++;
	}
	closedir(d);
	if (high < 5 || oxi_channel_fd(c) < 512)
		return 10;
	if (low > 8)            /* the pipe of the name, and what the test program had */
		return 11;
	if (!oxi_channel_intact(c))
		return 12;
	if (say(c, OXI_HELLO) < 0 || oxi_channel_wait(c, -1, DEADLINE_MS) != 1)
		return 13;
	if (dup2(STDIN_FILENO, oxi_channel_fd(c)) < 0 || oxi_channel_intact(c))
		return 14;
	return 0;
}

START_TEST(a_workers_descriptors_lie_high_and_are_known_by_inode)
{
	struct kid k = start_kid(look_at_fds);
	char name[OXI_CHANNEL_NAME];
	struct oxi_peer peer;
	struct oxi_channel *c = open_parent(&k, name, &peer);

	tell(c, &peer, OXI_PING);
	ck_assert_int_eq(end_of_kid(&k), 0);
	oxi_channel_free(c);
}
END_TEST

START_TEST(a_channel_that_came_through_a_fork_is_left_alone)
{
	struct oxi_channel *c;
	int status;
	pid_t pid;

	ck_assert_int_eq(oxi_channel_new_parent(&c), 0);
	pid = fork();
	if (pid == 0) {
		oxi_channel_free(c);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	oxi_channel_free(c);
	oxi_channel_free(NULL);
}
END_TEST

START_TEST(the_librarys_threads_take_no_signal)
{
	struct oxi_channel *c;
	char path[300], line[256];
	int threads = 0;
	DIR *d;

	ck_assert_int_eq(oxi_channel_new_parent(&c), 0);
	d = opendir("/proc/self/task");
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		FILE *f;

		if (e->d_name[0] == '.' || atoi(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "re");
		ck_assert_ptr_nonnull(f);
		while (fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "SigBlk:", 7) == 0) {
				unsigned long long blocked = strtoull(line + 7, NULL, 16);

				ck_assert_uint_ne(blocked >> (SIGTERM - 1) & 1, 0);
				ck_assert_uint_ne(blocked >> (SIGINT - 1) & 1, 0);
				ck_assert_uint_ne(blocked >> (SIGCHLD - 1) & 1, 0);
				threads++;
			}
		fclose(f);
	}
	closedir(d);
	ck_assert_int_ge(threads, 2);
	oxi_channel_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("channel");
	TCase *t = new_case(s, "channel", 120);

	tcase_add_test(t, bodies_of_any_size_come_back_as_they_went);
	tcase_add_test(t, a_hundred_thousand_messages_never_stall_the_pump);
	tcase_add_test(t, many_workers_are_told_apart);
	tcase_add_test(t, every_name_is_fresh_and_a_name_that_nobody_takes_can_be_forgotten);
	tcase_add_test(t, malformed_messages_are_dropped_and_counted);
	tcase_add_test(t, a_killed_worker_is_unreachable_before_long);
	tcase_add_test(t, a_worker_notices_that_the_parent_has_gone);
	tcase_add_test(t, a_worker_notices_that_it_was_forgotten);
	tcase_add_test(t, a_worker_lets_no_other_process_in);
	tcase_add_test(t, a_worker_lets_no_other_user_in);
	tcase_add_test(t, garbage_from_the_parent_itself_is_closed_within_two_seconds_and_reaches_nobody);
	tcase_add_test(t, a_parent_out_of_descriptors_connects_when_some_are_free_again);
	tcase_add_test(t, a_workers_descriptors_lie_high_and_are_known_by_inode);
	tcase_add_test(t, a_channel_that_came_through_a_fork_is_left_alone);
	tcase_add_test(t, the_librarys_threads_take_no_signal);
	return run_suite(s);
}
