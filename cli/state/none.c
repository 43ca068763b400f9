/* SPDX-License-Identifier: MIT */
/* A build without SQLite has no durable runs. Nothing but opening and closing is ever called then. */
#include "cli/state/made.h"
#include "cli/state/state.h"

int oxi_state_open(const char *dir, bool resume, struct oxi_state **ret, struct oxi_buffer *why)
{
	(void)dir;
	(void)resume;
	(void)ret;
	oxi_buffer_add_text(why, "durable runs need SQLite, and this oxbow was built without it");
	return -ENOTSUP;
}

int oxi_state_begin(struct oxi_state *s, enum oxi_durable d, const struct oxi_run_info *info, struct oxi_buffer *why)
{
	(void)s, (void)d, (void)info, (void)why;
	return -ENOTSUP;
}

int oxi_state_commit_run(void *state)
{
	(void)state;
	return -ENOTSUP;
}

int oxi_state_task(struct oxi_state *s, const struct oxi_state_task *t)
{
	(void)s, (void)t;
	return -ENOTSUP;
}

int oxi_state_tasks(struct oxi_state *s, const struct oxi_state_task *t, size_t n)
{
	(void)s, (void)t, (void)n;
	return -ENOTSUP;
}

int oxi_state_attempt(struct oxi_state *s, const struct oxi_record *r)
{
	(void)s, (void)r;
	return -ENOTSUP;
}

int oxi_state_record(struct oxi_state *s, const struct oxi_record *r)
{
	(void)s, (void)r;
	return -ENOTSUP;
}

int oxi_state_shown(struct oxi_state *s, uint64_t seq)
{
	(void)s, (void)seq;
	return -ENOTSUP;
}

int oxi_state_done(struct oxi_state *s, const struct oxi_identity *key, enum oxi_status *ret)
{
	(void)s, (void)key, (void)ret;
	return -ENOTSUP;
}

uint64_t oxi_state_done_count(const struct oxi_state *s)
{
	(void)s;
	return 0;
}

int64_t oxi_state_occurrence(struct oxi_state *s, uint64_t hash)
{
	(void)s, (void)hash;
	return -ENOTSUP;
}

int oxi_state_find(struct oxi_state *s, const struct oxi_identity *key, struct oxi_found *ret)
{
	(void)s, (void)key, (void)ret;
	return -ENOTSUP;
}

int oxi_state_unshown(struct oxi_state *s, int (*fn)(void *arg, const struct oxi_found *job), void *arg)
{
	(void)s, (void)fn, (void)arg;
	return -ENOTSUP;
}

int oxi_state_body(const struct oxi_state *s, uint64_t seq, struct oxi_buffer *path)
{
	(void)s, (void)seq, (void)path;
	return -ENOTSUP;
}

int oxi_state_end(struct oxi_state *s, const struct oxi_tally *t, uint64_t skipped, int exit)
{
	(void)s, (void)t, (void)skipped, (void)exit;
	return -ENOTSUP;
}

const char *oxi_state_dir(const struct oxi_state *s)
{
	(void)s;
	return "";
}

const char *oxi_state_error(const struct oxi_state *s)
{
	(void)s;
	return "";
}

void oxi_found_free(struct oxi_found *f)
{
	*f = (struct oxi_found){ 0 };
}

int oxi_stored_each(const struct oxi_stored *s, int (*fn)(void *arg, const char *data, size_t len), void *arg)
{
	(void)s, (void)fn, (void)arg;
	return -ENOTSUP;
}

void oxi_state_close(struct oxi_state *s)
{
	(void)s;
}

int oxi_made_open(const char *path, struct oxi_made **ret, struct oxi_buffer *why)
{
	(void)path, (void)ret, (void)why;
	return -ENOTSUP;
}

int oxi_made_find(struct oxi_made *m, const char *file, struct oxi_identity *ret_command, int64_t *ret_time,
                  struct oxi_buffer *why)
{
	(void)m, (void)file, (void)ret_command, (void)ret_time, (void)why;
	return -ENOTSUP;
}

int oxi_made_put(struct oxi_made *m, const char *file, const struct oxi_identity *command, int64_t time, struct oxi_buffer *why)
{
	(void)m, (void)file, (void)command, (void)time, (void)why;
	return -ENOTSUP;
}

void oxi_made_close(struct oxi_made *m)
{
	(void)m;
}
