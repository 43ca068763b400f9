/* SPDX-License-Identifier: MIT */
/*
 * All kinds give records, and a record is a row of values: a word or an index is one value, a line one or, cut, several.
 * A source is gone through in order, and again after a rewind; a shuffle indexes it first and then jumps.
 *
 * What is wrong is said with the place where a person finds it: file, line, column. Lines that end with something else
 * than a newline are counted as items.
 */
#include "cli/batch/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/csv.h"

#define RANDOM_PIECE OX_KIB(4)

static bool ends_lines(const struct oxi_format *f)
{
	return f->csv || f->jsonl || (f->separator.len == 1 && *(const char *)f->separator.data == '\n');
}

void oxi_source_where(const struct oxi_source *s, size_t column, struct oxi_buffer *why)
{
	if (s->kind != OXI_FILE) {
		oxi_buffer_add_format(why, "value %llu of a list: ", (unsigned long long)s->at);
		return;
	}
	oxi_buffer_add_format(why, "%.400s:%s%llu:", s->name, ends_lines(s->format) ? "" : "item ",
	                      (unsigned long long)s->now.line);
	if (column)
		oxi_buffer_add_format(why, "%zu:", column);
	oxi_buffer_add_char(why, ' ');
}

static int complain(const struct oxi_source *s, size_t column, struct oxi_buffer *why, const char *what)
{
	oxi_source_where(s, column, why);
	oxi_buffer_add_text(why, what);
	return OX_EINVAL;
}

/* ---- records of a file ---- */

static int read_more(struct oxi_source *s, struct oxi_buffer *why)
{
	int r = oxi_reader_more(&s->reader);
	if (r == OX_ETOOBIG) {
		oxi_source_where(s, 0, why);
		oxi_buffer_add_format(why, "longer than %d MiB; is it cut in the right way (-0, -d)?", (int)(OXI_LINE_MAX >> 20));
	} else if (r < 0 && r != OX_ENOMEM && r != OX_ECANCELED)
		oxi_buffer_add_format(why, "%.400s: cannot be read: %s", s->name, ox_strerror(r));
	return r;
}

/* The next piece of bytes up to a separator, in *ret. Returns 1, 0 at the end, an error. */
static int next_item(struct oxi_source *s, ox_bytes separator, ox_bytes *ret, struct oxi_buffer *why)
{
	size_t searched = 0;
	for (;;) {
		const char *p = oxi_reader_data(&s->reader);
		size_t len = oxi_reader_len(&s->reader);
		const char *end = len > searched ? memmem(p + searched, len - searched, separator.data, separator.len) : NULL;
		if (!end && s->reader.eof && len == 0)
			return 0;
		if (end || s->reader.eof) {
			*ret = (ox_bytes){ p, end ? (size_t)(end - p) : len };
			s->reader.from += ret->len + (end ? separator.len : 0);
			s->line++;
			return 1;
		}
		searched = len >= separator.len ? len - separator.len + 1 : 0;
		int r = read_more(s, why);
		if (r < 0)
			return r;
	}
}

static int next_csv(struct oxi_source *s, struct oxi_buffer *why)
{
	for (;;) {
		struct oxi_csv_fault fault;
		const char *p = oxi_reader_data(&s->reader);
		ssize_t n = oxi_csv_take(s->format->csv, oxi_reader_data(&s->reader), oxi_reader_len(&s->reader),
		                         s->reader.eof, &s->row, &fault);
		if (n > 0) {
			for (ssize_t i = 0; i < n; i++)
				s->line += p[i] == '\n';
			s->line += s->reader.eof && p[n - 1] != '\n';
			s->reader.from += (size_t)n;
			return 1;
		}
		if (n == OX_EINVAL) {
			size_t column = 1;
			for (size_t i = 0; i < fault.at; i++) {
				s->now.line += p[i] == '\n';
				column = p[i] == '\n' ? 1 : column + 1;
			}
			return complain(s, column, why, fault.what);
		}
		if (n < 0)
			return (int)n;
		if (s->reader.eof)
			return 0;
		int r = read_more(s, why);
		if (r < 0)
			return r;
	}
}

static bool blank(ox_bytes line)
{
	const char *p = line.data;
	for (size_t i = 0; i < line.len; i++) {
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
			return false;
	}
	return true;
}

static int next_json(struct oxi_source *s, struct oxi_buffer *why)
{
	ox_bytes line;
	int r;
	oxi_jsonl_free(s->json);
	s->json = NULL;
	do {
		s->now = (struct oxi_mark){ oxi_reader_at(&s->reader), s->line };
		r = next_item(s, s->format->separator, &line, why);
	} while (r > 0 && blank(line));
	if (r <= 0)
		return r;
	if (line.len && ((const char *)line.data)[line.len - 1] == '\r')
		line.len--;
	size_t column;
	struct oxi_buffer what = { 0 };
	r = oxi_jsonl_read(line, &s->json, &column, &what);
	if (r == OX_EINVAL) {
		oxi_source_where(s, column, why);
		oxi_buffer_add(why, what.data, what.len);
	}
	oxi_buffer_free(&what);
	s->row.n = 0;
	oxi_row_add(&s->row, line.data, line.len);
	return r < 0 ? r : 1;
}

static int cut(struct oxi_source *s, ox_bytes line, struct oxi_buffer *why)
{
	int r = oxi_row_split(&s->row, s->format->columns, line);
	return r == OX_ETOOBIG ? complain(s, 0, why, "the expression of --colsep costs too much") : r < 0 ? r : 1;
}

static int next_line(struct oxi_source *s, struct oxi_buffer *why)
{
	ox_bytes line;
	int r = next_item(s, s->format->separator, &line, why);
	if (r <= 0)
		return r;
	if (memchr(line.data, '\0', line.len))
		return complain(s, 0, why, "holds a NUL byte, which no argument can (-0 reads values that end with one)");
	if (s->format->columns)
		return cut(s, line, why);
	if (line.len > OXI_ARG_MAX) {
		oxi_source_where(s, 0, why);
		oxi_buffer_add_format(why, "has %zu bytes, and the system passes at most %zu in an argument", line.len, OXI_ARG_MAX);
		return OX_EINVAL;
	}
	s->row.n = 0;
	oxi_row_add(&s->row, line.data, line.len);
	return 1;
}

static int next_of_file(struct oxi_source *s, struct oxi_buffer *why)
{
	bool empty;
	int r;
	do {
		s->now = (struct oxi_mark){ oxi_reader_at(&s->reader), s->line };
		r = s->format->csv ? next_csv(s, why) : s->format->jsonl ? next_json(s, why) : next_line(s, why);
		/* An empty line between rows of several columns is no row. */
		empty = r > 0 && s->format->csv && s->columns > 1 && s->row.n == 1 && s->row.field[0].len == 0;
	} while (empty);
	return r;
}

/* ---- rows ---- */

static int check_columns(struct oxi_source *s, struct oxi_buffer *why)
{
	if (s->columns == OXI_ANY && s->format->csv)
		s->columns = s->row.n;
	if (s->columns == OXI_ANY || s->row.n == s->columns)
		return 1;
	if (s->format->csv || s->row.n > s->columns) {
		oxi_source_where(s, 0, why);
		oxi_buffer_add_format(why, "has %zu columns, and the first row has %zu", s->row.n, s->columns);
		return OX_EINVAL;
	}
	while (s->row.n < s->columns)
		oxi_row_add(&s->row, "", 0);
	return 1;
}

static int next_word(struct oxi_source *s, struct oxi_buffer *why)
{
	if (s->at >= s->count)
		return 0;
	const char *value = s->kind == OXI_WORDS ? s->word[s->at] : s->number;
	if (s->kind == OXI_ARRAY)
		snprintf(s->number, sizeof(s->number), "%llu", (unsigned long long)oxi_array_at(&s->array, s->at));
	s->at++;
	if (s->kind == OXI_WORDS && s->format->columns)
		return cut(s, (ox_bytes){ value, strlen(value) }, why);
	s->row.n = 0;
	oxi_row_add(&s->row, value, strlen(value));
	return 1;
}

int oxi_source_next(struct oxi_source *s, struct oxi_buffer *why)
{
	int r = s->kind == OXI_FILE ? next_of_file(s, why) : next_word(s, why);
	if (r > 0) {
		s->at += s->kind == OXI_FILE;
		r = check_columns(s, why);
	}
	return s->row.failed ? OX_ENOMEM : r;
}

/* ---- again, and in another order ---- */

int oxi_source_keep(struct oxi_source *s, struct oxi_buffer *why)
{
	int r = s->kind == OXI_FILE ? oxi_reader_keep(&s->reader) : 0;
	if (r < 0 && r != OX_ENOMEM)
		oxi_buffer_add_format(why, "%.400s: cannot be kept in TMPDIR to be read again: %s", s->name, ox_strerror(r));
	return r;
}

static void go_to(struct oxi_source *s, struct oxi_mark mark)
{
	oxi_reader_seek(&s->reader, mark.at);
	s->line = mark.line;
}

void oxi_source_rewind(struct oxi_source *s)
{
	s->at = 0;
	if (s->kind == OXI_FILE)
		go_to(s, s->first);
}

void oxi_source_seek(struct oxi_source *s, uint64_t i)
{
	s->at = i;
	if (s->kind == OXI_FILE)
		go_to(s, s->mark[i]);
}

int oxi_source_index(struct oxi_source *s, struct oxi_buffer *why)
{
	if (s->kind != OXI_FILE)
		return 0;
	size_t cap = 0;
	int r;
	while ((r = oxi_source_next(s, why)) > 0) {
		if (s->count == cap) {
			cap = cap ? 2 * cap : 1024;
			struct oxi_mark *grown = realloc(s->mark, cap * sizeof(*grown));
			if (!grown)
				return OX_ENOMEM;
			s->mark = grown;
		}
		s->mark[s->count++] = s->now;
	}
	s->indexed = true;
	s->reader.piece = RANDOM_PIECE;
	oxi_source_rewind(s);
	return r;
}

/* ---- opening ---- */

static int open_file(struct oxi_source *s, const char *name, struct oxi_buffer *why)
{
	bool standard = strcmp(name, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	s->name = standard ? "stdin" : name;
	if (fd < 0) {
		int r = -errno;
		oxi_buffer_add_format(why, "%.400s: %s", name, ox_strerror(r));
		return r;
	}
	oxi_reader_init(&s->reader, fd);
	s->line = 1;
	return 0;
}

/* UTF-8 with a mark at its beginning is what spreadsheets write. */
static int skip_mark(struct oxi_source *s, struct oxi_buffer *why)
{
	while (oxi_reader_len(&s->reader) < 3 && !s->reader.eof) {
		int r = read_more(s, why);
		if (r < 0)
			return r;
	}
	if (oxi_reader_len(&s->reader) >= 3 && memcmp(oxi_reader_data(&s->reader), "\xef\xbb\xbf", 3) == 0)
		s->reader.from += 3;
	return 0;
}

static int read_header(struct oxi_source *s, struct oxi_names *names, struct oxi_buffer *why)
{
	int r = oxi_source_next(s, why);
	if (r < 0)
		return r;
	if (r == 0) {
		oxi_buffer_add_format(why, "%.400s: is empty, and --header asks for a row of names", s->name ? s->name : "a list");
		return OX_EINVAL;
	}
	s->columns = s->row.n;
	for (size_t i = 0; i < s->row.n; i++) {
		r = oxi_names_add(names, s->row.field[i].data, s->row.field[i].len);
		if (r == -EEXIST) {
			oxi_source_where(s, 0, why);
			oxi_buffer_add_format(why, "the name '%.*s' is there twice", (int)(s->row.field[i].len < 200 ? s->row.field[i].len : 200),
			                      (const char *)s->row.field[i].data);
		}
		if (r < 0)
			return r;
	}
	if (s->kind == OXI_WORDS) {
		s->word++;
		s->count--;
	}
	s->at = 0;
	return 0;
}

static int open_array(struct oxi_source *s, const char *text, struct oxi_buffer *why)
{
	const char *bad;
	int r = oxi_array_parse(text, &s->array, &bad);
	s->count = s->array.count;
	if (r == OX_EINVAL)
		oxi_buffer_add_format(why, "--array %.200s: wrong at '%.200s' (like 1-100:2,200%%8)", text, bad);
	return r;
}

int oxi_source_open(struct oxi_source *s, const struct oxi_source_arg *arg, const struct oxi_format *format,
                    struct oxi_names *names, struct oxi_buffer *why)
{
	*s = (struct oxi_source){ .kind = arg->kind, .linked = arg->linked, .format = format, .word = arg->word, .count = arg->n };
	s->reader.fd = s->reader.spool = -1;
	bool cuts = arg->kind != OXI_ARRAY && (format->columns || (format->csv && arg->kind == OXI_FILE));
	s->columns = cuts ? OXI_ANY : 1;
	int r = 0;
	if (s->kind == OXI_ARRAY)
		return open_array(s, arg->text, why);
	if (s->kind == OXI_FILE)
		r = open_file(s, arg->text, why);
	if (r == 0 && s->kind == OXI_FILE && (format->csv || format->jsonl))
		r = skip_mark(s, why);
	if (r == 0 && format->header)
		r = read_header(s, names, why);
	if (s->kind == OXI_FILE)
		s->first = (struct oxi_mark){ oxi_reader_at(&s->reader), s->line };
	return r;
}

void oxi_source_close(struct oxi_source *s)
{
	oxi_jsonl_free(s->json);
	oxi_row_free(&s->row);
	oxi_array_free(&s->array);
	oxi_reader_close(&s->reader);
	free(s->mark);
}
