/* SPDX-License-Identifier: MIT */
/* Workers come and go: by their jobs and age, and as there is work. No job notices. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

/* ---- recycling ---- */

enum { MANY = 2000 };

/* How many of n jobs each process ran, the largest first. Says how many processes there were. */
static unsigned count_jobs_by_pid(ox_future *const *fs, unsigned n, unsigned counts[MANY])
{
	static pid_t pids[MANY];
	unsigned used = 0, k;

	for (unsigned i = 0; i < n; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		const pid_t *pid = ox_future_value(fs[i], NULL);
		if (pid == NULL)
			continue;
		for (k = 0; k < used && pids[k] != *pid; k++)
			;
		if (k == used) {
			pids[used] = *pid;
			counts[used++] = 0;
		}
		counts[k]++;
	}
	return used;
}

static int run_many(void *arg)
{
	static ox_future *fs[MANY];
	static unsigned counts[MANY];
	unsigned most = *(const unsigned *)arg, other = 0;
	OX_AUTO_GROUP *g = COLLECT;

	for (unsigned i = 0; i < MANY; i++)
		fs[i] = ox_submit(g, pool, &pid_job, NULL, 0);
	unsigned pids = count_jobs_by_pid(fs, MANY, counts);
	EXPECT(pids >= MANY / most);
	for (unsigned i = 0; i < pids; i++) {
		EXPECT(counts[i] <= most);
		other += counts[i] != counts[0];
	}
	EXPECT(other > 0);              /* not all of the same number */
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.failed, 0);
	EXPECT_EQ(s.crashed, 0);
	EXPECT_EQ(s.killed, 0);
	EXPECT_EQ(s.late, 0);
	return 0;
}

START_TEST(a_worker_is_replaced_after_max_jobs_and_no_job_fails)
{
	unsigned most = 100;

	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&pid_job), .workers = 2, .max_jobs = most), &pool), 0);
	run_real(run_many, &most);
	close_pool(pool);
}
END_TEST

static int run_each_alone(void *arg)
{
	enum { N = 20 };
	ox_future *fs[N];
	static unsigned counts[MANY];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &pid_job, NULL, 0);
	EXPECT_EQ(count_jobs_by_pid(fs, N, counts), N);
	EXPECT_EQ(stats_of(pool).crashed, 0);
	return 0;
}

START_TEST(with_max_jobs_1_each_job_has_a_process_of_its_own)
{
	with_pool(run_each_alone, POOL_OPTIONS(.jobs = OX_JOBS(&pid_job), .workers = 2, .max_jobs = 1));
}
END_TEST

/* The last job of a worker runs, and the next is there before it has ended; but only one runs at a time. */
static int overlap(void *arg)
{
	int ms = 100;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_future *next = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);

	await_begun(1);
	while (stats_of(pool).workers < 2)
		ox_sleep(OX_MS(1));
	EXPECT(!ox_future_done(f));
	EXPECT_EQ(atomic_load(begun), 1);
	EXPECT_EQ(ox_await(f), ms);
	EXPECT_EQ(ox_await(next), ms);
	return 0;
}

START_TEST(the_replacement_is_ready_before_the_last_job_has_ended_and_waits_for_it)
{
	with_pool(overlap, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job), .workers = 1, .max_jobs = 1));
}
END_TEST

static pid_t worker_pid(void)
{
	OX_AUTO_RESULT *r = NULL;
	pid_t pid = 0;

	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &r), 0);
	if (r != NULL)
		memcpy(&pid, ox_result_bytes(r).data, sizeof pid);
	return pid;
}

static int grow_old(void *arg)
{
	pid_t first = worker_pid();
	ox_time start = ox_now();
	(void)arg;

	while (worker_pid() == first && ox_now() - start < OX_SEC(20))
		;
	EXPECT(ox_now() - start >= OX_MS(20));
	EXPECT(worker_pid() != first);
	while (stats_of(pool).spawned < 4 && ox_now() - start < OX_SEC(20))     /* idle ones too */
		ox_sleep(OX_MS(5));
	ox_pool_stats s = stats_of(pool);
	EXPECT(s.spawned >= 4);
	EXPECT_EQ(s.failed + s.crashed + s.killed, 0);
	return 0;
}

START_TEST(a_worker_is_replaced_when_it_is_old)
{
	with_pool(grow_old, POOL_OPTIONS(.jobs = OX_JOBS(&pid_job), .workers = 1, .max_age = OX_MS(60)));
}
END_TEST

/* ---- as many as are needed ---- */

static int grow_and_shrink(void *arg)
{
	int ms = 50;
	ox_future *fs[4];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	EXPECT_EQ(stats_of(pool).spawned, 1);
	for (int i = 0; i < 4; i++)
		fs[i] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	await_begun(3);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(ox_await(fs[i]), ms);
	EXPECT_EQ(stats_of(pool).spawned, 3);
	while (stats_of(pool).workers > 1)
		ox_sleep(OX_MS(5));
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	for (int i = 0; i < 4; i++)     /* and once more */
		fs[i] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	await_begun(7);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(ox_await(fs[i]), ms);
	ox_pool_stats s = stats_of(pool);
	EXPECT(s.spawned >= 4);
	EXPECT_EQ(s.failed + s.crashed + s.killed, 0);
	return 0;
}

START_TEST(a_pool_grows_as_jobs_wait_and_shrinks_when_there_are_none)
{
	with_pool(grow_and_shrink, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job, &echo_job), .workers = 3, .min_workers = 1,
	                                        .idle_time = OX_MS(30)));
}
END_TEST

/* ---- F08: memory ---- */

/* Takes a MiB every so often, of so many; what it took it keeps. */
static int eat(const void *in, size_t len, ox_reply *out)
{
	const int *mib = in;
	pid_t pid = getpid();
	(void)len;

	for (int i = 0; i < *mib; i++) {
		char *volatile kept = malloc(OX_MIB(1));
		if (kept == NULL)
			return -ENOMEM;
		memset(kept, i + 1, OX_MIB(1));
		usleep(300);
	}
	return ox_reply_write(out, &pid, sizeof pid);
}
static OX_JOB(eat_job, eat);

static int eat_too_much(void *arg)
{
	int mib = 2000, ms = 300;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *other = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_future *f = ox_submit(g, pool, &eat_job, &mib, sizeof mib);

	EXPECT_EQ(ox_await(f), OX_EOOM);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	const ox_crash *c = ox_future_crash(f);
	EXPECT(c != NULL);
	if (c != NULL) {
		EXPECT_EQ(c->memory_limit, OX_MIB(200));
		EXPECT(c->max_rss > OX_MIB(200));
		EXPECT(c->max_rss < OX_MIB(1500));
		EXPECT_EQ(c->signal, SIGKILL);
	}
	EXPECT_EQ(ox_await(other), ms);
	EXPECT(worker_pid() > 0);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.killed, 1);
	EXPECT_EQ(s.crashed, 0);
	EXPECT_EQ(s.failed, 1);
	return 0;
}

START_TEST(f08_a_job_that_takes_more_memory_than_max_rss_fails_with_limit_and_peak)
{
	with_pool(eat_too_much, POOL_OPTIONS(.jobs = OX_JOBS(&eat_job, &sleep_job, &pid_job), .workers = 2, .max_rss = OX_MIB(200)));
}
END_TEST

static int eat_some(void *arg)
{
	int mib = 220;
	pid_t pid = 0;
	OX_AUTO_RESULT *r = NULL;
	ox_time start = ox_now();
	(void)arg;

	EXPECT_EQ(ox_call(pool, &eat_job, &mib, sizeof mib, &r), 0);
	if (r != NULL)
		memcpy(&pid, ox_result_bytes(r).data, sizeof pid);
	while (worker_pid() == pid && ox_now() - start < OX_SEC(20))
		ox_sleep(OX_MS(1));
	EXPECT(worker_pid() != pid);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.failed + s.crashed + s.killed, 0);
	return 0;
}

START_TEST(f08_a_worker_over_recycle_rss_is_replaced_and_its_job_does_not_fail)
{
	with_pool(eat_some, POOL_OPTIONS(.jobs = OX_JOBS(&eat_job, &pid_job), .workers = 1, .recycle_rss = OX_MIB(150)));
}
END_TEST

static int kill_self(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	return raise(SIGKILL);
}
static OX_JOB(kill_job, kill_self);

/* A control group of its own with little memory, where the kernel lets us make one. */
#define CGROUP "/sys/fs/cgroup/memory/oxbow-test"

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static int die_of_hunger(void *arg)
{
	int mib = 500;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &eat_job, &mib, sizeof mib);

	if (ox_await(f) != OX_EOOM || ox_future_origin(f) != OX_ORIGIN_CRASH)
		return 3;
	if (ox_future_crash(f) == NULL || ox_future_crash(f)->signal != SIGKILL)
		return 4;
	f = ox_submit(g, pool, &kill_job, NULL, 0);     /* and one that the kernel has nothing to do with */
	return ox_await(f) == OX_ECRASHED ? 0 : 5;
}

/* Whole in the group, spawner and workers too. */
static int run_hungry(void)
{
	if (!write_file(CGROUP "/cgroup.procs", "0"))
		return 1;
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&eat_job, &kill_job), .workers = 1), &pool) < 0)
		return 2;
	int r = ox_run(die_of_hunger, NULL, NULL);
	ox_pool_close(pool);
	return r;
}

static bool no_group(void *arg)
{
	(void)arg;
	return rmdir(CGROUP) == 0 || errno == ENOENT;
}

START_TEST(a_kill_by_the_kernel_for_want_of_memory_is_told_from_another)
{
	char nonce[64];
	int out, status;

	no_group(NULL);                 /* of a run that was killed */
	if (mkdir(CGROUP, 0700) < 0 || !write_file(CGROUP "/memory.limit_in_bytes", "64M")) {
		rmdir(CGROUP);
		SKIP("no memory control group of version 1 can be made here");
	}
	pid_t pid = start_driver("hungry", nonce, &out);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(out);
	ck_assert(eventually(no_process_left, nonce, 2000));
	ck_assert(eventually(no_group, NULL, 2000));
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- F06: workers that stand still ---- */

static int stop_self(const void *in, size_t len, ox_reply *out)
{
	pid_t pid = getpid();
	(void)in, (void)len;

	atomic_store(begun, (int)pid);
	raise(SIGSTOP);
	return ox_reply_write(out, &pid, sizeof pid);
}
static OX_JOB(stop_job, stop_self);

static int stall(void *arg)
{
	ox_time start = ox_now();
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &stop_job, NULL, 0);
	ox_future *behind = ox_submit(g, pool, &pid_job, NULL, 0);

	EXPECT_EQ(ox_await(f), OX_ESTUCK);
	EXPECT(ox_now() - start >= OX_MS(40));
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_future_crash(f) != NULL ? ox_future_crash(f)->signal : 0, SIGKILL);
	EXPECT_EQ(ox_await(behind), 0);
	pid_t pid = worker_pid();       /* one that is stopped before it begins costs no job */
	kill(pid, SIGSTOP);
	EXPECT(worker_pid() != pid);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.killed, 2);
	EXPECT_EQ(s.failed, 1);
	EXPECT_EQ(s.stopped, 0);
	return 0;
}

START_TEST(f06_a_worker_that_was_stopped_in_a_job_is_killed_after_stall)
{
	with_pool(stall, POOL_OPTIONS(.jobs = OX_JOBS(&stop_job, &pid_job), .workers = 1, .stall = OX_MS(40)));
}
END_TEST

static int stand_still(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &stop_job, NULL, 0);

	await_begun(1);
	while (stats_of(pool).stopped == 0)
		ox_sleep(OX_MS(1));
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.stopped, 1);
	EXPECT_EQ(s.busy, 1);
	EXPECT(worker_pid() > 0);       /* the other one works */
	kill((pid_t)atomic_load(begun), SIGCONT);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_EQ(stats_of(pool).stopped, 0);
	return 0;
}

START_TEST(f06_without_stall_the_figures_show_the_stopped_worker_and_it_may_go_on)
{
	with_pool(stand_still, POOL_OPTIONS(.jobs = OX_JOBS(&stop_job, &pid_job), .workers = 2));
}
END_TEST

/* ---- limits and places ---- */

struct traits {
	struct rlimit core, data, files, file_size;
	int nice;
	cpu_set_t cpus;
	pid_t pid;
};

/* Waits until so many jobs have come here: what two that met say of themselves was true at one time. */
static void meet(int expected)
{
	atomic_fetch_add(begun, 1);
	for (int i = 0; atomic_load(begun) < expected && i < 20000; i++)
		usleep(1000);
}

static int show_traits(const void *in, size_t len, ox_reply *out)
{
	struct traits t = { .nice = getpriority(PRIO_PROCESS, 0), .pid = getpid() };

	getrlimit(RLIMIT_CORE, &t.core);
	getrlimit(RLIMIT_DATA, &t.data);
	getrlimit(RLIMIT_NOFILE, &t.files);
	getrlimit(RLIMIT_FSIZE, &t.file_size);
	sched_getaffinity(0, sizeof t.cpus, &t.cpus);
	if (len > 0)
		meet(*(const int *)in);
	return ox_reply_write(out, &t, sizeof t);
}
static OX_JOB(traits_job, show_traits);

static struct traits traits_of(ox_future *f)
{
	struct traits t = { .pid = 0 };
	size_t len;

	EXPECT_EQ(ox_await(f), 0);
	const void *value = ox_future_value(f, &len);
	if (value != NULL && len == sizeof t)
		memcpy(&t, value, sizeof t);
	return t;
}

static int look_at_limits(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct traits t = traits_of(ox_submit(g, pool, &traits_job, NULL, 0));
	int nice = getpriority(PRIO_PROCESS, 0);

	EXPECT_EQ(t.core.rlim_cur, 4096);
	EXPECT_EQ(t.data.rlim_max, OX_GIB(1) << 20);
	EXPECT_EQ(t.files.rlim_cur, 100);
	EXPECT_EQ(t.files.rlim_max, 100);
	EXPECT_EQ(t.file_size.rlim_cur, OX_MIB(3));
	EXPECT_EQ(t.nice, nice < 14 ? nice + 5 : 19);
	return 0;
}

static int look_at_defaults(void *arg)
{
	struct rlimit files;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct traits t = traits_of(ox_submit(g, pool, &traits_job, NULL, 0));

	getrlimit(RLIMIT_NOFILE, &files);
	EXPECT_EQ(t.core.rlim_max, 0);
	EXPECT_EQ(t.files.rlim_max, files.rlim_max);
	EXPECT_EQ(t.nice, getpriority(PRIO_PROCESS, 0));
	return 0;
}

START_TEST(workers_have_the_limits_that_were_asked_for_and_no_core_otherwise)
{
	with_pool(look_at_limits, POOL_OPTIONS(.jobs = OX_JOBS(&traits_job), .workers = 1, .nice = 5, .max_core = 4096,
	                                       .max_data = OX_GIB(1) << 20, .max_files = 100, .max_file_size = OX_MIB(3)));
	with_pool(look_at_defaults, POOL_OPTIONS(.jobs = OX_JOBS(&traits_job), .workers = 1));
}
END_TEST

static int run_dry(void *arg)
{
	int mib = 400;
	(void)arg;

	EXPECT_EQ(ox_call(pool, &eat_job, &mib, sizeof mib, NULL), -ENOMEM);
	EXPECT_EQ(stats_of(pool).crashed, 0);
	return 0;
}

START_TEST(over_max_data_an_allocation_fails_in_the_job)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	SKIP("the sanitizer's own memory is far beyond any limit");
#endif
	with_pool(run_dry, POOL_OPTIONS(.jobs = OX_JOBS(&eat_job), .workers = 1, .max_data = OX_MIB(200)));
}
END_TEST

static int look_at_cpus(void *arg)
{
	cpu_set_t may;
	ox_future *fs[2];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	sched_getaffinity(0, sizeof may, &may);
	traits_of(ox_submit(g, pool, &traits_job, NULL, 0));
	for (int turn = 0; turn < 4; turn++) {          /* also when workers have been replaced */
		while (stats_of(pool).workers < 2)
			ox_sleep(OX_MS(1));
		for (int i = 0, both = 2 * turn + 2; i < 2; i++)
			fs[i] = ox_submit(g, pool, &traits_job, &both, sizeof both);
		struct traits a = traits_of(fs[0]), b = traits_of(fs[1]);
		EXPECT_EQ(CPU_COUNT(&a.cpus), 1);
		EXPECT_EQ(CPU_COUNT(&b.cpus), 1);
		EXPECT(a.pid != b.pid);
		EXPECT(CPU_COUNT(&may) == 1 || !CPU_EQUAL(&a.cpus, &b.cpus));
	}
	EXPECT(stats_of(pool).spawned >= 4);
	return 0;
}

START_TEST(pinned_workers_share_no_cpu_also_when_they_are_replaced)
{
	with_pool(look_at_cpus, POOL_OPTIONS(.jobs = OX_JOBS(&traits_job), .workers = 2, .pin = true, .max_jobs = 2));
}
END_TEST

static int cannot_begin(void *arg)
{
	(void)arg;
	return ox_call(pool, &echo_job, NULL, 0, NULL);
}

/* A child, for the uid is given up: then a negative nice is not allowed. */
static int run_unprivileged(void)
{
	if (setresuid(65534, 65534, 65534) < 0)
		return 1;
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1, .nice = -5, .init_limit = 2), &pool) < 0)
		return 2;
	int r = ox_run(cannot_begin, NULL, NULL);
	ox_pool_close(pool);
	return r == OX_EINIT ? 0 : 3;
}

START_TEST(workers_that_may_not_be_what_was_asked_for_break_the_pool)
{
	char nonce[64];
	int out, status;

	if (geteuid() != 0)
		SKIP("needs root, to give it up");
	pid_t pid = start_driver("unprivileged", nonce, &out);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(out);
	ck_assert_int_eq(status, 0);
	ck_assert(eventually(no_process_left, nonce, 2000));
}
END_TEST

static const struct driver drivers[] = { { "hungry", run_hungry }, { "unprivileged", run_unprivileged }, { NULL, NULL } };

int main(int argc, char **argv)
{
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("workers");
	TCase *c = new_pool_case(s, "recycling", 60);
	tcase_add_test(c, a_worker_is_replaced_after_max_jobs_and_no_job_fails);
	tcase_add_test(c, with_max_jobs_1_each_job_has_a_process_of_its_own);
	tcase_add_test(c, the_replacement_is_ready_before_the_last_job_has_ended_and_waits_for_it);
	tcase_add_test(c, a_worker_is_replaced_when_it_is_old);
	c = new_pool_case(s, "numbers", 60);
	tcase_add_test(c, a_pool_grows_as_jobs_wait_and_shrinks_when_there_are_none);
	c = new_pool_case(s, "memory", 60);
	tcase_add_test(c, f08_a_job_that_takes_more_memory_than_max_rss_fails_with_limit_and_peak);
	tcase_add_test(c, f08_a_worker_over_recycle_rss_is_replaced_and_its_job_does_not_fail);
	tcase_add_test(c, a_kill_by_the_kernel_for_want_of_memory_is_told_from_another);
	c = new_pool_case(s, "standstill", 60);
	tcase_add_test(c, f06_a_worker_that_was_stopped_in_a_job_is_killed_after_stall);
	tcase_add_test(c, f06_without_stall_the_figures_show_the_stopped_worker_and_it_may_go_on);
	c = new_pool_case(s, "limits", 60);
	tcase_add_test(c, workers_have_the_limits_that_were_asked_for_and_no_core_otherwise);
	tcase_add_test(c, over_max_data_an_allocation_fails_in_the_job);
	tcase_add_test(c, pinned_workers_share_no_cpu_also_when_they_are_replaced);
	tcase_add_test(c, workers_that_may_not_be_what_was_asked_for_break_the_pool);
	return run_suite(s);
}
