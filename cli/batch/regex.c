/* SPDX-License-Identifier: MIT */
/*
 * A pattern comes from the command line and a subject from anywhere, so each match is bounded: (a+)+b against a
 * long run of a's ends with OX_ETOOBIG after some milliseconds and 16 MiB, not after the age of the universe.
 * No JIT: its code runs on the machine's stack, which in a coroutine is small, and looks at other limits.
 *
 * Text is UTF-8; bytes that are not are matched by nothing and pass unchanged (PCRE2_MATCH_INVALID_UTF). That is
 * why replacing is done here: pcre2_substitute() refuses such a subject.
 */
#include "cli/batch/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 1000000
#define HEAP_KIB  (16 * 1024)

struct oxi_regex {
	pcre2_code *code;
	pcre2_match_data *found;
	pcre2_match_context *limits;
	uint32_t groups;
	bool all;
};

static int read_flags(ox_bytes flags, struct oxi_regex *re, uint32_t *options, struct oxi_buffer *why)
{
	const char *f = flags.data;
	for (size_t i = 0; i < flags.len; i++) {
		if (f[i] == 'i')
			*options |= PCRE2_CASELESS;
		else if (f[i] == 'g')
			re->all = true;
		else {
			oxi_buffer_add_format(why, "'%c' is no flag of a regular expression: they are g and i", f[i]);
			return OX_EINVAL;
		}
	}
	return 0;
}

static int compile(struct oxi_regex *re, ox_bytes pattern, uint32_t options, struct oxi_buffer *why)
{
	int error;
	size_t at;
	re->code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, options, &error, &at, NULL);
	if (!re->code) {
		unsigned char text[160];
		if (pcre2_get_error_message(error, text, sizeof(text)) == PCRE2_ERROR_BADDATA)
			return OX_EINVAL;
		oxi_buffer_add_format(why, "the regular expression is wrong at its character %zu: %s", at + 1, text);
		return OX_EINVAL;
	}
	re->found = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->limits = pcre2_match_context_create(NULL);
	if (!re->found || !re->limits)
		return OX_ENOMEM;
	pcre2_set_match_limit(re->limits, STEPS_MAX);
	pcre2_set_heap_limit(re->limits, HEAP_KIB);
	pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->groups);
	return 0;
}

int oxi_regex_new(ox_bytes pattern, ox_bytes flags, struct oxi_regex **ret, struct oxi_buffer *why)
{
	struct oxi_regex *re = calloc(1, sizeof(*re));
	if (!re)
		return OX_ENOMEM;
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
	int r = read_flags(flags, re, &options, why);
	if (r == 0)
		r = compile(re, pattern, options, why);
	if (r < 0)
		oxi_regex_free(re);
	else
		*ret = re;
	return r;
}

void oxi_regex_free(struct oxi_regex *re)
{
	if (!re)
		return;
	pcre2_match_context_free(re->limits);
	pcre2_match_data_free(re->found);
	pcre2_code_free(re->code);
	free(re);
}

static int match(const struct oxi_regex *re, ox_bytes text, size_t from, uint32_t options)
{
	PCRE2_SPTR subject = (PCRE2_SPTR)(text.len ? text.data : "");
	int n = pcre2_match(re->code, subject, text.len, from, options, re->found, re->limits);
	return n >= 0 ? 1 : n == PCRE2_ERROR_NOMATCH ? 0 : OX_ETOOBIG;
}

static ox_bytes group(const struct oxi_regex *re, ox_bytes text, unsigned i)
{
	const size_t *at = pcre2_get_ovector_pointer(re->found) + 2 * (size_t)i;
	if (at[0] == PCRE2_UNSET || at[1] < at[0])      /* \K in a lookahead may put the end before the start */
		return (ox_bytes){ "", 0 };
	return (ox_bytes){ (const char *)text.data + at[0], at[1] - at[0] };
}

int oxi_regex_find(const struct oxi_regex *re, ox_bytes text, size_t from, ox_bytes *ret_match)
{
	int r = match(re, text, from, 0);
	if (r > 0)
		*ret_match = group(re, text, 0);
	return r;
}

/* The next piece of a replacement: a group's number, or -1 and one character. Returns how long it is in the replacement. */
static size_t piece(const char *p, size_t left, int *ret_group, char *ret_char)
{
	*ret_group = -1;
	*ret_char = *p;
	if (left < 2)
		return 1;
	if (*p == '\\' || (*p == '$' && p[1] == '$')) {
		*ret_char = p[1];
		return 2;
	}
	if (*p != '$' || p[1] < '0' || p[1] > '9')
		return 1;
	*ret_group = p[1] - '0';
	return 2;
}

int oxi_regex_check(const struct oxi_regex *re, ox_bytes with, struct oxi_buffer *why)
{
	int number;
	char c;
	const char *p = with.data;
	for (size_t i = 0; i < with.len; i += piece(p + i, with.len - i, &number, &c)) {
		piece(p + i, with.len - i, &number, &c);
		if (number > (int)re->groups) {
			oxi_buffer_add_format(why, "$%d: the regular expression has %u groups", number, re->groups);
			return OX_EINVAL;
		}
	}
	return 0;
}

static void add_replacement(const struct oxi_regex *re, ox_bytes text, ox_bytes with, struct oxi_buffer *out)
{
	const char *p = with.data;
	for (size_t i = 0; i < with.len;) {
		int number;
		char c;
		i += piece(p + i, with.len - i, &number, &c);
		ox_bytes g = number >= 0 ? group(re, text, (unsigned)number) : (ox_bytes){ &c, 1 };
		oxi_buffer_add(out, g.data, g.len);
	}
}

int oxi_regex_replace(const struct oxi_regex *re, ox_bytes text, ox_bytes with, struct oxi_buffer *out)
{
	const char *p = text.data;
	size_t done = 0, from = 0;
	uint32_t options = 0;
	int r;
	while ((r = match(re, text, from, options)) > 0) {
		const size_t *at = pcre2_get_ovector_pointer(re->found);
		size_t start = at[0], end = at[1];
		if (end < start || start < done)        /* what \K can do: leave the rest as it is */
			break;
		oxi_buffer_add(out, p + done, start - done);
		add_replacement(re, text, with, out);
		done = from = end;
		/* After an empty match look for one that is not, here, so that the text is gone through once. */
		options = end > start ? 0 : PCRE2_NOTEMPTY_ATSTART;
		if (!re->all)
			break;
	}
	if (r < 0)
		return r;
	if (text.len > done)
		oxi_buffer_add(out, p + done, text.len - done);
	return 0;
}
