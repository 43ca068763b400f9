/* SPDX-License-Identifier: MIT */
/* What a worker does with a page: it decodes, parses, finds links, and runs the crunch function. */
#ifndef OXBOW_CLI_LOOK_H
#define OXBOW_CLI_LOOK_H

#include <oxbow/job.h>

#include "cli/buffer.h"
#include "cli/crawl/crunch.h"

#define OXI_PAGE_LINKS_MAX 10000        /* links taken from one page, and as many requisites */

/*
 * The jobs: everything, and all but the crunch function, for a page whose crunch function crashed. Input and reply
 * are those of page.h. Both are set up before the pool is opened.
 */
extern ox_job oxi_page_job, oxi_page_links_job;
/* Loads what the parsers would otherwise read from files at some time. Process: a worker, before its sandbox. */
void oxi_page_prepare(void);

void oxi_page_setup(const struct oxi_crunch *crunch, ox_time crunch_timeout);

/* The same, to be called: in: a job's input. Returns: 0; OX_ENOMEM. */
int oxi_look(const void *in, bool with_crunch, struct oxi_buffer *reply);

#endif
