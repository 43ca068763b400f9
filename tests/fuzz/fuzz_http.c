/* SPDX-License-Identifier: MIT */
/* The parsers of loop/http/text.c and range.c, and the events of event.c, on any bytes: what they promise must hold, whatever comes. */
#include <stdlib.h>
#include <string.h>

#include "include/private/check.h"
#include "loop/http/event.h"
#include "loop/http/range.h"
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

static void try_ranges(const char *in, uint64_t size)
{
	struct oxi_http_range r[OXI_HTTP_RANGES];
	uint64_t left = size;
	int n = oxi_http_ranges(in, size, r);

	OXI_CHECK(n >= -1 && n <= OXI_HTTP_RANGES);
	for (int i = 0; i < n; i++) {
		OXI_CHECK(r[i].first <= r[i].last && r[i].last < size && r[i].last - r[i].first < left);
		left -= r[i].last - r[i].first + 1;
	}
}

static void try_etag(const char *in)
{
	bool strong = oxi_http_etag_listed(in, "\"a\"", true);

	OXI_CHECK(!strong || strchr(in, '*') || strstr(in, "\"a\""));
	OXI_CHECK(!strong || oxi_http_etag_listed(in, "\"a\"", false));
}

/* Whatever the texts are, each line is one of the fields that were given, and there is one event. */
static void try_event(const char *in)
{
	const ox_http_event e = { .size = sizeof(e), .data = in, .comment = in, .event = in, .id = in };
	const ox_http_event lines = { .size = sizeof(e), .data = in, .comment = in };
	const ox_http_event *used = oxi_http_event_valid(&e) ? &e : &lines;
	size_t len = oxi_http_event_format(used, NULL);
	char *out = malloc(len + 1);

	OXI_CHECK(oxi_http_event_valid(&lines) && (used == &e || strpbrk(in, "\r\n")));
	OXI_CHECK(oxi_http_event_format(used, out) == len);
	out[len] = 0;
	OXI_CHECK(!strchr(out, '\r') && strstr(out, "\n\n") == out + len - 2);
	for (char *line = out; line < out + len - 1; line = strchr(line, '\n') + 1)
		OXI_CHECK(strncmp(line, ": ", 2) == 0 || strncmp(line, "data: ", 6) == 0 || strncmp(line, "event: ", 7) == 0 ||
		          strncmp(line, "id: ", 4) == 0);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *in = malloc(len + 1);

	memcpy(in, data, len);
	in[len] = 0;
	try_target(in);
	try_header(in);
	try_ranges(in, 0);
	try_ranges(in, 1000);
	try_ranges(in, UINT64_MAX);
	try_etag(in);
	try_event(in);
	OXI_CHECK(strchr(oxi_http_type(in), '/'));
	free(in);
	return 0;
}
