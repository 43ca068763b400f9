/* SPDX-License-Identifier: MIT */
/*
 * Steering a run that is going on: a Unix stream socket in its folder. A line is a command, and each is answered by a line: "ok",
 * "error: " and why not, for status a JSON object, and for output, which only oxbow log asks for, what a running job has
 * written: "output ATTEMPT OUT ERR", and so many bytes of its standard output and error behind that line, from the numbers
 * that were given.
 *
 *	jobs=8  pause  resume  cancel=JOB  priority=N  status  output=OUT,ERR,JOB
 */
#ifndef OXBOW_CLI_CONTROL_H
#define OXBOW_CLI_CONTROL_H

#include <oxbow/stream.h>

#include "cli/buffer.h"

#define OXI_CONTROL_NAME "socket"       /* in the folder of the run */
#define OXI_CONTROL_LINE OX_KIB(4)      /* a command has no more bytes */

/* What a running job has written. */
struct oxi_written {
	unsigned attempt;               /* from 1; 0: it does not run */
	struct oxi_buffer data[2];      /* of its standard output and error, a piece of each */
};

/*
 * What the runner does when it is asked, in a coroutine of the asker. Each returns 0; OX_EINVAL and *why says why not; or
 * another negative code.
 */
struct oxi_control_ops {
	int (*set_jobs)(void *arg, unsigned jobs, struct oxi_buffer *why);
	int (*pause)(void *arg, struct oxi_buffer *why);        /* nothing more starts; what runs goes on */
	int (*resume)(void *arg, struct oxi_buffer *why);
	int (*cancel)(void *arg, const char *job, struct oxi_buffer *why);     /* its number or name */
	int (*set_priority)(void *arg, int priority, struct oxi_buffer *why);
	int (*status)(void *arg, struct oxi_buffer *ret);       /* adds one line of JSON, without a newline */
	int (*output)(void *arg, const char *job, const uint64_t from[2], struct oxi_written *ret);
};

struct oxi_control {
	const struct oxi_control_ops *ops;
	void *arg;
	int folder;                     /* of the run */
	ox_listener *listener;
};

/* A command, understood. */
struct oxi_order {
	enum oxi_order_kind { OXI_ORDER_JOBS, OXI_ORDER_PAUSE, OXI_ORDER_RESUME, OXI_ORDER_CANCEL, OXI_ORDER_PRIORITY, OXI_ORDER_STATUS, OXI_ORDER_OUTPUT } kind;
	const char *job;                /* of cancel and output: points into the text */
	uint64_t from[2];
	unsigned jobs;
	int priority;
};

/* Returns: 0; OX_EINVAL, and *why says what is wrong. */
int oxi_order_parse(const char *text, struct oxi_order *ret, struct oxi_buffer *why);

/*
 * Makes the socket, for its user alone, in place of one that a dead runner has left: who calls has the lock of the run.
 * Call it in a loop. Returns: 0; -errno, OX_ENOMEM.
 */
int oxi_control_open(const char *dir, const struct oxi_control_ops *ops, void *arg, struct oxi_control *ret);

/* A coroutine's function: serves until it is cancelled. */
OX_YIELDS int oxi_control_run(void *control);

/* Removes the socket. Takes one that was not opened, if its listener is NULL. */
void oxi_control_close(struct oxi_control *c);

/*
 * The asker's side, outside of a loop. connect returns a descriptor; -errno: -ENOENT or -ECONNREFUSED if nobody runs it.
 * ask sends a command and adds the answer, without its newline. Returns: 0; -EPIPE: the runner has gone; -EAGAIN: it does not
 * answer, because it is stopped, perhaps; -errno, OX_ENOMEM.
 */
int oxi_control_connect(const char *dir);
int oxi_control_ask(int fd, const char *command, struct oxi_buffer *answer);

/* The same for what a job has written from so many bytes on. */
int oxi_control_output(int fd, const char *job, const uint64_t from[2], struct oxi_written *ret);

#endif
