/* SPDX-License-Identifier: MIT */
/* Watching files, folders and trees. */
#include "tests/loop/folder.h"

#include <fcntl.h>

static void touch(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT, 0644));
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	EXPECT_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* The next event is this one. */
static ox_watch_event expect(ox_watch *w, unsigned what, const char *path)
{
	ox_watch_event e = { .path = "" };

	EXPECT_EQ(ox_watch_next(w, &e), 1);
	EXPECT_EQ(e.what, what);
	EXPECT(strcmp(e.path, path) == 0);
	return e;
}

/* Nothing has been told so far but what was expected: the next event is that of a new file. */
static void expect_no_more(ox_watch *w, const char *folder)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/last", folder);
	mkdir(path, 0755);
	EXPECT(expect(w, OX_WATCH_CREATED, path).folder);
	rmdir(path);
	expect(w, OX_WATCH_REMOVED, path);
}

/* ---- one folder ---- */

static int changes(void *arg)
{
	OX_AUTO_WATCH *w = NULL;
	uint32_t move;

	(void)arg;
	EXPECT_EQ(mkdir("d", 0755), 0);
	EXPECT_EQ(mkdir("elsewhere", 0755), 0);
	touch("d/before");
	EXPECT_EQ(ox_watch_open("d", NULL, &w), 0);
	put("d/a", "text");
	EXPECT(!expect(w, OX_WATCH_CREATED, "d/a").folder);
	expect(w, OX_WATCH_WRITTEN, "d/a");
	EXPECT_EQ(rename("d/a", "d/b"), 0);
	move = expect(w, OX_WATCH_MOVED_FROM, "d/a").move;
	EXPECT(move != 0);
	EXPECT_EQ(expect(w, OX_WATCH_MOVED_TO, "d/b").move, move);
	EXPECT_EQ(rename("d/b", "elsewhere/b"), 0);
	expect(w, OX_WATCH_MOVED_FROM, "d/b");
	EXPECT_EQ(unlink("d/before"), 0);
	expect(w, OX_WATCH_REMOVED, "d/before");
	EXPECT_EQ(mkdir("d/sub", 0755), 0);
	EXPECT(expect(w, OX_WATCH_CREATED, "d/sub").folder);
	touch("d/sub/not-told");
	expect_no_more(w, "d");
	return 0;
}

START_TEST(a_folder_tells_of_its_names)
{
	run_virtual(changes, NULL);
}
END_TEST

static int chosen(void *arg)
{
	OX_AUTO_WATCH *w = NULL;

	(void)arg;
	EXPECT_EQ(ox_watch_open("./", OX_WATCH_OPTIONS(.events = OX_WATCH_MODIFIED | OX_WATCH_ATTRIBUTES), &w), 0);
	put("a", "text");
	expect(w, OX_WATCH_MODIFIED, "./a");
	EXPECT_EQ(chmod("a", 0600), 0);
	expect(w, OX_WATCH_ATTRIBUTES, "./a");
	return 0;
}

START_TEST(only_what_is_asked_for_is_told)
{
	run_virtual(chosen, NULL);
}
END_TEST

static int file(void *arg)
{
	OX_AUTO_WATCH *w = NULL;
	ox_watch_event e;

	(void)arg;
	touch("f");
	EXPECT_EQ(ox_watch_open("f", NULL, &w), 0);
	put("f", "text");
	expect(w, OX_WATCH_WRITTEN, "f");
	EXPECT_EQ(unlink("f"), 0);
	expect(w, OX_WATCH_GONE, "f");
	EXPECT_EQ(ox_watch_next(w, &e), 0);
	EXPECT_EQ(ox_watch_next(w, &e), 0);
	return 0;
}

static int moved_away(void *arg)
{
	OX_AUTO_WATCH *w = NULL;

	(void)arg;
	EXPECT_EQ(mkdir("d", 0755), 0);
	EXPECT_EQ(ox_watch_open("d", OX_WATCH_OPTIONS(.recursive = true), &w), 0);
	EXPECT_EQ(rename("d", "e"), 0);
	expect(w, OX_WATCH_GONE, "d");
	return 0;
}

START_TEST(a_file_is_watched_until_it_is_gone)
{
	run_virtual(file, NULL);
	run_virtual(moved_away, NULL);
}
END_TEST

static int refusals(void *arg)
{
	ox_watch *w = arg;
	ox_scope s;

	EXPECT_EQ(ox_watch_open("nowhere", NULL, &w), -ENOENT);
	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_watch_open(".", NULL, &w), OX_ECANCELED);
	ox_scope_leave(&s, 0);
	EXPECT(w == arg);
	ox_watch_close(NULL);
	return 0;
}

START_TEST(what_is_not_there_is_not_watched)
{
	run_virtual(refusals, NULL);
}
END_TEST

/* ---- waiting ---- */

static int wait_for_one(void *arg)
{
	ox_watch_event e;
	int r = ox_watch_next(arg, &e);

	return r < 0 ? r : (int)e.what;
}

static int waiters(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_WATCH *w = NULL;
	ox_watch_event e;
	ox_future *first, *second;

	(void)arg;
	EXPECT_EQ(ox_watch_open(".", NULL, &w), 0);
	first = ox_spawn(g, wait_for_one, w);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_watch_next(w, &e), OX_EBUSY);
	ox_future_cancel(first);
	EXPECT_EQ(ox_await(first), OX_ECANCELED);
	second = ox_spawn(g, wait_for_one, w);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(mkdir("x", 0755), 0);
	EXPECT_EQ(ox_await(second), OX_WATCH_CREATED);
	return 0;
}

START_TEST(one_waits_and_can_be_cancelled)
{
	run_virtual(waiters, NULL);
}
END_TEST

/* ---- trees ---- */

static int tree(void *arg)
{
	OX_AUTO_WATCH *w = NULL;

	(void)arg;
	EXPECT_EQ(mkdir("t", 0755), 0);
	EXPECT_EQ(mkdir("t/a", 0755), 0);
	EXPECT_EQ(mkdir("t/a/b", 0755), 0);
	EXPECT_EQ(mkdir("out", 0755), 0);
	touch("t/a/old");
	EXPECT_EQ(symlink("../out", "t/link"), 0);
	EXPECT_EQ(ox_watch_open("t", OX_WATCH_OPTIONS(.recursive = true), &w), 0);
	EXPECT_EQ(mkdir("t/a/b/c", 0755), 0);           /* deep, and new */
	expect(w, OX_WATCH_CREATED, "t/a/b/c");
	expect_no_more(w, "t");                         /* by now it is watched */
	put("t/a/b/c/f", "text");
	expect(w, OX_WATCH_CREATED, "t/a/b/c/f");
	expect(w, OX_WATCH_WRITTEN, "t/a/b/c/f");
	touch("out/f");                                 /* behind the link */
	EXPECT_EQ(rename("t/a/b", "out/b"), 0);         /* with c and f in it: out of the tree */
	EXPECT(expect(w, OX_WATCH_MOVED_FROM, "t/a/b").folder);
	put("out/b/c/f", "more");
	expect_no_more(w, "t");
	EXPECT_EQ(rename("out/b", "t/b"), 0);           /* and back elsewhere: its contents are news */
	expect(w, OX_WATCH_MOVED_TO, "t/b");
	expect(w, OX_WATCH_CREATED, "t/b/c");
	expect(w, OX_WATCH_CREATED, "t/b/c/f");
	EXPECT_EQ(unlink("t/b/c/f"), 0);
	expect(w, OX_WATCH_REMOVED, "t/b/c/f");
	EXPECT_EQ(rmdir("t/b/c"), 0);
	expect(w, OX_WATCH_REMOVED, "t/b/c");
	expect_no_more(w, "t");
	return 0;
}

START_TEST(a_tree_is_watched_as_it_grows_and_moves)
{
	run_virtual(tree, NULL);
}
END_TEST

#define DEEP 100

/*
 * Everything is made before the first event is read: what is told has each folder at least once, and after it
 * what is in it.
 */
static int sudden(void *arg)
{
	OX_AUTO_WATCH *w = NULL;
	ox_watch_event e;
	char path[8 + 2 * DEEP] = "t", *end = path + 1;

	(void)arg;
	EXPECT_EQ(mkdir("t", 0755), 0);
	EXPECT_EQ(ox_watch_open("t", OX_WATCH_OPTIONS(.recursive = true, .events = OX_WATCH_CREATED), &w), 0);
	for (int i = 0; i < DEEP; i++) {
		end = stpcpy(end, "/d");
		EXPECT_EQ(mkdir(path, 0755), 0);
	}
	path[1] = '\0';
	for (int depth = 0; depth < DEEP;) {
		size_t known = strlen(path);

		if (ox_watch_next(w, &e) != 1)
			return 1;
		if (strlen(e.path) > known) {           /* not told twice */
			EXPECT_EQ(strlen(e.path), known + 2);
			strcpy(path, e.path);
			depth++;
		}
	}
	return 0;
}

START_TEST(a_tree_that_appears_at_once_is_found_whole)
{
	run_virtual(sudden, NULL);
}
END_TEST

/* More than the kernel keeps: the loss is told, and the watch goes on, also in folders whose making was lost. */
static int overflow(void *arg)
{
	const unsigned events = OX_WATCH_CREATED | OX_WATCH_REMOVED | OX_WATCH_ATTRIBUTES;
	OX_AUTO_WATCH *w = NULL;
	ox_watch_event e = { .what = 0 };
	int queue = 0, r;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	(void)arg;
	EXPECT(f && fscanf(f, "%d", &queue) == 1);
	fclose(f);
	EXPECT_EQ(mkdir("t", 0755), 0);
	touch("t/a");
	touch("t/b");
	EXPECT_EQ(ox_watch_open("t", OX_WATCH_OPTIONS(.recursive = true, .events = events), &w), 0);
	for (int i = 0; i < queue + 10; i++)            /* in turn, or the kernel would make one of two */
		EXPECT_EQ(chmod(i & 1 ? "t/a" : "t/b", i & 2 ? 0600 : 0644), 0);
	EXPECT_EQ(mkdir("t/lost", 0755), 0);
	while ((r = ox_watch_next(w, &e)) == 1 && e.what == OX_WATCH_ATTRIBUTES)
		;
	EXPECT_EQ(r, 1);
	EXPECT_EQ(e.what, OX_WATCH_OVERFLOW);
	EXPECT(strcmp(e.path, "t") == 0);
	expect_no_more(w, "t");
	expect_no_more(w, "t/lost");
	return 0;
}

START_TEST(an_overflow_is_told_and_survived)
{
	run_virtual(overflow, NULL);
}
END_TEST

/* ---- trouble ---- */

static int first_error(void *arg)
{
	OX_AUTO_WATCH *w = NULL;
	ox_watch_event e;
	int r = ox_watch_open("t", OX_WATCH_OPTIONS(.recursive = true), &w);

	(void)arg;
	mkdir("t/new", 0755);
	mkdir("t/new/below", 0755);
	if (r == 0)
		r = ox_watch_next(w, &e);
	if (r > 0)
		r = ox_watch_next(w, &e);
	rmdir("t/new/below");
	rmdir("t/new");
	return r < 0 ? r : 0;
}

START_TEST(every_allocation_may_fail)
{
	ck_assert_int_eq(mkdir("t", 0755), 0);
	ck_assert_int_eq(mkdir("t/old", 0755), 0);
	fails_cleanly(first_error, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("watch");
	TCase *c = folder_case(s, "one", 20);

	tcase_add_test(c, a_folder_tells_of_its_names);
	tcase_add_test(c, only_what_is_asked_for_is_told);
	tcase_add_test(c, a_file_is_watched_until_it_is_gone);
	tcase_add_test(c, what_is_not_there_is_not_watched);
	tcase_add_test(c, one_waits_and_can_be_cancelled);
	c = folder_case(s, "trees", 20);
	tcase_add_test(c, a_tree_is_watched_as_it_grows_and_moves);
	tcase_add_test(c, a_tree_that_appears_at_once_is_found_whole);
	tcase_add_test(c, an_overflow_is_told_and_survived);
	tcase_add_test(c, every_allocation_may_fail);
	return run_suite(s);
}
