/* SPDX-License-Identifier: MIT */
/* How what is on record is said, to a person or in JSON. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "cli/json.h"
#include "cli/quote.h"
#include "cli/state/look.h"

const char *oxi_look_state(const struct oxi_look *l, bool ended)
{
	return l->live ? "running" : ended ? "ended" : "interrupted";
}

static const char *name(const char *const *names, size_t n, int i)
{
	return i >= 0 && (size_t)i < n ? names[i] : "?";
}

const char *oxi_kind_name(int kind)
{
	static const char *const names[] = { "run", "sh", "call", "fetch" };
	return name(names, sizeof(names) / sizeof(*names), kind);
}

const char *oxi_condition_name(int when)
{
	static const char *const names[] = { "ok", "any", "fail" };
	return name(names, sizeof(names) / sizeof(*names), when);
}

void oxi_outcome_add(struct oxi_buffer *out, struct oxi_outcome o)
{
	if (o.status != OXI_FAILED)
		oxi_buffer_add_text(out, oxi_status_name(o.status));
	else if (o.signal)
		oxi_buffer_add_format(out, "signal %d", o.signal);
	else
		oxi_buffer_add_format(out, "exit %d", o.exit);
}

void oxi_time_add(struct oxi_buffer *out, double seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[64];
	strftime(text, sizeof(text), "%F %T", localtime_r(&t, &tm));
	oxi_buffer_add_text(out, text);
}

void oxi_duration_add(struct oxi_buffer *out, double seconds)
{
	if (!(seconds >= 0))
		seconds = 0;
	long long whole = llround(seconds);
	if (seconds > 0 && seconds < 0.001)
		oxi_buffer_add_format(out, "%.0f us", seconds * 1e6);
	else if (seconds > 0 && seconds < 1)
		oxi_buffer_add_format(out, "%.0f ms", seconds * 1e3);
	else if (seconds < 99.95)
		oxi_buffer_add_format(out, "%.1f s", seconds);
	else if (whole < 3600)
		oxi_buffer_add_format(out, "%lld min %lld s", whole / 60, whole % 60);
	else
		oxi_buffer_add_format(out, "%lld h %lld min", whole / 3600, whole % 3600 / 60);
}

void oxi_argv_json(struct oxi_json *json, const char *member, ox_bytes words)
{
	const char *data = words.data, *end = data + words.len;
	oxi_json_begin(json, member, '[');
	for (size_t n; data && data < end; data += n + 1) {
		n = strnlen(data, (size_t)(end - data));
		oxi_json_bytes(json, NULL, data, n);
	}
	oxi_json_end(json);
}

/* A line of it: newlines are blanks, what is too long ends in dots. */
void oxi_command_add(struct oxi_buffer *out, ox_bytes words, size_t most)
{
	size_t from = out->len;
	if (words.len && ((const char *)words.data)[words.len - 1] == '\0')
		oxi_buffer_add_quoted_words(out, words.data, words.len, false);
	for (size_t i = from; i < out->len; i++) {
		if (out->data[i] == '\n')
			out->data[i] = ' ';
	}
	if (out->len - from > most) {
		out->len = from + most;
		/* not in the middle of a character */
		while (out->len > from && ((unsigned char)out->data[out->len] & 0xc0) == 0x80)
			out->len--;
		oxi_buffer_add_text(out, "...");
	}
}

bool oxi_look_print(FILE *to, struct oxi_buffer *b)
{
	bool ok = !b->failed && (b->len == 0 || fwrite(b->data, 1, b->len, to) == b->len);
	if (b->failed)
		errno = ENOMEM;
	b->len = 0;
	return ok;
}
