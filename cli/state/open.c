/* SPDX-License-Identifier: MIT */
/*
 * Opening a run. The folder and the lock come first, before the loop and before any process is forked; the database,
 * which has a thread, in the loop.
 *
 * WAL needs memory that all who have the file open share, which a network file system has not. There, the journal is a
 * plain one, the file is locked for as long as the runner has it, and nobody can look meanwhile.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/folder.h"
#include "cli/state/lock.h"
#include "cli/state/parts.h"

/* ---- before the loop ---- */

static int cannot(const char *dir, int r, struct oxi_buffer *why)
{
	oxi_buffer_add_text(why, "cannot make ");
	oxi_buffer_add_text(why, dir);
	oxi_buffer_add_format(why, ": %s", ox_strerror(r));
	return r;
}

/* What is in the folder is named by absolute paths: jobs may work elsewhere. */
static int make_folder(const char *dir, char **ret, struct oxi_buffer *why)
{
	char *copy = strdup(dir);
	int r = !copy ? OX_ENOMEM : *copy ? oxi_folders_make(copy) : -ENOENT;
	free(copy);
	if (r == 0 && !(*ret = realpath(dir, NULL)))
		r = -errno;
	return r < 0 ? cannot(dir, r, why) : 0;
}

static int open_blobs(const char *dir)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	int fd = mkdirat(at, "blobs", 0777) < 0 && errno != EEXIST ? -1 : openat(at, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd;
	close(at);
	return r;
}

static char *database_path(const char *dir)
{
	char *path;
	return asprintf(&path, "%s/run.db", dir) < 0 ? NULL : path;
}

static int check_new(const char *dir, struct oxi_buffer *why)
{
	char *path = database_path(dir);
	int r = !path ? OX_ENOMEM : access(path, F_OK) == 0 ? -EEXIST : 0;
	free(path);
	if (r == -EEXIST) {
		oxi_buffer_add_text(why, dir);
		oxi_buffer_add_text(why, " holds a run already: resume it, or give another folder");
	}
	return r;
}

int oxi_state_open(const char *dir, bool resume, struct oxi_state **ret, struct oxi_buffer *why)
{
	struct oxi_state *s = calloc(1, sizeof(*s));
	if (!s)
		return OX_ENOMEM;
	s->lock_fd = s->blobs_fd = -1;
	s->resume = resume;
	s->last = &s->first;
	int r = make_folder(dir, &s->dir, why);
	if (r == 0)
		r = oxi_lock_take(s->dir, &s->lock_fd, why);
	if (r == 0 && !resume)
		r = check_new(dir, why);
	if (r == 0 && (s->blobs_fd = open_blobs(s->dir)) < 0)
		r = cannot(dir, s->blobs_fd, why);
	if (r == 0)
		*ret = s;
	else
		oxi_state_close(s);
	return r;
}

/* ---- in the loop ---- */

bool oxi_is_network(long type)
{
	/* statfs(2), linux/magic.h; Lustre and GPFS have theirs in their own headers. */
	static const long types[] = { 0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x0bd00bd0, 0x47504653, 0x00c36400, 0x19830326, 0x01021997 };
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if ((unsigned int)types[i] == (unsigned int)type)
			return true;
	}
	return false;
}

int oxi_database_open(const char *path, bool network, enum oxi_durable durable, ox_sqlite **ret, struct oxi_buffer *why)
{
	char text[256];
	ox_sqlite *db;
	int r = ox_sqlite_open(path, OX_SQLITE_OPTIONS(.no_wal = network, .error_text = text), &db);
	if (r < 0) {
		oxi_buffer_add_text(why, "cannot open ");
		oxi_buffer_add_text(why, path);
		oxi_buffer_add_text(why, ": ");
		oxi_buffer_add_text(why, text);
		return r;
	}
	if (network)
		r = ox_sqlite_query(db, "pragma locking_mode = exclusive; pragma journal_mode = truncate", NULL, 0, NULL);
	if (r == 0)
		r = ox_sqlite_query(db, durable == OXI_DURABLE_OFF ? "pragma synchronous = off" : "pragma synchronous = full", NULL, 0, NULL);
	r = r < 0 ? oxi_schema_error(db, r, why) : oxi_schema_make(db, path, why);
	if (r == 0)
		*ret = db;
	else
		ox_sqlite_close(db);
	return r;
}

/* The words as they are in the database: NUL behind each. */
static void add_words(struct oxi_buffer *out, char *const *argv)
{
	for (; argv && *argv; argv++)
		oxi_buffer_add(out, *argv, strlen(*argv) + 1);
}

static int begin_session(struct oxi_state *s, const struct oxi_run_info *info)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	struct oxi_buffer argv = { 0 };
	char host[65] = "";
	int r = oxi_state_query(s, "select coalesce(max(n), 0) + 1 from session", NULL, 0, &res);
	if (r < 0)
		return r;
	if (ox_sqlite_int(res, 0, 0) > OXI_SESSION_MAX)
		return OX_ETOOBIG;
	s->session = (unsigned)ox_sqlite_int(res, 0, 0);
	gethostname(host, sizeof(host) - 1);
	add_words(&argv, info->argv);
	r = argv.failed ? OX_ENOMEM : oxi_state_query(s,
		"insert into session (n, id, command, argv, cwd, file, pid, host, began) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		OX_VALUES(ox_int(s->session), ox_text(info->id), ox_text(info->command), ox_binary(argv.data, argv.len),
		          ox_text(info->cwd), ox_text(info->file), ox_int(getpid()), ox_text(host), ox_real(info->began)), NULL);
	oxi_buffer_free(&argv);
	return r;
}

static int take_keys(struct oxi_keys *k, const ox_sqlite_result *res)
{
	enum { VALUE, KEY };
	for (size_t i = 0; i < ox_sqlite_rows(res); i++) {
		ox_bytes key = ox_sqlite_value(res, i, KEY);
		if (key.len != sizeof(struct oxi_identity))
			return OX_EPROTO;
		oxi_keys_expect(k, key.data);
	}
	for (size_t i = 0; i < ox_sqlite_rows(res); i++) {
		if (!oxi_keys_put(k, ox_sqlite_value(res, i, KEY).data, (uint64_t)ox_sqlite_int(res, i, VALUE)))
			return OX_ENOMEM;
	}
	return 0;
}

/* A later row of a job stands for it. Interruptions are there too, to be replaced, but they are not done. */
static int load_keys(struct oxi_state *s)
{
	int r = ox_sqlite_stream(s->db, "select id << 3 | status, key from job where final order by id", NULL, 0);
	while (r >= 0) {
		OX_AUTO_SQLITE_RESULT *res = NULL;
		r = ox_sqlite_next(s->db, &res);
		if (r <= 0)
			break;
		r = take_keys(&s->keys, res);
	}
	if (r < 0)
		ox_sqlite_abandon(s->db);
	return r;
}

/* The names of the new files are on the disk as well as their content. */
static int sync_folders(const struct oxi_state *s)
{
	static const char *const names[] = { "", "/.." };
	for (size_t i = 0; i < 2 && s->durable != OXI_DURABLE_OFF; i++) {
		char *path;
		if (asprintf(&path, "%s%s", s->dir, names[i]) < 0)
			return OX_ENOMEM;
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		free(path);
		int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
		if (fd >= 0)
			close(fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int begin(struct oxi_state *s, const struct oxi_run_info *info)
{
	s->lock = ox_lock_new();
	s->more = ox_event_new();
	s->committed[0] = ox_event_new();
	s->committed[1] = ox_event_new();
	if (!s->lock || !s->more || !s->committed[0] || !s->committed[1])
		return OX_ENOMEM;
	int r = oxi_commit_prepare(s);
	if (r == 0 && s->resume)
		r = load_keys(s);
	if (r == 0)
		r = begin_session(s, info);
	if (r == 0)
		r = s->session > 1 ? oxi_blobs_clean(s) : sync_folders(s);
	return r;
}

int oxi_state_begin(struct oxi_state *s, enum oxi_durable d, const struct oxi_run_info *info, struct oxi_buffer *why)
{
	struct statfs fs;
	char *path = database_path(s->dir);
	s->durable = d;
	s->writers = info->writers;
	int r = !path ? OX_ENOMEM : statfs(s->dir, &fs) < 0 ? -errno : 0;
	if (r == 0)
		r = oxi_database_open(path, oxi_is_network(fs.f_type), d, &s->db, why);
	if (r == 0) {
		r = begin(s, info);
		if (r < 0) {
			oxi_buffer_add_text(why, "cannot write ");
			oxi_buffer_add_text(why, path);
			oxi_buffer_add_text(why, ": ");
			r = oxi_schema_error(s->db, r, why);
		}
	}
	free(path);
	return r;
}

void oxi_state_close(struct oxi_state *s)
{
	if (!s)
		return;
	ox_sqlite_close(s->db);
	ox_event_free(s->committed[0]);
	ox_event_free(s->committed[1]);
	ox_event_free(s->more);
	ox_lock_free(s->lock);
	for (size_t t = 0; t < OXI_TABLES; t++) {
		for (size_t i = 0; i < OXI_STEPS; i++)
			free(s->sql[t][i]);
	}
	oxi_keys_free(&s->keys);
	oxi_counts_free(&s->counts);
	oxi_buffer_free(&s->error);
	free(s->value);
	free(s->attempt);
	free(s->shown);
	if (s->blobs_fd >= 0)
		close(s->blobs_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->dir);
	free(s);
}
