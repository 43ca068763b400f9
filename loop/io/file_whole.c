/* SPDX-License-Identifier: MIT */
/*
 * All of a file at once: reading it, and replacing it so that everybody sees the old file or the new one.
 *
 * The new file has no name at first (O_TMPFILE), so whatever happens while it is written leaves nothing
 * behind. To commit is: fsync; a name beside the old one; rename over it; fsync of the folder. A link cannot
 * take an existing name (and where it can take a new one, those who watch the folder would not learn that the
 * file is complete), so for the moment between link and rename there is a temporary name; who is killed there
 * leaves it, a whole file. Where the file system has no nameless files the temporary name is there from the
 * start.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "loop/io/file.h"

#define FIRST_CAP OX_KIB(64)
#define TRIES     100

/* ---- reading ---- */

struct loading {
	size_t limit;
	ox_contents *contents;
	int result;
	char path[];
};

/* Room for size bytes, one more to see that there are no more than the limit, and the NUL. */
static ox_contents *contents_resize(ox_contents *c, size_t size)
{
	c = oxi_realloc(c, sizeof(*c) + size + 2);
	if (c)
		c->data = (const char *)(c + 1);
	return c;
}

static int read_all(int fd, struct loading *l)
{
	struct stat st;
	size_t cap = FIRST_CAP;
	struct oxi_transfer t = { .fd = fd, .offset = -1 };

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && st.st_size > 0)      /* files of /proc say 0 and have more */
		cap = (size_t)st.st_size;
	for (;; cap *= 2) {
		ox_contents *c;

		if (cap > l->limit)
			cap = l->limit;
		if (cap > SIZE_MAX / 4)
			return OX_ENOMEM;
		c = contents_resize(l->contents, cap);
		if (c == NULL)
			return OX_ENOMEM;
		l->contents = c;
		t.buf = (char *)(c + 1);
		t.len = cap + 1;
		oxi_transfer(&t, 0);
		if (t.error)
			return t.error;
		if (t.done > l->limit)
			return OX_ETOOBIG;
		if (t.done < t.len)
			break;
	}
	t.buf[t.done] = '\0';
	l->contents->len = t.done;
	return 0;
}

static void load(void *arg)
{
	struct loading *l = arg;
	int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	l->result = fd < 0 ? -errno : read_all(fd, l);
	if (fd >= 0)
		close(fd);
}

static void loaded_in_vain(void *arg)
{
	struct loading *l = arg;

	oxi_free(l->contents);
	oxi_free(l);
}

int ox_file_load(const char *path, size_t limit, ox_contents **ret)
{
	struct loading *l;
	size_t len;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	len = strlen(path) + 1;
	l = oxi_alloc(sizeof(*l) + len);
	if (l == NULL)
		return OX_ENOMEM;
	l->limit = limit;
	memcpy(l->path, path, len);
	r = oxi_thread_run(OXI_THREAD_FILE, load, l, loaded_in_vain, "file load");
	if (r == OX_ECANCELED)
		return r;
	if (r == 0)
		r = l->result;
	if (r == 0) {
		*ret = l->contents;
		l->contents = NULL;
	}
	loaded_in_vain(l);
	return r;
}

void ox_contents_free(ox_contents *c)
{
	oxi_free(c);
}

/* ---- replacing ---- */

static struct oxi_replacement *replacement_new(const char *path, mode_t mode)
{
	size_t len = strlen(path) + 1;
	const char *slash = strrchr(path, '/');
	struct oxi_replacement *r = oxi_alloc(sizeof(*r) + len + len + 16);

	if (r) {
		memcpy(r->path, path, len);
		r->temporary = r->path + len;
		r->folder_len = slash ? (size_t)(slash + 1 - path) : 0;
		r->mode = mode;
	}
	return r;
}

void oxi_replacement_drop(const struct oxi_replacement *r)
{
	if (r->temporary[0])
		unlink(r->temporary);
}

/* A name beside the path's: hidden, and nobody else's. */
static void make_temporary(struct oxi_replacement *r)
{
	const char *base = r->path + r->folder_len;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)ox_now();
	sprintf(r->temporary, "%.*s.%.200s.%08x", (int)r->folder_len, r->path, base, random);
}

static int open_folder(const struct oxi_replacement *r, int flags, mode_t mode)
{
	char folder[PATH_MAX] = ".";

	if (r->folder_len >= sizeof(folder))
		return -ENAMETOOLONG;
	if (r->folder_len > 0)
		*(char *)mempcpy(folder, r->path, r->folder_len) = '\0';
	int fd = open(folder, flags | O_CLOEXEC, mode);
	return fd < 0 ? -errno : fd;
}

static int open_named(struct oxi_replacement *r, mode_t mode)
{
	int fd = -1;

	for (int i = 0; i < TRIES && fd < 0 && (i == 0 || errno == EEXIST); i++) {
		make_temporary(r);
		fd = open(r->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	}
	if (fd >= 0)
		return fd;
	r->temporary[0] = '\0';
	return -errno;
}

struct replacing {
	struct oxi_replacement *replacement;
	int fd, result;
};

static void begin(void *arg)
{
	struct replacing *q = arg;
	struct oxi_replacement *r = q->replacement;
	struct stat old;
	bool keep = r->mode == 0 && stat(r->path, &old) == 0;

	q->fd = open_folder(r, O_TMPFILE | O_RDWR, r->mode ? r->mode : 0666);
	if (q->fd == -EOPNOTSUPP || q->fd == -EISDIR)
		q->fd = open_named(r, r->mode ? r->mode : 0666);
	if (keep && q->fd >= 0)
		fchmod(q->fd, old.st_mode & 07777);
}

int ox_file_replace(const char *path, mode_t mode, ox_file **ret)
{
	struct replacing q = { .fd = -1 };
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	q.replacement = replacement_new(path, mode);
	if (q.replacement == NULL)
		return OX_ENOMEM;
	r = oxi_thread_run(OXI_THREAD_FILE, begin, &q, NULL, "file replace");
	if (r == 0)
		r = q.fd < 0 ? q.fd : oxi_file_new(q.fd, true, q.replacement, ret);
	if (r < 0) {
		oxi_replacement_drop(q.replacement);
		oxi_free(q.replacement);
	}
	return r;
}

/* Gives a nameless file a name: -EEXIST if another file has it. */
static int name_it(int fd, const char *name)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int name_temporarily(int fd, struct oxi_replacement *r)
{
	int result = -EEXIST;

	for (int i = 0; i < TRIES && result == -EEXIST; i++) {
		make_temporary(r);
		result = name_it(fd, r->temporary);
	}
	if (result < 0)
		r->temporary[0] = '\0';
	return result;
}

static int put_in_place(int fd, struct oxi_replacement *r)
{
	int result = fsync(fd) < 0 ? -errno : 0;

	if (result == 0 && r->temporary[0] == '\0')
		result = name_temporarily(fd, r);
	if (result == 0 && rename(r->temporary, r->path) < 0)
		result = -errno;
	if (result < 0)
		oxi_replacement_drop(r);
	return result;
}

static void commit(void *arg)
{
	struct replacing *q = arg;
	int folder = -1;

	q->result = put_in_place(q->fd, q->replacement);
	if (q->result == 0) {
		folder = open_folder(q->replacement, O_RDONLY | O_DIRECTORY, 0);
		q->result = folder < 0 ? folder : fsync(folder) < 0 ? -errno : 0;
	}
	if (folder >= 0)
		close(folder);
	if (close(q->fd) < 0 && q->result == 0)
		q->result = -errno;
}

int ox_file_commit(ox_file *f)
{
	int r = oxi_file_enter(f);
	struct replacing q;

	if (r == 0 && f->replacement == NULL)
		return OX_ESTATE;
	if (r < 0) {
		if (r == OX_ECANCELED)
			ox_file_close(f);
		return r;
	}
	oxi_file_begin_close(f);
	q = (struct replacing){ .replacement = f->replacement, .fd = f->fd };
	r = oxi_thread_run(OXI_THREAD_FILE, commit, &q, NULL, "file commit");
	if (r < 0) {                    /* it was not begun */
		oxi_replacement_drop(q.replacement);
		close(q.fd);
	}
	oxi_file_free(f);
	return r < 0 ? r : q.result;
}

int ox_file_save(const char *path, const void *data, size_t len, mode_t mode)
{
	ox_file *f;
	ssize_t n;
	int r = ox_file_replace(path, mode, &f);

	for (size_t done = 0; r == 0 && done < len; done += (size_t)n) {
		n = ox_file_write(f, (const char *)data + done, len - done);
		if (n <= 0) {
			ox_file_close(f);
			return n < 0 ? (int)n : -EIO;
		}
	}
	return r < 0 ? r : ox_file_commit(f);
}
