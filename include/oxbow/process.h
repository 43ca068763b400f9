/* SPDX-License-Identifier: MIT */
/*
 * Child processes: start, talk, wait, and an end that leaves nothing behind.
 *
 *	OX_AUTO_PROCESS_RESULT *res = NULL;
 *	int r = ox_process_run(OX_ARGV("git", "log", "-1"), NULL, &res);
 *	if (r == 0 && res->status.exit_code == 0)
 *		use(res->out.data, res->out.len);
 *
 * A child leads a process group of its own, which is how it and what it starts are ended together; it has no
 * descriptor of ours but those it was given, default actions for all signals, and dies with us.
 * There is no call that takes a shell's command line: write OX_ARGV("/bin/sh", "-c", command), and pass what
 * comes from outside behind it, as "$1".
 */
#ifndef OXBOW_PROCESS_H
#define OXBOW_PROCESS_H

#include <oxbow/select.h>
#include <oxbow/stream.h>

OX_BEGIN

typedef struct ox_process ox_process;

/** The words of a command; the first is the program, looked for in PATH unless it has a slash. */
#define OX_ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/** What .in, .out and .err may be besides a descriptor of ours (1 or more; its number in the child is 0, 1, 2). */
enum {
	OX_STDIO_DEFAULT = 0,           /* .in: OX_STDIO_NULL. .out, .err: ours; OX_STDIO_PIPE in ox_process_run() */
	OX_STDIO_INHERIT = -1,          /* ours. A child in a group of its own is stopped when it reads our terminal */
	OX_STDIO_NULL = -2,             /* /dev/null */
	OX_STDIO_PIPE = -3,             /* a stream: ox_process_stdin() and so on */
	OX_STDIO_STDOUT = -4,           /* .err only: where the child's standard output goes */
};

typedef enum ox_process_group {
	OX_PROCESS_OWN_GROUP,           /* leads a process group of its own */
	OX_PROCESS_OWN_SESSION,         /* leads a session, without a terminal */
	OX_PROCESS_OUR_GROUP,           /* stays in ours: gets our Ctrl-C; only it is signalled, not what it starts */
} ox_process_group;

/** A limit of setrlimit(2): RLIMIT_..., in its unit; RLIM_INFINITY for none. */
typedef struct ox_process_limit {
	int resource;
	uint64_t soft, hard;
} ox_process_limit;

/** A descriptor to hand over: `ours` is `child` there. */
typedef struct ox_process_fd {
	int child;                      /* 3 or more */
	int ours;
} ox_process_fd;

/** The size of a terminal, in characters. */
typedef struct ox_window {
	uint16_t rows, columns;
} ox_window;

typedef struct ox_process_options {
	size_t size;
	const char *path;               /* the program; NULL: argv[0] */
	const char *cwd;                /* where it starts; NULL: where we are */
	const char *const *env;         /* all of its environment, "NAME=value", NULL at the end; NULL: ours */
	const char *const *env_add;     /* changes to that: "NAME=value" sets, "NAME" takes out; NULL at the end */
	int in, out, err;               /* OX_STDIO_... or a descriptor, borrowed */
	const ox_window *window;        /* not NULL: it gets a terminal of this size, a session, and by default all three
	                                 * standard descriptors there; ours is ox_process_terminal() */
	const ox_process_fd *fds;       /* fd_count descriptors to hand over, borrowed; all others are closed */
	size_t fd_count;
	const ox_process_limit *limits; /* limit_count of them */
	size_t limit_count;
	ox_process_group group;
	int nice;                       /* added to ours */
	int death_signal;               /* sent to the child when the loop's thread dies; 0: SIGKILL; -1: none. The kernel
	                                 * forgets it for programs that gain privileges */
	ox_time grace;                  /* between SIGTERM and SIGKILL when it is to end; 0: 5 s */
	ox_bytes input;                 /* ox_process_run(): what it reads; .in is a pipe then */
	size_t max_output;              /* bytes kept of each of its outputs by communicate and run; 0: 64 MiB */
} ox_process_options;
#define OX_PROCESS_OPTIONS(...) (&(ox_process_options){ .size = sizeof(ox_process_options), __VA_ARGS__ })
OX_API void ox_process_options_init(ox_process_options *o);

/** How a child ended, and what it used (with the children that it waited for). */
typedef struct ox_process_status {
	int exit_code;                  /* 0 to 255; -1: a signal killed it */
	int signal;                     /* that killed it; 0: none */
	bool core;                      /* and memory was dumped */
	ox_time user_time, system_time;
	size_t max_rss;                 /* bytes */
} ox_process_status;

/**
 * Starts a program.
 *
 * Its thread stands still until the program has been loaded, half a millisecond from a warm disk.
 *
 * @argv: its words, NULL at the end. @o: NULL for the defaults. @ret: owned: ox_process_close() or OX_AUTO_PROCESS.
 * Returns: 0; what went wrong in the child, exactly: -ENOENT and -EACCES (the program or .cwd), -ENOEXEC, -E2BIG,
 * -EBADF (a descriptor), -EPERM (a limit)...; -EMFILE, -EAGAIN (too many processes), OX_EINVAL, OX_ENOMEM, OX_ESTATE;
 * OX_EBUSY: on a kernel without pidfds (before 5.4), where only the loop that receives signals can have children.
 * Nothing is left after a failure. Threads: the process belongs to this loop. Since: 0.1
 */
OX_API int ox_process_spawn(const char *const *argv, const ox_process_options *o, ox_process **ret);

/** Its process id, also after it has ended: it is not given to another one before ox_process_close(). Since: 0.1 */
OX_API pid_t ox_process_pid(const ox_process *p);

/**
 * The other ends of the child's standard descriptors, where they were OX_STDIO_PIPE, and of its terminal; else NULL.
 *
 * Borrowed until ox_process_close(). End the child's input by ox_write_eof(); writing after it has closed it or has
 * ended is -EPIPE. The end of a terminal's output is the end of the stream. Since: 0.1
 */
OX_API ox_stream *ox_process_stdin(const ox_process *p);
OX_API ox_stream *ox_process_stdout(const ox_process *p);
OX_API ox_stream *ox_process_stderr(const ox_process *p);
OX_API ox_stream *ox_process_terminal(const ox_process *p);

/** Tells the child's terminal its size; programs there get SIGWINCH. Returns: 0; OX_ESTATE: it has none. Since: 0.1 */
OX_API int ox_process_set_window(ox_process *p, ox_window size);

/**
 * Waits until the child has ended. Any number of coroutines may, at any time; all get the same.
 *
 * @ret: how it ended; NULL if not wanted.
 * Returns: 0; OX_ECANCELED; -ECHILD: somebody else has waited for it (a SIGCHLD that is ignored, wait(-1)), how it
 * ended is not known; OX_ENOMEM (p is NULL). Yields: unless it has. Cancel: the child goes on. Since: 0.1
 */
OX_API OX_YIELDS int ox_process_wait(ox_process *p, ox_process_status *ret);

/** For ox_select(): the child has ended. Result: as ox_process_wait(). Since: 0.1 */
OX_API ox_clause ox_clause_exited(ox_process *p, ox_process_status *ret);
#define OX_EXITED(p, ret) ox_clause_exited(p, ret)

/**
 * Sends a signal to the child, never to another process.
 *
 * Returns: 0; -ESRCH: it has ended; OX_EINVAL, -EPERM. Since: 0.1
 */
OX_API int ox_process_signal(ox_process *p, int signo);

/**
 * Sends a signal to the child, its process group, and all its descendants.
 *
 * The descendants are stopped while they are looked for (/proc), so that none is born behind the back of the search,
 * and continued after the signal, unless it is SIGSTOP. A process escapes if it has left the group and its parent, up to the child, has
 * ended: it can no longer be told from others.
 *
 * Returns: 0; -ESRCH: it has ended and leads no group; OX_EINVAL; OX_ENOMEM, -errno: the search was not complete (-EMFILE),
 * the group and what was found have been signalled. Since: 0.1
 */
OX_API int ox_process_kill_tree(ox_process *p, int signo);

/**
 * Ends the child: SIGTERM to it and all it has started, SIGKILL to those that are there after .grace. Works in a
 * cancelled scope too.
 *
 * @ret: how it ended; NULL if not wanted. Returns: as ox_process_wait(). Yields: until it has. Since: 0.1
 */
OX_API OX_YIELDS int ox_process_stop(ox_process *p, ox_process_status *ret);

/**
 * Ends the child as ox_process_stop(), and what it left behind in its group; closes the streams, frees.
 * Takes NULL. What is open when the loop ends is killed then.
 *
 * Yields: while something of it is there. Cancel: not heeded. Since: 0.1
 */
OX_API OX_YIELDS void ox_process_close(ox_process *p);
static inline void ox_process_auto_(ox_process **p) { ox_process_close(*p); }
#define OX_AUTO_PROCESS __attribute__((cleanup(ox_process_auto_))) ox_process

/** What a child said, and how it ended. A zero byte that len does not count follows each text. */
typedef struct ox_process_result {
	ox_process_status status;
	ox_bytes out, err;
} ox_process_result;

/**
 * Writes input to the child's standard input and closes it, reads both outputs to their ends, and waits: all at once.
 *
 * What is no pipe is left out; a terminal is read into .out. A child that does not read its input is no error.
 *
 * @input: {0} for none. @ret: owned: ox_process_result_free(). Also written on failure, with what came until then.
 * Returns: 0, whatever the child's exit code; OX_ETOOBIG: more than .max_output; OX_ECANCELED, OX_ENOMEM,
 * -errno. After a failure the child has ended as by ox_process_stop(). Since: 0.1
 */
OX_API OX_YIELDS int ox_process_communicate(ox_process *p, ox_bytes input, ox_process_result **ret);

/**
 * Runs a program to its end: spawn, communicate with .input, close.
 *
 * @ret: as ox_process_communicate(). Returns: as these. Since: 0.1
 */
OX_API OX_YIELDS int ox_process_run(const char *const *argv, const ox_process_options *o, ox_process_result **ret);

/** Frees a result. Takes NULL. Since: 0.1 */
OX_API void ox_process_result_free(ox_process_result *res);
static inline void ox_process_result_auto_(ox_process_result **res) { ox_process_result_free(*res); }
#define OX_AUTO_PROCESS_RESULT __attribute__((cleanup(ox_process_result_auto_))) ox_process_result

OX_END

#endif
