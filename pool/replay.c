/* SPDX-License-Identifier: MIT */
/*
 * A saved input run again: the job's function is called in this process with a reply that lies in plain memory, so that a
 * debugger sees one process and nothing but the job. It draws the random numbers that it drew. What a worker has besides is
 * not there: parts and lines for the log go nowhere, and whoever asks for something is told OX_ESTATE.
 *
 * OX_REPLAY makes ox_pool_open() do that, for the function is in the user's program and nowhere else: the program runs as
 * far as it opens the pool that has the job. In a coroutine the job gets a thread, for its stack.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/parent.h"
#include "pool/saved.h"
#include "pool/worker.h"

#define STACK OX_MIB(8)

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_INPUT = 3 };

static const ox_job *find_job(const ox_pool_options *o, const char *name)
{
	for (const ox_job *const *job = o != NULL ? o->jobs : NULL; job != NULL && *job != NULL; job++)
		if (strcmp((*job)->name, name) == 0)
			return *job;
	return NULL;
}

static size_t result_limit(const ox_pool_options *o, const ox_job *job)
{
	size_t limit = o->max_result > 0 ? o->max_result : OX_GIB(1);

	return job->max_result > 0 && job->max_result < limit ? job->max_result : limit;
}

static int call(const ox_job *job, const ox_pool_options *o, uint64_t number, ox_bytes in)
{
	static const uint8_t original = 1;
	size_t limit = result_limit(o, job);
	struct oxi_slot *slot = oxi_alloc(sizeof *slot);
	uint8_t *room = slot != NULL ? mmap(NULL, limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
	                             : MAP_FAILED;
	struct oxi_pool_page page = { .seed = o->seed };
	struct oxi_worker w = { .alone = true, .slot = slot, .original = &original, .page = &page };
	ox_reply out = {
		.magic = OXI_REPLY_MAGIC, .worker = &w, .lease = 1, .max = limit, .data = room, .cap = limit, .deadline = OX_NEVER,
		.number = number,
	};

	if (room == MAP_FAILED) {
		oxi_free(slot);
		return OX_ENOMEM;
	}
	int status = job->fn(in.data, in.len, &out);
	if (status >= 0 && out.error != 0)
		status = out.error;
	oxi_log(OX_LOG_INFO, "replay: %s returned %d%s%s, with %zu bytes", job->name, status, status < 0 ? ": " : "",
	        status < 0 ? ox_strerror(status) : "", status < 0 ? 0 : out.len);
	munmap(room, limit);
	oxi_free(slot);
	return status;
}

static int run(const ox_saved *s, const ox_job *job, const ox_pool_options *o)
{
	const char *build = ox_saved_field(s, "build-id", 0);
	char here[OXI_BUILD_ID];

	oxi_build_id((const void *)job->fn, here);
	if (build != NULL && strcmp(build, here) != 0)
		oxi_log(OX_LOG_WARNING, "replay: %s is not the build that crashed", job->name);
	int r = o->worker_init != NULL ? o->worker_init(o->worker_arg) : 0;
	if (r < 0) {
		oxi_log(OX_LOG_ERROR, "replay: worker_init failed: %s", ox_strerror(r));
		return r;
	}
	const char *number = ox_saved_field(s, "number", 0);
	r = call(job, o, number != NULL ? strtoull(number, NULL, 10) : 0, ox_saved_input(s));
	if (o->worker_fini != NULL)
		o->worker_fini(o->worker_arg);
	return r;
}

/* The caller's options as far as it knows them. */
static int take_options(const ox_pool_options *o, ox_pool_options *ret)
{
	if (o == NULL || o->size == 0)
		return OX_EINVAL;
	memset(ret, 0, sizeof *ret);
	memcpy(ret, o, o->size < sizeof *ret ? o->size : sizeof *ret);
	return 0;
}

int ox_replay(const char *path, const ox_pool_options *o)
{
	ox_pool_options options;
	ox_saved *s;
	int r = oxi_forked() ? OX_EFORKED : take_options(o, &options);

	if (r == 0)
		r = ox_saved_read(path, &s);
	if (r < 0)
		return r;
	const ox_job *job = find_job(&options, ox_saved_field(s, "job", 0));
	r = job != NULL ? run(s, job, &options) : OX_ENOJOB;
	ox_saved_free(s);
	return r;
}

/* ---- asked for by the environment ---- */

struct replay {
	const ox_saved *saved;
	const ox_job *job;
	const ox_pool_options *options;
	int status;
};

static void *run_in_thread(void *arg)
{
	struct replay *r = arg;

	r->status = run(r->saved, r->job, r->options);
	return NULL;
}

static int run_with_stack(struct replay *r)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (!oxi_loop_running()) {
		run_in_thread(r);
		return r->status;
	}
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	int error = pthread_create(&thread, &attributes, run_in_thread, r);
	pthread_attr_destroy(&attributes);
	if (error != 0)
		return -error;
	pthread_join(thread, NULL);
	return r->status;
}

static _Noreturn void run_as_worker(struct replay *r, int told)
{
	struct oxi_pool_page page = {
		.nice = r->options->nice, .pin = r->options->pin, .places = 1, .max_core = r->options->max_core,
		.max_data = r->options->max_data, .max_files = r->options->max_files, .max_file_size = r->options->max_file_size,
	};
	struct oxi_heritage heritage = { .slot = 0 };
	struct oxi_worker w = { .alone = true, .heritage = &heritage, .page = &page };
	int status;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	status = oxi_worker_take_place(&w);
	if (status == 0)
		status = oxi_worker_limit(&w);
	if (status == 0)
		status = run_with_stack(r);
	fflush(NULL);
	_exit(write(told, &status, sizeof status) == (ssize_t)sizeof status ? EXIT_DONE : EXIT_INPUT);
}

/* The status, or the process has ended as its worker did, and *ret_wait says how. */
static int run_in_child(struct replay *r, int *ret_wait)
{
	int told[2], status, waited = 0;

	fflush(NULL);
	if (pipe(told) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		run_as_worker(r, told[1]);
	close(told[1]);
	if (pid < 0) {
		close(told[0]);
		return -EAGAIN;
	}
	while (waitpid(pid, &waited, 0) < 0 && errno == EINTR)
		;
	bool returned = read(told[0], &status, sizeof status) == (ssize_t)sizeof status;
	close(told[0]);
	*ret_wait = waited;
	return returned ? status : OX_ECRASHED;
}

static int exit_code_of(int status, int waited)
{
	if (status != OX_ECRASHED)
		return status >= 0 ? EXIT_DONE : EXIT_FAILED;
	if (WIFSIGNALED(waited))
		oxi_log(OX_LOG_ERROR, "replay: ended by signal %d (%s)", WTERMSIG(waited), strsignal(WTERMSIG(waited)));
	else
		oxi_log(OX_LOG_ERROR, "replay: exited with %d", WEXITSTATUS(waited));
	return WIFSIGNALED(waited) ? 128 + WTERMSIG(waited) : EXIT_FAILED;
}

static _Noreturn void replay_and_end(struct replay *r)
{
	const char *where = secure_getenv("OX_REPLAY_IN");
	int waited = 0;
	int status = where != NULL && strcmp(where, "worker") == 0 ? run_in_child(r, &waited) : run_with_stack(r);

	exit(exit_code_of(status, waited));
}

int oxi_replay_if_asked(const ox_pool_options *o)
{
	const char *path = secure_getenv("OX_REPLAY");
	ox_pool_options options;
	ox_saved *s;

	if (path == NULL)
		return 0;
	if (!oxi_log_heard())
		ox_log_set(ox_log_stderr, NULL);
	int r = take_options(o, &options);
	if (r < 0)
		return r;
	r = ox_saved_read(path, &s);
	if (r < 0) {
		oxi_log(OX_LOG_ERROR, "replay: %s: %s", path, ox_strerror(r));
		exit(EXIT_INPUT);
	}
	const ox_job *job = find_job(&options, ox_saved_field(s, "job", 0));
	if (job != NULL)
		replay_and_end(&(struct replay){ s, job, &options, 0 });
	oxi_log(OX_LOG_WARNING, "replay: this pool has no job %s, and is opened", ox_saved_field(s, "job", 0));
	ox_saved_free(s);
	return 0;
}
