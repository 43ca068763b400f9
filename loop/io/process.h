/* SPDX-License-Identifier: MIT */
/*
 * Child processes, by file:
 *
 *	process_plan.c     the options as a plan: what the child does between clone and exec
 *	process_child.c    the child, until exec
 *	process_io.c       its standard descriptors
 *	process.c          life: spawn, wait, signal, close
 *	process_tree.c     a child and all that it has started
 *	process_run.c      communicate, run
 */
#ifndef OXBOW_LOOP_IO_PROCESS_H
#define OXBOW_LOOP_IO_PROCESS_H

#include <oxbow/process.h>

#include "loop/select.h"
#include "loop/signal.h"

struct oxi_child_fd {
	int target, source;
};

/* All that the child needs, so that it makes system calls only. */
struct oxi_plan {
	const char *const *argv, *const *env;
	char **paths;                   /* of the program, tried in order; NULL at the end */
	const char *cwd;
	const ox_process_limit *limits;
	size_t limit_count;
	struct oxi_child_fd *fds;       /* by target, without repetition; the child changes the sources */
	size_t fd_count;
	ox_process_group group;
	bool set_nice, keep_hangup;
	int nice;
	int death_signal;               /* 0: none */
	int terminal;                   /* the source of the controlling terminal; -1: none */
	const char **own_env;           /* env, if it was made here */
};

/* fds[0] to [2]: the sources of the standard descriptors. 0; OX_EINVAL, OX_ENOMEM. */
int oxi_plan_init(struct oxi_plan *plan, const char *const *argv, const ox_process_options *o, const int *fds);
void oxi_plan_destroy(struct oxi_plan *plan);

/*
 * Starts the child. 0: it has begun with its program; *ret_pidfd is -1 where the kernel has none. Else the error,
 * and nothing is left.
 */
int oxi_child_start(struct oxi_plan *plan, pid_t *ret_pid, int *ret_pidfd);

/* For tests: as on a kernel without pidfds. */
extern bool oxi_child_without_pidfd;

struct ox_process {
	uint64_t magic;
	pid_t pid;
	int pidfd;                      /* -1: none, or closed */
	ox_process_group group;
	bool ended;                     /* its status is known; a zombie until reaped: its number stays its own */
	bool reaped;
	int wait_result;                /* of ox_process_wait() */
	ox_process_status status;
	struct oxi_list waiters;        /* clauses */
	struct oxi_list beginning;      /* waits: in the first step of ox_process_wait() */
	struct oxi_watch *watch;        /* of the pidfd, until it has ended */
	struct oxi_signals child_signal;        /* SIGCHLD, without a pidfd */
	struct oxi_hook at_end;         /* of the loop */
	ox_stream *in, *out, *err, *terminal;
	ox_time grace;
	size_t max_output;
};

/* Where the child's standard descriptors come from. */
struct oxi_child_io {
	int source[3];                  /* of its 0, 1, 2 */
	int given[4];                   /* that the child gets copies of, and we have no more use for */
	unsigned given_count;
};

/*
 * Opens what the options ask for; our ends are streams of p then. 0, and the child's side of its terminal or -1; a
 * negative code. In both cases oxi_child_io_close() follows.
 */
int oxi_child_io_open(ox_process *p, const ox_process_options *o, struct oxi_child_io *io, int *ret_terminal);
void oxi_child_io_close(struct oxi_child_io *io);
int oxi_terminal_resize(int fd, ox_window size);

/* Sends a signal to a child that has not been reaped, and to all of its tree. As ox_process_kill_tree(). */
int oxi_tree_signal(pid_t pid, bool group, int signo);

/* True if a process group has a member that has not ended. */
bool oxi_group_lives(pid_t group);

#endif
