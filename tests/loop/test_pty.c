/* SPDX-License-Identifier: MIT */
/* Children on a terminal of their own. */
#include "tests/support/support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SH(text) OX_ARGV("/bin/sh", "-c", text)

static const ox_window window = { .rows = 33, .columns = 77 };

static void expect_line(ox_stream *s, const char *text)
{
	ox_bytes line = { "", 0 };
	int r = ox_read_until(s, (ox_bytes){ "\r\n", 2 }, 200, &line);

	EXPECT_EQ(r, 0);
	if (r == 0 && (line.len != strlen(text) + 2 || memcmp(line.data, text, strlen(text)) != 0))
		expect_failed(text, 0, line.data, (long long)line.len, 0);
}

static int size_and_change(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	ox_stream *t;

	(void)arg;
	EXPECT_EQ(ox_process_spawn(SH("trap 'stty size; exit 3' WINCH; test -t 0 -a -t 1 -a -t 2 && stty size;"
	                              "while :; do sleep 0.01; done"),
	                           OX_PROCESS_OPTIONS(.window = &window), &p), 0);
	t = ox_process_terminal(p);
	EXPECT(t != NULL && ox_process_stdin(p) == NULL);
	expect_line(t, "33 77");
	EXPECT_EQ(ox_process_set_window(p, (ox_window){ 12, 34 }), 0);
	expect_line(t, "12 34");
	char end;
	EXPECT_EQ(ox_read(t, &end, 1), 0);              /* hung up: the end of the stream, not EIO */
	ox_process_status s;
	EXPECT_EQ(ox_process_wait(p, &s), 0);
	EXPECT_EQ(s.exit_code, 3);
	return 0;
}

START_TEST(child_has_a_terminal_of_a_size_that_changes)
{
	run_real(size_and_change, NULL);
}
END_TEST

static int typing(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	ox_stream *t;

	(void)arg;
	EXPECT_EQ(ox_process_spawn(SH("stty -echo; echo name?; read x; echo hello $x; cat; exec sleep 60"),
	                           OX_PROCESS_OPTIONS(.window = &window), &p), 0);
	t = ox_process_terminal(p);
	expect_line(t, "name?");
	EXPECT_EQ(ox_write(t, "you\n", 4), 4);
	expect_line(t, "hello you");
	EXPECT_EQ(ox_write(t, "line\n\x04", 6), 6);     /* end of file, as typed */
	expect_line(t, "line");
	EXPECT_EQ(ox_write(t, "\x03", 1), 1);           /* Ctrl-C: it is the controlling terminal */
	ox_process_status s;
	EXPECT_EQ(ox_process_wait(p, &s), 0);
	EXPECT_EQ(s.signal, SIGINT);
	return 0;
}

START_TEST(what_is_typed_arrives_control_characters_too)
{
	run_real(typing, NULL);
}
END_TEST

static int run_on_terminal(void *arg)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;
	OX_AUTO_PROCESS_RESULT *apart = NULL;

	(void)arg;
	EXPECT_EQ(ox_process_run(SH("stty size; echo problem >&2;"
	                            "i=0; while [ $i -lt 5000 ]; do echo 0123456789; i=$((i + 1)); done"),
	                         OX_PROCESS_OPTIONS(.window = &window), &res), 0);
	EXPECT_EQ(res->out.len, 7 + 9 + 5000 * 12);
	EXPECT(memcmp(res->out.data, "33 77\r\nproblem\r\n01", 18) == 0);
	EXPECT_EQ(ox_process_run(SH("test -t 0 -a -t 1 && test ! -t 2 && echo apart >&2"),
	                         OX_PROCESS_OPTIONS(.window = &window, .err = OX_STDIO_PIPE), &apart), 0);
	EXPECT_EQ(apart->status.exit_code, 0);
	EXPECT_EQ(apart->out.len, 0);
	EXPECT_EQ(apart->err.len, 6);
	return 0;
}

START_TEST(run_collects_what_the_terminal_shows)
{
	run_real(run_on_terminal, NULL);
}
END_TEST

static int hang_up(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	ox_time began = ox_now();

	(void)arg;
	EXPECT_EQ(ox_process_spawn(SH("sleep 60 & cat; wait"), OX_PROCESS_OPTIONS(.window = &window, .grace = OX_SEC(15)), &p), 0);
	ox_process_close(p);
	p = NULL;
	EXPECT(ox_now() - began < OX_SEC(12));
	EXPECT_EQ(ox_process_spawn(OX_ARGV("no-such-program-anywhere"), OX_PROCESS_OPTIONS(.window = &window), &p), -ENOENT);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), NULL, &p), 0);
	EXPECT_EQ(ox_process_set_window(p, window), OX_ESTATE);
	return 0;
}

START_TEST(terminal_closes_with_its_child)
{
	run_real(hang_up, NULL);
}
END_TEST

static int scenario(void *arg)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;

	(void)arg;
	return ox_process_run(OX_ARGV("true"), OX_PROCESS_OPTIONS(.window = &window), &res);
}

START_TEST(every_allocation_fails_cleanly)
{
	fails_cleanly_real(scenario, NULL);
}
END_TEST

static void set_default(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

int main(void)
{
	Suite *s = suite_create("pty");
	TCase *c = new_case(s, "terminals", 20);

	tcase_add_checked_fixture(c, set_default, NULL);
	tcase_add_test(c, child_has_a_terminal_of_a_size_that_changes);
	tcase_add_test(c, what_is_typed_arrives_control_characters_too);
	tcase_add_test(c, run_collects_what_the_terminal_shows);
	tcase_add_test(c, terminal_closes_with_its_child);
	tcase_add_test(c, every_allocation_fails_cleanly);
	return run_suite(s);
}
