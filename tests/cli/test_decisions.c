/* SPDX-License-Identifier: MIT */
/* What a run decides without looking at a clock or a file: retries, halts, limits of time, rates, what progress says. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch/child.h"
#include "cli/batch/halt.h"
#include "cli/batch/progress.h"
#include "cli/batch/results.h"
#include "cli/batch/retry.h"
#include "cli/batch/throttle.h"
#include "cli/batch/timing.h"
#include "cli/options.h"
#include "tests/support/support.h"

/* ---- retries (batch cases 10, 17, 18) ---- */

START_TEST(retries_count_attempts_and_zero_is_for_ever)
{
	struct oxi_retry r = { .tries = 3 };
	struct oxi_outcome failed = { .status = OXI_FAILED, .exit = 1 };
	oxi_retry_on_all(&r.on);
	ck_assert(oxi_retry_wanted(&r, 1, failed));
	ck_assert(oxi_retry_wanted(&r, 2, failed));
	ck_assert(!oxi_retry_wanted(&r, 3, failed));
	r.tries = 0;
	ck_assert(oxi_retry_wanted(&r, 1000000, failed));
	ck_assert(!oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_OK }));
	ck_assert(!oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_INTERRUPTED, .signal = SIGTERM }));
}
END_TEST

START_TEST(retry_on_takes_only_what_is_listed)
{
	struct oxi_retry r = { .tries = 0 };
	ck_assert_int_eq(oxi_retry_on_parse("exit:1,75 signal:9 timeout", &r.on), 0);
	ck_assert(oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_FAILED, .exit = 75 }));
	ck_assert(!oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_FAILED, .exit = 2 }));
	ck_assert(oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_FAILED, .signal = 9 }));
	ck_assert(!oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_FAILED, .signal = 11 }));
	ck_assert(oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_TIMEOUT, .signal = 15 }));
	ck_assert_int_eq(oxi_retry_on_parse("signal", &r.on), 0);
	ck_assert(oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_FAILED, .signal = 64 - 1 }));
	ck_assert(!oxi_retry_wanted(&r, 1, (struct oxi_outcome){ .status = OXI_TIMEOUT, .signal = 15 }));
	const char *bad[] = { "exit:", "exit:0", "exit:256", "exit:1,", "exit:1,,2", "signal:65", "frob", "timeouts", "exit1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(oxi_retry_on_parse(bad[i], &r.on) == OX_EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(backoff_doubles_to_its_bound_and_jitter_is_full)
{
	struct oxi_backoff b;
	ck_assert_int_eq(oxi_backoff_parse("1s..60s", &b), 0);
	ox_time most[] = { OX_SEC(1), OX_SEC(2), OX_SEC(4), OX_SEC(8), OX_SEC(16), OX_SEC(32), OX_SEC(60), OX_SEC(60) };
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_int_eq(oxi_backoff_wait(b, i + 1, 0), 0);
		ck_assert_int_eq(oxi_backoff_wait(b, i + 1, 1ULL << 63), most[i] / 2);
		ck_assert_int_eq(oxi_backoff_wait(b, i + 1, UINT64_MAX), most[i] - 1);
	}
	ck_assert_int_lt(oxi_backoff_wait(b, UINT32_MAX, UINT64_MAX), OX_SEC(60));
	ck_assert_int_eq(oxi_backoff_wait((struct oxi_backoff){ 0 }, 5, UINT64_MAX), 0);
	ck_assert_int_eq(oxi_backoff_parse("2m", &b), 0);
	ck_assert_int_eq(b.max, OX_SEC(120));
	ck_assert_int_eq(oxi_backoff_parse("100ms", &b), 0);
	ck_assert_int_eq(b.max, OX_SEC(60));
	const char *bad[] = { "", "x", "1s..", "..1s", "2s..1s", "1s...2s", "1s..2s..3s" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(oxi_backoff_parse(bad[i], &b) == OX_EINVAL, "%s", bad[i]);
}
END_TEST

/* ---- halt (batch cases 7, 8, 20) ---- */

static bool due(const char *text, uint64_t done, uint64_t failed, uint64_t total)
{
	struct oxi_halt h;
	ck_assert_msg(oxi_halt_parse(text, &h) == 0, "%s", text);
	return oxi_halt_due(&h, &(struct oxi_tally){ .done = done, .failed = failed }, total);
}

START_TEST(halt_counts_what_it_says)
{
	ck_assert(!due("never", 100, 100, 100));
	ck_assert(!due("now,fail=2", 10, 1, 100));
	ck_assert(due("now,fail=2", 10, 2, 100));
	ck_assert(!due("soon,success=3", 3, 1, 100));
	ck_assert(due("soon,success=3", 4, 1, 100));
	ck_assert(due("now,done=1", 1, 1, 0));
	ck_assert(!due("now,done=1", 0, 0, 0));
}
END_TEST

START_TEST(a_percentage_is_of_all_jobs_and_of_none_that_are_not_known)
{
	ck_assert(!due("soon,fail=5%", 50, 4, 100));
	ck_assert(due("soon,fail=5%", 50, 5, 100));
	ck_assert(!due("soon,fail=5%", 50, 50, 0));
	ck_assert(due("now,done=50%", 2, 0, 3));
	ck_assert(!due("now,done=50%", 1, 0, 3));
}
END_TEST

START_TEST(halt_has_gnu_parallels_short_forms_and_refuses_others)
{
	struct oxi_halt h;
	ck_assert_int_eq(oxi_halt_parse("2", &h), 0);
	ck_assert(h.when == OXI_HALT_NOW && h.why == OXI_HALT_FAIL && h.n == 1 && !h.percent);
	ck_assert_int_eq(oxi_halt_parse("-1", &h), 0);
	ck_assert(h.when == OXI_HALT_SOON && h.why == OXI_HALT_SUCCESS && h.n == 1);
	ck_assert_int_eq(oxi_halt_parse("7%", &h), 0);
	ck_assert(h.when == OXI_HALT_SOON && h.why == OXI_HALT_FAIL && h.n == 7 && h.percent);
	ck_assert_int_eq(oxi_halt_parse("0", &h), 0);
	ck_assert(h.when == OXI_HALT_NEVER);
	const char *bad[] = { "", "now", "now,", "now,fail", "now,fail=", "now,fail=x", "now,fail=1x", "later,fail=1",
	                      "soon,fails=1", "now,fail=101%", "3", "now,fail=-1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(oxi_halt_parse(bad[i], &h) == OX_EINVAL, "%s", bad[i]);
}
END_TEST

/* ---- time (batch cases 9, 19) ---- */

START_TEST(the_median_is_within_three_percent)
{
	struct oxi_median *m = calloc(1, sizeof(*m));
	ck_assert_int_eq(oxi_median_get(m), 0);
	for (ox_time t = 1; t <= 1001; t++)
		oxi_median_add(m, OX_MS(t));
	double median = (double)oxi_median_get(m);
	ck_assert_double_ge(median, 0.97 * OX_MS(501));
	ck_assert_double_le(median, 1.03 * OX_MS(501));
	memset(m, 0, sizeof(*m));
	ox_time times[] = { 0, 1, 31, 32, 33, 1000000007, INT64_MAX };
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct oxi_median *one = calloc(1, sizeof(*one));
		oxi_median_add(one, times[i]);
		ck_assert_double_ge((double)oxi_median_get(one), 0.97 * (double)times[i]);
		ck_assert_double_le((double)oxi_median_get(one), 1.03 * (double)times[i] + 1);
		free(one);
	}
	free(m);
}
END_TEST

START_TEST(a_relative_limit_waits_for_three_jobs)
{
	struct oxi_median *m = calloc(1, sizeof(*m));
	struct oxi_time_limit l;
	ck_assert_int_eq(oxi_time_limit_parse("200%", &l), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(oxi_time_limit_get(&l, m), OX_NEVER);
		oxi_median_add(m, OX_SEC(1));
	}
	double limit = (double)oxi_time_limit_get(&l, m);
	ck_assert_double_ge(limit, 1.94e9);
	ck_assert_double_le(limit, 2.06e9);
	ck_assert_int_eq(oxi_time_limit_parse("1.5", &l), 0);
	ck_assert_int_eq(oxi_time_limit_get(&l, m), OX_MS(1500));
	const char *bad[] = { "", "%", "0", "0%", "x", "1x", "1.", ".5", "1.5.5", "-1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(oxi_time_limit_parse(bad[i], &l) == OX_EINVAL, "%s", bad[i]);
	free(m);
}
END_TEST

START_TEST(a_term_seq_is_read_as_gnu_parallel_reads_it)
{
	struct oxi_term_seq s;
	ck_assert_int_eq(oxi_term_seq_parse(OXI_TERM_SEQ, &s), 0);
	ck_assert_uint_eq(s.n, 4);
	ck_assert(s.step[0].signal == SIGTERM && s.step[0].wait == OX_MS(200));
	ck_assert(s.step[3].signal == SIGKILL && s.step[3].wait == OX_MS(25));
	ck_assert_int_eq(oxi_term_seq_parse("sigint,10,9", &s), 0);
	ck_assert(s.n == 2 && s.step[0].signal == SIGINT && s.step[1].signal == SIGKILL && s.step[1].wait == 0);
	const char *bad[] = { "", "FROB", "TERM,x", "TERM,,KILL", "TERM,100,", "TERM,-1", "0",
	                      "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(oxi_term_seq_parse(bad[i], &s) == OX_EINVAL, "%s", bad[i]);
}
END_TEST

/* ---- starts (23, 24) ---- */

START_TEST(the_bucket_lets_a_second_s_worth_through_and_then_the_rate)
{
	struct oxi_throttle t = { .o.rate = 10 };
	ox_time now = OX_SEC(1);
	ck_assert_int_eq(oxi_throttle_take(&t, now), 0);
	ox_time wait = oxi_throttle_take(&t, now);
	ck_assert_int_ge(wait, OX_MS(100));
	ck_assert_int_le(wait, OX_MS(101));
	ck_assert_int_eq(oxi_throttle_take(&t, now + wait), 0);
	int burst = 0;
	for (now += OX_SEC(60); oxi_throttle_take(&t, now) == 0; burst++)
		;
	ck_assert_int_eq(burst, 10);
	int in_ten_seconds = 0;
	for (ox_time end = now + OX_SEC(10); now < end;) {
		wait = oxi_throttle_take(&t, now);
		now += wait;
		in_ten_seconds += wait == 0;
	}
	ck_assert_int_ge(in_ten_seconds, 98);
	ck_assert_int_le(in_ten_seconds, 100);
}
END_TEST

START_TEST(slow_rates_do_not_burst_and_delay_holds)
{
	struct oxi_throttle t = { 0 };
	ck_assert_int_eq(oxi_rate_parse("10/m", &t.o.rate), 0);
	ck_assert_int_eq(oxi_throttle_take(&t, OX_SEC(1000)), 0);
	ck_assert_int_eq(oxi_throttle_take(&t, OX_SEC(2000)), 0);
	ck_assert_int_ge(oxi_throttle_take(&t, OX_SEC(2000)), OX_MS(5999));
	struct oxi_throttle d = { .o.delay = OX_MS(300) };
	ck_assert_int_eq(oxi_throttle_take(&d, OX_SEC(1)), 0);
	ck_assert_int_eq(oxi_throttle_take(&d, OX_SEC(1) + OX_MS(100)), OX_MS(200));
	ck_assert_int_eq(oxi_throttle_take(&d, OX_SEC(1) + OX_MS(300)), 0);
	double rate, psi[OXI_PSIS];
	const char *bad[] = { "", "0", "x", "1/d", "1/", "-1", "1e3", "0.0/s" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(oxi_rate_parse(bad[i], &rate) == OX_EINVAL, "%s", bad[i]);
	ck_assert_int_eq(oxi_psi_parse("disk<3", psi), OX_EINVAL);
	ck_assert_int_eq(oxi_psi_parse("cpu>3", psi), OX_EINVAL);
}
END_TEST

START_TEST(jobs_are_counted_from_the_cpus)
{
	unsigned all, n;
	ck_assert_int_eq(oxi_value_jobs("100%", &all), 0);
	ck_assert_int_eq(oxi_value_jobs("+2", &n), 0);
	ck_assert_uint_eq(n, all + 2);
	ck_assert_int_eq(oxi_value_jobs("-1", &n), 0);
	ck_assert_uint_eq(n, all > 1 ? all - 1 : 1);
	ck_assert_int_eq(oxi_value_jobs("-1000", &n), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(oxi_value_jobs("+2%", &n), OX_EINVAL);
	ck_assert_int_eq(oxi_value_jobs("+", &n), OX_EINVAL);
}
END_TEST

/* ---- progress (45) ---- */

static struct oxi_tally tally = { .done = 20, .failed = 3 };

START_TEST(time_left_is_the_larger_of_work_and_pace)
{
	struct oxi_progress p = { .tally = &tally, .total = 120, .slots = 4, .elapsed = OX_SEC(10), .mean = OX_SEC(2) };
	ck_assert_int_eq(oxi_progress_left(&p), OX_SEC(50));
	p.mean = OX_SEC(4);
	ck_assert_int_eq(oxi_progress_left(&p), OX_SEC(100));
	p.total = 0;
	ck_assert_int_eq(oxi_progress_left(&p), OX_NEVER);
	struct oxi_tally none = { 0 };
	p = (struct oxi_progress){ .tally = &none, .total = 10, .slots = 4, .elapsed = OX_SEC(10) };
	ck_assert_int_eq(oxi_progress_left(&p), OX_NEVER);
}
END_TEST

START_TEST(durations_have_two_units_at_most)
{
	struct {
		ox_time t;
		const char *text;
	} cases[] = { { OX_MS(400), "0s" }, { OX_SEC(59), "59s" }, { OX_SEC(200), "3m20s" }, { OX_SEC(7500), "2h05m" },
	              { OX_SEC(4 * 86400), "4d00h" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[32];
		oxi_duration_text(cases[i].t, text, sizeof(text));
		ck_assert_str_eq(text, cases[i].text);
	}
}
END_TEST

START_TEST(the_line_fits_whatever_the_width)
{
	struct oxi_progress p = { .tally = &tally, .total = 120, .slots = 4, .running = 4, .elapsed = OX_SEC(10),
	                          .mean = OX_SEC(2), .busy = "memory", .bar = true };
	char line[256];
	oxi_progress_text(&p, 90, line, sizeof(line));
	ck_assert_str_eq(line, "[###.................] 16% 20/120, 50s left, 4 running, 3 failed, waiting for memory");
	for (size_t width = 1; width < 200; width++) {
		oxi_progress_text(&p, width, line, sizeof(line));
		ck_assert_uint_le(strlen(line), width);
	}
	oxi_progress_text(&p, 80, line, 10);
	ck_assert_uint_lt(strlen(line), 10);
}
END_TEST

START_TEST(results_do_not_lead_out_of_their_tree)
{
	ck_assert(oxi_results_inside("out/a/b", "out/{}"));
	ck_assert(oxi_results_inside("../out/a", "../out/{}"));
	ck_assert(oxi_results_inside("out/..a/b..", "out/{}"));
	ck_assert(!oxi_results_inside("out/../../etc", "out/{}"));
	ck_assert(!oxi_results_inside("out/..", "out/{}"));
}
END_TEST

/* Each slot has a share of the CPUs; together they have all; shares overlap only if there are more slots than CPUs. */
START_TEST(slots_share_the_cpus_out)
{
	static const int have[] = { 0, 1, 5, 6, 7, 64, 1023 };
	struct oxi_child c = { 0 };
	for (size_t i = 0; i < 7; i++)
		CPU_SET(have[i], &c.cpus);
	for (c.pin = 1; c.pin <= 20; c.pin++) {
		unsigned sum = 0, least = 7, most = 0;
		cpu_set_t all, one;
		CPU_ZERO(&all);
		for (unsigned slot = 0; slot < c.pin; slot++) {
			oxi_child_cpus(&c, slot, &one);
			unsigned n = (unsigned)CPU_COUNT(&one);
			sum += n;
			least = n < least ? n : least;
			most = n > most ? n : most;
			CPU_OR(&all, &all, &one);
		}
		ck_assert(CPU_EQUAL(&all, &c.cpus));
		ck_assert_uint_ge(least, 1);
		ck_assert_uint_le(most, least + 1);
		ck_assert_uint_eq(sum, c.pin < 7 ? 7 : c.pin);
	}
	c.pin = 2;
	cpu_set_t share;
	oxi_child_cpus(&c, 3, &share);          /* a slot that was added later */
	ck_assert_int_eq(CPU_COUNT(&share), 3);
	ck_assert(CPU_ISSET(7, &share) && CPU_ISSET(64, &share) && CPU_ISSET(1023, &share));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("decisions");
	TCase *c = new_case(s, "decisions", 60);
	tcase_add_test(c, retries_count_attempts_and_zero_is_for_ever);
	tcase_add_test(c, retry_on_takes_only_what_is_listed);
	tcase_add_test(c, backoff_doubles_to_its_bound_and_jitter_is_full);
	tcase_add_test(c, halt_counts_what_it_says);
	tcase_add_test(c, a_percentage_is_of_all_jobs_and_of_none_that_are_not_known);
	tcase_add_test(c, halt_has_gnu_parallels_short_forms_and_refuses_others);
	tcase_add_test(c, the_median_is_within_three_percent);
	tcase_add_test(c, a_relative_limit_waits_for_three_jobs);
	tcase_add_test(c, a_term_seq_is_read_as_gnu_parallel_reads_it);
	tcase_add_test(c, the_bucket_lets_a_second_s_worth_through_and_then_the_rate);
	tcase_add_test(c, slow_rates_do_not_burst_and_delay_holds);
	tcase_add_test(c, jobs_are_counted_from_the_cpus);
	tcase_add_test(c, time_left_is_the_larger_of_work_and_pace);
	tcase_add_test(c, durations_have_two_units_at_most);
	tcase_add_test(c, the_line_fits_whatever_the_width);
	tcase_add_test(c, results_do_not_lead_out_of_their_tree);
	tcase_add_test(c, slots_share_the_cpus_out);
	return run_suite(s);
}
