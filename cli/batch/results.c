/* SPDX-License-Identifier: MIT */
/*
 * The record comes last and by a rename, so that a folder with a record.json is complete, whatever has killed us.
 * Values may be part of the path, with the slashes in them, but they cannot lead above it.
 */
#include "cli/batch/results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/events.h"
#include "cli/batch/joblog.h"
#include "cli/folder.h"

static size_t parents(const char *path)
{
	size_t n = 0;
	while (*path) {
		size_t len = strcspn(path, "/");
		n += len == 2 && path[0] == '.' && path[1] == '.';
		path += len + (path[len] == '/');
	}
	return n;
}

bool oxi_results_inside(const char *path, const char *text)
{
	return parents(path) <= parents(text);
}

static int write_piece(void *arg, const char *data, size_t len)
{
	struct oxi_buffer piece = { .data = (char *)data, .len = len };
	return oxi_joblog_write(*(int *)arg, &piece);
}

/* Closes it; what the file system had put off may fail only now. */
static int closed(int fd, int r)
{
	return close(fd) < 0 && r >= 0 ? -errno : r;
}

static int write_capture(int dir, const char *name, struct oxi_capture *c)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : closed(fd, oxi_capture_each(c, write_piece, &fd));
}

static void add_words(struct oxi_json *json, const struct oxi_buffer *words)
{
	oxi_json_begin(json, "argv", '[');
	for (const char *p = words->data; p < words->data + words->len; p += strlen(p) + 1)
		oxi_json_bytes(json, NULL, p, strlen(p));
	oxi_json_end(json);
}

static int write_record(int dir, const struct oxi_job *j, const struct oxi_buffer *words)
{
	struct oxi_buffer text = { 0 };
	struct oxi_json json = { .out = &text };
	oxi_json_begin(&json, NULL, '{');
	oxi_record_members(&json, j);
	oxi_json_double(&json, "began", oxi_wall_clock(j->ended.began));
	add_words(&json, words);
	oxi_json_end(&json);
	oxi_buffer_add_char(&text, '\n');
	int fd = openat(dir, "record.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = fd < 0 ? -errno : closed(fd, oxi_joblog_write(fd, &text));
	if (r >= 0 && renameat(dir, "record.json.new", dir, "record.json") < 0)
		r = -errno;
	oxi_buffer_free(&text);
	return r;
}

int oxi_results_write(const char *path, struct oxi_job *j, const struct oxi_buffer *words)
{
	char copy[4096];
	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return -ENAMETOOLONG;
	int r = oxi_folders_make(copy);
	if (r < 0)
		return r;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = write_capture(dir, "stdout", &j->out);
	if (r >= 0)
		r = write_capture(dir, "stderr", &j->err);
	if (r >= 0)
		r = write_record(dir, j, words);
	close(dir);
	return r;
}
