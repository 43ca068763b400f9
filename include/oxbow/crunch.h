/* SPDX-License-Identifier: MIT */
/*
 * Crunch functions: what `oxbow crawl --crunch ./plugin.so:fn` calls for each HTML page, in a worker process.
 * The function reads the page and writes the members of a JSON object, the page's "value" in the results:
 *
 *	#include <oxbow/crunch.h>
 *
 *	int size(const ox_page *page, ox_page_reply *out)
 *	{
 *		ox_page_put_int(out, "bytes", (int64_t)page->body.len);
 *		return 0;
 *	}
 *
 *	cc -shared -fPIC -o size.so size.c          (nothing to link; ox_crunch_fn is its type)
 *
 * The plugin is loaded before the workers are forked. A worker has one thread, keeps its globals from page to
 * page, and sees some of the pages. If it crashes, or takes longer than --crunch-timeout, that page's crunch
 * fails and nothing else does.
 */
#ifndef OXBOW_CRUNCH_H
#define OXBOW_CRUNCH_H

#include <oxbow/base.h>

OX_BEGIN

/** A page as it was fetched. Valid until the function returns; all of it is read-only. */
typedef struct ox_page {
	size_t size;                    /* of this struct, as the program knows it */
	const char *url;                /* the final one, after redirects */
	int status;                     /* of HTTP */
	const char *type;               /* the Content-Type header; "" if there was none */
	ox_bytes body;                  /* as it came, content encodings undone */
	ox_bytes text;                  /* what a reader would see, as UTF-8; a NUL follows it */
	const char *charset;            /* what the body is written in, "utf-8" say */
	ox_bytes title;                 /* what stands in <title>, as UTF-8; a NUL follows it */
	const ox_bytes *links;          /* links_n of them, each once, as they stand in the page, without #fragments */
	size_t links_n;
} ox_page;

/**
 * Where a crunch function writes its value. Made by the program, used by the calls below.
 *
 * An error (memory, more than 64 KiB, an end too many) is kept, later calls do nothing, and the page's crunch
 * fails.
 */
typedef struct ox_page_reply {
	size_t size;
	void (*put_int)(struct ox_page_reply *out, const char *name, int64_t value);
	void (*put_double)(struct ox_page_reply *out, const char *name, double value);
	void (*put_bool)(struct ox_page_reply *out, const char *name, int value);
	void (*put_string)(struct ox_page_reply *out, const char *name, const char *text, size_t len);
	void (*begin)(struct ox_page_reply *out, const char *name, char kind);
	void (*end)(struct ox_page_reply *out);
} ox_page_reply;

/**
 * A crunch function.
 *
 * Returns: 0; anything negative fails this page's crunch, and its value is dropped. Process: a worker.
 */
typedef int ox_crunch_fn(const ox_page *page, ox_page_reply *out);

/** Adds a member to the object that is open; in an array name is not looked at and may be NULL. Since: 0.1 */
static inline void ox_page_put_int(ox_page_reply *out, const char *name, int64_t value)
{
	out->put_int(out, name, value);
}

/** The same with a number; what JSON has no number for becomes null. Since: 0.1 */
static inline void ox_page_put_double(ox_page_reply *out, const char *name, double value)
{
	out->put_double(out, name, value);
}

/** The same with true or false. Since: 0.1 */
static inline void ox_page_put_bool(ox_page_reply *out, const char *name, int value)
{
	out->put_bool(out, name, value);
}

/** The same with len bytes of text; bytes that are not UTF-8 become U+FFFD. Since: 0.1 */
static inline void ox_page_put_string(ox_page_reply *out, const char *name, const char *text, size_t len)
{
	out->put_string(out, name, text, len);
}

/** Opens an object as a member; what follows goes into it, until ox_page_end(). At most 16 deep. Since: 0.1 */
static inline void ox_page_begin_object(ox_page_reply *out, const char *name)
{
	out->begin(out, name, '{');
}

/** Opens an array as a member. Since: 0.1 */
static inline void ox_page_begin_array(ox_page_reply *out, const char *name)
{
	out->begin(out, name, '[');
}

/** Closes what was opened last. Since: 0.1 */
static inline void ox_page_end(ox_page_reply *out)
{
	out->end(out);
}

OX_END

#endif
