/* SPDX-License-Identifier: MIT */
/*
 * Job files of any bytes. What is refused is refused with its file and a reason; what is taken has the form that is promised:
 * text ends with NUL and holds none, and a kind has the words that it needs.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/batch/jobfile.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const struct oxi_text *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		OXI_CHECK(t[i].data && strlen(t[i].data) == t[i].len && t[i].spot.line > 0 && t[i].spot.column > 0);
}

static void check_entry(const struct oxi_entry *e)
{
	static const size_t least[] = { [OXI_RUN] = 1, [OXI_SHELL] = 1, [OXI_CALL] = 2, [OXI_FETCH] = 1 };
	static const size_t most[] = { [OXI_RUN] = SIZE_MAX, [OXI_SHELL] = 1, [OXI_CALL] = 3, [OXI_FETCH] = 1 };
	OXI_CHECK(e->words >= least[e->kind] && e->words <= most[e->kind]);
	check_text(&e->name, e->name.data != NULL);
	check_text(e->word, e->words);
	check_text(&e->foreach, e->foreach.data != NULL);
	check_text(e->in, e->ins);
	check_text(e->out, e->outs);
	check_text(e->env, e->envs);
	check_text(&e->cwd, e->cwd.data != NULL);
	check_text(&e->input, e->input.data != NULL);
	for (size_t i = 0; i < e->axes; i++)
		check_text(e->axis[i].value, e->axis[i].n);
	for (size_t i = 0; i < e->afters; i++)
		check_text(&e->after[i].name, 1);
	for (size_t i = 0; i < e->needs; i++)
		check_text(&e->need[i].name, 1);
	OXI_CHECK(!e->foreach.data || e->axes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char path[32];
	struct oxi_jobfile f;
	struct oxi_entry e;
	struct oxi_buffer why = { 0 };
	int fd = memfd_create("jobs", MFD_CLOEXEC);
	OXI_CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = oxi_jobfile_open(&f, path, &why);
	while (r >= 0 && (r = oxi_jobfile_next(&f, &e, &why)) == 1) {
		check_entry(&e);
		oxi_entry_free(&e);
	}
	OXI_CHECK(r == 0 ? why.len == 0 : (r == OX_EINVAL || r == OX_ETOOBIG) && strncmp(why.data, path, strlen(path)) == 0);
	OXI_CHECK(!why.failed);
	oxi_jobfile_close(&f);
	oxi_buffer_free(&why);
	close(fd);
	return 0;
}
