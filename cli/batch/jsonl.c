/* SPDX-License-Identifier: MIT */
/*
 * jansson is strict, which is what rows from elsewhere need: it refuses what is no UTF-8, lone surrogates, keys that come
 * twice (by our wish), NUL in a string, and text behind the value. But it descends by recursion, to a depth of 2048, and
 * this runs on a coroutine's stack; so the depth is counted first, and 100 levels are enough.
 *
 * Numbers are written as jansson reads them: integers of 64 bits exactly, others in the shortest form that reads back
 * the same, so 1.10 becomes 1.1. A number that is to pass as it is written has to be a string.
 */
#include "cli/batch/jsonl.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

#define DEPTH_MAX 100
#define KEYS_MAX  64                    /* looked at for the nearest name */

static size_t too_deep(ox_bytes line)
{
	const char *p = line.data;
	unsigned depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < line.len; i++) {
		if (quoted && p[i] == '\\')
			i++;
		else if (p[i] == '"')
			quoted = !quoted;
		else if (!quoted && (p[i] == '{' || p[i] == '[')) {
			if (++depth > DEPTH_MAX)
				return i + 1;
		} else if (!quoted && (p[i] == '}' || p[i] == ']') && depth)
			depth--;
	}
	return 0;
}

/* jansson takes a token that it has no memory for to be a wrong one. */
static _Thread_local bool lacked;

static void *allocate(size_t size)
{
	void *p = malloc(size);
	lacked |= !p;
	return p;
}

int oxi_jsonl_read(ox_bytes line, struct oxi_jsonl **ret, size_t *ret_at, struct oxi_buffer *why)
{
	*ret_at = too_deep(line);
	if (*ret_at) {
		oxi_buffer_add_format(why, "nested deeper than %d levels", DEPTH_MAX);
		return OX_EINVAL;
	}
	json_error_t error;
	lacked = false;
	json_set_alloc_funcs(allocate, free);
	json_t *root = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!root) {
		if (lacked)
			return OX_ENOMEM;
		*ret_at = error.column > 0 ? (size_t)error.column : 1;
		oxi_buffer_add_format(why, "%s", error.text);
		return OX_EINVAL;
	}
	if (!json_is_object(root)) {
		json_decref(root);
		oxi_buffer_add_text(why, "a row is to be a JSON object, {\"name\": value, ...}");
		return OX_EINVAL;
	}
	*ret = (struct oxi_jsonl *)root;
	return 0;
}

static json_t *element(const json_t *in, const char *name, size_t len)
{
	if (json_is_object(in)) {
		char *key = strndup(name, len);
		json_t *value = key ? json_object_get(in, key) : NULL;
		free(key);
		return value;
	}
	if (!json_is_array(in) || len == 0 || len > 9 || strspn(name, "0123456789") < len)
		return NULL;
	return json_array_get(in, strtoul(name, NULL, 10));
}

/* The value at path inside in; NULL: none, and *ret_in, *ret_rest are how far it went. */
static json_t *find(json_t *in, const char *path, json_t **ret_in, const char **ret_rest)
{
	*ret_in = in;
	*ret_rest = path;
	for (size_t len = strlen(path); len > 0;) {
		json_t *next = element(in, path, len);
		if (next && !path[len])
			return next;
		if (next) {
			json_t *found = find(next, path + len + 1, ret_in, ret_rest);
			if (found)
				return found;
		}
		do
			len--;
		while (len > 0 && path[len] != '.');
	}
	return NULL;
}

/* Says what there is where path was followed to, and what is near its rest. */
static void explain(json_t *in, const char *path, const char *rest, struct oxi_buffer *why)
{
	const char *keys[KEYS_MAX], *key;
	size_t n = 0;
	json_t *value;
	if (!json_is_object(in)) {
		oxi_buffer_add_format(why, "'%.*s' is ", (int)(rest - path < 100 ? rest - path - 1 : 100), path);
		if (json_is_array(in))
			oxi_buffer_add_format(why, "an array of %zu", json_array_size(in));
		else
			oxi_buffer_add_text(why, "neither an object nor an array");
		return;
	}
	json_object_foreach(in, key, value)
		if (n < KEYS_MAX)
			keys[n++] = key;
	const char *near = n ? oxi_nearest(rest, keys, sizeof(*keys), n) : NULL;
	if (near)
		oxi_buffer_add_format(why, "did you mean '%.100s'? ", near);
	oxi_buffer_add_text(why, n ? "there are" : "the object is empty");
	for (size_t i = 0; i < n && i < 12; i++)
		oxi_buffer_add_format(why, " '%.100s'", keys[i]);
	oxi_buffer_add_text(why, n > 12 ? " ..." : "");
}

static int add_dump(const char *data, size_t len, void *out)
{
	oxi_buffer_add(out, data, len);
	return 0;
}

static void add_real(struct oxi_buffer *out, double d)
{
	char text[40];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	oxi_buffer_add_text(out, text);
}

int oxi_jsonl_get(const struct oxi_jsonl *j, const char *path, struct oxi_buffer *out, struct oxi_buffer *why)
{
	json_t *in;
	const char *rest;
	json_t *value = find((json_t *)j, path, &in, &rest);
	if (!value) {
		explain(in, path, rest, why);
		return -ENOENT;
	}
	if (json_is_string(value))
		oxi_buffer_add(out, json_string_value(value), json_string_length(value));
	else if (json_is_real(value))
		add_real(out, json_real_value(value));
	else if (!json_is_null(value))
		json_dump_callback(value, add_dump, out, JSON_COMPACT | JSON_ENCODE_ANY);
	return 0;
}

void oxi_jsonl_free(struct oxi_jsonl *j)
{
	json_decref((json_t *)j);
}
