/* SPDX-License-Identifier: MIT */
/* The parsers of loop/http/text.c on any bytes: what they promise must hold, whatever comes. */
#include <stdlib.h>
#include <string.h>

#include "include/private/check.h"
#include "loop/http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t percents(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == '%';
	return n;
}

static void try_target(const char *in)
{
	const char *path, *query;
	char *out;
	size_t len;

	oxi_http_target_split(in, &path, &len, &query);
	OXI_CHECK(len > 0 && len <= strlen(path) && !memchr(path, '?', len));
	OXI_CHECK(!query || query[-1] == '?');
	out = malloc(len + 1);
	if (oxi_http_path_decode(path, len, out))
		OXI_CHECK(strlen(out) == len - 2 * percents(path, len));
	free(out);
}

static void try_header(const char *in)
{
	const char *value;
	size_t len;

	if (!oxi_http_header_split(in, &len, &value))
		return;
	OXI_CHECK(len > 0 && in[len] == ':');
	OXI_CHECK(value > in + len && value <= in + strlen(in));
	OXI_CHECK(oxi_http_header_valid(in, len, value) && !strpbrk(in, "\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *in = malloc(len + 1);

	memcpy(in, data, len);
	in[len] = 0;
	try_target(in);
	try_header(in);
	OXI_CHECK(strchr(oxi_http_type(in), '/'));
	free(in);
	return 0;
}
