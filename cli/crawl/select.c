/* SPDX-License-Identifier: MIT */
#include "cli/crawl/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/reply.h"
#include "cli/crawl/xpath.h"

#define BLANKS " \t\r\n"

struct oxi_select {
	struct field {
		char *name;
		struct oxi_xpath *xpath;
	} field[OXI_SELECT_MAX];
	size_t n;
};

/* The end of an expression: a comma of the list, or its end. */
static const char *end_of(const char *p)
{
	int depth = 0;
	char quote = '\0';
	for (; *p && (quote || depth > 0 || *p != ','); p++) {
		if (quote)
			quote = *p == quote ? '\0' : quote;
		else if (*p == '"' || *p == '\'')
			quote = *p;
		depth += !quote && (*p == '(' || *p == '[');
		depth -= !quote && (*p == ')' || *p == ']');
	}
	return p;
}

static int fail(struct oxi_buffer *why, size_t at, const char *what)
{
	oxi_buffer_add_format(why, "column %zu: %s", at + 1, what);
	return OX_EINVAL;
}

static bool has(const struct oxi_select *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->field[i].name, name) == 0)
			return true;
	}
	return false;
}

/* One "name=expression" between p and end; at: where that stands in the whole. */
static int add(struct oxi_select *s, const char *p, const char *end, size_t at, struct oxi_buffer *why)
{
	const char *assign = memchr(p, '=', (size_t)(end - p));
	const char *name_end = assign;
	size_t blanks = strspn(p, BLANKS);
	if (s->n == OXI_SELECT_MAX)
		return fail(why, at, "there are more than 64 names");
	while (name_end && name_end > p + blanks && strchr(BLANKS, name_end[-1]))
		name_end--;
	if (!assign || name_end <= p + blanks)
		return fail(why, at, "give NAME=EXPRESSION");
	struct field *f = &s->field[s->n];
	char *name = strndup(p + blanks, (size_t)(name_end - p) - blanks);
	char *text = strndup(assign + 1, (size_t)(end - assign) - 1);
	size_t wrong_at = 0;
	const char *wrong = "";
	int r = name && text ? 0 : OX_ENOMEM;
	if (r == 0 && has(s, name))
		r = fail(why, at, "the name is there already");
	else if (r == 0 && (r = oxi_xpath_new(text, &f->xpath, &wrong_at, &wrong)) == OX_EINVAL)
		fail(why, at + (size_t)(assign + 1 - p) + wrong_at, wrong);
	free(text);
	if (r < 0) {
		free(name);
		return r;
	}
	f->name = name;
	s->n++;
	return 0;
}

int oxi_select_new(const char *text, struct oxi_select **ret, struct oxi_buffer *why)
{
	struct oxi_select *s = calloc(1, sizeof(*s));
	int r = s ? 0 : OX_ENOMEM;
	for (const char *p = text, *end; r == 0; p = end + 1) {
		end = end_of(p);
		r = add(s, p, end, (size_t)(p - text), why);
		if (*end == '\0')
			break;
	}
	if (r < 0)
		oxi_select_free(s);
	else
		*ret = s;
	return r;
}

void oxi_select_free(struct oxi_select *s)
{
	for (size_t i = 0; s && i < s->n; i++) {
		free(s->field[i].name);
		oxi_xpath_free(s->field[i].xpath);
	}
	free(s);
}

/* ---- the worker ---- */

static void put_nodes(ox_page_reply *out, const char *name, const struct oxi_xpath_result *f)
{
	ox_page_begin_array(out, name);
	for (size_t i = 0; i < f->n; i++) {
		struct oxi_buffer text = { 0 };
		if (oxi_tree_node_text(f->node[i], &text) < 0)
			oxi_reply_fail(out, OX_ENOMEM, ox_strerror(OX_ENOMEM));
		ox_page_put_string(out, NULL, text.len ? text.data : "", text.len);
		oxi_buffer_free(&text);
	}
	ox_page_end(out);
}

static void put(ox_page_reply *out, const char *name, const struct oxi_xpath_result *f)
{
	switch (f->kind) {
	case OXI_XPATH_BOOLEAN:
		ox_page_put_bool(out, name, f->number != 0);
		break;
	case OXI_XPATH_NUMBER:
		ox_page_put_double(out, name, f->number);
		break;
	case OXI_XPATH_STRING:
		ox_page_put_string(out, name, f->string, strlen(f->string));
		break;
	default:
		put_nodes(out, name, f);
	}
}

int oxi_select_run(const struct oxi_select *s, ox_page_reply *out)
{
	const struct oxi_tree *t = oxi_reply_tree(out);
	for (size_t i = 0; t && i < s->n; i++) {
		const struct field *f = &s->field[i];
		struct oxi_xpath_result found;
		char why[100];
		int r = oxi_xpath_run(f->xpath, t, NULL, &found);
		if (r < 0) {
			snprintf(why, sizeof(why), "--select %.40s: %s", f->name, r == OX_ENOMEM ? "no memory" : "something has a wrong type");
			oxi_reply_fail(out, r, why);
			break;
		}
		put(out, f->name, &found);
		oxi_xpath_result_free(&found);
	}
	return 0;
}
