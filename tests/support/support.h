/* SPDX-License-Identifier: MIT */
/*
 * What the Check programs share. A coroutine must not leave by longjmp, so it records what it expected (EXPECT) and
 * the test asserts on the main stack, by run_ok(), that nothing was recorded.
 */
#ifndef OXBOW_TESTS_SUPPORT_H
#define OXBOW_TESTS_SUPPORT_H

#include <check.h>
#include <stdio.h>

#include <oxbow/ox_test.h>
#include <oxbow/oxbow.h>

void expect_failed(const char *file, int line, const char *what, long long a, long long b);

#define EXPECT(x)                                                                       \
	do {                                                                            \
		if (!(x))                                                               \
			expect_failed(__FILE__, __LINE__, #x, 0, 0);                    \
	} while (0)

#define EXPECT_EQ(a, b)                                                                 \
	do {                                                                            \
		long long a_ = (long long)(a), b_ = (long long)(b);                     \
		if (a_ != b_)                                                           \
			expect_failed(__FILE__, __LINE__, #a " == " #b, a_, b_);        \
	} while (0)

/*
 * Runs fn in virtual time (or real), and asserts that it returned 0 and expected nothing in vain. OX_TEST_SEED of the
 * environment shuffles the ready queue; a test that is about the order itself begins with fifo_only().
 */
void run_virtual(ox_coro *fn, void *arg);
void run_real(ox_coro *fn, void *arg);
void fifo_only(void);

/*
 * Runs fn in virtual time (or real) with its first allocation failing, then the second, until one run needs no
 * more than all of them. fn returns the first error that it meets, after cleaning up: OX_ENOMEM, or 0 where the
 * library could do without. Asserts that and that no descriptor is left; memory is the leak checker's.
 */
void fails_cleanly(ox_coro *fn, void *arg);
void fails_cleanly_real(ox_coro *fn, void *arg);

/* Asserts that nothing failed in EXPECT so far. */
void assert_expectations(void);

/* A fixture for every test case: descriptors and children as before. Under a sanitizer or valgrind the limits are wider. */
void fixture_setup(void);
void fixture_teardown(void);
int count_fds(void);
bool under_valgrind(void);
bool under_emulator(void);              /* qemu-user, which is not the kernel in everything: build/aarch64 says so */
extern const bool under_sanitizer;
extern const int tsan_share;            /* ThreadSanitizer takes ten milliseconds for a coroutine: of many, make this part */

/* Runs a suite of one or more cases; the exit status of main. */
int run_suite(Suite *s);

/* A case with the fixture and a timeout in seconds. */
TCase *new_case(Suite *s, const char *name, double timeout);

/* Prints why a test is skipped; they are counted. */
#define SKIP(reason)                                                            \
	do {                                                                    \
		printf("SKIP %s: %s\n", __func__, (reason));                    \
		return;                                                         \
	} while (0)

#endif
