/* SPDX-License-Identifier: MIT */
/* What a job says and asks while it runs: progress, notes, parts, lines for the log, random numbers, callbacks, output. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
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

static void wait_here(const ox_reply *out)
{
	while (!ox_job_cancelled(out))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* ---- progress and note ---- */

static int report(const void *in, size_t len, ox_reply *out)
{
	bool crashes = len > 0 && *(const char *)in == 'c';

	ox_job_note(out, "counting");
	for (uint64_t i = 1; i <= 1000000; i++)
		ox_job_progress(out, i, 1000000);
	ox_job_note(out, "at the \x1b[31mend\x1b[0m, with \xc3\xa9");
	atomic_fetch_add(begun, 1);
	if (crashes)
		raise(SIGSEGV);
	wait_here(out);
	return 7;
}
static OX_JOB(report_job, report, .grace = OX_SEC(60), .retries = 0);

static int read_reports(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	char note[OX_KIB(1)], small[6];
	uint64_t done = 1, total = 1;
	ox_future *f = ox_submit(g, pool, &report_job, NULL, 0), *echo = ox_submit(g, pool, &echo_job, NULL, 0);
	while (atomic_load(begun) == 0) {
		if (ox_future_progress(f, &done, &total) == 1)
			EXPECT(done <= total && total == 1000000);
		ox_future_note(f, note, sizeof note);
		EXPECT(note[0] == '\0' || strcmp(note, "counting") == 0 || note[0] == 'a');
		ox_yield();
	}
	EXPECT_EQ(ox_future_progress(f, &done, &total), 1);
	EXPECT_EQ(done, 1000000);
	EXPECT_EQ(ox_future_note(f, note, sizeof note), strlen(note));
	EXPECT(strcmp(note, "at the  [31mend [0m, with \xc3\xa9") == 0);
	EXPECT_EQ(ox_future_note(f, small, sizeof small), 5);
	EXPECT(strcmp(small, "at th") == 0);
	EXPECT_EQ(ox_future_note(f, small, 0), 0);
	EXPECT_EQ(ox_await(echo), 0);
	EXPECT_EQ(ox_future_progress(echo, &done, &total), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), 7);
	EXPECT_EQ(ox_future_progress(f, &done, &total), 0);
	EXPECT_EQ(ox_future_note(NULL, note, sizeof note), 0);
	return 0;
}

START_TEST(progress_and_note_are_read_while_the_job_runs)
{
	with_pool(read_reports, POOL_OPTIONS(.jobs = OX_JOBS(&report_job, &echo_job), .workers = 2));
}
END_TEST

static int crash_with_words(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	char note[200];
	uint64_t done, total;
	ox_future *f = ox_submit(g, pool, &report_job, "c", 1), *silent = ox_submit(g, pool, &segv_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	EXPECT_EQ(ox_await(silent), OX_ECRASHED);
	const ox_crash *c = ox_future_crash(f);
	EXPECT(c != NULL && c->note != NULL && strncmp(c->note, "at the", 6) == 0);
	EXPECT(c != NULL && c->progress_done == 1000000 && c->progress_total == 1000000);
	EXPECT_EQ(ox_future_progress(f, &done, &total), 1);
	EXPECT(ox_future_note(f, note, sizeof note) > 0);
	c = ox_future_crash(silent);
	EXPECT(c != NULL && c->note == NULL && c->progress_total == 0);
	return 0;
}

START_TEST(the_last_note_and_progress_are_in_the_crash_story)
{
	with_pool(crash_with_words, POOL_OPTIONS(.jobs = OX_JOBS(&report_job, &segv_job), .workers = 1));
}
END_TEST

/* ---- parts ---- */

struct plan {
	int parts;
	size_t size;
	enum { RETURN, FAIL, CRASH, CRASH_FIRST, FAIL_FIRST } end;
};

/* Each part is its number, over and over. The reply is written before, between and after. */
static int emit(const void *in, size_t len, ox_reply *out)
{
	const struct plan *plan = in;
	int *part = malloc(plan->size);
	(void)len;

	for (int i = 0; i < plan->parts; i++) {
		ox_reply_write(out, &i, sizeof i);
		for (size_t k = 0; k < plan->size / sizeof *part; k++)
			part[k] = i;
		int r = ox_job_emit(out, part, plan->size);
		if (r < 0) {
			free(part);
			return r;
		}
		atomic_fetch_add(begun, 1);
	}
	free(part);
	bool first = atomic_fetch_add(begun, 1000) < 1000;
	if (plan->end == CRASH || (plan->end == CRASH_FIRST && first))
		raise(SIGKILL);
	return plan->end == FAIL || (plan->end == FAIL_FIRST && first) ? -ENOENT : plan->parts;
}
static OX_JOB(emit_job, emit, .retries = 1, .retry_on = OX_RETRY_CRASH | OX_RETRY_FAILURE, .retry_delay = OX_MS(1), .emit_ahead = 8);
static OX_JOB(emit_once_job, emit, .emit_ahead = 8, .emit_ahead_bytes = OX_KIB(64));

static bool is_part(ox_bytes b, int number, size_t size)
{
	const int *at = b.data;

	if (b.len != size)
		return false;
	for (size_t k = 0; k < size / sizeof *at; k++)
		if (at[k] != number)
			return false;
	return true;
}

static void take_parts(ox_future *f, int from, int n, size_t size)
{
	ox_bytes b;

	for (int i = from; i < from + n; i++) {
		EXPECT_EQ(ox_emit_next(f, &b), 1);
		EXPECT(is_part(b, i, size));
	}
}

static int take_all(void *arg)
{
	static const size_t sizes[] = { 4, 4000, 4096, 4100, 100000, 3000000 };
	(void)arg;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		OX_AUTO_GROUP *g = COLLECT;
		struct plan plan = { 40, sizes[i], RETURN };
		ox_bytes b;
		size_t len;
		ox_future *f = ox_submit(g, pool, &emit_once_job, &plan, sizeof plan);
		take_parts(f, 0, 40, sizes[i]);
		EXPECT_EQ(ox_emit_next(f, &b), 0);
		EXPECT_EQ(ox_emit_next(f, &b), 0);
		EXPECT_EQ(ox_await(f), 40);
		const int *reply = ox_future_value(f, &len);
		EXPECT_EQ(len, 40 * sizeof *reply);
		for (int k = 0; reply != NULL && k < 40; k++)
			EXPECT_EQ(reply[k], k);
	}
	return 0;
}

START_TEST(parts_of_any_size_come_in_order_and_the_reply_after_them)
{
	with_pool(take_all, POOL_OPTIONS(.jobs = OX_JOBS(&emit_once_job), .workers = 1));
}
END_TEST

static bool held_up(void *arg)
{
	return atomic_load(begun) == *(int *)arg;
}

/* None is taken: it emits as many as it may, and not one more. */
static int hold_up(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct plan few = { 100, 8, RETURN }, large = { 100, OX_KIB(20), RETURN };
	ox_bytes b;
	int eight = 8, three = 3;
	ox_future *f = ox_submit(g, pool, &emit_once_job, &few, sizeof few);
	while (!held_up(&eight))
		ox_sleep(OX_MS(1));
	ox_sleep(OX_MS(20));
	EXPECT_EQ(atomic_load(begun), 8);
	take_parts(f, 0, 100, 8);
	EXPECT_EQ(ox_emit_next(f, &b), 0);
	atomic_store(begun, 0);
	f = ox_submit(g, pool, &emit_once_job, &large, sizeof large);
	while (!held_up(&three))
		ox_sleep(OX_MS(1));
	ox_sleep(OX_MS(20));
	EXPECT_EQ(atomic_load(begun), 3);
	ox_future_cancel(f);            /* one that is held up can be killed */
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	take_parts(f, 0, 3, OX_KIB(20));
	EXPECT_EQ(ox_emit_next(f, &b), OX_ECANCELED);
	EXPECT_EQ(stats_of(pool).killed, 1);
	return 0;
}

START_TEST(a_job_is_held_up_while_its_parts_are_not_taken)
{
	with_pool(hold_up, POOL_OPTIONS(.jobs = OX_JOBS(&emit_once_job), .workers = 1));
}
END_TEST

static int listen_when_held_up(const void *in, size_t len, ox_reply *out)
{
	int r;
	(void)in, (void)len;

	while ((r = ox_job_emit(out, "x", 1)) == 0)
		atomic_fetch_add(begun, 1);
	return r == OX_ECANCELED && ox_job_cancelled(out) ? 5 : 6;
}
static OX_JOB(listening_job, listen_when_held_up, .grace = OX_SEC(60), .emit_ahead = 2);
static OX_JOB(impatient_job, listen_when_held_up, .timeout = OX_MS(20), .grace = OX_SEC(60), .emit_ahead = 2);

static int tell_held_up(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &listening_job, NULL, 0);
	await_begun(2);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), 5);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &impatient_job, NULL, 0)), 5);
	EXPECT_EQ(stats_of(pool).killed, 0);
	return 0;
}

START_TEST(a_job_that_is_held_up_hears_that_it_should_end)
{
	with_pool(tell_held_up, POOL_OPTIONS(.jobs = OX_JOBS(&listening_job, &impatient_job), .workers = 1));
}
END_TEST

static int lose_attempts(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_bytes b;
	for (int end = CRASH_FIRST; end <= FAIL_FIRST; end++) {
		struct plan plan = { 6, 100, end };
		atomic_store(begun, 0);
		ox_future *f = ox_submit(g, pool, &emit_job, &plan, sizeof plan);
		take_parts(f, 0, 2, 100);       /* the rest of them is dropped, and this is told */
		int r;
		for (int i = 2; (r = ox_emit_next(f, &b)) == 1; i++)
			EXPECT(is_part(b, i, 100));
		EXPECT_EQ(r, OX_ELOST);
		EXPECT(!ox_future_done(f));
		take_parts(f, 0, 6, 100);
		EXPECT_EQ(ox_emit_next(f, &b), 0);
		EXPECT_EQ(ox_await(f), 6);
		atomic_store(begun, 0);
		f = ox_submit(g, pool, &emit_job, &plan, sizeof plan);
		EXPECT_EQ(ox_await(f), 6);      /* nobody took any of the first attempt: nothing to tell */
		take_parts(f, 0, 6, 100);
		EXPECT_EQ(ox_emit_next(f, &b), 0);
	}
	return 0;
}

START_TEST(the_parts_of_a_lost_attempt_are_dropped_and_that_is_told)
{
	with_pool(lose_attempts, POOL_OPTIONS(.jobs = OX_JOBS(&emit_job), .workers = 1));
}
END_TEST

static int take_of_failed(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct plan fails = { 5, 5000, FAIL }, crashes = { 5, 5000, CRASH };
	ox_bytes b;
	ox_future *f = ox_submit(g, pool, &emit_once_job, &fails, sizeof fails);
	EXPECT_EQ(ox_await(f), -ENOENT);
	take_parts(f, 0, 5, 5000);
	EXPECT_EQ(ox_emit_next(f, &b), -ENOENT);
	f = ox_submit(g, pool, &emit_once_job, &crashes, sizeof crashes);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	take_parts(f, 0, 5, 5000);
	EXPECT_EQ(ox_emit_next(f, &b), OX_ECRASHED);
	f = ox_submit(g, pool, &echo_job, NULL, 0);
	EXPECT_EQ(ox_emit_next(f, &b), 0);
	EXPECT_EQ(ox_emit_next(NULL, &b), OX_ENOMEM);
	EXPECT_EQ(ox_emit_next(ox_promise(g), &b), OX_EINVAL);
	EXPECT_EQ(ox_emit_next(ox_submit(g, NULL, &echo_job, NULL, 0), &b), OX_ENOMEM);
	f = ox_submit(g, pool, &emit_once_job, &fails, sizeof fails);
	ox_await(f);                    /* and nobody takes them */
	ox_group_cancel(g);
	return 0;
}

START_TEST(what_a_job_emitted_before_it_failed_is_given)
{
	with_pool(take_of_failed, POOL_OPTIONS(.jobs = OX_JOBS(&emit_once_job, &echo_job), .workers = 1));
}
END_TEST

static int take_slowly(void *arg)
{
	ox_future **fs = arg;
	ox_bytes b;
	return ox_emit_next(*fs, &b);
}

static int take_together(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	struct plan plan = { 1, 4, RETURN };
	int ms = 20;
	ox_bytes b;
	ox_future *before = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_future *f = ox_submit(g, pool, &emit_once_job, &plan, sizeof plan);
	ox_future *taker = ox_spawn(g, take_slowly, &f);
	ox_yield();
	EXPECT_EQ(ox_emit_next(f, &b), OX_EBUSY);
	ox_future_cancel(taker);        /* the job goes on */
	EXPECT_EQ(ox_await(taker), OX_ECANCELED);
	EXPECT_EQ(ox_emit_next(f, &b), 1);
	EXPECT_EQ(ox_emit_next(f, &b), 0);
	EXPECT_EQ(ox_await(before), 20);
	return 0;
}

START_TEST(one_takes_parts_at_a_time_and_may_be_cancelled)
{
	with_pool(take_together, POOL_OPTIONS(.jobs = OX_JOBS(&emit_once_job, &sleep_job), .workers = 1));
}
END_TEST

/* ---- log ---- */

static char lines[4096][200];
static int line_count;

static void keep_line(void *arg, ox_log_level level, const char *text)
{
	(void)arg;
	if (line_count < 4096)
		snprintf(lines[line_count++], sizeof lines[0], "%d %s", (int)level, text);
}

static int log_some(const void *in, size_t len, ox_reply *out)
{
	int n = *(const int *)in;
	char *text = calloc(1, 2000);
	(void)len;

	ox_job_log(out, OX_LOG_WARNING, "%d lines\nfollow", n);
	memset(text, 'x', 1999);
	ox_job_log(out, (ox_log_level)77, "%s", text);
	free(text);
	for (int i = 0; i < n; i++)
		ox_job_log(out, OX_LOG_INFO, "line %d", i);
	return 0;
}
static OX_JOB(log_job, log_some);

static int hear_lines(void *arg)
{
	int few = 3, many = 100000;
	(void)arg;
	line_count = 0;
	EXPECT_EQ(ox_call(pool, &log_job, &few, sizeof few, NULL), 0);
	EXPECT_EQ(line_count, 5);
	EXPECT(strncmp(lines[0], "1 pool talker: job log_job (worker ", 35) == 0);
	EXPECT(strstr(lines[0], "): 3 lines follow") != NULL);
	EXPECT(lines[1][0] == '0' && strstr(lines[1], "): xxxxx") != NULL);
	EXPECT(lines[2][0] == '2' && strstr(lines[2], "): line 0") != NULL);
	line_count = 0;
	EXPECT_EQ(ox_call(pool, &log_job, &many, sizeof many, NULL), 0);
	long long lost = 0, heard = 0;
	for (int i = 0; i < line_count; i++) {
		const char *told = strstr(lines[i], "): ");
		if (strstr(lines[i], "lines for the log were lost") != NULL)
			lost += atoll(told + 3);
		else
			heard++;
	}
	EXPECT(lost > 0);
	EXPECT_EQ(heard + lost, many + 2);
	return 0;
}

START_TEST(lines_for_the_log_arrive_and_too_many_are_counted)
{
	ox_log_set(keep_line, NULL);
	with_pool(hear_lines, POOL_OPTIONS(.jobs = OX_JOBS(&log_job), .workers = 1, .name = "talker"));
	ox_log_set(NULL, NULL);
}
END_TEST

/* ---- random numbers ---- */

static int draw(const void *in, size_t len, ox_reply *out)
{
	uint64_t x[4] = { ox_job_random(out), ox_job_random(out) };
	double d = ox_job_random_double(out);

	ox_job_random_bytes(out, &x[2], 12);
	memcpy(&x[3], &d, sizeof d);
	ox_reply_write(out, x, sizeof x);
	return len > 0 && *(const char *)in == 'c' && atomic_fetch_add(begun, 1) == 0 ? raise(SIGKILL) : 0;
}
static OX_JOB(draw_job, draw, .retries = 1, .retry_delay = OX_MS(1));

static uint64_t drawn[3][8][4];

static int draw_eight(void *arg)
{
	uint64_t (*to)[4] = *(void **)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f[8];
	for (int i = 0; i < 8; i++)
		f[i] = ox_submit(g, pool, &draw_job, "c", (size_t)(i == 3));
	for (int i = 0; i < 8; i++) {
		size_t len;
		EXPECT_EQ(ox_await(f[i]), 0);
		const void *value = ox_future_value(f[i], &len);
		EXPECT_EQ(len, sizeof to[i]);
		if (value != NULL)
			memcpy(to[i], value, sizeof to[i]);
	}
	return 0;
}

START_TEST(random_numbers_depend_on_seed_and_job_alone)
{
	static const uint64_t seeds[] = { 1, 1, 2 };

	for (int i = 0; i < 3; i++) {
		void *to = drawn[i];
		ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&draw_job), .workers = (unsigned)i + 1, .seed = seeds[i]), &pool), 0);
		run_real(draw_eight, &to);
		close_pool(pool);
		atomic_store(begun, i == 0);    /* one of the two runs has the crash */
	}
	ck_assert(memcmp(drawn[0], drawn[1], sizeof drawn[0]) == 0);
	for (int i = 0; i < 8; i++) {
		double d;
		memcpy(&d, &drawn[0][i][3], sizeof d);
		ck_assert(d >= 0 && d < 1);
		ck_assert(drawn[0][i][0] != drawn[2][i][0] && drawn[0][i][0] != drawn[0][i][1]);
		for (int k = 0; k < i; k++)
			ck_assert(drawn[0][i][0] != drawn[0][k][0]);
	}
}
END_TEST

/* ---- output ---- */

static int write_much(const void *in, size_t len, ox_reply *out)
{
	size_t left = *(const size_t *)in;
	char *noise = malloc(OX_KIB(64));
	(void)len;

	for (size_t i = 0; i < OX_KIB(64); i++)
		noise[i] = (char)ox_job_random(out);
	for (bool second = false; left > 0; second = !second) {
		size_t n = left < OX_KIB(64) ? left : OX_KIB(64);
		ssize_t done = write(1 + second, noise, n);
		left -= done > 0 ? (size_t)done : left;
	}
	free(noise);
	return ox_reply_write(out, "whole", 5);
}
static OX_JOB(noise_job, write_much);

static int flood(void *arg)
{
	size_t much = OX_MIB(under_sanitizer ? 5 : 100);
	(void)arg;
	for (int i = 0; i < 2; i++) {
		OX_AUTO_RESULT *r = NULL;
		EXPECT_EQ(ox_call(pool, &noise_job, &much, sizeof much, &r), 0);
		EXPECT(ox_result_bytes(r).len == 5 && memcmp(ox_result_bytes(r).data, "whole", 5) == 0);
		much = 10;
	}
	EXPECT_EQ(stats_of(pool).crashed + stats_of(pool).rejected, 0);
	return 0;
}

/* Descriptors 1 and 2 are a file while fn runs; *ret_text is what is in it. */
static int saved[2], file;

static void begin_file(void)
{
	fflush(stdout);
	file = memfd_create("out", MFD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		saved[i] = fcntl(1 + i, F_DUPFD_CLOEXEC, 10);
		dup2(file, 1 + i);
	}
}

static size_t end_file(char *text, size_t cap)
{
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], 1 + i);
		close(saved[i]);
	}
	ssize_t n = pread(file, text, cap - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	size_t size = (size_t)lseek(file, 0, SEEK_END);
	close(file);
	return size;
}

START_TEST(f13_output_goes_where_it_is_asked_to_and_harms_nothing)
{
	static const ox_output ways[] = { OX_OUTPUT_CAPTURE, OX_OUTPUT_TAG, OX_OUTPUT_NULL };
	char some[64];

	for (size_t i = 0; i < 3; i++) {
		begin_file();
		with_pool(flood, POOL_OPTIONS(.jobs = OX_JOBS(&noise_job), .workers = 1, .output = ways[i]));
		size_t size = end_file(some, sizeof some);
		if (ways[i] == OX_OUTPUT_TAG)
			ck_assert_uint_ge(size, OX_MIB(under_sanitizer ? 5 : 100));
		else
			ck_assert_uint_eq(size, 0);
	}
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&noise_job), .capture = 1, .output = OX_OUTPUT_NULL), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&noise_job), .output = (ox_output)9), &pool), OX_EINVAL);
}
END_TEST

static int say(const void *in, size_t len, ox_reply *out)
{
	(void)out;
	printf("%.*s", (int)len, (const char *)in);
	fflush(stdout);
	return (int)getpid();
}
static OX_JOB(say_job, say);

static pid_t teller;

static int tell_lines(void *arg)
{
	(void)arg;
	teller = ox_call(pool, &say_job, "one\ntwo\nthree", 13, NULL);
	EXPECT(teller > 0);
	EXPECT_EQ(ox_call(pool, &say_job, "four\n", 5, NULL), teller);
	return 0;
}

START_TEST(tagged_output_says_by_lines_who_wrote_it)
{
	char text[500], want[500];

	begin_file();
	with_pool(tell_lines, POOL_OPTIONS(.jobs = OX_JOBS(&say_job), .workers = 1, .name = "p", .output = OX_OUTPUT_TAG));
	end_file(text, sizeof text);
	snprintf(want, sizeof want, "[p/say_job %d] one\n[p/say_job %d] two\n[p/say_job %d] three\n[p/say_job %d] four\n", teller, teller,
	         teller, teller);
	ck_assert_str_eq(text, want);
}
END_TEST

/* ---- memory ---- */

/* Each allocation fails in turn: all ends, well or with OX_ENOMEM, and the pool goes on. */
static int without_memory(void *arg)
{
	struct plan plan = { 3, 100, RETURN };
	ox_bytes b;
	(void)arg;

	for (size_t n = 1, used = n; used >= n; n++) {
		OX_AUTO_GROUP *g = COLLECT;
		int r, parts = 0;
		ox_test_fail_allocation(n);
		ox_future *f = ox_submit(g, pool, &emit_once_job, &plan, sizeof plan);
		while ((r = ox_emit_next(f, &b)) == 1)
			parts++;
		if (r == OX_ENOMEM && !ox_future_done(f))
			ox_future_cancel(f);    /* it would wait for the taker for ever */
		int status = ox_await(f);
		used = ox_test_fail_allocation(0);
		EXPECT(status == 3 || status == OX_ENOMEM || (status == OX_ECANCELED && r == OX_ENOMEM));
		EXPECT(r == 0 ? parts == 3 && status == 3 : r == OX_ENOMEM);
	}
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(without_memory_for_a_part_the_job_fails_and_nothing_else)
{
	with_pool(without_memory, POOL_OPTIONS(.jobs = OX_JOBS(&emit_once_job, &echo_job), .workers = 1));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, (struct driver[]){ { NULL, NULL } });
	Suite *s = suite_create("inside");
	TCase *c = new_pool_case(s, "inside", 60);

	tcase_add_test(c, progress_and_note_are_read_while_the_job_runs);
	tcase_add_test(c, the_last_note_and_progress_are_in_the_crash_story);
	tcase_add_test(c, parts_of_any_size_come_in_order_and_the_reply_after_them);
	tcase_add_test(c, a_job_is_held_up_while_its_parts_are_not_taken);
	tcase_add_test(c, a_job_that_is_held_up_hears_that_it_should_end);
	tcase_add_test(c, the_parts_of_a_lost_attempt_are_dropped_and_that_is_told);
	tcase_add_test(c, what_a_job_emitted_before_it_failed_is_given);
	tcase_add_test(c, one_takes_parts_at_a_time_and_may_be_cancelled);
	tcase_add_test(c, lines_for_the_log_arrive_and_too_many_are_counted);
	tcase_add_test(c, random_numbers_depend_on_seed_and_job_alone);
	tcase_add_test(c, f13_output_goes_where_it_is_asked_to_and_harms_nothing);
	tcase_add_test(c, tagged_output_says_by_lines_who_wrote_it);
	tcase_add_test(c, without_memory_for_a_part_the_job_fails_and_nothing_else);
	return run_suite(s);
}
