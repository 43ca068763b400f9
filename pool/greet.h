/* SPDX-License-Identifier: MIT */
/*
 * What a pool and a host of remote workers tell each other in lines: HELLO (who I am, what I can do), WELCOME (your
 * slots and my jobs), and LOST (how a worker died). Readers of text from a wire; pure.
 *
 *	HELLO    library VERSION | host NAME | pid N | slots N | job NAME ...
 *	WELCOME  capture BYTES | max-rss BYTES | slot SLOT ... | job MAX-RESULT NAME ..., in the order of their indices
 *	LOST     host NAME | pid N | signal N | exit N | address N | user NS | system NS | rss BYTES | limit BYTES | frame N ...
 */
#ifndef OXBOW_POOL_GREET_H
#define OXBOW_POOL_GREET_H

#include "pool/lines.h"
#include "pool/parent.h"

#define OXI_GREET_FIXED OX_KIB(2)       /* bytes that the lines above take, without slots, jobs and frames */
#define OXI_GREET_SLOT  48u             /* bytes of a slot's line, or of a frame's */
#define OXI_JOB_NAME    (OXI_VALUE - 32u)       /* bytes of a job's name, with its end */

struct oxi_hello {
	char library[32], host[OXI_HOST];
	uint64_t pid, slots;
};
/* Calls on_job for each job. 0; OX_EPROTO. */
int oxi_hello_read(const void *text, size_t len, struct oxi_hello *ret, void (*on_job)(void *arg, const char *name), void *arg);

struct oxi_welcome {
	uint64_t capture, max_rss;      /* of the pool's options */
};
struct oxi_welcome_ops {
	int (*on_slot)(void *arg, unsigned slot);               /* 0; a code: it cannot be */
	int (*on_job)(void *arg, const char *name, uint64_t max_result);
};
int oxi_welcome_read(const void *text, size_t len, struct oxi_welcome *ret, const struct oxi_welcome_ops *ops, void *arg);

/* host: where the worker was. */
void oxi_story_say(struct oxi_text *t, const ox_crash *c, const char *host);
int oxi_story_hear(const void *text, size_t len, struct oxi_story *ret);

/* A name that fits into a line as it is. */
bool oxi_greet_name(const char *name);

#endif
