/* SPDX-License-Identifier: MIT */
/*
 * Remote workers, over loopback: the pool is this program, each host the same program executed again as a driver, with a
 * nonce of its own. The network between namespaces is in netns.sh.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/join.h"
#include "pool/parent.h"
#include "tests/pool/pool_support.h"

#define JOIN  "OXBOW_TEST_JOIN"
#define SLOTS "OXBOW_TEST_SLOTS"
#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;
static char path[64];

/* ---- jobs ---- */

static int large(const void *in, size_t len, ox_reply *out)
{
	size_t n = *(const size_t *)in;
	uint8_t *at = ox_reply_reserve(out, n);

	(void)len;
	for (size_t i = 0; at != NULL && i < n; i++)
		at[i] = (uint8_t)(i * 7);
	return 0;
}
OX_JOB(large_job, large);

static int sum(const void *in, size_t len, ox_reply *out)
{
	const uint8_t *at = in;
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += at[i];
	return ox_reply_write(out, &n, sizeof n);
}
OX_JOB(sum_job, sum);

static int hang(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	for (;;)
		pause();
	return 0;
}
OX_JOB(hang_job, hang);
OX_JOB(brief_job, hang, .timeout = OX_MS(200));
OX_JOB(stubborn_job, hang, .retries = 1);

static int gentle(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	while (!ox_job_cancelled(out))
		usleep(1000);
	return 42;
}
OX_JOB(gentle_job, gentle, .timeout = OX_MS(100), .grace = OX_SEC(20));

static int talk(const void *in, size_t len, ox_reply *out)
{
	(void)out;
	printf("%.*s", (int)len, (const char *)in);
	return 0;
}
OX_JOB(talk_job, talk);

static int exit_7(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	_exit(7);
}
OX_JOB(exit_job, exit_7);

static int too_much(const void *in, size_t len, ox_reply *out)
{
	return large(in, len, out);
}
OX_JOB(limited_job, too_much, .max_result = OX_KIB(100));

#define ALL_JOBS OX_JOBS(&echo_job, &sleep_job, &segv_job, &pid_job, &large_job, &sum_job, &hang_job, &brief_job, \
                         &stubborn_job, &gentle_job, &talk_job, &exit_job, &limited_job)

/* ---- hosts ---- */

struct host {
	pid_t pid;
	int out;                        /* what it logs */
	char nonce[64];
};

static void log_to_stdout(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	dprintf(1, "%s\n", text);
}

static int run_host(void)
{
	ox_log_set(log_to_stdout, NULL);
	int r = ox_worker_join_with(getenv(JOIN), ALL_JOBS, OX_WORKER_OPTIONS(.slots = (unsigned)atoi(getenv(SLOTS))));
	dprintf(1, "end %d\n", r);
	return r < 0;
}

/* Knows one job less than the pool. */
static int run_ignorant_host(void)
{
	ox_log_set(log_to_stdout, NULL);
	int r = ox_worker_join(getenv(JOIN), OX_JOBS(&echo_job, &sleep_job));
	dprintf(1, "end %d\n", r);
	return r == OX_ENOJOB ? 0 : 1;
}

static struct host start_host(const char *driver, const char *slots)
{
	struct host h;

	setenv(JOIN, path, 1);
	setenv(SLOTS, slots, 1);
	h.pid = start_driver(driver, h.nonce, &h.out);
	return h;
}

/* All that it has said; it has ended. */
static int end_of(struct host *h, char *text, size_t cap)
{
	size_t len = 0;
	ssize_t n;
	int status;

	while ((n = read(h->out, text + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(h->out);
	ck_assert_int_eq(waitpid(h->pid, &status, 0), h->pid);
	ck_assert(eventually(no_process_left, h->nonce, 2000));
	return status;
}

static void kill_host(struct host *h)
{
	char text[4096];

	kill(h->pid, SIGKILL);
	end_of(h, text, sizeof text);
}

/* A pool that nothing was submitted to belongs to no loop yet. */
static void await_hosts(unsigned n)
{
	EXPECT_EQ(oxi_pool_attach(pool), 0);
	while (stats_of(pool).hosts != n)
		ox_sleep(OX_MS(1));
}

static void await_remote(unsigned n)
{
	EXPECT_EQ(oxi_pool_attach(pool), 0);
	while (stats_of(pool).remote != n)
		ox_sleep(OX_MS(1));
}

static void await_busy(unsigned n)
{
	while (stats_of(pool).busy != n)
		ox_sleep(OX_MS(1));
}

/* ---- pools ---- */

#define REMOTE_OPTIONS(...) POOL_OPTIONS(.jobs = ALL_JOBS, .listen = "tcp://127.0.0.1:0", .join_file = path, __VA_ARGS__)

static void open_pool(const ox_pool_options *o)
{
	snprintf(path, sizeof path, "/tmp/oxbow-join-%d", (int)getpid());
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
}

static void close_all(void)
{
	close_pool(pool);
	ck_assert_int_eq(access(path, F_OK), -1);
}

/* A pool without workers of its own, a host with so many slots, fn; then the pool is closed, and the host ends. */
static void with_host(ox_coro *fn, const char *slots, const ox_pool_options *o)
{
	char text[4096];

	open_pool(o);
	struct host h = start_host("host", slots);
	run_real(fn, &h);
	close_all();
	ck_assert_msg(end_of(&h, text, sizeof text) == 0, "%s", text);
	ck_assert_msg(strstr(text, "end 0\n") != NULL, "%s", text);
}

/* ---- jobs on a host ---- */

static int some_jobs(void *arg)
{
	enum { N = 200 };
	static ox_future *fs[N];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &echo_job, &i, sizeof i);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		EXPECT_EQ(*(const int *)ox_future_value(fs[i], NULL), i);
		EXPECT_EQ(ox_future_origin(fs[i]), OX_ORIGIN_JOB);
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.remote, 2);
	EXPECT_EQ(s.workers, 2);
	EXPECT_EQ(s.hosts, 1);
	EXPECT_EQ(s.rejected, 0);
	return 0;
}

START_TEST(jobs_run_on_another_host)
{
	with_host(some_jobs, "2", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

static int large_payloads(void *arg)
{
	static uint8_t data[OX_MIB(20) + 3];
	size_t sizes[] = { 0, 1, 4096, 4097, OX_KIB(64), OX_KIB(64) + 1, OX_MIB(1), OX_MIB(1) + 1, OX_MIB(5), OX_MIB(20) + 3 };
	uint64_t total = 0;
	size_t at = 0;
	(void)arg;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 13);
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		OX_AUTO_RESULT *r = NULL, *big = NULL;
		for (; at < sizes[i]; at++)
			total += data[at];
		EXPECT_EQ(ox_call(pool, &sum_job, data, sizes[i], &r), 0);
		EXPECT(r != NULL && *(const uint64_t *)ox_result_bytes(r).data == total);
		EXPECT_EQ(ox_call(pool, &large_job, &sizes[i], sizeof sizes[i], &big), 0);
		ox_bytes b = ox_result_bytes(big);
		EXPECT_EQ(b.len, sizes[i]);
		for (size_t k = 0; k < b.len; k++)
			if (((const uint8_t *)b.data)[k] != (uint8_t)(k * 7)) {
				EXPECT_EQ(k, -1);
				break;
			}
	}
	return 0;
}

START_TEST(large_payloads_travel_both_ways)
{
	with_host(large_payloads, "1", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

static int several_large(void *arg)
{
	enum { N = 12 };
	static uint8_t data[OX_MIB(3)];
	ox_future *fs[N];
	size_t len;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < N; i++) {
		memset(data, i, sizeof data);
		fs[i] = ox_submit(g, pool, &echo_job, data, sizeof data);
	}
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		const uint8_t *back = ox_future_value(fs[i], &len);
		EXPECT_EQ(len, sizeof data);
		EXPECT(back != NULL && back[0] == i && back[len - 1] == i);
	}
	return 0;
}

START_TEST(several_large_payloads_are_on_their_way_at_a_time)
{
	with_host(several_large, "3", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

static int over_the_limit(void *arg)
{
	size_t n = OX_KIB(100) + 1;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	ox_future *f = ox_submit(g, pool, &limited_job, &n, sizeof n);
	EXPECT_EQ(ox_await(f), OX_ETOOBIG);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	EXPECT_EQ(stats_of(pool).crashed, 0);
	return 0;
}

START_TEST(f30_a_result_over_its_limit_fails_and_the_worker_stays)
{
	with_host(over_the_limit, "1", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

/* ---- ends ---- */

static int crashes(void *arg)
{
	char host[64];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	gethostname(host, sizeof host);
	ox_future *f = ox_submit(g, pool, &segv_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CRASH);
	const ox_crash *c = ox_future_crash(f);
	EXPECT(c != NULL);
	if (c != NULL) {
		EXPECT_EQ(c->signal, SIGSEGV);
		EXPECT_EQ(c->address, (void *)8);
		EXPECT(c->pid > 0 && c->max_rss > 0);
		EXPECT(c->host != NULL && strcmp(c->host, host) == 0);
		EXPECT(c->backtrace_len > 0);
	}
	f = ox_submit(g, pool, &exit_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	c = ox_future_crash(f);
	EXPECT(c != NULL && c->signal == 0 && c->exit_code == 7);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	EXPECT_EQ(stats_of(pool).crashed, 2);
	return 0;
}

START_TEST(f01_a_crash_on_the_host_costs_one_job_and_its_story_travels)
{
	with_host(crashes, "1", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

static int out_of_time(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	ox_future *f = ox_submit(g, pool, &brief_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_TIMEOUT);
	const ox_crash *c = ox_future_crash(f);
	EXPECT(c != NULL && c->signal == SIGKILL && c->host != NULL);
	EXPECT_EQ(ox_call(pool, &gentle_job, NULL, 0, NULL), 42);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.killed, 1);
	EXPECT_EQ(s.crashed, 0);
	return 0;
}

START_TEST(a_timeout_kills_on_the_host_and_grace_is_told_before)
{
	with_host(out_of_time, "1", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

static int cancelled(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	ox_future *running = ox_submit(g, pool, &hang_job, NULL, 0);
	await_busy(1);
	ox_future *waiting = ox_submit(g, pool, &echo_job, NULL, 0);
	ox_yield();
	ox_future_cancel(waiting);
	EXPECT_EQ(ox_await(waiting), OX_ECANCELED);
	ox_future_cancel(running);
	EXPECT_EQ(ox_await(running), OX_ECANCELED);
	EXPECT_EQ(ox_future_origin(running), OX_ORIGIN_CANCEL);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	EXPECT_EQ(stats_of(pool).killed, 1);
	return 0;
}

START_TEST(a_cancelled_job_is_killed_on_the_host)
{
	with_host(cancelled, "1", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

static int captures(void *arg)
{
	size_t len;
	bool cut;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	ox_future *f = ox_submit(g, pool, &talk_job, "hello", 5);
	EXPECT_EQ(ox_await(f), 0);
	const char *text = ox_future_output(f, &len, &cut);
	EXPECT(len == 5 && !cut && memcmp(text, "hello", 5) == 0);
	return 0;
}

START_TEST(what_a_job_writes_travels_with_its_result)
{
	with_host(captures, "1", REMOTE_OPTIONS(.remote_only = true, .capture = OX_KIB(4)));
}
END_TEST

/* ---- hosts that are lost ---- */

static int killed_host(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct host a = start_host("host", "1");

	ox_future *f = ox_submit(g, pool, &hang_job, NULL, 0);
	await_busy(1);
	kill_host(&a);
	EXPECT_EQ(ox_await(f), OX_ELOST);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CRASH);
	await_hosts(0);
	EXPECT_EQ(stats_of(pool).remote, 0);
	return 0;
}

START_TEST(a_job_of_a_host_that_was_killed_is_lost)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	run_real(killed_host, NULL);
	close_all();
}
END_TEST

static int retried(void *arg)
{
	int ms = 1;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct host a = start_host("host", "1");

	ox_future *f = ox_submit(g, pool, &stubborn_job, NULL, 0);
	await_busy(1);
	ox_future *unstarted = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_yield();
	struct host b = start_host("host", "1");
	await_hosts(2);
	kill_host(&a);
	EXPECT_EQ(ox_await(unstarted), 1);      /* it costs nothing */
	await_hosts(1);
	await_busy(1);
	EXPECT_EQ(stats_of(pool).retried, 1);
	kill_host(&b);
	EXPECT_EQ(ox_await(f), OX_ELOST);
	return 0;
}

START_TEST(a_job_of_a_lost_host_is_retried_elsewhere_and_what_had_not_begun_costs_nothing)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	run_real(retried, NULL);
	close_all();
}
END_TEST

static int stopped_host(void *arg)
{
	const struct host *h = arg;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	await_remote(1);
	int ms = 1;
	EXPECT_EQ(ox_call(pool, &sleep_job, &ms, sizeof ms, NULL), 1);
	ox_future *f = ox_submit(g, pool, &hang_job, NULL, 0);
	await_busy(1);
	kill(h->pid, SIGSTOP);
	EXPECT_EQ(ox_await(f), OX_ELOST);
	EXPECT_EQ(stats_of(pool).hosts, 0);
	kill(h->pid, SIGCONT);
	await_remote(1);                        /* it joins anew */
	EXPECT_EQ(ox_call(pool, &sleep_job, &ms, sizeof ms, NULL), 1);
	return 0;
}

START_TEST(f37_f39_a_stopped_host_is_lost_after_the_heartbeat_and_joins_anew)
{
	with_host(stopped_host, "1", REMOTE_OPTIONS(.remote_only = true, .heartbeat = OX_MS(600)));
}
END_TEST

/* ---- greetings ---- */

static char logged[8192];

static void remember(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	strncat(logged, text, sizeof logged - strlen(logged) - 2);
	strcat(logged, "\n");
}

static int refuses(void *arg)
{
	struct host good = start_host("host", "1"), ignorant = start_host("ignorant", "1");
	char text[4096];
	(void)arg;

	await_remote(1);
	while (stats_of(pool).rejected == 0)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	EXPECT_EQ(end_of(&ignorant, text, sizeof text), 0);
	EXPECT(strstr(text, "it does not know the job 'segv_job'") != NULL);
	EXPECT(strstr(logged, "it does not know the job 'segv_job'") != NULL);
	kill_host(&good);
	return 0;
}

START_TEST(f35_a_host_that_does_not_know_a_job_is_refused_with_a_reason_that_both_log)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	ox_log_set(remember, NULL);
	run_real(refuses, NULL);
	ox_log_set(NULL, NULL);
	close_all();
}
END_TEST

static const struct driver drivers[] = {
	{ "host", run_host },
	{ "ignorant", run_ignorant_host },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("remote");
	TCase *c = new_pool_case(s, "jobs", 120);
	tcase_add_test(c, jobs_run_on_another_host);
	tcase_add_test(c, large_payloads_travel_both_ways);
	tcase_add_test(c, several_large_payloads_are_on_their_way_at_a_time);
	tcase_add_test(c, f30_a_result_over_its_limit_fails_and_the_worker_stays);
	tcase_add_test(c, what_a_job_writes_travels_with_its_result);
	c = new_pool_case(s, "ends", 120);
	tcase_add_test(c, f01_a_crash_on_the_host_costs_one_job_and_its_story_travels);
	tcase_add_test(c, a_timeout_kills_on_the_host_and_grace_is_told_before);
	tcase_add_test(c, a_cancelled_job_is_killed_on_the_host);
	c = new_pool_case(s, "lost", 120);
	tcase_add_test(c, a_job_of_a_host_that_was_killed_is_lost);
	tcase_add_test(c, a_job_of_a_lost_host_is_retried_elsewhere_and_what_had_not_begun_costs_nothing);
	tcase_add_test(c, f37_f39_a_stopped_host_is_lost_after_the_heartbeat_and_joins_anew);
	c = new_pool_case(s, "greetings", 120);
	tcase_add_test(c, f35_a_host_that_does_not_know_a_job_is_refused_with_a_reason_that_both_log);
	return run_suite(s);
}
