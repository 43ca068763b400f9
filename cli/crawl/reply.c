/* SPDX-License-Identifier: MIT */
/*
 * All calls are behind function pointers, so that a plugin needs to be linked to nothing, and what it gives is
 * checked as it comes: the value is written by our JSON writer, or read as JSON before it is taken.
 */
#include "cli/crawl/reply.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/tree.h"
#include "cli/crawl/xpath.h"

#define BLOB_NAME_MAX 255

struct oxi_reply_kept {
	struct oxi_reply_kept *next;
	void *memory;
};

static struct oxi_reply *reply_of(ox_page_reply *out)
{
	return (struct oxi_reply *)(void *)out;
}

void oxi_reply_fail(ox_page_reply *out, int error, const char *why)
{
	struct oxi_reply *r = reply_of(out);
	if (r->error)
		return;
	r->error = error;
	snprintf(r->to->reason, sizeof(r->to->reason), "%s", why);
}

/* ---- the object ---- */

/* The writer behind out; NULL once an error has happened. */
static struct oxi_json *writer(ox_page_reply *out)
{
	struct oxi_reply *r = reply_of(out);
	if (r->object.len + r->values.len > OXI_VALUE_MAX)
		oxi_reply_fail(out, OX_ETOOBIG, "a value of more than 1 MiB");
	if (r->json.failed)
		oxi_reply_fail(out, OX_EINVAL, "objects and arrays: an end too many, or too many in one another");
	return r->error ? NULL : &r->json;
}

static void put_int(ox_page_reply *out, const char *name, int64_t value)
{
	struct oxi_json *j = writer(out);
	if (j)
		oxi_json_int(j, name, value);
}

static void put_double(ox_page_reply *out, const char *name, double value)
{
	struct oxi_json *j = writer(out);
	if (j)
		oxi_json_double(j, name, value);
}

static void put_bool(ox_page_reply *out, const char *name, int value)
{
	struct oxi_json *j = writer(out);
	if (j)
		oxi_json_bool(j, name, value != 0);
}

static void put_string(ox_page_reply *out, const char *name, const char *text, size_t len)
{
	struct oxi_json *j = writer(out);
	if (j)
		oxi_json_string(j, name, text, len);
}

static void begin(ox_page_reply *out, const char *name, char kind)
{
	struct oxi_json *j = writer(out);
	if (j)
		oxi_json_begin(j, name, kind == '[' ? '[' : '{');
}

/* The outermost object is ours to end. */
static void end(ox_page_reply *out)
{
	struct oxi_json *j = writer(out);
	if (j && j->depth == 1)
		j->failed = true;
	else if (j)
		oxi_json_end(j);
}

/* ---- more of them ---- */

/* Written anew, so that it has no newline and means to everybody what it meant here. */
static void emit_json(ox_page_reply *out, const char *json, size_t len)
{
	struct oxi_reply *r = reply_of(out);
	if (!writer(out))
		return;
	json_t *value = len <= OXI_VALUE_MAX ? json_loadb(json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	json_decref(value);
	if (!text) {
		oxi_reply_fail(out, len > OXI_VALUE_MAX ? OX_ETOOBIG : OX_EINVAL, "what was emitted is no JSON, or more than 1 MiB");
		return;
	}
	oxi_buffer_add_char(&r->values, ',');
	oxi_buffer_add_text(&r->values, text);
	free(text);
}

static void emit_blob(ox_page_reply *out, const char *name, const void *data, size_t len)
{
	struct oxi_reply *r = reply_of(out);
	struct oxi_buffer *blobs = &r->to->blobs;
	size_t name_len = strlen(name);
	if (!writer(out))
		return;
	if (!r->keeps_blobs) {
		oxi_reply_fail(out, OX_EINVAL, "blobs have no folder: give --blobs or --run");
	} else if (name_len > BLOB_NAME_MAX) {
		oxi_reply_fail(out, OX_EINVAL, "the name of a blob is longer than 255 bytes");
	} else if (r->blobs == OXI_BLOBS_MAX || len > OXI_BLOB_BYTES - r->blob_bytes) {
		oxi_reply_fail(out, OX_ETOOBIG, "more than 64 blobs or 16 MiB of them");
	} else {
		uint16_t n = (uint16_t)name_len;
		uint32_t size = (uint32_t)len;
		r->blobs++;
		r->blob_bytes += len;
		oxi_buffer_add(blobs, &n, sizeof(n));
		oxi_buffer_add(blobs, &size, sizeof(size));
		oxi_buffer_add(blobs, name, n);
		oxi_buffer_add(blobs, data, len);
	}
}

/* ---- links ---- */

static bool is_order(ox_page_reply *out, ox_page_order order)
{
	if (order < OX_PAGE_NORMAL || order > OX_PAGE_DROP)
		oxi_reply_fail(out, OX_EINVAL, "there is no such order of a link");
	return writer(out) != NULL;
}

static void emit_link(ox_page_reply *out, const char *url, size_t len, ox_page_order order)
{
	const struct oxi_reply_links *links = reply_of(out)->links;
	if (is_order(out, order) && order != OX_PAGE_DROP)
		links->add(links->arg, url, len, order == OX_PAGE_FIRST);
}

static void order_link(ox_page_reply *out, size_t i, ox_page_order order)
{
	const struct oxi_reply *r = reply_of(out);
	if (!is_order(out, order))
		return;
	if (i >= r->page->references_n)
		oxi_reply_fail(out, OX_EINVAL, "the page has no such link");
	else
		r->links->order(r->links->arg, i, order);
}

/* ---- the tree ---- */

const struct oxi_tree *oxi_reply_tree(ox_page_reply *out)
{
	struct oxi_reply *r = reply_of(out);
	if (!writer(out) || r->tree)
		return r->error ? NULL : r->tree;
	int code = oxi_tree_parse(r->page->html.data, r->page->html.len, &r->tree);
	if (code < 0)
		oxi_reply_fail(out, code, code == OX_ETOOBIG ? "the page is too large or too deep for a tree" : ox_strerror(code));
	r->to->no_tree = code == OX_ETOOBIG;
	return r->tree;
}

static const ox_page_node *root(ox_page_reply *out)
{
	const struct oxi_tree *t = oxi_reply_tree(out);
	return t ? oxi_tree_root(t) : NULL;
}

static const ox_page_node *step(ox_page_reply *out, const ox_page_node *node, char where)
{
	(void)out;
	return where == 'c' ? oxi_tree_node_child(node) : where == 'n' ? oxi_tree_node_next(node) : oxi_tree_node_parent(node);
}

static const char *name_of(ox_page_reply *out, const ox_page_node *node)
{
	(void)out;
	return oxi_tree_node_name(node);
}

static const char *attribute(ox_page_reply *out, const ox_page_node *node, const char *name)
{
	(void)out;
	return oxi_tree_node_attribute(node, name);
}

/* Lends memory to the function until it returns. */
static bool keep(ox_page_reply *out, void *memory)
{
	struct oxi_reply *r = reply_of(out);
	struct oxi_reply_kept *k = memory ? malloc(sizeof(*k)) : NULL;
	if (!k) {
		free(memory);
		oxi_reply_fail(out, OX_ENOMEM, ox_strerror(OX_ENOMEM));
		return false;
	}
	*k = (struct oxi_reply_kept){ r->kept, memory };
	r->kept = k;
	return true;
}

static ox_bytes node_text(ox_page_reply *out, const ox_page_node *node)
{
	struct oxi_buffer text = { 0 };
	oxi_tree_node_text(node, &text);
	oxi_buffer_add_char(&text, '\0');
	if (text.failed)
		oxi_buffer_free(&text);
	return keep(out, text.data) ? (ox_bytes){ text.data, text.len - 1 } : (ox_bytes){ "", 0 };
}

static size_t select_nodes(ox_page_reply *out, const ox_page_node *from, const char *xpath, const ox_page_node *const **ret)
{
	static const ox_page_node *const none[] = { NULL };
	const struct oxi_tree *t = oxi_reply_tree(out);
	struct oxi_xpath *x = NULL;
	struct oxi_xpath_result found;
	const char *why = "the expression has a wrong type";
	size_t at;
	*ret = none;
	if (!t)
		return 0;
	int code = oxi_xpath_new(xpath, &x, &at, &why);
	if (code == 0 && (code = oxi_xpath_run(x, t, from, &found)) == 0 && found.kind != OXI_XPATH_NODES) {
		code = OX_EINVAL;
		why = "the expression gives no nodes";
		oxi_xpath_result_free(&found);
	}
	oxi_xpath_free(x);
	if (code < 0) {
		oxi_reply_fail(out, code, code == OX_ENOMEM ? ox_strerror(code) : why);
		return 0;
	}
	if (!keep(out, found.node))
		return 0;
	*ret = found.node;
	return found.n;
}

/* ---- from beginning to end ---- */

void oxi_reply_prepare(void)
{
	json_object_seed(0);
}

void oxi_reply_begin(struct oxi_reply *r, const ox_page *page, const struct oxi_reply_links *links, bool keeps_blobs,
                     struct oxi_crunched *to)
{
	*r = (struct oxi_reply){
		.base = { sizeof(r->base), put_int, put_double, put_bool, put_string, begin, end, emit_json, emit_blob, emit_link,
		          order_link, root, step, name_of, attribute, node_text, select_nodes },
		.page = page, .links = links, .keeps_blobs = keeps_blobs, .to = to,
	};
	r->json.out = &r->object;
	oxi_json_begin(&r->json, NULL, '{');
}

/* The object alone, or an array of it, if something was put into it, and what was emitted. */
static void write_value(struct oxi_reply *r)
{
	struct oxi_buffer *value = &r->to->value;
	bool is_used = r->object.len > 1;
	while (r->json.depth > 0 && !r->json.failed)
		oxi_json_end(&r->json);
	if (!writer(&r->base))
		return;
	if (r->values.len == 0) {
		oxi_buffer_add(value, r->object.data, r->object.len);
		return;
	}
	oxi_buffer_add_char(value, '[');
	if (is_used)
		oxi_buffer_add(value, r->object.data, r->object.len);
	oxi_buffer_add(value, r->values.data + !is_used, r->values.len - !is_used);
	oxi_buffer_add_char(value, ']');
}

int oxi_reply_end(struct oxi_reply *r, int code)
{
	struct oxi_reply_kept *k;
	write_value(r);
	if (r->object.failed || r->values.failed || r->to->value.failed || r->to->blobs.failed)
		oxi_reply_fail(&r->base, OX_ENOMEM, ox_strerror(OX_ENOMEM));
	if (code < 0 && !r->error)
		snprintf(r->to->reason, sizeof(r->to->reason), "the function returned %d: %s", code, ox_strerror(code));
	while ((k = r->kept)) {
		r->kept = k->next;
		free(k->memory);
		free(k);
	}
	oxi_tree_free(r->tree);
	oxi_buffer_free(&r->object);
	oxi_buffer_free(&r->values);
	return code < 0 ? code : r->error;
}
