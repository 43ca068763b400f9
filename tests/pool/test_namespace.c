/* SPDX-License-Identifier: MIT */
/* Workers in PID namespaces of their own. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))
#define DAEMON "oxbow-hidden"

static ox_pool *pool;

/* Its options, so that each test has them; false: it may not be opened here. */
static bool opens(const ox_pool_options *o)
{
	int r = ox_pool_open(o, &pool);

	ck_assert(r == 0 || r == -EPERM);
	return r == 0;
}

#define WITH_POOL(fn, ...)                                                                                                      \
	if (!opens(POOL_OPTIONS(.pid_namespace = true, __VA_ARGS__)))                                                           \
		SKIP("needs the right to make PID namespaces");                                                                 \
	run_real(fn, NULL);                                                                                                     \
	close_pool(pool)

/* In a session of its own, deaf, and nobody's child: from outside it could only be found by a list. */
static int hide(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			signal(SIGTERM, SIG_IGN);
			prctl(PR_SET_NAME, DAEMON);
			for (;;)
				pause();
		}
		_exit(0);
	}
	return 0;
}
static OX_JOB(hide_job, hide);

static int die(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	switch (*(const int *)in) {
	case SIGABRT: abort();
	case SIGKILL: raise(SIGKILL); return -1;
	case SIGTERM: raise(SIGTERM); return -1;
	default: _exit(3);
	}
}
static OX_JOB(die_job, die);

static int talk(const void *in, size_t len, ox_reply *out)
{
	(void)in;
	ox_job_log(out, OX_LOG_DEBUG, "it has %zu bytes", len);
	uint8_t *at = ox_reply_reserve(out, OX_MIB(1));
	if (at != NULL)
		memset(at, 7, OX_MIB(1));
	return (int)kill(1, SIGKILL);   /* which that one does not take from inside */
}
static OX_JOB(talk_job, talk);

static bool daemons(void *count)
{
	return find_processes(NULL, DAEMON, NULL, 0) == *(unsigned *)count;
}

static int work(void *arg)
{
	OX_AUTO_RESULT *r = NULL, *big = NULL;
	pid_t inside;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &r), 0);
	memcpy(&inside, ox_result_bytes(r).data, sizeof inside);
	EXPECT_EQ(inside, 2);
	EXPECT_EQ(ox_call(pool, &talk_job, NULL, 0, &big), 0);
	EXPECT_EQ(ox_result_bytes(big).len, OX_MIB(1));
	EXPECT_EQ(find_processes(NULL, "oxbow-keeper", NULL, 0), 2);
	return 0;
}

START_TEST(jobs_run_in_it_and_reach_nobody_outside)
{
	WITH_POOL(work, .jobs = OX_JOBS(&pid_job, &talk_job), .workers = 2);
}
END_TEST

static int die_in_all_ways(void *arg)
{
	static const int ways[] = { SIGABRT, SIGKILL, SIGTERM, 0 };
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		ox_future *f = ox_submit(g, pool, &die_job, &ways[i], sizeof ways[i]);
		EXPECT_EQ(ox_await(f), OX_ECRASHED);
		const ox_crash *c = ox_future_crash(f);
		EXPECT(c != NULL);
		EXPECT_EQ(c->signal, ways[i]);
		EXPECT_EQ(c->exit_code, ways[i] == 0 ? 3 : 0);
		EXPECT(c->pid > 2);
		EXPECT_EQ(ox_call(pool, &segv_job, NULL, 0, NULL), OX_ECRASHED);
		EXPECT_EQ(ox_call(pool, &echo_job, "x", 1, NULL), 0);
	}
	return 0;
}

START_TEST(how_a_worker_died_is_told_as_without)
{
	WITH_POOL(die_in_all_ways, .jobs = OX_JOBS(&die_job, &segv_job, &echo_job), .workers = 1);
}
END_TEST

static int hide_and_die(void *arg)
{
	unsigned none = 0, two = 2;
	(void)arg;
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_call(pool, &hide_job, NULL, 0, NULL), 0);
		EXPECT_EQ(ox_call(pool, &hide_job, NULL, 0, NULL), 0);
		EXPECT(eventually(daemons, &two, 5000));
		EXPECT_EQ(ox_call(pool, &segv_job, NULL, 0, NULL), OX_ECRASHED);
		EXPECT_EQ(find_processes(NULL, DAEMON, NULL, 0), none);         /* not soon: before the death was told */
	}
	return 0;
}

START_TEST(f11_what_jobs_left_behind_is_dead_when_the_worker_is)
{
	WITH_POOL(hide_and_die, .jobs = OX_JOBS(&hide_job, &segv_job), .workers = 1, .keep_state = OX_STATE_CHILDREN);
}
END_TEST

static int time_out(void *arg)
{
	int ms = 60000;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_submit_options o = { .size = sizeof o, .timeout = OX_MS(30) };
	ox_future *f = ox_submit_with(g, pool, &sleep_job, &ms, sizeof ms, &o);
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT_EQ(ox_call(pool, &echo_job, "x", 1, NULL), 0);
	return 0;
}

START_TEST(a_timeout_kills_all_of_it)
{
	WITH_POOL(time_out, .jobs = OX_JOBS(&sleep_job, &echo_job), .workers = 1);
}
END_TEST

/* ---- a driver, to be killed ---- */

static int hide_and_wait(void *arg)
{
	int ms = 60000;
	(void)arg;
	ox_call(pool, &hide_job, NULL, 0, NULL);
	if (write(1, "busy\n", 5) < 0)
		return -1;
	return ox_call(pool, &sleep_job, &ms, sizeof ms, NULL);
}

static int drive(void)
{
	if (ox_pool_open(POOL_OPTIONS(.pid_namespace = true, .jobs = OX_JOBS(&hide_job, &sleep_job), .workers = 2,
	                              .keep_state = OX_STATE_CHILDREN), &pool) < 0)
		return 77;
	return ox_run(hide_and_wait, NULL, NULL);
}

START_TEST(f17_nothing_outlives_a_main_process_that_is_killed)
{
	char nonce[64], text[8];
	int out, status;
	pid_t pid = start_driver("hider", nonce, &out);
	ssize_t n = read(out, text, sizeof text);

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(out);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("needs the right to make PID namespaces");
	ck_assert_int_eq(n, 5);
	ck_assert(eventually(no_process_left, nonce, 2000));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, (const struct driver[]){ { "hider", drive }, { NULL, NULL } });
	Suite *s = suite_create("namespace");
	TCase *c = new_pool_case(s, "namespace", 60);
	tcase_add_test(c, jobs_run_in_it_and_reach_nobody_outside);
	tcase_add_test(c, how_a_worker_died_is_told_as_without);
	tcase_add_test(c, f11_what_jobs_left_behind_is_dead_when_the_worker_is);
	tcase_add_test(c, a_timeout_kills_all_of_it);
	tcase_add_test(c, f17_nothing_outlives_a_main_process_that_is_killed);
	return run_suite(s);
}
