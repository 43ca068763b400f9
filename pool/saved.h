/* SPDX-License-Identifier: MIT */
/*
 * A job's input in a file, with what is known of its crash. Text lines "name: value", a blank line, then the bytes:
 *
 *	oxbow-input 1
 *	job: score_job
 *	...
 *	length: 1234
 *
 *	<1234 bytes, to the end of the file>
 *
 * In values, bytes below 32, 127 and % are written %XX. Unknown fields are left alone, a name may stand more than once,
 * and a file that is not exactly as long as it says is no such file.
 */
#ifndef OXBOW_POOL_SAVED_H
#define OXBOW_POOL_SAVED_H

#include <limits.h>

#include <oxbow/job.h>
#include <oxbow/quarantine.h>

#define OXI_SAVED_MAGIC  "oxbow-input"
#define OXI_SAVED_HEADER OX_KIB(256)    /* bytes of text, at most; 4 KiB of arguments less */

/* What the writer is told; the rest (program, arguments, folder, time, build) it finds out. */
struct oxi_crashed_input {
	const ox_job *job;
	const void *data;
	size_t len;
	const uint8_t *digest;          /* 32 bytes */
	unsigned crashes;
	uint64_t number;                /* of the job, for its random numbers */
	const ox_crash *crash;          /* the last one; NULL: not known */
};

/* Writes a file of mode 0600 whole or not at all; one of the same job and input is replaced. path says which it is. 0; -errno, OX_ENOMEM. */
int oxi_saved_write(const char *dir, const struct oxi_crashed_input *in, char path[PATH_MAX]);

/* Of the object that a function lies in, as hexadecimal digits; "none" where the linker made none. */
#define OXI_BUILD_ID 68
void oxi_build_id(const void *fn, char ret[OXI_BUILD_ID]);

/* With OX_REPLAY set, and for the pool that has its job: replays and ends the program. Else it returns: 0; a code of the file. */
int oxi_replay_if_asked(const ox_pool_options *o);

#endif
