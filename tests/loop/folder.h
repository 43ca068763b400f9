/* SPDX-License-Identifier: MIT */
/*
 * A folder of its own for each test that needs files: made and entered before it, and gone with all that is
 * in it afterwards.
 */
#ifndef OXBOW_TESTS_FOLDER_H
#define OXBOW_TESTS_FOLDER_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/support.h"

static char test_folder[64];

static void folder_setup(void)
{
	strcpy(test_folder, "/tmp/oxbow-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(test_folder));
	ck_assert_int_eq(chdir(test_folder), 0);
}

static int folder_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void folder_teardown(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(nftw(test_folder, folder_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* How many names are in a folder. */
static inline int count_names(const char *path)
{
	DIR *d = opendir(path);
	int n = -2;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static TCase *folder_case(Suite *s, const char *name, double timeout)
{
	TCase *c = new_case(s, name, timeout);

	tcase_add_checked_fixture(c, folder_setup, folder_teardown);
	return c;
}

#endif
