/* SPDX-License-Identifier: MIT */
/* WARC 1.1 (ISO 28500:2017), written: what the crawl has received, for archives. */
#ifndef OXBOW_CLI_WARC_H
#define OXBOW_CLI_WARC_H

#include "cli/crawl/exchange.h"

struct oxi_warc;

/* How far a crawl's records have come: the file DIR/oxbow-STAMP-SERIAL-NUMBER.warc.gz is len bytes long. */
struct oxi_warc_place {
	uint64_t stamp, serial;         /* when the first file was begun (14 digits, UTC), and by which process */
	uint64_t number;                /* of the file, from 1; 0: there is none yet */
	uint64_t len;
};

/* A place for the first file of a crawl. */
struct oxi_warc_place oxi_warc_begin(void);

/*
 * Goes on at a place: cuts the file to its length, or makes it if that is 0, and removes what came after it.
 * @about: fields of the warcinfo records, copied. Returns: 0, or an exit code after saying why.
 */
int oxi_warc_open(const char *dir, uint64_t file_max, const struct oxi_warc_place *at, const char *about, struct oxi_warc **ret);

/* Where the next record will begin; NULL of NULL. */
const struct oxi_warc_place *oxi_warc_place(const struct oxi_warc *w);

/*
 * Writes the records of an exchange whose head is whole, in a thread: a file has all of them or none.
 * Returns: 0; -errno, OX_ENOMEM; OX_ECANCELED.
 */
OX_YIELDS int oxi_warc_add(struct oxi_warc *w, const struct oxi_exchange *x);

int oxi_warc_close(struct oxi_warc *w);         /* takes NULL. Returns: 0; -errno */

#endif
