/* SPDX-License-Identifier: MIT */
/* Ranges and entity tags as they stand in headers. Pure; see range.c. */
#ifndef OXBOW_LOOP_HTTP_RANGE_H
#define OXBOW_LOOP_HTTP_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OXI_HTTP_RANGES 32              /* that one request may ask for */

struct oxi_http_range {
	uint64_t first, last;           /* bytes, both included */
};

/*
 * Takes a Range header apart, for a content of size bytes (RFC 9110 section 14.1.2). Returns how many ranges
 * there are; 0 if none lies in the content (416); -1 for a header to be passed over: another unit, not well
 * formed, or ranges that are too many or together more than the content.
 */
int oxi_http_ranges(const char *header, uint64_t size, struct oxi_http_range ret[OXI_HTTP_RANGES]);

/*
 * True if the entity tag is in the list of an If-Match or If-None-Match header, or the list is "*". strong: a
 * tag that is marked as weak does not match (RFC 9110 section 8.8.3.2). etag has its quotes and is strong.
 */
bool oxi_http_etag_listed(const char *list, const char *etag, bool strong);

#endif
