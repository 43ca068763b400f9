/* SPDX-License-Identifier: MIT */
/* When a run ends before its input does, in the grammar of GNU parallel's --halt. */
#ifndef OXBOW_CLI_HALT_H
#define OXBOW_CLI_HALT_H

#include "cli/batch/outcome.h"

enum oxi_halt_when { OXI_HALT_NEVER, OXI_HALT_SOON, OXI_HALT_NOW };
enum oxi_halt_why { OXI_HALT_FAIL, OXI_HALT_SUCCESS, OXI_HALT_DONE };

struct oxi_halt {
	enum oxi_halt_when when;
	enum oxi_halt_why why;
	bool percent;
	uint64_t n;
};

/*
 * "never"; "now" or "soon", "fail", "success" or "done", a number or a percentage: "soon,fail=5%". And the short
 * forms 0, 1, 2, -1, -2 and N%. 0, or OX_EINVAL.
 */
int oxi_halt_parse(const char *text, struct oxi_halt *ret);

/* total: jobs there will be; 0: not known yet, and then no percentage is reached. */
bool oxi_halt_due(const struct oxi_halt *h, const struct oxi_tally *t, uint64_t total);

/* "fail=5%" */
void oxi_halt_text(const struct oxi_halt *h, char *text, size_t cap);

#endif
