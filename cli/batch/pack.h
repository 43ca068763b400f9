/* SPDX-License-Identifier: MIT */
/* Several records for one command: -n, -N, -X, -m. */
#ifndef OXBOW_CLI_PACK_H
#define OXBOW_CLI_PACK_H

#include "cli/batch/template.h"

struct oxi_pack {
	/* set before the first record */
	const struct oxi_template *t;
	size_t most;                    /* records for a command; OXI_ANY: as many as fit */
	bool fill;                      /* as the system allows, and the last ones spread over the slots */
	unsigned jobs;
	/* what is held */
	struct oxi_buffer bytes;
	struct oxi_span *span;          /* of each value, in bytes */
	size_t *end;                    /* of each record, in span */
	size_t spans, records, span_cap, end_cap;
	size_t given;                   /* records at the front that are given already */
	size_t chunk;                   /* records for each command once they are spread; 0: not yet */
	size_t cost, text;              /* of what is held: see oxi_template_cost */
	size_t limit;                   /* of cost */
	/* what is given */
	ox_bytes *value;
	size_t n, value_cap;
};

/*
 * Takes records from next(arg), which sets *ret_value and *ret_n, until a command is full, and leaves its values in value
 * and n. Returns: 1; 0: there are none left; what next returned; OX_ENOMEM; OX_ETOOBIG: see oxi_template_cost.
 */
OX_YIELDS int oxi_pack_next(struct oxi_pack *p, int (*next)(void *arg, const ox_bytes **ret_value, size_t *ret_n), void *arg);

/* Forgets what is held, to begin again. */
void oxi_pack_reset(struct oxi_pack *p);

void oxi_pack_free(struct oxi_pack *p);

#endif
