/* SPDX-License-Identifier: MIT */
/* Index arrays in Slurm's syntax: "1-100:2,200%8". */
#ifndef OXBOW_CLI_ARRAY_H
#define OXBOW_CLI_ARRAY_H

#include <oxbow/base.h>

struct oxi_array {
	struct oxi_range *range;
	size_t n;
	uint64_t count;                 /* of all indices */
	unsigned limit;                 /* jobs at a time; 0: none was given */
};

/* 0; OX_EINVAL with *ret_bad in text where it is wrong; OX_ENOMEM. */
int oxi_array_parse(const char *text, struct oxi_array *ret, const char **ret_bad);

/* The i-th index, i < count, in the order in which they are written. */
uint64_t oxi_array_at(const struct oxi_array *a, uint64_t i);

void oxi_array_free(struct oxi_array *a);

#endif
