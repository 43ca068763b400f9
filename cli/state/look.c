/* SPDX-License-Identifier: MIT */
/*
 * A run is opened read-only. In WAL mode a reader and the writer do not wait for each other, and what a reader sees is of
 * the moment in which its transaction began. A run on a network file system is locked while it goes on.
 */
#include "cli/state/look.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <oxbow/run.h>

#include "cli/command.h"
#include "cli/find_run.h"
#include "cli/say.h"
#include "cli/state/parts.h"

/* ---- which run ---- */

static bool has_run(const char *dir)
{
	struct oxi_buffer path = { 0 };
	oxi_buffer_add_text(&path, dir);
	oxi_buffer_add(&path, "/run.db", sizeof("/run.db"));
	bool has = !path.failed && access(path.data, F_OK) == 0;
	oxi_buffer_free(&path);
	return has;
}

struct entry {
	char *dir;
	struct timespec when;           /* the last session began */
};

static int newest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->when.tv_sec != y->when.tv_sec)
		return x->when.tv_sec < y->when.tv_sec ? 1 : -1;
	if (x->when.tv_nsec != y->when.tv_nsec)
		return x->when.tv_nsec < y->when.tv_nsec ? 1 : -1;
	return strcmp(x->dir, y->dir);
}

static bool add_entry(struct entry **list, size_t *n, const char *name)
{
	struct stat st;
	char *dir, *lock;
	if (asprintf(&dir, OXI_RUNS_FOLDER "/%s", name) < 0)
		return false;
	if (asprintf(&lock, "%s/lock", dir) < 0) {
		free(dir);
		return false;
	}
	bool is_run = name[0] != '.' && has_run(dir) && stat(lock, &st) == 0;
	free(lock);
	struct entry *bigger = is_run ? realloc(*list, (*n + 1) * sizeof(**list)) : NULL;
	if (!bigger) {
		free(dir);
		return !is_run;
	}
	*list = bigger;
	bigger[(*n)++] = (struct entry){ dir, st.st_mtim };
	return true;
}

char **oxi_look_list(void)
{
	DIR *d = opendir(OXI_RUNS_FOLDER);
	struct entry *list = NULL;
	size_t n = 0;
	bool ok = true;
	for (struct dirent *e; ok && d && (e = readdir(d)) != NULL;)
		ok = add_entry(&list, &n, e->d_name);
	if (d)
		closedir(d);
	if (n)
		qsort(list, n, sizeof(*list), newest_first);
	char **dirs = ok ? calloc(n + 1, sizeof(*dirs)) : NULL;
	for (size_t i = 0; i < n; i++) {
		if (dirs)
			dirs[i] = list[i].dir;
		else
			free(list[i].dir);
	}
	free(list);
	return dirs;
}

void oxi_look_list_free(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

/* A folder; NULL if it was said why not. */
static char *choose(const char *command, const char *run, char *const *list)
{
	struct oxi_buffer why = { 0 };
	char *dir = NULL;
	if (!run && !*list)
		oxi_say(command, "there is no run in ./" OXI_RUNS_FOLDER ": give the folder of one");
	if (!run)
		return *list ? strdup(*list) : NULL;
	if (oxi_find_run(run, &dir, &why) < 0)
		oxi_say(command, "%.*s", (int)why.len, why.data);
	oxi_buffer_free(&why);
	return dir;
}

/* ---- opening ---- */

static int open_database(struct oxi_look *l, const char *path, struct oxi_buffer *why)
{
	char text[256];
	int r = ox_sqlite_open(path, OX_SQLITE_OPTIONS(.read_only = true, .must_exist = true, .error_text = text), &l->db);
	if (r < 0) {
		oxi_buffer_add_text(why, "cannot open ");
		oxi_buffer_add_text(why, path);
		oxi_buffer_add_format(why, ": %s", text);
		return r;
	}
	OX_AUTO_SQLITE_RESULT *res = NULL;
	r = oxi_schema_check(l->db, path, why);
	if (r == 0 && (r = ox_sqlite_begin(l->db)) == 0)
		r = oxi_look_query(l, "select max(n) from session", NULL, 0, &res);
	if (r == 0)
		l->session = (unsigned)ox_sqlite_int(res, 0, 0);
	else if (!why->len)
		r = oxi_schema_error(l->db, r, why);
	return r;
}

/* Whether it lives is asked first: a run that ends in between has ended in the database too. */
int oxi_look_open(struct oxi_look *l, const char *dir, struct oxi_buffer *why)
{
	char *path;
	*l = (struct oxi_look){ .dir = strdup(dir) };
	if (!l->dir || asprintf(&path, "%s/run.db", dir) < 0) {
		oxi_look_close(l);
		return OX_ENOMEM;
	}
	l->live = oxi_lock_look(dir, &l->holder) == 1;
	int r = open_database(l, path, why);
	free(path);
	if (r < 0)
		oxi_look_close(l);
	return r;
}

void oxi_look_close(struct oxi_look *l)
{
	ox_sqlite_close(l->db);
	free(l->dir);
	*l = (struct oxi_look){ 0 };
}

int oxi_look_again(struct oxi_look *l)
{
	int r = ox_sqlite_rollback(l->db);
	l->live = oxi_lock_look(l->dir, &l->holder) == 1;
	return r < 0 ? r : ox_sqlite_begin(l->db);
}

struct looking {
	const char *command, *dir;
	int (*fn)(struct oxi_look *l, void *arg);
	void *arg;
};

static int look(void *arg)
{
	struct looking *x = arg;
	struct oxi_buffer why = { 0 };
	struct oxi_look l;
	int r = oxi_look_open(&l, x->dir, &why);
	if (r == 0) {
		r = x->fn(&l, x->arg);
		if (r < 0 && r != OX_ECANCELED) {
			oxi_buffer_add_text(&why, "cannot read ");
			oxi_buffer_add_text(&why, x->dir);
			oxi_buffer_add_text(&why, ": ");
			oxi_schema_error(l.db, r, &why);
		}
		oxi_look_close(&l);
	}
	if (why.len)
		oxi_say(x->command, "%.*s", (int)why.len, why.data);
	oxi_buffer_free(&why);
	return r;
}

int oxi_look_run(const char *command, const char *run, int (*fn)(struct oxi_look *l, void *arg), void *arg)
{
	char **list = oxi_look_list();
	char *dir = list ? choose(command, run, list) : NULL;
	oxi_look_list_free(list);
	if (!dir)
		return OXI_EXIT_INPUT;
	struct looking x = { command, dir, fn, arg };
	int r = ox_run(look, &x, NULL);
	free(dir);
	return r >= 0 ? r : r == OX_ECANCELED || r == -EINTR ? OXI_EXIT_INT : OXI_EXIT_INPUT;
}

int oxi_look_query(struct oxi_look *l, const char *sql, const ox_value *params, size_t n, ox_sqlite_result **ret)
{
	return ox_sqlite_query(l->db, sql, params, n, ret);
}

int oxi_look_each(struct oxi_look *l, const char *sql, const ox_value *params, size_t n,
                  int (*fn)(void *arg, const ox_sqlite_result *res, size_t row), void *arg)
{
	int r = ox_sqlite_stream(l->db, sql, params, n);
	while (r >= 0) {
		OX_AUTO_SQLITE_RESULT *res = NULL;
		r = ox_sqlite_next(l->db, &res);
		if (r <= 0)
			break;
		for (size_t i = 0; i < ox_sqlite_rows(res) && r >= 0; i++)
			r = fn(arg, res, i);
	}
	if (r < 0)
		ox_sqlite_abandon(l->db);
	return r;
}

/* ---- jobs ---- */

bool oxi_look_job_words(const char *command, int n, char **words, const char **ret_run, const char **ret_job)
{
	if (n < 1)
		oxi_say(command, "which job? (see oxbow %s --help)", command);
	else if (n > 2)
		oxi_say(command, "one job at a time");
	if (n < 1 || n > 2)
		return false;
	*ret_run = n == 2 ? words[0] : NULL;
	*ret_job = words[n - 1];
	return true;
}

/* Of several with one name or number, the one of the last session. */
int oxi_look_job(struct oxi_look *l, const char *job, struct oxi_found *ret)
{
	ox_sqlite_result *res = NULL;
	bool number = *job && strspn(job, "0123456789") == strlen(job) && strlen(job) < 13;
	int r = 0;
	for (unsigned s = l->session; number && s > 0 && r == 0; s--) {
		uint64_t id = oxi_job_id(s, strtoull(job, NULL, 10));
		ox_sqlite_result_free(res);
		res = NULL;
		r = oxi_look_query(l, OXI_FOUND_SELECT "where j.id = ?", OX_VALUES(ox_int((int64_t)id)), &res);
		if (r == 0 && ox_sqlite_rows(res) > 0)
			break;
	}
	if (!number)
		r = oxi_look_query(l, OXI_FOUND_SELECT "where j.name = ? order by j.id desc limit 1", OX_VALUES(ox_text(job)), &res);
	if (r < 0)
		return r;
	if (!res || ox_sqlite_rows(res) == 0) {
		ox_sqlite_result_free(res);
		return 0;
	}
	r = oxi_found_read(l->dir, res, 0, ret);
	return r < 0 ? r : 1;
}
