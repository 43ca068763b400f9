/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the core's calls fails once: each scenario runs with the first one failing, then the second, until
 * none is left. The leak checker sees what is lost. The other nouns have such a test beside their own; here are besides
 * those calls of theirs that another call had always spared an allocation: the first to buffer, to keep time, to need a thread.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/support.h"

static int doze(void *arg)
{
	int r = ox_sleep(OX_MS(1));

	return r < 0 ? r : (int)(intptr_t)arg;
}

/* The first error that is one of memory: what else happens is a consequence. */
static int first(int a, int b)
{
	return a == OX_ENOMEM || b >= 0 ? a : b;
}

static int tasks(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .name = "tasks"));
	ox_future *f[4], *done;
	int r, n = 0;

	(void)arg;
	for (int i = 0; i < 4; i++)
		f[i] = ox_spawn(g, doze, (void *)(intptr_t)i);
	r = ox_wait_any(f, 4);
	r = first(ox_wait(f, 4, OX_WAIT_ALL, OX_SEC(1)), r);
	r = first(ox_gather(f, 4), r);
	r = first(ox_wait_for(ox_spawn(g, doze, NULL), OX_SEC(1)), r);
	while (r >= 0 && (r = ox_group_next(g, &done)) > 0)
		n++;
	if (r == 0)
		EXPECT_EQ(n, 5);
	return r < 0 ? r : 0;
}

static int failures(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f[20];
	int r;

	(void)arg;
	for (int i = 0; i < 20; i++)
		f[i] = ox_spawn(g, doze, (void *)(intptr_t)-EPIPE);
	r = ox_group_join(g);
	for (int i = 0; i < 20; i++)
		if (ox_future_status(f[i]) == OX_ENOMEM)
			r = OX_ENOMEM;
	EXPECT(r == OX_ENOMEM || (r == -EPIPE && ox_group_error(g, 0) == -EPIPE));
	return r == -EPIPE ? 0 : r;
}

static int promises(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f = ox_promise(g);
	int r = ox_future_done(f) ? ox_future_status(f) : ox_promise_resolve(f, 3, "three", 5);

	(void)arg;
	if (r < 0)
		return r;
	EXPECT_EQ(ox_await(f), 3);
	return ox_group_join(g);
}

static int scopes(void *arg)
{
	ox_scope s, inner;
	int r;

	(void)arg;
	ox_scope_enter(&s, OX_MS(5));
	ox_scope_shield(&inner, OX_MS(1));
	r = ox_sleep(OX_SEC(1));
	r = ox_scope_leave(&inner, r);
	if (r == OX_ETIMEDOUT)
		r = ox_scope_reschedule(&s, ox_now() + OX_MS(1));
	if (r == 0)
		r = ox_sleep(OX_SEC(1));
	r = ox_scope_leave(&s, r);
	return r == OX_ETIMEDOUT ? 0 : r;
}

static void count(void *arg)
{
	++*(int *)arg;
}

static int posts_and_descriptors(void *arg)
{
	static int n;                   /* counted also after an error, when the run ends */
	int fds[2], before = n, r;

	(void)arg;
	if (pipe(fds) < 0)
		return -errno;
	r = ox_post(ox_loop_self(), count, &n);
	if (r == 0)
		r = ox_wait_fd(fds[1], OX_WRITABLE);
	close(fds[0]);
	close(fds[1]);
	if (r >= 0)
		EXPECT_EQ(n, before + 1);
	return r < 0 ? r : 0;
}

/* ---- more futures than a wait has room for, timers that are the first of their loop ---- */

#define MANY 20

static int wait_for_many(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f[MANY];
	int which = *(int *)arg, r;

	for (int i = 0; i < MANY; i++)
		f[i] = ox_spawn(g, doze, NULL);
	r = which == 0   ? ox_gather(f, MANY)
	    : which == 1 ? ox_wait(f, MANY, OX_WAIT_ALL, OX_SEC(1))
	                 : ox_wait_any(f, MANY);
	for (int i = 0; i < MANY; i++)
		r = first(ox_await(f[i]), r);
	return r < 0 ? r : 0;
}

static int wait_for_a_promise(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_promise(g);
	int r = ox_future_done(f) ? ox_future_status(f) : arg ? ox_wait_for(f, OX_MS(1)) : ox_wait(&f, 1, OX_WAIT_ALL, OX_MS(1));

	return r == OX_ETIMEDOUT ? 0 : r;
}

static int shield_first(void *arg)
{
	ox_scope s;
	int r;

	(void)arg;
	ox_scope_shield(&s, OX_MS(1));
	r = ox_scope_leave(&s, ox_sleep(OX_SEC(1)));
	return r == OX_ETIMEDOUT ? 0 : r;
}

START_TEST(many_futures_and_first_timers)
{
	for (int which = 0; which < 3; which++)
		fails_cleanly(wait_for_many, &which);
	fails_cleanly(wait_for_a_promise, NULL);
	fails_cleanly(wait_for_a_promise, "wait for");
	fails_cleanly(shield_first, NULL);
}
END_TEST

/* ---- between coroutines ---- */

static int first_borrower(void *arg)
{
	OX_AUTO_LIMITER *a = ox_limiter_new(1), *b = ox_limiter_new(1);
	OX_AUTO_QUEUE *q = ox_queue_new(OX_UNBOUNDED);
	int r = a && b && q ? ox_limiter_acquire(a) : OX_ENOMEM;

	(void)arg;
	if (r == 0)
		r = ox_limiter_release(a);
	if (r == 0)
		r = ox_limiter_try_acquire_for(b, q);
	if (r == 0)
		r = ox_limiter_release_for(b, q);
	return r < 0 ? r : ox_queue_try_put(q, NULL);
}

START_TEST(first_borrowers_and_items)
{
	fails_cleanly(first_borrower, NULL);
}
END_TEST

/* ---- streams ---- */

static const ox_bytes newline = { "\n", 1 };

static int exact(ox_stream *s)
{
	char buf[3];

	return ox_read_exact(s, buf, sizeof(buf), NULL);
}

static int until(ox_stream *s)
{
	ox_bytes part;

	return ox_read_until(s, newline, 100, &part);
}

static int until_any(ox_stream *s)
{
	ox_bytes part;

	return ox_read_until_any(s, &newline, 1, 100, &part);
}

static int line(ox_stream *s)
{
	ox_bytes part;

	return ox_read_line(s, 100, &part);
}

static int peek(ox_stream *s)
{
	ox_bytes part;

	return ox_peek(s, 3, &part);
}

static int (*const reads[])(ox_stream *) = { exact, until, until_any, line, peek };

static int read_first(void *arg)
{
	ox_stream *a, *b;
	int r = ox_test_stream_pair(NULL, &a, &b);

	if (r < 0)
		return r;
	r = (int)ox_write(a, "one\ntwo", 7);
	if (r > 0)
		r = reads[*(size_t *)arg](b);
	ox_stream_abort(a);
	ox_stream_abort(b);
	return r;
}

static int gather_parts(ox_stream *s)
{
	const ox_bytes parts[] = { { "gathered", 8 }, { " parts", 6 } };

	return (int)ox_writev(s, parts, 2);
}

static int send_a_file(ox_stream *s)
{
	int fd = memfd_create("test", MFD_CLOEXEC), r;

	EXPECT_EQ(write(fd, "contents", 8), 8);
	r = ox_sendfile(s, fd, 0, 8, NULL);
	close(fd);
	return r;
}

static int (*const writes[])(ox_stream *) = { gather_parts, send_a_file };

/* The last call closes the stream, whatever it says. */
static int write_first(void *arg)
{
	ox_stream *a, *b;
	int r = ox_test_stream_pair(OX_TEST_STREAM_OPTIONS(.capacity = 4), &a, &b), closed;

	if (r < 0)
		return r;
	r = writes[*(size_t *)arg](a);
	closed = ox_close_within(a, OX_MS(1));          /* nobody reads: what is buffered is not sent in time */
	EXPECT(closed == OX_ETIMEDOUT || r < 0);
	ox_stream_abort(b);
	return r < 0 ? r : 0;
}

START_TEST(first_reads_and_writes)
{
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		fails_cleanly(read_first, &i);
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		fails_cleanly(write_first, &i);
}
END_TEST

static int adopt_all(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	ox_stream *s[4] = { NULL };
	char address[OX_ADDRESS_TEXT];
	ox_address a;
	int fds[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	(void)arg;
	EXPECT_EQ(ox_address_parse("127.0.0.1:0", &a), 0);
	EXPECT(bind(fd, (struct sockaddr *)&a.storage, a.len) == 0 && listen(fd, 5) == 0);
	EXPECT_EQ(pipe(fds), 0);
	r = ox_stream_adopt(fds[0], &s[0]);             /* a descriptor is given away in any case */
	r = first(ox_stream_adopt(fds[1], &s[1]), r);
	r = first(ox_listener_adopt(fd, &l), r);
	if (r == 0)
		r = ox_listener_address(l, address, sizeof(address));
	if (r == 0)
		r = ox_connect_with(address, NULL, &s[2]);
	if (r == 0)
		r = ox_accept(l, &s[3]);
	for (int i = 0; i < 4; i++)
		ox_stream_abort(s[i]);
	return r;
}

START_TEST(descriptors_are_adopted_and_connections_accepted)
{
	fails_cleanly_real(adopt_all, NULL);
}
END_TEST

/* ---- files: each call is the first to need a thread ---- */

static const char *path(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "test-memory-%d", (int)getpid());
	return text;
}

static int with_file(int (*use)(ox_file *f))
{
	OX_AUTO_FILE *f = NULL;
	int fd = open(path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600), r = ox_file_adopt(fd, &f);

	return r < 0 ? r : use(f);
}

static int lock_file(ox_file *f)
{
	return ox_file_lock(f, LOCK_EX);
}

static int read_file(ox_file *f)
{
	char buf[8];

	return (int)ox_file_read(f, buf, sizeof(buf));
}

static int lock_one(void *arg)
{
	(void)arg;
	return with_file(lock_file);
}

static int read_one(void *arg)
{
	(void)arg;
	return with_file(read_file);
}

static int replace_one(void *arg)
{
	ox_file *f = NULL;
	int r = ox_file_replace(path(), 0600, &f);

	(void)arg;
	if (r == 0)
		r = (int)ox_file_write(f, "new", 3);
	if (r > 0)
		return ox_file_commit(f);
	ox_file_close(f);
	return r;
}

static int list_folder(void *arg)
{
	ox_dir *d = NULL;
	ox_dir_entry e;
	int r = ox_dir_open(".", &d);

	(void)arg;
	if (r == 0)
		r = ox_dir_next(d, &e);
	ox_dir_close(d);
	return r < 0 ? r : 0;
}

START_TEST(first_calls_about_files)
{
	fails_cleanly(lock_one, NULL);
	fails_cleanly(read_one, NULL);
	fails_cleanly(replace_one, NULL);
	fails_cleanly(list_folder, NULL);
	unlink(path());
}
END_TEST

START_TEST(tasks_and_waiting)
{
	fails_cleanly(tasks, NULL);
}
END_TEST

START_TEST(a_group_of_many_failures)
{
	fails_cleanly(failures, NULL);
}
END_TEST

START_TEST(promises_with_a_value)
{
	fails_cleanly(promises, NULL);
}
END_TEST

START_TEST(scopes_and_their_timers)
{
	fails_cleanly(scopes, NULL);
}
END_TEST

START_TEST(posts_and_foreign_descriptors)
{
	fails_cleanly_real(posts_and_descriptors, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory");
	TCase *c = new_case(s, "every allocation fails once", 60);

	tcase_add_test(c, tasks_and_waiting);
	tcase_add_test(c, a_group_of_many_failures);
	tcase_add_test(c, promises_with_a_value);
	tcase_add_test(c, scopes_and_their_timers);
	tcase_add_test(c, posts_and_foreign_descriptors);
	tcase_add_test(c, many_futures_and_first_timers);
	tcase_add_test(c, first_borrowers_and_items);
	tcase_add_test(c, first_reads_and_writes);
	tcase_add_test(c, descriptors_are_adopted_and_connections_accepted);
	tcase_add_test(c, first_calls_about_files);
	return run_suite(s);
}
