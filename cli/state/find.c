/* SPDX-License-Identifier: MIT */
/* What earlier sessions have recorded. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/state/parts.h"

int oxi_state_done(struct oxi_state *s, const struct oxi_identity *key, enum oxi_status *ret)
{
	uint64_t value = oxi_keys_get(&s->keys, key->byte);
	enum oxi_status status = (enum oxi_status)(value & 7);
	if (!value || status == OXI_INTERRUPTED)
		return 0;
	*ret = status;
	return 1;
}

uint64_t oxi_state_done_count(const struct oxi_state *s)
{
	return s->keys.n;
}

int64_t oxi_state_occurrence(struct oxi_state *s, uint64_t hash)
{
	int64_t n = oxi_counts_next(&s->counts, hash);
	return n < 0 ? OX_ENOMEM : n;
}

/* ---- a row of OXI_FOUND_SELECT ---- */

static int read_stored(const char *dir, ox_bytes data, ox_bytes file, struct oxi_stored *ret)
{
	*ret = (struct oxi_stored){ .data = data };
	/* A name of ours, and not a path that leads elsewhere. */
	if (!file.data || memchr(file.data, '/', file.len))
		return 0;
	return asprintf(&ret->path, "%s/blobs/%s", dir, (const char *)file.data) < 0 ? OX_ENOMEM : 0;
}

enum oxi_status oxi_status_of(int64_t n)
{
	return n >= 0 && n < OXI_STATUSES ? (enum oxi_status)n : OXI_INTERRUPTED;
}

int oxi_found_read(const char *dir, ox_sqlite_result *res, size_t row, struct oxi_found *ret)
{
	enum { ID, TASK, NAME, WORDS, STATUS, EXIT, SIGNAL, ATTEMPT, SLOT, BEGAN, WALL, USER, SYSTEM, RSS, OUT, ERR, SHOWN, WHY,
	       OUT_DATA, OUT_FILE, ERR_DATA, ERR_FILE, VALUE };
	uint64_t id = (uint64_t)ox_sqlite_int(res, row, ID);
	*ret = (struct oxi_found){
		.seq = id & OXI_SEQ_MAX,
		.session = (unsigned)(id >> OXI_SEQ_BITS),
		.task = (uint32_t)ox_sqlite_int(res, row, TASK),
		.name = ox_sqlite_value(res, row, NAME).data,
		.words = ox_sqlite_value(res, row, WORDS),
		.outcome.status = oxi_status_of(ox_sqlite_int(res, row, STATUS)),
		.outcome.exit = (int)ox_sqlite_int(res, row, EXIT),
		.outcome.signal = (int)ox_sqlite_int(res, row, SIGNAL),
		.attempt = (unsigned)ox_sqlite_int(res, row, ATTEMPT),
		.slot = (unsigned)ox_sqlite_int(res, row, SLOT),
		.began = ox_sqlite_real(res, row, BEGAN),
		.wall = ox_sqlite_int(res, row, WALL),
		.user = ox_sqlite_int(res, row, USER),
		.system = ox_sqlite_int(res, row, SYSTEM),
		.max_rss = (size_t)ox_sqlite_int(res, row, RSS),
		.received = { (uint64_t)ox_sqlite_int(res, row, OUT), (uint64_t)ox_sqlite_int(res, row, ERR) },
		.shown = ox_sqlite_int(res, row, SHOWN) != 0,
		.why = ox_sqlite_value(res, row, WHY).data,
		.value = ox_sqlite_value(res, row, VALUE),
		.result = res,
	};
	int r = read_stored(dir, ox_sqlite_value(res, row, OUT_DATA), ox_sqlite_value(res, row, OUT_FILE), &ret->out);
	if (r == 0)
		r = read_stored(dir, ox_sqlite_value(res, row, ERR_DATA), ox_sqlite_value(res, row, ERR_FILE), &ret->err);
	if (r < 0)
		oxi_found_free(ret);
	return r;
}

void oxi_found_free(struct oxi_found *f)
{
	free(f->out.path);
	free(f->err.path);
	ox_sqlite_result_free(f->result);
	*f = (struct oxi_found){ 0 };
}

int oxi_stored_each(const struct oxi_stored *s, int (*fn)(void *arg, const char *data, size_t len), void *arg)
{
	char piece[4096];
	if (!s->path)
		return s->data.len ? fn(arg, s->data.data, s->data.len) : 0;
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = 0;
	for (ssize_t n; r >= 0 && (n = read(fd, piece, sizeof(piece))) != 0;)
		r = n > 0 ? fn(arg, piece, (size_t)n) : errno == EINTR ? 0 : -errno;
	close(fd);
	return r < 0 ? r : 0;
}

/* ---- while the run goes on ---- */

static int select_row(struct oxi_state *s, uint64_t id, struct oxi_found *ret)
{
	ox_sqlite_result *res = NULL;
	int r = ox_lock_acquire(s->lock);
	if (r < 0)
		return r;
	r = oxi_state_query(s, OXI_FOUND_SELECT "where j.id = ?", OX_VALUES(ox_int((int64_t)id)), &res);
	if (r < 0)
		r = oxi_state_failed(s, r);
	ox_lock_release(s->lock);
	if (r == 0 && ox_sqlite_rows(res) == 0)
		ox_sqlite_result_free(res);
	else if (r == 0)
		r = oxi_found_read(s->dir, res, 0, ret) < 0 ? OX_ENOMEM : 1;
	return r;
}

int oxi_state_find(struct oxi_state *s, const struct oxi_identity *key, struct oxi_found *ret)
{
	uint64_t value = oxi_keys_get(&s->keys, key->byte);
	return value ? select_row(s, value >> 3, ret) : 0;
}

/* The numbers first: they are few, and what fn does with a job may take long. */
static int unshown_ids(struct oxi_state *s, ox_sqlite_result **ret)
{
	int r = ox_lock_acquire(s->lock);
	if (r < 0)
		return r;
	r = oxi_state_query(s, "select id from job where not shown and final and id < ? order by id >> 40, n",
	                    OX_VALUES(ox_int((int64_t)oxi_job_id(s->session, 0))), ret);
	if (r < 0)
		r = oxi_state_failed(s, r);
	ox_lock_release(s->lock);
	return r;
}

int oxi_state_unshown(struct oxi_state *s, int (*fn)(void *arg, const struct oxi_found *job), void *arg)
{
	OX_AUTO_SQLITE_RESULT *ids = NULL;
	int r = unshown_ids(s, &ids);
	for (size_t i = 0; r >= 0 && i < ox_sqlite_rows(ids); i++) {
		uint64_t id = (uint64_t)ox_sqlite_int(ids, i, 0);
		struct oxi_found f;
		r = select_row(s, id, &f);
		if (r <= 0)
			continue;
		r = fn(arg, &f);
		oxi_found_free(&f);
		if (r >= 0)
			r = oxi_shown_mark(s, id);
	}
	return r < 0 ? r : 0;
}
