/* SPDX-License-Identifier: MIT */
/*
 * A reply with a file of a folder. The kernel holds the path inside the root (openat2 with RESOLVE_BENEATH):
 * neither a "..", however it was encoded, nor a symbolic link leads out, and nothing that is renamed
 * meanwhile can change that.
 * Rejected: comparing realpath() with the root, which looks and then opens, and between the two the link may
 * have moved.
 *
 * Small files are read into the reply and leave with its headers in one system call; larger ones go by
 * sendfile(). A file that shrinks meanwhile ends its connection, so that the client knows; a mapping would
 * end the process (SIGBUS).
 */
#include "loop/http/server.h"

#include <event2/util.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/private/auto.h"
#include "loop/http/text.h"

#define READ_AT_ONCE OX_KIB(64)

static int open_beneath(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int status_of(int r)
{
	switch (r) {
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
		return 404;
	case -EACCES:
	case -EPERM:
	case -EXDEV:                    /* it would have led out of the root */
	case -ELOOP:
	case -ENXIO:                    /* a socket */
		return 403;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN:
		return 503;
	default:
		return 500;
	}
}

/* One slash in front, whatever was asked for: "//host" in Location would be another host. */
static int redirect_to_folder(struct ox_request *q)
{
	const char *path = q->raw_path, *query = q->query ? q->query : "";
	size_t len = q->raw_path_len, size;
	char *location;
	int r;

	while (len > 0 && *path == '/')
		path++, len--;
	size = len + strlen(query) + sizeof("//?");
	location = oxi_alloc(size);
	if (!location)
		return OX_ENOMEM;
	snprintf(location, size, "/%.*s/%s%s", (int)len, path, *query ? "?" : "", query);
	r = ox_request_add_header(q, "Location", location);
	oxi_free(location);
	return r < 0 ? r : oxi_request_reply_status(q, 301);
}

static int read_file(struct evbuffer *b, int fd, size_t len)
{
	struct evbuffer_iovec v;
	size_t got = 0;

	if (evbuffer_reserve_space(b, (ssize_t)len, &v, 1) != 1)
		return OX_ENOMEM;
	while (got < len) {
		ssize_t n = pread(fd, (char *)v.iov_base + got, len - got, (off_t)got);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;                  /* it has shrunk since: what there is now is the file */
		got += n > 0 ? (size_t)n : 0;
	}
	v.iov_len = got;
	return evbuffer_commit_space(b, &v, 1) < 0 ? OX_ENOMEM : 0;
}

/* Takes the descriptor if it succeeds with a file to be sent. */
static int add_content(struct ox_request *q, int *fd, size_t len)
{
	if (len == 0)
		return 0;
	if (len <= READ_AT_ONCE)
		return read_file(q->body, *fd, len);
	evbuffer_set_flags(q->body, EVBUFFER_FLAG_DRAINS_TO_FD);        /* or it would be mapped instead of sent */
	if (evbuffer_add_file(q->body, *fd, 0, (off_t)len) < 0)
		return OX_ENOMEM;
	*fd = -1;
	return 0;
}

/* Modified is what differs from the Last-Modified that we said: clients send it back as it was, and no date is parsed. */
static int reply_content(struct ox_request *q, const char *path, int *fd, const struct stat *st)
{
	const char *since = ox_request_header(q, "If-Modified-Since");
	char modified[64];
	struct tm tm;
	int r;

	if (!gmtime_r(&st->st_mtime, &tm) || evutil_date_rfc1123(modified, sizeof(modified), &tm) <= 0)
		return OX_EINVAL;
	r = ox_request_add_header(q, "Last-Modified", modified);
	if (r < 0)
		return r;
	if (since && strcmp(since, modified) == 0)
		return ox_request_reply(q, 304, NULL, NULL, 0);
	r = add_content(q, fd, (size_t)st->st_size);
	return r < 0 ? r : ox_request_reply(q, 200, oxi_http_type(path), NULL, 0);
}

static int reply_regular(struct ox_request *q, const char *path, int *fd)
{
	struct stat st;

	if (fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode))
		return oxi_request_reply_status(q, 403);
	return reply_content(q, path, fd, &st);
}

static int reply_index(struct ox_request *q, int root, const char *folder)
{
	size_t size = strlen(folder) + sizeof("index.html");
	char *path = oxi_alloc(size);

	if (!path)
		return OX_ENOMEM;
	snprintf(path, size, "%sindex.html", folder);
	OXI_AUTO_FD fd = open_beneath(root, path);

	oxi_free(path);
	if (fd == -ENOENT)
		return oxi_request_reply_status(q, 403);                /* there is a folder, and no list of it */
	return fd < 0 ? oxi_request_reply_status(q, status_of(fd)) : reply_regular(q, "index.html", &fd);
}

static bool is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int ox_request_reply_file(ox_request *q, const char *root)
{
	const char *path, *method;

	OXI_CHECK_OBJECT(q, OXI_REQUEST_MAGIC);
	method = ox_request_method(q);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		int r = ox_request_add_header(q, "Allow", "GET, HEAD");

		return r < 0 ? r : oxi_request_reply_status(q, 405);
	}
	path = q->path + strspn(q->path, "/");
	OXI_AUTO_FD folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return oxi_request_reply_status(q, status_of(-errno));
	OXI_AUTO_FD fd = open_beneath(folder, path);

	if (fd < 0)
		return oxi_request_reply_status(q, status_of(fd));
	if (!is_folder(fd))
		return reply_regular(q, path, &fd);
	return q->path[strlen(q->path) - 1] == '/' ? reply_index(q, folder, path) : redirect_to_folder(q);
}
