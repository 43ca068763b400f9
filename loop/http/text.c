/* SPDX-License-Identifier: MIT */
#include "loop/http/text.h"

#include <string.h>
#include <strings.h>

static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value_char(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

bool oxi_http_header_valid(const char *name, size_t name_len, const char *value)
{
	if (name_len == 0)
		return false;
	for (size_t i = 0; i < name_len; i++)
		if (!is_token_char((unsigned char)name[i]))
			return false;
	for (; *value; value++)
		if (!is_value_char((unsigned char)*value))
			return false;
	return true;
}

bool oxi_http_header_split(const char *line, size_t *ret_name_len, const char **ret_value)
{
	const char *colon = strchr(line, ':'), *value;

	if (!colon)
		return false;
	value = colon + 1 + strspn(colon + 1, " \t");
	if (!oxi_http_header_valid(line, (size_t)(colon - line), value))
		return false;
	*ret_name_len = (size_t)(colon - line);
	*ret_value = value;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void oxi_http_target_split(const char *target, const char **ret_path, size_t *ret_len, const char **ret_query)
{
	const char *scheme_end = *target == '/' ? NULL : strstr(target, "://");
	const char *path = scheme_end ? scheme_end + 3 + strcspn(scheme_end + 3, "/?#") : target;
	size_t len = strcspn(path, "?#");

	*ret_query = path[len] == '?' ? path + len + 1 : NULL;
	*ret_path = len > 0 ? path : "/";
	*ret_len = len > 0 ? len : 1;
}

bool oxi_http_path_decode(const char *raw, size_t len, char *out)
{
	const char *end = raw + len;

	while (raw < end) {
		if (*raw != '%') {
			*out++ = *raw++;
			continue;
		}
		int high = end - raw > 2 ? hex(raw[1]) : -1, low = high < 0 ? -1 : hex(raw[2]);

		if (low < 0 || (high == 0 && low == 0))
			return false;
		*out++ = (char)(high << 4 | low);
		raw += 3;
	}
	*out = 0;
	return true;
}

const char *oxi_http_type(const char *path)
{
	static const struct {
		const char *ending, *type;
	} types[] = {
		{ "html", "text/html" },
		{ "htm", "text/html" },
		{ "css", "text/css" },
		{ "js", "text/javascript" },
		{ "mjs", "text/javascript" },
		{ "json", "application/json" },
		{ "txt", "text/plain" },
		{ "md", "text/markdown" },
		{ "csv", "text/csv" },
		{ "xml", "application/xml" },
		{ "xhtml", "application/xhtml+xml" },
		{ "svg", "image/svg+xml" },
		{ "png", "image/png" },
		{ "jpg", "image/jpeg" },
		{ "jpeg", "image/jpeg" },
		{ "gif", "image/gif" },
		{ "webp", "image/webp" },
		{ "avif", "image/avif" },
		{ "ico", "image/x-icon" },
		{ "woff", "font/woff" },
		{ "woff2", "font/woff2" },
		{ "ttf", "font/ttf" },
		{ "mp3", "audio/mpeg" },
		{ "mp4", "video/mp4" },
		{ "webm", "video/webm" },
		{ "pdf", "application/pdf" },
		{ "wasm", "application/wasm" },
		{ "zip", "application/zip" },
		{ "gz", "application/gzip" },
	};
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot + 1, types[i].ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

const char *oxi_http_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Status";
}
