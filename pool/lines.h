/* SPDX-License-Identifier: MIT */
/*
 * Text of lines, "key value", for what is said once: the join file, greetings, stories of deaths. A reader skips keys
 * that it does not know, so that later versions can say more. Pure.
 */
#ifndef OXBOW_POOL_LINES_H
#define OXBOW_POOL_LINES_H

#include <oxbow/base.h>

#define OXI_VALUE 512u                  /* bytes of a value, with its end */

struct oxi_lines {
	const char *at, *end;
	unsigned line;                  /* the number of the one read last, from 1 */
};

struct oxi_line {
	char key[32];
	char value[OXI_VALUE];          /* without blanks around it; printable, or bytes above 127 */
};

void oxi_lines_init(struct oxi_lines *l, const void *text, size_t len);
/* 1; 0: no more; OX_EPROTO: a line that is none. Empty ones and those that begin with '#' are passed over. */
int oxi_lines_next(struct oxi_lines *l, struct oxi_line *ret);
bool oxi_line_is(const struct oxi_line *l, const char *key);
/* A decimal number, whole; false: none, or above max. */
bool oxi_number(const char *text, uint64_t max, uint64_t *ret);
/* The number in front of a blank; *ret_rest: what follows it. */
bool oxi_number_before(const char *text, uint64_t max, uint64_t *ret, const char **ret_rest);

struct oxi_text {
	char *data;
	size_t cap, len;
	bool full;                      /* something did not fit: what is there is cut */
};
void oxi_text_add(struct oxi_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
