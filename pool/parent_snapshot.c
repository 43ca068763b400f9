/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: a child forked from the program itself, as the future that it is here.
 *
 *	token of the limiter -> mapping made -> fork -> RUNNING --its pidfd: it is dead--> group killed, reaped, resolved
 *	                                          |  timeout or cancel: told, and killed when its grace has passed
 *
 * The result comes through a shared mapping that is made beforehand, max_result bytes of addresses: the child
 * writes where the program reads, pages are had as they are written, and no descriptor is open between the two. What
 * was published there counts, however the child ended. The spawner does not come into it: what it forks is a
 * snapshot of itself.
 *
 * The program has threads, and ZeroMQ, when it forks. The child touches neither; all signals are blocked until it has
 * given up the handlers. The fork is made on the thread's own stack, where the function has as much of it as the
 * program's main function, and not a coroutine's.
 *
 * A child leads a process group of its own, which is killed while the dead child still is a zombie: then its number is
 * nobody else's.
 */
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/parent.h"
#include "pool/snapshot.h"

#include <oxbow/thread.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct snapshot {
	ox_future future;               /* first: as an ox_result, of which only this is looked at */
	struct oxi_snapshot_order order;
	size_t size;                    /* of the mapping at order.page */
	pid_t pid;
	int pidfd;                      /* -1: none (any more) */
	struct oxi_watch *watch;
	struct oxi_timer timer;
	ox_limiter *limiter;            /* that it has a token of; NULL: none */
	bool told;                      /* to end: then how and why */
	enum oxi_end how;
	int why;
	uint64_t oom_kills;             /* of the kernel's, when it was forked */
	struct oxi_story *story;        /* NULL: none */
};

static bool cancel(ox_future *f, ox_cause cause);
static void release(ox_future *f);
static const char *name(const ox_future *f);

static const struct oxi_future_ops snapshot_ops = { .kind = "snapshot", .cancel = cancel, .release = release, .name = name };

static struct snapshot *snapshot_of(const ox_future *f)
{
	return f != NULL && f->ops == &snapshot_ops ? OXI_CONTAINER(f, struct snapshot, future) : NULL;
}

static const char *name(const ox_future *f)
{
	return snapshot_of(f)->order.options.name;
}

void ox_snapshot_options_init(ox_snapshot_options *o)
{
	*o = (ox_snapshot_options){ .size = sizeof *o };
}

/* ---- the limiter that each loop has ---- */

struct bound {
	ox_limiter *limiter;
	struct oxi_hook at_end;
};

static const char bound_key;

static void free_bound(struct oxi_hook *h)
{
	struct bound *b = OXI_CONTAINER(h, struct bound, at_end);

	oxi_loop_put(&bound_key, NULL);
	ox_limiter_free(b->limiter);
	oxi_free(b);
}

/* NULL: memory. */
static ox_limiter *default_limiter(void)
{
	struct bound *b = oxi_loop_get(&bound_key);

	if (b != NULL)
		return b->limiter;
	b = oxi_alloc(sizeof *b);
	if (b == NULL)
		return NULL;
	b->limiter = ox_limiter_new(ox_cpu_count());
	if (b->limiter == NULL || oxi_loop_put(&bound_key, b) < 0) {
		ox_limiter_free(b->limiter);
		oxi_free(b);
		return NULL;
	}
	oxi_hook_init(&b->at_end, free_bound);
	oxi_hook_at_end(&b->at_end);
	return b->limiter;
}

/* ---- memory ---- */

/* Everything but the child, which is not there yet, or any more. */
static void free_snapshot(struct snapshot *s)
{
	if (s->limiter != NULL)
		ox_limiter_release_for(s->limiter, s);
	if (s->order.page != NULL)
		munmap(s->order.page, s->size);
	if (s->story != NULL)
		oxi_free(s->story);
	oxi_free(s);
}

static void release(ox_future *f)
{
	free_snapshot(snapshot_of(f));
}

static int map(struct snapshot *s)
{
	size_t head = oxi_snapshot_head();
	void *p;

	if (__builtin_add_overflow(head, s->order.options.max_result, &s->size))
		return OX_EINVAL;
	p = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return errno == ENOMEM ? OX_ENOMEM : -errno;
	madvise(p, s->size, MADV_DONTDUMP);
	s->order.page = p;
	s->order.room = (uint8_t *)p + head;
	return 0;
}

/* What the result does not need goes back. */
static void trim(struct snapshot *s, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t keep = oxi_snapshot_head() + (len + page - 1) / page * page;

	if (keep < s->size && munmap((uint8_t *)s->order.page + keep, s->size - keep) == 0)
		s->size = keep;
}

/* ---- the end ---- */

static void stop_watching(struct snapshot *s)
{
	oxi_watch_free(s->watch);
	s->watch = NULL;
	oxi_timer_clear(&s->timer);
	if (s->pidfd >= 0)
		close(s->pidfd);
	s->pidfd = -1;
}

static void kill_child(const struct snapshot *s)
{
	syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
}

/* The child is dead: so shall be what it has started. False: somebody else has taken its status. */
static bool reap(const struct snapshot *s, int *ret_status, struct rusage *ret_usage)
{
	pid_t pid;

	kill(-s->pid, SIGKILL);
	do
		pid = wait4(s->pid, ret_status, 0, ret_usage);
	while (pid < 0 && errno == EINTR);
	return pid == s->pid;
}

static void tell_story(struct snapshot *s, int status, const struct rusage *usage)
{
	s->story = oxi_alloc(sizeof *s->story);
	if (s->story == NULL)
		return;
	oxi_story_write(&s->order.page->slot, s->pid, status, usage, true, s->story);
	s->story->crash.backtrace = s->story->crash.backtrace_len > 0 ? s->story->frames : NULL;
}

/* It died and had published nothing. */
static int status_of_death(struct snapshot *s, int status, ox_origin *ret_origin)
{
	if (s->told) {
		*ret_origin = s->how == OXI_END_TIMEOUT ? OX_ORIGIN_TIMEOUT : OX_ORIGIN_CANCEL;
		return s->why;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && oxi_oom_kills() > s->oom_kills) {
		*ret_origin = OX_ORIGIN_LIMIT;
		return OX_EOOM;
	}
	*ret_origin = OX_ORIGIN_CRASH;
	return OX_ECRASHED;
}

static int status_of_result(struct snapshot *s, ox_origin *ret_origin)
{
	const struct oxi_snapshot_page *page = s->order.page;

	*ret_origin = page->limit ? OX_ORIGIN_LIMIT : OX_ORIGIN_JOB;
	if (page->len > s->order.options.max_result) {
		*ret_origin = OX_ORIGIN_LIMIT;
		return OX_EPROTO;
	}
	s->future.value_len = (size_t)page->len;
	s->future.value = page->len > 0 ? s->order.room : NULL;
	return page->status;
}

static void on_death(void *arg, int fd, unsigned events)
{
	struct snapshot *s = arg;
	struct rusage usage = { .ru_maxrss = 0 };
	ox_origin origin;
	int status = 0, r;
	(void)fd, (void)events;

	stop_watching(s);
	oxi_loop_hold(-1);
	if (!reap(s, &status, &usage))
		status = atomic_load(&s->order.page->slot.signal);      /* all that is known */
	if (atomic_load(&s->order.page->done) == 1) {
		r = status_of_result(s, &origin);
	} else {
		r = status_of_death(s, status, &origin);
		tell_story(s, status, &usage);
	}
	trim(s, s->future.value_len);
	if (s->limiter != NULL)
		ox_limiter_release_for(s->limiter, s);
	s->limiter = NULL;
	oxi_future_resolve(&s->future, r, origin);
}

/* ---- being told to end ---- */

static void tell(struct snapshot *s, enum oxi_end how, int why)
{
	ox_time grace = s->order.options.grace;

	s->told = true;
	s->how = how;
	s->why = why;
	atomic_store_explicit(&s->order.page->slot.told[OXI_SNAPSHOT_LEASE % OXI_CLAIMS], OXI_SNAPSHOT_LEASE, memory_order_relaxed);
	if (grace == 0 || oxi_timer_set(&s->timer, oxi_now() + grace) < 0)
		kill_child(s);
}

static void on_timer(struct oxi_timer *t)
{
	struct snapshot *s = OXI_CONTAINER(t, struct snapshot, timer);

	if (s->told)
		kill_child(s);
	else
		tell(s, OXI_END_TIMEOUT, OX_ETIMEDOUT);
}

static bool cancel(ox_future *f, ox_cause cause)
{
	struct snapshot *s = snapshot_of(f);
	(void)cause;

	if (!s->told)
		tell(s, OXI_END_CANCEL, OX_ECANCELED);
	return true;
}

/* ---- the beginning ---- */

/* On the thread's own stack. In the child it does not return. */
static void *fork_child(void *arg)
{
	struct snapshot *s = arg;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	s->pid = fork();
	if (s->pid == 0)
		oxi_snapshot_main(&s->order);
	if (s->pid < 0)
		s->pid = -errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return NULL;
}

static int watch(struct snapshot *s)
{
	ox_time timeout = s->order.options.timeout;

	s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	if (s->pidfd < 0)
		return -errno;
	atomic_store(&s->order.page->watched, true);
	s->watch = oxi_watch_new(s->pidfd, on_death, s);
	int r = s->watch != NULL ? oxi_watch_set(s->watch, OX_READABLE) : OX_ENOMEM;
	if (r == 0 && timeout > 0 && timeout < OX_NEVER / 4)
		r = oxi_timer_set(&s->timer, oxi_now() + timeout);
	return r;
}

static int start(struct snapshot *s, ox_group *g)
{
	struct rusage usage;
	void *frame;
	int status;

	backtrace(&frame, 1);           /* loads what the child's handler of crashes needs: there it might wait for a lock for ever */
	ox_run_on_big_stack(fork_child, s);
	if (s->pid < 0)
		return (int)s->pid;
	setpgid(s->pid, s->pid);        /* here and in the child: whoever comes first */
	madvise(s->order.page, s->size, MADV_DONTFORK);         /* no later snapshot's business */
	int r = watch(s);
	if (r == 0)
		r = oxi_future_init(&s->future, g, &snapshot_ops);
	if (r == 0) {
		oxi_loop_hold(+1);
		return 0;
	}
	kill(s->pid, SIGKILL);
	reap(s, &status, &usage);
	stop_watching(s);
	return r;
}

static int take_options(const ox_snapshot_options *o, ox_snapshot_options *ret)
{
	*ret = (ox_snapshot_options){ .size = sizeof *ret };
	if (o != NULL && o->size == 0)
		return OX_EINVAL;
	if (o != NULL)
		memcpy(ret, o, o->size < sizeof *ret ? o->size : sizeof *ret);
	if (ret->timeout < 0 || ret->grace < 0 || ret->grace > OX_NEVER / 4)
		return OX_EINVAL;
	if (ret->name == NULL)
		ret->name = "snapshot";
	if (ret->max_result == 0)
		ret->max_result = OX_GIB(1);
	return 0;
}

/* 0 with a token of the limiter. */
static int admit(struct snapshot *s)
{
	ox_limiter *l = s->order.options.limiter;

	if (l == NULL && (l = default_limiter()) == NULL)
		return OX_ENOMEM;
	int r = ox_limiter_acquire_for(l, s);
	if (r == 0)
		s->limiter = l;
	return r;
}

static int begin(ox_group *g, ox_snapshot_fn *fn, void *arg, const ox_snapshot_options *o, struct snapshot **ret)
{
	ox_snapshot_options mine;
	int r = oxi_checkpoint();

	if (r == 0)
		r = fn != NULL ? take_options(o, &mine) : OX_EINVAL;
	if (r < 0)
		return r;
	struct snapshot *s = oxi_alloc(sizeof *s);
	if (s == NULL)
		return OX_ENOMEM;
	s->order = (struct oxi_snapshot_order){ .fn = fn, .arg = arg, .parent = getpid(), .options = mine };
	s->pidfd = -1;
	s->oom_kills = oxi_oom_kills();
	oxi_timer_init(&s->timer, on_timer);
	r = map(s);
	if (r == 0)
		r = admit(s);
	if (r == 0)
		r = start(s, g);
	if (r < 0)
		free_snapshot(s);
	else
		*ret = s;
	return r;
}

/* ---- the calls ---- */

int ox_snapshot_call(ox_snapshot_fn *fn, void *arg, const ox_snapshot_options *o, ox_result **ret)
{
	struct snapshot *s;
	int r = begin(NULL, fn, arg, o, &s);

	if (r < 0)
		return r;
	r = ox_await(&s->future);
	if (r >= 0 && ret != NULL)
		*ret = (ox_result *)&s->future;
	else
		oxi_future_release(&s->future);
	return r;
}

ox_future *ox_snapshot_submit(ox_group *g, ox_snapshot_fn *fn, void *arg, const ox_snapshot_options *o)
{
	struct snapshot *s;
	int r;

	if (g == NULL)
		r = OX_ENOMEM;
	else if (oxi_forked())
		r = OX_EFORKED;
	else if (oxi_group_deadline(g) == INT64_MIN)
		r = OX_ECANCELED;
	else
		r = begin(g, fn, arg, o, &s);
	return r == 0 ? &s->future : oxi_future_failed(g, r);
}

const struct oxi_story *oxi_snapshot_story(const ox_future *f)
{
	const struct snapshot *s = snapshot_of(f);

	return s != NULL ? s->story : NULL;
}

ox_time oxi_snapshot_run_time(const ox_future *f)
{
	const struct snapshot *s = snapshot_of(f);

	return s != NULL && ox_future_done(f) ? s->order.page->run_time : 0;
}
