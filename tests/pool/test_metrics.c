/* SPDX-License-Identifier: MIT */
/* Seeing inside a pool: histograms by arithmetic, Prometheus' text by a parser of its grammar, traces by Python's JSON. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"
#include "tests/support/random.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;

/* ---- histograms ---- */

START_TEST(buckets_follow_one_another_and_are_a_quarter_wide)
{
	for (unsigned i = 1; i < OX_HISTOGRAM_BUCKETS; i++) {
		ox_time from = ox_histogram_bound(i - 1), to = ox_histogram_bound(i);
		ck_assert_int_gt(to, from);
		ck_assert(to - from == 1 || to - from <= from / 4);
	}
	for (unsigned i = 0; i < OX_HISTOGRAM_BUCKETS; i++) {
		ox_histogram h = { 0 };
		ox_histogram_add(&h, ox_histogram_bound(i));
		ck_assert_uint_eq(h.bucket[i], 1);
		if (i + 1 < OX_HISTOGRAM_BUCKETS) {
			ox_histogram_add(&h, ox_histogram_bound(i + 1) - 1);
			ck_assert_uint_eq(h.bucket[i], 2);
		}
	}
	ox_histogram h = { 0 };
	ox_histogram_add(&h, -5);
	ox_histogram_add(&h, OX_NEVER);
	ck_assert(h.bucket[0] == 1 && h.bucket[OX_HISTOGRAM_BUCKETS - 1] == 1 && h.count == 2 && h.max == OX_NEVER);
}
END_TEST

START_TEST(quantiles_are_at_most_a_quarter_too_long)
{
	enum { N = 10000 };
	ox_histogram h = { 0 };
	uint64_t seed = 1;
	ox_time sum = 0;

	ck_assert_int_eq(ox_histogram_quantile(&h, 0.5), 0);
	for (int i = 1; i <= N; i++) {
		ox_histogram_add(&h, OX_US(i));
		sum += OX_US(i);
	}
	ck_assert_int_eq(h.sum, sum);
	ck_assert_int_eq(ox_histogram_quantile(&h, 1), OX_US(N));
	ck_assert_int_ge(ox_histogram_quantile(&h, 0), OX_US(1));
	for (int i = 0; i < 1000; i++) {
		double part = (double)random_below(&seed, 1001) / 1000;
		ox_time exact = (ox_time)(part * N) * OX_US(1), q = ox_histogram_quantile(&h, part);
		ck_assert(q >= exact && (q <= OX_US(1) + exact + exact / 4 + 1 || part == 0));
	}
}
END_TEST

static int measured(void *arg)
{
	int ms = 20;
	ox_histogram h;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	for (int i = 0; i < 5; i++)
		ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_group_join(g);
	EXPECT_EQ(ox_pool_get_histogram(pool, &sleep_job, OX_JOB_RUN, &h), 0);
	EXPECT_EQ(h.count, 5);
	EXPECT(h.max >= OX_MS(20) && ox_histogram_quantile(&h, 0.5) >= OX_MS(20));
	EXPECT(h.sum >= OX_MS(100));
	ox_time run = h.sum;
	EXPECT_EQ(ox_pool_get_histogram(pool, &sleep_job, OX_JOB_QUEUE, &h), 0);
	EXPECT_EQ(h.count, 5);
	EXPECT(h.max >= OX_MS(80));             /* the last one waited for four */
	ox_time queue = h.sum;
	EXPECT_EQ(ox_pool_get_histogram(pool, &sleep_job, OX_JOB_ROUND_TRIP, &h), 0);
	EXPECT_EQ(h.count, 5);
	EXPECT(h.sum >= run + queue);
	EXPECT_EQ(ox_pool_get_histogram(pool, &echo_job, OX_JOB_RUN, &h), 0);
	EXPECT_EQ(h.count, 1);
	EXPECT_EQ(ox_pool_get_histogram(pool, &pid_job, OX_JOB_RUN, &h), OX_ENOJOB);
	EXPECT_EQ(ox_pool_get_histogram(pool, &echo_job, (ox_job_time)3, &h), OX_EINVAL);
	EXPECT_EQ(ox_pool_get_histogram(pool, NULL, OX_JOB_RUN, &h), OX_EINVAL);
	return 0;
}

static int unmeasured(void *arg)
{
	ox_histogram h;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	EXPECT_EQ(ox_pool_get_histogram(pool, &echo_job, OX_JOB_RUN, &h), OX_ESTATE);
	return 0;
}

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

START_TEST(a_pool_that_measures_counts_each_result_once)
{
	with_pool(measured, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job, &echo_job), .workers = 1, .measure = true));
	with_pool(unmeasured, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job, &echo_job), .workers = 1));
}
END_TEST

/* ---- Prometheus ---- */

/* A parser of the exposition format's grammar, and what a scraper would refuse besides. */
struct scrape {
	char metric[64], type[16];      /* of the last TYPE line */
	char seen[32][64];              /* metrics that have had their lines */
	unsigned metrics, samples;
	double last, last_bound;        /* of a bucket, in a row of them */
};

static const char *name(const char *at, char *ret, size_t cap)
{
	size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");

	ck_assert(n > 0 && n < cap && (*at < '0' || *at > '9'));
	memcpy(ret, at, n);
	ret[n] = '\0';
	return at + n;
}

static const char *value(const char *at, char *ret, size_t cap)
{
	size_t n = 0;

	ck_assert_int_eq(*at++, '"');
	for (; *at != '"'; at++) {
		ck_assert(*at != '\0' && *at != '\n' && n + 1 < cap);
		if (*at == '\\') {
			at++;
			ck_assert(*at == '\\' || *at == '"' || *at == 'n');
		}
		ret[n++] = *at == 'n' && at[-1] == '\\' ? '\n' : *at;
	}
	ret[n] = '\0';
	return at + 1;
}

static void begin_metric(struct scrape *s, const char *line)
{
	const char *at = name(line + 7, s->metric, sizeof s->metric);

	for (unsigned i = 0; i < s->metrics; i++)       /* all lines of a metric in one group */
		ck_assert_str_ne(s->seen[i], s->metric);
	ck_assert_uint_lt(s->metrics, 32);
	strcpy(s->seen[s->metrics++], s->metric);
	ck_assert_int_eq(*at, ' ');
	strcpy(s->type, at + 1);
	ck_assert(strcmp(s->type, "counter") == 0 || strcmp(s->type, "gauge") == 0 || strcmp(s->type, "histogram") == 0);
}

static void read_sample(struct scrape *s, const char *line)
{
	char metric[64], label[64], text[256], bound[64] = "", *end;
	const char *at = name(line, metric, sizeof metric);
	size_t n = strlen(s->metric);

	ck_assert(strncmp(metric, s->metric, n) == 0);
	ck_assert(strcmp(s->type, "histogram") == 0 ? metric[n] == '_' : metric[n] == '\0');
	ck_assert_int_eq(*at++, '{');
	while (*at != '}') {
		at = name(at, label, sizeof label);
		ck_assert_int_eq(*at++, '=');
		at = value(at, text, sizeof text);
		if (strcmp(label, "le") == 0)
			strcpy(bound, text);
		ck_assert(*at == ',' || *at == '}');
		at += *at == ',';
	}
	ck_assert_int_eq(at[1], ' ');
	double v = strtod(at + 2, &end);
	ck_assert(*end == '\0' && end > at + 2 && v >= 0);
	if (bound[0] != '\0') {
		double le = strtod(bound, &end);        /* +Inf too */
		ck_assert_int_eq(*end, '\0');
		ck_assert(s->last_bound == 0 || (le > s->last_bound && v >= s->last));
		s->last_bound = le;
		s->last = v;
	} else {
		if (strcmp(metric + n, "_count") == 0)
			ck_assert(s->last == v);
		s->last_bound = 0;
	}
	s->samples++;
}

static struct scrape scrape(const char *text)
{
	struct scrape s = { .metrics = 0 };
	char line[512];

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		ck_assert(text[n] == '\n' && n < sizeof line);  /* the last line too */
		memcpy(line, text, n);
		line[n] = '\0';
		text += n + 1;
		if (strncmp(line, "# TYPE ", 7) == 0)
			begin_metric(&s, line);
		else if (strncmp(line, "# HELP ", 7) != 0)
			read_sample(&s, line);
	}
	return s;
}

static char *metrics_text(ox_pool *const *pools, size_t n)
{
	ssize_t len = ox_pool_prometheus(pools, n, NULL, 0);
	char *text = malloc((size_t)len + 1);

	EXPECT_EQ(ox_pool_prometheus(pools, n, text, (size_t)len + 1), len);
	EXPECT_EQ(strlen(text), len);
	return text;
}

static char *scraped;

static int scrape_two(void *arg)
{
	ox_pool *pools[2] = { pool, arg };
	char cut[100];
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < 50; i++)
		ox_submit(g, pool, &echo_job, &i, sizeof i);
	ox_await(ox_submit(g, pool, &segv_job, NULL, 0));
	ox_group_join(g);
	EXPECT_EQ(ox_call(pools[1], &echo_job, NULL, 0, NULL), 0);
	scraped = metrics_text(pools, 2);
	EXPECT_EQ(ox_pool_prometheus(pools, 2, cut, sizeof cut), strlen(scraped));
	EXPECT_EQ(strlen(cut), sizeof cut - 1);
	EXPECT(strncmp(cut, scraped, sizeof cut - 1) == 0);
	EXPECT(ox_pool_prometheus(NULL, 0, NULL, 0) > 0);
	return 0;
}

START_TEST(prometheus_can_read_the_figures_of_two_pools)
{
	ox_pool *other;

	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &segv_job), .workers = 1, .measure = true,
	                                           .name = "a \"strange\\name\"\n"), &pool), 0);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &other), 0);
	run_real(scrape_two, other);
	ck_assert_int_eq(ox_pool_close(other), 0);
	close_pool(pool);
	struct scrape s = scrape(scraped);
	ck_assert_uint_ge(s.metrics, 15);
	ck_assert_uint_ge(s.samples, 2 * 17 + 2 * 3 * 27);
	ck_assert_ptr_nonnull(strstr(scraped, "oxbow_pool_submitted_total{pool=\"a \\\"strange\\\\name\\\"\\n\"} 51\n"));
	ck_assert_ptr_nonnull(strstr(scraped, "oxbow_pool_submitted_total{pool=\"pool\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(scraped, "job=\"echo_job\",end=\"done\"} 50\n"));
	ck_assert_ptr_nonnull(strstr(scraped, "job=\"segv_job\",end=\"failed\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(scraped, "job=\"echo_job\",le=\"+Inf\"} 50\n"));
	ck_assert_ptr_nonnull(strstr(scraped, "job=\"segv_job\",le=\"+Inf\"} 0\n"));
	free(scraped);
}
END_TEST

/* ---- the trace ---- */

static char path[64];

/* What Python makes of the trace: an expression over its events e, printed. -1: it is no JSON. */
static long ask(const char *expression)
{
	char command[1024], line[64] = "";

	snprintf(command, sizeof command, "python3 -c 'import json\ne = json.load(open(\"%s\"))\nprint(int(%s))'", path, expression);
	FILE *f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	bool read = fgets(line, sizeof line, f) != NULL;
	return pclose(f) == 0 && read ? atol(line) : -1;
}

static void make_path(void)
{
	strcpy(path, "/tmp/oxbow-test-XXXXXX");
	close(mkstemp(path));
}

static int traced(void *arg)
{
	int ms = 2;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	EXPECT_EQ(ox_pool_trace(pool, path, 0), 0);
	EXPECT_EQ(ox_pool_trace(pool, path, 0), OX_EBUSY);
	for (int i = 0; i < 500; i++)
		ox_submit(g, pool, &echo_job, &i, sizeof i);
	for (int i = 0; i < 10; i++)
		ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_submit(g, pool, &segv_job, NULL, 0);
	ox_group_join(g);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(a_trace_has_each_job_once_on_its_workers_track_and_no_two_at_a_time)
{
	make_path();
	with_pool(traced, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &sleep_job, &segv_job), .workers = 2));
	ck_assert_int_eq(ask("sum(x[\"ph\"] == \"X\" and x[\"name\"] == \"echo_job\" for x in e)"), 501);
	ck_assert_int_eq(ask("sum(x[\"ph\"] == \"X\" and x[\"name\"] == \"sleep_job\" and x[\"dur\"] >= 2000 for x in e)"), 10);
	ck_assert_int_eq(ask("sum(x[\"ph\"] == \"X\" and x[\"name\"] == \"segv_job\" for x in e)"), 1);
	ck_assert_int_eq(ask("sum(x[\"name\"] == \"crashed\" and x[\"args\"][\"signal\"] == 11 for x in e)"), 1);
	ck_assert_int_ge(ask("sum(x[\"name\"] == \"spawned\" for x in e)"), 1);
	ck_assert_int_eq(ask("len(set(x[\"pid\"] for x in e))"), 1);
	ck_assert_int_eq(ask("sorted(x[\"args\"][\"name\"] for x in e if x[\"ph\"] == \"M\") == [\"pool\", \"pool\", \"worker 0\", \"worker 1\"]"), 1);
	ck_assert_int_eq(ask("all(b[\"ts\"] >= a[\"ts\"] + a[\"dur\"] - 0.002 for t in (1, 2) for j in [sorted((x for x in e if x[\"ph\"] == \"X\" "
	                     "and x[\"tid\"] == t), key=lambda x: x[\"ts\"])] for a, b in zip(j, j[1:]))"), 1);
	unlink(path);
}
END_TEST

static bool has_jobs(void *arg)
{
	(void)arg;
	return ask("sum(x[\"ph\"] == \"X\" for x in e) >= 100") == 1;
}

static int drive_traced(void)
{
	strcpy(path, getenv("TRACE"));
	if (ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &sleep_job, &segv_job), .workers = 2), &pool) < 0)
		return 1;
	ox_run(traced, NULL, NULL);
	for (;;)
		pause();
}

START_TEST(a_trace_is_json_while_the_program_runs_and_when_it_was_killed)
{
	char nonce[64];
	int out;

	make_path();
	setenv("TRACE", path, 1);
	pid_t pid = start_driver("traced", nonce, &out);
	unsetenv("TRACE");
	ck_assert(eventually(has_jobs, NULL, 20000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(out);
	ck_assert(has_jobs(NULL));
	ck_assert(eventually(no_process_left, nonce, 5000));
	unlink(path);
}
END_TEST

static int trace_in_little_room(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	EXPECT_EQ(ox_pool_trace(pool, path, OX_KIB(20)), 0);
	for (int i = 0; i < 3000; i++)
		ox_submit(g, pool, &echo_job, &i, sizeof i);
	ox_group_join(g);
	EXPECT_EQ(ox_pool_trace(pool, NULL, 0), 0);
	EXPECT_EQ(ox_pool_trace(pool, NULL, 0), 0);
	EXPECT_EQ(ox_pool_trace(pool, "/nonexistent/file", 0), -ENOENT);
	EXPECT_EQ(ox_pool_trace(pool, "/dev/null", 0), -ESPIPE);
	EXPECT_EQ(ox_pool_trace(pool, "/dev/full", 0), -ESPIPE);
	return 0;
}

START_TEST(a_trace_grows_to_its_limit_and_says_what_it_left_out)
{
	make_path();
	with_pool(trace_in_little_room, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2));
	ck_assert_int_eq(ask("sum(x[\"ph\"] == \"X\" for x in e) + sum(x[\"args\"][\"count\"] for x in e if x[\"name\"] == \"events left out\")") >= 3000, 1);
	FILE *f = fopen(path, "r");
	fseek(f, 0, SEEK_END);
	ck_assert_int_le(ftell(f), OX_KIB(20));
	ck_assert_int_ge(ftell(f), OX_KIB(15));
	fclose(f);
	unlink(path);
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver drivers[] = { { "traced", drive_traced }, { NULL, NULL } };
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("metrics");
	TCase *c = new_pool_case(s, "figures", 60);
	tcase_add_test(c, buckets_follow_one_another_and_are_a_quarter_wide);
	tcase_add_test(c, quantiles_are_at_most_a_quarter_too_long);
	tcase_add_test(c, a_pool_that_measures_counts_each_result_once);
	tcase_add_test(c, prometheus_can_read_the_figures_of_two_pools);
	c = new_pool_case(s, "trace", 60);
	tcase_add_test(c, a_trace_has_each_job_once_on_its_workers_track_and_no_two_at_a_time);
	tcase_add_test(c, a_trace_is_json_while_the_program_runs_and_when_it_was_killed);
	tcase_add_test(c, a_trace_grows_to_its_limit_and_says_what_it_left_out);
	return run_suite(s);
}
