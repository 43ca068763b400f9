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
#include <time.h>
#include <unistd.h>
#include <zmq.h>

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

extern const ox_job left_job, join_job;

#define ALL_JOBS OX_JOBS(&left_job, &join_job, &echo_job, &sleep_job, &segv_job, &pid_job, &large_job, &sum_job, &hang_job, &brief_job, \
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
	EXPECT(strstr(text, "it does not know the job 'left_job'") != NULL);
	EXPECT(strstr(logged, "it does not know the job 'left_job'") != NULL);
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

/* ---- terms, dependencies ---- */

static int time_left(const void *in, size_t len, ox_reply *out)
{
	ox_time left = ox_job_deadline(out);
	struct timespec t;
	(void)in, (void)len;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (left != OX_NEVER)
		left -= OX_SEC(t.tv_sec) + t.tv_nsec;
	return ox_reply_write(out, &left, sizeof left);
}
OX_JOB(left_job, time_left, .timeout = OX_SEC(1000));

static int join_up(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b;

	ox_reply_write(out, in, len);
	for (size_t i = 0; i < ox_job_dependencies(out); i++) {
		int status = ox_job_dependency(out, i, &b);
		ox_reply_write(out, &status, sizeof status);
		ox_reply_write(out, b.data, b.len);
	}
	return (int)ox_job_dependencies(out);
}
OX_JOB(join_job, join_up);

static int with_terms(void *arg)
{
	size_t n = OX_MIB(2), len;
	int ms = 3;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	ox_future *f = ox_submit(g, pool, &left_job, NULL, 0);
	EXPECT_EQ(ox_await(f), 0);
	ox_time left = *(const ox_time *)ox_future_value(f, NULL);
	EXPECT(left > OX_SEC(500) && left <= OX_SEC(1000));

	ox_future *before[] = {
		ox_submit(g, pool, &sleep_job, &ms, sizeof ms), ox_submit(g, pool, &large_job, &n, sizeof n),
	};
	f = ox_submit_with(g, pool, &join_job, "in", 2, OX_SUBMIT_OPTIONS(.after = before, .after_count = 2));
	EXPECT_EQ(ox_await(f), 2);
	const uint8_t *value = ox_future_value(f, &len);
	EXPECT_EQ(len, 2 + sizeof(int) + sizeof(int) + n);
	EXPECT(value != NULL && memcmp(value, "in", 2) == 0 && memcmp(value + 2, &ms, sizeof ms) == 0 && value[len - 1] == (uint8_t)((n - 1) * 7));
	return 0;
}

START_TEST(deadlines_and_the_results_of_jobs_before_travel)
{
	with_host(with_terms, "2", REMOTE_OPTIONS(.remote_only = true));
}
END_TEST

/* ---- leaving ---- */

static int leaves(void *arg)
{
	char text[4096];
	int ms = 500;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct host a = start_host("host", "1");

	ox_future *running = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	await_busy(1);
	ox_future *waiting = ox_submit(g, pool, &pid_job, NULL, 0);
	ox_yield();
	kill(a.pid, SIGINT);
	EXPECT_EQ(ox_await(running), ms);
	EXPECT_EQ(end_of(&a, text, sizeof text), 0);
	await_hosts(0);
	EXPECT(!ox_future_done(waiting));

	struct host b = start_host("host", "1");
	EXPECT_EQ(ox_await(waiting), 0);
	ox_future *hanging = ox_submit(g, pool, &hang_job, NULL, 0);
	await_busy(1);
	kill(b.pid, SIGTERM);
	EXPECT_EQ(ox_await(hanging), OX_ELOST);
	end_of(&b, text, sizeof text);
	EXPECT(strstr(text, "end -125") != NULL);
	return 0;
}

START_TEST(sigint_lets_a_host_end_its_jobs_and_sigterm_does_not)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	run_real(leaves, NULL);
	close_all();
}
END_TEST

static int idles(void *arg)
{
	char text[4096];
	(void)arg;
	struct host h = start_host("lazy", "1");

	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	await_hosts(0);
	EXPECT_EQ(end_of(&h, text, sizeof text), 0);
	EXPECT(strstr(text, "had nothing to do") != NULL);
	return 0;
}

START_TEST(an_idle_host_leaves)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	run_real(idles, NULL);
	close_all();
}
END_TEST

static int run_lazy_host(void)
{
	ox_log_set(log_to_stdout, NULL);
	return ox_worker_join_with(getenv(JOIN), ALL_JOBS, OX_WORKER_OPTIONS(.slots = 1, .idle = OX_SEC(3))) < 0;
}

/* ---- pools that come and go ---- */

static int keep_pool(void *arg)
{
	(void)arg;
	await_remote(1);
	if (write(1, "up", 2) != 2)
		return 1;
	return ox_sleep(OX_SEC(1000));
}

static int run_keeper(void)
{
	snprintf(path, sizeof path, "%s", getenv(JOIN));
	if (ox_pool_open(REMOTE_OPTIONS(.remote_only = true), &pool) < 0)
		return 1;
	return ox_run(keep_pool, NULL, NULL);
}

static int has_come_back(void *arg)
{
	(void)arg;
	await_remote(1);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(a_pool_that_was_killed_and_started_again_gets_its_hosts_back)
{
	char text[4096];

	snprintf(path, sizeof path, "/tmp/oxbow-join-%d", (int)getpid());
	struct host keeper = start_host("keeper", "1");
	while (access(path, F_OK) < 0)
		poll(NULL, 0, 1);
	struct host h = start_host("host", "1");
	ck_assert_int_eq(read(keeper.out, text, 2), 2);
	kill_host(&keeper);
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	run_real(has_come_back, NULL);
	close_all();
	ck_assert_msg(end_of(&h, text, sizeof text) == 0, "%s", text);
}
END_TEST

enum { MANY = 20 };

static int twenty(void *arg)
{
	enum { N = 200 };
	static ox_future *fs[N];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	await_remote(MANY);
	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &echo_job, &i, sizeof i);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(ox_await(fs[i]), 0);
	EXPECT_EQ(stats_of(pool).hosts, MANY);
	return 0;
}

START_TEST(twenty_hosts_work_for_a_pool)
{
	struct host hosts[MANY];
	char text[4096];

	open_pool(REMOTE_OPTIONS(.remote_only = true, .heartbeat = OX_SEC(30)));
	for (int i = 0; i < MANY; i++)
		hosts[i] = start_host("host", "1");
	run_real(twenty, NULL);
	close_all();
	for (int i = 0; i < MANY; i++)
		ck_assert_msg(end_of(&hosts[i], text, sizeof text) == 0, "%s", text);
}
END_TEST

static int keeps_its_credit(void *arg)
{
	enum { N = 40 };
	static ox_future *fs[N];
	const struct host *h = arg;
	int ms = 5;
	OX_AUTO_GROUP *g = COLLECT;

	await_remote(1);
	kill(h->pid, SIGSTOP);
	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	while (stats_of(pool).done < N - 1)     /* one waits for the host */
		ox_sleep(OX_MS(1));
	kill(h->pid, SIGCONT);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(ox_await(fs[i]), ms);
	return 0;
}

START_TEST(f39_a_stopped_host_holds_no_more_than_its_credit_and_the_rest_flows_to_others)
{
	with_host(keeps_its_credit, "1", REMOTE_OPTIONS(.workers = 1, .heartbeat = OX_SEC(60)));
}
END_TEST

/* ---- strangers ---- */

static struct oxi_join read_join(void)
{
	struct oxi_join j;
	char error[256];

	EXPECT_EQ(oxi_join_read(path, &j, error, sizeof error), 0);
	return j;
}

static int connect_to(const struct oxi_join *j)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_port = htons((uint16_t)atoi(strrchr(j->endpoint[0], ':') + 1));
	EXPECT_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* Until the pool has closed the connection. */
static void await_close(int fd)
{
	uint8_t bytes[256];
	ssize_t n;

	do
		EXPECT(ox_wait_fd(fd, OX_READABLE) > 0);
	while ((n = read(fd, bytes, sizeof bytes)) > 0);
	close(fd);
}

static void await_link(struct oxi_channel *c, int expected)
{
	int r;

	while ((r = oxi_channel_link(c)) == 0)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(r, expected);
	oxi_channel_free(c);
}

static int strangers(void *arg)
{
	static const uint8_t null_greeting[64] = { [0] = 0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L' };
	static const struct { const void *data; size_t len; } said[] = {
		{ "\0\1\2\3garbage", 11 }, { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27 }, { null_greeting, 64 }, { "", 0 },
	};
	struct oxi_join j = read_join();
	struct oxi_keys keys;
	struct oxi_channel *c;
	(void)arg;

	EXPECT_EQ(oxi_pool_attach(pool), 0);
	uint64_t before = stats_of(pool).rejected;
	ox_time start = ox_now();
	for (unsigned i = 0; i < sizeof said / sizeof *said; i++) {
		int fd = connect_to(&j);
		EXPECT_EQ(write(fd, said[i].data, said[i].len), (ssize_t)said[i].len);
		await_close(fd);
	}
	EXPECT(ox_now() - start >= OX_SEC(1));  /* who says nothing has the time of a handshake */
	while (stats_of(pool).rejected < before + 2)
		ox_sleep(OX_MS(1));

	EXPECT_EQ(oxi_keys_make(&keys), 0);
	struct oxi_join_to to = { .endpoint = j.endpoint[0], .server_key = j.server_key, .keys = &keys, .silence_ms = 3000 };
	EXPECT_EQ(oxi_channel_join(&to, &c), 0);
	await_link(c, OX_EAUTH);
	while (stats_of(pool).rejected < before + 3)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(stats_of(pool).hosts, 0);
	return 0;
}

START_TEST(f33_strangers_reach_nothing_and_are_disconnected)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	run_real(strangers, NULL);
	close_all();
}
END_TEST

/* What a client with the right key gets for its first message: the status of the refusal. */
static int32_t refusal_of(const uint8_t *head, const void *body, size_t len)
{
	struct oxi_join j = read_join();
	char address[OXI_ENDPOINT];
	uint8_t answer[512];
	struct oxi_record r;
	int size;
	void *context = zmq_ctx_new(), *s = zmq_socket(context, ZMQ_DEALER);

	snprintf(address, sizeof address, "%s", j.endpoint[0]);
	zmq_setsockopt(s, ZMQ_LINGER, &(int){ 0 }, sizeof(int));
	zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, j.server_key, OXI_KEY);
	zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, j.client.public_key, OXI_KEY);
	zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, j.client.secret_key, OXI_KEY);
	EXPECT_EQ(zmq_connect(s, address), 0);
	zmq_send(s, head, OXI_WIRE_HEADER, ZMQ_SNDMORE);
	zmq_send(s, body, len, 0);
	while ((size = zmq_recv(s, answer, sizeof answer, ZMQ_DONTWAIT)) < 0)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(answer[3], OXI_REFUSE);
	size = zmq_recv(s, answer, sizeof answer, 0);
	EXPECT(size > (int)OXI_WIRE_RECORD);
	oxi_record_decode(answer, &r);
	zmq_close(s);
	zmq_ctx_term(context);
	return r.status;
}

static int32_t refusal_of_hello(const char *text, uint32_t epoch)
{
	uint8_t head[OXI_WIRE_HEADER], data[512];
	struct oxi_body b;

	oxi_body_init(&b, data, sizeof data, 1);
	oxi_body_put(&b, &(struct oxi_record){ .length = strlen(text) }, text);
	oxi_header_encode(head, &(struct oxi_header){ .type = OXI_HELLO, .count = 1, .epoch = epoch, .length = b.len });
	return refusal_of(head, data, b.len);
}

static int other_versions(void *arg)
{
	uint8_t head[OXI_WIRE_HEADER];
	uint32_t epoch = read_join().epoch;
	(void)arg;

	EXPECT_EQ(oxi_pool_attach(pool), 0);
	oxi_header_encode(head, &(struct oxi_header){ .type = OXI_HELLO });
	head[2] = OXI_WIRE_VERSION + 1;
	EXPECT_EQ(refusal_of(head, "", 0), OX_EVERSION);
	EXPECT(strstr(logged, "it speaks version 2 of the protocol") != NULL);
	EXPECT_EQ(refusal_of_hello("library 99.1\nhost h\npid 1\nslots 1\n", epoch), OX_EVERSION);
	EXPECT(strstr(logged, "h/1 refused: it has version 99.1 of the library") != NULL);
	EXPECT_EQ(refusal_of_hello("library 99.1\nhost h\npid 1\nslots 1\n", epoch + 1), OX_ESTATE);
	EXPECT_EQ(refusal_of_hello("slots many\n", epoch), OX_EPROTO);
	oxi_header_encode(head, &(struct oxi_header){ .type = OXI_START, .epoch = epoch });
	EXPECT_EQ(refusal_of(head, "", 0), OX_ESTATE);
	EXPECT(stats_of(pool).rejected >= 5);
	return 0;
}

START_TEST(f35_another_version_is_refused_with_a_reason)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	ox_log_set(remember, NULL);
	run_real(other_versions, NULL);
	ox_log_set(NULL, NULL);
	close_all();
}
END_TEST

static int no_descriptors(void *arg)
{
	enum { N = 8 };
	struct oxi_join j = read_join();
	struct rlimit before, low;
	int fds[N];
	(void)arg;

	EXPECT_EQ(oxi_pool_attach(pool), 0);
	for (int i = 0; i < N; i++)
		fds[i] = connect_to(&j);
	ox_sleep(OX_SEC(3));            /* they are let go */
	for (int i = 0; i < N; i++)
		close(fds[i]);
	uint64_t rejected = stats_of(pool).rejected;
	getrlimit(RLIMIT_NOFILE, &before);
	for (int i = 0; i < N; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	low = before;
	low.rlim_cur = (rlim_t)fds[N - 1] + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	a.sin_port = htons((uint16_t)atoi(strrchr(j.endpoint[0], ':') + 1));
	EXPECT_EQ(connect(fds[0], (struct sockaddr *)&a, sizeof a), 0);
	while (stats_of(pool).rejected == rejected)
		ox_sleep(OX_MS(1));
	setrlimit(RLIMIT_NOFILE, &before);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	struct host h = start_host("host", "1");
	await_remote(1);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	kill_host(&h);
	return 0;
}

START_TEST(f22_without_descriptors_a_host_is_kept_waiting_and_nothing_aborts)
{
	open_pool(REMOTE_OPTIONS(.remote_only = true));
	run_real(no_descriptors, NULL);
	close_all();
}
END_TEST

/* ---- the join file, options ---- */

static int parse(const char *text, char error[128])
{
	struct oxi_join j;

	error[0] = '\0';
	return oxi_join_parse("f", text, strlen(text), &j, error, 128);
}

#define KEY "ZL:0zTnzZRQuCl=Mgy=@w7Q@q4Yj4U[A@]q}gXY3"
#define GOOD "# comment\noxbow-join 1\nendpoint tcp://[::1]:7\n\nserver-key " KEY "\nclient-key " KEY "\nclient-secret " KEY \
             "\nepoch 4294967295\nheartbeat 3000\nlater-key x\n"

START_TEST(a_join_file_is_checked_and_what_is_wrong_is_said_with_its_line)
{
	char error[128];

	ck_assert_int_eq(parse(GOOD, error), 0);
#define WRONG(text, what)                                               \
	do {                                                            \
		ck_assert_int_eq(parse(text, error), OX_EPROTO);        \
		ck_assert_str_eq(error, what);                          \
	} while (0)
	WRONG("", "f: the line 'oxbow-join' is missing");
	WRONG("endpoint tcp://a:1\n", "f:1: no join file: it would begin with oxbow-join");
	WRONG("oxbow-join 2\n", "f:1: written by another version of oxbow");
	WRONG("oxbow-join 1\nendpoint udp://a\n", "f:2: give tcp://ADDRESS:PORT");
	WRONG("oxbow-join 1\n\nserver-key abc\n", "f:3: no key: 40 characters of Z85");
	WRONG("oxbow-join 1\nepoch 4294967296\n", "f:2: the number is out of range");
	WRONG("oxbow-join 1\nepoch 1\nepoch 1\n", "f:3: said twice");
	WRONG("oxbow-join 1\nepoch 1\2\n", "f:2: no line of a key and a value");
	WRONG("oxbow-join 1\nepoch 1\n", "f: the line 'endpoint' is missing");
	ck_assert_int_eq(ox_worker_join("/nonexistent", ALL_JOBS), -ENOENT);
	ck_assert_int_eq(ox_worker_join("/dev/null", ALL_JOBS), OX_EINVAL);
}
END_TEST

START_TEST(the_join_file_is_its_owners_alone_and_goes_with_the_pool)
{
	struct stat st;

	open_pool(REMOTE_OPTIONS(.workers = 1));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	close_all();
	open_pool(REMOTE_OPTIONS(.workers = 1));
	unlink(path);
	ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	close_pool(pool);
	ck_assert_int_eq(unlink(path), 0);      /* somebody else's by then: it stayed */
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
	ox_pool *p;

	snprintf(path, sizeof path, "/tmp/oxbow-join-%d", (int)getpid());
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .join_file = path), &p), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .remote_only = true), &p), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .listen = "tcp://127.0.0.1:0"), &p), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .listen = "ipc://x", .join_file = path), &p), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(REMOTE_OPTIONS(.heartbeat = -1), &p), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .listen = "tcp://127.0.0.1:0", .join_file = "/nonexistent/x"), &p), -ENOENT);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

/* ---- the pool in netns.sh ---- */

static ox_time longest_turn;

/* How long the loop does not come round. */
static int watch_turns(void *arg)
{
	(void)arg;
	for (ox_time before = ox_now(); ox_sleep(OX_MS(5)) == 0; before = ox_now())
		if (ox_now() - before - OX_MS(5) > longest_turn)
			longest_turn = ox_now() - before - OX_MS(5);
	return 0;
}

/* Until the script has said its next word. */
static int await_script(void)
{
	char word[16];

	if (ox_wait_fd(0, OX_READABLE) < 0)
		return -EIO;
	return read(0, word, sizeof word) > 0 ? 0 : -EIO;
}

/* A large payload there and back again. */
static int echo_large(void)
{
	static uint8_t data[OX_MIB(3)];
	OX_AUTO_RESULT *r = NULL;
	int status = ox_call(pool, &echo_job, data, sizeof data, &r);

	return status == 0 && ox_result_bytes(r).len != sizeof data ? OX_EPROTO : status;
}

static int under_the_script(void *arg)
{
	int ms = 1, r;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	ox_spawn(g, watch_turns, NULL);
	ox_future *hanging = ox_submit(g, pool, &hang_job, NULL, 0);
	await_busy(1);
	printf("running\n");
	if ((r = await_script()) < 0)
		return r;
	ox_time cut_at = ox_now();
	longest_turn = 0;
	ox_future *waiting = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	if (ox_await(hanging) != OX_ELOST)
		return OX_ESTATE;
	await_hosts(0);
	printf("lost %d ms after the cut, longest turn of the loop %d ms\n", (int)((ox_now() - cut_at) / OX_MS(1)),
	       (int)(longest_turn / OX_MS(1)));
	if ((r = await_script()) < 0)
		return r;
	ox_time healed_at = ox_now();
	if (ox_await(waiting) != ms)
		return OX_ESTATE;
	printf("healed: the job that had waited ran after %d ms\n", (int)((ox_now() - healed_at) / OX_MS(1)));
	if ((r = await_script()) < 0)
		return r;
	ox_time slow_at = ox_now();
	longest_turn = 0;
	if ((r = echo_large()) < 0)
		return r;
	printf("slow: 3 MiB there and back in %d ms, longest turn %d ms, hosts %u\n", (int)((ox_now() - slow_at) / OX_MS(1)),
	       (int)(longest_turn / OX_MS(1)), stats_of(pool).hosts);
	return 0;
}

static int run_network(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ox_log_set(log_to_stdout, NULL);
	int r = ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .listen = getenv("OXBOW_TEST_LISTEN"), .join_file = getenv(JOIN),
	                                  .remote_only = true, .heartbeat = OX_SEC(1)), &pool);
	if (r == 0)
		r = ox_run(under_the_script, NULL, NULL);
	ox_pool_close(pool);
	printf("end %d\n", r);
	return r < 0;
}

static const struct driver drivers[] = {
	{ "network", run_network },
	{ "host", run_host },
	{ "ignorant", run_ignorant_host },
	{ "lazy", run_lazy_host },
	{ "keeper", run_keeper },
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
	tcase_add_test(c, deadlines_and_the_results_of_jobs_before_travel);
	c = new_pool_case(s, "ends", 120);
	tcase_add_test(c, f01_a_crash_on_the_host_costs_one_job_and_its_story_travels);
	tcase_add_test(c, a_timeout_kills_on_the_host_and_grace_is_told_before);
	tcase_add_test(c, a_cancelled_job_is_killed_on_the_host);
	c = new_pool_case(s, "lost", 120);
	tcase_add_test(c, a_job_of_a_host_that_was_killed_is_lost);
	tcase_add_test(c, a_job_of_a_lost_host_is_retried_elsewhere_and_what_had_not_begun_costs_nothing);
	tcase_add_test(c, f37_f39_a_stopped_host_is_lost_after_the_heartbeat_and_joins_anew);
	tcase_add_test(c, f39_a_stopped_host_holds_no_more_than_its_credit_and_the_rest_flows_to_others);
	tcase_add_test(c, sigint_lets_a_host_end_its_jobs_and_sigterm_does_not);
	tcase_add_test(c, an_idle_host_leaves);
	tcase_add_test(c, a_pool_that_was_killed_and_started_again_gets_its_hosts_back);
	tcase_add_test(c, twenty_hosts_work_for_a_pool);
	c = new_pool_case(s, "strangers", 120);
	tcase_add_test(c, f33_strangers_reach_nothing_and_are_disconnected);
	tcase_add_test(c, f35_another_version_is_refused_with_a_reason);
	tcase_add_test(c, f22_without_descriptors_a_host_is_kept_waiting_and_nothing_aborts);
	tcase_add_test(c, a_join_file_is_checked_and_what_is_wrong_is_said_with_its_line);
	tcase_add_test(c, the_join_file_is_its_owners_alone_and_goes_with_the_pool);
	tcase_add_test(c, options_that_make_no_sense_are_refused);
	c = new_pool_case(s, "greetings", 120);
	tcase_add_test(c, f35_a_host_that_does_not_know_a_job_is_refused_with_a_reason_that_both_log);
	return run_suite(s);
}
