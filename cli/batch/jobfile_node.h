/* SPDX-License-Identifier: MIT */
/* What a job file says before anybody asks what it means: texts, lists and maps, each with its place in the file. */
#ifndef OXBOW_CLI_JOBFILE_NODE_H
#define OXBOW_CLI_JOBFILE_NODE_H

#include <oxbow/base.h>

struct oxi_spot {
	uint32_t line, column;          /* from 1, columns in characters; 0: unknown */
};

/* ---- memory that is freed as a whole. All-zero is an empty arena ---- */

struct oxi_chunk;

struct oxi_arena {
	struct oxi_chunk *chunk;        /* the newest, with room from at to end */
	char *at, *end;
};

/* Room for size bytes more, in one piece. 0; OX_ENOMEM. */
int oxi_arena_reserve(struct oxi_arena *a, size_t size);

void *oxi_arena_take(struct oxi_arena *a, size_t size);         /* aligned for any of our structs, zeroed; NULL: no memory */
char *oxi_arena_text(struct oxi_arena *a, size_t len);          /* len bytes and a NUL behind them; NULL: no memory */
void oxi_arena_clear(struct oxi_arena *a);                      /* empty again; keeps one chunk for what comes */
void oxi_arena_free(struct oxi_arena *a);
void oxi_chunk_free(struct oxi_chunk *c);                       /* c and what is older */

/* ---- nodes ---- */

enum oxi_node_kind {
	OXI_NODE_NONE,                  /* YAML's empty value, JSON's null */
	OXI_NODE_TEXT,                  /* also numbers and booleans, as they are written */
	OXI_NODE_LIST,
	OXI_NODE_MAP,
};

struct oxi_node {
	struct oxi_node *next;          /* in a list; in a map a key's next is its value, and that one's the next key */
	union {
		const char *text;       /* n bytes, NUL behind and none inside */
		struct oxi_node *first; /* of n elements, or n pairs */
	};
	struct oxi_spot spot;
	uint32_t n;
	enum oxi_node_kind kind;
};

/* A node of that kind, empty. NULL: no memory. */
struct oxi_node *oxi_node_new(struct oxi_arena *a, enum oxi_node_kind kind, struct oxi_spot spot);
struct oxi_node *oxi_node_text(struct oxi_arena *a, struct oxi_spot spot, const char *text, size_t len);

static inline bool oxi_node_is(const struct oxi_node *n, const char *text, size_t len)
{
	return n->kind == OXI_NODE_TEXT && n->n == len && __builtin_memcmp(n->text, text, len) == 0;
}

/* Its text, for what is no text "". */
static inline const char *oxi_node_word(const struct oxi_node *n)
{
	return n->kind == OXI_NODE_TEXT ? n->text : "";
}

#endif
