/* SPDX-License-Identifier: MIT */
/* Comma-separated values, RFC 4180. */
#ifndef OXBOW_CLI_CSV_H
#define OXBOW_CLI_CSV_H

#include <oxbow/base.h>

#include "cli/batch/row.h"

/* Where a record is wrong, and why. */
struct oxi_csv_fault {
	size_t at;                      /* bytes from the record's start */
	const char *what;
};

/*
 * Takes the record at p, len bytes of text of which more may follow unless eof. Its fields go to row and lie in p,
 * where doubled quotes are made single ones.
 * Returns: how long it is, with its end; 0: p holds no whole record; OX_EINVAL with *ret_fault; OX_ENOMEM.
 */
ssize_t oxi_csv_take(char separator, char *p, size_t len, bool eof, struct oxi_row *row, struct oxi_csv_fault *ret_fault);

#endif
