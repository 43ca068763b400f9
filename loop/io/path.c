/* SPDX-License-Identifier: MIT */
/* Paths: system calls that look one up, each in a thread. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loop/io/file.h"

struct request {
	const char *path, *to;
	int flags, result;
	mode_t mode;
	struct stat *stat;
};

static int path_request(void (*fn)(void *arg), struct request *q, const char *what)
{
	int r = oxi_checkpoint();

	if (r == 0)
		r = oxi_thread_run(OXI_THREAD_FILE, fn, q, NULL, what);
	return r < 0 ? r : q->result;
}

static void get_stat(void *arg)
{
	struct request *q = arg;

	q->result = fstatat(AT_FDCWD, q->path, q->stat, q->flags) < 0 ? -errno : 0;
}

static void move(void *arg)
{
	struct request *q = arg;

	q->result = rename(q->path, q->to) < 0 ? -errno : 0;
}

static void drop(void *arg)
{
	struct request *q = arg;

	q->result = unlinkat(AT_FDCWD, q->path, q->flags) < 0 ? -errno : 0;
}

static void make_folder(void *arg)
{
	struct request *q = arg;

	q->result = mkdir(q->path, q->mode) < 0 ? -errno : 0;
}

/* A folder that is there already will do, and so will a link to one. */
static int folder_there(const char *path, mode_t mode)
{
	struct stat st;
	int error;

	if (mkdir(path, mode) == 0)
		return 0;
	error = errno;
	if (error != EEXIST)
		return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -error;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -EEXIST;
}

/* From the top down; the copy of the path is cut at each slash in turn. */
static void make_folders(void *arg)
{
	struct request *q = arg;
	char path[PATH_MAX];
	size_t len = strlen(q->path);

	if (len == 0 || len >= sizeof(path)) {
		q->result = len ? -ENAMETOOLONG : -ENOENT;
		return;
	}
	memcpy(path, q->path, len + 1);
	q->result = 0;
	for (char *slash = strchr(path + 1, '/'); slash && q->result == 0; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		q->result = folder_there(path, q->mode);
		*slash = '/';
	}
	if (q->result == 0)
		q->result = folder_there(path, q->mode);
}

int ox_path_stat(const char *path, int flags, struct stat *ret)
{
	return path_request(get_stat, &(struct request){ .path = path, .flags = flags, .stat = ret }, "stat");
}

int ox_path_rename(const char *from, const char *to)
{
	return path_request(move, &(struct request){ .path = from, .to = to }, "rename");
}

int ox_path_unlink(const char *path)
{
	return path_request(drop, &(struct request){ .path = path }, "unlink");
}

int ox_path_rmdir(const char *path)
{
	return path_request(drop, &(struct request){ .path = path, .flags = AT_REMOVEDIR }, "rmdir");
}

int ox_path_mkdir(const char *path, mode_t mode)
{
	return path_request(make_folder, &(struct request){ .path = path, .mode = mode }, "mkdir");
}

int ox_path_mkdirs(const char *path, mode_t mode)
{
	return path_request(make_folders, &(struct request){ .path = path, .mode = mode }, "mkdir");
}
