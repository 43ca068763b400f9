/* SPDX-License-Identifier: MIT */
/*
 * Folders. A thread reads as many names as fit into a buffer (getdents64), the coroutine takes them from
 * there: opening brings the first load with it, so that most folders cost one way to a thread and back.
 */
#include "loop/io/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loop/io/thread.h"

#define DIR_MAGIC 0x726964000000001ull
#define LOAD      OX_KIB(32)

struct ox_dir {
	uint64_t magic;
	int fd;
	bool loading;                   /* a thread has it */
	bool over;                      /* there is nothing behind the buffer */
	size_t at, len;                 /* of the buffer: taken; filled */
	int error;                      /* comes after what is in the buffer */
	_Alignas(struct dirent64) char buffer[LOAD];
};

/* ---- in a thread ---- */

/* Some file systems do not say what a name is. */
static void find_types(ox_dir *d)
{
	struct stat st;

	for (size_t at = 0; at < d->len;) {
		struct dirent64 *e = (struct dirent64 *)(void *)(d->buffer + at);

		if (e->d_type == DT_UNKNOWN && fstatat(d->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			e->d_type = IFTODT(st.st_mode);
		at += e->d_reclen;
	}
}

static void load(void *arg)
{
	ox_dir *d = arg;
	ssize_t n = getdents64(d->fd, d->buffer, sizeof(d->buffer));

	d->at = 0;
	d->len = n > 0 ? (size_t)n : 0;
	d->over = n <= 0;
	d->error = n < 0 && errno != ENOENT ? -errno : 0;       /* ENOENT: it has been removed, so that was all */
	find_types(d);
}

struct opening {
	ox_dir *dir;
	int parent, flags, error;
	const char *name;
};

static void open_and_load(void *arg)
{
	struct opening *o = arg;

	o->dir->fd = openat(o->parent, o->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | o->flags);
	o->error = o->dir->fd < 0 ? -errno : 0;
	if (o->error == 0)
		load(o->dir);
}

/* ---- in a coroutine ---- */

int oxi_dir_open_at(const ox_dir *parent, const char *name, bool nofollow, ox_dir **ret)
{
	struct opening o = { .parent = parent ? parent->fd : AT_FDCWD, .name = name, .flags = nofollow ? O_NOFOLLOW : 0 };
	int r;

	o.dir = oxi_alloc(sizeof(*o.dir));
	if (o.dir == NULL)
		return OX_ENOMEM;
	r = oxi_thread_run(OXI_THREAD_FILE, open_and_load, &o, NULL, "folder open");
	if (r == 0)
		r = o.error;
	if (r < 0) {
		oxi_free(o.dir);
		return r;
	}
	o.dir->magic = DIR_MAGIC;
	*ret = o.dir;
	return 0;
}

int ox_dir_open(const char *path, ox_dir **ret)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_dir_open_at(NULL, path, false, ret);
}

static const struct dirent64 *take(ox_dir *d)
{
	while (d->at < d->len) {
		const struct dirent64 *e = (const struct dirent64 *)(const void *)(d->buffer + d->at);

		d->at += e->d_reclen;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return e;
	}
	return NULL;
}

static int load_more(ox_dir *d)
{
	int r;

	d->loading = true;
	r = oxi_thread_run(OXI_THREAD_FILE, load, d, NULL, "folder read");
	d->loading = false;
	return r;
}

int ox_dir_next(ox_dir *d, ox_dir_entry *ret)
{
	const struct dirent64 *e;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(d, DIR_MAGIC);
	if (d->loading)
		return OX_EBUSY;
	while ((e = take(d)) == NULL) {
		if (d->over)
			return d->error;
		r = load_more(d);
		if (r < 0)
			return r;
	}
	*ret = (ox_dir_entry){ .name = e->d_name, .type = DTTOIF(e->d_type), .inode = e->d_ino };
	return 1;
}

void ox_dir_close(ox_dir *d)
{
	if (d == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(d, DIR_MAGIC);
	OXI_CHECK(!d->loading);
	d->magic = 0;
	close(d->fd);
	oxi_free(d);
}
