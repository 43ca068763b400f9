/* SPDX-License-Identifier: MIT */
/*
 * Open files. Every call that may wait for a device runs in a thread, but reading and writing try first
 * without: preadv2(RWF_NOWAIT) gives what the page cache has (0.6 us for 4 KiB, where the way through a
 * thread is 10 to 50) and EAGAIN where it would wait; then a thread does the rest. Some file systems write so
 * too; one that cannot says so once. Much at a time is a thread's at once: copying it would hold up the loop.
 *
 * The buffers are the caller's and the thread writes into them, so a cancelled caller waits for what has
 * begun. Opening and loading have nothing of the caller's, and can take for ever (a FIFO without a writer):
 * that is abandoned.
 *
 * A file counts the calls that are in threads: closing waits for them, or its descriptor might be another
 * file's when they use it.
 *
 * Rejected: io_uring (switched off where containers are, and no faster for one cached read), O_NONBLOCK
 * (means nothing for regular files).
 */
#include "loop/io/file.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_MAGIC 0x656c696600000001ull
#define LOCK_FIRST OX_MS(1)             /* pauses between tries for a lock */
#define LOCK_LAST  OX_MS(25)
#define NOW_MOST   OX_KIB(256)          /* copied in the time that a thread needs to answer */
#define POSITION   (-1)                 /* instead of an offset: the file's own */
#define INVALID    (-2)

/* ---- open and close ---- */

int oxi_file_new(int fd, bool writable, struct oxi_replacement *replacement, ox_file **ret)
{
	ox_file *f = oxi_alloc(sizeof(*f));

	if (f == NULL) {
		close(fd);
		return OX_ENOMEM;
	}
	f->magic = FILE_MAGIC;
	f->fd = fd;
	f->writable = writable;
	f->replacement = replacement;
	*ret = f;
	return 0;
}

struct opening {
	int flags, fd, error;
	mode_t mode;
	char path[];
};

static void open_path(void *arg)
{
	struct opening *o = arg;

	o->fd = open(o->path, o->flags | O_CLOEXEC | O_NOCTTY, o->mode);
	o->error = errno;
}

static void opened_in_vain(void *arg)
{
	struct opening *o = arg;

	if (o->fd >= 0)
		close(o->fd);
	oxi_free(o);
}

int ox_file_open(const char *path, int flags, mode_t mode, ox_file **ret)
{
	struct opening *o;
	size_t len;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	len = strlen(path) + 1;
	o = oxi_alloc(sizeof(*o) + len);
	if (o == NULL)
		return OX_ENOMEM;
	*o = (struct opening){ .flags = flags, .fd = -1, .mode = mode };
	memcpy(o->path, path, len);
	r = oxi_thread_run(OXI_THREAD_FILE, open_path, o, opened_in_vain, "open");
	if (r == OX_ECANCELED)
		return r;
	if (r == 0)
		r = o->fd < 0 ? -o->error : oxi_file_new(o->fd, (flags & O_ACCMODE) != O_RDONLY, NULL, ret);
	oxi_free(o);
	return r;
}

int ox_file_adopt(int fd, ox_file **ret)
{
	int flags = fcntl(fd, F_GETFL);

	if (oxi_forked())
		return OX_EFORKED;
	if (flags < 0)
		return -errno;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return oxi_file_new(fd, (flags & O_ACCMODE) != O_RDONLY, NULL, ret);
}

static oxi_abort_answer not_now(struct oxi_wait *w)
{
	(void)w;
	return OXI_LATER;
}

void oxi_file_begin_close(ox_file *f)
{
	struct oxi_wait w;

	f->closing = true;
	if (f->users == 0)
		return;
	oxi_wait_init(&w, "close", f, not_now);
	f->closer = &w;
	oxi_park(&w);
}

void oxi_file_free(ox_file *f)
{
	f->magic = 0;
	oxi_free(f->replacement);
	oxi_free(f);
}

struct closing {
	int fd, error;
	struct oxi_replacement *drop;
};

static void close_fd(void *arg)
{
	struct closing *c = arg;

	if (c->drop)
		oxi_replacement_drop(c->drop);
	c->error = close(c->fd) < 0 ? -errno : 0;
}

int ox_file_close(ox_file *f)
{
	struct closing c;
	int r;

	if (f == NULL)
		return 0;
	r = oxi_checkpoint();
	if (r == OX_EFORKED)
		return r;
	OXI_CHECK_OBJECT(f, FILE_MAGIC);
	OXI_CHECK(!f->closing && (r != OX_ESTATE || f->users == 0));
	c = (struct closing){ .fd = f->fd, .drop = f->replacement };
	if (f->users > 0)
		oxi_file_begin_close(f);
	/* in a coroutine in a thread, unless that is refused; otherwise here */
	if (r == OX_ESTATE || !f->writable || oxi_thread_run(OXI_THREAD_FILE, close_fd, &c, NULL, "close") < 0)
		close_fd(&c);
	oxi_file_free(f);
	return c.error;
}

/* ---- calls ---- */

static void leave(ox_file *f)
{
	if (--f->users == 0 && f->closer)
		oxi_wake(f->closer, 0);
}

int oxi_file_enter(ox_file *f)
{
	bool closing;
	int r;

	OXI_CHECK_OBJECT(f, FILE_MAGIC);
	if (f->closing)
		return OX_ECLOSED;
	f->users++;                     /* others may run now, and one of them closes it */
	r = oxi_checkpoint();
	closing = f->closing;
	leave(f);
	return closing ? OX_ECLOSED : r;
}

int oxi_file_run(ox_file *f, void (*fn)(void *arg), void *arg, const char *what)
{
	int r;

	f->users++;
	r = oxi_thread_run(OXI_THREAD_FILE, fn, arg, NULL, what);
	leave(f);
	return r;
}

/* ---- reading and writing ---- */

static ssize_t transfer_once(const struct oxi_transfer *t, int flags)
{
	struct iovec v = { t->buf + t->done, t->len - t->done };
	off_t at = t->offset < 0 ? -1 : t->offset + (off_t)t->done;

	return t->write ? pwritev2(t->fd, &v, 1, at, flags) : preadv2(t->fd, &v, 1, at, flags);
}

void oxi_transfer(struct oxi_transfer *t, int flags)
{
	t->error = 0;
	while (t->done < t->len) {
		ssize_t n = transfer_once(t, flags);

		if (n > 0) {
			t->done += (size_t)n;
		} else if (n == 0) {
			return;
		} else if (errno != EINTR) {
			t->error = -errno;
			return;
		}
	}
}

static void transfer_in_thread(void *t)
{
	oxi_transfer(t, 0);
}

/*
 * EAGAIN: would wait. Others (EOPNOTSUPP, or EINVAL of an old kernel): cannot tell. Real errors come again
 * without the flag.
 */
static void transfer_now(ox_file *f, struct oxi_transfer *t)
{
	t->error = -EAGAIN;
	if (t->len > NOW_MOST || (t->write && f->no_nowait))
		return;
	oxi_transfer(t, RWF_NOWAIT);
	if (t->write && t->error == -EOPNOTSUPP)
		f->no_nowait = true;
}

static ssize_t transfer(ox_file *f, struct oxi_transfer *t)
{
	int r = oxi_file_enter(f);

	if (r < 0)
		return r;
	if (t->offset == INVALID)
		return OX_EINVAL;
	t->fd = f->fd;
	transfer_now(f, t);
	if (t->error)
		r = oxi_file_run(f, transfer_in_thread, t, t->write ? "file write" : "file read");
	if (t->done > 0)
		return (ssize_t)t->done;
	return r < 0 ? r : t->error;
}

ssize_t ox_file_read(ox_file *f, void *buf, size_t cap)
{
	return transfer(f, &(struct oxi_transfer){ .buf = buf, .len = cap, .offset = POSITION });
}

ssize_t ox_file_pread(ox_file *f, void *buf, size_t cap, int64_t offset)
{
	struct oxi_transfer t = { .buf = buf, .len = cap, .offset = offset < 0 ? INVALID : offset };

	return transfer(f, &t);
}

/* The buffer is only read. */
static ssize_t transfer_out(ox_file *f, const void *buf, size_t len, int64_t offset)
{
	struct oxi_transfer t = { .write = true, .buf = (char *)(uintptr_t)buf, .len = len, .offset = offset };

	return transfer(f, &t);
}

ssize_t ox_file_write(ox_file *f, const void *buf, size_t len)
{
	return transfer_out(f, buf, len, POSITION);
}

ssize_t ox_file_pwrite(ox_file *f, const void *buf, size_t len, int64_t offset)
{
	return transfer_out(f, buf, len, offset < 0 ? INVALID : offset);
}

int64_t ox_file_seek(ox_file *f, int64_t offset, int whence)
{
	off_t at;

	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(f, FILE_MAGIC);
	if (f->closing)
		return OX_ECLOSED;
	at = lseek(f->fd, offset, whence);
	return at < 0 ? -errno : at;
}

int ox_file_fd(const ox_file *f)
{
	OXI_CHECK_OBJECT(f, FILE_MAGIC);
	return f->fd;
}

/* ---- the others ---- */

struct request {
	int fd, how, result;
	int64_t size;
	struct stat *stat;
};

static int file_request(ox_file *f, void (*fn)(void *arg), struct request *q, const char *what)
{
	int r = oxi_file_enter(f);

	if (r < 0)
		return r;
	q->fd = f->fd;
	r = oxi_file_run(f, fn, q, what);
	return r < 0 ? r : q->result;
}

static void sync_all(void *arg)
{
	struct request *q = arg;

	q->result = fsync(q->fd) < 0 ? -errno : 0;
}

static void sync_data(void *arg)
{
	struct request *q = arg;

	q->result = fdatasync(q->fd) < 0 ? -errno : 0;
}

static void set_size(void *arg)
{
	struct request *q = arg;

	q->result = ftruncate(q->fd, q->size) < 0 ? -errno : 0;
}

static void get_stat(void *arg)
{
	struct request *q = arg;

	q->result = fstat(q->fd, q->stat) < 0 ? -errno : 0;
}

int ox_file_sync(ox_file *f)
{
	return file_request(f, sync_all, &(struct request){ .fd = -1 }, "file sync");
}

int ox_file_sync_data(ox_file *f)
{
	return file_request(f, sync_data, &(struct request){ .fd = -1 }, "file sync");
}

int ox_file_truncate(ox_file *f, int64_t size)
{
	return file_request(f, set_size, &(struct request){ .size = size }, "file truncate");
}

int ox_file_stat(ox_file *f, struct stat *ret)
{
	return file_request(f, get_stat, &(struct request){ .stat = ret }, "file stat");
}

/* ---- locking ---- */

static void try_lock(void *arg)
{
	struct request *q = arg;
	struct flock l = { .l_type = (short)q->how, .l_whence = SEEK_SET };

	q->result = fcntl(q->fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
	if (q->result == -EAGAIN || q->result == -EACCES)
		q->result = OX_EBUSY;
}

/*
 * The blocking form could not be cancelled but by a signal, and an abandoned one would lock later, when
 * nobody wants it.
 */
static int lock(ox_file *f, int type, bool wait)
{
	struct request q = { .how = type };
	ox_time pause = LOCK_FIRST;

	for (;;) {
		int r = file_request(f, try_lock, &q, "file lock");

		if (r != OX_EBUSY || !wait)
			return r;
		r = ox_sleep(pause);
		if (r < 0)
			return r;
		pause = pause < LOCK_LAST / 2 ? 2 * pause : LOCK_LAST;
	}
}

int ox_file_lock(ox_file *f, int how)
{
	int kind = how & ~LOCK_NB, r;

	if (kind != LOCK_EX && kind != LOCK_SH && kind != LOCK_UN)
		return OX_EINVAL;
	r = oxi_file_enter(f);
	if (r < 0)
		return r;
	f->users++;                     /* between the tries, too: the file may be closed meanwhile */
	r = lock(f, kind == LOCK_EX ? F_WRLCK : kind == LOCK_SH ? F_RDLCK : F_UNLCK, !(how & LOCK_NB));
	leave(f);
	return r;
}
