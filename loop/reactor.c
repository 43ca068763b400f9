/* SPDX-License-Identifier: MIT */
/*
 * The reactor: libevent as the poller, and the only includer of its headers in loop/. It knows descriptors
 * and one moment to wake up at, no coroutine.
 *
 * - oxi_fd: one of Oxbow's own descriptors, registered once, for both directions, edge-triggered. No system call per wait.
 * - oxi_watch: a foreign one, level-triggered.
 * - ox_wait_fd(): a foreign one, once, for a coroutine. A table by descriptor says who waits, so that two never wait for
 *   one event and the answer to the second is OX_EBUSY.
 *
 * The clock is a timerfd of our own, set to an absolute nanosecond and only when the next moment comes
 * earlier than the one it is set to. (libevent's precise timers set theirs before every poll, and its
 * timeouts are heaps of microseconds.)
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop/select.h"
#include "loop/state.h"

/* Who waits for a descriptor in ox_wait_fd(). */
struct fd_waits {
	struct event event;
	struct oxi_clause *reader, *writer;
	bool made;                      /* event is assigned */
};

struct oxi_reactor {
	struct event_base *base;
	bool foreign;                   /* the base is the caller's, and may be dispatched by him */
	void (*turn)(void);
	struct event turn_event;        /* of no descriptor: made active to have turn called out of the caller's base */
	int timer_fd;
	struct event timer_event;
	ox_time timer_at;               /* what the timerfd is set to; OX_NEVER: not */
	struct fd_waits **waits;        /* by descriptor */
	size_t waits_len;
};

/* ---- life ---- */

/* libevent ends the process when it finds no descriptor for its own needs: so it is asked only when there are some. */
static int spare_descriptors(void)
{
	int fds[4], n = 0;

	while (n < 4 && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	int r = n < 4 ? -errno : 0;
	while (n > 0)
		close(fds[--n]);
	return r;
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	return base;
}

static void turn_now(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	((struct oxi_reactor *)arg)->turn();
}

bool oxi_reactor_turn_soon(struct oxi_reactor *r)
{
	if (r->foreign)
		event_active(&r->turn_event, 0, 0);
	return r->foreign;
}

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct oxi_reactor *r = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		r->timer_at = OX_NEVER;
	oxi_reactor_turn_soon(r);
}

void oxi_reactor_wake_at(struct oxi_reactor *r, ox_time at)
{
	struct itimerspec t = { .it_value = { at / OX_SEC(1), at % OX_SEC(1) } };

	if (at <= 0 || at >= r->timer_at)
		return;                 /* waking early is harmless: the loop looks at its heap and comes again */
	r->timer_at = at;
	timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static int add_own_events(struct oxi_reactor *r)
{
	event_assign(&r->timer_event, r->base, r->timer_fd, EV_READ | EV_PERSIST, timer_fired, r);
	event_assign(&r->turn_event, r->base, -1, 0, turn_now, r);
	return event_add(&r->timer_event, NULL) < 0 ? OX_ENOMEM : 0;
}

int oxi_reactor_new(struct event_base *base, void (*turn)(void), struct oxi_reactor **ret)
{
	struct oxi_reactor *r = oxi_alloc(sizeof(*r));
	int error;

	*ret = r;
	if (r == NULL)
		return OX_ENOMEM;
	r->turn = turn;
	r->timer_at = OX_NEVER;
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (r->timer_fd < 0)
		return -errno;
	error = base ? 0 : spare_descriptors();
	if (error < 0)
		return error;
	r->foreign = base != NULL;
	r->base = base ? base : new_base();
	return r->base ? add_own_events(r) : OX_ENOMEM;
}

void oxi_reactor_free(struct oxi_reactor *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->waits_len; i++)
		oxi_free(r->waits[i]);
	oxi_free(r->waits);
	if (r->base) {
		event_del(&r->timer_event);
		event_del(&r->turn_event);
	}
	if (r->base && !r->foreign)
		event_base_free(r->base);
	if (r->timer_fd >= 0)
		close(r->timer_fd);
	oxi_free(r);
}

/* libevent does not tell its epoll descriptor: it is the one that watches our timer's, which no other does. */
static bool watches(int epoll, int fd)
{
	char path[64], line[128];
	FILE *f;
	int watched, found = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "tfd: %d", &watched) == 1 && watched == fd;
	if (f)
		fclose(f);
	return found;
}

int oxi_reactor_fd(struct oxi_reactor *r)
{
	DIR *d = r->foreign ? NULL : opendir("/proc/self/fd");
	struct dirent *e;
	int found = r->foreign ? OX_ESTATE : -ENOENT;

	while (d && found < 0 && (e = readdir(d)))
		if (watches(atoi(e->d_name), r->timer_fd))
			found = atoi(e->d_name);
	if (d)
		closedir(d);
	return found;
}

size_t oxi_reactor_descriptors(const struct oxi_reactor *r)
{
	int n = event_base_get_num_events(r->base, EVENT_BASE_COUNT_ADDED) - 2;

	return n > 0 ? (size_t)n : 0;   /* the timer and the posts are ours */
}

void oxi_reactor_poll(struct oxi_reactor *r, ox_time until)
{
	oxi_reactor_wake_at(r, until);
	/* EVLOOP_NONBLOCK alone would poll again as long as anything is ready, and starve the coroutines. */
	event_base_loop(r->base, EVLOOP_ONCE | (until == 0 ? EVLOOP_NONBLOCK : 0));
}

struct event_base *oxi_reactor_base(struct oxi_reactor *r)
{
	return r->base;
}

static unsigned events_of(short what)
{
	return (what & EV_READ ? OX_READABLE : 0) | (what & EV_WRITE ? OX_WRITABLE : 0) |
	       (what & EV_CLOSED ? OXI_HANG_UP : 0);
}

static short what_of(unsigned events)
{
	return (short)((events & OX_READABLE ? EV_READ : 0) | (events & OX_WRITABLE ? EV_WRITE : 0));
}

/* The memory devices (major 1: null, zero, full, random...): epoll does not take them. */
static bool always_ready(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1;
}

/* epoll's refusals, found before libevent prints a warning of its own about them. */
static int pollable(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -EBADF;
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode) || always_ready(&st) ? -EPERM : 0;
}

/* ---- our own descriptors ---- */

struct oxi_fd {
	struct event event;
	void (*fn)(void *arg, unsigned events);
	void *arg;
};

static void fd_ready(evutil_socket_t fd, short what, void *arg)
{
	struct oxi_fd *f = arg;

	(void)fd;
	oxi_loop_awake(oxi_loop);
	f->fn(f->arg, events_of(what));
}

int oxi_fd_new(int fd, void (*fn)(void *arg, unsigned events), void *arg, struct oxi_fd **ret)
{
	struct oxi_fd *f;
	int r = pollable(fd);

	if (r < 0)
		return r;
	f = oxi_alloc(sizeof(*f));
	if (f == NULL)
		return OX_ENOMEM;
	f->fn = fn;
	f->arg = arg;
	event_assign(&f->event, oxi_loop->reactor->base, fd,
	             EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, fd_ready, f);
	if (event_add(&f->event, NULL) < 0) {
		oxi_free(f);
		return OX_ENOMEM;
	}
	*ret = f;
	return 0;
}

void oxi_fd_free(struct oxi_fd *f)
{
	if (f == NULL)
		return;
	event_del(&f->event);
	oxi_free(f);
}

/* ---- foreign descriptors, for callbacks ---- */

struct oxi_watch {
	struct event event;
	void (*fn)(void *arg, int fd, unsigned events);
	void *arg;
	int fd;
	unsigned events;                /* asked for now */
};

static void watch_ready(evutil_socket_t fd, short what, void *arg)
{
	struct oxi_watch *w = arg;

	oxi_loop_awake(oxi_loop);
	w->fn(w->arg, fd, events_of(what));
}

struct oxi_watch *oxi_watch_new(int fd, void (*fn)(void *arg, int fd, unsigned events), void *arg)
{
	struct oxi_watch *w = oxi_alloc(sizeof(*w));

	if (w)
		*w = (struct oxi_watch){ .fn = fn, .arg = arg, .fd = fd };
	return w;
}

int oxi_watch_set(struct oxi_watch *w, unsigned events)
{
	int r;

	if (events == w->events)
		return 0;
	r = events ? pollable(w->fd) : 0;
	if (r < 0)
		return r;
	if (w->events)
		event_del(&w->event);
	w->events = 0;
	if (events == 0)
		return 0;
	event_assign(&w->event, oxi_loop->reactor->base, w->fd, (short)(what_of(events) | EV_PERSIST), watch_ready, w);
	if (event_add(&w->event, NULL) < 0)
		return OX_ENOMEM;
	w->events = events;
	return 0;
}

void oxi_watch_free(struct oxi_watch *w)
{
	if (w == NULL)
		return;
	if (w->events)
		event_del(&w->event);
	oxi_free(w);
}

/* ---- foreign descriptors, for coroutines ---- */

static void waits_ready(evutil_socket_t fd, short what, void *arg);

/* Arms the event for whom there is; it fires once. */
static int arm(struct fd_waits *s, int fd)
{
	short what = (short)((s->reader ? EV_READ : 0) | (s->writer ? EV_WRITE : 0));

	if (s->made)
		event_del(&s->event);
	s->made = what != 0;
	if (what == 0)
		return 0;
	event_assign(&s->event, oxi_loop->reactor->base, fd, what, waits_ready, s);
	return event_add(&s->event, NULL) < 0 ? OX_ENOMEM : 0;
}

static void waits_ready(evutil_socket_t fd, short what, void *arg)
{
	struct fd_waits *s = arg;
	unsigned events = events_of(what);

	s->made = false;
	if (s->reader && events & OX_READABLE)
		oxi_clause_commit(s->reader, (int)(events & s->reader->events));
	if (s->writer && events & OX_WRITABLE)
		oxi_clause_commit(s->writer, (int)(events & s->writer->events));
	if (!s->made)
		arm(s, fd);
}

static struct fd_waits *waits_of(struct oxi_reactor *r, int fd)
{
	size_t len = r->waits_len;

	if ((size_t)fd >= len) {
		struct fd_waits **list;

		len = ((size_t)fd + 64) & ~(size_t)63;
		list = oxi_realloc(r->waits, len * sizeof(struct fd_waits *));
		if (list == NULL)
			return NULL;
		memset(list + r->waits_len, 0, (len - r->waits_len) * sizeof(struct fd_waits *));
		r->waits = list;
		r->waits_len = len;
	}
	if (r->waits[fd] == NULL)
		r->waits[fd] = oxi_alloc(sizeof(struct fd_waits));
	return r->waits[fd];
}

static void leave(struct oxi_clause *c)
{
	struct fd_waits *s = c->object;

	if (s->reader == c)
		s->reader = NULL;
	if (s->writer == c)
		s->writer = NULL;
	oxi_loop_hold(-1);
}

static void fd_disarm(struct oxi_clause *c)
{
	leave(c);
	arm(c->object, c->fd);
}

static int fd_arm(struct oxi_clause *c)
{
	struct fd_waits *s;
	int r = pollable(c->fd);

	if (c->events == 0 || c->events & ~(OX_READABLE | OX_WRITABLE))
		return OX_EINVAL;
	if (r < 0)
		return r;
	s = c->object = waits_of(oxi_loop->reactor, c->fd);
	if (s == NULL)
		return OX_ENOMEM;
	if ((c->events & OX_READABLE && s->reader) || (c->events & OX_WRITABLE && s->writer))
		return OX_EBUSY;
	if (c->events & OX_READABLE)
		s->reader = c;
	if (c->events & OX_WRITABLE)
		s->writer = c;
	oxi_loop_hold(+1);
	r = arm(s, c->fd);
	if (r < 0)
		leave(c);
	return r;
}

/* For a select: what is ready now. All errors are found when it is armed. */
static bool fd_attempt(struct oxi_clause *c, int *ret_result)
{
	struct pollfd p = { .fd = c->fd };
	unsigned events;

	p.events = (short)((c->events & OX_READABLE ? POLLIN : 0) | (c->events & OX_WRITABLE ? POLLOUT : 0));
	if (poll(&p, 1, 0) <= 0 || pollable(c->fd) < 0)
		return false;
	events = (p.revents & POLLIN ? OX_READABLE : 0) | (p.revents & POLLOUT ? OX_WRITABLE : 0);
	if (p.revents & (POLLERR | POLLHUP))
		events = c->events;
	*ret_result = (int)(events & c->events);
	return true;
}

static const struct oxi_clause_ops fd_ops = { "wait", fd_attempt, fd_arm, fd_disarm };

ox_clause ox_clause_fd(int fd, unsigned events)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &fd_ops, .fd = fd, .events = events });
}

int ox_wait_fd(int fd, unsigned events)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_wait_fd(&(struct oxi_clause){ .ops = &fd_ops, .fd = fd, .events = events });
}
