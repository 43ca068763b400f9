/* SPDX-License-Identifier: MIT */
#include "tests/support/support.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "include/private/sanitize.h"

static char failure[512];
static int fds_before;
static bool fifo;

#if defined(OXI_ASAN) || defined(OXI_TSAN)
const bool under_sanitizer = true;
#else
const bool under_sanitizer = false;
#endif

#ifdef OXI_TSAN
const int tsan_share = 10;
#else
const int tsan_share = 1;
#endif

void expect_failed(const char *file, int line, const char *what, long long a, long long b)
{
	if (failure[0] == '\0')
		snprintf(failure, sizeof(failure), "%s:%d: expected %s (%lld, %lld)", file, line, what, a, b);
}

void assert_expectations(void)
{
	ck_assert_msg(failure[0] == '\0', "%s", failure);
}

void fifo_only(void)
{
	fifo = true;
}

static int run(ox_coro *fn, void *arg, bool virtual)
{
	const char *seed = getenv("OX_TEST_SEED");
	struct ox_test_options test = { .size = sizeof(test), .virtual_clock = virtual };
	int r;

	if (seed && !fifo)
		test.shuffle_seed = strtoull(seed, NULL, 10);
	r = ox_run(fn, arg, OX_RUN_OPTIONS(.test = &test));
	assert_expectations();
	return r;
}

void run_virtual(ox_coro *fn, void *arg)
{
	ck_assert_int_eq(run(fn, arg, true), 0);
}

void run_real(ox_coro *fn, void *arg)
{
	ck_assert_int_eq(run(fn, arg, false), 0);
}

static void fail_each(ox_coro *fn, void *arg, bool virtual)
{
	int fds = count_fds();

	for (size_t n = 1;; n++) {
		int r;
		size_t made;

		ox_test_fail_allocation(n);
		r = run(fn, arg, virtual);
		made = ox_test_fail_allocation(0);
		ck_assert_msg(r == 0 || (r == OX_ENOMEM && made >= n), "with allocation %zu of %zu failing: %s", n, made, ox_strerror(r));
		ck_assert_int_eq(count_fds(), fds);
		if (made < n)
			return;
	}
}

void fails_cleanly(ox_coro *fn, void *arg)
{
	fail_each(fn, arg, true);
}

void fails_cleanly_real(ox_coro *fn, void *arg)
{
	fail_each(fn, arg, false);
}

bool under_valgrind(void)
{
#ifdef OXI_VALGRIND
	return RUNNING_ON_VALGRIND;
#else
	return false;
#endif
}

bool under_emulator(void)
{
	return getenv("OX_TEST_EMULATOR") != NULL;
}

int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

void fixture_setup(void)
{
	failure[0] = '\0';
	fifo = false;
	fds_before = count_fds();
}

void fixture_teardown(void)
{
	ck_assert_int_eq(count_fds(), fds_before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

TCase *new_case(Suite *s, const char *name, double timeout)
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, fixture_setup, fixture_teardown);
	tcase_set_timeout(c, timeout * (under_sanitizer || under_valgrind() || under_emulator() ? 10 : 1));
	suite_add_tcase(s, c);
	return c;
}

int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	signal(SIGHUP, SIG_DFL);        /* nohup and a shell's background ignore these: */
	signal(SIGINT, SIG_DFL);        /* the tests are the same everywhere */
	signal(SIGQUIT, SIG_DFL);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
