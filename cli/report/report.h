/* SPDX-License-Identifier: MIT */
/* What the forms of a report have in common. */
#ifndef OXBOW_CLI_REPORT_H
#define OXBOW_CLI_REPORT_H

#include "cli/state/tasks.h"

struct oxi_page {
	struct oxi_look *l;
	struct oxi_tasks tasks;
	FILE *to;
	struct oxi_buffer out;          /* not written yet */
	bool full;                      /* it could not be written: errno says why */
};

/* Each writes the whole report. Returns: 0; negative: it could not be read; OXI_EXIT_OUTPUT: it could not be written. */
OX_YIELDS int oxi_report_html(struct oxi_page *p);
OX_YIELDS int oxi_report_trace(struct oxi_page *p);
OX_YIELDS int oxi_report_csv(struct oxi_page *p);
OX_YIELDS int oxi_report_dot(struct oxi_page *p);
OX_YIELDS int oxi_report_mermaid(struct oxi_page *p);

/* Writes what waits, if it is much or all is to be. 0; OX_ENOMEM, -errno with full set. */
int oxi_page_flush(struct oxi_page *p, bool all);

/* ---- page.c: text for HTML ---- */

/* Escaped; what is no UTF-8 or a control character is shown as U+FFFD, newlines and tabs stay. */
void oxi_html_add(struct oxi_buffer *out, const char *text, size_t len);
void oxi_html_add_text(struct oxi_buffer *out, const char *text);
void oxi_html_words(struct oxi_buffer *out, ox_bytes words, size_t most);      /* as a shell reads them */
void oxi_html_begin(struct oxi_page *p, const char *id);
/* A class for how it ended: "ok", "bad", "off". */
const char *oxi_html_class(enum oxi_status status);

/* ---- timeline.c ---- */

/* What one pass over all jobs and attempts gives. */
enum { OXI_BINS = 600, OXI_LANES = 64, OXI_EXACT = 3000, OXI_DECADES = 10, OXI_PER_DECADE = 5 };
struct oxi_session {
	double began, end, at;          /* at: where it begins on the time line, on which sessions follow each other without a pause */
};
struct oxi_timeline {
	struct oxi_session *session;
	size_t sessions;
	double length;                  /* of all together */
	unsigned slots, lanes;
	uint64_t pieces;                /* jobs and attempts that ran */
	struct oxi_cell {
		float busy, bad;        /* the part of the bin in which a job ran; in which one that failed did */
	} (*cell)[OXI_BINS];            /* of each lane; NULL: few enough to be drawn one by one */
	uint64_t histogram[OXI_DECADES * OXI_PER_DECADE];      /* of jobs, from 10 us on, a bin is a fifth of a decade */
	uint64_t jobs;
	double sum, longest;            /* wall seconds of jobs */
};
OX_YIELDS int oxi_timeline_read(struct oxi_look *l, struct oxi_timeline *ret);
void oxi_timeline_free(struct oxi_timeline *t);
OX_YIELDS int oxi_timeline_draw(struct oxi_page *p, const struct oxi_timeline *t);
void oxi_histogram_draw(struct oxi_page *p, const struct oxi_timeline *t);

/* ---- path.c ---- */

/*
 * The critical path: the job that ended last, before it the one that ended last of all that its task comes after, and so on.
 * @ret: numbers of jobs, the first one first, to be freed; @ret_n: how many.
 */
OX_YIELDS int oxi_path_find(struct oxi_page *p, uint64_t **ret, size_t *ret_n);

#endif
