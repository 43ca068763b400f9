/* SPDX-License-Identifier: MIT */
/*
 * What a job that has succeeded gives to the tasks whose source its task is. Its row, an object of names and values,
 * gets a member that is called as the task and holds what the job has made:
 *
 *	{"url": "http://...", "id": "7", "pages": {"status": 200, "exit": 0, "body": "RUN/blobs/12", "url": "http://...", "value": ...}}
 *
 * Places like {pages.body} and {pages.value.words} are paths into it, as into any row of JSON, and those without a member's
 * name are the columns that the job had. So a row of tasks hands everything on that was known at its beginning.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch/plan.h"

static json_t *text_of(const struct oxi_buffer *b)
{
	return b->len ? json_stringn_nocheck(b->data, b->len) : json_null();
}

/* The row of a job that was made from columns, or from one that is an object already. NULL: no memory. */
static json_t *row_of_values(const struct oxi_job *j)
{
	const struct oxi_names *names = j->task->names;
	size_t values = j->n - oxi_names_fields(names);
	struct oxi_jsonl *object;
	struct oxi_buffer ignored = { 0 };
	size_t at;
	if (names->open && values > 0) {
		int r = oxi_jsonl_read(j->value[0], &object, &at, &ignored);
		oxi_buffer_free(&ignored);
		return r == 0 ? (json_t *)object : NULL;
	}
	json_t *row = json_object();
	for (size_t i = 0; i < names->n && i < values; i++)
		json_object_set_new_nocheck(row, names->name[i], json_stringn_nocheck(j->value[i].data, j->value[i].len));
	return row;
}

static json_t *product_of(const struct oxi_job *j)
{
	const struct oxi_product *p = &j->product;
	json_t *o = json_object();
	json_object_set_new(o, "status", p->code ? json_integer(p->code) : json_string(oxi_status_name(j->outcome.status)));
	json_object_set_new(o, "exit", json_integer(j->outcome.exit));
	json_object_set_new(o, "job", json_integer((json_int_t)j->seq));
	json_object_set_new(o, "body", text_of(&p->body));
	json_object_set_new(o, "url", text_of(&p->url));
	json_object_set_new(o, "value", p->value.len ? json_loadb(p->value.data, p->value.len, JSON_DECODE_ANY, NULL) : json_null());
	return o;
}

static json_t *row_for(const struct oxi_job *j)
{
	json_t *row = j->row ? json_copy((json_t *)j->row) : row_of_values(j);
	if (!row || json_object_set_new_nocheck(row, j->task->name, product_of(j)) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

/* What the paths of t lead to, one after the other; where each begins, in at. What one does not lead to goes to fault. */
static void find_fields(const struct oxi_task *t, const json_t *row, struct oxi_buffer *text, size_t *at, struct oxi_buffer *fault)
{
	struct oxi_buffer what = { 0 };
	for (size_t i = 0; i < t->names->paths; i++) {
		at[i] = text->len;
		what.len = 0;
		if (oxi_jsonl_get((const struct oxi_jsonl *)row, t->names->path[i], text, &what) < 0 && fault->len == 0) {
			oxi_buffer_add_format(fault, "{%.200s} is not there: ", t->names->path[i]);
			oxi_buffer_add(fault, what.data, what.len);
			oxi_buffer_add_char(fault, '\0');
		}
	}
	at[t->names->paths] = text->len;
	oxi_buffer_free(&what);
}

static char *put(char *to, ox_bytes *value, const void *data, size_t len)
{
	*value = (ox_bytes){ to, len };
	if (len)
		memcpy(to, data, len);
	return to + len;
}

struct oxi_element *oxi_element_new(const struct oxi_task *t, const struct oxi_job *j)
{
	size_t values = j->n - oxi_names_fields(j->task->names), paths = t->names->paths, bytes = 0;
	struct oxi_buffer text = { 0 }, fault = { 0 };
	size_t *at = calloc(paths + 1, sizeof(*at));
	json_t *row = at ? row_for(j) : NULL;
	if (row)
		find_fields(t, row, &text, at, &fault);
	for (size_t i = 0; i < values; i++)
		bytes += j->value[i].len;
	struct oxi_element *e = NULL;
	if (row && !text.failed && !fault.failed)
		e = calloc(1, sizeof(*e) + (values + paths) * sizeof(ox_bytes) + bytes + text.len);
	if (e) {
		char *to = (char *)(e->value + values + paths);
		e->n = values + paths;
		e->row = (struct oxi_jsonl *)row;
		e->fault = fault.data;
		for (size_t i = 0; i < values; i++)
			to = put(to, &e->value[i], j->value[i].data, j->value[i].len);
		for (size_t i = 0; i < paths; i++)
			to = put(to, &e->value[values + i], text.data + at[i], at[i + 1] - at[i]);
	} else {
		json_decref(row);
		oxi_buffer_free(&fault);
	}
	oxi_buffer_free(&text);
	free(at);
	return e;
}

void oxi_element_free(struct oxi_element *e)
{
	oxi_jsonl_free(e->row);
	free(e->fault);
	free(e);
}
