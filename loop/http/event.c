/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events: lines "field: value", an empty one at the end. CR, LF and CR LF all end a line, so a
 * value of several lines becomes several fields, and no text can smuggle in a field of its own.
 */
#include "loop/http/event.h"

#include <stdio.h>
#include <string.h>

struct writer {
	char *out;                      /* NULL: only counts */
	size_t len;
};

static void put(struct writer *w, const char *data, size_t len)
{
	if (w->out)
		memcpy(w->out + w->len, data, len);
	w->len += len;
}

/* One line for each line of the value, an empty value included. */
static void put_lines(struct writer *w, const char *field, const char *value)
{
	while (value) {
		size_t len = strcspn(value, "\r\n");
		const char *end = value + len;

		put(w, field, strlen(field));
		put(w, value, len);
		put(w, "\n", 1);
		value = *end ? end + 1 + (end[0] == '\r' && end[1] == '\n') : NULL;
	}
}

bool oxi_http_event_valid(const ox_http_event *e)
{
	return !(e->event && strpbrk(e->event, "\r\n")) && !(e->id && strpbrk(e->id, "\r\n")) && e->retry >= 0;
}

size_t oxi_http_event_format(const ox_http_event *e, char *out)
{
	struct writer w = { .out = out };
	char ms[24];

	snprintf(ms, sizeof(ms), "%lld", (long long)(e->retry / OX_MS(1)));
	put_lines(&w, ": ", e->comment);
	put_lines(&w, "event: ", e->event);
	put_lines(&w, "id: ", e->id);
	put_lines(&w, "retry: ", e->retry ? ms : NULL);
	put_lines(&w, "data: ", e->data);
	put(&w, "\n", 1);
	return w.len;
}
