/* SPDX-License-Identifier: MIT */
/* Watching files and folders: what others do to them comes as a stream of events (inotify). */
#ifndef OXBOW_WATCH_H
#define OXBOW_WATCH_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_watch ox_watch;

/** What has happened, and what is asked for. */
enum {
	OX_WATCH_CREATED    = 1u,       /* a name is there that was not */
	OX_WATCH_WRITTEN    = 2u,       /* a file that was open for writing has been closed */
	OX_WATCH_REMOVED    = 4u,
	OX_WATCH_MOVED_FROM = 8u,       /* a name has gone elsewhere, */
	OX_WATCH_MOVED_TO   = 16u,      /* or come from there; both have one number if they belong together */
	OX_WATCH_MODIFIED   = 32u,      /* written to: each time */
	OX_WATCH_ATTRIBUTES = 64u,      /* permissions, times and the like */
	OX_WATCH_GONE       = 128u,     /* what is watched is not there any more: the last event */
	OX_WATCH_OVERFLOW   = 256u,     /* too much has happened at a time, and some of it is not told: look for yourself */
};

typedef struct ox_watch_options {
	size_t size;
	unsigned events;                /* which; 0: all but MODIFIED and ATTRIBUTES. GONE and OVERFLOW come anyway */
	bool recursive;                 /* a folder with all below it, also what is made later */
} ox_watch_options;
#define OX_WATCH_OPTIONS(...) (&(ox_watch_options){ .size = sizeof(ox_watch_options), __VA_ARGS__ })
OX_API void ox_watch_options_init(ox_watch_options *o);

typedef struct ox_watch_event {
	unsigned what;                  /* one of OX_WATCH_... */
	const char *path;               /* from the watched path on, as that was given; borrowed until the next call on the watch */
	bool folder;
	uint32_t move;                  /* of MOVED_FROM and MOVED_TO */
} ox_watch_event;

/**
 * Begins to watch a file, or the names in a folder and the files under these names.
 *
 * @o: NULL for the defaults. @ret: owned: ox_watch_close() or OX_AUTO_WATCH.
 * Returns: 0; OX_ECANCELED, OX_ENOMEM, -errno (-ENOSPC: fs.inotify.max_user_watches; -EMFILE: the same,
 * max_user_instances). Yields: always. Since: 0.1
 */
OX_API OX_YIELDS int ox_watch_open(const char *path, const ox_watch_options *o, ox_watch **ret);

/**
 * Gives the next event.
 *
 * In a folder that comes into a recursive watch, all that is in it already is told of as CREATED; what is
 * made there at that moment may come twice. What happens in a folder while it is moved within the tree may not
 * come, but the names in it do, as CREATED.
 *
 * Returns: 1; 0 after OX_WATCH_GONE; OX_EBUSY (another coroutine waits here), OX_ECANCELED, OX_ENOMEM,
 * -errno. Yields: until there is one. Cancel: nothing is lost. Since: 0.1
 */
OX_API OX_YIELDS int ox_watch_next(ox_watch *w, ox_watch_event *ret);

/** Ends the watch; nobody waits there. Takes NULL. Since: 0.1 */
OX_API void ox_watch_close(ox_watch *w);
static inline void ox_watch_auto_(ox_watch **w) { ox_watch_close(*w); }
#define OX_AUTO_WATCH __attribute__((cleanup(ox_watch_auto_))) ox_watch

OX_END

#endif
