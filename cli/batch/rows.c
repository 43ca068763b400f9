/* SPDX-License-Identifier: MIT */
/*
 * Each axis is a source of its own, in the words of oxi_input. `each` has one, whose columns are the places; a matrix has
 * one with a name for each place, and is their product, the last one fastest.
 */
#include "cli/batch/rows.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* The files that a pattern finds, sorted by their bytes. A pattern that finds none is no row, not a row with itself. */
static int find_files(const char *pattern, char ***ret, size_t *ret_n, struct oxi_buffer *why)
{
	glob_t g;
	int r = glob(pattern, 0, NULL, &g);
	if (r == GLOB_NOMATCH)
		return 0;
	if (r != 0) {
		oxi_buffer_add_format(why, "%.400s: %s", pattern, r == GLOB_NOSPACE ? "no memory" : "a folder cannot be read");
		return OX_EINVAL;
	}
	*ret = calloc(g.gl_pathc, sizeof(**ret));
	for (size_t i = 0; *ret && i < g.gl_pathc; i++) {
		(*ret)[i] = strdup(g.gl_pathv[i]);
		*ret_n += (*ret)[i] != NULL;
	}
	r = *ret && *ret_n == g.gl_pathc ? 0 : OX_ENOMEM;
	globfree(&g);
	return r;
}

static int take_words(const struct oxi_axis *a, char ***ret)
{
	*ret = calloc(a->n ? a->n : 1, sizeof(**ret));
	for (size_t i = 0; *ret && i < a->n; i++)
		(*ret)[i] = a->value[i].data;
	return *ret ? 0 : OX_ENOMEM;
}

static int take_axis(struct oxi_rows *r, size_t i, const struct oxi_axis *a, struct oxi_buffer *why)
{
	struct oxi_source_arg *s = &r->source[i];
	int e = 0;
	*s = (struct oxi_source_arg){ .kind = OXI_FILE };
	switch (a->kind) {
	case OXI_AXIS_VALUES:
		s->kind = OXI_WORDS;
		s->n = a->n;
		e = take_words(a, &r->word[i]);
		break;
	case OXI_AXIS_GLOB:
		s->kind = OXI_WORDS;
		r->found[i] = true;
		e = find_files(a->value[0].data, &r->word[i], &s->n, why);
		break;
	case OXI_AXIS_ARRAY:
		s->kind = OXI_ARRAY;
		s->text = a->value[0].data;
		break;
	case OXI_AXIS_CSV:
		r->options.format.csv = ',';
		r->options.format.header = true;
		s->text = a->value[0].data;
		break;
	case OXI_AXIS_JSONL:
		r->options.format.jsonl = true;
		s->text = a->value[0].data;
		break;
	default:
		s->text = a->value[0].data;
	}
	s->word = r->word[i];
	return e;
}

static int take_names(struct oxi_rows *r, const struct oxi_entry *e)
{
	int x = 0;
	for (size_t i = 0; i < e->axes && x == 0; i++) {
		if (e->axis[i].name.data)
			x = oxi_names_add(&r->input.names, e->axis[i].name.data, e->axis[i].name.len);
	}
	return x;
}

int oxi_rows_open(struct oxi_rows *r, const struct oxi_entry *e, unsigned jobs, struct oxi_buffer *why)
{
	*r = (struct oxi_rows){ .options = { .n = e->axes, .jobs = jobs, .format.separator = { "\n", 1 } } };
	r->source = calloc(e->axes, sizeof(*r->source));
	r->word = calloc(e->axes, sizeof(char **));
	r->found = calloc(e->axes, sizeof(*r->found));
	r->options.source = r->source;
	int x = r->source && r->word && r->found ? 0 : OX_ENOMEM;
	for (size_t i = 0; i < e->axes && x == 0; i++)
		x = take_axis(r, i, &e->axis[i], why);
	if (x < 0)
		return x;
	x = oxi_input_open(&r->input, &r->options);
	if (x == 0)
		x = take_names(r, e);
	oxi_buffer_add(why, r->input.why.data, r->input.why.len);
	return x;
}

int oxi_rows_begin(struct oxi_rows *r, struct oxi_task *t, struct oxi_buffer *why)
{
	bool usage;
	int x = oxi_input_begin(&r->input, &t->command, &usage);
	if (x == 0)
		x = oxi_task_complete(t);
	oxi_buffer_add(why, r->input.why.data, r->input.why.len);
	return x;
}

void oxi_rows_close(struct oxi_rows *r)
{
	oxi_input_close(&r->input);
	for (size_t i = 0; r->word && i < r->options.n; i++) {
		for (size_t k = 0; r->found && r->found[i] && k < r->source[i].n; k++)
			free(r->word[i][k]);
		free(r->word[i]);
	}
	free(r->source);
	free(r->word);
	free(r->found);
}
