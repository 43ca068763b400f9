/* SPDX-License-Identifier: MIT */
/*
 * Steering: a real socket in a real folder. The loop runs in the test's process, and who asks is a child, as oxbow set would
 * be. Called with a folder it is a runner for the scripts: it serves until it is asked to pause twice.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <oxbow/group.h>
#include <oxbow/process.h>
#include <oxbow/run.h>
#include <oxbow/sync.h>

#include "cli/batch/control.h"
#include "tests/support/support.h"

/* ---- a runner ---- */

struct runner {
	unsigned jobs;
	int priority, paused;
	char cancelled[64];
};

static int set_jobs(void *arg, unsigned jobs, struct oxi_buffer *why)
{
	struct runner *r = arg;
	if (jobs > 100) {
		oxi_buffer_add_text(why, "there can be no more\nthan 100");
		return OX_EINVAL;
	}
	r->jobs = jobs;
	return 0;
}

static int pause_run(void *arg, struct oxi_buffer *why)
{
	(void)why;
	((struct runner *)arg)->paused++;
	return 0;
}

static int resume_run(void *arg, struct oxi_buffer *why)
{
	(void)why;
	struct runner *r = arg;
	if (!r->paused)
		return OX_ESTATE;
	r->paused = 0;
	return 0;
}

static int cancel(void *arg, const char *job, struct oxi_buffer *why)
{
	(void)why;
	struct runner *r = arg;
	snprintf(r->cancelled, sizeof(r->cancelled), "%s", job);
	return 0;
}

static int set_priority(void *arg, int priority, struct oxi_buffer *why)
{
	(void)why;
	((struct runner *)arg)->priority = priority;
	return 0;
}

static int status(void *arg, struct oxi_buffer *ret)
{
	const struct runner *r = arg;
	oxi_buffer_add_format(ret, "{\"jobs\":%u,\"priority\":%d,\"paused\":%d,\"cancelled\":\"%s\"}", r->jobs, r->priority, r->paused,
	                      r->cancelled);
	return 0;
}

/* Job "big" writes without end; "quiet" has written nothing; nobody else runs. */
static int output(void *arg, const char *job, const uint64_t from[2], struct oxi_written *ret)
{
	(void)arg;
	bool big = strcmp(job, "big") == 0;
	ret->attempt = big ? 2 : strcmp(job, "quiet") == 0;
	for (uint64_t i = 0; big && i < 50000; i++)
		oxi_buffer_add_char(&ret->data[0], (char)(from[0] + i));
	if (big)
		oxi_buffer_add_format(&ret->data[1], "from %llu\n", (unsigned long long)from[1]);
	return 0;
}

static const struct oxi_control_ops OPS = { set_jobs, pause_run, resume_run, cancel, set_priority, status, output };

/* ---- a test's frame: a folder, a runner that serves it, a child that asks ---- */

static char folder[PATH_MAX];

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/control-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	ck_assert_msg(rmdir(folder) == 0, "%s: something is left in the folder", folder);
}

/* The child's last word. */
static void must(bool holds, int line)
{
	if (!holds) {
		fprintf(stderr, "test_control.c:%d: this does not hold in the asker\n", line);
		_exit(1);
	}
}
#define MUST(what) must(what, __LINE__)

struct test {
	void (*ask)(const char *dir);
	const char *dir;
	struct runner runner;
};

static int wait_for(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	int state;
	while (waitpid(pid, &state, WNOHANG) == 0)
		ox_sleep(OX_MS(5));
	return WIFEXITED(state) && WEXITSTATUS(state) == 0 ? 0 : -ECHILD;
}

static int serve_and_ask(void *arg)
{
	struct test *t = arg;
	struct oxi_control c;
	int r = oxi_control_open(t->dir, &OPS, &t->runner, &c);
	if (r < 0)
		return r;
	pid_t pid = fork();
	if (pid == 0) {
		t->ask(t->dir);
		_exit(0);
	}
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_spawn(g, oxi_control_run, &c);
	r = wait_for(&pid);
	ox_group_cancel(g);
	int e = ox_group_join(g);
	oxi_control_close(&c);
	return r < 0 ? r : e == OX_ECANCELED ? 0 : e;
}

static struct runner served(const char *dir, void (*ask)(const char *dir))
{
	struct test t = { .ask = ask, .dir = dir, .runner = { .jobs = 2 } };
	ck_assert_int_eq(ox_run(serve_and_ask, &t, NULL), 0);
	return t.runner;
}

/* One command, one answer. */
static bool answers(int fd, const char *command, const char *expected)
{
	struct oxi_buffer b = { 0 };
	int r = oxi_control_ask(fd, command, &b);
	bool same = r == 0 && b.len == strlen(expected) && memcmp(b.data, expected, b.len) == 0;
	if (!same)
		fprintf(stderr, "%s: %d, %.*s\n", command, r, (int)b.len, b.data ? b.data : "");
	oxi_buffer_free(&b);
	return same;
}

/* ---- tests ---- */

static void ask_all(const char *dir)
{
	char path[PATH_MAX];
	int fd = oxi_control_connect(dir), other = oxi_control_connect(dir);
	MUST(fd >= 0 && other >= 0);
	MUST(answers(fd, "jobs=8", "ok"));
	MUST(answers(fd, "jobs=101", "error: there can be no more than 100"));
	MUST(answers(other, "priority=-5", "ok"));
	snprintf(path, sizeof(path), "error: %s", ox_strerror(OX_ESTATE));
	MUST(answers(fd, "resume", path));
	MUST(answers(fd, "pause", "ok"));
	MUST(answers(fd, "cancel=thumb[3]", "ok"));
	MUST(answers(other, "status", "{\"jobs\":8,\"priority\":-5,\"paused\":1,\"cancelled\":\"thumb[3]\"}"));
	MUST(answers(fd, "resume", "ok"));
	MUST(answers(fd, "frob", "error: 'frob' is not known: give jobs=N, pause, resume, cancel=JOB, priority=N or status"));
	MUST(answers(fd, "", "error: '' is not known: give jobs=N, pause, resume, cancel=JOB, priority=N or status"));
	MUST(answers(fd, "jobs=7", "ok"));
	struct stat st;
	snprintf(path, sizeof(path), "%s/socket", dir);
	MUST(lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
}

START_TEST(commands_are_answered_in_turn)
{
	struct runner r = served(folder, ask_all);
	ck_assert_uint_eq(r.jobs, 7);
	ck_assert_int_eq(r.priority, -5);
	ck_assert_int_eq(r.paused, 0);
	ck_assert_str_eq(r.cancelled, "thumb[3]");
}
END_TEST

/* Lines may come in pieces and several at once; what is no line, or too long a one, ends the conversation only. */
static void ask_for_output(const char *dir)
{
	struct oxi_written w;
	struct oxi_buffer answer = { 0 };
	int fd = oxi_control_connect(dir);
	MUST(fd >= 0);
	MUST(oxi_control_output(fd, "big", (uint64_t[]){ 3, 77 }, &w) == 0);
	MUST(w.attempt == 2 && w.data[0].len == 50000);
	for (size_t i = 0; i < w.data[0].len; i++)
		MUST(w.data[0].data[i] == (char)(3 + i));
	MUST(w.data[1].len == strlen("from 77\n") && memcmp(w.data[1].data, "from 77\n", w.data[1].len) == 0);
	oxi_buffer_free(&w.data[0]);
	oxi_buffer_free(&w.data[1]);
	MUST(oxi_control_output(fd, "quiet", (uint64_t[]){ 0, 0 }, &w) == 0 && w.attempt == 1 && w.data[0].len + w.data[1].len == 0);
	MUST(oxi_control_output(fd, "gone", (uint64_t[]){ 0, 0 }, &w) == 0 && w.attempt == 0);
	MUST(oxi_control_output(fd, "", (uint64_t[]){ 0, 0 }, &w) == OX_EPROTO);
	MUST(oxi_control_ask(fd, "pause", &answer) == 0 && answer.len == 2);
	oxi_buffer_free(&answer);
	close(fd);
}

START_TEST(what_a_running_job_has_written_is_told)
{
	ck_assert_int_eq(served(folder, ask_for_output).paused, 1);
}
END_TEST

static void ask_badly(const char *dir)
{
	int fd = oxi_control_connect(dir);
	char text[2 * OXI_CONTROL_LINE];
	MUST(write(fd, "jo", 2) == 2 && write(fd, "bs=3\npause\r\nsta", 15) == 15 && write(fd, "tus\n", 4) == 4);
	size_t n = 0;
	while (n < sizeof(text) - 1 && (n == 0 || text[n - 1] != '}')) {
		ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);
		MUST(got > 0);
		n += (size_t)got;
		if (n && text[n - 1] == '\n' && text[n - 2] == '}')
			break;
	}
	text[n] = '\0';
	MUST(strcmp(text, "ok\nok\n{\"jobs\":3,\"priority\":0,\"paused\":1,\"cancelled\":\"\"}\n") == 0);
	close(fd);
	fd = oxi_control_connect(dir);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	MUST(answers(fd, text, "error: this is no command"));
	close(fd);
	fd = oxi_control_connect(dir);
	MUST(write(fd, "pau\0se\n", 7) == 7);
	MUST(read(fd, text, sizeof(text)) > 0 && memcmp(text, "error: this is no command\n", 26) == 0);
	close(fd);
	fd = oxi_control_connect(dir);
	MUST(write(fd, "jobs=9", 6) == 6);     /* no line: it is not carried out */
	close(fd);
	fd = oxi_control_connect(dir);
	MUST(answers(fd, "status", "{\"jobs\":3,\"priority\":0,\"paused\":1,\"cancelled\":\"\"}"));
}

START_TEST(lines_come_as_they_like)
{
	ck_assert_uint_eq(served(folder, ask_badly).jobs, 3);
}
END_TEST

static void ask_once(const char *dir)
{
	int fd = oxi_control_connect(dir);
	MUST(fd >= 0);
	MUST(answers(fd, "jobs=4", "ok"));
}

START_TEST(the_folder_may_have_a_long_name)
{
	char dir[PATH_MAX];
	int n = snprintf(dir, sizeof(dir), "%s", folder);
	for (int i = 0; i < 5; i++) {
		n += snprintf(dir + n, sizeof(dir) - (size_t)n, "/a-name-that-is-so-long-that-a-few-of-them-are-more-than-a-socket-may-have");
		ck_assert_int_eq(mkdir(dir, 0700), 0);
	}
	ck_assert_uint_eq(served(dir, ask_once).jobs, 4);
	while (strlen(dir) > strlen(folder)) {
		ck_assert_int_eq(rmdir(dir), 0);
		*strrchr(dir, '/') = '\0';
	}
}
END_TEST

static void leave_a_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/socket", folder);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	close(fd);
}

START_TEST(what_a_dead_runner_left_is_replaced)
{
	leave_a_socket();
	ck_assert_int_eq(oxi_control_connect(folder), -ECONNREFUSED);
	ck_assert_uint_eq(served(folder, ask_once).jobs, 4);
	ck_assert_int_eq(oxi_control_connect(folder), -ENOENT);
}
END_TEST

static int open_only(void *arg)
{
	struct oxi_control c = { 0 };
	int r = oxi_control_open(arg, &OPS, NULL, &c);
	oxi_control_close(&c);
	return r;
}

START_TEST(a_file_of_that_name_is_left_alone)
{
	char path[PATH_MAX + 8];
	snprintf(path, sizeof(path), "%s/socket", folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(ox_run(open_only, folder, NULL), -EADDRINUSE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(ox_run(open_only, (void *)"/nonexistent", NULL), -ENOENT);
	ck_assert_int_eq(ox_run(open_only, folder, NULL), 0);
}
END_TEST

/* Root may, another user may not, even if the mode of the socket would let him. */
static void ask_as_another(const char *dir)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/socket", dir);
	MUST(chmod(path, 0777) == 0 && chmod(dir, 0755) == 0);
	MUST(setresuid(65534, 65534, 65534) == 0);
	int fd = oxi_control_connect(dir);
	MUST(fd >= 0);
	MUST(answers(fd, "jobs=9", "error: this run is another user's"));
}

START_TEST(another_user_is_refused)
{
	if (geteuid() != 0) {
		printf("SKIP: only root can become another user\n");
		return;
	}
	ck_assert_uint_eq(served(folder, ask_as_another).jobs, 2);
}
END_TEST

/* More peers than are served at a time wait for their turn. */
static void ask_with_many(const char *dir)
{
	int fd[24];
	for (int i = 0; i < 24; i++)
		MUST((fd[i] = oxi_control_connect(dir)) >= 0);
	for (int i = 0; i < 24; i++) {
		MUST(answers(fd[i], "jobs=4", "ok"));
		close(fd[i]);
	}
}

START_TEST(peers_wait_for_their_turn)
{
	ck_assert_uint_eq(served(folder, ask_with_many).jobs, 4);
}
END_TEST

START_TEST(orders_are_read_whole)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "jobs", "jobs=: give a number" }, { "jobs=", "jobs=: give a number" }, { "jobs=0", "jobs=0: give" },
		{ "jobs=x", "jobs=x: give" }, { "pause=1", "pause takes no value" }, { "cancel=", "cancel=: give the number or name" },
		{ "cancel", "cancel=: give" }, { "priority=1.5", "priority=1.5: give a whole" }, { "priority=--1", "priority=--1: give" },
		{ "priority=99999999999", "give a whole number" }, { "staus", "'staus' is not known: did you mean status?" },
		{ "job=3", "'job' is not known: did you mean jobs?" }, { "pause ", "'pause ' is not known: did you mean pause?" },
	};
	struct oxi_order o;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct oxi_buffer why = { 0 };
		ck_assert_int_eq(oxi_order_parse(bad[i].text, &o, &why), OX_EINVAL);
		oxi_buffer_add_char(&why, '\0');
		ck_assert_msg(strstr(why.data, bad[i].why) != NULL, "%s: %s", bad[i].text, why.data);
		oxi_buffer_free(&why);
	}
	struct oxi_buffer why = { 0 };
	ck_assert_int_eq(oxi_order_parse("cancel=a=b", &o, &why), 0);
	ck_assert_str_eq(o.job, "a=b");
	ck_assert_int_eq(oxi_order_parse("priority=-2147483647", &o, &why), 0);
	ck_assert_int_eq(o.priority, -INT32_MAX);
	ck_assert_int_eq(oxi_order_parse("jobs=100%", &o, &why), 0);
	ck_assert_uint_ge(o.jobs, 1);
}
END_TEST

/* ---- as a runner for scripts ---- */

static int serve_until_paused_twice(void *arg)
{
	struct runner r = { .jobs = 2 };
	struct oxi_control c;
	int e = oxi_control_open(arg, &OPS, &r, &c);
	if (e < 0)
		return e;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_spawn(g, oxi_control_run, &c);
	puts("serving");
	fflush(stdout);
	while (r.paused < 2)
		ox_sleep(OX_MS(5));
	ox_group_cancel(g);
	ox_group_join(g);
	oxi_control_close(&c);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return ox_run(serve_until_paused_twice, argv[1], NULL) < 0;
	Suite *s = suite_create("control");
	TCase *c = new_case(s, "control", 60);
	tcase_add_checked_fixture(c, make_folder, remove_folder);
	tcase_add_test(c, commands_are_answered_in_turn);
	tcase_add_test(c, what_a_running_job_has_written_is_told);
	tcase_add_test(c, lines_come_as_they_like);
	tcase_add_test(c, the_folder_may_have_a_long_name);
	tcase_add_test(c, what_a_dead_runner_left_is_replaced);
	tcase_add_test(c, a_file_of_that_name_is_left_alone);
	tcase_add_test(c, another_user_is_refused);
	tcase_add_test(c, peers_wait_for_their_turn);
	tcase_add_test(c, orders_are_read_whole);
	return run_suite(s);
}
