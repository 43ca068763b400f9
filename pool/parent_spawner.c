/* SPDX-License-Identifier: MIT */
/*
 * The main process's side of the spawner, one for the process, under a lock because pools of several threads
 * share it.
 *
 * It is forked twice, the process between ending at once: so it is nobody's child, no wait() of the program
 * meets it, and a promoted standby is no different. The control socket carries one question at a time (POOL)
 * and its answer; news of standbys waits in it until somebody looks. When the active spawner is gone, which
 * whoever asks finds out, the last standby that it told of takes its place. All else goes over each pool's
 * own socket. When both are gone there is no third: main has ZeroMQ's threads and must not fork.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "include/private/auto.h"
#include "include/private/sanitize.h"
#include "pool/packet.h"
#include "pool/parent.h"
#include "pool/spawner.h"

#define ANSWER_MS   5000
#define STACK       OX_MIB(8)

static struct {
	pthread_mutex_t lock;
	int control, standby;           /* -1: none */
} spawner = { PTHREAD_MUTEX_INITIALIZER, -1, -1 };

/* ---- the fork ---- */

/*
 * A thread that has been joined may be listed for some time yet, but it runs none of the program's code: the kernel has
 * marked it as exiting (PF_EXITING) before it wakes who joins it.
 */
static bool is_exiting(int tasks, const char *tid)
{
	char name[64], stat[512];
	unsigned flags;

	snprintf(name, sizeof name, "%s/stat", tid);
	OXI_AUTO_FD fd = openat(tasks, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
	if (n < 0)
		return errno == ENOENT || errno == ESRCH;
	stat[n] = '\0';
	const char *end_of_name = strrchr(stat, ')');
	return end_of_name != NULL && sscanf(end_of_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & 4) != 0;
}

static bool has_threads(void)
{
	DIR *d = opendir("/proc/self/task");
#ifdef OXI_TSAN
	unsigned n = 0, allowed = 2;    /* the sanitizer has one of its own */
#else
	unsigned n = 0, allowed = 1;
#endif

	if (d == NULL)
		return false;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.' && !is_exiting(dirfd(d), e->d_name);
	closedir(d);
	return n > allowed;
}

/* For the child: static, because it may change stacks before it reads them. */
static struct { int control, parent_pidfd; } heir;

static _Noreturn void enter_spawner(void)
{
	oxi_spawner_main(heir.control, heir.parent_pidfd);
}

static void arrive_on_big_stack(void)
{
#ifdef OXI_ASAN
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
	enter_spawner();
}

/* Workers inherit the stack of the spawner: a coroutine's is too small for jobs. */
static _Noreturn void enter_on_big_stack(void)
{
	static ucontext_t c;
	void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		_exit(1);
	getcontext(&c);
	c.uc_stack.ss_sp = stack;
	c.uc_stack.ss_size = STACK;
	makecontext(&c, arrive_on_big_stack, 0);
#ifdef OXI_ASAN
	__sanitizer_start_switch_fiber(NULL, stack, STACK);
#endif
	setcontext(&c);
	_exit(1);
}

static int fork_twice(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pid = fork();
		if (pid != 0)
			_exit(pid < 0);
		if (oxi_loop_running())
			enter_on_big_stack();
		enter_spawner();
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0;       /* the program ignores SIGCHLD */
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}

/* Not 0, 1 or 2: those the spawner and its workers leave alone. */
static int above_standard(int fd)
{
	int high = fd < 0 || fd > 2 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (high != fd)
		close(fd);
	return high;
}

static int prepare(void)
{
	int pair[2];

	if (spawner.control >= 0)
		return 0;
	if (has_threads()) {
		oxi_log(OX_LOG_ERROR, "no pool: the process has threads already (file and DNS calls start them, too). Call "
		        "ox_pool_prepare() before");
		return OX_ESTATE;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	OXI_AUTO_FD theirs = above_standard(pair[1]);
	OXI_AUTO_FD pidfd = above_standard((int)syscall(SYS_pidfd_open, getpid(), 0));
	int ours = above_standard(pair[0]);
	heir.control = theirs;
	heir.parent_pidfd = pidfd;
	int r = theirs < 0 || pidfd < 0 || ours < 0 ? -errno : fork_twice();
	if (r == 0)
		spawner.control = ours;
	else if (ours >= 0)
		close(ours);
	return r;
}

int oxi_spawner_prepare(void)
{
	pthread_mutex_lock(&spawner.lock);
	int r = prepare();
	pthread_mutex_unlock(&spawner.lock);
	return r;
}

/* ---- questions and answers ---- */

static void keep_standby(int fd)
{
	if (fd < 0)
		return;
	if (spawner.standby >= 0)
		close(spawner.standby);
	spawner.standby = fd;
}

/* 0 with the answer; -EPIPE: the spawner is gone. */
static int await_answer(int *ret_status)
{
	struct pollfd p = { .fd = spawner.control, .events = POLLIN };
	struct oxi_packet m;
	int fds[OXI_PACKET_FDS], r;

	for (;;) {
		r = oxi_packet_receive(spawner.control, &m, fds);
		if (r == -EAGAIN) {
			r = poll(&p, 1, ANSWER_MS);
			if (r == 0)
				return -EPIPE;  /* stopped, perhaps: as good as gone */
			continue;
		}
		if (r != 1)
			return -EPIPE;
		if (m.kind == OXI_PACKET_ANSWER) {
			*ret_status = m.status;
			return 0;
		}
		keep_standby(fds[0]);
	}
}

/* The active spawner is gone: the standby takes over. If that is gone too, only a process with one thread gets another. */
static int promote(void)
{
	struct oxi_packet m;
	int fds[OXI_PACKET_FDS];

	while (oxi_packet_receive(spawner.control, &m, fds) == 1)
		keep_standby(fds[0]);
	close(spawner.control);
	spawner.control = spawner.standby;
	spawner.standby = -1;
	if (spawner.control >= 0)
		return 0;
	if (has_threads()) {
		oxi_log(OX_LOG_ERROR, "the spawner and its standby were both killed: no worker can be started any more");
		return OX_EINIT;
	}
	return prepare();
}

static int ask(const struct oxi_arena *a, int *ret_socket)
{
	struct oxi_packet m = { .kind = OXI_PACKET_POOL, .arena = *a };
	int pair[2], status = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	int r = oxi_packet_send(spawner.control, &m, (int[]){ a->fd, pair[1] }, 2);
	close(pair[1]);
	if (r == 0)
		r = await_answer(&status);
	if (r == 0)
		r = status;
	if (r < 0)
		close(pair[0]);
	else
		*ret_socket = pair[0];
	return r;
}

int oxi_spawner_register(const struct oxi_arena *a, int *ret_socket)
{
	pthread_mutex_lock(&spawner.lock);
	int r = prepare();
	if (r == 0)
		r = ask(a, ret_socket);
	for (unsigned tries = 0; r == -EPIPE && tries < 3; tries++)
		if ((r = promote()) == 0)
			r = ask(a, ret_socket);
	pthread_mutex_unlock(&spawner.lock);
	return r;
}
