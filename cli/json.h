/* SPDX-License-Identifier: MIT */
/* Writes JSON: always well-formed, whatever it is given. */
#ifndef OXBOW_CLI_JSON_H
#define OXBOW_CLI_JSON_H

#include <stdint.h>

#include "cli/buffer.h"

#define OXI_JSON_DEPTH 18

struct oxi_json {
	struct oxi_buffer *out;
	char open[OXI_JSON_DEPTH];      /* { or [ for each level */
	unsigned depth;
	bool comma;                     /* a value stands before the next one */
	bool failed;                    /* nesting: too deep, or an end too many */
};

/* name is written inside an object only; NULL there is "". */
void oxi_json_begin(struct oxi_json *j, const char *name, char kind);
void oxi_json_end(struct oxi_json *j);
void oxi_json_int(struct oxi_json *j, const char *name, int64_t value);
void oxi_json_double(struct oxi_json *j, const char *name, double value);
void oxi_json_bool(struct oxi_json *j, const char *name, bool value);
void oxi_json_null(struct oxi_json *j, const char *name);
void oxi_json_string(struct oxi_json *j, const char *name, const char *text, size_t len);
void oxi_json_bytes(struct oxi_json *j, const char *name, const char *data, size_t len);   /* not UTF-8: {"$b64":"..."} */
void oxi_json_text(struct oxi_json *j, const char *name, const char *text);     /* NULL: null */
void oxi_json_raw(struct oxi_json *j, const char *name, const char *json, size_t len);  /* JSON of our own making */

#endif
