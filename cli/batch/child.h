/* SPDX-License-Identifier: MIT */
/* What the processes of all jobs of a run are given: environment, niceness, resource limits. */
#ifndef OXBOW_CLI_CHILD_H
#define OXBOW_CLI_CHILD_H

#include <oxbow/base.h>
#include <sys/resource.h>

#define OXI_CHILD_LIMITS 16

/* What a job reads. */
enum oxi_stdin { OXI_STDIN_NULL, OXI_STDIN_FILE, OXI_STDIN_TEXT };

struct oxi_child {
	int nice;                       /* added to ours */
	bool clean_env;                 /* nothing is inherited but PATH */
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

/* "K=V". 0; OX_EINVAL, OX_ENOMEM. */
int oxi_child_env_add(struct oxi_child *c, const char *text);

/* Variables that are different for each job. */
enum { OXI_ENV_RUN, OXI_ENV_JOB, OXI_ENV_SEQ, OXI_ENV_SLOT, OXI_ENV_ATTEMPT, OXI_ENVS };

/* True if a variable of that name is one of those, or one that a job is given with its share of a pool. */
bool oxi_child_env_is_own(const char *name);

struct oxi_child_env {
	char **vector;                  /* NULL-ended; its first OXI_ENVS entries are the following */
	char own[OXI_ENVS][48];
};

/* The environment of jobs, made once. 0; OX_ENOMEM. */
int oxi_child_env_make(const struct oxi_child *c, const char *run, struct oxi_child_env *ret);

/* Sets the variables for one job. */
void oxi_child_env_set(struct oxi_child_env *e, uint64_t seq, unsigned slot, unsigned attempt);

/* In the child, before exec: system calls only. 0, or -1 and errno. */
int oxi_child_apply(const struct oxi_child *c);

#endif
