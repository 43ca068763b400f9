/* SPDX-License-Identifier: MIT */
/*
 * The reader of CSV on any bytes. The first byte chooses the separator. However the text is cut into pieces, the records
 * are the same; fields written as CSV again are read as they were; and a fault lies inside the text.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/batch/csv.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void quote(struct oxi_buffer *out, char separator, const struct oxi_row *row)
{
	for (size_t i = 0; i < row->n; i++) {
		const char *p = row->field[i].data;
		if (i)
			oxi_buffer_add_char(out, separator);
		oxi_buffer_add_char(out, '"');
		for (size_t k = 0; k < row->field[i].len; k++)
			oxi_buffer_add(out, p[k] == '"' ? "\"\"" : p + k, p[k] == '"' ? 2 : 1);
		oxi_buffer_add_char(out, '"');
	}
	oxi_buffer_add_text(out, "\r\n");
}

static void same(const struct oxi_row *a, const struct oxi_row *b)
{
	OXI_CHECK(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
		OXI_CHECK(a->field[i].len == b->field[i].len && memcmp(a->field[i].data, b->field[i].data, a->field[i].len) == 0);
}

static void read_back(char separator, const struct oxi_row *row)
{
	struct oxi_buffer text = { 0 };
	struct oxi_row again = { 0 };
	struct oxi_csv_fault fault;
	quote(&text, separator, row);
	OXI_CHECK(oxi_csv_take(separator, text.data, text.len, false, &again, &fault) == (ssize_t)text.len);
	same(row, &again);
	oxi_row_free(&again);
	oxi_buffer_free(&text);
}

/* The record at p, when only some of the bytes are there at first. Nothing is taken before it is whole. */
static ssize_t take(char separator, char *p, size_t len, struct oxi_row *row, struct oxi_csv_fault *fault)
{
	for (size_t some = 0; some < len; some += 1 + len / 8) {
		char *copy = malloc(some + (some == 0));
		OXI_CHECK(copy != NULL);
		memcpy(copy, p, some);
		ssize_t n = oxi_csv_take(separator, copy, some, false, row, fault);
		OXI_CHECK(n != 0 || memcmp(copy, p, some) == 0);
		OXI_CHECK(n <= (ssize_t)some && (n >= 0 || (n == OX_EINVAL && fault->at < some)));
		free(copy);
		if (n > 0) {
			OXI_CHECK(oxi_csv_take(separator, p, len, true, row, fault) == n);
			return n;
		}
	}
	return oxi_csv_take(separator, p, len, true, row, fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	char separator = data[0] % 3 == 0 ? ',' : data[0] % 3 == 1 ? ';' : '\t';
	char *text = malloc(len);
	struct oxi_row row = { 0 };
	OXI_CHECK(text != NULL);
	memcpy(text, data + 1, len - 1);
	for (size_t at = 0; at < len - 1;) {
		struct oxi_csv_fault fault;
		ssize_t n = take(separator, text + at, len - 1 - at, &row, &fault);
		if (n < 0) {
			OXI_CHECK(n == OX_EINVAL && fault.at < len - 1 - at && fault.what);
			break;
		}
		OXI_CHECK(n > 0 && (size_t)n <= len - 1 - at && row.n > 0);
		read_back(separator, &row);
		at += (size_t)n;
	}
	oxi_row_free(&row);
	free(text);
	return 0;
}
