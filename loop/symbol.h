/* SPDX-License-Identifier: MIT */
/* Names for addresses of code. See symbol.c. */
#ifndef OXBOW_LOOP_SYMBOL_H
#define OXBOW_LOOP_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

#define OXI_MODULES 4u

struct oxi_module {
	const char *base;               /* where it is loaded */
	const char *map;                /* its file; NULL: could not be read */
	size_t size;
};

/* The files that were looked into last: mapped while a report is made. Zeroed to begin. */
struct oxi_symbols {
	struct oxi_module modules[OXI_MODULES];
	unsigned next;
};

struct oxi_symbol {
	const char *function;           /* NULL: not known */
	size_t offset;                  /* in it */
	const char *module;             /* name of the file, without its folder; NULL: in none */
	size_t module_offset;           /* as addr2line takes it */
};

void oxi_symbol_find(struct oxi_symbols *s, const char *pc, struct oxi_symbol *ret);
void oxi_symbols_close(struct oxi_symbols *s);

#endif
