/* SPDX-License-Identifier: MIT */
/*
 * A record is looked through twice: first for its end and its faults, and only when it is whole its fields are cut,
 * in place. So a record that is not whole yet leaves nothing behind, and is simply looked at again when more is there.
 *
 *	START --"--> QUOTED --"--> CLOSED --separator, end--> START
 *	   \--other--> PLAIN --separator, end--> START       CLOSED --"--> QUOTED (a quote, doubled)
 *
 * Of RFC 4180 all holds: quoted separators and newlines, doubled quotes, CRLF; LF alone ends a record too, CR
 * alone is text. A quote inside an unquoted field and text behind a closing quote are faults, not guesses. Bytes above
 * 127 pass. Blanks are part of a field (RFC 4180, 2.4).
 *
 * libcsv 3.0 was looked at: it pushes fields at callbacks until its buffer is empty, where a stream of jobs wants one
 * record and then to wait; it gives no line or column of a fault, takes CR alone for an end, and drops empty records.
 */
#include "cli/batch/csv.h"

#include <string.h>

enum state { START, PLAIN, QUOTED, CLOSED };

/* How long the end of a record at p is; 0: there is none; -1: it depends on what follows. */
static int end_len(const char *p, size_t left, bool eof)
{
	if (*p == '\n')
		return 1;
	if (*p != '\r')
		return 0;
	if (left < 2)
		return eof ? 1 : -1;
	return p[1] == '\n' ? 2 : 0;
}

static ssize_t fault(struct oxi_csv_fault *ret, size_t at, const char *what)
{
	*ret = (struct oxi_csv_fault){ at, what };
	return OX_EINVAL;
}

/* The record without its end; *ret_end is how long that is. Returns -1 if it is not whole, OX_EINVAL if it is wrong. */
static ssize_t record_len(char separator, const char *p, size_t len, bool eof, int *ret_end, struct oxi_csv_fault *f)
{
	enum state s = START;
	size_t open = 0;
	*ret_end = 0;
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\0')
			return fault(f, i, "a NUL byte");
		if (s == QUOTED) {
			s = p[i] == '"' ? CLOSED : QUOTED;
			continue;
		}
		int end = end_len(p + i, len - i, eof);
		if (end < 0)
			return -1;
		if (end > 0) {
			*ret_end = end;
			return (ssize_t)i;
		}
		if (p[i] == separator)
			s = START;
		else if (p[i] == '"') {
			if (s == PLAIN)
				return fault(f, i, "a quote inside a field that does not begin with one");
			if (s == START)
				open = i;
			s = QUOTED;
		} else if (s == CLOSED)
			return fault(f, i, "text behind a closing quote");
		else
			s = PLAIN;
	}
	if (!eof)
		return -1;
	return s == QUOTED ? fault(f, open, "this quote is never closed") : (ssize_t)len;
}

/* Takes one field of the len bytes at p, which are known to be right. Returns how many of them it is, without its separator. */
static size_t take_field(char separator, char *p, size_t len, struct oxi_row *row)
{
	if (len == 0 || *p != '"') {
		const char *end = len ? memchr(p, separator, len) : NULL;
		size_t n = end ? (size_t)(end - p) : len;
		oxi_row_add(row, p, n);
		return n;
	}
	size_t i = 1, n = 0;
	for (; p[i] != '"' || (i + 1 < len && p[i + 1] == '"'); i++) {
		i += p[i] == '"';
		p[n++] = p[i];
	}
	oxi_row_add(row, p, n);
	return i + 1;
}

ssize_t oxi_csv_take(char separator, char *p, size_t len, bool eof, struct oxi_row *row, struct oxi_csv_fault *ret_fault)
{
	int end;
	row->n = 0;
	if (len == 0)
		return 0;
	ssize_t n = record_len(separator, p, len, eof, &end, ret_fault);
	if (n < 0)
		return n == -1 ? 0 : n;
	for (size_t i = 0; i <= (size_t)n; i++)
		i += take_field(separator, p + i, (size_t)n - i, row);
	return row->failed ? OX_ENOMEM : n + end;
}
