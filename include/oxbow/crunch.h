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

/** A line of the answer's head. */
typedef struct ox_page_header {
	const char *name, *value;
} ox_page_header;

/** A link, and by what it was found. */
typedef struct ox_page_link {
	ox_bytes url;                   /* as it stands in the page, without its #fragment */
	const char *by;                 /* "a", "img", "css" and so on: oxbow-crawl(1) */
	int requisite;                  /* what the page is shown with; 0: it may lead to a page */
} ox_page_link;

/** What becomes of a link. */
typedef enum ox_page_order {
	OX_PAGE_NORMAL,                 /* it is fetched after those of its host that are known already */
	OX_PAGE_FIRST,                  /* before them, the latest first */
	OX_PAGE_DROP,                   /* not at all, because of this page */
} ox_page_order;

/** A node of the page's tree: an element, or the text between two tags. */
typedef struct ox_page_node ox_page_node;

/**
 * A page as it was fetched. Valid until the function returns; all of it is read-only. Members are only ever added
 * at the end: a program whose size is smaller has none of those behind.
 */
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
	ox_bytes html;                  /* the body as UTF-8, without a byte order mark; a NUL follows it */
	const ox_page_header *headers;  /* headers_n of them, in their order */
	size_t headers_n;
	const ox_page_link *references; /* references_n of them: all links, requisites too, each once for either */
	size_t references_n;
} ox_page;

/**
 * Where a crunch function writes its value, and what knows its page. Made by the program, used by the calls below.
 *
 * An error (memory, a value of more than 1 MiB, an end too many) is kept, later calls do nothing, and the page's
 * crunch fails.
 */
typedef struct ox_page_reply {
	size_t size;
	void (*put_int)(struct ox_page_reply *out, const char *name, int64_t value);
	void (*put_double)(struct ox_page_reply *out, const char *name, double value);
	void (*put_bool)(struct ox_page_reply *out, const char *name, int value);
	void (*put_string)(struct ox_page_reply *out, const char *name, const char *text, size_t len);
	void (*begin)(struct ox_page_reply *out, const char *name, char kind);
	void (*end)(struct ox_page_reply *out);
	void (*emit_json)(struct ox_page_reply *out, const char *json, size_t len);
	void (*emit_blob)(struct ox_page_reply *out, const char *name, const void *data, size_t len);
	void (*emit_link)(struct ox_page_reply *out, const char *url, size_t len, ox_page_order order);
	void (*order_link)(struct ox_page_reply *out, size_t i, ox_page_order order);
	const ox_page_node *(*root)(struct ox_page_reply *out);
	const ox_page_node *(*step)(struct ox_page_reply *out, const ox_page_node *node, char where);
	const char *(*name)(struct ox_page_reply *out, const ox_page_node *node);
	const char *(*attribute)(struct ox_page_reply *out, const ox_page_node *node, const char *name);
	ox_bytes (*node_text)(struct ox_page_reply *out, const ox_page_node *node);
	size_t (*select)(struct ox_page_reply *out, const ox_page_node *from, const char *xpath, const ox_page_node *const **ret);
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

/* ---- several values, blobs, links ---- */

/**
 * Adds a value that is JSON already: any, of len bytes of text. A page with such values has an array of them, in
 * which the object of the calls above is the first, if they were used. Text that is no JSON is an error.
 *
 * Since: 0.1
 */
static inline void ox_page_emit_json(ox_page_reply *out, const char *json, size_t len)
{
	out->emit_json(out, json, len);
}

/**
 * Keeps len bytes beside the results: as a file that is called by their SHA-256, in the folder of --blobs or of
 * --run, and with name in the page's "blobs". At most 64 of a page, 16 MiB together; without a folder it is an error.
 *
 * @name: at most 255 bytes. Since: 0.1
 */
static inline void ox_page_emit_blob(ox_page_reply *out, const char *name, const void *data, size_t len)
{
	out->emit_blob(out, name, data, len);
}

/** Adds a link, relative to the page; it is judged like those that stand in it. DROP: it does nothing. Since: 0.1 */
static inline void ox_page_emit_link(ox_page_reply *out, const char *url, size_t len, ox_page_order order)
{
	out->emit_link(out, url, len, order);
}

/** Says what becomes of references[i]; one that is not there is an error. Since: 0.1 */
static inline void ox_page_order_link(ox_page_reply *out, size_t i, ox_page_order order)
{
	out->order_link(out, i, order);
}

/* ---- the tree, made when one of these is called first ---- */

/**
 * The outermost element. Names are in lower case and have no namespace, in XHTML too. A page with more than a
 * million nodes or a thousand elements in one another has no tree: that is an error.
 *
 * Returns: NULL for an empty page, and after an error. What is borrowed from the tree here and below lives until
 * the function returns. Since: 0.1
 */
static inline const ox_page_node *ox_page_root(ox_page_reply *out)
{
	return out->root(out);
}

/** The first node in an element; NULL: there is none. All these take NULL. Since: 0.1 */
static inline const ox_page_node *ox_page_node_child(ox_page_reply *out, const ox_page_node *node)
{
	return out->step(out, node, 'c');
}

/** The next one beside it. Since: 0.1 */
static inline const ox_page_node *ox_page_node_next(ox_page_reply *out, const ox_page_node *node)
{
	return out->step(out, node, 'n');
}

/** The element around it. Since: 0.1 */
static inline const ox_page_node *ox_page_node_parent(ox_page_reply *out, const ox_page_node *node)
{
	return out->step(out, node, 'p');
}

/** The name of an element; NULL for text. Since: 0.1 */
static inline const char *ox_page_node_name(ox_page_reply *out, const ox_page_node *node)
{
	return out->name(out, node);
}

/** An attribute's value, "" for one without; NULL: there is none. Since: 0.1 */
static inline const char *ox_page_node_attribute(ox_page_reply *out, const ox_page_node *node, const char *name)
{
	return out->attribute(out, node, name);
}

/** All text in a node, as UTF-8; a NUL follows it. Since: 0.1 */
static inline ox_bytes ox_page_node_text(ox_page_reply *out, const ox_page_node *node)
{
	return out->node_text(out, node);
}

/**
 * The nodes that an XPath 1.0 expression finds, attributes too. One that is wrong, or finds no nodes but gives a
 * number, a text or a truth, is an error.
 *
 * @from: where it starts; NULL: at the page. @ret: that many, in the order of the page, and a NULL.
 * Returns: how many; 0 after an error. Since: 0.1
 */
static inline size_t ox_page_select(ox_page_reply *out, const ox_page_node *from, const char *xpath, const ox_page_node *const **ret)
{
	return out->select(out, from, xpath, ret);
}

OX_END

#endif
