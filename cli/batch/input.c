/* SPDX-License-Identifier: MIT */
/*
 * What is held in memory, whatever the input's length: a buffer for each file; with -X and -m one command's values; with
 * --shuf 16 bytes for each record of a file. Pipes that are needed twice (all but the first of a product, --link,
 * --shuf, {##}) are kept in a temporary file.
 *
 * A job's values are those of all sources, in their order, and behind them one for each path into JSON objects that the
 * template or the filter uses.
 */
#include "cli/batch/input.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static int check_sources(struct oxi_input *in, const struct oxi_source_arg *arg, size_t n)
{
	size_t standard = 0;
	for (size_t i = 0; i < n; i++)
		standard += arg[i].kind == OXI_FILE && strcmp(arg[i].text, "-") == 0;
	if (standard < 2)
		return 0;
	oxi_buffer_add_text(&in->why, "standard input can be read as one list only");
	return OX_EINVAL;
}

/* How many values a job has, if that is always the same. */
static size_t count_values(const struct oxi_input *in)
{
	size_t values = 0;
	for (size_t i = 0; i < in->combine.n; i++) {
		if (in->combine.source[i].columns == OXI_ANY)
			return OXI_ANY;
		values += in->combine.source[i].columns;
	}
	if (!in->o->packed)
		return values;
	return in->o->fill ? OXI_ANY : in->o->most * values;
}

int oxi_input_open(struct oxi_input *in, const struct oxi_input_options *o)
{
	static const struct oxi_source_arg standard_input = { .kind = OXI_FILE, .text = "-" };
	const struct oxi_source_arg *arg = o->n ? o->source : &standard_input;
	size_t n = o->n ? o->n : 1;
	*in = (struct oxi_input){ .o = o };
	in->combine = (struct oxi_combine){ .recycle = o->link };
	in->combine.source = calloc(n, sizeof(*in->combine.source));
	in->combine.ended = calloc(n, sizeof(*in->combine.ended));
	if (!in->combine.source || !in->combine.ended)
		return OX_ENOMEM;
	int r = check_sources(in, arg, n);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = oxi_source_open(&in->combine.source[i], &arg[i], &o->format, &in->names, &in->why);
		in->combine.n++;
	}
	in->names.open = o->format.jsonl;
	in->names.packed = o->packed;
	in->names.values = count_values(in);
	return r;
}

/* ---- a job's values ---- */

static int add_value(struct oxi_input *in, ox_bytes value)
{
	if (in->record_n == in->record_cap) {
		size_t cap = in->record_cap ? 2 * in->record_cap : 8;
		ox_bytes *grown = realloc(in->record, cap * sizeof(*grown));
		if (!grown)
			return OX_ENOMEM;
		in->record = grown;
		in->record_cap = cap;
	}
	in->record[in->record_n++] = value;
	return 0;
}

/* The value at a path, in the first row that has one, as an offset into fields. */
static int add_field(struct oxi_input *in, const char *path)
{
	struct oxi_buffer what = { 0 };
	const struct oxi_source *last = NULL;
	size_t at = in->fields.len;
	int r = -ENOENT;
	for (size_t i = 0; i < in->combine.n && r == -ENOENT; i++) {
		if (!in->combine.source[i].json)
			continue;
		last = &in->combine.source[i];
		what.len = 0;
		r = oxi_jsonl_get(last->json, path, &in->fields, &what);
	}
	if (r == -ENOENT && last) {
		oxi_source_where(last, 0, &in->why);
		oxi_buffer_add_format(&in->why, "{%.200s} is not there: ", path);
		oxi_buffer_add(&in->why, what.data, what.len);
	} else if (r == -ENOENT)
		oxi_buffer_add_format(&in->why, "{%.200s}: no list has rows of JSON", path);
	oxi_buffer_free(&what);
	return r < 0 ? r : add_value(in, (ox_bytes){ (const void *)at, in->fields.len - at });
}

static int check_highest(struct oxi_input *in)
{
	if (!in->o->format.csv || in->o->packed || in->names.highest <= in->record_n)
		return 0;
	oxi_source_where(&in->combine.source[0], 0, &in->why);
	oxi_buffer_add_format(&in->why, "{%zu} is not there: the row has %zu columns", in->names.highest, in->record_n);
	return OX_EINVAL;
}

static int gather(struct oxi_input *in)
{
	in->record_n = in->fields.len = 0;
	int r = 0;
	for (size_t i = 0; i < in->combine.n; i++) {
		const struct oxi_source *s = &in->combine.source[i];
		bool hidden = s->json && !in->names.whole;      /* a row may be long, and nobody looks at all of it */
		for (size_t k = 0; k < s->row.n && r == 0; k++)
			r = add_value(in, hidden ? (ox_bytes){ "", 0 } : s->row.field[k]);
	}
	if (r == 0)
		r = check_highest(in);
	size_t first = in->record_n;
	for (size_t i = 0; i < in->names.paths && r == 0; i++)
		r = add_field(in, in->names.path[i]);
	for (size_t i = first; i < in->record_n; i++)
		in->record[i].data = in->fields.data ? in->fields.data + (size_t)in->record[i].data : "";
	return in->fields.failed ? OX_ENOMEM : r;
}

static int passes(struct oxi_input *in)
{
	if (!in->filter)
		return 1;
	struct oxi_buffer what = { 0 };
	struct oxi_values v = { .value = in->record, .n = in->record_n, .fields = in->names.paths };
	int r = oxi_filter_passes(in->filter, &v, &what);
	if (r < 0) {
		oxi_source_where(&in->combine.source[0], 0, &in->why);
		oxi_buffer_add(&in->why, what.data, what.len);
	}
	oxi_buffer_free(&what);
	return r;
}

static int next_record(struct oxi_input *in)
{
	int r;
	do {
		r = oxi_combine_next(&in->combine, &in->why);
		if (r > 0)
			r = gather(in);
		else
			return r;
		if (r == 0)
			r = passes(in);
	} while (r == 0);
	return r;
}

static int next_for_pack(void *arg, const ox_bytes **ret_value, size_t *ret_n)
{
	struct oxi_input *in = arg;
	int r = next_record(in);
	*ret_value = in->record;
	*ret_n = in->record_n - in->names.paths;
	return r;
}

int oxi_input_next(struct oxi_input *in)
{
	int r = in->o->packed ? oxi_pack_next(&in->pack, next_for_pack, in) : next_record(in);
	in->value = in->o->packed ? in->pack.value : in->record;
	in->n = in->o->packed ? in->pack.n : in->record_n;
	if (r == OX_ETOOBIG && in->why.len == 0)
		oxi_buffer_add_text(&in->why, "a regular expression of the command costs too much for a value");
	return r;
}

/* ---- beginning ---- */

/* The total, where it is known without reading. */
static void compute_total(struct oxi_input *in)
{
	if (in->filter || in->o->packed || !oxi_combine_total(&in->combine, &in->total))
		in->total = 0;
}

static void go_back(struct oxi_input *in)
{
	oxi_combine_rewind(&in->combine);
	oxi_pack_reset(&in->pack);
}

static int count(struct oxi_input *in)
{
	uint64_t n = 0;
	int r;
	while ((r = oxi_input_next(in)) > 0)
		n++;
	go_back(in);
	in->total = n;
	return r;
}

static int make_filter(struct oxi_input *in)
{
	bool packed = in->names.packed;
	in->names.packed = false;               /* a filter is about a row, whatever is made of it */
	int r = in->o->filter ? oxi_filter_new(in->o->filter, &in->names, &in->filter, &in->why) : 0;
	in->names.packed = packed;
	return r;
}

int oxi_input_begin(struct oxi_input *in, const struct oxi_template *t, bool *ret_usage)
{
	int r = make_filter(in);
	*ret_usage = r < 0;
	if (r < 0)
		return r;
	in->pack = (struct oxi_pack){ .t = t, .most = in->o->most, .fill = in->o->fill, .jobs = in->o->jobs };
	r = oxi_combine_keep(&in->combine, in->o->shuffle, &in->why);
	if (r == 0 && in->o->shuffle)
		r = oxi_combine_shuffle(&in->combine, in->o->seed, &in->why);
	if (r == 0)
		compute_total(in);
	return r;
}

int oxi_input_complete(struct oxi_input *in, struct oxi_template *t)
{
	int r = 0;
	t->context = in->o->context;
	t->slots = in->o->jobs;
	if (t->counts && in->total == 0) {
		r = oxi_combine_keep(&in->combine, true, &in->why);
		if (r == 0)
			r = count(in);
	}
	t->total = in->total;
	return r;
}

uint64_t oxi_input_total(const struct oxi_input *in)
{
	return in->total;
}

void oxi_input_close(struct oxi_input *in)
{
	for (size_t i = 0; i < in->combine.n; i++)
		oxi_source_close(&in->combine.source[i]);
	free(in->combine.source);
	free(in->combine.ended);
	free(in->record);
	oxi_filter_free(in->filter);
	oxi_pack_free(&in->pack);
	oxi_names_free(&in->names);
	oxi_buffer_free(&in->fields);
	oxi_buffer_free(&in->why);
	*in = (struct oxi_input){ 0 };
}
