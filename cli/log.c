/* SPDX-License-Identifier: MIT */
/* oxbow log: what a job wrote, byte for byte: its standard output to ours, its standard error to ours. */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/run.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/state/look.h"

enum { OPT_OUT = OXI_LONG, OPT_ERR };

static const struct oxi_option OPTIONS[] = {
	{ 'f', "follow", NULL, "wait until the job has ended" },
	{ OPT_OUT, "stdout", NULL, "only its standard output" },
	{ OPT_ERR, "stderr", NULL, "only its standard error, to standard output" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct log {
	const char *job;
	bool follow, out, err;
};

/* Not through stdio: what is shown first comes first, also where both go to one place. */
static int write_all(void *arg, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(*(int *)arg, data, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int print_one(const struct oxi_stored *s, int fd)
{
	int r = oxi_stored_each(s, write_all, &fd);
	if (r == -EPIPE)
		return OXI_EXIT_PIPE;
	if (r == 0)
		return OXI_EXIT_OK;
	if (s->path && access(s->path, R_OK) < 0) {
		oxi_say("log", "%s: %s", s->path, strerror(errno));
		return OXI_EXIT_INPUT;
	}
	oxi_say("log", "cannot write the output: %s", ox_strerror(r));
	return OXI_EXIT_OUTPUT;
}

static int print(const struct log *x, const struct oxi_found *f)
{
	int code = OXI_EXIT_OK;
	if (!x->err)
		code = print_one(&f->out, STDOUT_FILENO);
	if (!x->out && code == OXI_EXIT_OK)
		code = print_one(&f->err, x->err ? STDOUT_FILENO : STDERR_FILENO);
	if (code == OXI_EXIT_OK && !f->out.path && !f->out.data.data && !f->err.path && !f->err.data.data && f->received[0] + f->received[1] > 0)
		oxi_say("log", "its output was passed on as it came, and not kept");
	return code;
}

/* While the run goes on, and -f is given, again and again. */
static int find(struct oxi_look *l, void *arg)
{
	const struct log *x = arg;
	struct oxi_found f;
	for (;;) {
		bool live = l->live;
		int r = oxi_look_job(l, x->job, &f);
		if (r == 1) {
			r = print(x, &f);
			oxi_found_free(&f);
			return r;
		}
		if (r == 0 && (!x->follow || !live)) {
			oxi_say("log", live ? "no end of a job '%s' is on record yet (-f waits for it)" : "no job '%s' is on record", x->job);
			return OXI_EXIT_INPUT;
		}
		if (r == 0)
			r = ox_sleep(OX_MS(100));
		if (r == 0)
			r = oxi_look_again(l);
		if (r < 0)
			return r;
	}
}

static int run(int argc, char **argv)
{
	struct log x = { 0 };
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_log, argc, argv, &value)) >= 0) {
		x.follow |= id == 'f';
		x.out |= id == OPT_OUT;
		x.err |= id == OPT_ERR;
	}
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	const char *of;
	if (!oxi_look_job_words("log", argc - optind, argv + optind, &of, &x.job))
		return OXI_EXIT_USAGE;
	if (x.out && x.err) {
		oxi_say("log", "give --stdout or --stderr, not both");
		return OXI_EXIT_USAGE;
	}
	return oxi_look_run("log", of, find, &x);
}

const struct oxi_command oxi_command_log = {
	.name = "log",
	.summary = "Prints what a job wrote",
	.usage = "[OPTION...] [RUN] JOB",
	.options = OPTIONS,
	.notes = OXI_LOOK_JOB_NOTES,
	.run = run,
	.anywhere = true,
};
