/* SPDX-License-Identifier: MIT */
/*
 * Who outlives whom: the main process killed at any moment, the spawner killed, forks and strangers. The pools that are
 * killed with their main process belong to drivers: this program, executed anew.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"
#include "tests/support/random.h"

static ox_pool *pool;

static int spin(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	atomic_fetch_add(begun, 1);
	pause();
	return 0;
}
static OX_JOB(stuck_job, spin);

#define DAEMON "oxbow-daemon"

static int spawn_child(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			prctl(PR_SET_NAME, DAEMON);
			for (;;)
				pause();
		}
		_exit(0);
	}
	return 0;
}
static OX_JOB(daemon_job, spawn_child);

/* ---- drivers ---- */

/* One worker busy and deaf to signals, one with a stream of small jobs, a daemon left by a job. */
static int keep_busy(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f;
	ox_call(pool, &daemon_job, NULL, 0, NULL);
	ox_submit(g, pool, &stuck_job, NULL, 0);
	for (;;) {
		for (int i = 0; i < 100; i++)
			ox_submit(g, pool, &echo_job, &i, sizeof i);
		for (int i = 0; i < 100; i++)
			ox_group_next(g, &f);
		if (atomic_load(begun) == 1) {
			atomic_store(begun, 2);
			if (write(1, "busy\n", 5) < 0)
				return -1;
		}
	}
}

static int drive_busy(void)
{
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&stuck_job, &echo_job, &daemon_job), .workers = 2, .keep_state = OX_STATE_CHILDREN), &pool) < 0)
		return 1;
	return ox_run(keep_busy, NULL, NULL);
}

/* Says how many descriptors above 2 it was given. */
static int drive_fds(void)
{
	char text[16];
	int n = 0;
	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	int len = snprintf(text, sizeof text, "%d\n", n);
	return write(1, text, (size_t)len) == len ? 0 : 1;
}

/* ---- sockets ---- */

/* The inodes of all sockets that processes with this nonce have. */
static unsigned socket_inodes(const char *nonce, const char *comm, unsigned long *inodes, unsigned max)
{
	pid_t pids[16];
	unsigned count = find_processes(nonce, comm, pids, 16), n = 0;

	for (unsigned i = 0; i < count && i < 16; i++) {
		char path[64], link[64];
		snprintf(path, sizeof path, "/proc/%d/fd", (int)pids[i]);
		DIR *d = opendir(path);
		if (d == NULL)
			continue;
		for (struct dirent *e; (e = readdir(d)) != NULL;) {
			ssize_t len = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
			link[len > 0 ? len : 0] = '\0';
			if (n < max && sscanf(link, "socket:[%lu]", &inodes[n]) == 1)
				n++;
		}
		closedir(d);
	}
	return n;
}

/* How many of these inodes have a name in /proc/net/unix; the first one's name, "@oxbow-...", if it is wanted. */
static unsigned named_sockets(const unsigned long *inodes, unsigned count, char *ret_name)
{
	char line[512], name[256];
	unsigned long inode;
	unsigned n = 0;
	FILE *f = fopen("/proc/net/unix", "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %lu %255s", &inode, name) != 2)
			continue;
		for (unsigned i = 0; i < count; i++)
			if (inodes[i] == inode && strncmp(name, "@oxbow-", 7) == 0) {
				if (ret_name != NULL)
					strcpy(ret_name, name);
				n++;
			}
	}
	if (f != NULL)
		fclose(f);
	return n;
}

/* ---- F17 ---- */

/* main, spawner, standby, two workers, and the daemon, whose job did not wait for its birth */
static bool all_there(void *nonce)
{
	return find_processes(nonce, NULL, NULL, 0) >= 6;
}

static void kill_driver(int delay_us)
{
	static unsigned long inodes[512];
	char nonce[64], text[8];
	int out;
	pid_t pid = start_driver("busy", nonce, &out);
	struct pollfd p = { .fd = out, .events = POLLIN };

	if (delay_us < 0) {
		ck_assert_int_eq(poll(&p, 1, 20000), 1);        /* both workers are at work */
		ck_assert_int_eq(read(out, text, 5), 5);
		ck_assert(eventually(all_there, nonce, 10000));
	} else {
		nanosleep(&(struct timespec){ .tv_nsec = delay_us * 1000L }, NULL);
	}
	unsigned n = socket_inodes(nonce, NULL, inodes, 512);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(out);
	ox_time start = ox_now();
	ck_assert_msg(eventually(no_process_left, nonce, 1000), "%u processes are left", find_processes(nonce, NULL, NULL, 0));
	if (delay_us < 0)
		printf("all gone %.1f ms after kill -9\n", (double)(ox_now() - start) / 1e6);
	ck_assert_uint_eq(named_sockets(inodes, n, NULL), 0);
}

START_TEST(f17_nothing_outlives_a_main_process_killed_while_busy)
{
	for (int i = 0; i < 3; i++)     /* and an immediate restart works */
		kill_driver(-1);
}
END_TEST

START_TEST(f17_nothing_outlives_a_main_process_killed_at_20_random_moments)
{
	srand((unsigned)getpid());
	for (int i = 0; i < 20; i++)
		kill_driver(rand() % 40000);
}
END_TEST

/* ---- F19 ---- */

static int sleep_some(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	int ms = *(const int *)in;
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
	return ms;
}
static OX_JOB(retried_job, sleep_some, .retries = 255, .retry_delay = OX_MS(1), .retry_max = OX_MS(1));

static int call_of_none(void *arg)
{
	return ox_call(arg, &echo_job, NULL, 0, NULL);
}

static pid_t parent_of(pid_t pid)
{
	char path[64];
	int parent = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (f != NULL && fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
		parent = 0;
	if (f != NULL)
		fclose(f);
	return parent;
}

static pid_t active_spawner(void)
{
	pid_t worker;
	return find_processes(NULL, "oxbow-worker", &worker, 1) > 0 ? parent_of(worker) : 0;
}

static pid_t standby_spawner(void)
{
	pid_t pids[2], active = active_spawner();
	unsigned n = find_processes(NULL, "oxbow-spawner", pids, 2);
	return n == 2 ? pids[pids[0] == active] : 0;
}

static int lose_spawners(void *arg)
{
	(void)arg;
	int ms = 1;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	for (int i = 0; i < 3; i++) {
		ox_future *queued[20];
		EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
		ox_future *a = ox_submit(g, pool, &stuck_job, NULL, 0);
		ox_future *b = ox_submit(g, pool, &stuck_job, NULL, 0);
		await_begun(2);
		atomic_store(begun, 0);
		for (int k = 0; k < 20; k++)
			queued[k] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
		while (standby_spawner() == 0)
			ox_sleep(OX_MS(1));
		pid_t old = active_spawner();
		kill(old, SIGKILL);
		EXPECT_EQ(ox_await(a), OX_ECRASHED);
		EXPECT_EQ(ox_await(b), OX_ECRASHED);
		EXPECT_EQ(ox_future_crash(a)->signal, SIGKILL);
		for (int k = 0; k < 20; k++)
			EXPECT_EQ(ox_await(queued[k]), 1);
		EXPECT(active_spawner() > 0 && active_spawner() != old);
		atomic_store(begun, 0);
	}
	EXPECT_EQ(find_processes(NULL, "oxbow-worker", NULL, 0), 2);
	return 0;
}

START_TEST(f19_when_the_spawner_is_killed_the_standby_goes_on)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&stuck_job, &sleep_job, &echo_job), .workers = 2), &pool), 0);
	run_real(lose_spawners, NULL);
	close_pool(pool);
}
END_TEST

/* The spawner is killed at random moments: what runs is retried, or has crashed; what is queued is kept. */
enum { KILLS = 25, LOAD = 200 };

static int lose_spawners_under_load(void *arg)
{
	uint64_t seed = (uint64_t)getpid(), crashed = 0;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *fs[LOAD];

	for (int i = 0; i < KILLS; i++) {
		int ms = (int)random_below(&seed, 3);
		for (int k = 0; k < LOAD; k++)
			fs[k] = k % 2 == 0 ? ox_submit(g, pool, &retried_job, &ms, sizeof ms) : ox_submit(g, pool, &echo_job, &k, sizeof k);
		ox_sleep((ox_time)random_below(&seed, OX_MS(10)));
		pid_t spawner = active_spawner();
		if (spawner > 1)
			kill(spawner, SIGKILL);
		for (int k = 0; k < LOAD; k++) {
			int r = ox_await(fs[k]);
			EXPECT(k % 2 == 0 ? r == ms : r == 0 || r == OX_ECRASHED);
			crashed += r == OX_ECRASHED;
		}
		while (standby_spawner() == 0)
			ox_sleep(OX_MS(1));
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.pending, 0);
	EXPECT_EQ(s.failed, crashed);
	return 0;
}

START_TEST(f19_the_spawner_killed_at_random_moments_under_load_costs_no_more_than_what_ran)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&retried_job, &echo_job), .workers = 2), &pool), 0);
	run_real(lose_spawners_under_load, NULL);
	close_pool(pool);
}
END_TEST

static bool daemons(void *count)
{
	return find_processes(NULL, DAEMON, NULL, 0) == *(unsigned *)count;
}

static int leave_daemons(void *arg)
{
	unsigned none = 0, two = 2;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_call(pool, &daemon_job, NULL, 0, NULL), 0);
		EXPECT_EQ(ox_call(pool, &daemon_job, NULL, 0, NULL), 0);
		EXPECT(eventually(daemons, &two, 5000));        /* the jobs did not wait for their birth */
		kill(active_spawner(), SIGKILL);
		EXPECT(eventually(daemons, &none, 5000));
		EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
		while (standby_spawner() == 0)
			ox_sleep(OX_MS(1));
	}
	return 0;
}

START_TEST(f19_what_jobs_left_behind_goes_when_the_spawner_is_killed)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&daemon_job, &echo_job), .workers = 2, .keep_state = OX_STATE_CHILDREN), &pool), 0);
	run_real(leave_daemons, NULL);
	close_pool(pool);
}
END_TEST

/* In a driver, for the program has no spawner afterwards. 0: every future has resolved, and says what happened. */
static int lose_both(void *arg)
{
	static int ms = 1;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *queued[20], *running[2];
	for (int i = 0; i < 2; i++)
		running[i] = ox_submit(g, pool, &stuck_job, NULL, 0);
	await_begun(2);
	for (int i = 0; i < 20; i++)
		queued[i] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	pid_t active = active_spawner(), standby = standby_spawner();
	if (active <= 1 || standby <= 1)
		return 10;
	kill(active, SIGKILL);          /* first, or it might have another standby in between */
	kill(standby, SIGKILL);
	for (int i = 0; i < 2; i++)
		if (ox_await(running[i]) != OX_ECRASHED)
			return 11;
	for (int i = 0; i < 20; i++)
		if (ox_await(queued[i]) != OX_EINIT)
			return 12;
	if (ox_call(pool, &sleep_job, &ms, sizeof ms, NULL) != OX_EINIT)
		return 13;
	return stats_of(pool).pending == 0 ? 0 : 14;
}

static int drive_both_lost(void)
{
	ox_pool *other;
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&stuck_job, &sleep_job), .workers = 2), &pool) < 0)
		return 1;
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &other) < 0)
		return 2;
	int r = ox_run(lose_both, NULL, NULL);
	if (r == 0 && ox_run(call_of_none, other, NULL) != OX_EINIT)
		r = 3;
	ox_pool_close(other);
	ox_pool_close(pool);
	other = NULL;
	if (r == 0 && (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &other) < 0 || ox_run(call_of_none, other, NULL) != 0))
		r = 4;                  /* without pools there are no threads, so there is a spawner again */
	ox_pool_close(other);
	return r;
}

/* Another one than this. */
static bool has_standby(void *other)
{
	pid_t pid = standby_spawner();
	return pid != 0 && pid != *(pid_t *)other;
}

static int lose_standby(void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	pid_t standby = 0;
	EXPECT(eventually(has_standby, &standby, 1000));        /* those of the test before are gone, too */
	standby = standby_spawner();
	kill(standby, SIGKILL);
	EXPECT(eventually(has_standby, &standby, 5000));
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(f19_a_killed_standby_is_replaced)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &pool), 0);
	run_real(lose_standby, NULL);
	close_pool(pool);
}
END_TEST

/* ---- F20 ---- */

static int in_a_fork(void)
{
	OX_AUTO_GROUP *g = NULL;
	ox_pool *p;
	ox_pool_stats s = { .size = sizeof s };
	int bad = 0;
	bad += ox_future_status(ox_submit(g, pool, &echo_job, NULL, 0)) != OX_EFORKED;
	bad += ox_call(pool, &echo_job, NULL, 0, NULL) != OX_EFORKED;
	bad += ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job)), &p) != OX_EFORKED;
	bad += ox_pool_prepare() != OX_EFORKED;
	bad += ox_pool_close(pool) != OX_EFORKED;
	bad += ox_pool_drain(pool) != OX_EFORKED;
	bad += ox_pool_get_stats(pool, &s) != OX_EFORKED;
	bad += ox_blob_new(pool, 1) != NULL;
	bad += ox_map_open(pool, OX_MAP_OPTIONS(.job = &echo_job)) != NULL;
	return bad;
}

static int fork_in_main(void *arg)
{
	(void)arg;
	int status;
	OX_AUTO_GROUP *g = ox_group_open();
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	for (int i = 0; i < 5; i++) {
		ox_future *f = ox_submit(g, pool, &echo_job, &i, sizeof i);
		pid_t pid = fork();
		if (pid == 0)
			_exit(in_a_fork());
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
		EXPECT_EQ(ox_await(f), 0);
	}
	pid_t pid = fork();             /* with all of exit()'s handlers */
	if (pid == 0) {
		fclose(stdin);
		exit(7);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 7);
	EXPECT_EQ(system("true"), 0);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(f20_in_a_plain_fork_every_call_says_so_and_disturbs_nothing)
{
	if (under_sanitizer || under_valgrind())
		SKIP("exit() in the child would check for leaks of what is the parent's");
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2), &pool), 0);
	fflush(stdout);
	run_real(fork_in_main, NULL);
	close_pool(pool);
}
END_TEST

static int count_inherited(void *arg)
{
	char nonce[64], text[16] = "";
	int out, status;
	pid_t pid;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	pid = start_driver("fds", nonce, &out);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(read(out, text, sizeof text - 1) > 0);
	close(out);
	EXPECT_EQ(atoi(text), *(int *)arg);
	return 0;
}

START_TEST(f20_an_executed_child_inherits_no_descriptor_of_the_pool)
{
	int before = 0;                 /* what the test was itself given without close-on-exec */
	for (int fd = 3; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);
		before += flags >= 0 && (flags & FD_CLOEXEC) == 0;
	}
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .capture = 100), &pool), 0);
	run_real(count_inherited, &before);
	close_pool(pool);
}
END_TEST

/* A child that lives on with copies of all descriptors keeps nothing open. */
START_TEST(f20_a_fork_that_lives_on_does_not_keep_the_pool_alive)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2), &pool), 0);
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	close_pool(pool);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
END_TEST

/* ---- F33 ---- */

/* In a process of its own: connects to a worker's name and says what it should not. 0: it was not let in. */
static int intrude(const char *name, const void *say, size_t len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	char c[64];
	ssize_t got;

	memcpy(a.sun_path + 1, name + 1, n - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		return 0;
	send(fd, say, len, MSG_NOSIGNAL);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	do {
		if (poll(&p, 1, 3000) != 1)
			return 1;
		got = recv(fd, c, sizeof c, 0);
	} while (got > 0);
	return 0;
}

/* What it says goes through the channel, which a worker opens when there is something to say. */
static int say_something(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	ox_job_log(out, OX_LOG_DEBUG, "something");
	return 0;
}
static OX_JOB(chatty_job, say_something);

static int strangers(void *arg)
{
	static const char http[] = "GET / HTTP/1.1\r\n\r\n";
	static const uint8_t zmtp[64] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L' };
	static const struct { const void *say; size_t len; } says[] = { { http, sizeof http }, { zmtp, sizeof zmtp }, { "", 0 } };
	unsigned long inodes[64];
	char name[256];
	int status;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &chatty_job, NULL, 0, NULL), 0);
	unsigned n = socket_inodes(NULL, "oxbow-worker", inodes, 64);
	EXPECT(named_sockets(inodes, n, name) > 0);
	for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(intrude(name, says[i].say, says[i].len));
		EXPECT_EQ(ox_call(pool, &echo_job, "x", 1, NULL), 0);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
	}
	EXPECT_EQ(ox_call(pool, &echo_job, "x", 1, NULL), 0);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.crashed, 0);
	EXPECT_EQ(s.late, 0);
	return 0;
}

START_TEST(f33_strangers_that_talk_to_a_workers_socket_are_shut_out)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &chatty_job), .workers = 1), &pool), 0);
	run_real(strangers, NULL);
	close_pool(pool);
}
END_TEST

/* ---- threads ---- */

static void *sit(void *arg)
{
	char c;
	return read(*(int *)arg, &c, 1) == 1 ? NULL : arg;
}

static int drive_threads(void)
{
	int ends[2];
	pthread_t t;
	if (pipe(ends) < 0 || pthread_create(&t, NULL, sit, &ends[0]) != 0)
		return 1;
	int r = ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job)), &pool);
	return r == OX_ESTATE && ox_pool_prepare() == OX_ESTATE ? 0 : 2;
}

static int drive_prepared(void)
{
	int ends[2];
	pthread_t t;
	if (ox_pool_prepare() < 0 || pipe(ends) < 0 || pthread_create(&t, NULL, sit, &ends[0]) != 0)
		return 1;
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job)), &pool) < 0)
		return 2;
	return ox_pool_close(pool);
}

static int exit_code_of(const char *driver)
{
	char nonce[64];
	int out, status;
	pid_t pid = start_driver(driver, nonce, &out);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(out);
	ck_assert(eventually(no_process_left, nonce, 1000));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(f19_when_the_standby_is_killed_too_every_future_says_so)
{
	ck_assert_int_eq(exit_code_of("both lost"), 0);
}
END_TEST

START_TEST(with_threads_a_pool_needs_a_spawner_that_was_prepared)
{
	ck_assert_int_eq(exit_code_of("threads"), 0);
	ck_assert_int_eq(exit_code_of("prepared"), 0);
}
END_TEST

/* The first pool of all is opened by a coroutine: jobs still have a large stack. */
static int deep(const void *in, size_t len, ox_reply *out)
{
	volatile char big[OX_MIB(2)];
	(void)in, (void)out;
	big[len] = 1;
	big[sizeof big - 1] = 2;
	return big[len] + big[sizeof big - 1];
}
static OX_JOB(deep_job, deep);

static int open_first_in_coroutine(void *arg)
{
	(void)arg;
	int r = ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&deep_job), .workers = 1), &pool);
	if (r == 0)
		r = ox_call(pool, &deep_job, NULL, 0, NULL);
	ox_pool_close(pool);
	return r;
}

static int drive_coroutine(void)
{
	return ox_run(open_first_in_coroutine, NULL, NULL) == 3 ? 0 : 1;
}

START_TEST(a_first_pool_opened_by_a_coroutine_gives_jobs_a_large_stack)
{
	ck_assert_int_eq(exit_code_of("coroutine"), 0);
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver drivers[] = {
		{ "busy", drive_busy }, { "fds", drive_fds }, { "threads", drive_threads }, { "prepared", drive_prepared },
		{ "coroutine", drive_coroutine }, { "both lost", drive_both_lost }, { NULL, NULL },
	};
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("orphans");
	TCase *c = new_pool_case(s, "kill -9", 120);
	tcase_add_test(c, f17_nothing_outlives_a_main_process_killed_while_busy);
	tcase_add_test(c, f17_nothing_outlives_a_main_process_killed_at_20_random_moments);
	tcase_add_test(c, f19_when_the_spawner_is_killed_the_standby_goes_on);
	tcase_add_test(c, f19_a_killed_standby_is_replaced);
	tcase_add_test(c, f19_the_spawner_killed_at_random_moments_under_load_costs_no_more_than_what_ran);
	tcase_add_test(c, f19_what_jobs_left_behind_goes_when_the_spawner_is_killed);
	tcase_add_test(c, f19_when_the_standby_is_killed_too_every_future_says_so);
	c = new_pool_case(s, "forks", 30);
	tcase_add_test(c, f20_in_a_plain_fork_every_call_says_so_and_disturbs_nothing);
	tcase_add_test(c, f20_an_executed_child_inherits_no_descriptor_of_the_pool);
	tcase_add_test(c, f20_a_fork_that_lives_on_does_not_keep_the_pool_alive);
	c = new_pool_case(s, "strangers and threads", 30);
	tcase_add_test(c, f33_strangers_that_talk_to_a_workers_socket_are_shut_out);
	tcase_add_test(c, with_threads_a_pool_needs_a_spawner_that_was_prepared);
	tcase_add_test(c, a_first_pool_opened_by_a_coroutine_gives_jobs_a_large_stack);
	return run_suite(s);
}
