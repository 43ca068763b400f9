/* SPDX-License-Identifier: MIT */
/* The options of a batch: their rows in the table of a command, and their values. */
#ifndef OXBOW_CLI_SETTINGS_H
#define OXBOW_CLI_SETTINGS_H

#include "cli/batch/batch.h"
#include "cli/command.h"

enum oxi_setting {
	OXI_SET_RETRIES = OXI_LONG + 1000, OXI_SET_TIMEOUT, OXI_SET_HALT, OXI_SET_JOBLOG, OXI_SET_DRY_RUN, OXI_SET_BAR,
	OXI_SET_LB = OXI_MORE, OXI_SET_TAG, OXI_SET_RESULTS, OXI_SET_QUIET, OXI_SET_COLOR, OXI_SET_BACKOFF, OXI_SET_RETRY_ON,
	OXI_SET_DEADLINE, OXI_SET_TERM_SEQ, OXI_SET_EXIT, OXI_SET_EVENTS, OXI_SET_DELAY, OXI_SET_RATE, OXI_SET_LOAD, OXI_SET_MEMFREE, OXI_SET_PSI,
	OXI_SET_NICE, OXI_SET_LIMIT, OXI_SET_ENV, OXI_SET_CLEAN_ENV, OXI_SET_CWD, OXI_SET_STDIN, OXI_SET_ETA,
	OXI_SET_RUN, OXI_SET_RESUME, OXI_SET_RESUME_FAILED, OXI_SET_RETRY_FAILED, OXI_SET_ONLY, OXI_SET_EPHEMERAL, OXI_SET_DURABLE,
	OXI_SET_UMASK, OXI_SET_IONICE, OXI_SET_PIN, OXI_SET_GNU_ENV, OXI_SET_NEED, OXI_SET_POOL,
};

/* The rows, one after the other, for a table. */
#define OXI_SETTINGS \
	{ 'j', "jobs", "N", "run N jobs at a time; N%, +N, -N: of the CPUs, more, fewer (default: 100%)" }, \
	{ 'k', "keep-order", NULL, "show output in the order of the input" }, \
	{ 'u', "ungroup", NULL, "do not collect output: jobs write to oxbow's own output" }, \
	{ OXI_SET_LB, "lb", NULL, "show whole lines of output as they come" }, \
	{ OXI_SET_TAG, "tag", "[T]", "put T (default: the values) and a tab before each line of output" }, \
	{ OXI_SET_COLOR, "color", "[WHEN]", "colour the output of each job: auto (default), always, never" }, \
	{ OXI_SET_RETRIES, "retries", "N", "try a job that fails N times in all; 0: until it succeeds" }, \
	{ OXI_SET_BACKOFF, "backoff", "D[..MAX]", "wait before a retry, up to D, 2D, 4D ... MAX" }, \
	{ OXI_SET_RETRY_ON, "retry-on", "LIST", "what is retried: 'exit:1,75 signal timeout' (default: all)" }, \
	{ OXI_SET_TIMEOUT, "timeout", "D", "end a job after 30s, or 200% of the median time of jobs" }, \
	{ OXI_SET_DEADLINE, "deadline", "D", "end the run after D" }, \
	{ OXI_SET_TERM_SEQ, "term-seq", "SEQ", "how jobs are ended (default: " OXI_TERM_SEQ ")" }, \
	{ OXI_SET_HALT, "halt", "WHEN,WHY", "end the run early: now|soon,fail|success|done=N|N%" }, \
	{ OXI_SET_EXIT, "exit", "HOW", "exit code: any failed (default), count of them, job that halted" }, \
	{ OXI_SET_JOBLOG, "joblog", "FILE", "write a line for each finished job, as GNU parallel does; +FILE: append" }, \
	{ OXI_SET_RESULTS, "results", "DIR", "write stdout, stderr and record.json of each job to DIR/{#}" }, \
	{ OXI_SET_EVENTS, "events", "FILE|fd:N", "write what happens as lines of JSON" }, \
	{ OXI_SET_DELAY, "delay", "D", "start no two jobs within D" }, \
	{ OXI_SET_RATE, "rate", "N/s", "start at most N jobs a second (/m: minute, /h: hour)" }, \
	{ OXI_SET_LOAD, "load", "L", "start nothing while the load is above L, or L% of the CPUs" }, \
	{ OXI_SET_MEMFREE, "memfree", "SIZE", "start nothing while less memory is available" }, \
	{ OXI_SET_PSI, "psi", "LIST...", "start nothing under pressure: 'cpu<60,io<20,memory<10' (percent)" }, \
	{ OXI_SET_NEED, "need", "LIST", "what a job needs to itself: cpu=2,mem=1G,gpu=1 (default: cpu=1)" }, \
	{ OXI_SET_POOL, "pool", "NAME:N|NAME=LIST...", "what there is to need: db:4, gpu=0,1 (then OXBOW_POOL_gpu says which)" }, \
	{ OXI_SET_NICE, "nice", "N", "run jobs with niceness N more" }, \
	{ OXI_SET_IONICE, "ionice", "CLASS[:LEVEL]", "give jobs an I/O class: idle, best-effort[:0-7], realtime[:0-7]" }, \
	{ OXI_SET_PIN, "pin", NULL, "give the jobs of each slot CPUs of their own" }, \
	{ OXI_SET_LIMIT, "limit", "LIST...", "limit each job's resources: as=2G,nofile=512,cpu=60" }, \
	{ OXI_SET_ENV, "env", "K=V...", "set a variable for jobs" }, \
	{ OXI_SET_CLEAN_ENV, "clean-env", NULL, "jobs inherit no variable but PATH" }, \
	{ OXI_SET_GNU_ENV, "gnu-env", NULL, "also set GNU parallel's PARALLEL_SEQ and PARALLEL_JOBSLOT" }, \
	{ OXI_SET_UMASK, "umask", "MODE", "run jobs with that file mode creation mask, 027 say" }, \
	{ OXI_SET_CWD, "cwd", "DIR", "run each job in DIR, which may have places" }, \
	{ OXI_SET_STDIN, "stdin", "FILE", "jobs read FILE, which may have places; =TEXT: text; none (default)" }, \
	{ OXI_SET_RUN, "run", "DIR", "record the run in DIR, so that it can be resumed and looked at" }, \
	{ OXI_SET_RESUME, "resume", NULL, "go on with the run in DIR, or in the job log: what has ended is not run again" }, \
	{ OXI_SET_RESUME_FAILED, "resume-failed", NULL, "the same, but what failed is run again" }, \
	{ OXI_SET_RETRY_FAILED, "retry-failed", NULL, "run again what failed, and nothing else" }, \
	{ OXI_SET_ONLY, "only", "JOB...", "run again the job of that number or name, and nothing else" }, \
	{ OXI_SET_EPHEMERAL, "ephemeral", NULL, "leave no record, also where that is the default" }, \
	{ OXI_SET_DURABLE, "durable", "HOW", "when a job counts as recorded: group (default), job by job, or off" }, \
	{ OXI_SET_DRY_RUN, "dry-run", NULL, "print the command lines instead of running them" }, \
	{ OXI_SET_BAR, "bar", NULL, "show a progress bar, on a terminal" }, \
	{ OXI_SET_ETA, "eta", NULL, "show how far the run is, on a terminal" }, \
	{ OXI_SET_QUIET, "quiet", NULL, "do not report failed jobs at the end" }, \
	{ 'v', "verbose", NULL, "print each command line to standard error as it starts" }

/*
 * Takes an option's value over, which is borrowed. Returns: 1; 0: it is no setting of a batch; OX_EINVAL: said what is wrong
 * with it.
 */
int oxi_settings_take(int id, const char *value, struct oxi_batch_options *o);

/*
 * The resources of the run, if there are any: pools of the command line; more are added to them. Returns: 0; OX_EINVAL, and *why
 * says what is wrong; OX_ENOMEM.
 */
int oxi_settings_resources(const struct oxi_batch_options *o, struct oxi_resources *ret, struct oxi_buffer *why);

/* Looks at them together. Returns: 0; OX_EINVAL: said what does not go together. */
int oxi_settings_check(const struct oxi_batch_options *o);

/* Frees what taking has made. */
void oxi_settings_free(struct oxi_batch_options *o);

#endif
