/* SPDX-License-Identifier: MIT */
/*
 * A reply with a file of a folder: which file it is. What of it is sent is in server_content.c.
 *
 * The kernel holds the path inside the root (openat2 with RESOLVE_BENEATH): neither a "..", however it was
 * encoded, nor a symbolic link leads out, and nothing that is renamed meanwhile can change that. Rejected:
 * comparing realpath() with the root, which looks and then opens, and between the two the link may have
 * moved.
 */
#include "loop/http/server.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/private/auto.h"
#include "loop/http/text.h"

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

static int reply_regular(struct ox_request *q, const char *path, int *fd)
{
	struct stat st;

	if (fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode))
		return oxi_request_reply_status(q, 403);
	return oxi_request_reply_content(q, path, fd, &st);
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
