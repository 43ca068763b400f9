/* SPDX-License-Identifier: MIT */
/* The system has no more to give: processes, shared memory, or workers that start at all. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;
static char heard[4096];

static void hear(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	strncat(heard, text, sizeof heard - strlen(heard) - 1);
}

/* A driver's check: it has no Check around it. */
#define MUST(x)                                                                         \
	do {                                                                            \
		if (!(x)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

static void run_driver(const char *name)
{
	char nonce[64];
	int out, status;
	pid_t pid = start_driver(name, nonce, &out);

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(out);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("SKIP %s: not permitted here\n", name);
	else
		ck_assert_int_eq(status, 0);
	ck_assert(eventually(no_process_left, nonce, 5000));
}

/* ---- F24: processes ---- */

/* What the spawners of this program may have of this user's processes. */
static void allow_processes(rlim_t n)
{
	pid_t pids[4];
	unsigned count = find_processes(NULL, "oxbow-spawner", pids, 4);
	struct rlimit l;

	MUST(count >= 1 && count <= 4);
	for (unsigned i = 0; i < count; i++) {
		MUST(prlimit(pids[i], RLIMIT_NPROC, NULL, &l) == 0);
		l.rlim_cur = n < l.rlim_max ? n : l.rlim_max;
		MUST(prlimit(pids[i], RLIMIT_NPROC, &l, NULL) == 0);
	}
}

static int live_without_forks(void *arg)
{
	int ms = 20;
	ox_future *fs[3];
	ox_time begin;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	MUST(ox_call(pool, &echo_job, NULL, 0, NULL) == 0);
	allow_processes(1);
	for (int i = 0; i < 3; i++)
		fs[i] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	while (stats_of(pool).degraded < 2)
		ox_sleep(OX_MS(1));
	for (int i = 0; i < 3; i++)
		MUST(ox_await(fs[i]) == ms);
	MUST(stats_of(pool).workers == 1);
	MUST(strstr(heard, "pool scarce goes on with 1 workers of 3") != NULL);

	begin = ox_now();
	MUST(ox_await(ox_submit(g, pool, &segv_job, NULL, 0)) == OX_ECRASHED);
	MUST(ox_call(pool, &echo_job, NULL, 0, NULL) == OX_EINIT);
	MUST(ox_now() - begin >= OX_MS(200));
	MUST(stats_of(pool).workers == 0);

	allow_processes(RLIM_INFINITY);
	while (ox_call(pool, &echo_job, NULL, 0, NULL) == OX_EINIT)
		;
	while (stats_of(pool).degraded > 0)
		ox_sleep(OX_MS(5));
	MUST(strstr(heard, "pool scarce has all its workers again") != NULL);
	return 0;
}

/* An ordinary uid: root is not bound by the limit. */
static int run_without_forks(void)
{
	if (geteuid() == 0) {
		MUST(setresuid(64123, 64123, 64123) == 0);
		prctl(PR_SET_DUMPABLE, 1);      /* or its /proc is root's */
	}
	ox_log_set(hear, NULL);
	MUST(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &sleep_job, &segv_job), .workers = 3, .min_workers = 1,
	                               .spawn_deadline = OX_MS(200), .name = "scarce"), &pool) == 0);
	MUST(ox_run(live_without_forks, NULL, NULL) == 0);
	MUST(ox_pool_close(pool) == 0);
	return 0;
}

START_TEST(f24_a_pool_that_cannot_fork_goes_on_with_what_it_has_and_fails_jobs_in_time_with_nothing)
{
	run_driver("no-forks");
}
END_TEST

/* ---- F25: /dev/shm ---- */

static int all_are(const void *data, size_t len, int value)
{
	const uint8_t *p = data;

	return len > 0 && p[0] == value && memcmp(p, p + 1, len - 1) == 0;
}

static int send_large(void *arg)
{
	const size_t len = OX_MIB(64);
	uint8_t *data = malloc(len);
	ox_future *fs[3];
	size_t got;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	MUST(data != NULL);
	for (int i = 0; i < 3; i++) {
		memset(data, i + 1, len);
		fs[i] = ox_submit(g, pool, &echo_job, data, len);
	}
	free(data);
	for (int i = 0; i < 3; i++) {
		MUST(ox_await(fs[i]) == 0);
		const void *value = ox_future_value(fs[i], &got);
		MUST(got == len && all_are(value, len, i + 1));
	}
	return 0;
}

static int run_in_small_shm(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") < 0)
		return 77;
	MUST(ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .arena_bytes = OX_MIB(256)), &pool) == 0);
	MUST(ox_run(send_large, NULL, NULL) == 0);
	MUST(ox_pool_close(pool) == 0);
	return 0;
}

START_TEST(f25_with_1_mb_of_dev_shm_payloads_of_64_mib_go_through)
{
	run_driver("small-shm");
}
END_TEST

/* ---- F16: time ---- */

static int crash(void *arg)
{
	(void)arg;
	abort();
}

/* Of a spawner with all its dead children, the workers. */
static ox_time cpu_time(pid_t spawner)
{
	unsigned long ticks[4] = { 0 };
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)spawner);
	FILE *f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &ticks[0], &ticks[1],
	                        &ticks[2], &ticks[3]), 4);
	fclose(f);
	return (ox_time)(ticks[0] + ticks[1] + ticks[2] + ticks[3]) * (OX_SEC(1) / sysconf(_SC_CLK_TCK));
}

static int watch_it_fail(void *arg)
{
	pid_t pids[4];
	ox_time used = 0, begin;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	ox_submit(g, pool, &echo_job, NULL, 0);
	while (stats_of(pool).crashed < 16)     /* past the quick ones: now seconds lie between */
		ox_sleep(OX_MS(20));
	begin = ox_now();
	for (int now = 0; now < 2; now++) {
		struct timespec t;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
		ox_time sum = OX_SEC(t.tv_sec) + t.tv_nsec;
		for (unsigned i = 0, n = find_processes(NULL, "oxbow-spawner", pids, 4); i < n && i < 4; i++)
			sum += cpu_time(pids[i]);
		used = sum - used;
		if (now == 0)
			ox_sleep(OX_SEC(5));
	}
	ox_time wall = ox_now() - begin;
	printf("%.1f %% of a CPU while every worker dies at once\n", 100.0 * (double)used / (double)wall);
	EXPECT(used * 20 < wall);
	ox_group_cancel(g);
	return 0;
}

START_TEST(f16_workers_that_crash_at_their_start_take_less_than_5_percent_of_a_cpu)
{
	if (under_sanitizer)
		SKIP("it is the sanitizer's time that would be measured");
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .worker_init = crash, .init_limit = 1000000),
	                              &pool), 0);
	run_real(watch_it_fail, NULL);
	close_pool(pool);
}
END_TEST

static const struct driver drivers[] = {
	{ "no-forks", run_without_forks }, { "small-shm", run_in_small_shm }, { NULL, NULL },
};

int main(int argc, char **argv)
{
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("scarcity");
	TCase *c = new_pool_case(s, "scarcity", 120);
	tcase_add_test(c, f24_a_pool_that_cannot_fork_goes_on_with_what_it_has_and_fails_jobs_in_time_with_nothing);
	tcase_add_test(c, f25_with_1_mb_of_dev_shm_payloads_of_64_mib_go_through);
	tcase_add_test(c, f16_workers_that_crash_at_their_start_take_less_than_5_percent_of_a_cpu);
	return run_suite(s);
}
