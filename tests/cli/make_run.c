/* SPDX-License-Identifier: MIT */
/*
 * Records runs, for the tests of the commands that look, and measures it.
 *
 *	make_run many DIR N     N short jobs, 512 at a time: rows a second
 *	make_run load DIR       resumes it: seconds to load what is done
 *	make_run sample DIR     a small DAG with what can happen in it, ended
 *	make_run dead DIR       the same, killed before its end
 *	make_run live DIR       the same, going on: job 9 ends when standard input does, and then the run
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <oxbow/oxbow.h>

#include "cli/state/state.h"

static double run_began;                /* some seconds ago */

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
	struct oxi_run_info info = { .id = "7f3a", .command = command, .argv = argv, .cwd = "/tmp", .began = run_began };
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
			.attempt = 1, .slot = n % 4 + 1, .began = run_began + (double)n / 1000, .wall = OX_MS(1) + (ox_time)(n * 7919 % 1000) * 1000,
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

/* ---- a sample ---- */

static const char HOSTILE[] = "<script>alert('x')</script> & \"quoted\" \xff\033[31m\n";

static int add_task(struct oxi_state *s, uint32_t n, const char *name, int kind, uint64_t jobs, const struct oxi_state_edge *edge, size_t edges)
{
	return oxi_state_task(s, &(struct oxi_state_task){ .n = n, .name = name, .kind = kind, .jobs = jobs, .edge = edge, .edges = edges });
}

static int add_tasks(struct oxi_state *s)
{
	int r = add_task(s, 1, "pages", 3, 2, NULL, 0);
	if (r == 0)
		r = add_task(s, 2, "words", 2, 2, (struct oxi_state_edge[]){ { 1, 0 } }, 1);
	if (r == 0)
		r = add_task(s, 3, "th\"umb<1>", 0, 3, NULL, 0);
	if (r == 0)
		r = add_task(s, 4, "total", 0, 1, (struct oxi_state_edge[]){ { 2, 1 }, { 3, 0 } }, 2);
	return r == 0 ? add_task(s, 5, "late", 1, 1, (struct oxi_state_edge[]){ { 2, 0 } }, 1) : r;
}

static int add_job(struct oxi_state *s, struct oxi_record r, const char *out, const char *err, double at, ox_time wall)
{
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture captured[2] = { { .spill = &spill }, { .spill = &spill } };
	char words[200];
	int len = snprintf(words, sizeof(words), "work%c%s%ca b", 0, r.name, 0);
	uint64_t key[2] = { r.seq * 0x9e3779b97f4a7c15u, r.seq };
	int result = oxi_capture_add(&captured[0], out, strlen(out));
	if (result == 0)
		result = oxi_capture_add(&captured[1], err, strlen(err));
	memcpy(r.key.byte, key, sizeof(key));
	r.words = (ox_bytes){ words, (size_t)len + 1 };
	r.out = &captured[0];
	r.err = &captured[1];
	r.received[0] = captured[0].len;
	r.received[1] = captured[1].len;
	r.began = run_began + at;
	r.wall = wall;
	if (result == 0)
		result = oxi_state_record(s, &r);
	oxi_capture_free(&captured[0]);
	oxi_capture_free(&captured[1]);
	oxi_spill_close(&spill);
	return result;
}

static int add_jobs(struct oxi_state *s)
{
	static char long_text[30000];
	struct oxi_record ok = { .status = OXI_OK, .attempt = 1, .slot = 1, .user = OX_MS(10), .system = OX_MS(5), .max_rss = 3481600 };
	struct oxi_record r = ok;
	memset(long_text, 'x', sizeof(long_text) - 1);
	r.seq = 1, r.task = 1, r.name = "pages[1]";
	int result = add_job(s, r, "page one\n", "", 0, OX_MS(500));
	r.seq = 2, r.name = "pages[2]", r.slot = 2;
	result = result < 0 ? result : add_job(s, r, long_text, "", 0, OX_MS(1500));
	r.seq = 3, r.task = 2, r.name = "words[1]", r.slot = 1;
	result = result < 0 ? result : add_job(s, r, "", "", 0.5, OX_MS(100));
	r.seq = 4, r.name = "words[2]", r.status = OXI_FAILED, r.exit = 3, r.began = run_began + 1.5, r.wall = OX_MS(200);
	result = result < 0 ? result : oxi_state_attempt(s, &r);
	r.attempt = 2;
	result = result < 0 ? result : add_job(s, r, "", HOSTILE, 4.5, OX_MS(700));
	r = ok;
	r.seq = 5, r.task = 3, r.name = "th\"umb<1>[1]", r.slot = 2;
	result = result < 0 ? result : add_job(s, r, "\xff\n", "warned\n", 1.5, OX_MS(50));
	r.seq = 6, r.name = "th\"umb<1>[2]", r.status = OXI_FAILED, r.signal = 9;
	result = result < 0 ? result : add_job(s, r, "", "", 1.6, OX_MS(300));
	r.seq = 7, r.name = "th\"umb<1>[3]", r.status = OXI_TIMEOUT, r.signal = 15;
	result = result < 0 ? result : add_job(s, r, "", "too slow\n", 2, OX_MS(3000));
	r = ok;
	r.seq = 8, r.task = 5, r.name = "late", r.status = OXI_SKIPPED, r.attempt = 0, r.slot = 0, r.why = "words failed";
	return result < 0 ? result : add_job(s, r, "", "", 5.2, 0);
}

static int sample(void *arg)
{
	struct oxi_state *s = arg;
	int r = begin(s, "batch");
	if (r == 0)
		r = add_tasks(s);
	return r == 0 ? add_jobs(s) : r;
}

static int sample_ended(void *arg)
{
	struct oxi_tally t = { .done = 7, .failed = 3, .timeouts = 1 };
	int r = sample(arg);
	if (r == 0)
		r = oxi_state_end(arg, &t, 1, 1);
	oxi_state_close(arg);
	return r;
}

static int sample_dead(void *arg)
{
	int r = sample(arg);
	oxi_state_close(arg);
	return r;
}

static int sample_live(void *arg)
{
	struct oxi_record r = { .seq = 9, .task = 4, .name = "total", .status = OXI_OK, .attempt = 1, .slot = 1 };
	struct oxi_tally t = { .done = 8, .failed = 3, .timeouts = 1 };
	char c;
	int result = sample(arg);
	puts("goes on");
	fflush(stdout);
	while (result == 0 && ox_wait_fd(0, OX_READABLE) == 0 && read(0, &c, 1) > 0)
		;
	if (result == 0)
		result = add_job(arg, r, "the sum\n", "", 5.3, OX_MS(10));
	if (result == 0)
		result = oxi_state_end(arg, &t, 1, 1);
	oxi_state_close(arg);
	return result;
}

int main(int argc, char **argv)
{
	run_began = (double)time(NULL) - 10;
	struct run run = { 0 };
	if (argc == 4 && strcmp(argv[1], "many") == 0) {
		run = (struct run){ open_run(argv[2], false), strtoull(argv[3], NULL, 10), 0 };
		return ox_run(many, &run, NULL) != 0;
	}
	if (argc == 3 && strcmp(argv[1], "load") == 0) {
		run.s = open_run(argv[2], true);
		return ox_run(load, &run, NULL) != 0;
	}
	if (argc == 3 && strcmp(argv[1], "sample") == 0)
		return ox_run(sample_ended, open_run(argv[2], false), NULL) != 0;
	if (argc == 3 && strcmp(argv[1], "dead") == 0)
		return ox_run(sample_dead, open_run(argv[2], false), NULL) != 0;
	if (argc == 3 && strcmp(argv[1], "live") == 0)
		return ox_run(sample_live, open_run(argv[2], false), NULL) != 0;
	fprintf(stderr, "usage: make_run many DIR N | load|sample|dead|live DIR\n");
	return 2;
}
