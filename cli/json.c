/* SPDX-License-Identifier: MIT */
/* JSON as RFC 8259 has it. Text is UTF-8: what is not becomes U+FFFD, byte by byte, so that every line can be read. */
#include "cli/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/utf8.h"

static void escape(struct oxi_buffer *out, unsigned char c)
{
	const char *shorts = "\bb\ff\nn\rr\tt\"\"\\\\";
	for (const char *s = shorts; *s; s += 2) {
		if (c == (unsigned char)*s) {
			oxi_buffer_add(out, (char[]){ '\\', s[1] }, 2);
			return;
		}
	}
	oxi_buffer_add_format(out, "\\u%04x", c);
}

static void quote(struct oxi_buffer *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	oxi_buffer_add_char(out, '"');
	for (size_t i = 0; i < len;) {
		size_t run = i;
		while (run < len && p[run] >= 0x20 && p[run] < 0x7f && p[run] != '"' && p[run] != '\\')
			run++;
		oxi_buffer_add(out, p + i, run - i);
		i = run;
		if (i == len)
			break;
		size_t n = oxi_utf8_len(p + i, len - i);
		if (n > 1)
			oxi_buffer_add(out, p + i, n);
		else if (n == 1)
			escape(out, p[i]);
		else
			oxi_buffer_add_text(out, "\xef\xbf\xbd");
		i += n ? n : 1;
	}
	oxi_buffer_add_char(out, '"');
}

/* What comes before each value: a comma, and in an object its name. */
static void head(struct oxi_json *j, const char *name)
{
	if (j->comma)
		oxi_buffer_add_char(j->out, ',');
	if (j->depth && j->open[j->depth - 1] == '{') {
		quote(j->out, name ? name : "", name ? strlen(name) : 0);
		oxi_buffer_add_char(j->out, ':');
	}
	j->comma = true;
}

void oxi_json_begin(struct oxi_json *j, const char *name, char kind)
{
	if (j->depth == OXI_JSON_DEPTH || j->failed) {
		j->failed = true;
		return;
	}
	head(j, name);
	j->open[j->depth++] = kind;
	j->comma = false;
	oxi_buffer_add_char(j->out, kind);
}

void oxi_json_end(struct oxi_json *j)
{
	if (j->depth == 0 || j->failed) {
		j->failed = true;
		return;
	}
	oxi_buffer_add_char(j->out, j->open[--j->depth] == '{' ? '}' : ']');
	j->comma = true;
}

void oxi_json_int(struct oxi_json *j, const char *name, int64_t value)
{
	head(j, name);
	oxi_buffer_add_format(j->out, "%lld", (long long)value);
}

void oxi_json_double(struct oxi_json *j, const char *name, double value)
{
	char text[32] = "null";
	if (isfinite(value))
		snprintf(text, sizeof(text), "%.15g", value);
	if (isfinite(value) && strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	head(j, name);
	oxi_buffer_add_text(j->out, text);
}

void oxi_json_bool(struct oxi_json *j, const char *name, bool value)
{
	head(j, name);
	oxi_buffer_add_text(j->out, value ? "true" : "false");
}

void oxi_json_null(struct oxi_json *j, const char *name)
{
	head(j, name);
	oxi_buffer_add_text(j->out, "null");
}

void oxi_json_string(struct oxi_json *j, const char *name, const char *text, size_t len)
{
	head(j, name);
	quote(j->out, text, len);
}

static bool is_text(const char *data, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = oxi_utf8_len(data + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

static void add_base64(struct oxi_buffer *out, const unsigned char *p, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
		for (size_t k = 0; k < 4; k++)
			oxi_buffer_add_char(out, k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=');
	}
}

void oxi_json_bytes(struct oxi_json *j, const char *name, const char *data, size_t len)
{
	if (is_text(data, len)) {
		oxi_json_string(j, name, data, len);
		return;
	}
	oxi_json_begin(j, name, '{');
	head(j, "$b64");
	oxi_buffer_add_char(j->out, '"');
	add_base64(j->out, (const unsigned char *)data, len);
	oxi_buffer_add_char(j->out, '"');
	oxi_json_end(j);
}

void oxi_json_text(struct oxi_json *j, const char *name, const char *text)
{
	if (text)
		oxi_json_string(j, name, text, strlen(text));
	else
		oxi_json_null(j, name);
}

void oxi_json_raw(struct oxi_json *j, const char *name, const char *json, size_t len)
{
	head(j, name);
	oxi_buffer_add(j->out, json, len);
}
