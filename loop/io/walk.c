/* SPDX-License-Identifier: MIT */
/*
 * Walking through a tree. The open folders from the root down to where the walk is form a stack; each is
 * opened below the one above it and never through a symbolic link, so whoever moves things about meanwhile
 * cannot lead the walk out of the tree. One buffer holds the path: a level knows how much of it is its own.
 *
 * A folder is opened before it is told of, so that its entry says whether its contents will come.
 */
#include <string.h>

#include "loop/io/dir.h"

#define WALK_MAGIC 0x6b6c617700000001ull

struct level {
	ox_dir *dir;
	size_t path_len;
};

struct ox_walk {
	uint64_t magic;
	bool contents_first;
	bool entered;                   /* the entry told last is the folder on top of the stack */
	bool busy;                      /* a coroutine is in ox_walk_next() */
	bool pending;                   /* entry was taken from the top folder, and is not done with */
	ox_dir_entry entry;
	struct level *levels;
	unsigned depth, cap;            /* of levels: used, allocated */
	char *path;
	size_t path_cap;
};

void ox_walk_options_init(ox_walk_options *o)
{
	*o = *OX_WALK_OPTIONS(.size = sizeof(*o));
}

/* ---- the stack and the path ---- */

static int reserve_level(ox_walk *w)
{
	struct level *levels;

	if (w->depth < w->cap)
		return 0;
	levels = oxi_realloc(w->levels, (w->cap + 16) * sizeof(*levels));
	if (levels == NULL)
		return OX_ENOMEM;
	w->levels = levels;
	w->cap += 16;
	return 0;
}

static void push(ox_walk *w, ox_dir *dir, size_t path_len)
{
	w->levels[w->depth++] = (struct level){ .dir = dir, .path_len = path_len };
}

static void pop(ox_walk *w)
{
	ox_dir_close(w->levels[--w->depth].dir);
}

/* Sets the path to that of the top level and a name; its new length. */
static int join(ox_walk *w, const char *name, size_t *ret_len)
{
	size_t len = w->depth ? w->levels[w->depth - 1].path_len : 0, name_len = strlen(name), cap = len + name_len + 2;
	char *path;

	if (cap > w->path_cap) {
		path = oxi_realloc(w->path, 2 * cap);
		if (path == NULL)
			return OX_ENOMEM;
		w->path = path;
		w->path_cap = 2 * cap;
	}
	if (len > 0 && w->path[len - 1] != '/')
		w->path[len++] = '/';
	memcpy(w->path + len, name, name_len + 1);
	*ret_len = len + name_len;
	return 0;
}

int ox_walk_open(const char *root, const ox_walk_options *o, ox_walk **ret)
{
	ox_walk *w;
	ox_dir *dir;
	size_t len;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	w = oxi_alloc(sizeof(*w));
	if (w == NULL)
		return OX_ENOMEM;
	w->magic = WALK_MAGIC;
	w->contents_first = o && o->contents_first;
	r = join(w, root, &len);
	if (r == 0)
		r = reserve_level(w);
	if (r == 0)
		r = oxi_dir_open_at(NULL, root, false, &dir);
	if (r < 0) {
		ox_walk_close(w);
		return r;
	}
	push(w, dir, len);
	*ret = w;
	return 0;
}

/* ---- steps ---- */

static void tell(const ox_walk *w, mode_t type, unsigned depth, int error, ox_walk_entry *ret)
{
	const char *slash = strrchr(w->path, '/');

	*ret = (ox_walk_entry){
		.path = w->path,
		.name = slash ? slash + 1 : w->path,
		.type = type,
		.depth = depth,
		.error = error,
	};
}

/* The top folder is over. 1: it is to be told of. */
static int ascend(ox_walk *w, ox_walk_entry *ret)
{
	size_t len = w->levels[w->depth - 1].path_len;

	pop(w);
	if (!w->contents_first || w->depth == 0)
		return 0;
	w->path[len] = '\0';
	tell(w, S_IFDIR, w->depth - 1, 0, ret);
	return 1;
}

/* A name of the top folder. 1: it is to be told of now. Negative: it is still to be visited. */
static int visit(ox_walk *w, ox_walk_entry *ret)
{
	const ox_dir_entry *e = &w->entry;
	unsigned depth = w->depth - 1;
	ox_dir *dir = NULL;
	size_t len;
	int r = join(w, e->name, &len), error = 0;

	if (r == 0)
		r = reserve_level(w);
	if (r < 0)
		return r;
	if (S_ISDIR(e->type)) {
		error = oxi_dir_open_at(w->levels[depth].dir, e->name, true, &dir);
		if (error == OX_ECANCELED || error == OX_ENOMEM)
			return error;
	}
	w->pending = false;
	if (dir) {
		push(w, dir, len);
		w->entered = true;
		if (w->contents_first)
			return 0;
	}
	tell(w, e->type, depth, error, ret);
	return 1;
}

static int step(ox_walk *w, ox_walk_entry *ret)
{
	int r = 1;

	if (!w->pending)
		r = ox_dir_next(w->levels[w->depth - 1].dir, &w->entry);
	if (r == 0)
		return ascend(w, ret);
	if (r > 0) {
		w->pending = true;
		return visit(w, ret);
	}
	if (r != OX_ECANCELED && r != OX_ENOMEM)
		pop(w);
	return r;
}

int ox_walk_next(ox_walk *w, ox_walk_entry *ret)
{
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(w, WALK_MAGIC);
	if (w->busy)
		return OX_EBUSY;
	w->busy = true;
	w->entered = false;
	while (r == 0 && w->depth > 0)
		r = step(w, ret);
	w->busy = false;
	return r;
}

void ox_walk_skip(ox_walk *w)
{
	OXI_CHECK_OBJECT(w, WALK_MAGIC);
	if (w->entered && !w->contents_first && !oxi_forked())
		pop(w);
	w->entered = false;
}

void ox_walk_close(ox_walk *w)
{
	if (w == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(w, WALK_MAGIC);
	OXI_CHECK(!w->busy);
	while (w->depth > 0)
		pop(w);
	w->magic = 0;
	oxi_free(w->levels);
	oxi_free(w->path);
	oxi_free(w);
}
