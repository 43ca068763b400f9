/* SPDX-License-Identifier: MIT */
#include "cli/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *oxi_buffer_room(struct oxi_buffer *b, size_t len)
{
	if (b->failed)
		return NULL;
	if (b->cap - b->len >= len)
		return b->data + b->len;
	size_t cap = b->cap ? b->cap : 256;
	while (cap - b->len < len && cap < SIZE_MAX / 4)
		cap *= 2;
	char *data = cap - b->len < len ? NULL : realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return NULL;
	}
	b->data = data;
	b->cap = cap;
	return data + b->len;
}

void oxi_buffer_add(struct oxi_buffer *b, const void *data, size_t len)
{
	if (len && oxi_buffer_room(b, len)) {
		memcpy(b->data + b->len, data, len);
		b->len += len;
	}
}

void oxi_buffer_add_text(struct oxi_buffer *b, const char *text)
{
	oxi_buffer_add(b, text, strlen(text));
}

void oxi_buffer_add_char(struct oxi_buffer *b, char c)
{
	oxi_buffer_add(b, &c, 1);
}

void oxi_buffer_add_format(struct oxi_buffer *b, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		b->failed = true;
	else
		oxi_buffer_add(b, text, (size_t)n);
}

void oxi_buffer_free(struct oxi_buffer *b)
{
	free(b->data);
	*b = (struct oxi_buffer){ 0 };
}
