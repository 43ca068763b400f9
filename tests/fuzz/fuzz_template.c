/* SPDX-License-Identifier: MIT */
/*
 * Templates, filters, arrays and JSON rows of oxbow run on any bytes. The first byte chooses how; the text up to a NUL is
 * parsed, what is behind it is the value. What is refused is refused with a reason; what sh -c gets holds no value.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/batch/array.h"
#include "cli/batch/filter.h"
#include "cli/batch/jsonl.h"
#include "cli/batch/template.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { AS_SHELL = 1, AS_CONTEXT = 2, AS_OPEN = 4, AS_NAMED = 8, AS_FILTER = 16 };

/* The text of sh -c is the same whatever the values are. */
static void check_text(const struct oxi_template *t, const struct oxi_buffer *out, size_t n)
{
	ox_bytes other[3] = { { "other", 5 }, { "", 0 }, { "x", 1 } };
	struct oxi_buffer again = { 0 };
	struct oxi_values v = { .value = other, .n = n, .seq = 1, .slot = 1 };
	if (oxi_template_expand(t, &v, &again)) {
		OXI_CHECK(strcmp(out->data, "sh") == 0 && strcmp(again.data, "sh") == 0);
		OXI_CHECK(strcmp(out->data + sizeof("sh\0-c"), again.data + sizeof("sh\0-c")) == 0);
	}
	oxi_buffer_free(&again);
}

static void try_template(char *text, ox_bytes value, unsigned how, struct oxi_names *names)
{
	struct oxi_template t;
	struct oxi_buffer why = { 0 }, out = { 0 };
	int r = how & AS_SHELL ? oxi_template_shell(&t, text, names, &why) : oxi_template_words(&t, &text, 1, true, names, &why);
	OXI_CHECK(r == 0 || (r == OX_EINVAL && why.len > 0));
	if (r == 0 && names->paths <= 1) {
		ox_bytes v[3] = { value, { "two", 3 }, value };
		t.context = how & AS_CONTEXT;
		struct oxi_values job = { .value = v, .n = 2 + names->paths, .seq = 5, .slot = 1 };
		size_t words = oxi_template_expand(&t, &job, &out);
		size_t zeros = 0;
		for (size_t i = 0; i < out.len; i++)
			zeros += out.data[i] == '\0';
		OXI_CHECK(words == 0 || words == zeros);
		if (words && t.shell)
			check_text(&t, &out, job.n);
	}
	oxi_template_free(&t);
	oxi_buffer_free(&why);
	oxi_buffer_free(&out);
}

static void try_filter(const char *text, ox_bytes value, struct oxi_names *names)
{
	struct oxi_filter *f = NULL;
	struct oxi_buffer why = { 0 };
	int r = oxi_filter_new(text, names, &f, &why);
	if (r == 0 && names->paths <= 1) {
		ox_bytes v[3] = { value, { "2", 1 }, value };
		r = oxi_filter_passes(f, &(struct oxi_values){ .value = v, .n = 2 + names->paths, .fields = names->paths }, &why);
	}
	OXI_CHECK(r >= 0 || why.len > 0);
	oxi_filter_free(f);
	oxi_buffer_free(&why);
}

static void try_array(const char *text)
{
	struct oxi_array a;
	const char *bad;
	if (oxi_array_parse(text, &a, &bad) < 0) {
		OXI_CHECK(bad >= text && bad <= text + strlen(text));
		return;
	}
	OXI_CHECK(a.count > 0);
	oxi_array_at(&a, a.count - 1);
	oxi_array_free(&a);
}

static void try_json(ox_bytes line, const char *path)
{
	struct oxi_jsonl *j;
	struct oxi_buffer why = { 0 }, out = { 0 };
	size_t at;
	int r = oxi_jsonl_read(line, &j, &at, &why);
	OXI_CHECK(r == 0 || why.len > 0);
	if (r == 0) {
		r = oxi_jsonl_get(j, path, &out, &why);
		OXI_CHECK(r == 0 || why.len > 0);
		OXI_CHECK(!out.data || !memchr(out.data, 0, out.len));
		oxi_jsonl_free(j);
	}
	oxi_buffer_free(&why);
	oxi_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	char *text = malloc(len), *value = malloc(len);
	OXI_CHECK(text && value);
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	size_t text_len = strlen(text), rest = text_len + 1 < len ? len - 2 - text_len : 0;
	memcpy(value, text + text_len + (rest > 0), rest);
	struct oxi_names names = { .values = 2, .open = data[0] & AS_OPEN };
	if (data[0] & AS_NAMED)
		OXI_CHECK(oxi_names_add(&names, "name", 4) == 0 && oxi_names_add(&names, "a.b", 3) == 0);
	bool whole = !memchr(value, 0, rest);
	if (data[0] & AS_FILTER)
		try_filter(text, (ox_bytes){ value, rest }, &names);
	else if (whole)
		try_template(text, (ox_bytes){ value, rest }, data[0], &names);
	try_array(text);
	try_json((ox_bytes){ value, rest }, text);
	oxi_names_free(&names);
	free(text);
	free(value);
	return 0;
}
