/* SPDX-License-Identifier: MIT */
/*
 * What jobs need at the same time: CPUs, memory, and tokens of the user's own pools. Numbers only: nothing is asked of the
 * system, nobody waits here.
 *
 * cpu is counted against -j: there are as many CPUs as jobs may run at a time, a job that says nothing needs one, and one that
 * needs two takes the place of two. mem is counted against what it is told the machine has. A pool has so many equal tokens
 * (db:4), or tokens with names, of which a job is told its own (gpu=0,1).
 */
#ifndef OXBOW_CLI_RESOURCES_H
#define OXBOW_CLI_RESOURCES_H

#include <oxbow/base.h>

#include "cli/buffer.h"

#define OXI_CPU 1000                    /* cpu is counted in thousandths */

enum { OXI_RESOURCE_CPU, OXI_RESOURCE_MEM, OXI_RESOURCE_POOLS };        /* the first pool's number */

struct oxi_resource {
	char *name;
	uint64_t total, used;           /* thousandths of a CPU, bytes, tokens; used may be more after total was lowered */
	char **index;                   /* total names, one block; NULL: tokens are equal */
	bool *taken;                    /* of tokens with names */
};

struct oxi_resources {
	struct oxi_resource *v;         /* cpu, mem, then pools */
	size_t n;
};

/* What one job needs. Jobs of one kind share it. */
struct oxi_needs {
	struct oxi_amount {
		unsigned which;         /* of oxi_resources */
		uint64_t amount;
	} *v;
	size_t n;
};

/* What a job has: given back with the needs that it was taken for. */
struct oxi_lease {
	const struct oxi_needs *needs;
	uint32_t *token;                /* of pools with names, one after the other; NULL: there are none */
};

/* memory: bytes. Returns: 0; OX_ENOMEM. Free it in any case. */
int oxi_resources_init(struct oxi_resources *r, unsigned jobs, uint64_t memory);
void oxi_resources_free(struct oxi_resources *r);

/* Changes how many jobs run at a time. What is taken stays so. */
void oxi_resources_set_jobs(struct oxi_resources *r, unsigned jobs);

/* Adds a pool of n tokens; index: their names, copied, or NULL. Returns: 0; OX_EINVAL, and *why says why; OX_ENOMEM. */
int oxi_resources_add(struct oxi_resources *r, const char *name, const char *const *index, size_t n, struct oxi_buffer *why);

/* Adds a pool as --pool has it: "db:4", "gpu=0,1". As above. */
int oxi_resources_add_text(struct oxi_resources *r, const char *text, struct oxi_buffer *why);

/* Adds to what a job needs. Returns: 0; OX_EINVAL, and *why says why: no such pool, named twice, can never fit; OX_ENOMEM. */
int oxi_needs_add(struct oxi_needs *needs, const struct oxi_resources *r, const char *name, uint64_t amount, struct oxi_buffer *why);

/* Adds all of --need: "cpu=2,mem=1G,gpu=1". r NULL: only the text is looked at. As above. */
int oxi_needs_add_text(struct oxi_needs *needs, const struct oxi_resources *r, const char *text, struct oxi_buffer *why);
void oxi_needs_free(struct oxi_needs *needs);

/* How many CPUs are a job's: those that it needs, or its share of all when so many run at a time; 1 at least. */
unsigned oxi_needs_threads(const struct oxi_needs *needs, unsigned jobs);

/* What there is too little of at the moment; NULL: a job with these needs could start. */
const char *oxi_resources_lack(const struct oxi_resources *r, const struct oxi_needs *needs);

/* Returns: 1, and *ret is the job's, who keeps needs as long; 0: not now; OX_ENOMEM. */
int oxi_resources_take(struct oxi_resources *r, const struct oxi_needs *needs, struct oxi_lease *ret);
void oxi_resources_give(struct oxi_resources *r, struct oxi_lease *lease);

/* Adds "OXBOW_POOL_gpu=0,1" and a NUL for each pool with names in the lease. Returns how many. */
size_t oxi_lease_env(const struct oxi_resources *r, const struct oxi_lease *lease, struct oxi_buffer *ret);

#endif
