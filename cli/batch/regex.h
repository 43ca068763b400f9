/* SPDX-License-Identifier: MIT */
/* Regular expressions of placeholders, columns and filters: PCRE2's, with a bound on what one match may cost. */
#ifndef OXBOW_CLI_REGEX_H
#define OXBOW_CLI_REGEX_H

#include <oxbow/base.h>

#include "cli/buffer.h"

struct oxi_regex;

/*
 * @flags: letters, flags_len of them: i ignores case, g replaces all. Returns: 0; OX_EINVAL, and *why says what
 * is wrong and where; OX_ENOMEM.
 */
int oxi_regex_new(ox_bytes pattern, ox_bytes flags, struct oxi_regex **ret, struct oxi_buffer *why);

/* 0 if each $1 of a replacement names a group; else OX_EINVAL with *why. */
int oxi_regex_check(const struct oxi_regex *re, ox_bytes with, struct oxi_buffer *why);

/* The first match at or after from: *ret_match lies in text. Returns: 1, 0, OX_ETOOBIG: it costs too much. */
int oxi_regex_find(const struct oxi_regex *re, ox_bytes text, size_t from, ox_bytes *ret_match);

/*
 * Adds text to out with its first match (all with the flag g) replaced: $1 ... $9 are groups, $0 the match, $$ is $,
 * and a backslash keeps what follows it as it is. Returns: 0; OX_ETOOBIG.
 */
int oxi_regex_replace(const struct oxi_regex *re, ox_bytes text, ox_bytes with, struct oxi_buffer *out);

void oxi_regex_free(struct oxi_regex *re);

#endif
