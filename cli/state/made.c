/* SPDX-License-Identifier: MIT */
/*
 * A row for each file. That a job has begun is written before it runs: whatever kills this process then, the file is known to
 * be half made. Nothing waits for the disk: after a crash of the machine a row may be missing or old, and so may the file;
 * a file whose time is not the one in its row is made again.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include <oxbow/sqlite.h>

#include "cli/state/made.h"
#include "cli/state/parts.h"

#define SETUP "pragma synchronous = off; " \
	"create table if not exists made (file blob primary key, command blob not null, time integer not null) without rowid"

struct oxi_made {
	ox_sqlite *db;
};

static int failed(const struct oxi_made *m, int r, struct oxi_buffer *why)
{
	const char *text = r == OX_EDB ? ox_sqlite_last_error(m->db)->message : ox_strerror(r);
	if (r < 0)
		oxi_buffer_add_text(why, text);
	return r;
}

/* On a network file system there is no memory that all who have it open share. */
static bool is_network(const char *path)
{
	struct statfs fs;
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	if (slash)
		*slash = '\0';
	bool is = slash && statfs(folder, &fs) == 0 && oxi_is_network(fs.f_type);
	free(folder);
	return is;
}

int oxi_made_open(const char *path, struct oxi_made **ret, struct oxi_buffer *why)
{
	char text[256] = "";
	struct oxi_made *m = calloc(1, sizeof(*m));
	if (!m)
		return OX_ENOMEM;
	int r = ox_sqlite_open(path, OX_SQLITE_OPTIONS(.no_wal = is_network(path), .error_text = text), &m->db);
	if (r < 0)
		oxi_buffer_add_text(why, *text ? text : ox_strerror(r));
	else
		r = failed(m, ox_sqlite_query(m->db, SETUP, NULL, 0, NULL), why);
	if (r == 0)
		*ret = m;
	else
		oxi_made_close(m);
	return r;
}

int oxi_made_find(struct oxi_made *m, const char *file, struct oxi_identity *ret_command, int64_t *ret_time,
                  struct oxi_buffer *why)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = ox_sqlite_query(m->db, "select command, time from made where file = ?", OX_VALUES(ox_binary(file, strlen(file))), &res);
	if (r < 0)
		return failed(m, r, why);
	ox_bytes command = ox_sqlite_value(res, 0, 0);
	if (ox_sqlite_rows(res) == 0 || command.len != sizeof(*ret_command))
		return 0;
	memcpy(ret_command, command.data, sizeof(*ret_command));
	*ret_time = ox_sqlite_int(res, 0, 1);
	return 1;
}

int oxi_made_put(struct oxi_made *m, const char *file, const struct oxi_identity *command, int64_t time, struct oxi_buffer *why)
{
	int r = ox_sqlite_query(m->db, "insert or replace into made (file, command, time) values (?, ?, ?)",
	                        OX_VALUES(ox_binary(file, strlen(file)), ox_binary(command, sizeof(*command)), ox_int(time)), NULL);
	return failed(m, r, why);
}

void oxi_made_close(struct oxi_made *m)
{
	if (m)
		ox_sqlite_close(m->db);
	free(m);
}
