/* SPDX-License-Identifier: MIT */
/*
 * Text for reports that may be made in a signal handler: no memory, no locale, no stdio. What does not fit
 * into the buffer is written to the descriptor, or cut where there is none.
 */
#ifndef OXBOW_LOOP_PRINT_H
#define OXBOW_LOOP_PRINT_H

#include <oxbow/base.h>

struct oxi_print {
	int fd;                         /* -1: none, the text is what lies in the buffer */
	int error;                      /* -errno of the first write that failed */
	size_t len;
	char buf[1000];                 /* ends with a null byte */
};

#define OXI_PRINT(descriptor) { .fd = (descriptor) }

void oxi_print(struct oxi_print *p, const char *text);
void oxi_print_number(struct oxi_print *p, uint64_t n);
void oxi_print_hex(struct oxi_print *p, uint64_t n);
void oxi_print_seconds(struct oxi_print *p, ox_time d);         /* "1.203 s" */
void oxi_print_indent(struct oxi_print *p, unsigned columns);
void oxi_print_flush(struct oxi_print *p);

#endif
