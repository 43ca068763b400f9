/* SPDX-License-Identifier: MIT */
/* Child processes, real ones: cases S51 and S53, and what must not be left behind. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/io/process.h"

#define SH(text) OX_ARGV("/bin/sh", "-c", text)

static ox_process *spawn(const char *const *argv, const ox_process_options *o)
{
	ox_process *p = NULL;

	EXPECT_EQ(ox_process_spawn(argv, o, &p), 0);
	return p;
}

/* Its exit code; -signal; or -1000: something else was wrong. */
static int wait_code(ox_process *p)
{
	ox_process_status s;
	int r = ox_process_wait(p, &s);

	EXPECT_EQ(r, 0);
	return r < 0 ? -1000 : s.signal ? -s.signal : s.exit_code;
}

static bool says(const ox_process_result *res, const char *text)
{
	return res && res->out.len == strlen(text) && memcmp(res->out.data, text, res->out.len) == 0;
}

/* Runs a shell's command and expects what it says. */
static void expect_says(const char *command, const ox_process_options *o, const char *text)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;

	EXPECT_EQ(ox_process_run(SH(command), o, &res), 0);
	if (!says(res, text))
		expect_failed(command, 0, res ? res->out.data : "", 0, 0);
	if (res)
		EXPECT_EQ(res->status.exit_code, 0);
}

static bool alive(pid_t pid)
{
	char path[64], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	return strrchr(text, ')') && strrchr(text, ')')[2] != 'Z';
}

/* Until the deadline; another process has to do something. */
static bool gone(pid_t pid)
{
	for (int i = 0; i < 2000 && alive(pid); i++)
		ox_sleep(OX_MS(5));
	return !alive(pid);
}

static pid_t read_pid(ox_stream *s)
{
	ox_bytes line;

	EXPECT_EQ(ox_read_until(s, (ox_bytes){ "\n", 1 }, 64, &line), 0);
	return (pid_t)strtol(line.data, NULL, 10);
}

/* ---- running ---- */

static int run_simple(void *arg)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;

	(void)arg;
	EXPECT_EQ(ox_process_run(OX_ARGV("sh", "-c", "cat; echo problem >&2; exit 3"),
	                         OX_PROCESS_OPTIONS(.input = { "hello", 5 }), &res), 0);
	EXPECT(says(res, "hello"));
	EXPECT_EQ(res->err.len, 8);
	EXPECT_EQ(((const char *)res->err.data)[8], '\0');
	EXPECT_EQ(res->status.exit_code, 3);
	EXPECT_EQ(res->status.signal, 0);
	EXPECT(res->status.max_rss > 0);
	expect_says("cat", NULL, "");           /* its input is empty, not ours */
	return 0;
}

START_TEST(run_feeds_collects_and_waits)
{
	run_real(run_simple, NULL);
}
END_TEST

static int statuses(void *arg)
{
	OX_AUTO_PROCESS *ok = spawn(OX_ARGV("true"), NULL), *fails = spawn(OX_ARGV("false"), NULL);
	OX_AUTO_PROCESS *killed = spawn(SH("kill -9 $$"), NULL), *high = spawn(SH("exit 255"), NULL);
	OX_AUTO_PROCESS *works = spawn(SH("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done"), NULL);
	ox_process_status s;

	(void)arg;
	EXPECT_EQ(wait_code(ok), 0);
	EXPECT_EQ(wait_code(fails), 1);
	EXPECT_EQ(wait_code(killed), -SIGKILL);
	EXPECT_EQ(wait_code(high), 255);
	EXPECT_EQ(ox_process_wait(works, &s), 0);
	EXPECT(s.user_time + s.system_time > 0);
	EXPECT_EQ(ox_process_wait(NULL, &s), OX_ENOMEM);
	return 0;
}

START_TEST(status_says_how_it_ended)
{
	run_real(statuses, NULL);
}
END_TEST

static int environment(void *arg)
{
	(void)arg;
	setenv("OX_A", "1", 1);
	setenv("OX_B", "2", 1);
	expect_says("echo $OX_A$OX_B", NULL, "12\n");
	expect_says("echo $OX_A$OX_B$OX_C",
	            OX_PROCESS_OPTIONS(.env_add = OX_ARGV("OX_A=4", "OX_B", "OX_C=5", "OX_C=6")), "46\n");
	expect_says("echo $OX_A$OX_D", OX_PROCESS_OPTIONS(.env = OX_ARGV("OX_D=7")), "7\n");
	expect_says("echo $OX_A$OX_D",
	            OX_PROCESS_OPTIONS(.env = OX_ARGV("OX_D=7"), .env_add = OX_ARGV("OX_A=8")), "87\n");
	unsetenv("OX_A");
	unsetenv("OX_B");
	expect_says("pwd", OX_PROCESS_OPTIONS(.cwd = "/usr"), "/usr\n");
	expect_says("pwd", OX_PROCESS_OPTIONS(.cwd = "/", .path = "../bin/sh"), "/\n");
	return 0;
}

START_TEST(environment_and_folder_are_as_asked)
{
	run_real(environment, NULL);
}
END_TEST

static int limits(void *arg)
{
	const ox_process_limit l[] = { { RLIMIT_CORE, 0, 0 }, { RLIMIT_NOFILE, 33, 44 } };
	char expected[64];

	(void)arg;
	expect_says("ulimit -Sn; ulimit -Hn", OX_PROCESS_OPTIONS(.limits = l, .limit_count = 2), "33\n44\n");
	snprintf(expected, sizeof(expected), "%d\n", getpriority(PRIO_PROCESS, 0) + 3);
	expect_says("nice", OX_PROCESS_OPTIONS(.nice = 3), expected);
	return 0;
}

START_TEST(limits_and_niceness_are_as_asked)
{
	if (under_valgrind())
		SKIP("valgrind keeps limits of its own");
	run_real(limits, NULL);
}
END_TEST

static int groups(void *arg)
{
	char ours[64];

	(void)arg;
	snprintf(ours, sizeof(ours), "%d %d\n", (int)getpgrp(), (int)getsid(0));
	expect_says("set -- $(cat /proc/$$/stat); [ $5 = $$ ] && [ $6 != $$ ]", NULL, "");
	expect_says("set -- $(cat /proc/$$/stat); [ $5 = $$ ] && [ $6 = $$ ]",
	            OX_PROCESS_OPTIONS(.group = OX_PROCESS_OWN_SESSION), "");
	expect_says("set -- $(cat /proc/$$/stat); echo $5 $6",
	            OX_PROCESS_OPTIONS(.group = OX_PROCESS_OUR_GROUP), ours);
	return 0;
}

START_TEST(child_leads_a_group_or_a_session_or_stays_in_ours)
{
	run_real(groups, NULL);
}
END_TEST

/* Ignored and blocked signals and open descriptors of ours are not the child's. */
static int clean_child(void *arg)
{
	sigset_t set, before;
	int leak = dup(0), high = fcntl(leak, F_DUPFD, 700);

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	signal(SIGUSR2, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	expect_says("cat /proc/self/status | grep -E 'Sig(Blk|Ign|Cgt)' | tr -d '\\t0\\n';"
	            "exec ls -A /proc/self/fd | tr '\\n' ' '", NULL, "SigBlk:SigIgn:SigCgt:0 1 2 3 ");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	signal(SIGUSR2, SIG_DFL);
	close(leak);
	close(high);
	return 0;
}

START_TEST(child_has_default_signals_and_no_other_descriptor)
{
	if (under_emulator())
		SKIP("the emulator has descriptors of its own");
	run_real(clean_child, NULL);
}
END_TEST

static int hand_over(void *arg)
{
	char name[] = "/tmp/test_process.XXXXXX";
	int file = mkstemp(name), spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const ox_process_fd fds[] = { { 9, file }, { 3, 2 }, { 5, spare } };
	const ox_process_fd twice[] = { { 3, 1 }, { 3, 2 } }, low[] = { { 2, 1 } }, closed[] = { { 3, 9999 } };
	ox_process *p = NULL;
	char text[16] = "";

	(void)arg;
	EXPECT(file >= 0 && spare >= 0);
	expect_says("echo nine >&9; exec ls -A /proc/self/fd | tr '\\n' ' '",
	            OX_PROCESS_OPTIONS(.fds = fds, .fd_count = 3, .err = file), "0 1 2 3 4 5 9 ");
	EXPECT_EQ(pread(file, text, sizeof(text), 0), 5);
	expect_says("echo one; echo two >&2", OX_PROCESS_OPTIONS(.err = OX_STDIO_STDOUT), "one\ntwo\n");
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.fds = twice, .fd_count = 2), &p), OX_EINVAL);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.fds = low, .fd_count = 1), &p), OX_EINVAL);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.fds = closed, .fd_count = 1), &p), -EBADF);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.out = OX_STDIO_STDOUT), &p), OX_EINVAL);
	unlink(name);
	close(file);
	close(spare);
	return 0;
}

START_TEST(descriptors_are_handed_over_by_number)
{
	run_real(hand_over, NULL);
}
END_TEST

/* A source may have the number of another one's target. */
static int swap(void *arg)
{
	int a[2], b[2];
	char c = 0;

	(void)arg;
	EXPECT(pipe2(a, O_CLOEXEC) == 0 && pipe2(b, O_CLOEXEC) == 0);
	const ox_process_fd fds[] = { { a[1], b[1] }, { b[1], a[1] } };
	char command[96];

	snprintf(command, sizeof(command), "printf a >/proc/self/fd/%d; printf b >/proc/self/fd/%d", a[1], b[1]);
	expect_says(command, OX_PROCESS_OPTIONS(.fds = fds, .fd_count = 2), "");
	EXPECT(read(a[0], &c, 1) == 1 && c == 'b');
	EXPECT(read(b[0], &c, 1) == 1 && c == 'a');
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	return 0;
}

START_TEST(descriptors_that_change_places_arrive)
{
	run_real(swap, NULL);
}
END_TEST

/* ---- failures to start ---- */

static int failures(void *arg)
{
	const ox_process_limit bad = { 9999, 1, 1 };
	char name[] = "/tmp/test_process.XXXXXX";
	int file = mkstemp(name);
	ox_process *p = NULL;

	(void)arg;
	EXPECT_EQ(ox_process_spawn(OX_ARGV("no-such-program-anywhere"), NULL, &p), -ENOENT);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("/nowhere/program"), NULL, &p), -ENOENT);
	EXPECT_EQ(ox_process_spawn(OX_ARGV(""), NULL, &p), -ENOENT);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("/etc/passwd/x"), NULL, &p), -ENOTDIR);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("/tmp"), NULL, &p), -EACCES);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.cwd = "/nowhere"), &p), -ENOENT);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.cwd = "/etc/passwd"), &p), -ENOTDIR);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.env = OX_ARGV("PATH=/nowhere:/etc")), &p), -ENOENT);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.out = 9999), &p), -EBADF);
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.limits = &bad, .limit_count = 1), &p), OX_EINVAL);
	EXPECT_EQ(ox_process_spawn(OX_ARGV(NULL), NULL, &p), OX_EINVAL);
	EXPECT_EQ(ox_process_spawn(NULL, NULL, &p), OX_EINVAL);
	EXPECT_EQ(write(file, "no program", 10), 10);
	fchmod(file, 0700);
	close(file);
	EXPECT_EQ(ox_process_spawn(OX_ARGV(name), NULL, &p), -ENOEXEC);
	fchmod(file, 0600);
	unlink(name);
	EXPECT(p == NULL);
	EXPECT_EQ(waitpid(-1, NULL, WNOHANG), -1);      /* no zombie */
	ox_process_close(NULL);
	return 0;
}

static int too_long(void *arg)
{
	size_t len = OX_MIB(8);
	char *word = malloc(len + 1);
	ox_process *p = NULL;

	(void)arg;
	memset(word, 'x', len);
	word[len] = '\0';
	EXPECT_EQ(ox_process_spawn(OX_ARGV("true", word), NULL, &p), -E2BIG);
	free(word);
	return 0;
}

START_TEST(words_that_are_too_long_are_refused)
{
	if (under_valgrind())
		SKIP("valgrind dies of it");
	run_real(too_long, NULL);
}
END_TEST

START_TEST(what_exec_says_is_what_spawn_says)
{
	ox_process *p = NULL;

	ck_assert_int_eq(ox_process_spawn(OX_ARGV("true"), NULL, &p), OX_ESTATE);
	run_real(failures, NULL);
}
END_TEST

static int out_of_fds(void *arg)
{
	struct rlimit before, few;
	ox_process *p = NULL;
	int spare, r = -1, tries = 0;

	(void)arg;
	getrlimit(RLIMIT_NOFILE, &before);
	spare = dup(0);
	close(spare);
	for (unsigned n = 0; r < 0 && n < 40; n++, tries++) {
		few = (struct rlimit){ (rlim_t)spare + n, before.rlim_max };
		setrlimit(RLIMIT_NOFILE, &few);
		r = ox_process_spawn(OX_ARGV("true"), OX_PROCESS_OPTIONS(.in = OX_STDIO_PIPE, .out = OX_STDIO_PIPE,
		                                                         .err = OX_STDIO_PIPE), &p);
		if (r < 0)
			EXPECT(r == -EMFILE || r == OX_EINVAL);
	}
	setrlimit(RLIMIT_NOFILE, &before);
	EXPECT(r == 0 && tries > 5);
	EXPECT_EQ(wait_code(p), 0);
	ox_process_close(p);
	return 0;
}

START_TEST(running_out_of_descriptors_is_an_error_and_leaves_nothing)
{
	if (under_valgrind())
		SKIP("valgrind itself needs a descriptor to fork");
	run_real(out_of_fds, NULL);
}
END_TEST

/* ---- streams ---- */

static int talk(void *arg)
{
	OX_AUTO_PROCESS *p = spawn(SH("while read x; do echo got $x; done; echo end >&2"),
	                           OX_PROCESS_OPTIONS(.in = OX_STDIO_PIPE, .out = OX_STDIO_PIPE, .err = OX_STDIO_PIPE));
	ox_bytes line;
	char end[8];

	(void)arg;
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_write(ox_process_stdin(p), "you\n", 4), 4);
		EXPECT_EQ(ox_read_until(ox_process_stdout(p), (ox_bytes){ "\n", 1 }, 64, &line), 0);
		EXPECT(line.len == 8 && memcmp(line.data, "got you\n", 8) == 0);
	}
	EXPECT_EQ(ox_write_eof(ox_process_stdin(p)), 0);
	EXPECT_EQ(ox_read(ox_process_stdout(p), end, sizeof(end)), 0);
	EXPECT_EQ(ox_read(ox_process_stderr(p), end, sizeof(end)), 4);
	EXPECT_EQ(wait_code(p), 0);
	EXPECT(ox_process_terminal(p) == NULL);
	return 0;
}

START_TEST(pipes_are_streams)
{
	run_real(talk, NULL);
}
END_TEST

static int broken_pipe(void *arg)
{
	size_t len = OX_MIB(4);
	char *much = calloc(1, len);
	OX_AUTO_PROCESS_RESULT *res = NULL;
	ssize_t n = 0;
	ox_process *p;

	(void)arg;
	EXPECT_EQ(ox_process_run(SH("echo bye; exit 5"), OX_PROCESS_OPTIONS(.input = { much, len }), &res), 0);
	EXPECT(says(res, "bye\n"));
	EXPECT_EQ(res->status.exit_code, 5);
	p = spawn(SH("exec <&-; echo closed; read x <&1"), OX_PROCESS_OPTIONS(.in = OX_STDIO_PIPE, .out = OX_STDIO_PIPE));
	char text[16];
	EXPECT_EQ(ox_read(ox_process_stdout(p), text, sizeof(text)), 7);
	for (int i = 0; n >= 0 && i < 100; i++)
		n = ox_write(ox_process_stdin(p), much, OX_KIB(64));
	EXPECT_EQ(n, -EPIPE);
	EXPECT_EQ(ox_write(ox_process_stdin(p), "x", 1), -EPIPE);
	ox_process_close(p);
	free(much);
	return 0;
}

START_TEST(communicate_ignores_a_broken_pipe_and_writing_reports_it_S51)
{
	run_real(broken_pipe, NULL);
}
END_TEST

static int much_both_ways(void *arg)
{
	size_t len = OX_MIB(3);
	char *much = malloc(len);
	OX_AUTO_PROCESS_RESULT *res = NULL, *cut = NULL;

	(void)arg;
	for (size_t i = 0; i < len; i++)
		much[i] = (char)('a' + i % 23);
	EXPECT_EQ(ox_process_run(SH("tee /dev/stderr"), OX_PROCESS_OPTIONS(.input = { much, len }), &res), 0);
	EXPECT_EQ(res->out.len, len);
	EXPECT_EQ(res->err.len, len);
	EXPECT(memcmp(res->out.data, much, len) == 0 && memcmp(res->err.data, much, len) == 0);
	EXPECT_EQ(ox_process_run(OX_ARGV("yes"), OX_PROCESS_OPTIONS(.max_output = 100001), &cut), OX_ETOOBIG);
	EXPECT_EQ(cut->out.len, 100001);
	EXPECT(cut->status.signal == SIGTERM || cut->status.signal == SIGPIPE);
	free(much);
	return 0;
}

START_TEST(communicate_moves_megabytes_both_ways_up_to_the_limit)
{
	run_real(much_both_ways, NULL);
}
END_TEST

static int partial(void *arg)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;
	ox_scope s;
	int r;

	(void)arg;
	ox_scope_enter(&s, OX_SEC(under_valgrind() || under_emulator() ? 10 : 1));      /* for it to say so */
	r = ox_process_run(SH("echo begun; exec sleep 60"), NULL, &res);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT(says(res, "begun\n"));
	EXPECT_EQ(res->status.signal, SIGTERM);
	return 0;
}

START_TEST(timeout_ends_the_child_and_keeps_what_it_said)
{
	run_real(partial, NULL);
}
END_TEST

/* ---- waiting ---- */

static int wait_in_task(void *arg)
{
	return wait_code(arg);
}

static int cancelled_wait(void *arg)
{
	return ox_process_wait(arg, NULL);
}

static int waits(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_PROCESS *p = spawn(OX_ARGV("sleep", "60"), NULL);
	ox_future *f[10];
	ox_scope s;

	(void)arg;
	ox_scope_enter(&s, OX_MS(10));
	EXPECT_EQ(ox_scope_leave(&s, ox_process_wait(p, NULL)), OX_ETIMEDOUT);
	for (int i = 0; i < 10; i++)
		f[i] = ox_spawn(g, i == 3 ? cancelled_wait : wait_in_task, p);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f[3]);
	EXPECT_EQ(ox_process_signal(p, SIGKILL), 0);
	for (int i = 0; i < 10; i++)
		if (i != 3)
			EXPECT_EQ(ox_await(f[i]), -SIGKILL);
	EXPECT_EQ(wait_code(p), -SIGKILL);
	EXPECT_EQ(ox_process_signal(p, SIGKILL), -ESRCH);
	EXPECT_EQ(kill(ox_process_pid(p), 0), 0);       /* the number is still its own */
	return 0;
}

static int cancel_wait(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_PROCESS *p = spawn(OX_ARGV("sleep", "60"), NULL);
	ox_future *f = ox_spawn(g, cancelled_wait, p);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	ox_group_join(g);
	EXPECT_EQ(ox_future_status(f), OX_ECANCELED);
	EXPECT(alive(ox_process_pid(p)));
	EXPECT_EQ(ox_process_signal(p, SIGTERM), 0);
	EXPECT_EQ(wait_code(p), -SIGTERM);
	return 0;
}

START_TEST(cancelled_wait_leaves_the_child_and_ten_waits_get_the_same_S53)
{
	run_real(cancel_wait, NULL);
	run_real(waits, NULL);
}
END_TEST

static int race(void *arg)
{
	int rounds = under_sanitizer || under_valgrind() ? 50 : 300, killed = 0;

	(void)arg;
	for (int i = 0; i < rounds; i++) {
		OX_AUTO_PROCESS *p = spawn(OX_ARGV("true"), NULL);
		int r, code;

		for (int k = 0; k < i % 7; k++)
			ox_sleep(OX_US(150));
		r = ox_process_signal(p, SIGKILL);
		EXPECT(r == 0 || r == -ESRCH);
		code = wait_code(p);
		EXPECT(code == 0 || code == -SIGKILL);
		if (r == -ESRCH)
			EXPECT_EQ(code, 0);
		killed += code != 0;
	}
	EXPECT(killed > 0);
	return 0;
}

START_TEST(signal_that_races_with_the_exit_never_corrupts_the_status_S53)
{
	run_real(race, NULL);
}
END_TEST

static int many(void *arg)
{
	ox_process *p[200];

	(void)arg;
	for (int i = 0; i < 200; i++) {
		char code[32];

		snprintf(code, sizeof(code), "exit %d", i);
		p[i] = spawn(SH(code), OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE));
	}
	for (int i = 0; i < 200; i++) {
		EXPECT_EQ(wait_code(p[i]), i);
		ox_process_close(p[i]);
	}
	return 0;
}

START_TEST(two_hundred_children_at_once)
{
	run_real(many, NULL);
}
END_TEST

/* The program's own children are its own; one who waits for every child takes ours too, and that is said. */
static int other_waits(void *arg)
{
	OX_AUTO_PROCESS *p = spawn(OX_ARGV("true"), NULL);
	OX_AUTO_PROCESS *stolen = spawn(OX_ARGV("cat"), OX_PROCESS_OPTIONS(.in = OX_STDIO_PIPE));
	int status = -1;
	pid_t pid = fork();

	(void)arg;
	if (pid == 0)
		_exit(9);
	EXPECT_EQ(wait_code(p), 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || under_valgrind()));   /* it says what leaked */
	ox_process_close(p);
	p = NULL;
	EXPECT_EQ(ox_write_eof(ox_process_stdin(stolen)), 0);
	EXPECT_EQ(waitpid(-1, NULL, 0), ox_process_pid(stolen));
	EXPECT_EQ(ox_process_wait(stolen, NULL), -ECHILD);
	EXPECT_EQ(ox_process_signal(stolen, SIGTERM), -ESRCH);
	EXPECT_EQ(ox_process_kill_tree(stolen, SIGTERM), -ESRCH);
	EXPECT_EQ(ox_process_stop(stolen, NULL), -ECHILD);
	return 0;
}

START_TEST(other_children_of_the_program_are_left_alone)
{
	run_real(other_waits, NULL);
}
END_TEST

static int select_exit(void *arg)
{
	OX_AUTO_PROCESS *slow = spawn(OX_ARGV("sleep", "60"), NULL), *quick = spawn(SH("exit 4"), NULL);
	ox_process_status s = { 0 };
	int r = 99;

	(void)arg;
	EXPECT_EQ(OX_SELECT(&r, OX_EXITED(slow, &s), OX_EXITED(quick, &s), OX_AFTER(OX_SEC(30))), 1);
	EXPECT_EQ(r, 0);
	EXPECT_EQ(s.exit_code, 4);
	EXPECT_EQ(OX_SELECT(&r, OX_EXITED(slow, &s), OX_AFTER(OX_MS(5))), 1);
	ox_process_signal(slow, SIGKILL);
	EXPECT_EQ(OX_SELECT(&r, OX_AFTER(OX_SEC(30)), OX_EXITED(slow, &s)), 1);
	EXPECT_EQ(s.signal, SIGKILL);
	EXPECT_EQ(OX_SELECT(&r, OX_EXITED(slow, NULL)), 0);
	EXPECT_EQ(OX_SELECT(&r, OX_EXITED(NULL, NULL)), 0);
	EXPECT_EQ(r, OX_ENOMEM);
	return 0;
}

START_TEST(select_waits_for_the_first_child)
{
	run_real(select_exit, NULL);
}
END_TEST

/* ---- ending ---- */

static int stop_politely(void *arg)
{
	OX_AUTO_PROCESS *p = spawn(SH("trap 'echo cleaned; exit 6' TERM; echo ready; while :; do sleep 0.01; done"),
	                           OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE, .err = OX_STDIO_NULL));
	ox_process_status s;
	char text[16];
	ssize_t n;

	(void)arg;
	EXPECT_EQ(ox_read(ox_process_stdout(p), text, sizeof(text)), 6);
	EXPECT_EQ(ox_process_stop(p, &s), 0);
	EXPECT_EQ(s.exit_code, 6);
	n = ox_read(ox_process_stdout(p), text, sizeof(text));
	EXPECT_EQ(n, 8);
	EXPECT_EQ(ox_process_stop(p, &s), 0);
	EXPECT_EQ(s.exit_code, 6);
	return 0;
}

START_TEST(stop_lets_the_child_clean_up)
{
	run_real(stop_politely, NULL);
}
END_TEST

static int stop_stubborn(void *arg)
{
	OX_AUTO_PROCESS *p = spawn(SH("trap '' TERM; echo ready; while :; do sleep 1; done"),
	                           OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE, .grace = OX_MS(100)));
	OX_AUTO_PROCESS *asleep = spawn(OX_ARGV("sleep", "60"), NULL);
	ox_process_status s;
	ox_time began;
	char text[16];
	ox_scope cancelled;

	(void)arg;
	EXPECT_EQ(ox_read(ox_process_stdout(p), text, sizeof(text)), 6);
	EXPECT_EQ(ox_process_signal(asleep, SIGSTOP), 0);
	ox_scope_enter(&cancelled, OX_NEVER);
	ox_scope_cancel(&cancelled);
	began = ox_now();
	EXPECT_EQ(ox_process_stop(p, &s), 0);           /* in a cancelled scope too */
	EXPECT(ox_now() - began >= OX_MS(100));
	EXPECT_EQ(s.signal, SIGKILL);
	EXPECT_EQ(ox_process_stop(asleep, &s), 0);      /* one that stands is continued */
	EXPECT_EQ(s.signal, SIGTERM);
	ox_scope_leave(&cancelled, 0);
	return 0;
}

START_TEST(stop_kills_who_ignores_it)
{
	run_real(stop_stubborn, NULL);
}
END_TEST

/* Grandchildren: in the group; in a session of their own; ignoring TERM. */
#define FAMILY                                                                                  \
	"trap '' TERM; sleep 61 & echo $!; sh -c 'echo $$; exec sleep 63' & "                   \
	"setsid sh -c 'trap \"\" TERM; echo $$; sleep 62 & echo $!; wait' & wait; sleep 64"

static int kill_family(void *arg)
{
	const char *leader = arg;
	pid_t kin[4];

	for (int round = 0; round < 3; round++) {
		ox_process *p = spawn(SH(leader), OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE, .grace = OX_MS(50)));

		for (int i = 0; i < 4; i++) {
			kin[i] = read_pid(ox_process_stdout(p));
			EXPECT(alive(kin[i]));
		}
		if (round == 0)
			EXPECT_EQ(ox_process_kill_tree(p, SIGKILL), 0);
		if (round == 1)
			EXPECT_EQ(ox_process_stop(p, NULL), 0);
		ox_process_close(p);
		for (int i = 0; i < 4; i++)
			EXPECT(gone(kin[i]));
	}
	return 0;
}

START_TEST(grandchildren_end_too_also_those_that_have_left_the_group)
{
	run_real(kill_family, FAMILY);
}
END_TEST

/* The state of a process in /proc becomes this one. */
static bool becomes(pid_t pid, char state)
{
	char command[64], text[] = "X\n";

	snprintf(command, sizeof(command), "sed 's/.*) \\(.\\).*/\\1/' /proc/%d/stat", (int)pid);
	for (int i = 0; i < 1000; i++) {
		OX_AUTO_PROCESS_RESULT *res = NULL;

		text[0] = state;
		if (ox_process_run(SH(command), NULL, &res) == 0 && says(res, text))
			return true;
	}
	return false;
}

static int stop_and_continue(void *arg)
{
	static const int stops[] = { SIGSTOP, SIGTSTP, SIGTTIN };
	ox_process *p = spawn(SH("sleep 62 & echo $!; wait"), OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE));
	pid_t grandchild = read_pid(ox_process_stdout(p));

	(void)arg;
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_process_kill_tree(p, stops[i]), 0);
		EXPECT(becomes(ox_process_pid(p), 'T') && becomes(grandchild, 'T'));
		EXPECT_EQ(ox_process_kill_tree(p, SIGCONT), 0);
		EXPECT(becomes(ox_process_pid(p), 'S') && becomes(grandchild, 'S'));
	}
	EXPECT_EQ(ox_process_kill_tree(p, SIGSTOP), 0);
	ox_process_close(p);                            /* wakes them to end them */
	EXPECT(gone(grandchild));
	return 0;
}

START_TEST(tree_is_stopped_and_continued)
{
	run_real(stop_and_continue, NULL);
}
END_TEST

/* How many processes sleep for 65 seconds and a fraction that is ours alone. */
static int sleepers(void)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;
	char command[128];

	snprintf(command, sizeof(command), "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep 6[5].%d ' | wc -l", getpid());
	EXPECT_EQ(ox_process_run(SH(command), NULL, &res), 0);
	return res ? atoi(res->out.data) : -1;
}

/* A tree that grows while it is killed. */
static int kill_growing(void *arg)
{
	(void)arg;
	for (int round = 0; round < 5; round++) {
		char command[128];
		ox_process *p;

		snprintf(command, sizeof(command), "while :; do setsid sh -c 'sleep 65.%d & sleep 65.%d' & sleep 0.002; done", getpid(), getpid());
		p = spawn(SH(command), NULL);

		while (sleepers() < 3)
			;
		EXPECT_EQ(ox_process_kill_tree(p, SIGKILL), 0);
		ox_process_close(p);
		for (int i = 0; i < 200 && sleepers() > 0; i++)
			ox_sleep(OX_MS(5));
		EXPECT_EQ(sleepers(), 0);
	}
	return 0;
}

START_TEST(tree_that_grows_meanwhile_is_killed_whole)
{
	run_real(kill_growing, NULL);
}
END_TEST

/* The child has ended and left something in its group: close ends it. */
static int leftovers(void *arg)
{
	ox_process *p = spawn(SH("sleep 66 & echo $!"), OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE, .grace = OX_SEC(30)));
	pid_t left = read_pid(ox_process_stdout(p));
	ox_time began;

	(void)arg;
	EXPECT_EQ(wait_code(p), 0);
	EXPECT(alive(left));
	began = ox_now();
	ox_process_close(p);
	EXPECT(gone(left));
	p = spawn(SH("trap '' TERM; sleep 67 & echo $!"), OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE, .grace = OX_MS(20)));
	left = read_pid(ox_process_stdout(p));
	EXPECT_EQ(wait_code(p), 0);
	ox_process_close(p);
	EXPECT(!alive(left));
	EXPECT(ox_now() - began < OX_SEC(25));
	return 0;
}

START_TEST(what_a_child_leaves_behind_ends_with_its_close)
{
	run_real(leftovers, NULL);
}
END_TEST

struct left {
	ox_process *p;
	pid_t pid;
};

static int leave_open(void *arg)
{
	struct left *left = arg;

	left->p = spawn(OX_ARGV("sleep", "68"), OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE, .in = OX_STDIO_PIPE));
	left->pid = ox_process_pid(left->p);
	return 0;
}

START_TEST(what_is_open_when_the_loop_ends_is_killed)
{
	struct left left;

	run_real(leave_open, &left);
	ck_assert(!alive(left.pid));
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ox_process_close(left.p);
}
END_TEST

/* Another process gets the number of one that somebody else has waited for. */
static int leave_number(void *arg)
{
	struct left *left = arg;

	leave_open(arg);
	EXPECT_EQ(ox_process_signal(left->p, SIGKILL), 0);
	EXPECT_EQ(waitpid(left->pid, NULL, 0), left->pid);
	struct clone_args how = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&left->pid, .set_tid_size = 1 };
	long r = syscall(SYS_clone3, &how, sizeof(how));
	if (r == 0) {
		syscall(SYS_setpgid, 0, 0);
		for (;;)
			pause();
	}
	EXPECT_EQ(r, r < 0 ? -1 : left->pid);
	if (r < 0)
		left->pid = -1;
	return 0;
}

START_TEST(number_that_has_become_a_strangers_is_not_killed)
{
	struct left left;
	int status;

	run_real(leave_number, &left);
	ox_process_close(left.p);
	if (left.pid < 0)
		SKIP("a process cannot be given a number here");
	ck_assert_int_eq(kill(left.pid, SIGHUP), 0);
	ck_assert_int_eq(waitpid(left.pid, &status, 0), left.pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
}
END_TEST

/* In a program of its own: it starts a child and says its number. */
static int be_parent(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	int r = ox_process_spawn(OX_ARGV("sleep", "69"), NULL, &p);

	(void)arg;
	if (r < 0)
		return 1;
	printf("%d\n", (int)ox_process_pid(p));
	fflush(stdout);
	ox_sleep(OX_SEC(60));
	return 0;
}

static const char *program;             /* this one; /proc/self/exe is valgrind under valgrind */

static int kill_parent(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	bool *emulated = arg;
	int r = ox_process_spawn(OX_ARGV(program, "parent"), OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE), &p);
	pid_t child;

	*emulated = r == -ENOEXEC;
	if (r < 0)
		return *emulated ? 0 : r;
	child = read_pid(ox_process_stdout(p));
	EXPECT(alive(child));
	EXPECT_EQ(ox_process_signal(p, SIGKILL), 0);
	EXPECT_EQ(wait_code(p), -SIGKILL);
	EXPECT(gone(child));
	return 0;
}

START_TEST(child_dies_with_us_by_kill_9)
{
	bool emulated;

	run_real(kill_parent, &emulated);
	if (emulated)
		SKIP("the system does not start this program, an emulator does");
}
END_TEST

static int wait_on(void *arg)
{
	int r;

	while ((r = ox_process_wait(arg, NULL)) == 0)
		;
	return r;
}

static int close_waiting(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_process *p = spawn(OX_ARGV("true"), NULL);
	ox_future *waiter;

	(void)arg;
	EXPECT_EQ(wait_code(p), 0);
	waiter = ox_spawn(g, wait_on, p);
	EXPECT_EQ(ox_yield(), 0);                       /* it has to give way in the midst of a call */
	ox_process_close(p);
	EXPECT_EQ(ox_await(waiter), OX_ECLOSED);
	return 0;
}

START_TEST(wait_that_gives_way_meets_the_close)
{
	fifo_only();            /* the call has begun when the object is closed */
	run_real(close_waiting, NULL);
}
END_TEST

/* ---- without pidfds ---- */

START_TEST(sigchld_does_where_there_are_no_pidfds)
{
	oxi_child_without_pidfd = true;
	run_real(run_simple, NULL);
	run_real(statuses, NULL);
	run_real(cancel_wait, NULL);
	run_real(waits, NULL);
	run_real(race, NULL);
	run_real(failures, NULL);
	run_real(stop_stubborn, NULL);
	run_real(leftovers, NULL);
	run_real(other_waits, NULL);
	oxi_child_without_pidfd = false;
}
END_TEST

/* ---- memory ---- */

static int scenario(void *arg)
{
	OX_AUTO_PROCESS_RESULT *res = NULL;
	const ox_process_fd fds[] = { { 7, 2 } };
	int r = ox_process_run(SH("cat"), OX_PROCESS_OPTIONS(.input = { "x", 1 }, .fds = fds, .fd_count = 1,
	                                                     .env_add = OX_ARGV("A=B"), .grace = OX_MS(500)), &res);

	(void)arg;
	if (r == 0)
		EXPECT(says(res, "x"));
	return r;
}

/* Ending a child needs no memory; of a big tree what could not be noted is left to the group. */
static int end_without_memory(void *arg)
{
	ox_process *one, *two, *many;
	char text[16];

	(void)arg;
	one = spawn(OX_ARGV("sleep", "60"), OX_PROCESS_OPTIONS(.group = OX_PROCESS_OUR_GROUP));
	two = spawn(OX_ARGV("sleep", "60"), OX_PROCESS_OPTIONS(.group = OX_PROCESS_OUR_GROUP));
	many = spawn(SH("i=0; while [ $i -lt 100 ]; do sleep 60 & i=$((i + 1)); done; echo ready; wait"),
	             OX_PROCESS_OPTIONS(.out = OX_STDIO_PIPE));
	EXPECT_EQ(ox_read_exact(ox_process_stdout(many), text, 6, NULL), 0);
	ox_test_fail_allocation(1);
	EXPECT_EQ(ox_process_kill_tree(one, SIGKILL), 0);
	EXPECT_EQ(ox_test_fail_allocation(1), 0);
	EXPECT_EQ(ox_process_kill_tree(many, SIGKILL), OX_ENOMEM);
	EXPECT(ox_test_fail_allocation(1) > 0);
	EXPECT_EQ(wait_code(one), -SIGKILL);
	EXPECT_EQ(wait_code(many), -SIGKILL);
	ox_process_close(many);
	ox_process_close(one);
	ox_test_fail_allocation(1);
	ox_process_close(two);
	ox_test_fail_allocation(0);
	return 0;
}

START_TEST(ending_a_child_needs_no_memory)
{
	run_real(end_without_memory, NULL);
}
END_TEST

/* Step by step what ox_process_run() does at once. */
static int spawn_talk_and_stop(void *arg)
{
	OX_AUTO_PROCESS *p = NULL;
	char text[8];
	int r = ox_process_spawn(SH("cat; exec sleep 60"), OX_PROCESS_OPTIONS(.in = OX_STDIO_PIPE, .out = OX_STDIO_PIPE), &p);

	(void)arg;
	if (r == 0)
		r = (int)ox_write(ox_process_stdin(p), "x", 1);
	if (r > 0)
		r = ox_read_exact(ox_process_stdout(p), text, 1, NULL);
	return r < 0 ? r : ox_process_stop(p, NULL);
}

START_TEST(every_allocation_fails_cleanly)
{
	fails_cleanly_real(spawn_talk_and_stop, NULL);
	fails_cleanly_real(scenario, NULL);
	oxi_child_without_pidfd = true;
	fails_cleanly_real(scenario, NULL);
	oxi_child_without_pidfd = false;
}
END_TEST

/* Check's own children are not to be counted, and its actions not to be met. */
static void set_default(void)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "parent") == 0)
		return ox_run(be_parent, NULL, NULL);
	program = argv[0];

	Suite *s = suite_create("process");
	TCase *c = new_case(s, "running", 30);

	tcase_add_checked_fixture(c, set_default, NULL);
	tcase_add_test(c, run_feeds_collects_and_waits);
	tcase_add_test(c, status_says_how_it_ended);
	tcase_add_test(c, environment_and_folder_are_as_asked);
	tcase_add_test(c, limits_and_niceness_are_as_asked);
	tcase_add_test(c, child_leads_a_group_or_a_session_or_stays_in_ours);
	tcase_add_test(c, child_has_default_signals_and_no_other_descriptor);
	tcase_add_test(c, descriptors_are_handed_over_by_number);
	tcase_add_test(c, descriptors_that_change_places_arrive);
	tcase_add_test(c, what_exec_says_is_what_spawn_says);
	tcase_add_test(c, words_that_are_too_long_are_refused);
	tcase_add_test(c, running_out_of_descriptors_is_an_error_and_leaves_nothing);
	tcase_add_test(c, pipes_are_streams);
	tcase_add_test(c, communicate_ignores_a_broken_pipe_and_writing_reports_it_S51);
	tcase_add_test(c, communicate_moves_megabytes_both_ways_up_to_the_limit);
	tcase_add_test(c, timeout_ends_the_child_and_keeps_what_it_said);
	tcase_add_test(c, ending_a_child_needs_no_memory);
	tcase_add_test(c, every_allocation_fails_cleanly);
	c = new_case(s, "ending", 30);
	tcase_add_checked_fixture(c, set_default, NULL);
	tcase_add_test(c, cancelled_wait_leaves_the_child_and_ten_waits_get_the_same_S53);
	tcase_add_test(c, signal_that_races_with_the_exit_never_corrupts_the_status_S53);
	tcase_add_test(c, two_hundred_children_at_once);
	tcase_add_test(c, other_children_of_the_program_are_left_alone);
	tcase_add_test(c, select_waits_for_the_first_child);
	tcase_add_test(c, stop_lets_the_child_clean_up);
	tcase_add_test(c, stop_kills_who_ignores_it);
	tcase_add_test(c, grandchildren_end_too_also_those_that_have_left_the_group);
	tcase_add_test(c, tree_is_stopped_and_continued);
	tcase_add_test(c, tree_that_grows_meanwhile_is_killed_whole);
	tcase_add_test(c, what_a_child_leaves_behind_ends_with_its_close);
	tcase_add_test(c, what_is_open_when_the_loop_ends_is_killed);
	tcase_add_test(c, wait_that_gives_way_meets_the_close);
	tcase_add_test(c, number_that_has_become_a_strangers_is_not_killed);
	tcase_add_test(c, child_dies_with_us_by_kill_9);
	tcase_add_test(c, sigchld_does_where_there_are_no_pidfds);
	return run_suite(s);
}
