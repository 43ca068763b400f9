/* SPDX-License-Identifier: MIT */
/* The durable state of a run: what was recorded is there, whatever has killed the process (batch cases 11 and 12). */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/state/lock.h"
#include "cli/state/parts.h"
#include "tests/support/support.h"

static char dir[64], run[96];

static void setup(void)
{
	strcpy(dir, "/tmp/oxbow-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(run, sizeof(run), "%s/a/run", dir);

}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* ---- a session ---- */

static const struct oxi_run_info INFO = {
	.id = "7f3a", .command = "run", .argv = (char *[]){ "oxbow", "run", "a\377b", NULL }, .cwd = "/", .began = 1795343324.25,
};

struct session {
	struct oxi_state *s;
	ox_group *watch;
};

static int begin(const char *path, bool resume, enum oxi_durable d, struct session *ret)
{
	struct oxi_buffer why = { 0 };
	int r = oxi_state_open(path, resume, &ret->s, &why);
	if (r == 0) {
		r = oxi_state_begin(ret->s, d, &INFO, &why);
		if (r < 0)
			oxi_state_close(ret->s);
	}
	oxi_buffer_free(&why);
	if (r < 0)
		return r;
	ret->watch = ox_group_open();
	ox_spawn(ret->watch, oxi_state_commit_run, ret->s);
	return 0;
}

static void stop(struct session *x)
{
	if (!x->watch)
		return;
	ox_group_cancel(x->watch);
	ox_group_join(x->watch);
	ox_group_close(x->watch);
	x->watch = NULL;
}

static void end(struct session *x)
{
	struct oxi_tally t = { .done = 3, .failed = 1 };
	stop(x);
	EXPECT_EQ(oxi_state_end(x->s, &t, 2, 1), 0);
	oxi_state_close(x->s);
}

/* As if killed: nothing is said. */
static void drop(struct session *x)
{
	stop(x);
	oxi_state_close(x->s);
}

static struct oxi_identity key_of(uint64_t n)
{
	struct oxi_identity k;
	uint64_t words[2] = { n * 0x9e3779b97f4a7c15u, ~n };
	memcpy(k.byte, words, sizeof(words));
	return k;
}

static struct oxi_record record_of(uint64_t n)
{
	return (struct oxi_record){
		.key = key_of(n), .seq = n, .task = 1, .name = "thumb[3]", .words = { "echo\0a\377b\0", 10 }, .status = OXI_OK, .attempt = 1,
		.slot = 2, .began = 1795343324.5, .wall = OX_MS(1500), .user = OX_MS(10), .system = OX_MS(20), .max_rss = 3481600,
		.received = { 5, 0 },
	};
}

static void fill(struct oxi_capture *c, size_t len)
{
	char piece[1000];
	for (size_t at = 0; at < len; at += sizeof(piece)) {
		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = (char)((at + i) * 31 >> 3);
		EXPECT_EQ(oxi_capture_add(c, piece, len - at < sizeof(piece) ? len - at : sizeof(piece)), 0);
	}
}

struct compared {
	size_t at;
	bool wrong;
};

static int compare(void *arg, const char *data, size_t len)
{
	struct compared *c = arg;
	for (size_t i = 0; i < len; i++)
		c->wrong |= data[i] != (char)((c->at + i) * 31 >> 3);
	c->at += len;
	return 0;
}

/* ---- records ---- */

static int records_and_finds(void *arg)
{
	struct session x;
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture out = { .spill = &spill }, err = { .spill = &spill };
	struct oxi_record r = record_of(7);
	struct oxi_identity key = key_of(7), other = key_of(8);
	enum oxi_status status;
	struct oxi_found f;
	(void)arg;
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(oxi_state_task(x.s, &(struct oxi_state_task){ .n = 1, .name = "thumb", .jobs = 9 }), 0);
	fill(&out, 50000);
	fill(&err, 300);
	r.status = OXI_FAILED;
	r.exit = 3;
	r.why = "exit 3";
	r.out = &out;
	r.err = &err;
	r.value = (ox_bytes){ "[1]", 3 };
	EXPECT_EQ(oxi_state_done(x.s, &key, &status), 0);
	EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	end(&x);
	oxi_capture_free(&out);
	oxi_capture_free(&err);
	oxi_spill_close(&spill);

	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(oxi_state_done_count(x.s), 1);
	EXPECT_EQ(oxi_state_done(x.s, &other, &status), 0);
	EXPECT_EQ(oxi_state_find(x.s, &other, &f), 0);
	EXPECT_EQ(oxi_state_done(x.s, &key, &status), 1);
	EXPECT_EQ(status, OXI_FAILED);
	EXPECT_EQ(oxi_state_find(x.s, &key, &f), 1);
	struct compared co = { 0 }, ce = { 0 };
	EXPECT_EQ(oxi_stored_each(&f.out, compare, &co), 0);
	EXPECT_EQ(oxi_stored_each(&f.err, compare, &ce), 0);
	EXPECT(!co.wrong && co.at == 50000 && f.out.path);
	EXPECT(!ce.wrong && ce.at == 300 && !f.err.path);
	EXPECT(f.seq == 7 && f.session == 1 && f.task == 1 && f.outcome.exit == 3 && f.wall == OX_MS(1500) && f.slot == 2);
	EXPECT(strcmp(f.name, "thumb[3]") == 0 && f.words.len == 10 && memcmp(f.words.data, "echo\0a\377b\0", 10) == 0);
	EXPECT(f.value.len == 3 && strcmp(f.why, "exit 3") == 0 && f.max_rss == 3481600 && f.began > 1795343324.4);
	oxi_found_free(&f);
	end(&x);
	return 0;
}

START_TEST(what_is_recorded_is_found_by_the_next_session)
{
	run_real(records_and_finds, NULL);
}
END_TEST

static int body_is_a_file(void *arg)
{
	struct session x;
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture out = { .spill = &spill };
	struct oxi_record r = record_of(1);
	struct oxi_buffer path = { 0 };
	struct stat st;
	(void)arg;
	EXPECT_EQ(begin(run, false, OXI_DURABLE_OFF, &x), 0);
	fill(&out, 5);
	r.out = &out;
	r.body_as_file = true;
	EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	EXPECT_EQ(oxi_state_body(x.s, 1, &path), 0);
	EXPECT(path.data[0] == '/' && stat(path.data, &st) == 0 && st.st_size == 5);
	oxi_buffer_free(&path);
	oxi_capture_free(&out);
	end(&x);
	return 0;
}

START_TEST(a_body_that_others_are_given_is_a_file_however_small)
{
	run_real(body_is_a_file, NULL);
}
END_TEST

/* A file of the session before that is on no record goes; one that is stays. */
static int blobs_are_cleaned(void *arg)
{
	struct session x;
	char path[160];
	body_is_a_file(arg);
	snprintf(path, sizeof(path), "%s/blobs/1-99.out", run);
	close(open(path, O_CREAT | O_WRONLY, 0666));
	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), 0);
	EXPECT(access(path, F_OK) < 0);
	snprintf(path, sizeof(path), "%s/blobs/1-1.out", run);
	EXPECT(access(path, F_OK) == 0);
	end(&x);
	return 0;
}

START_TEST(a_file_whose_row_never_came_is_removed)
{
	run_real(blobs_are_cleaned, NULL);
}
END_TEST

struct many {
	struct oxi_state *s;
	uint64_t from, to;
	int result;
};

static int record_many(void *arg)
{
	struct many *m = arg;
	for (uint64_t n = m->from; n < m->to && m->result == 0; n++) {
		struct oxi_record r = record_of(n);
		m->result = oxi_state_record(m->s, &r);
	}
	return m->result;
}

static void record_beside(struct session *x, uint64_t from, uint64_t to, unsigned coroutines)
{
	struct many *m = calloc(coroutines, sizeof(*m));
	ox_group *g = ox_group_open();
	for (unsigned i = 0; i < coroutines; i++) {
		m[i] = (struct many){ x->s, from + (to - from) * i / coroutines, from + (to - from) * (i + 1) / coroutines, 0 };
		ox_spawn(g, record_many, &m[i]);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	ox_group_close(g);
	free(m);
}

static int64_t ask(struct session *x, const char *sql)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	EXPECT_EQ(ox_sqlite_query(x->s->db, sql, NULL, 0, &res), 0);
	return res ? ox_sqlite_int(res, 0, 0) : -1;
}

static int many_at_a_time(void *arg)
{
	enum oxi_durable d = (enum oxi_durable)(intptr_t)arg;
	struct session x;
	EXPECT_EQ(begin(run, false, d, &x), 0);
	record_beside(&x, 1, 2001, 700);
	end(&x);
	EXPECT_EQ(begin(run, true, d, &x), 0);
	EXPECT_EQ(oxi_state_done_count(x.s), 2000);
	EXPECT_EQ(ask(&x, "select count(distinct n) from job"), 2000);
	EXPECT_EQ(ask(&x, "select max(n) from job"), 2000);
	end(&x);
	return 0;
}

START_TEST(many_recorders_share_commits_and_nothing_is_lost)
{
	run_real(many_at_a_time, (void *)OXI_DURABLE_GROUP);
}
END_TEST

START_TEST(each_by_itself_if_that_is_asked_for)
{
	run_real(many_at_a_time, (void *)OXI_DURABLE_JOB);
}
END_TEST

/* Before the committer runs, and after it was cancelled. */
static int without_committer(void *arg)
{
	struct session x;
	struct oxi_buffer why = { 0 };
	(void)arg;
	EXPECT_EQ(oxi_state_open(run, false, &x.s, &why), 0);
	EXPECT_EQ(oxi_state_begin(x.s, OXI_DURABLE_GROUP, &INFO, &why), 0);
	x.watch = ox_group_open();
	record_beside(&x, 1, 401, 400);
	ox_spawn(x.watch, oxi_state_commit_run, x.s);
	record_beside(&x, 401, 501, 10);
	stop(&x);
	record_beside(&x, 501, 601, 10);
	EXPECT_EQ(ask(&x, "select count(*) from job"), 600);
	end(&x);
	return 0;
}

START_TEST(recording_works_without_the_committer)
{
	run_real(without_committer, NULL);
}
END_TEST

static int in_cancelled_scope(void *arg)
{
	struct oxi_record r = record_of(5);
	ox_scope scope;
	ox_scope_enter(&scope, 0);
	int result = oxi_state_record(((struct session *)arg)->s, &r);
	ox_scope_leave(&scope, 0);
	return result;
}

static int records_when_cancelled(void *arg)
{
	struct session x;
	(void)arg;
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(in_cancelled_scope(&x), 0);
	EXPECT_EQ(ask(&x, "select count(*) from job"), 1);
	end(&x);
	return 0;
}

START_TEST(a_cancel_does_not_reach_into_a_record)
{
	run_real(records_when_cancelled, NULL);
}
END_TEST

/* ---- resume ---- */

static int replaces(void *arg)
{
	struct session x;
	struct oxi_record r = record_of(1);
	enum oxi_status status;
	(void)arg;
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	r.status = OXI_FAILED;
	EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	r = record_of(2);
	r.status = OXI_INTERRUPTED;
	EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	end(&x);

	/* The list has changed: another seq, the same key. */
	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(oxi_state_done(x.s, &r.key, &status), 0);
	r.seq = 1;
	r.status = OXI_OK;
	EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	r = record_of(1);
	r.seq = 17;
	EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	end(&x);

	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(ask(&x, "select count(*) from job"), 4);
	EXPECT_EQ(ask(&x, "select count(*) from job where final and status = 0"), 2);
	EXPECT_EQ(oxi_state_done_count(x.s), 2);
	EXPECT_EQ(oxi_state_done(x.s, &r.key, &status), 1);
	EXPECT_EQ(status, OXI_OK);
	EXPECT_EQ(ask(&x, "select count(*) from session where exit = 1 and done = 3 and skipped = 2 and ended > began"), 2);
	end(&x);
	return 0;
}

START_TEST(a_job_that_is_done_again_replaces_its_row)
{
	run_real(replaces, NULL);
}
END_TEST

struct seen {
	uint64_t seq[8];
	size_t n;
	int result;
};

static int see(void *arg, const struct oxi_found *f)
{
	struct seen *s = arg;
	if (s->n < 8)
		s->seq[s->n++] = f->seq;
	EXPECT(f->out.data.len == 5);
	return s->result;
}

static int shows_what_was_not(void *arg)
{
	struct session x;
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture out = { .spill = &spill };
	struct seen seen = { .result = -EPIPE };
	(void)arg;
	fill(&out, 5);
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	for (uint64_t n = 5; n > 0; n--) {
		struct oxi_record r = record_of(n);
		r.out = n == 2 ? NULL : &out;
		EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	}
	EXPECT_EQ(oxi_state_shown(x.s, 4), 0);
	drop(&x);
	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(oxi_state_unshown(x.s, see, &seen), -EPIPE);
	EXPECT(seen.n == 1 && seen.seq[0] == 5);
	seen = (struct seen){ 0 };
	EXPECT_EQ(oxi_state_unshown(x.s, see, &seen), 0);
	EXPECT(seen.n == 3 && seen.seq[0] == 5 && seen.seq[1] == 3 && seen.seq[2] == 1);
	drop(&x);
	seen = (struct seen){ 0 };
	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(oxi_state_unshown(x.s, see, &seen), 0);
	EXPECT_EQ(seen.n, 0);
	end(&x);
	oxi_capture_free(&out);
	return 0;
}

START_TEST(what_was_recorded_and_not_shown_is_given_in_the_order_of_the_records)
{
	run_real(shows_what_was_not, NULL);
}
END_TEST

static int attempts_are_kept(void *arg)
{
	struct session x;
	struct oxi_record r = record_of(1);
	(void)arg;
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	r.status = OXI_FAILED;
	r.exit = 9;
	EXPECT_EQ(oxi_state_attempt(x.s, &r), 0);
	r.attempt = 2;
	EXPECT_EQ(oxi_state_attempt(x.s, &r), 0);
	r.attempt = 3;
	EXPECT_EQ(oxi_state_record(x.s, &r), 0);
	EXPECT_EQ(ask(&x, "select count(*) from attempt a join job j on j.id = a.job where a.exit = 9 and j.attempt = 3"), 2);
	end(&x);
	return 0;
}

START_TEST(attempts_go_with_the_next_group)
{
	run_real(attempts_are_kept, NULL);
}
END_TEST

START_TEST(keys_and_occurrences)
{
	struct oxi_keys k = { 0 };
	struct oxi_counts c = { 0 };
	for (uint64_t n = 1; n <= 100000; n++) {
		struct oxi_identity key = key_of(n);
		ck_assert(oxi_keys_put(&k, key.byte, n));
		ck_assert_int_eq(oxi_counts_next(&c, n % 50000 * 0x9e3779b97f4a7c15u), n > 50000 || n % 50000 == 0 ? n > 50000 : 0);
	}
	for (uint64_t n = 1; n <= 100000; n++) {
		struct oxi_identity key = key_of(n);
		ck_assert_uint_eq(oxi_keys_get(&k, key.byte), n);
		key.byte[15] ^= 1;
		ck_assert_uint_eq(oxi_keys_get(&k, key.byte), 0);
	}
	ck_assert_uint_eq(k.n, 100000);
	ck_assert_uint_le(k.cap * sizeof(*k.slot), 100000 * 64);
	ck_assert_int_eq(oxi_counts_next(&c, 0), 2);
	oxi_keys_free(&k);
	oxi_counts_free(&c);
	ck_assert_uint_eq(oxi_keys_get(&k, key_of(1).byte), 0);
}
END_TEST

/* ---- the lock ---- */

START_TEST(the_lock_says_who_has_it_and_dies_with_him_case_43)
{
	struct oxi_buffer why = { 0 };
	struct oxi_state *s;
	struct oxi_holder h;
	int p[2];
	char c;
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char ok = oxi_state_open(run, false, &s, &why) == 0;
		_exit(write(p[1], &ok, 1) == 1 && pause());
	}
	ck_assert(read(p[0], &c, 1) == 1 && c == 1);
	ck_assert_int_eq(oxi_state_open(run, true, &s, &why), OX_EBUSY);
	oxi_buffer_add_char(&why, '\0');
	char expected[64];
	snprintf(expected, sizeof(expected), " is locked by process %ld on ", (long)pid);
	ck_assert_ptr_nonnull(strstr(why.data, expected));
	ck_assert_int_eq(oxi_lock_look(run, &h), 1);
	ck_assert_int_eq(h.pid, pid);
	ck_assert(h.since > 1e9);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(oxi_lock_look(run, &h), 0);
	ck_assert_int_eq(oxi_state_open(run, true, &s, &why), 0);
	oxi_state_close(s);
	oxi_buffer_free(&why);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(who_only_looks_does_not_keep_a_run_from_starting)
{
	struct oxi_buffer why = { 0 };
	struct oxi_state *s;
	struct oxi_holder h;
	pid_t pid[3];
	ck_assert_int_eq(oxi_state_open(run, false, &s, &why), 0);
	oxi_state_close(s);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		while (pid[i] == 0)
			oxi_lock_look(run, &h);
	}
	int r = 0;
	for (int i = 0; i < 50 && r == 0; i++) {
		r = oxi_state_open(run, true, &s, &why);
		if (r == 0)
			oxi_state_close(s);
	}
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	ck_assert_int_eq(r, 0);
	oxi_buffer_free(&why);
}
END_TEST

/* ---- kill -9 ---- */

/* Writes the number of each record whose call has returned. */
static int tell(struct session *x, int fd, uint64_t from)
{
	struct oxi_spill spill = OXI_SPILL_INIT;
	for (uint64_t n = from;; n++) {
		struct oxi_record r = record_of(n);
		struct oxi_capture out = { .spill = &spill };
		fill(&out, n % 20 == 0 ? 40000 : 10);
		r.out = &out;
		if (oxi_state_record(x->s, &r) < 0 || write(fd, &n, sizeof(n)) != sizeof(n))
			return -EIO;
		oxi_capture_free(&out);
	}
}

struct teller {
	struct session *x;
	int fd;
	uint64_t from;
};

static int teller(void *arg)
{
	struct teller *t = arg;
	return tell(t->x, t->fd, t->from);
}

/* The process that is killed: this program again. */
static int tellers(void *arg)
{
	int fd = STDOUT_FILENO;
	struct session x;
	struct teller t[4];
	(void)arg;
	if (begin(run, true, OXI_DURABLE_GROUP, &x) < 0)
		return -EIO;
	ox_group *g = ox_group_open();
	for (uint64_t i = 0; i < 4; i++) {
		t[i] = (struct teller){ &x, fd, x.s->session * 1000000 + i * 100000 + 1 };
		ox_spawn(g, teller, &t[i]);
	}
	return ox_group_join(g);
}

static int all_there(void *arg)
{
	const struct oxi_buffer *told = arg;
	struct session x;
	struct oxi_found f;
	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), 0);
	for (size_t i = 0; i < told->len / sizeof(uint64_t); i++) {
		uint64_t n;
		memcpy(&n, told->data + i * sizeof(n), sizeof(n));
		struct oxi_identity key = key_of(n);
		struct compared c = { 0 };
		EXPECT_EQ(oxi_state_find(x.s, &key, &f), 1);
		EXPECT_EQ(oxi_stored_each(&f.out, compare, &c), 0);
		EXPECT(c.at == (n % 20 ? 10 : 40000) && !c.wrong && f.seq == n);
		oxi_found_free(&f);
	}
	EXPECT_EQ(ask(&x, "select count(*) from pragma_integrity_check where integrity_check <> 'ok'"), 0);
	drop(&x);
	return 0;
}

START_TEST(kill_9_at_any_moment_loses_nothing_recorded_case_41)
{
	struct oxi_buffer told = { 0 };
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	ck_assert_int_gt(len, 0);
	self[len] = '\0';
	srandom((unsigned)getpid());
	for (int round = 0; round < 12; round++) {
		size_t before = told.len, more = (size_t)(random() % 400) * sizeof(uint64_t);
		int p[2];
		ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
		pid_t pid = fork();
		if (pid == 0) {
			dup2(p[1], STDOUT_FILENO);
			execl(self, "test_run_state", run, NULL);
			_exit(127);
		}
		close(p[1]);
		/* After so many records and a random moment. In some rounds that is while the database is opened. */
		bool killed = false;
		for (;;) {
			if (!killed && told.len - before >= more) {
				nanosleep(&(struct timespec){ .tv_nsec = random() % 8000000 }, NULL);
				kill(pid, SIGKILL);
				killed = true;
			}
			char piece[512];
			ssize_t n = read(p[0], piece, sizeof(piece));
			if (n <= 0)
				break;
			oxi_buffer_add(&told, piece, (size_t)n);
		}
		close(p[0]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	ck_assert_uint_gt(told.len, 0);
	ck_assert_uint_eq(told.len % sizeof(uint64_t), 0);
	run_real(all_there, &told);
	oxi_buffer_free(&told);
}
END_TEST

/* ---- failures ---- */

static int until_full(void *arg)
{
	struct session x;
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture out = { .spill = &spill }, big = { .spill = &spill };
	uint64_t n = 0, recorded;
	int r = 0, code = *(int *)arg;
	fill(&out, 8000);
	fill(&big, 400000);
	if (code == -EIO)
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 300000, RLIM_INFINITY });
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	while (r == 0 && n < 100000) {
		struct oxi_record record = record_of(++n);
		record.out = &out;
		r = oxi_state_record(x.s, &record);
	}
	recorded = n - 1;
	EXPECT_EQ(r, code);
	EXPECT(*oxi_state_error(x.s) != '\0');
	EXPECT_EQ(ask(&x, "select count(*) from job"), (long long)recorded);

	/* A file: nothing of it is left. */
	struct oxi_record record = record_of(n);
	record.out = &big;
	EXPECT(oxi_state_record(x.s, &record) < 0);
	struct oxi_buffer path = { 0 };
	EXPECT_EQ(oxi_state_body(x.s, n, &path), 0);
	EXPECT(access(path.data, F_OK) < 0);
	oxi_buffer_free(&path);
	drop(&x);
	oxi_capture_free(&out);
	oxi_capture_free(&big);
	oxi_spill_close(&spill);
	return 0;
}

START_TEST(a_full_disk_is_a_code_with_words_and_nothing_half_written)
{
	int code = -ENOSPC;
	char small[100];
	if (geteuid() != 0)
		SKIP("only root makes a small file system");
	snprintf(small, sizeof(small), "%s/a", dir);
	ck_assert_int_eq(mkdir(small, 0777), 0);
	if (mount("none", small, "tmpfs", 0, "size=400k") < 0)
		SKIP("no tmpfs can be mounted here");
	run_real(until_full, &code);
	umount(small);
}
END_TEST

START_TEST(a_limit_of_file_size_is_one_too)
{
	int code = -EIO;
	struct rlimit before;
	getrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_IGN);
	run_real(until_full, &code);
	setrlimit(RLIMIT_FSIZE, &before);
}
END_TEST

/* ---- who may open it ---- */

static int version_of_tomorrow(void *arg)
{
	struct session x;
	struct oxi_buffer why = { 0 };
	(void)arg;
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	EXPECT_EQ(ask(&x, "pragma user_version = 7; select 1"), 1);
	end(&x);
	EXPECT_EQ(oxi_state_open(run, true, &x.s, &why), 0);
	EXPECT_EQ(oxi_state_begin(x.s, OXI_DURABLE_GROUP, &INFO, &why), OX_EVERSION);
	oxi_buffer_add_char(&why, '\0');
	EXPECT(why.data && strstr(why.data, "newer Oxbow (schema 7") != NULL);
	oxi_buffer_free(&why);
	oxi_state_close(x.s);
	return 0;
}

START_TEST(a_newer_schema_is_refused)
{
	run_real(version_of_tomorrow, NULL);
}
END_TEST

static int not_ours(void *arg)
{
	struct session x;
	ox_sqlite *db;
	char path[160];
	(void)arg;
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), 0);
	end(&x);
	EXPECT_EQ(begin(run, false, OXI_DURABLE_GROUP, &x), -EEXIST);
	snprintf(path, sizeof(path), "%s/run.db", run);
	unlink(path);
	EXPECT_EQ(ox_sqlite_open(path, NULL, &db), 0);
	EXPECT_EQ(ox_sqlite_query(db, "create table t (a)", NULL, 0, NULL), 0);
	ox_sqlite_close(db);
	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), OX_EDB);
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 5000; i++)
		fputs("no database", f);
	fclose(f);
	EXPECT_EQ(begin(run, true, OXI_DURABLE_GROUP, &x), OX_EDB);
	EXPECT_EQ(begin("/proc/nothing", false, OXI_DURABLE_GROUP, &x), -ENOENT);
	EXPECT_EQ(begin("", false, OXI_DURABLE_GROUP, &x), -ENOENT);
	return 0;
}

START_TEST(what_is_no_run_is_refused)
{
	run_real(not_ours, NULL);
}
END_TEST

static int on_a_network(void *arg)
{
	ox_sqlite *db;
	OX_AUTO_SQLITE_RESULT *res = NULL;
	struct oxi_buffer why = { 0 };
	char path[160];
	(void)arg;
	snprintf(path, sizeof(path), "%s/net.db", dir);
	EXPECT_EQ(oxi_database_open(path, true, OXI_DURABLE_GROUP, &db, &why), 0);
	EXPECT_EQ(ox_sqlite_query(db, "pragma journal_mode", NULL, 0, &res), 0);
	EXPECT(strcmp(ox_sqlite_value(res, 0, 0).data, "truncate") == 0);
	ox_sqlite_close(db);
	EXPECT_EQ(oxi_database_open(path, false, OXI_DURABLE_GROUP, &db, &why), 0);
	ox_sqlite_close(db);
	return 0;
}

START_TEST(a_network_file_system_gets_a_plain_journal)
{
	ck_assert(oxi_is_network(0x6969) && oxi_is_network(0x0bd00bd0) && !oxi_is_network(0xef53));
	run_real(on_a_network, NULL);
}
END_TEST

static int one_record(void *arg)
{
	struct session x;
	struct oxi_record r = record_of(1);
	char command[128];
	(void)arg;
	snprintf(command, sizeof(command), "rm -rf %s", run);
	if (system(command) != 0)
		return -EIO;
	int result = begin(run, false, OXI_DURABLE_OFF, &x);
	if (result < 0)
		return result;
	result = oxi_state_record(x.s, &r);
	drop(&x);
	return result;
}

START_TEST(without_memory_it_fails_cleanly)
{
	fails_cleanly_real(one_record, NULL);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc == 2) {
		snprintf(run, sizeof(run), "%s", argv[1]);
		return ox_run(tellers, NULL, NULL) != 0;
	}
	Suite *s = suite_create("run_state");
	TCase *c = new_case(s, "state", 240);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_is_recorded_is_found_by_the_next_session);
	tcase_add_test(c, a_body_that_others_are_given_is_a_file_however_small);
	tcase_add_test(c, a_file_whose_row_never_came_is_removed);
	tcase_add_test(c, many_recorders_share_commits_and_nothing_is_lost);
	tcase_add_test(c, each_by_itself_if_that_is_asked_for);
	tcase_add_test(c, recording_works_without_the_committer);
	tcase_add_test(c, a_cancel_does_not_reach_into_a_record);
	tcase_add_test(c, a_job_that_is_done_again_replaces_its_row);
	tcase_add_test(c, what_was_recorded_and_not_shown_is_given_in_the_order_of_the_records);
	tcase_add_test(c, attempts_go_with_the_next_group);
	tcase_add_test(c, keys_and_occurrences);
	tcase_add_test(c, the_lock_says_who_has_it_and_dies_with_him_case_43);
	tcase_add_test(c, who_only_looks_does_not_keep_a_run_from_starting);
	tcase_add_test(c, kill_9_at_any_moment_loses_nothing_recorded_case_41);
	tcase_add_test(c, a_full_disk_is_a_code_with_words_and_nothing_half_written);
	tcase_add_test(c, a_limit_of_file_size_is_one_too);
	tcase_add_test(c, a_newer_schema_is_refused);
	tcase_add_test(c, what_is_no_run_is_refused);
	tcase_add_test(c, a_network_file_system_gets_a_plain_journal);
	tcase_add_test(c, without_memory_it_fails_cleanly);
	return run_suite(s);
}
