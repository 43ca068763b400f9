/* SPDX-License-Identifier: MIT */
/*
 * The small parsers of the HTTP client and server: pure functions of their arguments, fuzzed by tests/http.
 */
#ifndef OXBOW_LOOP_HTTP_TEXT_H
#define OXBOW_LOOP_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* True if name is a token and value has no control character but the tab (RFC 9110 sections 5.1 and 5.5). */
bool oxi_http_header_valid(const char *name, size_t name_len, const char *value);

/*
 * Takes a "Name: value" line apart. False if it is none, or not valid as above. *ret_value points into line,
 * behind the blanks; it is "" for an empty value.
 */
bool oxi_http_header_split(const char *line, size_t *ret_name_len, const char **ret_value);

/*
 * Finds path and query in the target of a request line, in its origin form ("/a?b", also "//a", which is no
 * host here), its absolute one or "*" (RFC 9112 section 3.2). *ret_query is NULL if there is none.
 */
void oxi_http_target_split(const char *target, const char **ret_path, size_t *ret_len, const char **ret_query);

/*
 * Decodes the %XX of a URL's path into out, which has room for len + 1. False, with out undefined, if a % is
 * not followed by two hexadecimal digits or stands for NUL (RFC 3986 section 2.1).
 */
bool oxi_http_path_decode(const char *raw, size_t len, char *out);

/* The media type that belongs to a file's name, by its ending; application/octet-stream for an unknown one. */
const char *oxi_http_type(const char *path);

/* The phrase of a status code, "Not Found" for instance; "Status" for one that has none. */
const char *oxi_http_phrase(int status);

#endif
