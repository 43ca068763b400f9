/* SPDX-License-Identifier: MIT */
/* Jobs in a sandbox: what they may not do ends them with the call's name, and what they may goes on. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

#ifdef OXI_SECCOMP

/* ---- forbidden ---- */

enum deed { OPEN, OPEN_AGAIN, SOCKET, EXECUTE, FORK, SPAWN, TRACE, KILL, KILL_ALL, CHANGE_DIRECTORY, LOOK_AROUND, DEEDS };

static int misbehave(enum deed deed)
{
	switch (deed) {
	case OPEN: return open("/etc/passwd", O_RDONLY);
	case OPEN_AGAIN: return fopen("/tmp/oxbow-must-not-be", "w") != NULL;
	case SOCKET: return socket(AF_INET, SOCK_STREAM, 0);
	case EXECUTE: return execl("/bin/true", "true", (char *)NULL);
	case FORK: return fork() == 0 ? 0 : 1;
	case SPAWN: return system("true");
	case TRACE: return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	case KILL: return kill(getppid(), 0);
	case KILL_ALL: return kill(-1, 0);
	case CHANGE_DIRECTORY: return chdir("/");
	case LOOK_AROUND: return access("/", R_OK);
	case DEEDS: break;
	}
	return -1;
}

static const char *const calls[DEEDS][3] = {
	[OPEN] = { "openat", "open" }, [OPEN_AGAIN] = { "openat", "open" }, [SOCKET] = { "socket" }, [EXECUTE] = { "execve" },
	[FORK] = { "clone", "fork" }, [SPAWN] = { "clone", "vfork" }, [TRACE] = { "ptrace" }, [KILL] = { "kill" },
	[KILL_ALL] = { "kill" }, [CHANGE_DIRECTORY] = { "chdir" }, [LOOK_AROUND] = { "access", "faccessat", "faccessat2" },
};

static int do_deed(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	misbehave(*(const enum deed *)in);
	return 0;
}
static OX_JOB(deed_job, do_deed);
static OX_JOB(stubborn_job, do_deed, .retries = 5, .retry_delay = 1);

static bool is_one_of(const char *name, const char *const list[3])
{
	for (int i = 0; i < 3 && list[i] != NULL; i++)
		if (name != NULL && strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static int do_all(void *arg)
{
	static char text[8192];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (enum deed d = 0; d < DEEDS; d++) {
		ox_future *f = ox_submit(g, pool, &deed_job, &d, sizeof d);
		EXPECT_EQ(ox_await(f), OX_ESANDBOX);
		EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CRASH);
		const ox_crash *c = ox_future_crash(f);
		EXPECT(c != NULL);
		if (c == NULL)
			continue;
		EXPECT_EQ(c->signal, SIGSYS);
		if (!is_one_of(c->system_call, calls[d]))
			printf("deed %d was told as %s\n", (int)d, c->system_call != NULL ? c->system_call : "nothing"), fflush(stdout);
		EXPECT(is_one_of(c->system_call, calls[d]));
		EXPECT(c->backtrace_len > 0);
		ox_crash_text(c, text, sizeof text);
		EXPECT(strstr(text, "which its sandbox does not allow") != NULL);
		if (d == OPEN)          /* the stack of clone() has no way back */
			EXPECT(strstr(text, "misbehave+0x") != NULL || strstr(text, "do_deed+0x") != NULL);
		EXPECT_EQ(ox_call(pool, &echo_job, "x", 1, NULL), 0);
	}
	EXPECT_EQ(access("/tmp/oxbow-must-not-be", F_OK), -1);
	EXPECT_EQ(stats_of(pool).crashed, DEEDS);
	EXPECT_EQ(stats_of(pool).failed, DEEDS);
	return 0;
}

START_TEST(a_forbidden_call_fails_its_job_with_the_calls_name_and_another_worker_takes_its_place)
{
	with_pool(do_all, POOL_OPTIONS(.jobs = OX_JOBS(&deed_job, &echo_job), .workers = 1, .sandbox = OX_SANDBOX_COMPUTE));
}
END_TEST

static int do_it_stubbornly(void *arg)
{
	enum deed d = SOCKET;
	(void)arg;

	EXPECT_EQ(ox_call(pool, &stubborn_job, &d, sizeof d, NULL), OX_ESANDBOX);
	EXPECT_EQ(stats_of(pool).retried, 0);
	return 0;
}

START_TEST(a_violation_is_not_tried_again)
{
	with_pool(do_it_stubbornly, POOL_OPTIONS(.jobs = OX_JOBS(&stubborn_job), .workers = 1, .sandbox = OX_SANDBOX_COMPUTE));
}
END_TEST

static void *open_a_file(void *arg)
{
	*(int *)arg = open("/etc/passwd", O_RDONLY);
	return NULL;
}

static int open_in_a_thread(const void *in, size_t len, ox_reply *out)
{
	pthread_t t;
	int fd = -1;
	(void)in, (void)len, (void)out;

	if (pthread_create(&t, NULL, open_a_file, &fd) != 0)
		return -1;
	pthread_join(t, NULL);
	return 0;
}
static OX_JOB(thread_open_job, open_in_a_thread);

static int block_and_open(const void *in, size_t len, ox_reply *out)
{
	sigset_t all, before;
	(void)in, (void)len, (void)out;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	if (sigismember(&before, SIGUSR1) != 0)
		return -1;
	sigprocmask(SIG_SETMASK, NULL, &before);
	if (sigismember(&before, SIGUSR1) != 1)
		return -2;
	open("/etc/passwd", O_RDONLY);
	return 0;
}
static OX_JOB(blocked_job, block_and_open);

static int take_handler(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	signal(SIGSYS, SIG_IGN);
	open("/etc/passwd", O_RDONLY);
	return 0;
}
static OX_JOB(handler_job, take_handler);

static int try_ways_out(void *arg)
{
	static const ox_job *const ways[] = { &thread_open_job, &blocked_job, &handler_job };
	(void)arg;

	OX_AUTO_GROUP *g = COLLECT;
	for (int i = 0; i < 3; i++) {
		ox_future *f = ox_submit(g, pool, ways[i], NULL, 0);
		EXPECT_EQ(ox_await(f), OX_ESANDBOX);
		EXPECT(ox_future_crash(f) != NULL && ox_future_crash(f)->system_call != NULL);
	}
	return 0;
}

START_TEST(threads_blocked_signals_and_handlers_are_no_way_out)
{
	with_pool(try_ways_out, POOL_OPTIONS(.jobs = OX_JOBS(&thread_open_job, &blocked_job, &handler_job), .workers = 1,
	                                     .sandbox = OX_SANDBOX_COMPUTE));
}
END_TEST

/* ---- allowed ---- */

static int opened;

static int open_before(void *arg)
{
	(void)arg;
	opened = open("/proc/self/cmdline", O_RDONLY);
	return opened < 0 ? -errno : 0;
}

static int read_opened(const void *in, size_t len, ox_reply *out)
{
	char data[64];
	(void)in, (void)len;
	ssize_t n = pread(opened, data, sizeof data, 0);

	return n < 0 ? -errno : ox_reply_write(out, data, (size_t)n);
}
static OX_JOB(read_job, read_opened);

static void *churn(void *arg)
{
	char *volatile p[64] = { NULL };

	for (unsigned i = 0; i < 20000; i++) {
		free(p[i % 64]);
		p[i % 64] = malloc(i * 7 % 30000 + 1);
		if (p[i % 64] != NULL)
			*p[i % 64] = 1;
	}
	for (unsigned i = 0; i < 64; i++)
		free(p[i]);
	return arg;
}

static int compute(const void *in, size_t len, ox_reply *out)
{
	pthread_t t[4];
	struct tm tm;
	time_t then = time(NULL);
	char *big = ox_reply_reserve(out, OX_MIB(1));

	if (big == NULL)
		return -ENOMEM;
	memset(big, *(const char *)in, OX_MIB(1));
	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, churn, NULL) != 0)
			return -1;
	churn(NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	usleep(10);
	printf("%d at %d o'clock\n", (int)len, localtime_r(&then, &tm)->tm_hour);
	return 0;
}
static OX_JOB(compute_job, compute);

static int compute_all(void *arg)
{
	static char input[OX_KIB(100)];
	size_t len;
	ox_future *fs[8];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < 8; i++) {
		memset(input, 'a' + i, sizeof input);
		fs[i] = ox_submit(g, pool, &compute_job, input, sizeof input);
	}
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		if (ox_future_crash(fs[i]) != NULL) {
			ox_crash_text(ox_future_crash(fs[i]), input, sizeof input);
			puts(input);
		}
		const char *value = ox_future_value(fs[i], &len);
		EXPECT(value != NULL && len == OX_MIB(1) && value[len - 1] == 'a' + i);
		EXPECT(ox_future_output(fs[i], NULL, NULL) != NULL);
	}
	for (int i = 0; i < 2000; i++)
		ox_submit(g, pool, &echo_job, "x", 1);
	EXPECT_EQ(ox_group_join(g), 0);
	OX_AUTO_RESULT *r = NULL;
	EXPECT_EQ(ox_call(pool, &read_job, NULL, 0, &r), 0);
	EXPECT(ox_result_bytes(r).len > 0);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.crashed + s.failed + s.spoiled, 0);
	return 0;
}

START_TEST(memory_threads_clocks_output_and_what_is_open_go_on)
{
	with_pool(compute_all, POOL_OPTIONS(.jobs = OX_JOBS(&compute_job, &echo_job, &read_job), .workers = 2, .capture = OX_KIB(4),
	                                    .worker_init = open_before, .sandbox = OX_SANDBOX_COMPUTE));
}
END_TEST

/* As ZeroMQ's threads are: there before the sandbox, with all signals blocked. */
static int request[2];

static void *churn_on_request(void *arg)
{
	char c;

	while (read(request[0], &c, 1) == 1)
		churn(NULL);
	return arg;
}

static int start_a_deaf_thread(void *arg)
{
	pthread_t t;
	sigset_t all, before;
	(void)arg;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pipe(request) < 0 || pthread_create(&t, NULL, churn_on_request, NULL) != 0)
		return -1;
	pthread_detach(t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return 0;
}

static int have_it_churn(const void *in, size_t len, ox_reply *out)
{
	int unread = 1;
	(void)out;

	if (write(request[1], in, len) != (ssize_t)len)
		return -1;
	while (unread > 0)
		ioctl(request[0], FIONREAD, &unread);
	return 0;
}
static OX_JOB(churn_job, have_it_churn);

static int churn_deafly(void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_call(pool, &churn_job, "123", 3, NULL), 0);
	EXPECT_EQ(stats_of(pool).crashed, 0);
	return 0;
}

START_TEST(a_thread_that_hears_no_signal_may_free_memory)
{
	with_pool(churn_deafly, POOL_OPTIONS(.jobs = OX_JOBS(&churn_job), .workers = 1, .worker_init = start_a_deaf_thread,
	                                     .sandbox = OX_SANDBOX_COMPUTE));
}
END_TEST

static int crash_in_it(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &segv_job, NULL, 0);

	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	const ox_crash *c = ox_future_crash(f);
	EXPECT(c != NULL && c->signal == SIGSEGV && c->backtrace_len > 0 && c->system_call == NULL);
	return 0;
}

START_TEST(another_crash_is_told_as_ever)
{
	with_pool(crash_in_it, POOL_OPTIONS(.jobs = OX_JOBS(&segv_job), .workers = 1, .sandbox = OX_SANDBOX_COMPUTE));
}
END_TEST

#else

START_TEST(a_sandbox_that_was_not_built_is_refused)
{
	(void)with_pool;
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .sandbox = OX_SANDBOX_COMPUTE), &pool), -ENOSYS);
}
END_TEST

#endif

int main(int argc, char **argv)
{
	static const struct driver none[] = { { NULL, NULL } };

	pool_main(argc, argv, none);
	Suite *s = suite_create("sandbox");
	TCase *c = new_pool_case(s, "sandbox", 60);
#ifdef OXI_SECCOMP
	tcase_add_test(c, a_forbidden_call_fails_its_job_with_the_calls_name_and_another_worker_takes_its_place);
	tcase_add_test(c, a_violation_is_not_tried_again);
	tcase_add_test(c, threads_blocked_signals_and_handlers_are_no_way_out);
	tcase_add_test(c, memory_threads_clocks_output_and_what_is_open_go_on);
	tcase_add_test(c, a_thread_that_hears_no_signal_may_free_memory);
	tcase_add_test(c, another_crash_is_told_as_ever);
#else
	tcase_add_test(c, a_sandbox_that_was_not_built_is_refused);
#endif
	return run_suite(s);
}
