/* SPDX-License-Identifier: MIT */
/* Inputs that crash workers: counted, held, saved, read, and run again. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;
static char dir[64];

/* "segv", "exit", "fail N", or the text back; a job with a large input crashes by the letter at its end. */
static int act(const void *in, size_t len, ox_reply *out)
{
	const char *text = in;
	static int *volatile nowhere = (int *)8;

	if (len == 4 && memcmp(text, "segv", 4) == 0)
		*nowhere = 1;
	if (len == 4 && memcmp(text, "exit", 4) == 0)
		_exit(0);
	if (len > 4096 && text[len - 1] == '!')
		raise(SIGKILL);
	if (len == 4 && memcmp(text, "fail", 4) == 0)
		return -7;
	return ox_reply_write(out, in, len);
}
static OX_JOB(act_job, act, .crash_limit = 3);
static OX_JOB(other_job, act, .crash_limit = 3);
static OX_JOB(retry_job, act, .crash_limit = 3, .retries = 10, .retry_delay = OX_MS(1), .retry_max = OX_MS(1));
static OX_JOB(free_job, act, .retries = 4, .retry_delay = OX_MS(1), .retry_max = OX_MS(1));

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

/* ---- a folder that the test removes ---- */

static void make_dir(void)
{
	strcpy(dir, "/tmp/oxbow-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* How many files it has; the path of one. */
static unsigned files(char path[512])
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.' || (e->d_name[1] != '\0' && e->d_name[1] != '.')) {
			n++;
			if (path != NULL)
				snprintf(path, 512, "%s/%s", dir, e->d_name);
		}
	closedir(d);
	return n;
}

static void remove_dir(void)
{
	char path[512];

	while (files(path) > 0)
		unlink(path);
	rmdir(dir);
}

/* ---- counting ---- */

static int await_text(ox_group *g, const ox_job *job, const char *text)
{
	return ox_await(ox_submit(g, pool, job, text, strlen(text)));
}

static int crash_thrice(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	EXPECT_EQ(await_text(g, &act_job, "segv"), OX_ECRASHED);
	EXPECT_EQ(await_text(g, &act_job, "fine"), 0);
	EXPECT_EQ(await_text(g, &act_job, "segv"), OX_ECRASHED);
	EXPECT_EQ(ox_quarantine_count(pool), 0);
	ox_future *f = ox_submit(g, pool, &act_job, "segv", 4);
	EXPECT_EQ(ox_await(f), OX_EQUARANTINED);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CRASH);
	EXPECT(ox_future_crash(f) != NULL && ox_future_crash(f)->signal == SIGSEGV);
	EXPECT(ox_future_crash(f) != NULL && ox_future_crash(f)->saved == NULL);
	uint64_t spawned = stats_of(pool).spawned;

	EXPECT_EQ(await_text(g, &act_job, "segv"), OX_EQUARANTINED);    /* now at once */
	EXPECT_EQ(ox_call(pool, &act_job, "segv", 4, NULL), OX_EQUARANTINED);
	EXPECT_EQ(ox_try_submit(g, pool, &act_job, "segv", 4, NULL, &f), OX_EQUARANTINED);
	EXPECT_EQ(stats_of(pool).spawned, spawned);
	EXPECT_EQ(await_text(g, &act_job, "segw"), 0);
	EXPECT_EQ(await_text(g, &other_job, "segv"), OX_ECRASHED);      /* another kind counts for itself */
	EXPECT_EQ(ox_quarantine_count(pool), 1);

	ox_quarantined q = { .size = sizeof q };
	EXPECT_EQ(ox_quarantine_get(pool, 0, &q), 0);
	EXPECT(strcmp(q.job, "act_job") == 0 && q.length == 4 && q.crashes == 3 && q.path == NULL);
	EXPECT_EQ(ox_quarantine_get(pool, 1, &q), OX_EINVAL);
	q.size = 0;
	EXPECT_EQ(ox_quarantine_get(pool, 0, &q), OX_EINVAL);
	ox_quarantine_clear(pool);
	EXPECT_EQ(ox_quarantine_count(pool), 0);
	EXPECT_EQ(await_text(g, &act_job, "segv"), OX_ECRASHED);        /* it may try again */
	return 0;
}

START_TEST(an_input_that_crashes_crash_limit_workers_is_run_no_more)
{
	with_pool(crash_thrice, POOL_OPTIONS(.jobs = OX_JOBS(&act_job, &other_job), .workers = 1));
}
END_TEST

static int crash_with_retries(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	EXPECT_EQ(await_text(g, &retry_job, "exit"), OX_EQUARANTINED);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.crashed, 3);
	EXPECT_EQ(s.retried, 2);
	EXPECT_EQ(s.failed, 1);
	EXPECT_EQ(await_text(g, &free_job, "exit"), OX_ECRASHED);       /* no limit */
	EXPECT_EQ(stats_of(pool).crashed, 8);
	EXPECT_EQ(ox_quarantine_count(pool), 1);
	return 0;
}

START_TEST(attempts_count_and_retries_end_at_crash_limit)
{
	with_pool(crash_with_retries, POOL_OPTIONS(.jobs = OX_JOBS(&retry_job, &free_job), .workers = 1));
}
END_TEST

static int crash_many(void *arg)
{
	enum { N = 40 };
	ox_future *fs[3 * N];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < N; i++) {
		char *big = calloc(1, OX_KIB(5));
		memcpy(big, &i, sizeof i);
		big[OX_KIB(5) - 1] = '!';
		for (int k = 0; k < 3; k++)
			fs[3 * i + k] = ox_submit(g, pool, &act_job, big, OX_KIB(5));
		for (int k = 0; k < 3; k++)
			EXPECT_EQ(ox_await(fs[3 * i + k]), k < 2 ? OX_ECRASHED : OX_EQUARANTINED);
		free(big);
		if (i % 10 == 0)
			EXPECT_EQ(ox_quarantine_count(pool), i + 1);
	}
	EXPECT_EQ(ox_quarantine_count(pool), N);
	return 0;
}

START_TEST(many_inputs_of_one_length_are_told_apart)
{
	with_pool(crash_many, POOL_OPTIONS(.jobs = OX_JOBS(&act_job), .workers = 1));
}
END_TEST

/* One allocation after the other fails on the way from the first crash to the third. */
static int without_memory(void *arg)
{
	size_t made;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (size_t n = 1;; n++) {
		int r = OX_ECRASHED;
		ox_test_fail_allocation(n);
		for (int i = 0; i < 3 && r == OX_ECRASHED; i++)
			r = await_text(g, &act_job, "segv");
		made = ox_test_fail_allocation(0);
		EXPECT(r == OX_EQUARANTINED || r == OX_ECRASHED || r == OX_ENOMEM);
		EXPECT(r == OX_EQUARANTINED || made >= n);
		ox_quarantine_clear(pool);
		if (made < n)
			return 0;
	}
}

START_TEST(without_memory_a_crash_is_still_a_crash)
{
	make_dir();
	with_pool(without_memory, POOL_OPTIONS(.jobs = OX_JOBS(&act_job), .workers = 1, .quarantine_dir = dir));
	ck_assert_uint_eq(files(NULL), 1);
	remove_dir();
}
END_TEST

/* ---- files ---- */

static int crash_and_save(void *arg)
{
	char *big = arg;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &retry_job, big, OX_KIB(100));
	EXPECT_EQ(ox_await(f), OX_EQUARANTINED);
	const ox_crash *c = ox_future_crash(f);
	char path[512] = "";
	EXPECT_EQ(files(path), 1);
	EXPECT(c != NULL && c->saved != NULL && strcmp(c->saved, path) == 0);
	ox_quarantined q = { .size = sizeof q };
	EXPECT_EQ(ox_quarantine_get(pool, 0, &q), 0);
	EXPECT(q.path != NULL && strcmp(q.path, path) == 0);
	return 0;
}

static bool has_field(const ox_saved *s, const char *name, const char *value)
{
	const char *got = ox_saved_field(s, name, 0);
	return got != NULL && strcmp(got, value) == 0;
}

START_TEST(a_quarantined_input_is_saved_whole_and_private)
{
	char *big = calloc(1, OX_KIB(100)), path[512], here[512] = "";
	struct stat st;
	ox_saved *s;

	for (size_t i = 0; i < OX_KIB(100); i++)
		big[i] = (char)(i * 7);
	big[OX_KIB(100) - 1] = '!';
	make_dir();
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&retry_job), .workers = 1, .quarantine_dir = dir), &pool), 0);
	run_real(crash_and_save, big);
	close_pool(pool);
	ck_assert_uint_eq(files(path), 1);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(ox_saved_read(path, &s), 0);
	ck_assert_uint_eq(ox_saved_input(s).len, OX_KIB(100));
	ck_assert_int_eq(memcmp(ox_saved_input(s).data, big, OX_KIB(100)), 0);
	ck_assert_uint_eq((uintptr_t)ox_saved_input(s).data % 16, 0);
	ck_assert(has_field(s, "job", "retry_job"));
	ck_assert(has_field(s, "crashes", "3"));
	ck_assert(has_field(s, "signal", "9"));
	ck_assert(has_field(s, "length", "102400"));
	ck_assert_ptr_nonnull(ox_saved_field(s, "story", 0));
	ck_assert_ptr_nonnull(ox_saved_field(s, "argument", 0));
	ck_assert_uint_eq(strlen(ox_saved_field(s, "sha256", 0)), 64);
	ck_assert_uint_ge(strlen(ox_saved_field(s, "build-id", 0)), 4);
	ck_assert_int_gt(readlink("/proc/self/exe", here, sizeof here - 1), 0);
	ck_assert(has_field(s, "program", here));
	ck_assert_ptr_null(ox_saved_field(s, "nothing", 0));
	ox_saved_free(s);
	free(big);
	remove_dir();
}
END_TEST

static int save_nowhere(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &retry_job, "segv", 4);
	EXPECT_EQ(ox_await(f), OX_EQUARANTINED);
	EXPECT(ox_future_crash(f) != NULL && ox_future_crash(f)->saved == NULL);
	EXPECT_EQ(await_text(g, &retry_job, "segv"), OX_EQUARANTINED);
	return 0;
}

START_TEST(an_input_that_cannot_be_saved_is_in_quarantine_all_the_same)
{
	with_pool(save_nowhere, POOL_OPTIONS(.jobs = OX_JOBS(&retry_job), .workers = 1, .quarantine_dir = "/nonexistent/folder"));
	with_pool(save_nowhere, POOL_OPTIONS(.jobs = OX_JOBS(&retry_job), .workers = 1, .quarantine_dir = "/dev/null"));
}
END_TEST

static void write_text(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

START_TEST(what_is_no_saved_input_is_told_from_one)
{
	static const struct { const char *text; int r; } files[] = {
		{ "oxbow-input 1\njob: a\nlength: 3\n\nabc", 0 },
		{ "oxbow-input 1\njob: a%25%0A\nlength: 0\n\n", 0 },
		{ "oxbow-input 2\njob: a\nlength: 3\n\nabc", OX_EVERSION },
		{ "", OX_EPROTO },
		{ "oxbow-input 1", OX_EPROTO },
		{ "oxbow-input 1\n", OX_EPROTO },
		{ "oxbow-inputs 1\njob: a\nlength: 0\n\n", OX_EPROTO },
		{ "oxbow-input 1\njob: a\nlength: 3\n\nab", OX_EPROTO },
		{ "oxbow-input 1\njob: a\nlength: 3\n\nabcd", OX_EPROTO },
		{ "oxbow-input 1\njob: a\nlength: -3\n\nabc", OX_EPROTO },
		{ "oxbow-input 1\njob: a\nlength: 3x\n\nabc", OX_EPROTO },
		{ "oxbow-input 1\njob: a\nlength: 99999999999999999999\n\nabc", OX_EPROTO },
		{ "oxbow-input 1\njob: a\nlength: 3\nabc", OX_EPROTO },
		{ "oxbow-input 1\njob: a%0\nlength: 0\n\n", OX_EPROTO },
		{ "oxbow-input 1\njob: a%\nlength: 0\n\n", OX_EPROTO },
		{ "oxbow-input 1\njob: a%00b\nlength: 0\n\n", OX_EPROTO },
		{ "oxbow-input 1\njob\nlength: 0\n\n", OX_EPROTO },
		{ "oxbow-input 1\nlength: 0\n\n", OX_EPROTO },
		{ "oxbow-input 1\njob: a\n\n", OX_EPROTO },
		{ "\n\n", OX_EPROTO },
	};
	char path[] = "/tmp/oxbow-test-XXXXXX";
	ox_saved *s;

	close(mkstemp(path));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		write_text(path, files[i].text, strlen(files[i].text));
		ck_assert_msg(ox_saved_read(path, &s) == files[i].r, "%zu", i);
		if (files[i].r == 0)
			ox_saved_free(s);
	}
	write_text(path, files[1].text, strlen(files[1].text));
	ck_assert_int_eq(ox_saved_read(path, &s), 0);
	ck_assert_str_eq(ox_saved_field(s, "job", 0), "a%\n");
	ox_saved_free(s);
	unlink(path);
	ck_assert_int_eq(ox_saved_read(path, &s), -ENOENT);
	ck_assert_int_eq(ox_saved_read("/tmp", &s), OX_EPROTO);
	ck_assert_int_eq(ox_saved_read("/dev/zero", &s), OX_EPROTO);
	ck_assert_ptr_null(ox_saved_input(NULL).data);
	ox_saved_free(NULL);
}
END_TEST

/* ---- again ---- */

static int inits;

static int count_init(void *arg)
{
	inits++;
	return arg != NULL ? -5 : 0;
}

static void save(const char *path, const char *job, const char *input)
{
	char text[256];
	int n = snprintf(text, sizeof text, "oxbow-input 1\njob: %s\nlength: %zu\n\n%s", job, strlen(input), input);
	write_text(path, text, (size_t)n);
}

START_TEST(a_saved_input_is_run_again_in_this_process)
{
	char path[] = "/tmp/oxbow-test-XXXXXX";
	const ox_pool_options *o = POOL_OPTIONS(.jobs = OX_JOBS(&other_job, &act_job), .worker_init = count_init);
	close(mkstemp(path));
	save(path, "act_job", "some text");
	ck_assert_int_eq(ox_replay(path, o), 0);
	ck_assert_int_eq(inits, 1);
	save(path, "act_job", "fail");
	ck_assert_int_eq(ox_replay(path, o), -7);
	save(path, "no_job", "fail");
	ck_assert_int_eq(ox_replay(path, o), OX_ENOJOB);
	ck_assert_int_eq(ox_replay("/nonexistent", o), -ENOENT);
	ck_assert_int_eq(ox_replay(path, NULL), OX_EINVAL);
	save(path, "act_job", "some text");
	ck_assert_int_eq(ox_replay(path, POOL_OPTIONS(.jobs = OX_JOBS(&act_job), .worker_init = count_init, .worker_arg = path)), -5);
	ck_assert_int_eq(ox_replay(path, POOL_OPTIONS(.jobs = OX_JOBS(&act_job), .max_result = 4)), OX_ETOOBIG);
	unlink(path);
}
END_TEST

/* A program as a user's: what it does is asked of it by the environment. */
static int open_in_coroutine(void *arg)
{
	(void)arg;
	return ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&act_job), .workers = 1), &pool);
}

static int drive_program(void)
{
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &pool) < 0)
		return 50;              /* one that has not the job is opened */
	ox_pool_close(pool);
	ox_run(open_in_coroutine, NULL, NULL);
	ox_pool_close(pool);
	return 51;                      /* not replayed */
}

static int replay_status(const char *job, const char *input, const char *where)
{
	char path[] = "/tmp/oxbow-test-XXXXXX", nonce[64];
	int out, status;

	close(mkstemp(path));
	save(path, job, input);
	setenv("OX_REPLAY", path, 1);
	if (where != NULL)
		setenv("OX_REPLAY_IN", where, 1);
	pid_t pid = start_driver("program", nonce, &out);
	unsetenv("OX_REPLAY");
	unsetenv("OX_REPLAY_IN");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(out);
	unlink(path);
	ck_assert(eventually(no_process_left, nonce, 5000));
	return status;
}

START_TEST(a_program_replays_where_it_opens_its_pool_and_ends)
{
	ck_assert_int_eq(replay_status("act_job", "text", NULL), W_EXITCODE(0, 0));
	ck_assert_int_eq(replay_status("act_job", "fail", NULL), W_EXITCODE(1, 0));
	ck_assert_int_eq(replay_status("no_job", "fail", NULL), W_EXITCODE(51, 0));
	ck_assert_int_eq(replay_status("act_job", "text", "worker"), W_EXITCODE(0, 0));
	ck_assert_int_eq(replay_status("act_job", "fail", "worker"), W_EXITCODE(1, 0));
	ck_assert_int_eq(replay_status("act_job", "exit", "worker"), W_EXITCODE(1, 0));
	if (under_sanitizer)
		SKIP("the sanitizer makes an exit of a crash");
	ck_assert_int_eq(WTERMSIG(replay_status("act_job", "segv", NULL)), SIGSEGV);
	ck_assert_int_eq(replay_status("act_job", "segv", "worker"), W_EXITCODE(128 + SIGSEGV, 0));
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver drivers[] = { { "program", drive_program }, { NULL, NULL } };
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("quarantine");
	TCase *c = new_pool_case(s, "counting", 60);
	tcase_add_test(c, an_input_that_crashes_crash_limit_workers_is_run_no_more);
	tcase_add_test(c, attempts_count_and_retries_end_at_crash_limit);
	tcase_add_test(c, many_inputs_of_one_length_are_told_apart);
	tcase_add_test(c, without_memory_a_crash_is_still_a_crash);
	c = new_pool_case(s, "files", 60);
	tcase_add_test(c, a_quarantined_input_is_saved_whole_and_private);
	tcase_add_test(c, an_input_that_cannot_be_saved_is_in_quarantine_all_the_same);
	tcase_add_test(c, what_is_no_saved_input_is_told_from_one);
	c = new_pool_case(s, "again", 60);
	tcase_add_test(c, a_saved_input_is_run_again_in_this_process);
	tcase_add_test(c, a_program_replays_where_it_opens_its_pool_and_ends);
	return run_suite(s);
}
