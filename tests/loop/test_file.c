/* SPDX-License-Identifier: MIT */
/* Files: reading, writing, locking, replacing, and paths. */
#include "tests/loop/actor.h"
#include "tests/loop/folder.h"
#include "tests/loop/threads.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MODE 0644

static int write_whole(const char *path, const char *text)
{
	ox_file *f;
	int r = ox_file_open(path, O_WRONLY | O_CREAT | O_TRUNC, MODE, &f);

	if (r < 0)
		return r;
	EXPECT_EQ(ox_file_write(f, text, strlen(text)), strlen(text));
	return ox_file_close(f);
}

static bool contains(const char *path, const char *text)
{
	OX_AUTO_CONTENTS *c = NULL;

	return ox_file_load(path, SIZE_MAX, &c) == 0 && c->len == strlen(text) && strcmp(c->data, text) == 0;
}

/* ---- open files ---- */

static int round_trip(void *arg)
{
	OX_AUTO_FILE *f = NULL;
	char buf[16] = "";
	struct stat st;

	(void)arg;
	EXPECT_EQ(ox_file_open("a", O_RDWR | O_CREAT, 0600, &f), 0);
	EXPECT(fcntl(ox_file_fd(f), F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(ox_file_write(f, "hello, ", 7), 7);
	EXPECT_EQ(ox_file_write(f, "world", 5), 5);
	EXPECT_EQ(ox_file_seek(f, 0, SEEK_CUR), 12);
	EXPECT_EQ(ox_file_pwrite(f, "H", 1, 0), 1);
	EXPECT_EQ(ox_file_seek(f, 0, SEEK_SET), 0);
	EXPECT_EQ(ox_file_read(f, buf, 7), 7);
	EXPECT(memcmp(buf, "Hello, ", 7) == 0);
	EXPECT_EQ(ox_file_read(f, buf, sizeof(buf)), 5);        /* the rest */
	EXPECT_EQ(ox_file_read(f, buf, sizeof(buf)), 0);        /* the end */
	EXPECT_EQ(ox_file_pread(f, buf, 5, 7), 5);
	EXPECT(memcmp(buf, "world", 5) == 0);
	EXPECT_EQ(ox_file_pread(f, buf, 5, 100), 0);
	EXPECT_EQ(ox_file_pread(f, buf, 0, 0), 0);
	EXPECT_EQ(ox_file_sync(f), 0);
	EXPECT_EQ(ox_file_sync_data(f), 0);
	EXPECT_EQ(ox_file_truncate(f, 5), 0);
	EXPECT_EQ(ox_file_stat(f, &st), 0);
	EXPECT_EQ(st.st_size, 5);
	EXPECT_EQ(st.st_mode & 0777, 0600);
	return 0;
}

START_TEST(what_is_written_is_read)
{
	run_virtual(round_trip, NULL);
}
END_TEST

static int refusals(void *arg)
{
	OX_AUTO_FILE *f = NULL;
	ox_file *g = arg;
	ox_contents *contents = NULL;
	char c;
	ox_scope s;

	EXPECT_EQ(ox_file_open("nowhere", O_RDONLY, 0, &g), -ENOENT);
	EXPECT_EQ(ox_file_adopt(-1, &g), -EBADF);
	EXPECT(g == arg);
	EXPECT_EQ(ox_file_open("a", O_WRONLY | O_CREAT, MODE, &f), 0);
	EXPECT_EQ(ox_file_read(f, &c, 1), -EBADF);
	EXPECT_EQ(ox_file_pread(f, &c, 1, -1), OX_EINVAL);
	EXPECT_EQ(ox_file_pwrite(f, &c, 1, -1), OX_EINVAL);
	EXPECT_EQ(ox_file_seek(f, -1, SEEK_SET), -EINVAL);
	EXPECT_EQ(ox_file_truncate(f, -1), -EINVAL);
	EXPECT_EQ(ox_file_lock(f, 0), OX_EINVAL);
	EXPECT_EQ(ox_file_commit(f), OX_ESTATE);
	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_file_open("a", O_RDONLY, 0, &g), OX_ECANCELED);
	EXPECT_EQ(ox_file_write(f, "x", 1), OX_ECANCELED);
	EXPECT_EQ(ox_file_sync(f), OX_ECANCELED);
	EXPECT_EQ(ox_file_load("a", 1, &contents), OX_ECANCELED);
	ox_scope_leave(&s, 0);
	EXPECT_EQ(ox_file_close(NULL), 0);
	ox_contents_free(NULL);
	return 0;
}

START_TEST(what_makes_no_sense_is_refused)
{
	ox_file *f;

	run_virtual(refusals, NULL);
	ck_assert_int_eq(ox_file_open("a", O_RDONLY, 0, &f), OX_ESTATE);
	ck_assert_int_eq(ox_file_adopt(open("a", O_RDONLY), &f), 0);
	ck_assert_int_eq(ox_file_close(f), 0);          /* also outside of a loop */
}
END_TEST

static int no_space(void *arg)
{
	OX_AUTO_FILE *f = NULL;

	(void)arg;
	EXPECT_EQ(ox_file_open("/dev/full", O_WRONLY, 0, &f), 0);
	EXPECT_EQ(ox_file_write(f, "x", 1), -ENOSPC);
	return 0;
}

START_TEST(a_full_disk_is_reported)
{
	run_virtual(no_space, NULL);
}
END_TEST

#define BIG ((size_t)3 << 20)

static int note_turn(void *arg)
{
	*(bool *)arg = true;
	return 0;
}

static int cached(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_FILE *f = NULL;
	char buf[4096], *big = malloc(BIG);
	bool ran = false;

	(void)arg;
	EXPECT_EQ(ox_file_open("a", O_RDWR | O_CREAT, MODE, &f), 0);
	EXPECT_EQ(ox_file_write(f, memset(buf, 'x', sizeof(buf)), sizeof(buf)), sizeof(buf));
	ox_spawn(g, note_turn, &ran);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ox_file_pread(f, buf, sizeof(buf), 0), sizeof(buf));
	EXPECT(!ran);                                   /* the caller was never parked */
	EXPECT_EQ(ox_file_truncate(f, BIG), 0);
	EXPECT(ran);
	ran = false;
	ox_spawn(g, note_turn, &ran);
	EXPECT_EQ(ox_file_pread(f, big, BIG, 0), BIG);
	EXPECT(ran);                                    /* nor was the loop held up for as long as much takes */
	free(big);
	return ox_group_join(g);
}

START_TEST(what_is_in_memory_is_read_without_a_thread)
{
	if (under_emulator())
		SKIP("the emulator does not pass on RWF_NOWAIT");
	fifo_only();            /* who is ready first shows who was parked */
	run_virtual(cached, NULL);
}
END_TEST

static int big(void *arg)
{
	OX_AUTO_FILE *f = NULL;
	char *out = malloc(BIG), *in = malloc(BIG);

	(void)arg;
	for (size_t i = 0; i < BIG; i++)
		out[i] = (char)(i * 2654435761u >> 13);
	EXPECT_EQ(ox_file_open("big", O_RDWR | O_CREAT, MODE, &f), 0);
	EXPECT_EQ(ox_file_write(f, out, BIG), BIG);
	for (int half = 0; half < 2; half++) {          /* nothing of it is in memory, and half of it */
		EXPECT_EQ(ox_file_sync(f), 0);
		EXPECT_EQ(posix_fadvise(ox_file_fd(f), half ? BIG / 2 : 0, 0, POSIX_FADV_DONTNEED), 0);
		memset(in, 0, BIG);
		EXPECT_EQ(ox_file_pread(f, in, BIG, 0), BIG);
		EXPECT(memcmp(in, out, BIG) == 0);
	}
	EXPECT_EQ(ox_file_pread(f, in, BIG, 1), BIG - 1);
	free(out);
	free(in);
	return 0;
}

START_TEST(what_is_not_in_memory_is_read_by_a_thread)
{
	run_virtual(big, NULL);
}
END_TEST

/* ---- calls that take long: a FIFO stands for a slow device ---- */

struct slow {
	ox_file *f;
	char byte;
};

static int read_slow(void *arg)
{
	struct slow *s = arg;

	return (int)ox_file_read(s->f, &s->byte, 1);
}

static int close_slow(void *arg)
{
	return ox_file_close(((struct slow *)arg)->f);
}

static int slow_device(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct slow s = { .byte = 0 };
	ox_future *reader, *closer;
	int fds[2];
	char c;

	(void)arg;
	EXPECT_EQ(pipe(fds), 0);
	EXPECT_EQ(ox_file_adopt(fds[0], &s.f), 0);
	reader = ox_spawn(g, read_slow, &s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(reader);
	closer = ox_spawn(g, close_slow, &s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(closer);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(reader) && !ox_future_done(closer));
	EXPECT_EQ(ox_file_read(s.f, &c, 1), OX_ECLOSED);
	EXPECT_EQ(ox_file_seek(s.f, 0, SEEK_SET), OX_ECLOSED);
	EXPECT_EQ(write(fds[1], "!", 1), 1);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_future_status(reader), 1);         /* what came is not lost */
	EXPECT_EQ(s.byte, '!');
	EXPECT_EQ(ox_future_status(closer), 0);
	EXPECT_EQ(fcntl(fds[0], F_GETFD), -1);
	close(fds[1]);
	return 0;
}

START_TEST(closing_waits_for_calls_and_so_does_cancelling)
{
	run_virtual(slow_device, NULL);
}
END_TEST

static int open_fifo(void *arg)
{
	ox_file *f;

	(void)arg;
	return ox_file_open("fifo", O_RDONLY, 0, &f);
}

static int load_fifo(void *arg)
{
	ox_contents *c;

	(void)arg;
	return ox_file_load("fifo", 9, &c);
}

static int opening(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, open_fifo, NULL), *l = ox_spawn(g, load_fifo, NULL);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	while (count_threads() < 2)                     /* both have begun */
		usleep(1000);
	ox_future_cancel(f);
	ox_future_cancel(l);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);           /* nobody writes to it, ever */
	EXPECT_EQ(ox_await(l), OX_ECANCELED);
	return 0;
}

START_TEST(an_open_and_a_load_that_take_for_ever_are_abandoned)
{
	int fd;

	ck_assert_int_eq(mkfifo("fifo", MODE), 0);
	run_virtual(opening, NULL);
	fd = open("fifo", O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "more than nine", 14), 14);          /* with that both come to their ends */
	while (count_threads() > 0)
		usleep(1000);
	close(fd);
}
END_TEST

/* ---- locks ---- */

static int lock_ex(void *arg)
{
	return ox_file_lock(arg, LOCK_EX);
}

static int locks(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_FILE *a = NULL, *b = NULL;
	ox_future *waiter, *given_up;

	(void)arg;
	EXPECT_EQ(ox_file_open("l", O_RDWR | O_CREAT, MODE, &a), 0);
	EXPECT_EQ(ox_file_open("l", O_RDWR, 0, &b), 0);
	EXPECT_EQ(ox_file_lock(a, LOCK_SH), 0);
	EXPECT_EQ(ox_file_lock(b, LOCK_SH), 0);
	EXPECT_EQ(ox_file_lock(a, LOCK_EX | LOCK_NB), OX_EBUSY);
	EXPECT_EQ(ox_file_lock(b, LOCK_UN), 0);
	EXPECT_EQ(ox_file_lock(a, LOCK_EX | LOCK_NB), 0);       /* one becomes the other */
	EXPECT_EQ(ox_file_lock(b, LOCK_SH | LOCK_NB), OX_EBUSY);
	waiter = ox_spawn(g, lock_ex, b);
	given_up = ox_spawn(g, lock_ex, b);
	EXPECT_EQ(ox_sleep(OX_SEC(1)), 0);
	EXPECT(!ox_future_done(waiter));
	ox_future_cancel(given_up);
	EXPECT_EQ(ox_await(given_up), OX_ECANCELED);
	EXPECT_EQ(ox_file_lock(a, LOCK_UN), 0);
	EXPECT_EQ(ox_await(waiter), 0);
	EXPECT_EQ(ox_file_lock(a, LOCK_SH | LOCK_NB), OX_EBUSY);
	return 0;
}

static int close_locking(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_FILE *a = NULL;
	ox_file *b;
	ox_future *waiter;

	(void)arg;
	EXPECT_EQ(ox_file_open("l", O_RDWR | O_CREAT, MODE, &a), 0);
	EXPECT_EQ(ox_file_open("l", O_RDWR, 0, &b), 0);
	EXPECT_EQ(ox_file_lock(a, LOCK_EX), 0);
	waiter = ox_spawn(g, lock_ex, b);
	EXPECT_EQ(ox_sleep(OX_SEC(1)), 0);
	EXPECT_EQ(ox_file_close(b), 0);
	EXPECT(ox_future_done(waiter));                 /* and uses the file no more */
	EXPECT_EQ(ox_await(waiter), OX_ECLOSED);
	return 0;
}

static int read_on(void *arg)
{
	ssize_t n;
	char c;

	while ((n = ox_file_pread(arg, &c, 1, 0)) == 0)
		;
	return (int)n;
}

static int close_reading(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *reader;
	ox_file *f;

	(void)arg;
	EXPECT_EQ(ox_file_open("a", O_RDWR | O_CREAT, MODE, &f), 0);
	reader = ox_spawn(g, read_on, f);
	EXPECT_EQ(ox_yield(), 0);                       /* it has to give way in the midst of a call */
	EXPECT_EQ(ox_file_close(f), 0);
	EXPECT_EQ(ox_await(reader), OX_ECLOSED);
	return 0;
}

START_TEST(a_call_that_gives_way_meets_the_close)
{
	fifo_only();            /* the call has begun when the object is closed */
	run_virtual(close_reading, NULL);
}
END_TEST

START_TEST(closing_ends_the_wait_for_a_lock)
{
	run_virtual(close_locking, NULL);
}
END_TEST

START_TEST(locks_exclude_open_files)
{
	run_virtual(locks, NULL);
}
END_TEST

/* ---- whole files ---- */

static int loading(void *arg)
{
	OX_AUTO_CONTENTS *exact = NULL, *status = NULL, *empty = NULL;
	ox_contents *c = NULL;

	(void)arg;
	EXPECT_EQ(write_whole("a", "0123456789"), 0);
	EXPECT_EQ(ox_file_load("a", 10, &exact), 0);
	EXPECT(exact && exact->len == 10 && strcmp(exact->data, "0123456789") == 0);
	EXPECT_EQ(ox_file_load("a", 9, &c), OX_ETOOBIG);
	EXPECT_EQ(ox_file_load("a", 0, &c), OX_ETOOBIG);
	EXPECT_EQ(ox_file_load(".", 9, &c), -EISDIR);
	EXPECT_EQ(ox_file_load("b", 9, &c), -ENOENT);
	EXPECT_EQ(write_whole("b", ""), 0);
	EXPECT_EQ(ox_file_load("b", 0, &empty), 0);
	EXPECT(empty && empty->len == 0 && empty->data[0] == '\0');
	EXPECT_EQ(ox_file_load("/proc/self/status", SIZE_MAX, &status), 0);     /* its size says 0 */
	EXPECT(status && status->len > 100 && strstr(status->data, "Threads:"));
	return 0;
}

START_TEST(a_whole_file_is_loaded_up_to_a_limit)
{
	run_virtual(loading, NULL);
}
END_TEST

static int replacing(void *arg)
{
	ox_file *f;
	struct stat st;

	(void)arg;
	umask(022);
	EXPECT_EQ(ox_file_save("a", "one", 3, 0), 0);
	EXPECT(contains("a", "one"));
	EXPECT_EQ(ox_path_stat("a", 0, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0644);
	EXPECT_EQ(chmod("a", 0640), 0);
	EXPECT_EQ(ox_file_replace("a", 0, &f), 0);
	EXPECT_EQ(ox_file_write(f, "two", 3), 3);
	EXPECT(contains("a", "one"));
	EXPECT_EQ(ox_file_commit(f), 0);
	EXPECT(contains("a", "two"));
	EXPECT_EQ(ox_path_stat("a", 0, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0640);             /* the old one's */
	EXPECT_EQ(ox_path_mkdir("folder", 0755), 0);
	EXPECT_EQ(ox_file_save("folder/b", "three", 5, 0600), 0);
	EXPECT(contains("folder/b", "three"));
	EXPECT_EQ(ox_path_stat("folder/b", 0, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600);
	EXPECT_EQ(ox_file_save("nowhere/b", "x", 1, 0), -ENOENT);
	EXPECT_EQ(ox_file_save("folder", "x", 1, 0), -EISDIR);
	EXPECT_EQ(count_names("."), 2);
	EXPECT_EQ(count_names("folder"), 1);
	return 0;
}

static int not_replacing(void *arg)
{
	ox_file *f;
	ox_scope s;

	(void)arg;
	EXPECT_EQ(ox_file_save("a", "old", 3, 0), 0);
	EXPECT_EQ(ox_file_replace("a", 0, &f), 0);
	EXPECT_EQ(ox_file_write(f, "new", 3), 3);
	EXPECT_EQ(ox_file_close(f), 0);
	EXPECT_EQ(ox_file_replace("a", 0, &f), 0);
	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_file_commit(f), OX_ECANCELED);
	ox_scope_leave(&s, 0);
	EXPECT(contains("a", "old"));
	EXPECT_EQ(count_names("."), 1);
	return 0;
}

START_TEST(a_file_is_replaced_whole_or_not_at_all)
{
	run_virtual(replacing, NULL);
}
END_TEST

START_TEST(a_replacement_that_is_not_committed_leaves_nothing)
{
	run_virtual(not_replacing, NULL);
}
END_TEST

static int die_replacing(void *arg)
{
	ox_file *f;

	(void)arg;
	if (ox_file_replace("a", 0, &f) == 0 && ox_file_write(f, "new", 3) == 3)
		kill(getpid(), SIGKILL);
	return 1;
}

static int install(const struct sock_fprog *program)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
}

/* Makes this process one whose file system knows no nameless files. */
static int forbid_tmpfile(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	return install(&program);
}

/* One whose disk is full when it is asked to sync. */
static int forbid_sync(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	return install(&program);
}

static int replace_by_name(void *arg)
{
	ox_file *f;

	(void)arg;
	if (ox_file_replace("a", 0, &f) < 0 || ox_file_write(f, "new", 3) != 3 || count_names(".") != 2)
		return 1;
	if (ox_file_close(f) < 0 || count_names(".") != 1 || !contains("a", "old"))
		return 2;
	if (ox_file_save("a", "new", 3, 0) < 0 || count_names(".") != 1 || !contains("a", "new"))
		return 3;
	if (mkdir("d", 0755) < 0 || ox_file_save("d", "new", 3, 0) != -EISDIR || rmdir("d") < 0 || count_names(".") != 1)
		return 4;
	return 0;
}

static int fail_to_replace(void *arg)
{
	(void)arg;
	if (ox_file_save("a", "new", 3, 0) != -ENOSPC)
		return 1;
	return count_names(".") != 1 || !contains("a", "old") ? 2 : 0;
}

static int keep_old(void *arg)
{
	(void)arg;
	return ox_file_save("a", "old", 3, 0);
}

static int old_there(void *arg)
{
	(void)arg;
	EXPECT(contains("a", "old"));
	return 0;
}

START_TEST(who_is_killed_while_writing_leaves_nothing_either)
{
	int status;

	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	run_virtual(keep_old, NULL);
	status = play("die");
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(count_names("."), 1);
	run_virtual(old_there, NULL);
}
END_TEST

START_TEST(without_nameless_files_there_are_temporary_names)
{
	int status;

	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	run_virtual(keep_old, NULL);
	status = play("named");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no seccomp here");
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_replacement_that_cannot_be_synced_leaves_nothing)
{
	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	static const char *const parts[] = { "unsynced", "named and unsynced" };

	run_virtual(keep_old, NULL);
	for (int i = 0; i < 2; i++) {
		int status = play(parts[i]);

		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			SKIP("no seccomp here");
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

/* ---- paths ---- */

static int paths(void *arg)
{
	struct stat st;

	(void)arg;
	EXPECT_EQ(write_whole("a", "x"), 0);
	EXPECT_EQ(ox_path_rename("a", "b"), 0);
	EXPECT_EQ(ox_path_rename("a", "b"), -ENOENT);
	EXPECT_EQ(symlink("b", "link"), 0);
	EXPECT_EQ(ox_path_stat("link", 0, &st), 0);
	EXPECT(S_ISREG(st.st_mode));
	EXPECT_EQ(ox_path_stat("link", AT_SYMLINK_NOFOLLOW, &st), 0);
	EXPECT(S_ISLNK(st.st_mode));
	EXPECT_EQ(ox_path_unlink("b"), 0);
	EXPECT_EQ(ox_path_unlink("b"), -ENOENT);
	EXPECT_EQ(ox_path_stat("link", 0, &st), -ENOENT);
	EXPECT_EQ(ox_path_mkdir("d", 0755), 0);
	EXPECT_EQ(ox_path_mkdir("d", 0755), -EEXIST);
	EXPECT_EQ(ox_path_mkdirs("d/e/f//g/", 0755), 0);
	EXPECT_EQ(ox_path_mkdirs("d/e/f/g", 0755), 0);
	EXPECT_EQ(ox_path_mkdirs(test_folder, 0755), 0);
	EXPECT_EQ(ox_path_mkdirs("", 0755), -ENOENT);
	EXPECT_EQ(write_whole("file", "x"), 0);
	EXPECT_EQ(ox_path_mkdirs("file/x", 0755), -EEXIST);
	EXPECT_EQ(ox_path_mkdirs("file", 0755), -EEXIST);
	EXPECT_EQ(ox_path_rmdir("d/e"), -ENOTEMPTY);
	EXPECT_EQ(ox_path_rmdir("d/e/f/g"), 0);
	EXPECT_EQ(ox_path_unlink("d"), -EISDIR);
	return 0;
}

START_TEST(paths_are_made_moved_and_removed)
{
	run_virtual(paths, NULL);
}
END_TEST

/* ---- trouble ---- */

static int first_error(void *arg)
{
	OX_AUTO_FILE *f = NULL;
	OX_AUTO_CONTENTS *c = NULL;
	struct stat st;
	char buf[4];
	int r = ox_file_save("a", "text", 4, 0);

	(void)arg;
	if (r == 0)
		r = ox_file_open("a", O_RDWR, 0, &f);
	if (r == 0)
		r = (int)ox_file_pread(f, buf, 4, 0);
	if (r >= 0)
		r = (int)ox_file_pwrite(f, buf, 4, 0);
	if (r >= 0)
		r = ox_file_sync(f);
	if (r == 0)
		r = ox_file_lock(f, LOCK_EX);
	if (r == 0)
		r = ox_file_load("a", 100, &c);
	return r < 0 ? r : ox_path_stat("a", 0, &st);
}

static void *fail_in_thread(void *n)
{
	return (void *)ox_test_fail_allocation((size_t)n);
}

/* The thread that became idle last is the next one's: what fails in it is the load. */
static int load_without_memory(void *arg)
{
	size_t made = 0;

	(void)arg;
	EXPECT_EQ(ox_file_save("a", "text", 4, 0), 0);
	for (size_t n = 1; made + 1 >= n; n++) {
		OX_AUTO_CONTENTS *c = NULL;
		void *got;
		int r;

		EXPECT_EQ(ox_thread_call(fail_in_thread, (void *)n, NULL), 0);
		r = ox_file_load("a", 100, &c);
		EXPECT_EQ(ox_thread_call(fail_in_thread, NULL, &got), 0);
		made = (size_t)got;
		EXPECT_EQ(r, made >= n ? OX_ENOMEM : 0);
		EXPECT((r == 0) == (c != NULL));
	}
	EXPECT(made > 0);
	return 0;
}

START_TEST(every_allocation_in_a_thread_may_fail)
{
	run_real(load_without_memory, NULL);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
	fails_cleanly(first_error, NULL);
	ck_assert_int_le(count_names("."), 1);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s;
	TCase *c;

	if (argc == 2 && strcmp(argv[1], "die") == 0)
		return ox_run(die_replacing, NULL, NULL);
	if (argc == 2 && strncmp(argv[1], "named", 5) == 0 && forbid_tmpfile() < 0)
		return 77;
	if (argc == 2 && strstr(argv[1], "unsynced"))
		return forbid_sync() < 0 ? 77 : ox_run(fail_to_replace, NULL, NULL);
	if (argc == 2)
		return ox_run(replace_by_name, NULL, NULL);
	s = suite_create("file");
	c = folder_case(s, "open files", 20);
	tcase_add_test(c, what_is_written_is_read);
	tcase_add_test(c, what_makes_no_sense_is_refused);
	tcase_add_test(c, a_full_disk_is_reported);
	tcase_add_test(c, what_is_in_memory_is_read_without_a_thread);
	tcase_add_test(c, what_is_not_in_memory_is_read_by_a_thread);
	tcase_add_test(c, closing_waits_for_calls_and_so_does_cancelling);
	tcase_add_test(c, an_open_and_a_load_that_take_for_ever_are_abandoned);
	tcase_add_test(c, locks_exclude_open_files);
	tcase_add_test(c, closing_ends_the_wait_for_a_lock);
	tcase_add_test(c, a_call_that_gives_way_meets_the_close);
	c = folder_case(s, "whole files", 20);
	tcase_add_test(c, a_whole_file_is_loaded_up_to_a_limit);
	tcase_add_test(c, a_file_is_replaced_whole_or_not_at_all);
	tcase_add_test(c, a_replacement_that_is_not_committed_leaves_nothing);
	tcase_add_test(c, who_is_killed_while_writing_leaves_nothing_either);
	tcase_add_test(c, without_nameless_files_there_are_temporary_names);
	tcase_add_test(c, a_replacement_that_cannot_be_synced_leaves_nothing);
	c = folder_case(s, "paths", 20);
	tcase_add_test(c, paths_are_made_moved_and_removed);
	tcase_add_test(c, every_allocation_in_a_thread_may_fail);
	tcase_add_test(c, every_allocation_may_fail);
	return run_suite(s);
}
