/* SPDX-License-Identifier: MIT */
/*
 * A table of members says what a map may hold, what makes a value of each, and what is expected of it. So there is one place
 * where unknown, missing and contradictory keys are found, and one kind of sentence for a value that is wrong:
 * "timeout: give a time, not '5 parsecs'". A take refuses without a word by naming the node that is wrong, or has said more.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/batch/jobfile_part.h"
#include "cli/batch/source.h"
#include "cli/options.h"

#define MEMBERS_MAX 64                  /* of a table */

static int fault_list(const struct oxi_jobfile *f, struct oxi_spot spot, struct oxi_buffer *why, const char *format, va_list args)
{
	char text[1024];
	vsnprintf(text, sizeof(text), format, args);
	oxi_jobfile_error(f, spot, why);
	oxi_buffer_add_text(why, text);
	return OX_EINVAL;
}

int oxi_jobfile_fault(const struct oxi_jobfile *f, struct oxi_spot spot, struct oxi_buffer *why, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fault_list(f, spot, why, format, args);
	va_end(args);
	return OX_EINVAL;
}

int oxi_taker_fault(struct oxi_taker *t, struct oxi_spot spot, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fault_list(t->f, spot, t->why, format, args);
	va_end(args);
	t->bad = NULL;
	return OX_EINVAL;
}

int oxi_taker_refuse(struct oxi_taker *t, const struct oxi_node *bad)
{
	t->bad = bad;
	return OX_EINVAL;
}

/* ---- members ---- */

static const struct oxi_member *find(const struct oxi_members *m, const struct oxi_node *key)
{
	for (size_t i = 0; i < m->n; i++) {
		if (oxi_node_is(key, m->row[i].name, strlen(m->row[i].name)))
			return &m->row[i];
	}
	return NULL;
}

static int unknown(struct oxi_taker *t, const struct oxi_members *m, unsigned without, const struct oxi_node *key)
{
	const char *known[MEMBERS_MAX] = { NULL };
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (!(m->row[i].is & without))
			known[n++] = m->row[i].name;
	}
	const char *near = oxi_nearest(key->text, known, sizeof(*known), n);
	oxi_taker_fault(t, key->spot, "unknown key '%.100s' of %s: ", key->text, m->what);
	if (near)
		oxi_buffer_add_format(t->why, "did you mean '%s'?", near);
	else
		oxi_buffer_add_text(t->why, "there are");
	for (size_t i = 0; i < n && !near; i++)
		oxi_buffer_add_format(t->why, " %s", known[i]);
	return OX_EINVAL;
}

static int wrong_value(struct oxi_taker *t, const struct oxi_member *row)
{
	static const char *const kinds[] = { [OXI_NODE_NONE] = "nothing", [OXI_NODE_LIST] = "list", [OXI_NODE_MAP] = "map" };
	const struct oxi_node *bad = t->bad;
	if (!bad)
		return OX_EINVAL;
	if (bad->kind == OXI_NODE_TEXT)
		return oxi_taker_fault(t, bad->spot, "%s: give %s, not '%.100s'", row->name, row->form, bad->text);
	const char *article = bad->kind == OXI_NODE_NONE ? "" : bad->n == 0 ? "an empty " : "a ";
	return oxi_taker_fault(t, bad->spot, "%s: give %s, not %s%s", row->name, row->form, article, kinds[bad->kind]);
}

/* Of some members a map has one only. */
static int choose(struct oxi_taker *t, const struct oxi_member *row, const struct oxi_node *key, const struct oxi_member **group)
{
	if (*group)
		return oxi_taker_fault(t, key->spot, "'%s' and '%s' exclude each other", row->name, (*group)->name);
	*group = row;
	return 0;
}

static int take_member(struct oxi_taker *t, const struct oxi_member *row, const struct oxi_node *value, void *to)
{
	t->bad = value;
	int r = row->take(t, value, to);
	return r == OX_EINVAL ? wrong_value(t, row) : r;
}

static int missing(struct oxi_taker *t, const struct oxi_members *m, const struct oxi_node *map, uint64_t seen)
{
	for (size_t i = 0; i < m->n; i++) {
		if ((m->row[i].is & OXI_M_NEEDED) && !(seen & 1ULL << i))
			return oxi_taker_fault(t, map->spot, "%s has no '%s'", m->what, m->row[i].name);
	}
	return 0;
}

static int none_of(struct oxi_taker *t, const struct oxi_members *m, const struct oxi_node *map)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (!(m->row[i].is & OXI_M_ONE))
			continue;
		if (n++ == 0)
			oxi_taker_fault(t, map->spot, "%s has none of", m->what);
		oxi_buffer_add_format(t->why, "%s %s", n > 1 ? "," : "", m->row[i].name);
	}
	return n ? OX_EINVAL : 0;
}

int oxi_take_map(struct oxi_taker *t, const struct oxi_members *m, unsigned without, const struct oxi_node *map, void *to)
{
	const struct oxi_member *one = NULL, *choice = NULL;
	uint64_t seen = 0;
	if (map->kind != OXI_NODE_MAP)
		return oxi_taker_refuse(t, map);
	for (const struct oxi_node *key = map->first; key; key = key->next->next) {
		const struct oxi_member *row = find(m, key);
		if (!row)
			return unknown(t, m, without, key);
		if (row->is & without)
			return oxi_taker_fault(t, key->spot, "'%s' is no key of %s here", row->name, m->what);
		int r = row->is & OXI_M_ONE ? choose(t, row, key, &one) : row->is & OXI_M_CHOICE ? choose(t, row, key, &choice) : 0;
		if (r == 0)
			r = take_member(t, row, key->next, to);
		if (r < 0)
			return r;
		seen |= 1ULL << (row - m->row);
	}
	int r = missing(t, m, map, seen);
	return r < 0 || one || (without & OXI_M_OWN) ? r : none_of(t, m, map);
}

/* ---- text ---- */

static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* RFC 4648, 4: with padding, and no bits left over. Writes up to 3/4 of len bytes; returns how many, or OX_EINVAL. */
static ssize_t decode(const char *text, size_t len, char *to)
{
	size_t n = 0, padding = len > 0 && text[len - 1] == '=' ? 1 + (len > 1 && text[len - 2] == '=') : 0;
	uint32_t bits = 0;
	unsigned have = 0;
	if (len % 4)
		return OX_EINVAL;
	for (size_t i = 0; i < len - padding; i++) {
		int d = digit(text[i]);
		if (d < 0)
			return OX_EINVAL;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (char)(bits >> have);
		}
	}
	return bits & ((1u << have) - 1) ? OX_EINVAL : (ssize_t)n;
}

static int take_bytes(struct oxi_taker *t, const struct oxi_node *map, size_t room, struct oxi_text *ret)
{
	if (map->kind != OXI_NODE_MAP || map->n != 1 || !oxi_node_is(map->first, "$b64", 4))
		return oxi_taker_refuse(t, map);
	const struct oxi_node *code = map->first->next;
	if (code->kind != OXI_NODE_TEXT)
		return oxi_taker_refuse(t, code);
	char *data = oxi_arena_text(t->memory, room + code->n / 4 * 3);
	if (!data)
		return OX_ENOMEM;
	ssize_t n = decode(code->text, code->n, data + room);
	if (n < 0)
		return oxi_taker_fault(t, code->spot, "'%.100s' is not base64", code->text);
	if (memchr(data + room, '\0', (size_t)n))
		return oxi_taker_fault(t, code->spot, "there is a NUL byte in it");
	data[room + (size_t)n] = '\0';
	*ret = (struct oxi_text){ data, room + (size_t)n, map->spot };
	return 0;
}

static int take_any(struct oxi_taker *t, const struct oxi_node *value, size_t room, struct oxi_text *ret)
{
	if (value->kind != OXI_NODE_TEXT)
		return take_bytes(t, value, room, ret);
	char *data = oxi_arena_text(t->memory, room + value->n);
	if (!data)
		return OX_ENOMEM;
	memcpy(data + room, value->text, value->n);
	*ret = (struct oxi_text){ data, room + value->n, value->spot };
	return 0;
}

int oxi_take_text(struct oxi_taker *t, const struct oxi_node *value, size_t room, struct oxi_text *ret)
{
	int r = take_any(t, value, room, ret);
	return r == 0 && ret->len == room ? oxi_taker_refuse(t, value) : r;
}

int oxi_take_word(struct oxi_taker *t, const struct oxi_node *value, size_t room, struct oxi_text *ret)
{
	int r = take_any(t, value, room, ret);
	if (r == 0 && ret->len > OXI_ARG_MAX)
		return oxi_taker_fault(t, value->spot, "has %zu bytes, and the system passes at most %zu in an argument", ret->len,
		                       OXI_ARG_MAX);
	return r;
}

int oxi_take_list(struct oxi_taker *t, const struct oxi_node *list, oxi_take_fn *take, struct oxi_text **ret, size_t *ret_n)
{
	if (list->kind != OXI_NODE_LIST)
		return oxi_taker_refuse(t, list);
	struct oxi_text *texts = oxi_arena_take(t->memory, (list->n + (list->n == 0)) * sizeof(*texts));
	size_t n = 0;
	if (!texts)
		return OX_ENOMEM;
	for (const struct oxi_node *value = list->first; value; value = value->next) {
		int r = take(t, value, 0, &texts[n++]);
		if (r < 0)
			return r;
	}
	*ret = texts;
	*ret_n = n;
	return 0;
}
