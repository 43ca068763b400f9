/* SPDX-License-Identifier: MIT */
/* One line of progress on standard error: redrawn in place on a terminal, a line a second elsewhere. */
#ifndef OXBOW_CLI_BAR_H
#define OXBOW_CLI_BAR_H

#include <stdbool.h>

#include <oxbow/base.h>

struct oxi_bar {
	bool terminal, drawn;
};

/* Draws again and again, ten times a second at most, what text writes into line. Ends when cancelled. */
OX_YIELDS int oxi_bar_run(struct oxi_bar *b, void (*text)(void *arg, char *line, size_t cap), void *arg);

/* How many columns a line may have. */
size_t oxi_bar_columns(void);

/* Takes the drawn line away, so that other output can follow. */
void oxi_bar_clear(struct oxi_bar *b);

#endif
