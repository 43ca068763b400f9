/* SPDX-License-Identifier: MIT */
/*
 * A growing run of bytes. Lack of memory is remembered: add as much as you like and look at failed once, at
 * the end. All-zero is an empty buffer.
 */
#ifndef OXBOW_CLI_BUFFER_H
#define OXBOW_CLI_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct oxi_buffer {
	char *data;
	size_t len, cap;
	bool failed;
};

void oxi_buffer_add(struct oxi_buffer *b, const void *data, size_t len);
void oxi_buffer_add_text(struct oxi_buffer *b, const char *text);
void oxi_buffer_add_char(struct oxi_buffer *b, char c);
void oxi_buffer_add_format(struct oxi_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *oxi_buffer_room(struct oxi_buffer *b, size_t len);        /* at least len bytes behind data + len; NULL: failed */
void oxi_buffer_free(struct oxi_buffer *b);                     /* empty again, and usable */

#endif
