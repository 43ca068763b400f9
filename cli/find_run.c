/* SPDX-License-Identifier: MIT */
#include "cli/find_run.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/base.h>

#define RUNS ".oxbow/"

/* Every run has a lock. */
static bool is_run(const char *dir)
{
	char *lock;
	if (asprintf(&lock, "%s/lock", dir) < 0)
		return false;
	bool is = access(lock, F_OK) == 0;
	free(lock);
	return is;
}

/* "'NAME' TEXT" */
static int wrong(struct oxi_buffer *why, const char *name, const char *text)
{
	oxi_buffer_add_char(why, '\'');
	oxi_buffer_add_text(why, name);
	oxi_buffer_add_text(why, "' ");
	oxi_buffer_add_text(why, text);
	return OX_EINVAL;
}

static int several(struct oxi_buffer *why, const char *name, const char *one, const char *other)
{
	wrong(why, name, "could be ");
	oxi_buffer_add_text(why, one);
	oxi_buffer_add_text(why, " or ");
	oxi_buffer_add_text(why, other);
	return OX_EINVAL;
}

/* The one run there whose id begins so. 0: *ret is it, or NULL; negative. */
static int find_beginning(const char *name, char **ret, struct oxi_buffer *why)
{
	DIR *d = opendir(RUNS);
	char *found = NULL, *dir;
	int r = 0;
	for (struct dirent *e; r == 0 && d && (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.' || strncmp(e->d_name, name, strlen(name)) != 0)
			continue;
		if (asprintf(&dir, RUNS "%s", e->d_name) < 0) {
			r = OX_ENOMEM;
		} else if (!is_run(dir)) {
			free(dir);
		} else if (found) {
			r = several(why, name, found + strlen(RUNS), e->d_name);
			free(dir);
		} else {
			found = dir;
		}
	}
	if (d)
		closedir(d);
	if (r < 0)
		free(found);
	else
		*ret = found;
	return r;
}

int oxi_find_run(const char *name, char **ret, struct oxi_buffer *why)
{
	if (is_run(name))
		return (*ret = strdup(name)) ? 0 : OX_ENOMEM;
	char *dir = NULL;
	bool id = *name && *name != '.' && !strchr(name, '/');
	int r = 0;
	if (id && asprintf(&dir, RUNS "%s", name) < 0)
		return OX_ENOMEM;
	if (id && !is_run(dir)) {
		free(dir);
		dir = NULL;
		r = find_beginning(name, &dir, why);
	}
	if (r == 0 && !dir)
		r = wrong(why, name, "is no run: neither the folder of one nor the beginning of an id in ./.oxbow");
	if (r == 0)
		*ret = dir;
	return r;
}
