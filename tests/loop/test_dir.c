/* SPDX-License-Identifier: MIT */
/* Folders and trees of them. */
#include "tests/loop/folder.h"

#include <fcntl.h>
#include <sys/resource.h>

static void touch(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT, 0644));
}

/* ---- one folder ---- */

#define MANY 2000                       /* names: several loads */

static int list(void *arg)
{
	OX_AUTO_DIR *d = NULL;
	ox_dir_entry e;
	static char seen[MANY];
	char name[40];
	int n = 0, r;

	(void)arg;
	memset(seen, 0, sizeof(seen));
	EXPECT_EQ(mkdir("d", 0755), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d/a-rather-long-name-%d", i);
		touch(name);
	}
	EXPECT_EQ(ox_dir_open("d", &d), 0);
	while ((r = ox_dir_next(d, &e)) == 1) {
		EXPECT(S_ISREG(e.type));
		seen[atoi(e.name + 19)]++;
		n++;
	}
	EXPECT_EQ(r, 0);
	EXPECT_EQ(ox_dir_next(d, &e), 0);               /* and stays there */
	EXPECT_EQ(n, MANY);
	for (int i = 0; i < MANY; i++)
		EXPECT_EQ(seen[i], 1);
	return 0;
}

START_TEST(a_folder_gives_each_name_once)
{
	run_virtual(list, NULL);
}
END_TEST

/* Who takes the names away as they come may take the folder, too, before the reader knows that it is empty. */
static int list_removed(void *arg)
{
	OX_AUTO_DIR *d = NULL;
	OX_AUTO_WALK *w = NULL;
	ox_dir_entry e;
	ox_walk_entry entry;

	(void)arg;
	EXPECT_EQ(mkdir("d", 0755), 0);
	touch("d/name");
	EXPECT_EQ(ox_dir_open("d", &d), 0);
	EXPECT_EQ(ox_walk_open(".", NULL, &w), 0);
	EXPECT_EQ(ox_dir_next(d, &e), 1);
	EXPECT_EQ(ox_walk_next(w, &entry), 1);
	EXPECT_EQ(ox_walk_next(w, &entry), 1);
	EXPECT(strcmp(entry.path, "./d/name") == 0);
	EXPECT_EQ(unlink("d/name"), 0);
	EXPECT_EQ(rmdir("d"), 0);
	EXPECT_EQ(ox_dir_next(d, &e), 0);
	EXPECT_EQ(ox_walk_next(w, &entry), 0);
	return 0;
}

START_TEST(a_folder_that_has_been_removed_is_over)
{
	run_virtual(list_removed, NULL);
}
END_TEST

static int kinds(void *arg)
{
	OX_AUTO_DIR *d = NULL;
	ox_dir_entry e;
	struct stat st;
	int n = 0;

	(void)arg;
	touch("file");
	EXPECT_EQ(mkdir("folder", 0755), 0);
	EXPECT_EQ(symlink("folder", "link"), 0);
	EXPECT_EQ(mkfifo("fifo", 0644), 0);
	EXPECT_EQ(ox_dir_open(".", &d), 0);
	while (ox_dir_next(d, &e) == 1) {
		EXPECT_EQ(lstat(e.name, &st), 0);
		EXPECT_EQ(e.type, st.st_mode & S_IFMT);
		EXPECT_EQ(e.inode, st.st_ino);
		n++;
	}
	EXPECT_EQ(n, 4);
	return 0;
}

START_TEST(names_come_with_their_kinds)
{
	run_virtual(kinds, NULL);
}
END_TEST

static int refusals(void *arg)
{
	ox_dir *d = arg;
	ox_walk *w = arg;
	ox_scope s;

	touch("file");
	EXPECT_EQ(ox_dir_open("nowhere", &d), -ENOENT);
	EXPECT_EQ(ox_dir_open("file", &d), -ENOTDIR);
	EXPECT_EQ(ox_walk_open("file", NULL, &w), -ENOTDIR);
	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_dir_open(".", &d), OX_ECANCELED);
	EXPECT_EQ(ox_walk_open(".", NULL, &w), OX_ECANCELED);
	ox_scope_leave(&s, 0);
	EXPECT(d == arg && w == arg);
	ox_dir_close(NULL);
	ox_walk_close(NULL);
	return 0;
}

START_TEST(what_is_no_folder_is_refused)
{
	run_virtual(refusals, NULL);
}
END_TEST

/* ---- trees ---- */

/*
 * top/a  top/b/  top/b/c  top/b/d/  top/b/d/e  top/f/ (empty)  top/g -> . (a link, not followed)
 */
static void plant(void)
{
	mkdir("top", 0755);
	mkdir("top/b", 0755);
	mkdir("top/b/d", 0755);
	mkdir("top/f", 0755);
	touch("top/a");
	touch("top/b/c");
	touch("top/b/d/e");
	ck_assert_int_eq(symlink(".", "top/g"), 0);
}

/* All paths of a walk, each with its depth, in the order told: "top/b1 ..." */
static int trail(const char *root, bool contents_first, const char *skip, char *ret, size_t cap)
{
	OX_AUTO_WALK *w = NULL;
	ox_walk_entry e;
	size_t len = 0;
	int r = ox_walk_open(root, OX_WALK_OPTIONS(.contents_first = contents_first), &w);

	ret[0] = '\0';
	while (r >= 0 && (r = ox_walk_next(w, &e)) == 1) {
		len += (size_t)snprintf(ret + len, cap - len, "%s%u ", e.path, e.depth);
		EXPECT(strcmp(e.name, strrchr(e.path, '/') + 1) == 0);
		EXPECT_EQ(e.error, 0);
		if (skip && strcmp(e.name, skip) == 0)
			ox_walk_skip(w);
	}
	return r;
}

/* Where a stands in the trail; -1. */
static long at(const char *trail, const char *entry)
{
	const char *p = strstr(trail, entry);

	return p ? p - trail : -1;
}

static int count(const char *trail)
{
	int n = 0;

	for (; *trail; trail++)
		n += *trail == ' ';
	return n;
}

static int walk(void *arg)
{
	char t[512];

	(void)arg;
	EXPECT_EQ(trail("top", false, NULL, t, sizeof(t)), 0);
	EXPECT_EQ(count(t), 7);
	EXPECT(at(t, "top/a0 ") >= 0 && at(t, "top/f0 ") >= 0 && at(t, "top/g0 ") >= 0);
	EXPECT(at(t, "top/b0 ") < at(t, "top/b/d1 ") && at(t, "top/b/d1 ") < at(t, "top/b/d/e2 "));
	EXPECT(at(t, "top/b0 ") < at(t, "top/b/c1 "));

	EXPECT_EQ(trail("top/", true, NULL, t, sizeof(t)), 0);
	EXPECT_EQ(count(t), 7);
	EXPECT(at(t, "top/b/d/e2 ") >= 0 && at(t, "top/b/d/e2 ") < at(t, "top/b/d1 ") && at(t, "top/b/d1 ") < at(t, "top/b0 "));
	EXPECT(at(t, "top/b/c1 ") < at(t, "top/b0 ") && at(t, "top/f0 ") >= 0);

	EXPECT_EQ(trail("top", false, "b", t, sizeof(t)), 0);
	EXPECT_EQ(count(t), 4);
	EXPECT(at(t, "top/b0 ") >= 0 && at(t, "top/b/") < 0);
	EXPECT_EQ(trail("./top/b", false, "c", t, sizeof(t)), 0);       /* no folder: nothing to skip */
	EXPECT_EQ(count(t), 3);
	return 0;
}

START_TEST(a_walk_tells_each_path_once_and_folders_first_or_last)
{
	plant();
	run_virtual(walk, NULL);
}
END_TEST

#define DEEP 300

static int deep(void *arg)
{
	static char t[DEEP * DEEP * 4];

	(void)arg;
	EXPECT_EQ(trail(".", false, NULL, t, sizeof(t)), 0);
	EXPECT_EQ(count(t), DEEP);
	return 0;
}

START_TEST(a_walk_goes_deep)
{
	for (int i = 0; i < DEEP; i++) {
		ck_assert_int_eq(mkdir("d", 0755), 0);
		ck_assert_int_eq(chdir("d"), 0);
	}
	ck_assert_int_eq(chdir(test_folder), 0);
	run_virtual(deep, NULL);
}
END_TEST

/* A folder that cannot be opened is told of with the reason: here, there are no descriptors left. */
static int unreadable(void *arg)
{
	OX_AUTO_WALK *w = NULL;
	struct rlimit before, few;
	ox_walk_entry e;
	int told = 0, failed = 0;

	(void)arg;
	EXPECT_EQ(ox_walk_open("top", NULL, &w), 0);
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &few);
	while (ox_walk_next(w, &e) == 1) {
		told++;
		if (e.error) {
			EXPECT_EQ(e.error, -EMFILE);
			EXPECT(S_ISDIR(e.type));
			failed++;
			ox_walk_skip(w);                /* does nothing */
		}
	}
	setrlimit(RLIMIT_NOFILE, &before);
	EXPECT_EQ(told, 4);
	EXPECT_EQ(failed, 2);
	return 0;
}

START_TEST(a_folder_that_cannot_be_read_says_why)
{
	plant();
	run_virtual(unreadable, NULL);
}
END_TEST

static int cancelled(void *arg)
{
	OX_AUTO_WALK *w = NULL;
	ox_walk_entry e;
	ox_scope s;
	int n = 0, r;

	(void)arg;
	EXPECT_EQ(ox_walk_open("top", NULL, &w), 0);
	do {
		ox_scope_enter(&s, OX_NEVER);
		ox_scope_cancel(&s);
		EXPECT_EQ(ox_walk_next(w, &e), OX_ECANCELED);
		ox_scope_leave(&s, 0);
		r = ox_walk_next(w, &e);
		n += r;
	} while (r == 1);
	EXPECT_EQ(n, 7);
	return 0;
}

START_TEST(a_cancelled_step_loses_nothing)
{
	plant();
	run_virtual(cancelled, NULL);
}
END_TEST

static int first_error(void *arg)
{
	OX_AUTO_WALK *w = NULL;
	ox_walk_entry e;
	int r = ox_walk_open("top", NULL, &w);

	(void)arg;
	while (r >= 0 && (r = ox_walk_next(w, &e)) == 1)
		;
	return r;
}

START_TEST(every_allocation_may_fail)
{
	plant();
	fails_cleanly(first_error, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dir");
	TCase *c = folder_case(s, "folders", 20);

	tcase_add_test(c, a_folder_gives_each_name_once);
	tcase_add_test(c, a_folder_that_has_been_removed_is_over);
	tcase_add_test(c, names_come_with_their_kinds);
	tcase_add_test(c, what_is_no_folder_is_refused);
	c = folder_case(s, "trees", 20);
	tcase_add_test(c, a_walk_tells_each_path_once_and_folders_first_or_last);
	tcase_add_test(c, a_walk_goes_deep);
	tcase_add_test(c, a_folder_that_cannot_be_read_says_why);
	tcase_add_test(c, a_cancelled_step_loses_nothing);
	tcase_add_test(c, every_allocation_may_fail);
	return run_suite(s);
}
