/* SPDX-License-Identifier: MIT */
#include "cli/batch/arguments.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/options.h"
#include "cli/say.h"

#define MOST_MAX 10000000

static int add_source(struct oxi_arguments *a, struct oxi_source_arg arg)
{
	struct oxi_source_arg *grown = realloc(a->input.source, (a->input.n + 1) * sizeof(*grown));
	if (!grown)
		return OX_ENOMEM;
	a->input.source = grown;
	grown[a->input.n++] = arg;
	return 1;
}

/* ---- values of options ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character behind a backslash. Returns how long it is written; 0: there is no such. */
static size_t unescape(const char *p, char *ret)
{
	static const char letters[] = "n\nt\tr\rf\fv\va\ab\b\\\\0\0";
	if (*p == 'x' && hex(p[1]) >= 0) {
		bool two = hex(p[2]) >= 0;
		*ret = (char)(two ? hex(p[1]) * 16 + hex(p[2]) : hex(p[1]));
		return two ? 3 : 2;
	}
	if (*p >= '0' && *p <= '7') {
		size_t n = strspn(p, "01234567");
		n = n > 3 ? 3 : n;
		unsigned value = 0;
		for (size_t i = 0; i < n; i++)
			value = 8 * value + (unsigned)(p[i] - '0');
		*ret = (char)value;
		return n;
	}
	for (size_t i = 0; *p && i + 1 < sizeof(letters); i += 2) {
		if (letters[i] == *p) {
			*ret = letters[i + 1];
			return 1;
		}
	}
	return 0;
}

/* Text with escapes, as bytes. Returns: 0; OX_EINVAL: it was said what is wrong; OX_ENOMEM. */
static int decode(const char *option, const char *text, struct oxi_buffer *b)
{
	b->len = 0;
	for (const char *p = text; *p;) {
		char c = *p++;
		if (c == '\\') {
			size_t n = unescape(p, &c);
			if (!n) {
				oxi_say("run", "%s %s: there is no \\%.1s (there are \\n \\t \\r \\0 \\\\ \\x2c \\054)", option, text, p);
				return OX_EINVAL;
			}
			p += n;
		}
		oxi_buffer_add_char(b, c);
	}
	return b->failed ? OX_ENOMEM : 0;
}

static int read_delimiter(struct oxi_arguments *a, const char *text)
{
	struct oxi_buffer *b = &a->delimiter_text;
	int r = decode("-d", text, b);
	if (r == 0 && b->len == 0) {
		oxi_say("run", "-d: give the text that ends a value");
		return OX_EINVAL;
	}
	a->delimiter = (ox_bytes){ b->data, b->len };
	return r < 0 ? r : 1;
}

static int read_most(struct oxi_arguments *a, int id, const char *value)
{
	uint64_t most;
	if (oxi_value_count(value, 0, MOST_MAX, &most) < 0) {
		oxi_say("run", "-%c %s: give a number up to %d", id, value, MOST_MAX);
		return OX_EINVAL;
	}
	a->input.most = most;
	a->input.packed = true;
	a->input.context |= id == 'N';
	return 1;
}

static int read_seed(struct oxi_arguments *a, const char *value)
{
	a->input.shuffle = true;
	if (!value)
		return getrandom(&a->input.seed, sizeof(a->input.seed), 0) < 0 ? -errno : 1;
	if (oxi_value_count(value, 0, UINT64_MAX, &a->input.seed) < 0) {
		oxi_say("run", "--shuf=%s: the seed is a number", value);
		return OX_EINVAL;
	}
	return 1;
}

static int read_array(struct oxi_arguments *a, const char *value)
{
	struct oxi_array array;
	const char *bad;
	int r = oxi_array_parse(value, &array, &bad);
	if (r == OX_EINVAL)
		oxi_say("run", "--array %s: wrong at '%s' (like 1-100:2,200%%8)", value, bad);
	if (r < 0)
		return r;
	a->array_limit = array.limit;
	oxi_array_free(&array);
	return add_source(a, (struct oxi_source_arg){ .kind = OXI_ARRAY, .text = value });
}

int oxi_arguments_option(struct oxi_arguments *a, int id, const char *value)
{
	struct oxi_input_options *o = &a->input;
	switch (id) {
	case 'a': return add_source(a, (struct oxi_source_arg){ .kind = OXI_FILE, .text = value });
	case '0': a->null = true; return 1;
	case 'd': return read_delimiter(a, value);
	case 'C': a->columns = (ox_bytes){ value, strlen(value) }; return 1;
	case 'n': case 'N': return read_most(a, id, value);
	case 'X': o->context = true; /* fallthrough */
	case 'm':
		o->packed = o->fill = true;
		return 1;
	case OXI_IN_CSV: o->format.csv = ','; return 1;
	case OXI_IN_HEADER: o->format.header = true; return 1;
	case OXI_IN_JSONL: o->format.jsonl = true; return 1;
	case OXI_IN_LINK: o->link = true; return 1;
	case OXI_IN_ARRAY: return read_array(a, value);
	case OXI_IN_SHUFFLE: return read_seed(a, value);
	case OXI_IN_FILTER: o->filter = value; return 1;
	}
	return 0;
}

/* ---- lists ---- */

static bool begins_list(const char *word)
{
	return strncmp(word, ":::", 3) == 0;
}

size_t oxi_arguments_command(char **words, size_t n)
{
	size_t i = 0;
	while (i < n && !begins_list(words[i]))
		i++;
	return i;
}

/* Files: each is a list of its own, and only the first is linked. */
static int add_files(struct oxi_arguments *a, char **words, size_t n, bool linked)
{
	int r = 0;
	if (n == 0) {
		oxi_say("run", "which file? '::::' is followed by names of files");
		return OX_EINVAL;
	}
	for (size_t i = 0; i < n && r >= 0; i++)
		r = add_source(a, (struct oxi_source_arg){ .kind = OXI_FILE, .text = words[i], .linked = linked });
	return r;
}

int oxi_arguments_lists(struct oxi_arguments *a, char **words, size_t n)
{
	for (size_t i = 0; i < n;) {
		const char *word = words[i++];
		size_t count = oxi_arguments_command(words + i, n - i), colons = strspn(word, ":");
		bool linked = word[colons] == '+' && !word[colons + 1] && a->input.n > 0;
		if (colons > 4 || (word[colons] && strcmp(word + colons, "+") != 0)) {
			oxi_say("run", "'%s' is not known; values follow ':::' or ':::+', files '::::' or '::::+'", word);
			return OX_EINVAL;
		}
		int r = colons == 4 ? add_files(a, words + i, count, linked) :
		                      add_source(a, (struct oxi_source_arg){ OXI_WORDS, linked, NULL, words + i, count });
		if (r < 0)
			return r;
		i += count;
	}
	return 0;
}

/* ---- all together ---- */

static int check(const struct oxi_arguments *a)
{
	const struct oxi_input_options *o = &a->input;
	if (o->format.csv && o->format.jsonl)
		oxi_say("run", "--csv or --jsonl, not both");
	else if (o->format.jsonl && o->format.header)
		oxi_say("run", "--jsonl: each row has its names in it; leave out --header");
	else if (o->format.jsonl && a->columns.len)
		oxi_say("run", "--jsonl: a row has no columns; leave out --colsep");
	else if (a->null && a->delimiter.len)
		oxi_say("run", "-0 or -d, not both");
	else if ((o->format.csv || o->format.jsonl) && (a->null || a->delimiter.len))
		oxi_say("run", "rows of --csv and --jsonl end with a newline: they go with neither -0 nor -d");
	else
		return 0;
	return OX_EINVAL;
}

static int make_columns(struct oxi_arguments *a)
{
	struct oxi_buffer why = { 0 };
	int r = oxi_regex_new(a->columns, (ox_bytes){ "", 0 }, &a->input.format.columns, &why);
	if (r < 0 && why.len)
		oxi_say("run", "--colsep: %.*s", (int)why.len, why.data);
	oxi_buffer_free(&why);
	return r;
}

static int read_csv_separator(struct oxi_arguments *a)
{
	struct oxi_buffer b = { 0 };
	int r = decode("--colsep", a->columns.data, &b);
	if (r == 0 && (b.len != 1 || strchr("\"\r\n", b.data[0]))) {
		oxi_say("run", "--colsep %s: with --csv, give one character", (const char *)a->columns.data);
		r = OX_EINVAL;
	}
	if (r == 0)
		a->input.format.csv = b.data[0];
	oxi_buffer_free(&b);
	return r;
}

int oxi_arguments_end(struct oxi_arguments *a)
{
	struct oxi_input_options *o = &a->input;
	int r = check(a);
	if (r < 0)
		return r;
	o->format.separator = a->null ? (ox_bytes){ "", 1 } : a->delimiter.len ? a->delimiter : (ox_bytes){ "\n", 1 };
	if (o->fill && o->most == 0)
		o->most = OXI_ANY;
	if (o->format.csv && a->columns.len)
		r = read_csv_separator(a);
	else if (a->columns.len)
		r = make_columns(a);
	return r;
}

void oxi_arguments_free(struct oxi_arguments *a)
{
	oxi_regex_free(a->input.format.columns);
	free(a->input.source);
	oxi_buffer_free(&a->delimiter_text);
}
