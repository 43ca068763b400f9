/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop.h"
#include "tests/pool/pool_support.h"

#define NONCE "OXBOW_TEST_NONCE"

static int fds_before;

/* ---- the program ---- */

static void make_nonce(char nonce[64])
{
	uint64_t n[2];

	if (getrandom(n, sizeof n, 0) != (ssize_t)sizeof n)
		_exit(127);
	snprintf(nonce, 64, "%016llx%016llx", (unsigned long long)n[0], (unsigned long long)n[1]);
}

_Atomic int *begun;

void await_begun(int n)
{
	while (atomic_load(begun) < n)
		ox_sleep(OX_MS(1));
}

void pool_main(int argc, char **argv, const struct driver *drivers)
{
	char nonce[64];

	if (under_valgrind()) {
		puts("SKIP all: valgrind 3.19 has no pidfd_open()");
		exit(77);
	}
	if (getenv(NONCE) == NULL) {
		make_nonce(nonce);
		setenv(NONCE, nonce, 1);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	begun = mmap(NULL, sizeof *begun, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc < 3 || strcmp(argv[1], "--driver") != 0)
		return;
	for (; drivers->name != NULL; drivers++)
		if (strcmp(drivers->name, argv[2]) == 0)
			exit(drivers->run());
	_exit(127);
}

pid_t start_driver(const char *name, char nonce[64], int *ret_out)
{
	int out[2];

	make_nonce(nonce);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		setenv(NONCE, nonce, 1);
		dup2(out[1], 1);
		execl("/proc/self/exe", "driver", "--driver", name, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	*ret_out = out[0];
	return pid;
}

/* ---- processes ---- */

static bool file_contains(pid_t pid, const char *file, const char *text, bool whole)
{
	static char data[OX_KIB(256)];
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, data, sizeof data - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	data[n] = '\0';
	if (whole)
		return strncmp(data, text, strlen(text)) == 0 && data[strlen(text)] == '\n';
	return memmem(data, (size_t)n, text, strlen(text)) != NULL;
}

unsigned find_processes(const char *nonce, const char *comm, pid_t *pids, unsigned max)
{
	DIR *d = opendir("/proc");
	unsigned n = 0;

	if (nonce == NULL)
		nonce = getenv(NONCE);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		pid_t pid = atoi(e->d_name);
		if (pid <= 0 || !file_contains(pid, "environ", nonce, false))   /* a zombie has none */
			continue;
		if (comm != NULL && !file_contains(pid, "comm", comm, true))
			continue;
		if (n < max)
			pids[n] = pid;
		n++;
	}
	closedir(d);
	return n;
}

bool no_worker_left(void *nonce)
{
	return find_processes(nonce, "oxbow-worker", NULL, 0) == 0;
}

bool no_process_left(void *nonce)
{
	return find_processes(nonce, NULL, NULL, 0) == 0;
}

bool eventually(bool (*cond)(void *arg), void *arg, int ms)
{
	ox_time end = ox_now() + OX_MS(ms) * (under_sanitizer || under_valgrind() ? 10 : 1);

	while (!cond(arg)) {
		if (ox_now() > end)
			return false;
		if (oxi_loop_running())
			ox_sleep(OX_MS(1));     /* the pool is not to stand still meanwhile */
		else
			poll(NULL, 0, 1);
	}
	return true;
}

/* ---- jobs ---- */

static int echo(const void *in, size_t len, ox_reply *out)
{
	return ox_reply_write(out, in, len);
}
OX_JOB(echo_job, echo);

static int sleep_ms(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	int ms = *(const int *)in;
	atomic_fetch_add(begun, 1);
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
	return ms;
}
OX_JOB(sleep_job, sleep_ms);

static int segv(const void *in, size_t len, ox_reply *out)
{
	static int *volatile nowhere = (int *)8;
	(void)in, (void)len, (void)out;
	*nowhere = 1;
	return 0;
}
OX_JOB(segv_job, segv);

static int pid(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	pid_t self = getpid();
	return ox_reply_write(out, &self, sizeof self);
}
OX_JOB(pid_job, pid);

/* ---- pools ---- */

ox_pool_stats stats_of(ox_pool *p)
{
	ox_pool_stats s = { .size = sizeof s };

	EXPECT_EQ(ox_pool_get_stats(p, &s), 0);
	EXPECT_EQ(s.submitted, s.done + s.failed + s.cancelled + s.pending);
	return s;
}

void close_pool(ox_pool *p)
{
	stats_of(p);
	EXPECT_EQ(ox_pool_close(p), 0);
	EXPECT(no_worker_left(NULL));
}

/* ---- the fixture ---- */

static void setup(void)
{
	ox_pool *p;

	/* the spawner and its standby come with the first pool and stay */
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &p), 0);
	ck_assert_int_eq(ox_pool_close(p), 0);
	fds_before = count_fds();
	atomic_store(begun, 0);
}

static void teardown(void)
{
	assert_expectations();
	ck_assert_msg(no_worker_left(NULL), "a worker or a stray is left");
	ck_assert_int_eq(count_fds(), fds_before);
	ck_assert(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TCase *new_pool_case(Suite *s, const char *name, double timeout)
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, timeout * (under_sanitizer ? 4 : 1));
	suite_add_tcase(s, c);
	return c;
}
