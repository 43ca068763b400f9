/* SPDX-License-Identifier: MIT */
/*
 * What GNU parallel knows too means what it means there, byte for byte: {.} of ".profile" is empty, {//} of "a/b/" is
 * "a", and other text in braces stands for itself. But {nmae}, which nobody writes for the sake of its braces, is a
 * fault and not text: a word of letters that is no column's name. After a dollar it is the shell's ${name}.
 */
#include "cli/batch/place.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 6

/* ---- reading ---- */

static size_t name_len(const char *p)
{
	size_t n = 0;
	if (!*p || strchr("0123456789.-", *p))
		return 0;
	while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || (p[n] >= '0' && p[n] <= '9') ||
	       (unsigned char)p[n] >= 0x80 || (p[n] && strchr("_.-", p[n])))
		n++;
	while (n && p[n - 1] == '.')
		n--;                    /* {name.} is an edit */
	return n;
}

/* The end of a part of {/regexp/text/flags}, which a slash without a backslash ends; NULL: there is none. */
static const char *part_end(const char *p)
{
	for (; *p && *p != '/'; p++) {
		if (*p == '\\' && p[1])
			p++;
	}
	return *p ? p : NULL;
}

/* "/regexp/text/flags}". Returns its length; 0: it is none; an error. */
static ssize_t read_regex(const char *p, struct oxi_place *ret, struct oxi_buffer *why)
{
	const char *text = part_end(p + 1), *flags = text ? part_end(text + 1) : NULL;
	if (!flags)
		return 0;
	size_t n = strspn(flags + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	if (flags[1 + n] != '}')
		return 0;
	ox_bytes pattern = { p + 1, (size_t)(text - p) - 1 };
	if (!pattern.len) {
		oxi_buffer_add_text(why, "an empty regular expression ({/regexp/text/g} replaces all)");
		return OX_EINVAL;
	}
	ret->edit = OXI_REGEX;
	ret->text = (ox_bytes){ text + 1, (size_t)(flags - text) - 1 };
	int r = oxi_regex_new(pattern, (ox_bytes){ flags + 1, n }, &ret->regex, why);
	if (r == 0)
		r = oxi_regex_check(ret->regex, ret->text, why);
	return r < 0 ? r : flags + 1 + n + 1 - p;
}

/* An edit and the closing brace. Returns their length; 0: there is none; an error. @shell: only GNU parallel's own. */
static ssize_t read_edit(const char *p, bool shell, struct oxi_place *ret, struct oxi_buffer *why)
{
	static const struct {
		const char *text;
		enum oxi_edit edit;
	} edits[] = {
		{ "}", OXI_AS_IS }, { ".}", OXI_NO_ENDING }, { "/}", OXI_LAST }, { "//}", OXI_FOLDER },
		{ "/.}", OXI_LAST_NO_ENDING },
	};
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		size_t len = strlen(edits[i].text);
		if (strncmp(p, edits[i].text, len) == 0) {
			ret->edit = edits[i].edit;
			return (ssize_t)len;
		}
	}
	if (shell)
		return 0;
	if (*p == '/')
		return read_regex(p, ret, why);
	size_t len = strcspn(p, "}\n");
	if ((*p != '%' && *p != '#') || p[len] != '}' || len < 2)
		return 0;
	ret->edit = *p == '%' ? OXI_SUFFIX : OXI_PREFIX;
	ret->text = (ox_bytes){ p + 1, len - 1 };
	return (ssize_t)len + 1;
}

static size_t read_number(const char *p, bool shell, struct oxi_place *ret)
{
	static const struct {
		const char *text;
		enum oxi_place_kind kind;
		bool padded;
	} numbers[] = {
		{ "{#}", OXI_SEQ, false }, { "{%}", OXI_SLOT, false }, { "{0#}", OXI_SEQ, true },
		{ "{0%}", OXI_SLOT, true }, { "{##}", OXI_TOTAL, false },
	};
	for (size_t i = 0; i < (shell ? 2 : sizeof(numbers) / sizeof(numbers[0])); i++) {
		size_t len = strlen(numbers[i].text);
		if (strncmp(p, numbers[i].text, len) == 0) {
			*ret = (struct oxi_place){ .kind = numbers[i].kind, .padded = numbers[i].padded };
			return len;
		}
	}
	return 0;
}

/* A column of that name comes first. */
static size_t read_threads(const char *p, struct oxi_place *ret)
{
	static const char text[] = "{threads}";
	if (strncmp(p, text, strlen(text)) != 0)
		return 0;
	*ret = (struct oxi_place){ .kind = OXI_THREADS };
	return strlen(text);
}

static ssize_t check_index(const char *p, size_t len, const struct oxi_names *names, const struct oxi_place *place,
                           struct oxi_buffer *why)
{
	size_t i = (size_t)(place->index < 0 ? -place->index : place->index);
	if (names->values == OXI_ANY || i <= names->values)
		return (ssize_t)len;
	oxi_buffer_add_format(why, "'%.*s': there is no such value, ", (int)(len < 100 ? len : 100), p);
	oxi_buffer_add_format(why, names->values == 1 ? "there is %zu" : "there are %zu", names->values);
	return OX_EINVAL;
}

/* {}, {.}, {2}, {-1/}: a value by its number. Returns its length; 0: it is none; an error. */
static ssize_t read_indexed(const char *p, bool shell, struct oxi_names *names, struct oxi_place *ret, struct oxi_buffer *why)
{
	size_t sign = p[1] == '-', digits = strspn(p + 1 + sign, "0123456789");
	if (digits > DIGITS_MAX || (sign && !digits))
		return 0;
	int index = digits ? atoi(p + 1) : 0;
	if (digits && index == 0)
		return 0;
	*ret = (struct oxi_place){ .kind = OXI_VALUE, .index = index };
	ssize_t edit = read_edit(p + 1 + sign + digits, shell, ret, why);
	if (edit <= 0)
		return edit;
	names->whole = true;
	if (index > 0 && (size_t)index > names->highest)
		names->highest = (size_t)index;
	return check_index(p, 1 + sign + digits + (size_t)edit, names, ret, why);
}

static ssize_t refuse_name(struct oxi_buffer *why)
{
	oxi_buffer_add_text(why, "with several rows a job, values have numbers and no names");
	return OX_EINVAL;
}

/* {column} of a header. The longest name that fits is meant. */
static ssize_t read_column(const char *p, bool shell, struct oxi_names *names, struct oxi_place *ret, struct oxi_buffer *why)
{
	size_t best = 0, best_len = 0;
	for (size_t i = 0; i < names->n; i++) {
		size_t len = strlen(names->name[i]);
		struct oxi_place tried = { 0 };
		struct oxi_buffer ignored = { 0 };
		if (len > best_len && strncmp(p + 1, names->name[i], len) == 0 &&
		    read_edit(p + 1 + len, shell, &tried, &ignored) != 0) {
			best = i;
			best_len = len;
		}
		oxi_place_free(&tried);
		oxi_buffer_free(&ignored);
	}
	if (!best_len)
		return 0;
	if (names->packed)
		return refuse_name(why);
	*ret = (struct oxi_place){ .kind = OXI_VALUE, .index = (int)best + 1 };
	names->whole = true;
	ssize_t edit = read_edit(p + 1 + best_len, shell, ret, why);
	return edit < 0 ? edit : (ssize_t)(1 + best_len) + edit;
}

static ssize_t read_path(const char *p, size_t len, struct oxi_names *names, struct oxi_place *ret, struct oxi_buffer *why)
{
	*ret = (struct oxi_place){ .kind = OXI_FIELD };
	ssize_t edit = read_edit(p + 1 + len, false, ret, why);
	if (edit <= 0)
		return edit;
	if (names->packed)
		return refuse_name(why);
	ret->index = oxi_names_path(names, p + 1, len);
	return ret->index < 0 ? ret->index : (ssize_t)(1 + len) + edit;
}

/* A word in braces, with an edit or without, that is nobody's name. */
static ssize_t refuse(const char *p, size_t len, struct oxi_names *names, struct oxi_buffer *why)
{
	struct oxi_place edit = { 0 };
	struct oxi_buffer ignored = { 0 };
	bool is_place = read_edit(p + 1 + len, false, &edit, &ignored) != 0;
	oxi_place_free(&edit);
	oxi_buffer_free(&ignored);
	if (!is_place)
		return 0;
	oxi_buffer_add_format(why, "{%.*s} is not known: ", (int)(len < 100 ? len : 100), p + 1);
	oxi_names_explain(names, p + 1, len, why);
	return OX_EINVAL;
}

ssize_t oxi_place_read(const char *p, bool shell, struct oxi_names *names, struct oxi_place *ret, struct oxi_buffer *why)
{
	*ret = (struct oxi_place){ 0 };
	size_t number = read_number(p, shell, ret);
	if (number)
		return (ssize_t)number;
	ssize_t r = read_indexed(p, shell, names, ret, why);
	if (r == 0 && !shell)
		r = read_column(p, shell, names, ret, why);
	if (r == 0 && !names->open)
		r = (ssize_t)read_threads(p, ret);
	size_t len = r == 0 && !shell ? name_len(p + 1) : 0;
	if (len)
		r = names->open ? read_path(p, len, names, ret, why) : refuse(p, len, names, why);
	if (r <= 0)
		oxi_place_free(ret);
	return r;
}

void oxi_place_free(struct oxi_place *p)
{
	oxi_regex_free(p->regex);
	*p = (struct oxi_place){ 0 };
}

/* ---- what stands there ---- */

static size_t last_part(ox_bytes v)
{
	const char *slash = v.len ? memrchr(v.data, '/', v.len) : NULL;
	return slash ? (size_t)(slash - (const char *)v.data) + 1 : 0;
}

/* Where the ending begins; its end, if there is none. */
static size_t ending(ox_bytes v)
{
	size_t last = last_part(v);
	const char *dot = v.len > last ? memrchr((const char *)v.data + last, '.', v.len - last) : NULL;
	return dot ? (size_t)(dot - (const char *)v.data) : v.len;
}

static size_t without_slashes(const char *p, size_t len)
{
	while (len > 1 && p[len - 1] == '/')
		len--;
	return len;
}

/* As dirname(1). */
static ox_bytes folder(ox_bytes v)
{
	v.len = without_slashes(v.data, v.len);
	size_t last = last_part(v);
	if (last == 0)
		return (ox_bytes){ ".", 1 };
	return (ox_bytes){ v.data, without_slashes(v.data, last) };
}

static ox_bytes edited(const struct oxi_place *place, ox_bytes v)
{
	const char *p = v.data;
	size_t last, n = place->text.len;
	switch (place->edit) {
	case OXI_NO_ENDING:
		return (ox_bytes){ p, ending(v) };
	case OXI_LAST:
		last = last_part(v);
		return (ox_bytes){ p + last, v.len - last };
	case OXI_FOLDER:
		return folder(v);
	case OXI_LAST_NO_ENDING:
		last = last_part(v);
		return (ox_bytes){ p + last, ending(v) - last };
	case OXI_SUFFIX:
		if (v.len >= n && memcmp(p + v.len - n, place->text.data, n) == 0)
			v.len -= n;
		return v;
	case OXI_PREFIX:
		return v.len >= n && memcmp(p, place->text.data, n) == 0 ? (ox_bytes){ p + n, v.len - n } : v;
	default:
		return v;
	}
}

static int digits_of(uint64_t n)
{
	int digits = 1;
	while (n /= 10)
		digits++;
	return digits;
}

static void add_number(struct oxi_buffer *out, uint64_t n, uint64_t highest, bool padded)
{
	oxi_buffer_add_format(out, "%0*llu", padded ? digits_of(highest) : 1, (unsigned long long)n);
}

/* The value that is meant: an empty one, where a row is too short for it (as in GNU parallel). */
static ox_bytes value_of(const struct oxi_place *p, const struct oxi_values *v, size_t k)
{
	size_t n = v->n - v->fields, i = k;
	if (p->kind == OXI_FIELD)
		return v->value[n + (size_t)p->index];
	if (p->index > 0)
		i = (size_t)p->index - 1;
	else if (p->index < 0)
		i = n + (size_t)p->index;       /* below 0 it wraps around, far above n */
	return i < n && v->value[i].data ? v->value[i] : (ox_bytes){ "", 0 };
}

int oxi_place_add(const struct oxi_place *p, const struct oxi_values *v, size_t k, struct oxi_buffer *out)
{
	if (p->kind == OXI_SEQ)
		add_number(out, v->seq, v->total, p->padded);
	else if (p->kind == OXI_SLOT)
		add_number(out, v->slot, v->slots, p->padded);
	else if (p->kind == OXI_TOTAL)
		add_number(out, v->total, 0, false);
	else if (p->kind == OXI_THREADS)
		add_number(out, v->threads, 0, false);
	else if (p->edit == OXI_REGEX)
		return oxi_regex_replace(p->regex, value_of(p, v, k), p->text, out);
	else {
		ox_bytes e = edited(p, value_of(p, v, k));
		oxi_buffer_add(out, e.data, e.len);
	}
	return 0;
}
