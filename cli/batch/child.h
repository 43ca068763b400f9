/* SPDX-License-Identifier: MIT */
/* What the processes of all jobs of a run are given: environment, niceness, limits, CPUs. */
#ifndef OXBOW_CLI_CHILD_H
#define OXBOW_CLI_CHILD_H

#include <oxbow/base.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/types.h>

#define OXI_CHILD_LIMITS 16

/* What a job reads. */
enum oxi_stdin { OXI_STDIN_NULL, OXI_STDIN_FILE, OXI_STDIN_TEXT };

struct oxi_child {
	int nice;                       /* added to ours */
	int io_priority;                /* as of ioprio_set(2); 0: ours */
	bool umask_given;
	mode_t umask;                   /* if given */
	unsigned pin;                   /* slots that share our CPUs out between them; 0: jobs run on all of them */
	cpu_set_t cpus;                 /* if pin: ours */
	bool clean_env;                 /* nothing is inherited but PATH */
	bool gnu_env;                   /* GNU parallel's variables, too */
	const char **env;               /* "K=V", n of them, borrowed; they win over what is inherited */
	size_t env_n;
	struct {
		int what;
		rlim_t value;
	} limit[OXI_CHILD_LIMITS];
	size_t limits;
};

/* "as=2G,nofile=512,cpu=10": sets soft and hard limit. 0, or OX_EINVAL. */
int oxi_child_limits_parse(const char *text, struct oxi_child *ret);

/* "027": octal. 0, or OX_EINVAL. */
int oxi_child_umask_parse(const char *text, struct oxi_child *ret);

/* "idle", "best-effort:7", "realtime:0", or the number of a class, as of ionice(1). 0, or OX_EINVAL. */
int oxi_child_ionice_parse(const char *text, struct oxi_child *ret);

/* Shares the CPUs that we may use out between so many slots. 0; -errno: the system does not tell which they are. */
int oxi_child_pin(struct oxi_child *c, unsigned slots);

/* The share of a slot, from 0: neighbours, and none of another slot's unless there are more slots than CPUs. */
void oxi_child_cpus(const struct oxi_child *c, unsigned slot, cpu_set_t *ret);

/* "K=V". 0; OX_EINVAL, OX_ENOMEM. */
int oxi_child_env_add(struct oxi_child *c, const char *text);

/* Variables that are different for each job. */
enum { OXI_ENV_RUN, OXI_ENV_JOB, OXI_ENV_SEQ, OXI_ENV_SLOT, OXI_ENV_ATTEMPT, OXI_ENV_GNU_SEQ, OXI_ENV_GNU_SLOT, OXI_ENVS };

/* True if a variable of that name is one of those, or one that a job is given with its share of a pool. */
bool oxi_child_env_is_own(const char *name);

struct oxi_child_env {
	char **vector;                  /* NULL-ended; its first n entries are the following */
	size_t n;                       /* without GNU parallel's, if they are not wanted */
	char own[OXI_ENVS][48];
};

/* The environment of jobs, made once. 0; OX_ENOMEM. */
int oxi_child_env_make(const struct oxi_child *c, const char *run, struct oxi_child_env *ret);

/* Sets the variables for one job. */
void oxi_child_env_set(struct oxi_child_env *e, uint64_t seq, unsigned slot, unsigned attempt);

/* Puts "K=V" where K is among the n entries, or behind them, where there is room. */
void oxi_child_env_put(char **vector, size_t *n, const char *text);

/* In the child, before exec: system calls only. slot: from 0; nice: of this job, added to that of all. 0, or -1 and errno. */
int oxi_child_apply(const struct oxi_child *c, unsigned slot, int nice);

#endif
