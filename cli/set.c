/* SPDX-License-Identifier: MIT */
/* oxbow set: steers a run that is going on, by the socket in its folder. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/base.h>

#include "cli/batch/control.h"
#include "cli/command.h"
#include "cli/find_run.h"
#include "cli/options.h"
#include "cli/say.h"

static const struct oxi_option OPTIONS[] = {
	OXI_COMMON_OPTIONS,
	{ 0 },
};

/* All of them are looked at before the first is sent. */
static int check(char **commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct oxi_order o;
		struct oxi_buffer why = { 0 };
		int r = strlen(commands[i]) > OXI_CONTROL_LINE || strchr(commands[i], '\n') ? OX_EINVAL : oxi_order_parse(commands[i], &o, &why);
		if (r < 0 && why.len)
			oxi_say("set", "%.*s", (int)why.len, why.data);
		else if (r < 0)
			oxi_say("set", "a command is one line of at most %d bytes", (int)OXI_CONTROL_LINE);
		oxi_buffer_free(&why);
		if (r < 0)
			return OXI_EXIT_USAGE;
	}
	return OXI_EXIT_OK;
}

static int not_alive(const char *dir, int r)
{
	if (r == -ENOENT || r == -ECONNREFUSED)
		oxi_say("set", "%s is not alive: nobody runs it at the moment", dir);
	else
		oxi_say("set", "%s: %s", dir, ox_strerror(r));
	return OXI_EXIT_INPUT;
}

/* The answer to a command. Returns an exit code. */
static int take_answer(const char *command, int r, const struct oxi_buffer *answer)
{
	static const char ok[] = "ok", error[] = "error: ";
	size_t head = strlen(error);
	if (r == -EPIPE || r == -EAGAIN) {
		oxi_say("set", r == -EPIPE ? "%s: the run has ended meanwhile" : "%s: the run does not answer: is it stopped?", command);
		return OXI_EXIT_INPUT;
	}
	if (r < 0) {
		oxi_say("set", "%s: %s", command, ox_strerror(r));
		return OXI_EXIT_INPUT;
	}
	if (answer->len >= head && memcmp(answer->data, error, head) == 0) {
		oxi_say("set", "%s: %.*s", command, (int)(answer->len - head), answer->data + head);
		return OXI_EXIT_FAILED;
	}
	if (answer->len != strlen(ok) || memcmp(answer->data, ok, strlen(ok)) != 0)
		printf("%.*s\n", (int)answer->len, answer->data);
	return OXI_EXIT_OK;
}

static int steer(const char *dir, char **commands, size_t n)
{
	int fd = oxi_control_connect(dir), code = OXI_EXIT_OK;
	if (fd < 0)
		return not_alive(dir, fd);
	for (size_t i = 0; i < n && code == OXI_EXIT_OK; i++) {
		struct oxi_buffer answer = { 0 };
		code = take_answer(commands[i], oxi_control_ask(fd, commands[i], &answer), &answer);
		oxi_buffer_free(&answer);
	}
	close(fd);
	return code;
}

static int set(char **words, size_t n)
{
	struct oxi_buffer why = { 0 };
	char *dir = NULL;
	if (n < 2) {
		oxi_say("set", n == 0 ? "which run? (see oxbow set --help)" : "what of it? (see oxbow set --help)");
		return OXI_EXIT_USAGE;
	}
	int code = check(words + 1, n - 1);
	if (code == OXI_EXIT_OK) {
		int r = oxi_find_run(words[0], &dir, &why);
		if (r < 0 && why.len)
			oxi_say("set", "%.*s", (int)why.len, why.data);
		else if (r < 0)
			oxi_say("set", "%s", ox_strerror(r));
		code = r < 0 ? OXI_EXIT_INPUT : steer(dir, words + 1, n - 1);
	}
	oxi_buffer_free(&why);
	free(dir);
	return code;
}

static int run(int argc, char **argv)
{
	const char *value;
	int id = oxi_options_next(&oxi_command_set, argc, argv, &value);
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	return set(argv + optind, (size_t)(argc - optind));
}

const struct oxi_command oxi_command_set = {
	.name = "set",
	.summary = "Steers a run that is going on",
	.usage = "[OPTION...] RUN jobs=N|pause|resume|cancel=JOB|priority=N|status...",
	.options = OPTIONS,
	.notes =
		"RUN is a folder, or the beginning of an id in ./.oxbow.\n"
		"  jobs=8      run eight jobs at a time; as -j of oxbow run\n"
		"  pause       start nothing more; what runs goes on\n"
		"  resume      go on\n"
		"  cancel=JOB  end a job, by its number or name\n"
		"  priority=N  the run's priority\n"
		"  status      print what the run does, as JSON\n"
		"Exit: 0 done, 1 the run refuses, 2 usage, 3 no such run, or it is not alive.\n",
	.run = run,
};
