/* SPDX-License-Identifier: MIT */
/* The tasks and what comes after what, for Graphviz and for Mermaid. */
#include <string.h>

#include "cli/report/report.h"
#include "cli/utf8.h"

/* Calls special for what is no printable character; false: it can be added as it is. */
static void add_safe(struct oxi_buffer *out, const char *text, const char *specials, void (*special)(struct oxi_buffer *out, unsigned char c))
{
	size_t len = strlen(text);
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];
		n = oxi_utf8_len(text + i, len - i);
		if (n == 0 || c < ' ' || c == 0x7f)
			oxi_buffer_add_text(out, "\xef\xbf\xbd");
		else if (n == 1 && strchr(specials, c))
			special(out, c);
		else
			oxi_buffer_add(out, text + i, n);
		n = n ? n : 1;
	}
}

static void add_counts(struct oxi_buffer *out, const struct oxi_task_counts *c, const char *newline)
{
	oxi_buffer_add_text(out, newline);
	const char *comma = "";
	for (size_t i = 0; i < OXI_STATUSES; i++) {
		if (!c->count[i])
			continue;
		oxi_buffer_add_format(out, "%s%llu %s", comma, (unsigned long long)c->count[i], oxi_status_name((enum oxi_status)i));
		comma = ", ";
	}
	if (c->jobs && oxi_task_left(c))
		oxi_buffer_add_format(out, "%s%llu left", comma, (unsigned long long)oxi_task_left(c));
	else if (!c->recorded)
		oxi_buffer_add_format(out, "%snot begun", comma);
}

enum look { GOOD, BAD, WAITING };

static enum look look_of(const struct oxi_task_counts *c)
{
	if (c->count[OXI_FAILED] + c->count[OXI_TIMEOUT] + c->count[OXI_SKIPPED])
		return BAD;
	return c->recorded && !oxi_task_left(c) ? GOOD : WAITING;
}

/* ---- dot ---- */

static void dot_special(struct oxi_buffer *out, unsigned char c)
{
	oxi_buffer_add(out, (char[]){ '\\', (char)c }, 2);
}

int oxi_report_dot(struct oxi_page *p)
{
	static const char *const colours[] = { [GOOD] = "#d8f0dc", [BAD] = "#f8d7d5", [WAITING] = "#eceef1" };
	int r = 0;
	oxi_buffer_add_text(&p->out, "digraph run {\n\trankdir=LR;\n\tnode [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n");
	for (size_t i = 0; i < p->tasks.n && r == 0; i++) {
		const struct oxi_task *t = &p->tasks.task[i];
		oxi_buffer_add_format(&p->out, "\tt%u [label=\"", t->n);
		add_safe(&p->out, t->name, "\"\\", dot_special);
		add_counts(&p->out, &t->counts, "\\n");
		oxi_buffer_add_format(&p->out, "\", fillcolor=\"%s\"];\n", colours[look_of(&t->counts)]);
		for (size_t k = t->edge; k < t->edge + t->edges; k++) {
			const struct oxi_task_edge *e = &p->tasks.edge[k];
			oxi_buffer_add_format(&p->out, "\tt%u -> t%u", e->from, t->n);
			if (e->when)
				oxi_buffer_add_format(&p->out, " [label=\"%s\", style=dashed]", oxi_condition_name(e->when));
			oxi_buffer_add_text(&p->out, ";\n");
		}
		r = oxi_page_flush(p, false);
	}
	oxi_buffer_add_text(&p->out, "}\n");
	return r;
}

/* ---- mermaid ---- */

static void mermaid_special(struct oxi_buffer *out, unsigned char c)
{
	oxi_buffer_add_format(out, "#%u;", c);
}

int oxi_report_mermaid(struct oxi_page *p)
{
	static const char *const classes[] = { [GOOD] = "ok", [BAD] = "bad", [WAITING] = "off" };
	int r = 0;
	oxi_buffer_add_text(&p->out, "flowchart LR\n");
	for (size_t i = 0; i < p->tasks.n && r == 0; i++) {
		const struct oxi_task *t = &p->tasks.task[i];
		oxi_buffer_add_format(&p->out, "\tt%u[\"", t->n);
		add_safe(&p->out, t->name, "\"#&;<>`\\[]{}()", mermaid_special);
		add_counts(&p->out, &t->counts, "<br>");
		oxi_buffer_add_format(&p->out, "\"]:::%s\n", classes[look_of(&t->counts)]);
		for (size_t k = t->edge; k < t->edge + t->edges; k++) {
			const struct oxi_task_edge *e = &p->tasks.edge[k];
			oxi_buffer_add_format(&p->out, "\tt%u ", e->from);
			if (e->when)
				oxi_buffer_add_format(&p->out, "-. %s .-> t%u\n", oxi_condition_name(e->when), t->n);
			else
				oxi_buffer_add_format(&p->out, "--> t%u\n", t->n);
		}
		r = oxi_page_flush(p, false);
	}
	oxi_buffer_add_text(&p->out, "\tclassDef ok fill:#d8f0dc,color:#123\n\tclassDef bad fill:#f8d7d5,color:#311\n\tclassDef off fill:#eceef1,color:#333\n");
	return r;
}
