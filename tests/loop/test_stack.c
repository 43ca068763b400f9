/* SPDX-License-Identifier: MIT */
/* Stacks: guards of both kinds, the overflow report, reuse, and very many of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/stack.h"
#include "loop/state.h"
#include "tests/support/support.h"

static size_t read_status(const char *key)      /* KiB */
{
	char line[256];
	size_t kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtoul(line + strlen(key) + 1, NULL, 10);
	fclose(f);
	return kib;
}

static size_t count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	size_t n = 0;
	int c;

	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* ---- guards ---- */

static sigjmp_buf faulted;

static void on_fault(int signo)
{
	(void)signo;
	siglongjmp(faulted, 1);
}

static bool write_faults(volatile char *p)
{
	struct sigaction sa = { .sa_handler = on_fault }, before;
	volatile bool faults = true;

	sigaction(SIGSEGV, &sa, &before);
	if (sigsetjmp(faulted, 1) == 0) {
		*p = 1;
		faults = false;
	}
	sigaction(SIGSEGV, &before, NULL);
	return faults;
}

START_TEST(every_stack_has_a_guard_below_it)
{
	for (int by_mprotect = 0; by_mprotect < 2; by_mprotect++) {
		struct oxi_stacks s;
		struct oxi_stack st[40];

		oxi_stacks_init(&s);
		if (by_mprotect)
			s.mprotect = true;
		for (int i = 0; i < 40; i++) {
			ck_assert_int_eq(oxi_stack_get(&s, i % 2 ? OX_KIB(64) : OX_KIB(200), &st[i]), 0);
			ck_assert(!write_faults(st[i].bottom));
			ck_assert(!write_faults(st[i].bottom + st[i].size - 1));
			ck_assert(write_faults(st[i].bottom - 1));
			ck_assert(oxi_stacks_guards(&s, st[i].bottom - 1));
			ck_assert(!oxi_stacks_guards(&s, st[i].bottom));
		}
		for (int i = 0; i < 40; i++)
			oxi_stack_put(&s, &st[i]);
		ck_assert_int_eq(oxi_stack_get(&s, OX_MIB(16), &st[0]), OX_EINVAL);
		oxi_stacks_destroy(&s);
	}
}
END_TEST

START_TEST(used_stacks_come_back_hot_and_trimming_gives_memory_back)
{
	struct oxi_stacks s;
	struct oxi_stack st[500], again;
	size_t full;

	oxi_stacks_init(&s);
	for (int i = 0; i < 500; i++) {
		ck_assert_int_eq(oxi_stack_get(&s, 0, &st[i]), 0);
		memset(st[i].bottom, 1, OX_KIB(64));
	}
	full = read_status("VmRSS:");
	for (int i = 0; i < 500; i++)
		oxi_stack_put(&s, &st[i]);
	ck_assert_int_eq(oxi_stack_get(&s, 0, &again), 0);
	ck_assert_ptr_eq(again.bottom, st[499].bottom);
	oxi_stack_put(&s, &again);
	ck_assert(oxi_stacks_trim(&s));                 /* the peak of the last period keeps them */
	ck_assert(!oxi_stacks_trim(&s));                /* now nobody needed them */
	if (!under_sanitizer)
		ck_assert_uint_lt(read_status("VmRSS:") + 20000, full);
	ck_assert_int_eq(oxi_stack_get(&s, 0, &again), 0);
	ck_assert(!write_faults(again.bottom));
	ck_assert(write_faults(again.bottom - 1));      /* the guard is still there */
	oxi_stack_put(&s, &again);
	oxi_stacks_destroy(&s);
}
END_TEST

static unsigned told_of_limit;

static void count_limit(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	told_of_limit += strstr(text, "vm.max_map_count") != NULL;
}

/* Older kernels: two mappings a stack, until vm.max_map_count says no. That is an error, not a crash, and is told once. */
START_TEST(mprotect_guards_end_in_enomem_near_the_limit_of_mappings)
{
	struct oxi_stacks s;
	struct oxi_stack *st;
	size_t n = 0, limit = 0;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");

	if (f == NULL || fscanf(f, "%zu", &limit) != 1 || limit > 100000)
		limit = 0;
	if (f)
		fclose(f);
	if (limit == 0)
		SKIP("vm.max_map_count is larger than this test wants to fill");
	if (under_sanitizer || under_valgrind())
		SKIP("takes too long under a sanitizer");
	st = malloc(limit * sizeof(*st));
	oxi_stacks_init(&s);
	s.mprotect = true;
	told_of_limit = 0;
	ox_log_set(count_limit, NULL);
	while (n < limit && oxi_stack_get(&s, OX_KIB(64), &st[n]) == 0)
		n++;
	ck_assert_int_eq(oxi_stack_get(&s, OX_KIB(64), &st[n]), OX_ENOMEM);
	ox_log_set(NULL, NULL);
	ck_assert_uint_eq(told_of_limit, 1);
	ck_assert_uint_gt(n, limit / 2 - 2000);
	ck_assert_uint_lt(n, limit / 2);
	while (n > 0)
		oxi_stack_put(&s, &st[--n]);
	oxi_stacks_destroy(&s);
	free(st);
}
END_TEST

/* ---- the overflow report ---- */

static int dig(volatile char *above)
{
	volatile char frame[512];

	memset((char *)frame, 1, sizeof(frame));
	return *above == 3 ? 0 : dig(frame) + *above;
}

static int bottomless(void *arg)
{
	return dig(arg);
}

static int overflow(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	char c = 0;

	(void)arg;
	ox_spawn(g, bottomless, &c);
	return ox_group_join(g);
}

static pid_t fork_quiet(int *ret_err)
{
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
	} else {
		close(fds[1]);
		*ret_err = fds[0];
	}
	return pid;
}

START_TEST(overflow_is_reported_by_name_and_kills)
{
	char text[1024] = { 0 };
	int err = -1, status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (under_sanitizer || under_valgrind())
		SKIP("sanitizers and valgrind report overflows in their own words");
	pid = fork_quiet(&err);
	if (pid == 0) {
		ox_run(overflow, NULL, NULL);
		_exit(0);
	}
	while ((n = read(err, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(err);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	ck_assert_msg(strstr(text, "stack overflow in coroutine \"bottomless\"") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "test_stack.c:") != NULL, "%s", text);
}
END_TEST

static void leave_42(int signo)
{
	(void)signo;
	_exit(42);
}

static int segfault(void *arg)
{
	(void)arg;
	raise(SIGSEGV);
	return 0;
}

START_TEST(other_faults_go_to_the_handler_that_was_there)
{
	int status;
	pid_t pid;

	if (under_sanitizer)
		SKIP("the handler is the sanitizer's");
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, leave_42);
		ox_run(segfault, NULL, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
END_TEST

/* ---- very many ---- */

static int park(void *arg)
{
	void *item;

	return ox_queue_get(arg, &item);
}

static size_t rss_of_100k, maps_of_100k;

static int many(void *arg)
{
	enum { N = 100000 };
	OX_AUTO_GROUP *g = ox_group_open();
	size_t rss = read_status("VmRSS:"), maps = count_maps();
	ox_queue *gate = ox_queue_new(1);
	int r;

	(void)arg;
	for (int i = 0; i < N; i++)
		EXPECT(!ox_future_done(ox_spawn(g, park, gate)));
	EXPECT_EQ(ox_wait_all_parked(), 0);
	rss_of_100k = (read_status("VmRSS:") - rss) * 1024 / N;
	maps_of_100k = count_maps() - maps;
	ox_queue_shut(gate, NULL);
	r = ox_group_join(g);
	ox_queue_free(gate);
	return r == OX_ECLOSED ? 0 : r;
}

START_TEST(hundred_thousand_guarded_coroutines_take_a_page_each_and_few_mappings)
{
	struct oxi_stacks s;

	oxi_stacks_init(&s);
	if (s.mprotect)
		SKIP("this kernel has no MADV_GUARD_INSTALL");
	if (under_sanitizer || under_valgrind())
		SKIP("memory per coroutine is another under a sanitizer");
#ifdef OXI_UCONTEXT
	SKIP("a ucontext_t alone takes a kilobyte");
#endif
	run_real(many, NULL);
	printf("100,000 parked coroutines: %zu bytes of RSS each, %zu mappings more\n", rss_of_100k, maps_of_100k);
	ck_assert_uint_lt(rss_of_100k, OX_KIB(5));
	ck_assert_uint_lt(maps_of_100k, 100);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stack");
	TCase *c = new_case(s, "stacks", 300);

	tcase_add_test(c, every_stack_has_a_guard_below_it);
	tcase_add_test(c, used_stacks_come_back_hot_and_trimming_gives_memory_back);
	tcase_add_test(c, mprotect_guards_end_in_enomem_near_the_limit_of_mappings);
	tcase_add_test(c, overflow_is_reported_by_name_and_kills);
	tcase_add_test(c, other_faults_go_to_the_handler_that_was_there);
	tcase_add_test(c, hundred_thousand_guarded_coroutines_take_a_page_each_and_few_mappings);
	return run_suite(s);
}
