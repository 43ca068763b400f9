/* SPDX-License-Identifier: MIT */
/* The loop itself: timers, turns, posts, foreign descriptors, forks, the test clock. Cases S56 and S57. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/state.h"
#include "tests/support/support.h"

/* ---- S56 ---- */

static int order[8], order_len;

struct sleeping {
	ox_time d;
	int id;
	ox_time base;                   /* one for all: on a busy machine they begin far apart */
};

static int sleep_and_note(void *arg)
{
	struct sleeping *s = arg;

	EXPECT_EQ(ox_sleep_until(s->base + s->d), 0);
	EXPECT(ox_now() - s->base >= s->d);             /* never early */
	order[order_len++] = s->id;
	return 0;
}

static int s56_order(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_time now = ox_now();
	struct sleeping s[] = { { OX_MS(30), 4, now }, { OX_MS(-5), 0, now }, { OX_MS(10), 2, now }, { 0, 1, now }, { OX_MS(20), 3, now } };

	(void)arg;
	order_len = 0;
	for (int i = 0; i < 5; i++)
		ox_spawn(g, sleep_and_note, &s[i]);
	EXPECT_EQ(ox_group_join(g), 0);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(order[i], i);
	return 0;
}

static void note(void *arg);

struct posting {
	ox_loop *loop;
	int id;
	struct posting *then;
};

static void note(void *arg)
{
	struct posting *p = arg;

	order[order_len++] = p->id;
	if (p->then)
		ox_post(p->loop, note, p->then);
}

static int s56_posts(void *arg)
{
	ox_loop *l = ox_loop_self();
	struct posting third = { l, 3, NULL }, first = { l, 1, &third }, second = { l, 2, NULL };

	(void)arg;
	order_len = 0;
	EXPECT_EQ(ox_post(l, note, &first), 0);
	EXPECT_EQ(ox_post(l, note, &second), 0);
	while (order_len < 3)
		EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(order[i], i + 1);             /* FIFO; what a call posts comes in the next turn */
	return 0;
}

static int turns, stop_counting;

static int count_turns(void *arg)
{
	(void)arg;
	while (!stop_counting) {
		turns++;
		if (ox_sleep(OX_US(50)) < 0)
			break;
	}
	return 0;
}

static int s56_short(void *arg)
{
	static const ox_time d[] = { 100, 10, 1, 1, 0 };
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	turns = stop_counting = 0;
	ox_spawn(g, count_turns, NULL);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(ox_sleep(d[i]), 0);
	EXPECT(turns <= 20);                            /* a short sleep does not spin */
	stop_counting = 1;
	return ox_group_join(g);
}

START_TEST(timers_fire_in_order_and_never_early_S56)
{
	fifo_only();
	run_virtual(s56_order, NULL);
	run_real(s56_order, NULL);
	run_real(s56_posts, NULL);
	run_real(s56_short, NULL);
}
END_TEST

#define TIMERS 2000

static void note_fired(struct oxi_timer *t);
static ox_time last_fired;
static int fired;

static void note_fired(struct oxi_timer *t)
{
	EXPECT(t->at >= last_fired);
	last_fired = t->at;
	fired++;
}

static int heap(void *arg)
{
	static struct oxi_timer timers[TIMERS];
	uint64_t x = 88172645463325252u;
	ox_time now = ox_now();
	int cleared = 0;

	(void)arg;
	fired = 0;
	last_fired = 0;
	for (int i = 0; i < TIMERS; i++) {
		oxi_timer_init(&timers[i], note_fired);
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		EXPECT_EQ(oxi_timer_set(&timers[i], now + (ox_time)(x % OX_SEC(1))), 0);
		if (i % 3 == 0)
			oxi_timer_set(&timers[i / 2], now + (ox_time)(x % OX_SEC(2)));
	}
	for (int i = 0; i < TIMERS; i += 5) {
		oxi_timer_clear(&timers[i]);
		oxi_timer_clear(&timers[i]);
		cleared++;
	}
	EXPECT_EQ(ox_sleep(OX_SEC(3)), 0);
	EXPECT_EQ(fired, TIMERS - cleared);
	return 0;
}

START_TEST(timer_heap_holds_under_moves_and_clears)
{
	run_virtual(heap, NULL);
}
END_TEST

/* ---- S57 ---- */

static _Atomic int posted;

static void count_post(void *arg)
{
	(void)arg;
	posted++;
}

static void resolve(void *arg)
{
	ox_promise_resolve(arg, 42, NULL, 0);
}

struct poster {
	ox_loop *loop;
	ox_future *promise;
	int n;
};

static void *post_thread(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < p->n; i++)
		while (ox_post(p->loop, count_post, NULL) == OX_ENOMEM)
			;
	ox_post(p->loop, resolve, p->promise);
	return NULL;
}

static int s57_threads(void *arg)
{
	enum { THREADS = 4, POSTS = 5000 };
	OX_AUTO_GROUP *g = ox_group_open();
	struct poster p[THREADS];
	pthread_t t[THREADS];

	(void)arg;
	posted = 0;
	for (int i = 0; i < THREADS; i++) {
		p[i] = (struct poster){ ox_loop_self(), ox_promise(g), POSTS };
		EXPECT_EQ(pthread_create(&t[i], NULL, post_thread, &p[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(ox_await(p[i].promise), 42);
	EXPECT_EQ(posted, THREADS * POSTS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static int endless_calls;

static void post_again(void *arg)
{
	endless_calls++;
	ox_post(arg, post_again, arg);
}

static int s57_endless(void *arg)
{
	(void)arg;
	endless_calls = 0;
	ox_post(ox_loop_self(), post_again, ox_loop_self());
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ox_yield(), 0);
	while (endless_calls < 3)
		EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	return 0;
}

static int run_inside(void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_run(run_inside, NULL, NULL), OX_ESTATE);
	return 0;
}

START_TEST(posts_wake_the_loop_and_cannot_starve_it_S57)
{
	run_real(s57_threads, NULL);
	run_real(s57_endless, NULL);
	run_real(run_inside, NULL);
}
END_TEST

static void *whole_loop(void *arg)
{
	*(int *)arg = ox_run(s56_order, NULL, OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.virtual_clock = true)));
	return NULL;
}

START_TEST(another_thread_may_run_a_loop_of_its_own)
{
	pthread_t t;
	int r = -1;

	ck_assert_int_eq(pthread_create(&t, NULL, whole_loop, &r), 0);
	pthread_join(t, NULL);
	ck_assert_int_eq(r, 0);
}
END_TEST

/* ---- foreign descriptors ---- */

static int wait_both(void *arg)
{
	return ox_wait_fd(*(int *)arg, OX_READABLE);
}

static int wait_fd(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	int fds[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ox_future *f;
	ox_scope s;
	char c;

	(void)arg;
	EXPECT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	EXPECT_EQ(ox_wait_fd(file, OX_READABLE), -EPERM);
	EXPECT_EQ(ox_wait_fd(-1, OX_READABLE), -EBADF);
	close(file);
	file = open("/dev/null", O_RDWR | O_CLOEXEC);
	EXPECT_EQ(ox_wait_fd(file, OX_WRITABLE), -EPERM);
	EXPECT_EQ(ox_wait_fd(fds[0], 0), OX_EINVAL);
	EXPECT_EQ(ox_wait_fd(fds[1], OX_WRITABLE), OX_WRITABLE);
	f = ox_spawn(g, wait_both, &fds[0]);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_wait_fd(fds[0], OX_READABLE), OX_EBUSY);
	EXPECT_EQ(write(fds[1], "x", 1), 1);
	EXPECT_EQ(ox_await(f), OX_READABLE);
	EXPECT_EQ(ox_wait_fd(fds[0], OX_READABLE), OX_READABLE);        /* level-triggered: still */
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	ox_scope_enter(&s, OX_MS(2));
	EXPECT_EQ(ox_wait_fd(fds[0], OX_READABLE), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	close(fds[1]);
	EXPECT_EQ(ox_wait_fd(fds[0], OX_READABLE), OX_READABLE);        /* hang-up */
	close(fds[0]);
	close(file);
	return 0;
}

START_TEST(wait_fd_is_level_triggered_once_and_exclusive)
{
	run_real(wait_fd, NULL);
}
END_TEST

static int watched;

static void on_watch(void *arg, int fd, unsigned events)
{
	uint64_t n;

	EXPECT_EQ(events, OX_READABLE);
	EXPECT_EQ(read(fd, &n, sizeof(n)), sizeof(n));
	watched++;
	if (watched == 3)
		oxi_watch_free(*(struct oxi_watch **)arg);      /* from inside */
}

static int watch(void *arg)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct oxi_watch *w = oxi_watch_new(fd, on_watch, &w);
	uint64_t one = 1;

	(void)arg;
	watched = 0;
	EXPECT_EQ(oxi_watch_set(w, OX_READABLE), 0);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(write(fd, &one, sizeof(one)), sizeof(one));
		EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	}
	EXPECT_EQ(watched, 3);
	close(fd);
	return 0;
}

START_TEST(watch_persists_and_may_free_itself)
{
	run_real(watch, NULL);
}
END_TEST

/* ---- fork (F20, the loop's part) ---- */

static int noop(void *arg)
{
	(void)arg;
	return 0;
}

static int fork_inside(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_stream *a, *b;
	int status = 0;
	char c;
	pid_t pid;

	(void)arg;
	EXPECT_EQ(ox_stream_pair(&a, &b), 0);
	pid = fork();
	if (pid == 0) {
		ox_future *f = ox_spawn(g, noop, NULL);
		int ok = ox_sleep(1) == OX_EFORKED && ox_yield() == OX_EFORKED && ox_future_status(f) == OX_EFORKED &&
		         ox_read(a, &c, 1) == OX_EFORKED && ox_post(ox_loop_self(), count_post, NULL) == OX_EFORKED &&
		         ox_run(noop, NULL, NULL) == OX_EFORKED && ox_group_open() == NULL;

		ox_group_close(g);
		ox_stream_abort(a);
		_exit(ok ? 0 : 1);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(ox_write(a, "q", 1), 1);              /* the parent's poller is as it was */
	EXPECT_EQ(ox_read(b, &c, 1), 1);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	ox_close(a);
	ox_close(b);
	return ox_group_join(g);
}

START_TEST(forked_child_is_told_so_and_disturbs_nothing_F20)
{
	run_real(fork_inside, NULL);
}
END_TEST

/* ---- no descriptors ---- */

START_TEST(without_descriptors_a_run_is_an_error_at_each_step)
{
	struct rlimit before, tight;
	int used = count_fds() - 3, r = -EMFILE;        /* ".", ".." and the one that counts */

	if (under_valgrind())
		SKIP("valgrind keeps descriptors of its own and lifts the limit");
	getrlimit(RLIMIT_NOFILE, &before);
	for (int more = 0; r < 0 && more < 20; more++) {
		tight = before;
		tight.rlim_cur = (rlim_t)(used + more);
		setrlimit(RLIMIT_NOFILE, &tight);
		r = ox_run(noop, NULL, NULL);
		setrlimit(RLIMIT_NOFILE, &before);
		ck_assert_msg(r == -EMFILE || r == 0, "%s", ox_strerror(r));
	}
	ck_assert_int_eq(r, 0);
}
END_TEST

/* ---- SIGPIPE, options ---- */

static int sigpipe(void *arg)
{
	int fds[2];

	(void)arg;
	EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	EXPECT_EQ(write(fds[1], "x", 1), -1);
	EXPECT_EQ(errno, EPIPE);
	close(fds[1]);
	return 0;
}

START_TEST(sigpipe_does_not_kill_and_its_action_is_put_back)
{
	struct sigaction sa;

	run_real(sigpipe, NULL);
	sigaction(SIGPIPE, NULL, &sa);
	ck_assert_ptr_eq(sa.sa_handler, SIG_DFL);
}
END_TEST

/* ---- the test clock and the shuffle ---- */

static int hours(void *arg)
{
	ox_time begin = ox_now();

	(void)arg;
	for (int i = 0; i < 24; i++)
		EXPECT_EQ(ox_sleep(OX_SEC(3600)), 0);
	EXPECT_EQ(ox_now() - begin, 24 * OX_SEC(3600));
	return 0;
}

START_TEST(virtual_day_passes_at_once)
{
	run_virtual(hours, NULL);
}
END_TEST

static int shuffled[32], shuffled_len;

static int note_shuffled(void *arg)
{
	shuffled[shuffled_len++] = (int)(intptr_t)arg;
	return 0;
}

static int spawn_32(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	shuffled_len = 0;
	for (intptr_t i = 0; i < 32; i++)
		ox_spawn(g, note_shuffled, (void *)i);
	return ox_group_join(g);
}

START_TEST(order_is_fifo_or_drawn_from_the_seed)
{
	int first[32];

	fifo_only();
	run_virtual(spawn_32, NULL);
	for (int i = 0; i < 32; i++)
		ck_assert_int_eq(shuffled[i], i);
	for (int round = 0; round < 2; round++) {
		uint64_t seed = round ? 7 : 5;

		ck_assert_int_eq(ox_run(spawn_32, NULL, OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.shuffle_seed = seed))), 0);
		memcpy(first, shuffled, sizeof(first));
		ck_assert_int_eq(ox_run(spawn_32, NULL, OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.shuffle_seed = seed))), 0);
		ck_assert_mem_eq(first, shuffled, sizeof(first));
		for (int i = 0; i < 32; i++)
			first[i] = i;
		ck_assert_mem_ne(first, shuffled, sizeof(first));
	}
}
END_TEST

static int keep_errno(void *arg)
{
	int mine = (int)(intptr_t)arg;

	for (int i = 0; i < 10; i++) {
		errno = mine;
		ox_yield();
		EXPECT_EQ(errno, mine);
	}
	return 0;
}

static int errnos(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	for (intptr_t i = 1; i < 5; i++)
		ox_spawn(g, keep_errno, (void *)i);
	return ox_group_join(g);
}

START_TEST(each_coroutine_keeps_its_errno)
{
	run_virtual(errnos, NULL);
}
END_TEST

START_TEST(every_code_has_a_name_and_a_text)
{
	ck_assert_str_eq(ox_strerror_name(OX_ECRASHED), "OX_ECRASHED");
	ck_assert_str_eq(ox_strerror(OX_ETIMEDOUT), "timed out");
	ck_assert_str_eq(ox_strerror(-ENOENT), "No such file or directory");
	ck_assert_str_eq(ox_strerror(3), "ok");
	ck_assert_str_eq(ox_strerror(-99999), "unknown error");
	ck_assert_ptr_null(ox_strerror_name(-ENOENT));
	ck_assert_str_eq(ox_version(), OX_VERSION);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");
	TCase *c = new_case(s, "loop", 20);

	tcase_add_test(c, timers_fire_in_order_and_never_early_S56);
	tcase_add_test(c, timer_heap_holds_under_moves_and_clears);
	tcase_add_test(c, posts_wake_the_loop_and_cannot_starve_it_S57);
	tcase_add_test(c, another_thread_may_run_a_loop_of_its_own);
	tcase_add_test(c, wait_fd_is_level_triggered_once_and_exclusive);
	tcase_add_test(c, watch_persists_and_may_free_itself);
	tcase_add_test(c, forked_child_is_told_so_and_disturbs_nothing_F20);
	tcase_add_test(c, without_descriptors_a_run_is_an_error_at_each_step);
	tcase_add_test(c, sigpipe_does_not_kill_and_its_action_is_put_back);
	tcase_add_test(c, virtual_day_passes_at_once);
	tcase_add_test(c, order_is_fifo_or_drawn_from_the_seed);
	tcase_add_test(c, each_coroutine_keeps_its_errno);
	tcase_add_test(c, every_code_has_a_name_and_a_text);
	return run_suite(s);
}
