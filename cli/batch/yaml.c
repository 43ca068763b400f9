/* SPDX-License-Identifier: MIT */
/*
 * libyaml's events become nodes. It says what is text and where it stands; that `no` might be a boolean, YAML 1.1's
 * guess, never comes up, because nodes are text and a key decides what its value is read as. Tags, which would say so
 * too, are refused.
 *
 * An alias repeats what its anchor stands before: its node is a copy that shares the nodes below. So memory is that of the
 * file, but whoever walks the nodes meets them again and again, and ten lines can be a billion: what aliases repeat is
 * counted, as if it were written out, and ends at REPEATED_MAX. A merge (<<) adds the members of another map that the
 * map has not itself; of several the first wins.
 *
 * libyaml refuses what is no UTF-8, and control characters. What it says is said with its place.
 */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cli/batch/jobfile_part.h"
#include "cli/mix.h"

#define DEPTH_MAX    32
#define REPEATED_MAX 10000
#define ANCHORS_MAX  10000
#define FEW          16                 /* keys that are compared each with each */

struct anchor {
	char *name;
	const struct oxi_node *node;    /* NULL: it is not whole yet */
	size_t nodes;                   /* with those below, written out */
};

struct walk {
	yaml_parser_t parser;
	yaml_event_t event;             /* the one at hand */
	const struct oxi_jobfile *f;
	struct oxi_buffer *why;
	struct oxi_arena *arena;
	ox_bytes text;
	struct anchor *anchor;
	size_t anchors, cap;
	size_t nodes;                   /* so far, written out */
	size_t repeated;                /* by aliases */
	unsigned depth;
};

/* ---- faults ---- */

static struct oxi_spot spot_of(yaml_mark_t mark)
{
	return (struct oxi_spot){ (uint32_t)mark.line + 1, (uint32_t)mark.column + 1 };
}

static int fault(struct walk *w, const char *what)
{
	return oxi_jobfile_fault(w->f, spot_of(w->event.start_mark), w->why, "%s", what);
}

/* Where a byte is. */
static struct oxi_spot spot_at(ox_bytes text, size_t at)
{
	const unsigned char *p = text.data;
	struct oxi_spot s = { 1, 1 };
	for (size_t i = 0; i < at && i < text.len; i++) {
		s.column = p[i] == '\n' ? 1 : s.column + ((p[i] & 0xc0) != 0x80);
		s.line += p[i] == '\n';
	}
	return s;
}

static bool is_tab(const struct walk *w, yaml_mark_t mark)
{
	const unsigned char *p = w->text.data;
	size_t i = 0;
	for (size_t characters = 0; i < w->text.len && characters < mark.index; i++)
		characters += i + 1 == w->text.len || (p[i + 1] & 0xc0) != 0x80;
	return i < w->text.len && p[i] == '\t';
}

static int parser_fault(struct walk *w)
{
	const yaml_parser_t *p = &w->parser;
	struct oxi_spot spot = spot_of(p->problem_mark);
	if (p->error == YAML_MEMORY_ERROR)
		return OX_ENOMEM;
	if (p->error == YAML_READER_ERROR) {
		spot = spot_at(w->text, p->problem_offset);
		return oxi_jobfile_fault(w->f, spot, w->why, p->problem_value > 0 && p->problem_value < 0x80 ? "%s (0x%02x)" : "%s",
		                         p->problem_value == 0 ? "a NUL byte" : p->problem, p->problem_value);
	}
	if (is_tab(w, p->problem_mark))
		return oxi_jobfile_fault(w->f, spot, w->why, "a tab: YAML is indented by spaces");
	oxi_jobfile_fault(w->f, spot, w->why, "%s", p->problem ? p->problem : "no YAML");
	if (p->context)
		oxi_buffer_add_format(w->why, ", %s in line %zu", p->context, p->context_mark.line + 1);
	return OX_EINVAL;
}

static int advance(struct walk *w)
{
	yaml_event_delete(&w->event);
	return yaml_parser_parse(&w->parser, &w->event) ? 0 : parser_fault(w);
}

/* ---- keys that come twice ---- */

static uint64_t hash(const struct oxi_node *n)
{
	uint64_t h = n->n;
	for (uint32_t i = 0; i < n->n; i++)
		h = oxi_mix(h + OXI_MIX_STEP) ^ (unsigned char)n->text[i];
	return oxi_mix(h);
}

static const struct oxi_node *find_key(const struct oxi_node *map, const struct oxi_node *end, const char *text, size_t len)
{
	const struct oxi_node *key = map->first;
	while (key != end && !oxi_node_is(key, text, len))
		key = key->next->next;
	return key == end ? NULL : key;
}

static int twice(struct walk *w, const struct oxi_node *first, const struct oxi_node *second)
{
	return oxi_jobfile_fault(w->f, second->spot, w->why, "the key '%.100s' is there already, in line %u", second->text,
	                         first->spot.line);
}

static int check_few(struct walk *w, const struct oxi_node *map)
{
	for (const struct oxi_node *key = map->first; key; key = key->next->next) {
		const struct oxi_node *first = find_key(map, key, key->text, key->n);
		if (first)
			return twice(w, first, key);
	}
	return 0;
}

static int check_keys(struct walk *w, const struct oxi_node *map)
{
	if (map->n <= FEW)
		return check_few(w, map);
	size_t size = 4 * FEW;
	while (size < 2 * (size_t)map->n)
		size *= 2;
	const struct oxi_node **table = calloc(size, sizeof(*table));
	int r = table ? 0 : OX_ENOMEM;
	for (const struct oxi_node *key = map->first; key && r == 0; key = key->next->next) {
		size_t i = hash(key) & (size - 1);
		while (table[i] && !oxi_node_is(table[i], key->text, key->n))
			i = (i + 1) & (size - 1);
		if (table[i])
			r = twice(w, table[i], key);
		table[i] = key;
	}
	free(table);
	return r;
}

/* ---- nodes ---- */

static int build(struct walk *w, struct oxi_node **ret);

static int repeat(struct walk *w, size_t nodes)
{
	w->nodes += nodes;
	w->repeated += nodes;
	if (w->repeated <= REPEATED_MAX)
		return 0;
	return oxi_jobfile_fault(w->f, spot_of(w->event.start_mark), w->why, "aliases repeat more than %d nodes", REPEATED_MAX);
}

static struct oxi_node *copy(struct walk *w, const struct oxi_node *of)
{
	struct oxi_node *n = oxi_node_new(w->arena, of->kind, of->spot);
	if (n) {
		*n = *of;
		n->next = NULL;
	}
	return n;
}

static int build_alias(struct walk *w, struct oxi_node **ret)
{
	const char *name = (const char *)w->event.data.alias.anchor;
	size_t i = w->anchors;
	while (i > 0 && strcmp(w->anchor[i - 1].name, name) != 0)
		i--;
	if (i == 0)
		return fault(w, "there is no such anchor before this alias");
	if (!w->anchor[i - 1].node)
		return fault(w, "this alias stands inside of what it repeats");
	int r = repeat(w, w->anchor[i - 1].nodes);
	*ret = r == 0 ? copy(w, w->anchor[i - 1].node) : NULL;
	return r == 0 && !*ret ? OX_ENOMEM : r;
}

static int build_text(struct walk *w, struct oxi_node **ret)
{
	const char *text = (const char *)w->event.data.scalar.value;
	size_t len = w->event.data.scalar.length;
	struct oxi_spot spot = spot_of(w->event.start_mark);
	if (memchr(text, '\0', len))
		return fault(w, "there is a NUL byte in it");
	*ret = len == 0 && w->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? oxi_node_new(w->arena, OXI_NODE_NONE, spot)
	                                                                        : oxi_node_text(w->arena, spot, text, len);
	return *ret ? 0 : OX_ENOMEM;
}

static int build_list(struct walk *w, struct oxi_node *node)
{
	struct oxi_node **tail = &node->first;
	int r;
	while ((r = advance(w)) == 0 && w->event.type != YAML_SEQUENCE_END_EVENT) {
		r = build(w, tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
		node->n++;
	}
	return r;
}

/* Adds what the maps of a merge have and the map has not. */
static int merge(struct walk *w, struct oxi_node *map, const struct oxi_node *from, struct oxi_node **tail)
{
	for (const struct oxi_node *key = from->first; key; key = key->next->next) {
		if (find_key(map, NULL, key->text, key->n))
			continue;
		int r = repeat(w, 2);
		if (r < 0)
			return r;
		struct oxi_node *k = copy(w, key), *v = copy(w, key->next);
		if (!k || !v)
			return OX_ENOMEM;
		k->next = v;
		*tail = k;
		tail = &v->next;
		map->n++;
	}
	return 0;
}

static struct oxi_node **tail_of(struct oxi_node *map)
{
	struct oxi_node **tail = &map->first;
	while (*tail)
		tail = &(*tail)->next;
	return tail;
}

static int merge_all(struct walk *w, struct oxi_node *map, const struct oxi_node *from)
{
	const struct oxi_node *one = from->kind == OXI_NODE_LIST ? from->first : from;
	for (int r; one; one = from->kind == OXI_NODE_LIST ? one->next : NULL) {
		if (one->kind != OXI_NODE_MAP)
			return oxi_jobfile_fault(w->f, one->spot, w->why, "<< merges maps, and this is none");
		r = merge(w, map, one, tail_of(map));
		if (r < 0)
			return r;
	}
	return 0;
}

static int build_key(struct walk *w, struct oxi_node **ret, bool *ret_merge)
{
	bool plain = w->event.type == YAML_SCALAR_EVENT && w->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (w->event.type != YAML_SCALAR_EVENT && w->event.type != YAML_ALIAS_EVENT)
		return fault(w, "a key is to be text");
	int r = build(w, ret);
	if (r == 0 && (*ret)->kind != OXI_NODE_TEXT)
		return fault(w, "a key is to be text");
	*ret_merge = r == 0 && plain && oxi_node_is(*ret, "<<", 2);
	return r;
}

static int build_map(struct walk *w, struct oxi_node *node)
{
	struct oxi_node **tail = &node->first, *key, *value, *merged = NULL;
	bool is_merge = false;
	int r;
	while ((r = advance(w)) == 0 && w->event.type != YAML_MAPPING_END_EVENT) {
		r = build_key(w, &key, &is_merge);
		if (r == 0)
			r = advance(w);
		if (r == 0)
			r = build(w, &value);
		if (r < 0)
			return r;
		if (is_merge && merged)
			return oxi_jobfile_fault(w->f, key->spot, w->why, "<< is there already: merge a list of maps");
		if (is_merge) {
			merged = value;
			continue;
		}
		key->next = value;
		*tail = key;
		tail = &value->next;
		node->n++;
	}
	r = r < 0 ? r : check_keys(w, node);
	return r == 0 && merged ? merge_all(w, node, merged) : r;
}

static int add_anchor(struct walk *w, const yaml_char_t *name)
{
	size_t len = strlen((const char *)name);
	if (w->anchors == ANCHORS_MAX)
		return oxi_jobfile_fault(w->f, spot_of(w->event.start_mark), w->why, "more than %d anchors", ANCHORS_MAX);
	if (w->anchors == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;
		struct anchor *grown = realloc(w->anchor, cap * sizeof(*grown));
		if (!grown)
			return OX_ENOMEM;
		w->anchor = grown;
		w->cap = cap;
	}
	char *copied = oxi_arena_text(w->arena, len);
	if (!copied)
		return OX_ENOMEM;
	memcpy(copied, name, len);
	w->anchor[w->anchors++] = (struct anchor){ .name = copied };
	return 0;
}

static int build_nested(struct walk *w, bool list, struct oxi_node **ret)
{
	if (w->depth == DEPTH_MAX)
		return oxi_jobfile_fault(w->f, spot_of(w->event.start_mark), w->why, "nested deeper than %d levels", DEPTH_MAX);
	*ret = oxi_node_new(w->arena, list ? OXI_NODE_LIST : OXI_NODE_MAP, spot_of(w->event.start_mark));
	if (!*ret)
		return OX_ENOMEM;
	w->depth++;
	int r = list ? build_list(w, *ret) : build_map(w, *ret);
	w->depth--;
	return r;
}

/* The node that begins with the event at hand; its last event is at hand afterwards. */
static int build(struct walk *w, struct oxi_node **ret)
{
	const yaml_event_t *e = &w->event;
	if (e->type == YAML_ALIAS_EVENT)
		return build_alias(w, ret);
	bool scalar = e->type == YAML_SCALAR_EVENT, list = e->type == YAML_SEQUENCE_START_EVENT;
	const yaml_char_t *anchor = scalar ? e->data.scalar.anchor : list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor;
	if (scalar ? e->data.scalar.tag : list ? e->data.sequence_start.tag : e->data.mapping_start.tag)
		return fault(w, "a tag: what a value is, its key says");
	size_t before = w->nodes++, at = w->anchors;
	int r = anchor ? add_anchor(w, anchor) : 0;
	if (r == 0)
		r = scalar ? build_text(w, ret) : build_nested(w, list, ret);
	if (r == 0 && anchor) {
		w->anchor[at].node = *ret;
		w->anchor[at].nodes = w->nodes - before;
	}
	return r;
}

static int build_document(struct walk *w, struct oxi_node **ret)
{
	int r = advance(w);             /* the stream begins */
	if (r == 0)
		r = advance(w);
	if (r < 0 || w->event.type == YAML_STREAM_END_EVENT)
		return r;
	r = advance(w);                 /* the document has begun */
	if (r == 0)
		r = build(w, ret);
	if (r == 0)
		r = advance(w);
	if (r == 0)
		r = advance(w);
	return r == 0 && w->event.type != YAML_STREAM_END_EVENT ? fault(w, "a second document: a job file is one") : r;
}

int oxi_jobfile_yaml(const struct oxi_jobfile *f, ox_bytes text, struct oxi_arena *a, struct oxi_node **ret, struct oxi_buffer *why)
{
	struct walk w = { .f = f, .why = why, .arena = a, .text = text };
	*ret = NULL;
	if (!yaml_parser_initialize(&w.parser))
		return OX_ENOMEM;
	yaml_parser_set_encoding(&w.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&w.parser, text.data, text.len);
	int r = build_document(&w, ret);
	yaml_event_delete(&w.event);
	yaml_parser_delete(&w.parser);
	free(w.anchor);
	return r;
}
