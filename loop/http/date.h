/* SPDX-License-Identifier: MIT */
/* Dates in headers. */
#ifndef OXBOW_LOOP_HTTP_DATE_H
#define OXBOW_LOOP_HTTP_DATE_H

#include <stdbool.h>
#include <time.h>

/* Reads a date (RFC 9110 section 5.6.7). False if it is none. */
bool oxi_http_date(const char *text, time_t *ret);

#endif
