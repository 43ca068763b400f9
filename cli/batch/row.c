/* SPDX-License-Identifier: MIT */
#include "cli/batch/row.h"

#include <stdlib.h>

#include "cli/utf8.h"

void oxi_row_add(struct oxi_row *row, const void *data, size_t len)
{
	if (row->n == row->cap) {
		size_t cap = row->cap ? 2 * row->cap : 8;
		ox_bytes *field = realloc(row->field, cap * sizeof(*field));
		if (!field) {
			row->failed = true;
			return;
		}
		row->field = field;
		row->cap = cap;
	}
	row->field[row->n++] = (ox_bytes){ data, len };
}

static bool white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void add_trimmed(struct oxi_row *row, const char *p, size_t len)
{
	while (len > 0 && white(*p)) {
		p++;
		len--;
	}
	while (len > 0 && white(p[len - 1]))
		len--;
	oxi_row_add(row, p, len);
}

int oxi_row_split(struct oxi_row *row, const struct oxi_regex *at, ox_bytes line)
{
	const char *p = line.data;
	size_t from = 0, search = 0;
	row->n = 0;
	for (ox_bytes m; search < line.len;) {
		int r = oxi_regex_find(at, line, search, &m);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		size_t start = (size_t)((const char *)m.data - p);
		search = start + m.len;
		if (m.len == 0 && start <= from) {      /* an empty match cuts between two characters, not before the first */
			size_t n = start < line.len ? oxi_utf8_len(p + start, line.len - start) : 1;
			search += n ? n : 1;
			continue;
		}
		if (start < from || start >= line.len + (m.len > 0))
			break;
		add_trimmed(row, p + from, start - from);
		from = search;
	}
	add_trimmed(row, p + from, line.len - from);
	return row->failed ? OX_ENOMEM : 0;
}

void oxi_row_free(struct oxi_row *row)
{
	free(row->field);
	*row = (struct oxi_row){ 0 };
}
