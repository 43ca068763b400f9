/* SPDX-License-Identifier: MIT */
#include "tests/support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "include/private/sanitize.h"

static char failure[512];
static int fds_before;

#if defined(OXI_ASAN) || defined(OXI_TSAN)
const bool under_sanitizer = true;
#else
const bool under_sanitizer = false;
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

static void run(ox_coro *fn, void *arg, const ox_run_options *o)
{
	int r = ox_run(fn, arg, o);

	assert_expectations();
	ck_assert_int_eq(r, 0);
}

void run_virtual(ox_coro *fn, void *arg)
{
	run(fn, arg, OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.virtual_clock = true)));
}

void run_real(ox_coro *fn, void *arg)
{
	run(fn, arg, NULL);
}

bool under_valgrind(void)
{
#ifdef OXI_VALGRIND
	return RUNNING_ON_VALGRIND;
#else
	return false;
#endif
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
	tcase_set_timeout(c, timeout * (under_sanitizer || under_valgrind() ? 10 : 1));
	suite_add_tcase(s, c);
	return c;
}

int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
