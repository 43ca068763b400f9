/* SPDX-License-Identifier: MIT */
/* Folders: what is in one, and what is in one and all below it. Reading them runs in threads, see file.h. */
#ifndef OXBOW_DIR_H
#define OXBOW_DIR_H

#include <oxbow/base.h>
#include <sys/stat.h>

OX_BEGIN

/* ---- one folder ---- */

typedef struct ox_dir ox_dir;

/** A name in a folder. "." and ".." are left out. */
typedef struct ox_dir_entry {
	const char *name;               /* borrowed until the next call on the folder */
	mode_t type;                    /* for S_ISREG(), S_ISDIR(), S_ISLNK() and so on */
	uint64_t inode;
} ox_dir_entry;

/**
 * Opens a folder for reading.
 *
 * @ret: owned: ox_dir_close() or OX_AUTO_DIR. Returns: 0; OX_ECANCELED, OX_ENOMEM, -errno. Yields: always.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_dir_open(const char *path, ox_dir **ret);

/**
 * Gives the next name, in the order of the file system.
 *
 * Returns: 1; 0 at the end; OX_EBUSY (another coroutine is reading), OX_ECANCELED, -errno. Yields: now and
 * then. Cancel: nothing is lost. Since: 0.1
 */
OX_API OX_YIELDS int ox_dir_next(ox_dir *d, ox_dir_entry *ret);

/** Closes a folder that nobody is reading. Takes NULL. Since: 0.1 */
OX_API void ox_dir_close(ox_dir *d);
static inline void ox_dir_auto_(ox_dir **d) { ox_dir_close(*d); }
#define OX_AUTO_DIR __attribute__((cleanup(ox_dir_auto_))) ox_dir

/* ---- a tree of folders ---- */

typedef struct ox_walk ox_walk;

typedef struct ox_walk_options {
	size_t size;
	bool contents_first;            /* a folder comes after what is in it: for removing */
} ox_walk_options;
#define OX_WALK_OPTIONS(...) (&(ox_walk_options){ .size = sizeof(ox_walk_options), __VA_ARGS__ })
OX_API void ox_walk_options_init(ox_walk_options *o);

typedef struct ox_walk_entry {
	const char *path;               /* from the root on, as that was given; borrowed until the next call on the walk */
	const char *name;               /* the last part of it */
	mode_t type;                    /* as of ox_dir_entry; symbolic links are not followed */
	unsigned depth;                 /* 0: in the root itself */
	int error;                      /* of a folder: why it cannot be read; 0 */
} ox_walk_entry;

/**
 * Begins a walk through all that is below a folder.
 *
 * @o: NULL for the defaults. @ret: owned: ox_walk_close() or OX_AUTO_WALK.
 * Returns: 0; OX_ECANCELED, OX_ENOMEM, -errno. Yields: always. Since: 0.1
 */
OX_API OX_YIELDS int ox_walk_open(const char *root, const ox_walk_options *o, ox_walk **ret);

/**
 * Gives the next name: each once, a folder before what is in it (unless .contents_first). Uses a descriptor
 * for each level.
 *
 * Returns: 1; 0 at the end; OX_EBUSY, OX_ECANCELED, OX_ENOMEM, -errno (of one folder: the next call goes on
 * behind it). Yields: now and then. Cancel: nothing is lost. Since: 0.1
 */
OX_API OX_YIELDS int ox_walk_next(ox_walk *w, ox_walk_entry *ret);

/** Leaves out what is in the folder that came last. Since: 0.1 */
OX_API void ox_walk_skip(ox_walk *w);

/** Ends a walk. Takes NULL. Since: 0.1 */
OX_API void ox_walk_close(ox_walk *w);
static inline void ox_walk_auto_(ox_walk **w) { ox_walk_close(*w); }
#define OX_AUTO_WALK __attribute__((cleanup(ox_walk_auto_))) ox_walk

OX_END

#endif
