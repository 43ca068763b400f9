/* SPDX-License-Identifier: MIT */
/*
 * jansson reads a line strictly and forgets where everything stood. But it keeps members in their order, so a cursor that
 * steps from token to token through the same text, which is known to be right by then, meets each value as the tree is
 * walked: that gives its place, and a number as it is written, 1.10 and not 1.1.
 */
#include <jansson.h>
#include <string.h>

#include "cli/batch/jobfile_part.h"
#include "cli/batch/jsonl.h"

struct cursor {
	const char *p, *end;
	struct oxi_spot spot;           /* of *p */
	struct oxi_arena *arena;
};

static void step(struct cursor *c)
{
	if (c->p < c->end)
		c->spot.column += (*c->p++ & 0xc0) != 0x80;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* To the next token that says something. */
static void seek(struct cursor *c)
{
	while (c->p < c->end && (is_blank(*c->p) || *c->p == ',' || *c->p == ':'))
		step(c);
}

static void skip_string(struct cursor *c)
{
	for (step(c); c->p < c->end && *c->p != '"'; step(c)) {
		if (*c->p == '\\')
			step(c);
	}
	step(c);
}

static int build(struct cursor *c, json_t *value, struct oxi_node **ret);

static int build_list(struct cursor *c, json_t *list, struct oxi_node *node)
{
	struct oxi_node **tail = &node->first;
	json_t *value;
	size_t i;
	step(c);
	json_array_foreach(list, i, value) {
		int r = build(c, value, tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
		node->n++;
	}
	seek(c);
	step(c);
	return 0;
}

static int build_map(struct cursor *c, json_t *map, struct oxi_node *node)
{
	struct oxi_node **tail = &node->first;
	const char *name;
	json_t *value;
	step(c);
	json_object_foreach(map, name, value) {
		seek(c);
		*tail = oxi_node_text(c->arena, c->spot, name, strlen(name));
		if (!*tail)
			return OX_ENOMEM;
		skip_string(c);
		tail = &(*tail)->next;
		int r = build(c, value, tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
		node->n++;
	}
	seek(c);
	step(c);
	return 0;
}

static int build(struct cursor *c, json_t *value, struct oxi_node **ret)
{
	seek(c);
	const char *start = c->p;
	struct oxi_spot spot = c->spot;
	if (json_is_object(value) || json_is_array(value)) {
		*ret = oxi_node_new(c->arena, json_is_array(value) ? OXI_NODE_LIST : OXI_NODE_MAP, spot);
		return !*ret ? OX_ENOMEM : json_is_array(value) ? build_list(c, value, *ret) : build_map(c, value, *ret);
	}
	if (json_is_string(value)) {
		skip_string(c);
		*ret = oxi_node_text(c->arena, spot, json_string_value(value), json_string_length(value));
	} else {
		while (c->p < c->end && !is_blank(*c->p) && *c->p != ',' && *c->p != ']' && *c->p != '}')
			step(c);
		*ret = json_is_null(value) ? oxi_node_new(c->arena, OXI_NODE_NONE, spot)
		                           : oxi_node_text(c->arena, spot, start, (size_t)(c->p - start));
	}
	return *ret ? 0 : OX_ENOMEM;
}

/* A person's JSON may be spread over lines. */
static bool is_cut(ox_bytes line)
{
	const char *p = line.data;
	size_t len = line.len;
	while (len > 0 && is_blank(p[len - 1]))
		len--;
	return len > 0 && (p[len - 1] == '{' || p[len - 1] == '[' || p[len - 1] == ',');
}

int oxi_jobfile_json(const struct oxi_jobfile *f, ox_bytes line, uint32_t number, struct oxi_arena *a, struct oxi_node **ret,
                     struct oxi_buffer *why)
{
	struct oxi_jsonl *json;
	struct oxi_buffer what = { 0 };
	size_t column;
	int r = oxi_jsonl_read(line, &json, &column, &what);
	if (r == 0) {
		struct cursor c = { line.data, (const char *)line.data + line.len, { number, 1 }, a };
		r = build(&c, (json_t *)json, ret);
		oxi_jsonl_free(json);
	} else if (r == OX_EINVAL) {
		oxi_jobfile_fault(f, (struct oxi_spot){ number, column ? (uint32_t)column : 1 }, why, "%.*s%s", (int)what.len, what.data,
		                  is_cut(line) ? "; each entry is one line" : "");
	}
	oxi_buffer_free(&what);
	return r;
}
