/* SPDX-License-Identifier: MIT */
/* What a crunch function says about its page: the other side of include/oxbow/crunch.h. Process: a worker. */
#ifndef OXBOW_CLI_REPLY_H
#define OXBOW_CLI_REPLY_H

#include <oxbow/crunch.h>

#include "cli/buffer.h"
#include "cli/json.h"

struct oxi_tree;

#define OXI_VALUE_MAX  OX_MIB(1)        /* bytes of JSON of one page */
#define OXI_BLOBS_MAX  64               /* of one page, and bytes of all of them */
#define OXI_BLOB_BYTES OX_MIB(16)

/* Who knows the page's links. */
struct oxi_reply_links {
	void (*add)(void *arg, const char *url, size_t len, bool first);
	void (*order)(void *arg, size_t i, ox_page_order order);        /* i: of the page's references */
	void *arg;
};

/* What came of it. */
struct oxi_crunched {
	struct oxi_buffer value;        /* JSON; empty: none */
	struct oxi_buffer blobs;        /* each: length of its name (2 bytes), its own (4), name, bytes */
	char reason[128];               /* why it failed, for people; "": the code says it */
	bool no_tree;                   /* it failed because the page is too large or too deep for a tree */
};

struct oxi_reply {
	ox_page_reply base;             /* first: what the function gets */
	const ox_page *page;
	const struct oxi_reply_links *links;
	struct oxi_crunched *to;
	bool keeps_blobs;
	struct oxi_json json;           /* of the object */
	struct oxi_buffer object, values;       /* values: each with a comma before it */
	size_t blobs, blob_bytes;
	struct oxi_tree *tree;          /* NULL: not asked for yet */
	struct oxi_reply_kept *kept;    /* what was lent until the end */
	int error;                      /* the first */
};

/* What is set up once, at once: before a sandbox. */
void oxi_reply_prepare(void);

void oxi_reply_begin(struct oxi_reply *r, const ox_page *page, const struct oxi_reply_links *links, bool keeps_blobs,
                     struct oxi_crunched *to);

/* Writes the value, and frees. code: what the function returned. Returns: that if it is negative, or the first error, or 0. */
int oxi_reply_end(struct oxi_reply *r, int code);

/* Keeps an error, if it is the first; why: for people. */
void oxi_reply_fail(ox_page_reply *out, int error, const char *why);

/* The page's tree; NULL after an error. */
const struct oxi_tree *oxi_reply_tree(ox_page_reply *out);

#endif
