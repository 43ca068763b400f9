/* SPDX-License-Identifier: MIT */
/* What a person is told of a crash. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pool/pool_support.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

/* Not exported: only the program's own symbol table knows it. */
static __attribute__((noinline)) int divide_by_nothing(volatile int *where)
{
	*where = 1;
	return *where;
}

static int go_wrong(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	for (int i = 1; i <= 30; i++)
		printf("line %d\n", i);
	printf("the last\x01 words");
	fflush(stdout);
	return divide_by_nothing((int *)8) + 1;
}
static OX_JOB(wrong_job, go_wrong);

static const char *text_of(ox_future *f)
{
	static char text[OX_KIB(16)];
	const ox_crash *c = ox_future_crash(f);

	text[0] = '\0';
	EXPECT(c != NULL);
	if (c != NULL)
		EXPECT(ox_crash_text(c, text, sizeof text) == strlen(text));
	return text;
}

static void contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		printf("no \"%s\" in:\n%s", part, text);
	EXPECT(strstr(text, part) != NULL);
}

static int tell(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &wrong_job, NULL, 0);

	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	const char *text = text_of(f);
	contains(text, "job wrong_job: worker ");
	contains(text, "was ended by SIGSEGV (Segmentation fault) at address 0x8 when the job had run 0.");
	contains(text, " KiB of memory at most\n  #0 0x");
	contains(text, " divide_by_nothing+0x");
	contains(text, " go_wrong+0x");
	contains(text, "/test_story+0x");
	contains(text, "the end of its output:\n  | line 22\n");
	contains(text, "  | the last\\x01 words\n");
	EXPECT(strstr(text, "line 21") == NULL);
	EXPECT(strstr(text, "#0") < strstr(text, "divide_by_nothing") && strstr(text, "divide_by_nothing") < strstr(text, "#1"));
	return 0;
}

START_TEST(a_crash_is_told_with_signal_address_function_names_and_the_last_output)
{
	with_pool(tell, POOL_OPTIONS(.jobs = OX_JOBS(&wrong_job), .workers = 1, .capture = OX_KIB(4)));
}
END_TEST

static int tell_others(void *arg)
{
	int ms = 60000;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);

	await_begun(1);
	ox_future_cancel(f);
	ox_wait(&f, 1, OX_WAIT_ALL, OX_NEVER);
	contains(text_of(f), "job sleep_job: worker ");
	contains(text_of(f), "was ended by SIGKILL (Killed) when the job had run ");
	return 0;
}

START_TEST(a_kill_has_no_address_and_no_backtrace_to_tell)
{
	with_pool(tell_others, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job), .workers = 1));
}
END_TEST

START_TEST(a_text_is_cut_to_its_room_and_its_whole_length_returned)
{
	void *frames[] = { (void *)(uintptr_t)&divide_by_nothing, (void *)16, (void *)stdout };
	const ox_crash c = {
		.pid = 7, .exit_code = 3, .job = "x", .backtrace = frames, .backtrace_len = 3, .output = "no newline", .output_len = 10,
		.output_truncated = true, .memory_limit = OX_MIB(1),
	};
	char whole[4096], part[4096];
	size_t len = ox_crash_text(&c, whole, sizeof whole);

	ck_assert_uint_eq(len, strlen(whole));
	ck_assert_ptr_nonnull(strstr(whole, "exited with code 3"));
	ck_assert_ptr_nonnull(strstr(whole, "#0 0x"));
	ck_assert_ptr_nonnull(strstr(whole, "#1 0x10\n"));
	ck_assert_ptr_nonnull(strstr(whole, "limit of 1024 KiB"));
	ck_assert_ptr_nonnull(strstr(whole, "  its output:\n  | no newline\n"));
	ck_assert_uint_eq(ox_crash_text(&c, NULL, 0), len);
	for (size_t cap = 1; cap <= len + 1; cap++) {
		memset(part, 'z', sizeof part);
		ck_assert_uint_eq(ox_crash_text(&c, part, cap), len);
		ck_assert_uint_eq(strlen(part), cap - 1);
		ck_assert_int_eq(memcmp(part, whole, cap - 1), 0);
		ck_assert_int_eq(part[cap], 'z');
	}
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver none[] = { { NULL, NULL } };

	pool_main(argc, argv, none);
	Suite *s = suite_create("story");
	TCase *c = new_pool_case(s, "story", 60);
	tcase_add_test(c, a_crash_is_told_with_signal_address_function_names_and_the_last_output);
	tcase_add_test(c, a_kill_has_no_address_and_no_backtrace_to_tell);
	tcase_add_test(c, a_text_is_cut_to_its_room_and_its_whole_length_returned);
	return run_suite(s);
}
