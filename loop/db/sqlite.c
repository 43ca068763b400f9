/* SPDX-License-Identifier: MIT */
/*
 * A connection and its thread. SQLite blocks: on the disk, on locks, on the query itself. So each connection
 * belongs to a thread of its own from open to close, and a call hands it one piece of work and parks.
 *
 *	loop                                      thread
 *	fill in db->work, handed_over = true ---> does it
 *	parks                                     writes to done_fd
 *	woken by the watch of done_fd <---------- waits for handed_over
 *
 * One piece is under way at a time, so one place for it is enough, and nothing is allocated to hand it over.
 * Whoever has the work owns the fields that belong to it; the mutex passes them on.
 *
 * A cancel cannot take the work back: it sets a flag, which SQLite's progress and busy handlers look at, and
 * the call waits on. So it returns only when the thread has let go of everything that the caller owns, and
 * tells how the statement ended.
 *
 * A connection that is open when its loop ends is closed then: no thread is left behind.
 *
 * Rejected: sqlite3_interrupt() (lost when it comes before the statement begins, and when it comes late the
 * rows of an open stream fail, in a scope that nobody cancelled); ox_thread_call() for each call (a
 * connection would change threads, its calls compete for the limit of all threads, and a wake-up costs an
 * allocation); a thread for all connections (one waiting for a lock would hold up the others).
 */
#include "loop/db/sqlite.h"

#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

void ox_sqlite_options_init(ox_sqlite_options *o)
{
	*o = *OX_SQLITE_OPTIONS(.size = sizeof(*o));
}

/* ---- the thread ---- */

static void wait_for_work(ox_sqlite *db)
{
	pthread_mutex_lock(&db->lock);
	while (!db->handed_over)
		pthread_cond_wait(&db->wake, &db->lock);
	db->handed_over = false;
	pthread_mutex_unlock(&db->lock);
}

static void *run_thread(void *arg)
{
	ox_sqlite *db = arg;
	uint64_t one = 1;
	bool last;

	do {
		wait_for_work(db);
		oxi_sqlite_work(db);
		last = db->work.op == OXI_SQLITE_CLOSE;
		OXI_CHECK(write(db->done_fd, &one, sizeof(one)) == sizeof(one));
	} while (!last);
	return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(ox_sqlite *db)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&db->thread, NULL, run_thread, db);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

/* ---- handing over ---- */

static void done(void *arg, int fd, unsigned events)
{
	ox_sqlite *db = arg;
	struct oxi_wait *w = db->waiter;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	db->waiter = NULL;
	oxi_wake(w, 0);
}

static void interrupt(ox_sqlite *db)
{
	atomic_store(&db->cancelled, true);
	pthread_mutex_lock(&db->lock);
	pthread_cond_signal(&db->wake);
	pthread_mutex_unlock(&db->lock);
}

static oxi_abort_answer stop(struct oxi_wait *w)
{
	interrupt((ox_sqlite *)(uintptr_t)w->object);
	return OXI_LATER;
}

static oxi_abort_answer wait_on(struct oxi_wait *w)
{
	(void)w;
	return OXI_LATER;
}

static void hand_over(ox_sqlite *db)
{
	pthread_mutex_lock(&db->lock);
	db->handed_over = true;
	pthread_cond_signal(&db->wake);
	pthread_mutex_unlock(&db->lock);
}

int oxi_sqlite_do(ox_sqlite *db, bool may_cancel)
{
	struct oxi_wait w;

	atomic_store(&db->cancelled, false);
	oxi_wait_init(&w, "sqlite", db, may_cancel ? stop : wait_on);
	db->waiter = &w;
	hand_over(db);
	oxi_loop_hold(+1);
	oxi_park(&w);
	oxi_loop_hold(-1);
	return db->work.status;
}

int oxi_sqlite_run(ox_sqlite *db, const char *sql, bool may_cancel)
{
	db->work = (struct oxi_sqlite_work){ .op = OXI_SQLITE_QUERY, .sql = sql };
	return oxi_sqlite_do(db, may_cancel);
}

/* ---- calls ---- */

static void forget_error(ox_sqlite *db)
{
	db->text[0] = '\0';
	db->error = (ox_sqlite_error){ .message = db->text };
}

int oxi_sqlite_enter_any(ox_sqlite *db)
{
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(db, OXI_SQLITE_MAGIC);
	if (db->closed)
		return OX_ECLOSED;
	if (db->busy)
		return OX_EBUSY;
	db->busy = true;
	return 0;
}

int oxi_sqlite_enter(ox_sqlite *db, bool stream)
{
	int r = db ? oxi_checkpoint() : OX_ENOMEM;

	if (r == 0)
		r = oxi_sqlite_enter_any(db);
	if (r < 0)
		return r;
	if (db->stream != stream) {
		db->busy = false;
		return OX_ESTATE;
	}
	forget_error(db);
	return 0;
}

static void close_now(ox_sqlite *db);

int oxi_sqlite_leave(ox_sqlite *db, int r)
{
	db->busy = false;
	if (!db->in_transaction)
		db->depth = 0;
	if (!db->closed)
		return r;
	if (db->spans == 0)
		close_now(db);
	return r < 0 ? OX_ECLOSED : r;
}

void oxi_sqlite_enter_span(ox_sqlite *db)
{
	OXI_CHECK_OBJECT(db, OXI_SQLITE_MAGIC);
	db->spans++;
}

int oxi_sqlite_leave_span(ox_sqlite *db, int r)
{
	if (--db->spans == 0 && db->closed)
		close_now(db);
	return r;
}

const ox_sqlite_error *ox_sqlite_last_error(const ox_sqlite *db)
{
	OXI_CHECK_OBJECT(db, OXI_SQLITE_MAGIC);
	return &db->error;
}

/* ---- opening and closing ---- */

static void release(ox_sqlite *db)
{
	oxi_watch_free(db->watch);
	if (db->done_fd >= 0)
		close(db->done_fd);
	pthread_cond_destroy(&db->wake);
	pthread_mutex_destroy(&db->lock);
	db->magic = 0;
	oxi_free(db);
}

static void close_now(ox_sqlite *db)
{
	db->busy = true;
	oxi_hook_disarm(&db->at_end);
	db->work = (struct oxi_sqlite_work){ .op = OXI_SQLITE_CLOSE };
	oxi_sqlite_do(db, false);
	pthread_join(db->thread, NULL); /* it has said its last */
	release(db);
}

static void end_of_loop(struct oxi_hook *h)
{
	ox_sqlite *db = OXI_CONTAINER(h, ox_sqlite, at_end);

	db->work = (struct oxi_sqlite_work){ .op = OXI_SQLITE_CLOSE };
	hand_over(db);
	pthread_join(db->thread, NULL);
	oxi_watch_free(db->watch);
	db->watch = NULL;
	db->closed = true;
}

void ox_sqlite_close(ox_sqlite *db)
{
	if (db == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(db, OXI_SQLITE_MAGIC);
	if (db->busy || db->spans > 0) {
		db->closed = true;
		if (db->busy)
			interrupt(db);
	} else if (db->closed) {
		release(db);            /* its loop has ended */
	} else {
		close_now(db);
	}
}

/* The condition's times are those of the monotonic clock. */
static void init_locks(ox_sqlite *db)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&db->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&db->wake, &attr);
	pthread_condattr_destroy(&attr);
}

static int make(const ox_sqlite_options *o, ox_sqlite **ret)
{
	ox_sqlite *db = oxi_alloc(sizeof(*db));
	int r;

	if (db == NULL)
		return OX_ENOMEM;
	db->magic = OXI_SQLITE_MAGIC;
	db->o = *o;
	if (db->o.busy_timeout == 0)
		db->o.busy_timeout = OX_SEC(5);
	if (db->o.statements == 0)
		db->o.statements = 32;
	oxi_list_init(&db->kept);
	forget_error(db);
	init_locks(db);
	db->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = db->done_fd < 0 ? -errno : 0;
	if (r == 0) {
		db->watch = oxi_watch_new(db->done_fd, done, db);
		r = db->watch ? oxi_watch_set(db->watch, OX_READABLE) : OX_ENOMEM;
	}
	if (r == 0)
		r = start_thread(db);
	if (r < 0) {
		release(db);
		return r;
	}
	oxi_hook_init(&db->at_end, end_of_loop);
	oxi_hook_at_end(&db->at_end);
	*ret = db;
	return 0;
}

int ox_sqlite_open(const char *path, const ox_sqlite_options *o, ox_sqlite **ret)
{
	ox_sqlite *db = NULL;
	int r = oxi_checkpoint();

	if (r == 0 && path == NULL)
		r = OX_EINVAL;
	o = o ? o : OX_SQLITE_OPTIONS(.size = sizeof(*o));
	if (r == 0)
		r = make(o, &db);
	if (r == 0) {
		db->busy = true;
		db->work = (struct oxi_sqlite_work){ .op = OXI_SQLITE_OPEN, .sql = path };
		r = oxi_sqlite_do(db, true);
		db->busy = false;
	}
	if (r == 0) {
		*ret = db;
		return 0;
	}
	if (o->error_text)
		snprintf(o->error_text, 256, "%.255s", db && db->text[0] ? db->text : ox_strerror(r));
	if (db)
		close_now(db);
	return r;
}
