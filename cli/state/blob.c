/* SPDX-License-Identifier: MIT */
/*
 * Output that is longer than 16 KiB, or whose path other jobs are given, is a file: blobs/SESSION-SEQ.out or .err. It is
 * on the disk, its name too, before the row that speaks of it. It is written in a thread, since that waits for the disk;
 * nobody else looks at the capture meanwhile.
 *
 * A file whose row never came, because the runner was killed between the two, is removed by the next session.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/thread.h>

#include "cli/state/parts.h"
#include "cli/temp.h"

static const char *const ENDINGS[] = { "out", "err" };

static void name_of(unsigned session, uint64_t seq, size_t which, char *name, size_t size)
{
	snprintf(name, size, "%u-%llu.%s", session, (unsigned long long)seq, ENDINGS[which]);
}

/* ---- writing ---- */

struct writing {
	const struct oxi_state *s;
	struct oxi_capture *c;
	const char *name;
	int fd, result;
	off_t at;
};

static int write_piece(void *arg, const char *data, size_t len)
{
	struct writing *w = arg;
	int r = oxi_temp_write(w->fd, data, len, w->at);
	w->at += (off_t)len;
	return r;
}

static void *write_file(void *arg)
{
	struct writing *w = arg;
	bool sync = w->s->durable != OXI_DURABLE_OFF;
	w->fd = openat(w->s->blobs_fd, w->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (w->fd < 0) {
		w->result = -errno;
		return NULL;
	}
	int r = oxi_capture_each(w->c, write_piece, w);
	if (r == 0 && sync && fsync(w->fd) < 0)
		r = -errno;
	if (close(w->fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && sync && fsync(w->s->blobs_fd) < 0)
		r = -errno;
	w->result = r;
	return NULL;
}

static int keep(void *arg, const char *data, size_t len)
{
	struct oxi_buffer *b = arg;
	oxi_buffer_add(b, data, len);
	return b->failed ? OX_ENOMEM : 0;
}

static int write_one(struct oxi_state *s, struct oxi_row *row, size_t which, struct oxi_capture *c, bool as_file)
{
	if (!c || (c->len <= OXI_INLINE && !as_file))
		return c ? oxi_capture_each(c, keep, which ? &row->err : &row->out) : 0;
	struct writing w = { .s = s, .c = c, .name = row->file[which] };
	name_of(s->session, row->r->seq, which, row->file[which], sizeof(row->file[which]));
	int r = ox_thread_call(write_file, &w, NULL);
	r = r < 0 ? r : w.result;
	if (r < 0) {
		oxi_buffer_free(&s->error);
		oxi_buffer_add_format(&s->error, "blobs/%s: ", row->file[which]);
		oxi_buffer_add(&s->error, ox_strerror(r), strlen(ox_strerror(r)) + 1);
	}
	return r;
}

int oxi_blobs_write(struct oxi_state *s, struct oxi_row *row)
{
	int r = write_one(s, row, 0, row->r->out, row->r->body_as_file);
	return r < 0 ? r : write_one(s, row, 1, row->r->err, false);
}

void oxi_blobs_drop(struct oxi_state *s, const struct oxi_row *row)
{
	for (size_t i = 0; i < 2; i++) {
		if (*row->file[i])
			unlinkat(s->blobs_fd, row->file[i], 0);
	}
}

int oxi_state_body(const struct oxi_state *s, uint64_t seq, struct oxi_buffer *path)
{
	char name[48];
	name_of(s->session, seq, 0, name, sizeof(name));
	oxi_buffer_add_text(path, s->dir);
	oxi_buffer_add_text(path, "/blobs/");
	oxi_buffer_add(path, name, strlen(name) + 1);
	return path->failed ? OX_ENOMEM : 0;
}

/* ---- what is on no record ---- */

static int on_record(struct oxi_state *s, unsigned session, uint64_t seq)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = oxi_state_query(s, "select 1 from job where id = ?", OX_VALUES(ox_int((int64_t)oxi_job_id(session, seq))), &res);
	return r < 0 ? r : ox_sqlite_rows(res) > 0;
}

int oxi_blobs_clean(struct oxi_state *s)
{
	int fd = openat(s->blobs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;
	if (!d)
		return -errno;
	for (struct dirent *e; r >= 0 && (e = readdir(d)) != NULL;) {
		unsigned session;
		unsigned long long seq;
		if (sscanf(e->d_name, "%u-%llu.", &session, &seq) != 2 || session + 1 != s->session)
			continue;
		r = on_record(s, session, seq);
		if (r == 0)
			unlinkat(s->blobs_fd, e->d_name, 0);
	}
	closedir(d);
	return r < 0 ? r : 0;
}
