/* SPDX-License-Identifier: MIT */
/*
 * What a job is, as 128 bits: XXH3 of what its task says (command, folder, input, variables, as they are written), of the
 * job's values, and of how many equal ones came before it. Not of its number: a list of inputs that has changed is a list of
 * jobs of which most are the same.
 */
#ifndef OXBOW_CLI_IDENTITY_H
#define OXBOW_CLI_IDENTITY_H

#include <oxbow/base.h>

struct oxi_identity {
	unsigned char byte[16];
};

/* Of n pieces, each with its length, so that what moves from one to the next makes another one. */
struct oxi_identity oxi_identity_of(const struct oxi_identity *of, const ox_bytes *piece, size_t n);

static inline uint64_t oxi_identity_head(const struct oxi_identity *i)
{
	uint64_t head = 0;
	for (int k = 0; k < 8; k++)
		head = head << 8 | i->byte[k];
	return head;
}

#endif
