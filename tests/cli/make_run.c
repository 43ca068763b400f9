/* SPDX-License-Identifier: MIT */
/*
 * Records runs, for the tests of the commands that look, and measures it.
 *
 *	make_run many DIR N     N short jobs, 512 at a time: rows a second
 *	make_run load DIR       resumes it: seconds to load what is done
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oxbow/oxbow.h>

#include "cli/state/state.h"

static struct oxi_state *open_run(const char *dir, bool resume)
{
	struct oxi_buffer why = { 0 };
	struct oxi_state *s;
	if (oxi_state_open(dir, resume, &s, &why) == 0)
		return s;
	fprintf(stderr, "%.*s\n", (int)why.len, why.data);
	exit(1);
}

static int begin(struct oxi_state *s, const char *command)
{
	struct oxi_buffer why = { 0 };
	char *argv[] = { "oxbow", (char *)command, "-j4", "echo", NULL };
	struct oxi_run_info info = { .id = "7f3a", .command = command, .argv = argv, .cwd = "/tmp", .began = 1795343324.0 };
	int r = oxi_state_begin(s, OXI_DURABLE_GROUP, &info, &why);
	if (r < 0)
		fprintf(stderr, "%.*s\n", (int)why.len, why.data);
	oxi_buffer_free(&why);
	return r;
}

/* ---- many ---- */

struct run {
	struct oxi_state *s;
	uint64_t n, next;
};

static int record_many(void *arg)
{
	struct run *run = arg;
	int r = 0;
	while (run->next < run->n && r == 0) {
		uint64_t n = ++run->next;
		char words[64];
		int len = snprintf(words, sizeof(words), "convert%cin/picture-%llu.png", 0, (unsigned long long)n);
		struct oxi_record record = {
			.seq = n, .task = 1, .words = { words, (size_t)len + 1 }, .status = n % 1000 ? OXI_OK : OXI_FAILED, .exit = n % 1000 ? 0 : 1,
			.attempt = 1, .slot = n % 4 + 1, .began = 1795343324.0 + (double)n / 1000, .wall = OX_MS(1) + (ox_time)(n * 7919 % 1000) * 1000,
			.user = 1000, .system = 1000, .max_rss = 3481600,
		};
		uint64_t key[2] = { n * 0x9e3779b97f4a7c15u, n };
		memcpy(record.key.byte, key, sizeof(key));
		r = oxi_state_record(run->s, &record);
	}
	return r;
}

static double since(ox_time t)
{
	return (double)(ox_now() - t) / 1e9;
}

static int many(void *arg)
{
	enum { COROUTINES = 512 };
	struct run *run = arg;
	int r = begin(run->s, "run");
	ox_group *watch = ox_group_open(), *g = ox_group_open();
	ox_time began = ox_now();
	ox_spawn(watch, oxi_state_commit_run, run->s);
	for (int i = 0; i < COROUTINES && r == 0; i++)
		ox_spawn(g, record_many, run);
	r = r < 0 ? r : ox_group_join(g);
	printf("recorded %llu jobs: %.0f rows/s\n", (unsigned long long)run->n, (double)run->n / since(began));
	ox_group_close(g);
	ox_group_cancel(watch);
	ox_group_join(watch);
	ox_group_close(watch);
	struct oxi_tally t = { .done = run->n, .failed = run->n / 1000 };
	r = r < 0 ? r : oxi_state_end(run->s, &t, 0, t.failed != 0);
	oxi_state_close(run->s);
	return r;
}

static int load(void *arg)
{
	struct run *run = arg;
	ox_time began = ox_now();
	int r = begin(run->s, "run");
	printf("loaded %llu keys: %.3f s\n", (unsigned long long)oxi_state_done_count(run->s), since(began));
	struct oxi_tally t = { 0 };
	r = r < 0 ? r : oxi_state_end(run->s, &t, 0, 0);
	oxi_state_close(run->s);
	return r;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	if (argc == 4 && strcmp(argv[1], "many") == 0) {
		run = (struct run){ open_run(argv[2], false), strtoull(argv[3], NULL, 10), 0 };
		return ox_run(many, &run, NULL) != 0;
	}
	if (argc == 3 && strcmp(argv[1], "load") == 0) {
		run.s = open_run(argv[2], true);
		return ox_run(load, &run, NULL) != 0;
	}
	fprintf(stderr, "usage: make_run many DIR N | load DIR\n");
	return 2;
}
