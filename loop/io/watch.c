/* SPDX-License-Identifier: MIT */
/*
 * Watching, by inotify(7). The kernel watches single folders and tells of names in them, so a recursive watch
 * has one of the kernel's for each folder, and a table that says which folder is meant.
 *
 * A folder that comes into the tree may have contents already. So it is watched first, then listed, and the
 * names found are told of as if they had just been created; folders among them come into the tree in the same
 * way. Between the two a name may be told of twice, never not at all. What is moved away is forgotten with
 * all below it; elsewhere in the tree it is new.
 *
 *	       .---------------- a folder among them -----.
 *	       v                                          |
 *	arrivals: watched, opened --> listing: names told --> the kernel's events told
 *	       ^                                          |
 *	       '----------------- a folder came ----------'
 *
 * After an overflow nobody knows what is missing: the user is told, and the root arrives again, silently, so
 * that folders that are not watched yet are found.
 *
 * Looking paths up is done in threads; the events are read where they are waited for.
 */
#include <oxbow/watch.h>

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "loop/io/dir.h"
#include "loop/io/thread.h"

#define WATCH_MAGIC 0x6863746177000001ull
#define DEFAULTS    (OX_WATCH_CREATED | OX_WATCH_WRITTEN | OX_WATCH_REMOVED | OX_WATCH_MOVED_FROM | OX_WATCH_MOVED_TO)

struct folder {
	int wd;
	char *path;
};

struct arrival {
	struct oxi_list link;
	bool root;                      /* of the tree: may be a symbolic link */
	bool watched;                   /* already */
	bool silent;                    /* what is in it is not told of */
	char path[];
};

struct ox_watch {
	uint64_t magic;
	int fd;
	unsigned events;                /* that are asked for */
	bool recursive;
	bool busy;                      /* a coroutine is in ox_watch_next() */
	bool gone;
	int root;                       /* its wd */
	struct folder *folders;         /* by wd, rising: new ones are the highest */
	size_t len, cap;
	struct oxi_list arrivals;       /* folders that have come into the tree */
	struct arrival *listing;        /* the one that is being listed; or NULL */
	ox_dir *dir;                    /* while listing */
	ox_dir_entry entry;             /* taken from dir, */
	bool pending;                   /* and not done with */
	char *path;                     /* of the event told last */
	size_t path_cap;
	size_t at, filled;              /* of buffer: done with; there */
	_Alignas(struct inotify_event) char buffer[OX_KIB(16)];
};

static const struct {
	uint32_t kernel;
	unsigned ours;
} kinds[] = {
	{ IN_CREATE, OX_WATCH_CREATED },
	{ IN_CLOSE_WRITE, OX_WATCH_WRITTEN },
	{ IN_DELETE, OX_WATCH_REMOVED },
	{ IN_MOVED_FROM, OX_WATCH_MOVED_FROM },
	{ IN_MOVED_TO, OX_WATCH_MOVED_TO },
	{ IN_MODIFY, OX_WATCH_MODIFIED },
	{ IN_ATTRIB, OX_WATCH_ATTRIBUTES },
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* ---- the table of folders ---- */

/* Where wd is, or would be. */
static size_t find(const ox_watch *w, int wd)
{
	size_t low = 0, high = w->len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (w->folders[middle].wd < wd)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct folder *folder_of(const ox_watch *w, int wd)
{
	size_t i = find(w, wd);

	return i < w->len && w->folders[i].wd == wd ? &w->folders[i] : NULL;
}

static void forget(ox_watch *w, struct folder *f)
{
	oxi_free(f->path);
	memmove(f, f + 1, (size_t)(w->folders + --w->len - f) * sizeof(*f));
}

static int reserve(ox_watch *w)
{
	size_t cap = w->cap ? 2 * w->cap : 8;
	struct folder *folders;

	if (w->len < w->cap)
		return 0;
	folders = oxi_realloc(w->folders, cap * sizeof(*folders));
	if (folders == NULL)
		return OX_ENOMEM;
	w->folders = folders;
	w->cap = cap;
	return 0;
}

/* Takes the path. The kernel gives the same number again for a folder that is watched already. */
static void remember(ox_watch *w, int wd, char *path)
{
	size_t i = find(w, wd);

	if (i < w->len && w->folders[i].wd == wd) {
		oxi_free(w->folders[i].path);
	} else {
		memmove(&w->folders[i + 1], &w->folders[i], (w->len - i) * sizeof(*w->folders));
		w->len++;
	}
	w->folders[i] = (struct folder){ .wd = wd, .path = path };
}

/* A folder has left the tree, and so has all below it. */
static void forget_below(ox_watch *w, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = w->len; i-- > 0;) {
		struct folder *f = &w->folders[i];

		if (strncmp(f->path, path, len) == 0 && (f->path[len] == '/' || f->path[len] == '\0')) {
			inotify_rm_watch(w->fd, f->wd);
			forget(w, f);
		}
	}
}

/* ---- adding ---- */

struct adding {
	int fd, wd;
	const char *path;
	uint32_t mask;
};

static void add(void *arg)
{
	struct adding *a = arg;
	int wd = inotify_add_watch(a->fd, a->path, a->mask);

	a->wd = wd < 0 ? -errno : wd;
}

static uint32_t mask_of(const ox_watch *w)
{
	uint32_t mask = w->recursive ? IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO : 0;

	for (size_t i = 0; i < KINDS; i++)
		if (w->events & kinds[i].ours)
			mask |= kinds[i].kernel;
	return mask;
}

/* The wd of a path that is watched from now on; negative. */
static int watch_path(ox_watch *w, const char *path, uint32_t how)
{
	struct adding a = { .fd = w->fd, .path = path, .mask = mask_of(w) | how };
	size_t len = strlen(path) + 1;
	char *copy;
	int r = reserve(w);

	if (r < 0)
		return r;
	copy = oxi_alloc(len);
	if (copy == NULL)
		return OX_ENOMEM;
	memcpy(copy, path, len);
	r = oxi_thread_run(OXI_THREAD_FILE, add, &a, NULL, "watch");
	if (r == 0)
		r = a.wd;
	if (r >= 0)
		remember(w, r, copy);
	else
		oxi_free(copy);
	return r;
}

/* ---- folders that come ---- */

static int arrive(ox_watch *w, const char *path, bool root, bool silent)
{
	size_t len = strlen(path) + 1;
	struct arrival *a = oxi_alloc(sizeof(*a) + len);

	if (a == NULL)
		return OX_ENOMEM;
	a->root = a->watched = root;
	a->silent = silent;
	memcpy(a->path, path, len);
	oxi_list_append(&w->arrivals, &a->link);
	return 0;
}

/* That it has gone again, or may not be read, is no error. */
static bool harmless(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ELOOP;
}

/* The first of the arrivals is watched, and its listing begins. */
static int admit(ox_watch *w)
{
	struct arrival *a = OXI_CONTAINER(w->arrivals.next, struct arrival, link);
	int r = a->watched ? 0 : watch_path(w, a->path, IN_ONLYDIR | IN_DONT_FOLLOW);

	if (r >= 0) {
		a->watched = true;
		r = oxi_dir_open_at(NULL, a->path, !a->root, &w->dir);
	}
	if (r == OX_ECANCELED || r == OX_ENOMEM)
		return r;               /* and is tried again */
	oxi_list_remove(&a->link);
	if (r == 0) {
		w->listing = a;
		return 0;
	}
	oxi_free(a);
	return harmless(r) ? 0 : r;
}

static void end_listing(ox_watch *w)
{
	ox_dir_close(w->dir);
	oxi_free(w->listing);
	w->dir = NULL;
	w->listing = NULL;
}

/* ---- telling ---- */

static int set_path(ox_watch *w, const char *folder, const char *name)
{
	size_t len = strlen(folder), name_len = strlen(name), cap = len + name_len + 2;
	char *path;

	if (cap > w->path_cap) {
		path = oxi_realloc(w->path, 2 * cap);
		if (path == NULL)
			return OX_ENOMEM;
		w->path = path;
		w->path_cap = 2 * cap;
	}
	memcpy(w->path, folder, len);
	if (len > 0 && name_len > 0 && folder[len - 1] != '/')
		w->path[len++] = '/';
	memcpy(w->path + len, name, name_len + 1);
	return 0;
}

static int tell(const ox_watch *w, unsigned what, bool folder, uint32_t move, ox_watch_event *ret)
{
	*ret = (ox_watch_event){ .what = what, .path = w->path, .folder = folder, .move = move };
	return 1;
}

/* A name of the folder that is listed. 1: it is told of. */
static int list_one(ox_watch *w, ox_watch_event *ret)
{
	bool folder;
	int r = 1;

	if (!w->pending)
		r = ox_dir_next(w->dir, &w->entry);
	if (r == OX_ECANCELED)
		return r;
	if (r <= 0) {
		end_listing(w);
		return harmless(r) ? 0 : r;
	}
	w->pending = true;
	folder = S_ISDIR(w->entry.type);
	r = set_path(w, w->listing->path, w->entry.name);
	if (r == 0 && folder)
		r = arrive(w, w->path, false, w->listing->silent);
	if (r < 0)
		return r;
	w->pending = false;
	if (w->listing->silent || !(w->events & OX_WATCH_CREATED))
		return 0;
	return tell(w, OX_WATCH_CREATED, folder, 0, ret);
}

static int gone(ox_watch *w, ox_watch_event *ret)
{
	w->gone = true;
	return tell(w, OX_WATCH_GONE, false, 0, ret);
}

static int overflown(ox_watch *w, ox_watch_event *ret)
{
	struct folder *root = folder_of(w, w->root);
	int r = root ? set_path(w, root->path, "") : 0;

	if (r == 0 && w->recursive && root)
		r = arrive(w, root->path, true, true);
	return r < 0 ? r : tell(w, OX_WATCH_OVERFLOW, false, 0, ret);
}

/* Something in a folder, or about it. */
static int happened(ox_watch *w, struct folder *f, const struct inotify_event *e, ox_watch_event *ret)
{
	bool folder = e->mask & IN_ISDIR;
	unsigned what = 0;
	int r = set_path(w, f->path, e->len ? e->name : "");

	for (size_t i = 0; i < KINDS; i++)
		if (e->mask & kinds[i].kernel)
			what = kinds[i].ours;
	if (r == 0 && w->recursive && folder && e->mask & (IN_CREATE | IN_MOVED_TO))
		r = arrive(w, w->path, false, false);
	if (r < 0)
		return r;
	if (w->recursive && folder && e->mask & IN_MOVED_FROM)
		forget_below(w, w->path);
	return what & w->events ? tell(w, what, folder, e->cookie, ret) : 0;
}

static int kernel_event(ox_watch *w, const struct inotify_event *e, ox_watch_event *ret)
{
	struct folder *f = folder_of(w, e->wd);

	if (e->mask & IN_Q_OVERFLOW)
		return overflown(w, ret);
	if (f == NULL)
		return 0;               /* of a folder that is forgotten */
	if (e->wd == w->root && e->mask & (IN_IGNORED | IN_MOVE_SELF)) {
		int r = set_path(w, f->path, "");

		return r < 0 ? r : gone(w, ret);
	}
	if (e->mask & IN_IGNORED) {
		forget(w, f);
		return 0;
	}
	return happened(w, f, e, ret);
}

static int next_kernel_event(ox_watch *w, ox_watch_event *ret)
{
	const struct inotify_event *e = (const struct inotify_event *)(const void *)(w->buffer + w->at);
	int r = kernel_event(w, e, ret);

	if (r >= 0)
		w->at += sizeof(*e) + e->len;
	return r;
}

/* Waits for events of the kernel. */
static int fill(ox_watch *w)
{
	ssize_t n;

	while ((n = read(w->fd, w->buffer, sizeof(w->buffer))) < 0) {
		int r = errno == EAGAIN ? ox_wait_fd(w->fd, OX_READABLE) : errno == EINTR ? 0 : -errno;

		if (r < 0)
			return r;
	}
	w->at = 0;
	w->filled = (size_t)n;
	return 0;
}

static int step(ox_watch *w, ox_watch_event *ret)
{
	if (w->listing)
		return list_one(w, ret);
	if (!oxi_list_empty(&w->arrivals))
		return admit(w);
	return w->at < w->filled ? next_kernel_event(w, ret) : fill(w);
}

/* ---- public ---- */

void ox_watch_options_init(ox_watch_options *o)
{
	*o = *OX_WATCH_OPTIONS(.size = sizeof(*o));
}

static int begin(ox_watch *w, const char *path)
{
	int r;

	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	w->root = r = watch_path(w, path, IN_DELETE_SELF | IN_MOVE_SELF);
	if (r >= 0)
		r = w->recursive ? arrive(w, path, true, true) : 0;
	while (r == 0 && (w->listing || !oxi_list_empty(&w->arrivals)))
		r = step(w, NULL);      /* silent: nothing is told */
	return r;
}

int ox_watch_open(const char *path, const ox_watch_options *o, ox_watch **ret)
{
	ox_watch *w;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	w = oxi_alloc(sizeof(*w));
	if (w == NULL)
		return OX_ENOMEM;
	w->magic = WATCH_MAGIC;
	w->events = o && o->events ? o->events : DEFAULTS;
	w->recursive = o && o->recursive;
	oxi_list_init(&w->arrivals);
	r = begin(w, path);
	if (r < 0)
		ox_watch_close(w);
	else
		*ret = w;
	return r;
}

int ox_watch_next(ox_watch *w, ox_watch_event *ret)
{
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(w, WATCH_MAGIC);
	if (w->busy)
		return OX_EBUSY;
	w->busy = true;
	while (r == 0 && !w->gone)
		r = step(w, ret);
	w->busy = false;
	return r;
}

void ox_watch_close(ox_watch *w)
{
	struct oxi_list *e;

	if (w == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(w, WATCH_MAGIC);
	OXI_CHECK(!w->busy);
	w->magic = 0;
	if (w->fd >= 0)
		close(w->fd);
	end_listing(w);
	while ((e = oxi_list_shift(&w->arrivals)))
		oxi_free(OXI_CONTAINER(e, struct arrival, link));
	for (size_t i = 0; i < w->len; i++)
		oxi_free(w->folders[i].path);
	oxi_free(w->folders);
	oxi_free(w->path);
	oxi_free(w);
}
