/* SPDX-License-Identifier: MIT */
/* Server-sent events as text (WHATWG HTML, section 9.2.5). Pure; see event.c. */
#ifndef OXBOW_LOOP_HTTP_EVENT_H
#define OXBOW_LOOP_HTTP_EVENT_H

#include <oxbow/http_server.h>

/* False for a line end in event or id, or a negative retry. */
bool oxi_http_event_valid(const ox_http_event *e);

/* Writes the event into out, without a NUL; NULL: nowhere. Returns its length. */
size_t oxi_http_event_format(const ox_http_event *e, char *out);

#endif
