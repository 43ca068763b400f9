/* SPDX-License-Identifier: MIT */
/* oxbow log: what a job wrote, byte for byte: its standard output to ours, its standard error to ours. */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/run.h>

#include "cli/batch/control.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/state/look.h"

enum { OPT_OUT = OXI_LONG, OPT_ERR };

static const struct oxi_option OPTIONS[] = {
	{ 'f', "follow", NULL, "while the job runs, print what it writes" },
	{ OPT_OUT, "stdout", NULL, "only its standard output" },
	{ OPT_ERR, "stderr", NULL, "only its standard error, to standard output" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct log {
	const char *job;
	bool follow, out, err;
	unsigned attempt;               /* that wrote what was printed; 0: nothing was */
	uint64_t printed[2];            /* bytes of its standard output and error */
};

/* What goes to fd, the first skip bytes aside. */
struct piece {
	int fd;
	uint64_t skip;
};

/* Not through stdio: what is shown first comes first, also where both go to one place. */
static int write_all(void *arg, const char *data, size_t len)
{
	struct piece *p = arg;
	size_t skip = p->skip < len ? (size_t)p->skip : len;
	p->skip -= skip;
	data += skip;
	len -= skip;
	while (len > 0) {
		ssize_t n = write(p->fd, data, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int written(int r)
{
	if (r == -EPIPE)
		return OXI_EXIT_PIPE;
	if (r < 0)
		oxi_say("log", "cannot write the output: %s", ox_strerror(r));
	return r < 0 ? OXI_EXIT_OUTPUT : OXI_EXIT_OK;
}

/* Where the output (0) or the errors (1) of a job go; -1: nowhere. */
static int place_of(const struct log *x, int which)
{
	if (which == 0)
		return x->err ? -1 : STDOUT_FILENO;
	return x->out ? -1 : x->err ? STDOUT_FILENO : STDERR_FILENO;
}

static int print_one(const struct log *x, int which, const struct oxi_stored *s, unsigned attempt)
{
	struct piece p = { .fd = place_of(x, which), .skip = attempt == x->attempt ? x->printed[which] : 0 };
	int r = p.fd < 0 ? 0 : oxi_stored_each(s, write_all, &p);
	if (r < 0 && s->path && access(s->path, R_OK) < 0) {
		oxi_say("log", "%s: %s", s->path, strerror(errno));
		return OXI_EXIT_INPUT;
	}
	return written(r);
}

static int print(const struct log *x, const struct oxi_found *f)
{
	int code = print_one(x, 0, &f->out, f->attempt);
	if (code == OXI_EXIT_OK)
		code = print_one(x, 1, &f->err, f->attempt);
	if (code == OXI_EXIT_OK && !f->out.path && !f->out.data.data && !f->err.path && !f->err.data.data && f->received[0] + f->received[1] > 0)
		oxi_say("log", "its output was passed on as it came, and not kept");
	return code;
}

/* Of an attempt that is new it is not what comes first: that is asked for next. */
static int print_more(struct log *x, const struct oxi_written *w)
{
	int r = 0;
	if (w->attempt != x->attempt) {
		x->attempt = w->attempt;
		x->printed[0] = x->printed[1] = 0;
		return 0;
	}
	for (int i = 0; i < 2 && r == 0; i++) {
		int fd = place_of(x, i);
		r = fd < 0 ? 0 : write_all(&(struct piece){ .fd = fd }, w->data[i].data, w->data[i].len);
		x->printed[i] += w->data[i].len;
	}
	return r;
}

/*
 * Prints what the job writes for as long as it runs. *ret_code: what went wrong with that. A runner that does not answer is
 * one that has nothing to tell.
 */
static int follow(struct log *x, const char *dir, int *ret_code)
{
	struct oxi_written w = { 0 };
	int fd = oxi_control_connect(dir), r = fd < 0 ? fd : 0;
	while (r == 0) {
		r = oxi_control_output(fd, x->job, x->printed, &w);
		bool runs = r == 0 && w.attempt > 0, idle = w.data[0].len + w.data[1].len == 0 && w.attempt == x->attempt;
		*ret_code = runs ? written(print_more(x, &w)) : OXI_EXIT_OK;
		oxi_buffer_free(&w.data[0]);
		oxi_buffer_free(&w.data[1]);
		if (!runs || *ret_code != OXI_EXIT_OK)
			break;
		r = idle ? ox_sleep(OX_MS(50)) : 0;
	}
	if (fd >= 0)
		close(fd);
	return r == OX_ECANCELED ? r : 0;
}

/* While the run goes on, and -f is given, again and again. */
static int find(struct oxi_look *l, void *arg)
{
	struct log *x = arg;
	struct oxi_found f;
	int code = OXI_EXIT_OK;
	for (;;) {
		bool live = l->live;
		int r = live && x->follow ? follow(x, l->dir, &code) : 0;
		if (r == 0 && live && x->follow)
			r = oxi_look_again(l);
		if (r < 0 || code != OXI_EXIT_OK)
			return r < 0 ? r : code;
		r = oxi_look_job(l, x->job, &f);
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
