/* SPDX-License-Identifier: MIT */
/*
 * The kernel lets go of the lock when the last process that has its descriptor has ended, however that was: there is
 * nothing to unlock by hand. The processes that the runner forks have it too, until they end or become another
 * program, so a run whose runner was killed is locked until its jobs are gone.
 *
 * Who looks takes the lock too, shared and for a moment. So whoever finds it taken tries again for a while. F_GETLK
 * would not disturb, but it does not see flock(), and /proc/locks leaves out what other namespaces hold.
 */
#include "cli/state/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cli/temp.h"

enum { TRIES = 20, PAUSE_MS = 10 };

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int write_holder(int fd)
{
	char host[65] = "", text[160];
	if (gethostname(host, sizeof(host) - 1) < 0)
		return -errno;
	int n = snprintf(text, sizeof(text), "%ld %.3f %s\n", (long)getpid(), now(), host);
	return ftruncate(fd, 0) < 0 ? -errno : oxi_temp_write(fd, text, (size_t)n, 0);
}

static void read_holder(int fd, struct oxi_holder *ret)
{
	char text[160];
	long pid;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	*ret = (struct oxi_holder){ 0 };
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%ld %lf %64s", &pid, &ret->since, ret->host) == 3)
		ret->pid = (pid_t)pid;
	else
		*ret = (struct oxi_holder){ 0 };
}

static void say_holder(const char *dir, int fd, struct oxi_buffer *why)
{
	struct oxi_holder h;
	read_holder(fd, &h);
	oxi_buffer_add_text(why, dir);
	oxi_buffer_add_text(why, " is locked");
	if (h.pid) {
		time_t since = (time_t)h.since;
		struct tm tm;
		char text[32];
		strftime(text, sizeof(text), "%F %T", localtime_r(&since, &tm));
		oxi_buffer_add_format(why, " by process %ld on %s since %s", (long)h.pid, h.host, text);
	}
	oxi_buffer_add_text(why, ": it is gone as soon as that process and its jobs are");
}

static int lock(int fd)
{
	for (int i = 0; i < TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
	}
	return OX_EBUSY;
}

static int open_lock(const char *dir, int flags)
{
	struct oxi_buffer path = { 0 };
	oxi_buffer_add_text(&path, dir);
	oxi_buffer_add(&path, "/lock", sizeof("/lock"));
	int fd = path.failed ? -1 : open(path.data, flags | O_CLOEXEC, 0666);
	int r = path.failed ? OX_ENOMEM : fd < 0 ? -errno : fd;
	oxi_buffer_free(&path);
	return r;
}

int oxi_lock_take(const char *dir, int *ret_fd, struct oxi_buffer *why)
{
	int fd = open_lock(dir, O_RDWR | O_CREAT);
	int r = fd < 0 ? fd : lock(fd);
	if (r == OX_EBUSY)
		say_holder(dir, fd, why);
	if (r == 0)
		r = write_holder(fd);
	if (r < 0 && r != OX_EBUSY) {
		oxi_buffer_add_text(why, "cannot lock ");
		oxi_buffer_add_text(why, dir);
		oxi_buffer_add_format(why, ": %s", ox_strerror(r));
	}
	if (r < 0 && fd >= 0)
		close(fd);
	if (r == 0)
		*ret_fd = fd;
	return r;
}

int oxi_lock_look(const char *dir, struct oxi_holder *ret)
{
	int fd = open_lock(dir, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	int r = flock(fd, LOCK_SH | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? 1 : -errno;
	if (r == 1)
		read_holder(fd, ret);
	close(fd);
	return r;
}
