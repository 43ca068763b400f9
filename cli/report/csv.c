/* SPDX-License-Identifier: MIT */
/* CSV as RFC 4180 has it: lines end in CR LF, and what has a comma, a quote or an end of line in it is quoted. */
#include <string.h>

#include "cli/quote.h"
#include "cli/report/report.h"

static void add_field(struct oxi_buffer *out, const char *data, size_t len)
{
	bool plain = true;
	for (size_t i = 0; i < len && plain; i++)
		plain = !strchr(",\"\r\n", data[i]) || !data[i];
	if (plain) {
		oxi_buffer_add(out, data, len);
		return;
	}
	oxi_buffer_add_char(out, '"');
	for (size_t i = 0; i < len; i++)
		oxi_buffer_add(out, data[i] == '"' ? "\"\"" : &data[i], data[i] == '"' ? 2 : 1);
	oxi_buffer_add_char(out, '"');
}

/* The command is quoted for a shell first, bytes as they are. */
static void add_command(struct oxi_buffer *out, ox_bytes words)
{
	struct oxi_buffer text = { 0 };
	if (words.len && ((const char *)words.data)[words.len - 1] == '\0')
		oxi_buffer_add_quoted_words(&text, words.data, words.len, true);
	add_field(out, text.data, text.len);
	out->failed |= text.failed;
	oxi_buffer_free(&text);
}

static int add_job(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_page *p = arg;
	struct oxi_look_row f = oxi_look_row(res, row);
	const struct oxi_task *t = oxi_tasks_find(&p->tasks, f.task);
	oxi_buffer_add_format(&p->out, "%llu,%u,", (unsigned long long)f.seq, f.session);
	add_field(&p->out, t ? t->name : "", t ? strlen(t->name) : 0);
	oxi_buffer_add_char(&p->out, ',');
	add_field(&p->out, f.name.data, f.name.len);
	oxi_buffer_add_format(&p->out, ",%s,%d,%d,%u,%u,%.6f,%.6f,%.6f,%.6f,", oxi_status_name(f.outcome.status), f.outcome.exit, f.outcome.signal,
	                      f.attempt, f.slot, f.began, f.wall, f.user, f.system);
	oxi_buffer_add_format(&p->out, "%llu,%llu,%llu,", (unsigned long long)f.max_rss, (unsigned long long)f.out, (unsigned long long)f.err);
	add_command(&p->out, f.words);
	oxi_buffer_add_text(&p->out, "\r\n");
	return oxi_page_flush(p, false);
}

int oxi_report_csv(struct oxi_page *p)
{
	oxi_buffer_add_text(&p->out, "job,session,task,name,status,exit,signal,attempt,slot,began,wall,user,sys,maxrss,out,err,command\r\n");
	return oxi_look_each(p->l, OXI_LOOK_JOBS "where final order by id", NULL, 0, add_job, p);
}
