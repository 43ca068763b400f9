/* SPDX-License-Identifier: MIT */
/* Actors in real workers: order and state, deaths at each step under both policies, ends. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

static ox_pool *pool;

/* ---- an actor: it remembers what it was told ---- */

/* How often its functions were run, in all processes. */
static struct counts {
	_Atomic int made, freed;
} *counts;

struct given {
	int status;                     /* of the constructor */
	int start;
	bool crash, crash_again;        /* in the constructor: always; but the first time */
	bool crash_end;                 /* in the destructor */
	size_t len;                     /* of what follows */
};

struct memory {
	struct given given;
	char first, last;               /* of the bytes behind */
	int sum, calls;
};

static int memory_new(const void *in, size_t len, void **ret_self)
{
	const struct given *g = in;
	int made = atomic_fetch_add(&counts->made, 1);
	if (g->crash || (g->crash_again && made > 0))
		abort();
	if (g->status < 0)
		return g->status;
	struct memory *m = calloc(1, sizeof *m);
	m->given = *g;
	m->sum = g->start;
	if (len > sizeof *g) {
		m->first = ((const char *)in)[sizeof *g];
		m->last = ((const char *)in)[len - 1];
	}
	*ret_self = m;
	return g->status;
}

static void memory_free(void *self)
{
	struct memory *m = self;
	if (m->given.crash_end)
		abort();
	atomic_fetch_add(&counts->freed, 1);
	free(m);
}

static int add(void *self, const void *in, size_t len, ox_reply *out)
{
	struct memory *m = self;
	(void)len;
	m->sum += *(const int *)in;
	m->calls++;
	ox_reply_write(out, &m->calls, sizeof m->calls);
	return m->sum;
}
static OX_METHOD(add_method, add);

/* Replies the bytes that came, behind those that mark what was given. */
static int mirror(void *self, const void *in, size_t len, ox_reply *out)
{
	struct memory *m = self;
	ox_reply_write(out, &m->first, 1);
	ox_reply_write(out, &m->last, 1);
	return ox_reply_write(out, in, len);
}
static OX_METHOD(mirror_method, mirror);

static int crash(void *self, const void *in, size_t len, ox_reply *out)
{
	(void)self, (void)in, (void)len, (void)out;
	abort();
}
static OX_METHOD(crash_method, crash);

static int whose(void *self, const void *in, size_t len, ox_reply *out)
{
	(void)self, (void)in, (void)len, (void)out;
	return (int)getpid();
}
static OX_METHOD(pid_method, whose);

static int take_time(void *self, const void *in, size_t len, ox_reply *out)
{
	struct memory *m = self;
	int ms = *(const int *)in;
	(void)len, (void)out;
	atomic_fetch_add(begun, 1);
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
	return ++m->sum;
}
static OX_METHOD(slow_method, take_time);
static OX_METHOD(timed_method, take_time, .timeout = OX_MS(20));
static OX_METHOD(abandoned_method, take_time, .on_cancel = OX_ABANDON);

static int foreign(void *self, const void *in, size_t len, ox_reply *out)
{
	(void)self, (void)in, (void)len, (void)out;
	return 0;
}
static OX_METHOD(foreign_method, foreign);

static OX_ACTOR_TYPE(memory, memory_new, memory_free,
                     .methods = OX_METHODS(&add_method, &mirror_method, &crash_method, &pid_method, &slow_method, &timed_method,
                                           &abandoned_method));

static int nothing_new(const void *in, size_t len, void **ret_self)
{
	(void)in, (void)len, (void)ret_self;
	return 0;
}
static OX_ACTOR_TYPE(nothing, nothing_new, NULL, .methods = OX_METHODS(&foreign_method));
static OX_ACTOR_TYPE(stranger, nothing_new, NULL);

static int hang_new(const void *in, size_t len, void **ret_self)
{
	(void)in, (void)len, (void)ret_self;
	atomic_fetch_add(begun, 1);
	while (pause() < 0)
		;
	return 0;
}
static OX_ACTOR_TYPE(hanging, hang_new, NULL, .timeout = OX_MS(20));
static OX_ACTOR_TYPE(endless, hang_new, NULL);

#define TYPES OX_ACTOR_TYPES(&memory, &nothing, &hanging, &endless)
#define OPTIONS(...) POOL_OPTIONS(.jobs = OX_JOBS(&pid_job, &sleep_job, &segv_job, &echo_job), .actors = TYPES, __VA_ARGS__)

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	atomic_store(&counts->made, 0);
	atomic_store(&counts->freed, 0);
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

static ox_actor *open_memory(int start, const ox_actor_options *o)
{
	struct given g = { .start = start };
	ox_actor *a = NULL;
	EXPECT_EQ(ox_actor_open(pool, &memory, &g, sizeof g, o, &a), 0);
	return a;
}

static int call_add(ox_actor *a, int n)
{
	return ox_actor_call(a, &add_method, &n, sizeof n, NULL);
}

static ox_future *submit_slow(ox_group *g, ox_actor *a, const ox_method *m, int ms)
{
	return ox_actor_submit(g, a, m, &ms, sizeof ms);
}

static ox_actor_info info_of(const ox_actor *a)
{
	ox_actor_info i = { .size = sizeof i };
	EXPECT_EQ(ox_actor_get_info(a, &i), 0);
	return i;
}

static ox_group *open_collecting(void)
{
	return ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
}

/* Waits until the pool knows that the worker of an actor has died. */
static void kill_worker(const ox_actor *a)
{
	pid_t pid = info_of(a).pid;
	EXPECT(pid > 0);
	kill(pid, SIGKILL);
	while (info_of(a).pid == pid)
		ox_sleep(OX_MS(1));
}

/* ---- calls ---- */

static int keep_state(void *arg)
{
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(100, NULL);
	OX_AUTO_RESULT *r = NULL;
	EXPECT_EQ(call_add(a, 1), 101);
	EXPECT_EQ(call_add(a, 2), 103);
	int n = 3;
	EXPECT_EQ(ox_actor_call(a, &add_method, &n, sizeof n, &r), 106);
	EXPECT_EQ(*(const int *)ox_result_bytes(r).data, 3);
	EXPECT_EQ(ox_actor_call(a, &pid_method, NULL, 0, NULL), info_of(a).pid);
	EXPECT_EQ(info_of(a).status, 0);
	return 0;
}

START_TEST(an_object_keeps_its_state_from_call_to_call)
{
	with_pool(keep_state, OPTIONS(.workers = 2));
	ck_assert_int_eq(counts->made, 1);
	ck_assert_int_eq(counts->freed, 1);
}
END_TEST

static int call_in_order(void *arg)
{
	enum { N = 2000 };
	static ox_future *f[N];
	static const int one = 1;
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, NULL);
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < N; i++) {
		f[i] = ox_actor_submit(g, a, &add_method, &one, sizeof one);
		if (i % 10 == 0)
			ox_submit(g, pool, &echo_job, &i, sizeof i);
	}
	for (int i = 0; i < N; i++)
		EXPECT_EQ(ox_await(f[i]), i + 1);
	return ox_group_join(g);
}

START_TEST(calls_run_in_the_order_of_submission_among_other_jobs)
{
	with_pool(call_in_order, OPTIONS(.workers = 2));
}
END_TEST

START_TEST(calls_that_wait_to_be_let_in_run_in_order_too)
{
	with_pool(call_in_order, OPTIONS(.workers = 1, .max_pending = 7));
}
END_TEST

static int share_a_worker(void *arg)
{
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, NULL), *b = open_memory(1000, NULL);
	EXPECT_EQ(info_of(a).pid, info_of(b).pid);
	for (int i = 1; i <= 100; i++) {
		EXPECT_EQ(call_add(a, 1), i);
		EXPECT_EQ(call_add(b, 1), 1000 + i);
	}
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(two_actors_in_one_worker_know_nothing_of_each_other)
{
	with_pool(share_a_worker, OPTIONS(.workers = 1));
	ck_assert_int_eq(counts->freed, 2);
}
END_TEST

static int spread(void *arg)
{
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, NULL), *b = open_memory(0, OX_ACTOR_OPTIONS(.dedicated = true));
	ox_actor *c = NULL;
	struct given g = { 0 };
	pid_t pid = info_of(b).pid;
	EXPECT(info_of(a).pid != pid);
	EXPECT_EQ(ox_actor_open(pool, &memory, &g, sizeof g, OX_ACTOR_OPTIONS(.dedicated = true), &c), OX_EBUSY);
	OX_AUTO_GROUP *group = ox_group_open();
	ox_future *f[50];
	for (int i = 0; i < 50; i++)
		f[i] = ox_submit(group, pool, &pid_job, NULL, 0);
	for (int i = 0; i < 50; i++) {
		EXPECT_EQ(ox_await(f[i]), 0);
		EXPECT(*(const pid_t *)ox_future_value(f[i], NULL) != pid);
	}
	return 0;
}

START_TEST(a_dedicated_actor_has_its_worker_for_itself)
{
	with_pool(spread, OPTIONS(.workers = 2));
}
END_TEST

static int move_much(void *arg)
{
	static const size_t sizes[] = { 1, 4096, 4097, OX_KIB(100), OX_MIB(3) };
	size_t most = OX_MIB(3);
	char *data = malloc(sizeof(struct given) + most);
	(void)arg;
	for (size_t i = 0; i < 5; i++) {
		struct given g = { .start = 7, .len = sizes[i] };
		ox_actor *a = NULL;
		memcpy(data, &g, sizeof g);
		memset(data + sizeof g, 'm', sizes[i]);
		data[sizeof g] = 'a';
		data[sizeof g + sizes[i] - 1] = 'z';
		EXPECT_EQ(ox_actor_open(pool, &memory, data, sizeof g + sizes[i], OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART), &a), 0);
		memset(data, 0, sizeof g + most);       /* it was copied */
		for (int again = 0; again < 2; again++) {
			OX_AUTO_RESULT *r = NULL;
			memset(data, 'q', sizes[i]);
			EXPECT_EQ(ox_actor_call(a, &mirror_method, data, sizes[i], &r), 0);
			ox_bytes b = ox_result_bytes(r);
			EXPECT_EQ(b.len, sizes[i] + 2);
			EXPECT(b.len == sizes[i] + 2 && memcmp((const char *)b.data + 2, data, sizes[i]) == 0);
			EXPECT(((const char *)b.data)[0] == (sizes[i] > 1 ? 'a' : 'z') && ((const char *)b.data)[1] == 'z');
			kill_worker(a);         /* the second time it is made of the same bytes again */
		}
		EXPECT_EQ(ox_actor_close(a), 0);
	}
	free(data);
	return 0;
}

START_TEST(payloads_of_any_size_go_in_and_out_and_are_given_again)
{
	with_pool(move_much, OPTIONS(.workers = 1));
}
END_TEST

static int misuse(void *arg)
{
	ox_actor *a = NULL;
	int bad = 1;
	(void)arg;
	EXPECT_EQ(ox_actor_open(pool, &stranger, NULL, 0, NULL, &a), OX_ENOJOB);
	EXPECT_EQ(ox_actor_open(pool, NULL, NULL, 0, NULL, &a), OX_EINVAL);
	EXPECT_EQ(ox_actor_open(pool, &nothing, NULL, 1, NULL, &a), OX_EINVAL);
	EXPECT_EQ(ox_actor_open(pool, &nothing, NULL, 0, OX_ACTOR_OPTIONS(.max_restarts = 1001), &a), OX_EINVAL);
	EXPECT_EQ(ox_actor_open(pool, &nothing, NULL, 0, OX_ACTOR_OPTIONS(.window = -1), &a), OX_EINVAL);
	EXPECT_EQ(ox_actor_open(NULL, &nothing, NULL, 0, NULL, &a), OX_ENOMEM);
	EXPECT(a == NULL);
	EXPECT_EQ(ox_actor_call(NULL, &add_method, &bad, sizeof bad, NULL), OX_ENOMEM);
	EXPECT_EQ(ox_actor_close(NULL), 0);
	OX_AUTO_ACTOR *mine = open_memory(0, NULL);
	EXPECT_EQ(ox_actor_call(mine, &foreign_method, NULL, 0, NULL), OX_ENOJOB);      /* of another type */
	EXPECT_EQ(ox_actor_call(mine, NULL, NULL, 0, NULL), OX_EINVAL);
	EXPECT_EQ(ox_await(ox_actor_submit(NULL, mine, &add_method, &bad, sizeof bad)), OX_ENOMEM);
	EXPECT_EQ(call_add(mine, 5), 5);
	return 0;
}

static OX_METHOD(no_method, NULL);
static OX_ACTOR_TYPE(no_constructor, NULL, NULL);
static OX_ACTOR_TYPE(no_call, nothing_new, NULL, .methods = OX_METHODS(&no_method));
static OX_ACTOR_TYPE(twice, nothing_new, NULL, .methods = OX_METHODS(&foreign_method, &foreign_method));

START_TEST(what_cannot_be_is_refused)
{
	with_pool(misuse, OPTIONS(.workers = 1));
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.workers = 1), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.actors = OX_ACTOR_TYPES(&no_constructor)), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.actors = OX_ACTOR_TYPES(&no_call)), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.actors = OX_ACTOR_TYPES(&twice)), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.actors = OX_ACTOR_TYPES(&memory, &memory)), &pool), OX_EINVAL);
}
END_TEST

static int open_nothing(void *arg)
{
	(void)arg;
	OX_AUTO_ACTOR *a = NULL;
	EXPECT_EQ(ox_actor_open(pool, &nothing, NULL, 0, NULL, &a), 0);
	EXPECT_EQ(ox_actor_call(a, &foreign_method, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(a_pool_may_have_actors_and_no_jobs)
{
	with_pool(open_nothing, POOL_OPTIONS(.actors = OX_ACTOR_TYPES(&nothing), .workers = 1));
}
END_TEST

/* ---- constructors ---- */

static int open_bad(void *arg)
{
	ox_actor *a = NULL;
	int init = 0;
	const ox_actor_options *o = OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART, .ret_init = &init);
	struct given fails = { .status = -77 }, crashes = { .crash = true }, well = { .status = 5 };
	(void)arg;
	EXPECT_EQ(ox_actor_open(pool, &memory, &fails, sizeof fails, o, &a), OX_EINIT);
	EXPECT_EQ(init, -77);
	EXPECT_EQ(ox_actor_open(pool, &memory, &crashes, sizeof crashes, o, &a), OX_EINIT);
	EXPECT_EQ(init, OX_ECRASHED);
	EXPECT_EQ(counts->made, 2);             /* it is not tried again */
	EXPECT_EQ(ox_actor_open(pool, &hanging, NULL, 0, o, &a), OX_EINIT);
	EXPECT_EQ(init, OX_ETIMEDOUT);
	EXPECT(a == NULL);
	EXPECT_EQ(ox_actor_open(pool, &memory, &well, sizeof well, o, &a), 0);
	EXPECT_EQ(info_of(a).init_status, 5);
	EXPECT_EQ(ox_actor_close(a), 0);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(a_constructor_that_fails_crashes_or_hangs_is_told)
{
	with_pool(open_bad, OPTIONS(.workers = 1));
}
END_TEST

static int open_endless(void *arg)
{
	ox_actor *a = NULL;
	(void)arg;
	return ox_actor_open(pool, &endless, NULL, 0, NULL, &a);
}

static int cancel_opening(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = open_collecting();
	ox_future *f = ox_spawn(g, open_endless, NULL);
	await_begun(1);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	OX_AUTO_ACTOR *a = open_memory(1, NULL);        /* in the worker's successor */
	EXPECT_EQ(call_add(a, 1), 2);
	return 0;
}

START_TEST(opening_can_be_cancelled_while_the_constructor_runs)
{
	with_pool(cancel_opening, OPTIONS(.workers = 1));
}
END_TEST

static int cancel_opening_early(void *arg)
{
	int ms = 1000;
	(void)arg;
	OX_AUTO_GROUP *g = open_collecting();
	ox_future *busy = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	await_begun(1);
	ox_future *f = ox_spawn(g, open_endless, NULL);
	ox_sleep(OX_MS(1));
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT(!ox_future_done(busy));
	ox_future_cancel(busy);
	EXPECT_EQ(*begun, 1);
	return 0;
}

START_TEST(opening_can_be_cancelled_before_the_constructor_runs)
{
	with_pool(cancel_opening_early, OPTIONS(.workers = 1));
}
END_TEST

/* ---- deaths ---- */

static int crash_and_fail(void *arg)
{
	int n = 1;
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, NULL);
	OX_AUTO_GROUP *g = open_collecting();
	ox_future *before = ox_actor_submit(g, a, &add_method, &n, sizeof n);
	ox_future *bad = ox_actor_submit(g, a, &crash_method, NULL, 0);
	ox_future *after = ox_actor_submit(g, a, &add_method, &n, sizeof n);
	EXPECT_EQ(ox_await(bad), OX_ECRASHED);
	EXPECT_EQ(ox_future_crash(bad) != NULL ? ox_future_crash(bad)->signal : 0, SIGABRT);
	EXPECT_EQ(ox_await(before), 1);
	EXPECT_EQ(ox_await(after), OX_ELOST);
	EXPECT_EQ(ox_future_origin(after), OX_ORIGIN_LIMIT);
	EXPECT_EQ(call_add(a, 1), OX_ELOST);
	EXPECT_EQ(info_of(a).status, OX_ELOST);
	EXPECT_EQ(info_of(a).pid, 0);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(a_crash_fails_the_call_that_ran_and_all_that_follow)
{
	with_pool(crash_and_fail, OPTIONS(.workers = 2));
	ck_assert_int_eq(counts->made, 1);
	ck_assert_int_eq(counts->freed, 0);
}
END_TEST

static int crash_and_restart(void *arg)
{
	int n = 1;
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(10, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART));
	OX_AUTO_GROUP *g = open_collecting();
	ox_future *before = ox_actor_submit(g, a, &add_method, &n, sizeof n), *after[20];
	ox_future *bad = ox_actor_submit(g, a, &crash_method, NULL, 0);
	for (int i = 0; i < 20; i++)
		after[i] = ox_actor_submit(g, a, &add_method, &n, sizeof n);
	EXPECT_EQ(ox_await(before), 11);
	EXPECT_EQ(ox_await(bad), OX_ECRASHED);
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(ox_await(after[i]), 11 + i);  /* made from what was given, and in order */
	EXPECT_EQ(info_of(a).restarts, 1);
	return 0;
}

START_TEST(a_crash_fails_the_call_that_ran_and_the_others_go_on_with_a_new_object)
{
	with_pool(crash_and_restart, OPTIONS(.workers = 2));
	ck_assert_int_eq(counts->made, 2);
	ck_assert_int_eq(counts->freed, 1);
}
END_TEST

static int crash_too_often(void *arg)
{
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART, .max_restarts = 2, .window = OX_NEVER));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(call_add(a, 1), 1);
		EXPECT_EQ(ox_actor_call(a, &crash_method, NULL, 0, NULL), OX_ECRASHED);
	}
	EXPECT_EQ(call_add(a, 1), OX_ELOST);
	EXPECT_EQ(info_of(a).restarts, 2);
	OX_AUTO_ACTOR *b = open_memory(0, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART, .max_restarts = 1, .window = 1));
	for (int i = 0; i < 5; i++)             /* each time the window has passed */
		EXPECT_EQ(ox_actor_call(b, &crash_method, NULL, 0, NULL), OX_ECRASHED);
	EXPECT_EQ(call_add(b, 1), 1);
	return 0;
}

START_TEST(an_actor_restarts_so_often_in_its_window_and_no_more)
{
	with_pool(crash_too_often, OPTIONS(.workers = 1));
}
END_TEST

static int restart_badly(void *arg)
{
	struct given g = { .crash_again = true };
	(void)arg;
	OX_AUTO_ACTOR *a = NULL;
	EXPECT_EQ(ox_actor_open(pool, &memory, &g, sizeof g, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART), &a), 0);
	OX_AUTO_GROUP *group = open_collecting();
	int n = 1;
	ox_future *bad = ox_actor_submit(group, a, &crash_method, NULL, 0), *after[3];
	for (int i = 0; i < 3; i++)
		after[i] = ox_actor_submit(group, a, &add_method, &n, sizeof n);
	EXPECT_EQ(ox_await(bad), OX_ECRASHED);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(ox_await(after[i]), OX_EINIT);
	EXPECT_EQ(call_add(a, 1), OX_EINIT);
	EXPECT_EQ(info_of(a).init_status, OX_ECRASHED);
	return 0;
}

START_TEST(an_actor_that_cannot_be_made_anew_has_failed)
{
	with_pool(restart_badly, OPTIONS(.workers = 1));
}
END_TEST

static int kill_between(void *arg)
{
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, NULL), *b = open_memory(0, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART));
	EXPECT_EQ(call_add(a, 1), 1);
	EXPECT_EQ(call_add(b, 1), 1);
	pid_t pid = info_of(a).pid;
	kill(pid, SIGKILL);                     /* nobody knows yet */
	EXPECT_EQ(call_add(a, 1), OX_ELOST);
	EXPECT_EQ(call_add(b, 1), 1);
	EXPECT(info_of(b).pid != pid);
	kill_worker(b);                         /* the pool knows */
	EXPECT_EQ(call_add(b, 1), 1);
	return 0;
}

START_TEST(the_call_after_a_kill_between_calls_learns_of_it_by_policy)
{
	with_pool(kill_between, OPTIONS(.workers = 1));
}
END_TEST

static int crash_the_neighbour(void *arg)
{
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART));
	EXPECT_EQ(call_add(a, 1), 1);
	EXPECT_EQ(ox_call(pool, &segv_job, NULL, 0, NULL), OX_ECRASHED);
	EXPECT_EQ(call_add(a, 1), 1);           /* a job of its worker took it along */
	return 0;
}

START_TEST(a_job_that_crashes_takes_the_actors_of_its_worker_along)
{
	with_pool(crash_the_neighbour, OPTIONS(.workers = 1));
}
END_TEST

static int time_out(void *arg)
{
	int n = 1;
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART)), *b = open_memory(0, NULL);
	OX_AUTO_GROUP *g = open_collecting();
	EXPECT_EQ(ox_await(submit_slow(g, a, &timed_method, 1)), 1);
	ox_future *f = submit_slow(g, a, &timed_method, 60000);
	ox_future *after = ox_actor_submit(g, a, &add_method, &n, sizeof n);
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_TIMEOUT);
	EXPECT_EQ(ox_await(after), 1);
	f = submit_slow(g, b, &timed_method, 60000);
	after = ox_actor_submit(g, b, &add_method, &n, sizeof n);
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT_EQ(ox_await(after), OX_ELOST);
	return 0;
}

START_TEST(a_timeout_ends_one_call_and_costs_the_object)
{
	with_pool(time_out, OPTIONS(.workers = 2));
}
END_TEST

static int cancel_calls(void *arg)
{
	int n = 1;
	(void)arg;
	OX_AUTO_ACTOR *a = open_memory(0, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART));
	OX_AUTO_GROUP *g = open_collecting();
	ox_future *slow = submit_slow(g, a, &slow_method, 60000);
	ox_future *queued = ox_actor_submit(g, a, &add_method, &n, sizeof n);
	ox_future *last = ox_actor_submit(g, a, &add_method, &n, sizeof n);
	await_begun(1);
	EXPECT(ox_future_cancel(queued));
	EXPECT_EQ(ox_await(queued), OX_ECANCELED);
	EXPECT(!ox_future_done(slow));
	EXPECT(ox_future_cancel(slow));
	EXPECT_EQ(ox_await(slow), OX_ECANCELED);
	EXPECT_EQ(ox_await(last), 1);           /* a new object */
	EXPECT_EQ(info_of(a).restarts, 1);
	EXPECT_EQ(call_add(a, 1), 2);
	ox_future *left = submit_slow(g, a, &abandoned_method, 20);
	await_begun(2);
	EXPECT(ox_future_cancel(left));
	EXPECT_EQ(ox_await(left), OX_ECANCELED);
	EXPECT_EQ(call_add(a, 1), 4);           /* the same one, and that call had run out */
	EXPECT_EQ(info_of(a).restarts, 1);
	return 0;
}

START_TEST(a_queued_call_is_cancelled_for_nothing_and_a_running_one_for_the_object)
{
	with_pool(cancel_calls, OPTIONS(.workers = 2));
}
END_TEST

/* ---- ends ---- */

static int close_while_pending(void *arg)
{
	int n = 1;
	(void)arg;
	ox_actor *a = open_memory(0, NULL);
	OX_AUTO_GROUP *g = open_collecting();
	ox_future *runs = submit_slow(g, a, &slow_method, 30), *waits[3];
	for (int i = 0; i < 3; i++)
		waits[i] = ox_actor_submit(g, a, &add_method, &n, sizeof n);
	await_begun(1);
	EXPECT_EQ(counts->freed, 0);
	EXPECT_EQ(ox_actor_close(a), 0);
	EXPECT_EQ(counts->freed, 1);            /* when it returns */
	EXPECT_EQ(ox_await(runs), 1);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(ox_await(waits[i]), OX_ECLOSED);
	return 0;
}

START_TEST(closing_lets_the_running_call_run_out_and_no_other_begin)
{
	with_pool(close_while_pending, OPTIONS(.workers = 2));
}
END_TEST

static int close_it(void *arg)
{
	return ox_actor_close(arg);
}

static int close_while_others_wait_to_call(void *arg)
{
	int ms = 30, n = 1;
	(void)arg;
	ox_actor *a = open_memory(0, NULL);
	OX_AUTO_GROUP *g = open_collecting();
	ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_future *f = ox_spawn(g, close_it, a);
	EXPECT_EQ(ox_await(ox_actor_submit(g, a, &add_method, &n, sizeof n)), OX_ECLOSED);
	EXPECT_EQ(ox_await(f), 0);
	return 0;
}

START_TEST(who_waits_to_call_hears_of_the_end)
{
	with_pool(close_while_others_wait_to_call, OPTIONS(.workers = 2, .max_pending = 2));
}
END_TEST

static int close_badly(void *arg)
{
	struct given g = { .crash_end = true };
	ox_actor *a = NULL;
	(void)arg;
	EXPECT_EQ(ox_actor_open(pool, &memory, &g, sizeof g, NULL, &a), 0);
	EXPECT_EQ(ox_actor_close(a), OX_ECRASHED);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	a = open_memory(0, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART));
	kill(info_of(a).pid, SIGKILL);          /* nobody knows yet */
	EXPECT_EQ(ox_actor_close(a), 0);        /* there is nothing to be ended */
	return 0;
}

START_TEST(a_destructor_that_crashes_is_told_and_a_dead_worker_needs_none)
{
	with_pool(close_badly, OPTIONS(.workers = 1));
}
END_TEST

static ox_actor *left[3];

static int leave_open(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		left[i] = open_memory(i, NULL);
		EXPECT_EQ(call_add(left[i], 1), i + 1);
	}
	return 0;
}

static int close_pool_first(void *arg)
{
	leave_open(arg);
	OX_AUTO_GROUP *g = open_collecting();
	ox_future *f = submit_slow(g, left[0], &slow_method, 20);
	await_begun(1);
	EXPECT_EQ(ox_pool_close(pool), 0);
	EXPECT_EQ(ox_await(f), 2);              /* it ran out */
	EXPECT_EQ(counts->freed, 3);
	EXPECT_EQ(call_add(left[1], 1), OX_ECLOSED);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(ox_actor_close(left[i]), 0);
	return 0;
}

START_TEST(the_end_of_the_pool_ends_its_actors)
{
	ck_assert_int_eq(ox_pool_open(OPTIONS(.workers = 2), &pool), 0);
	atomic_store(&counts->freed, 0);
	run_real(close_pool_first, NULL);
}
END_TEST

static int call_again(void *arg)
{
	(void)arg;
	EXPECT_EQ(call_add(left[1], 1), 3);
	return 0;
}

START_TEST(actors_outlive_a_loop_and_can_be_closed_without_one)
{
	atomic_store(&counts->freed, 0);
	ck_assert_int_eq(ox_pool_open(OPTIONS(.workers = 2), &pool), 0);
	run_real(leave_open, NULL);
	run_real(call_again, NULL);
	ck_assert_int_eq(ox_actor_close(left[0]), 0);
	ck_assert_int_eq(counts->freed, 1);
	close_pool(pool);
	ck_assert_int_eq(counts->freed, 3);
	ck_assert_int_eq(ox_actor_close(left[1]), 0);
	ck_assert_int_eq(ox_actor_close(left[2]), 0);
}
END_TEST

static int outlive_recycling(void *arg)
{
	int n = 1;
	(void)arg;
	ox_actor *a = open_memory(0, NULL);
	pid_t pid = info_of(a).pid;
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 100; i++) {
		ox_submit(g, pool, &echo_job, &n, sizeof n);
		EXPECT_EQ(call_add(a, 1), i + 1);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(info_of(a).pid, pid);
	ox_actor_close(a);
	while (stats_of(pool).spawned < 2)      /* it was due long ago */
		ox_sleep(OX_MS(1));
	return 0;
}

START_TEST(a_worker_is_not_recycled_while_an_actor_lives_in_it)
{
	with_pool(outlive_recycling, OPTIONS(.workers = 1, .max_jobs = 10, .max_age = OX_MS(1), .recycle_rss = 1));
}
END_TEST

/* Everything of an actor's life that allocates; the first error that it meets. */
static int live(void *arg)
{
	static char much[OX_KIB(5)];
	struct given g = { .start = 1 };
	ox_actor *a = NULL;
	OX_AUTO_RESULT *r = NULL;
	int n = 1, init = 0;
	(void)arg;
	int e = ox_actor_open(pool, &memory, &g, sizeof g, OX_ACTOR_OPTIONS(.policy = OX_ACTOR_RESTART, .ret_init = &init), &a);
	if (e < 0)
		return e;
	ox_group *group = open_collecting();
	e = group != NULL ? 0 : OX_ENOMEM;
	if (e == 0)
		e = ox_await(ox_actor_submit(group, a, &add_method, &n, sizeof n));
	if (e >= 0)
		e = ox_actor_call(a, &mirror_method, much, sizeof much, &r);
	if (e >= 0 && (e = ox_actor_call(a, &crash_method, NULL, 0, NULL)) == OX_ECRASHED)
		e = call_add(a, 1);
	EXPECT(e == 2 || e == OX_ENOMEM);
	ox_group_close(group);
	int closed = ox_actor_close(a);
	EXPECT_EQ(closed, 0);
	while (stats_of(pool).workers == 0)     /* descriptors are counted behind us */
		ox_yield();
	return e > 0 ? 0 : e;
}

START_TEST(an_allocation_that_fails_anywhere_leaves_nothing)
{
	ck_assert_int_eq(ox_pool_open(OPTIONS(.workers = 1), &pool), 0);
	run_real(live, NULL);
	fails_cleanly_real(live, NULL);
	close_pool(pool);
}
END_TEST

static int drive(void *arg)
{
	leave_open(arg);
	OX_AUTO_GROUP *g = open_collecting();
	submit_slow(g, left[0], &slow_method, 60000);
	await_begun(1);
	if (write(1, "busy\n", 5) < 0)
		return -1;
	return ox_group_join(g);
}

static int drive_actors(void)
{
	counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ox_pool_open(OPTIONS(.workers = 2), &pool) < 0)
		return 1;
	return ox_run(drive, NULL, NULL);
}

START_TEST(no_actor_is_left_when_the_program_is_killed)
{
	char nonce[64], said[5];
	int out;
	pid_t pid = start_driver("actors", nonce, &out);
	ck_assert_int_eq(read(out, said, sizeof said), 5);
	kill(pid, SIGKILL);
	ck_assert(eventually(no_process_left, nonce, 5000));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(out);
}
END_TEST

/* ---- keys of jobs ---- */

/*
 * A busy machine may make a worker look slow, and then its job goes elsewhere; but thirty in a row that meet by chance, with other
 * jobs between them, would take 3^29 tries.
 */
static int keep_to_the_key(void *arg)
{
	pid_t pid = 0;
	int in_a_row = 0;
	(void)arg;
	for (int i = 0; in_a_row < 30 && i < 20000; i++) {
		OX_AUTO_GROUP *g = ox_group_open();
		ox_future *f = ox_submit_with(g, pool, &pid_job, NULL, 0, OX_SUBMIT_OPTIONS(.affinity = 42));
		EXPECT_EQ(ox_await(f), 0);
		pid_t mine = *(const pid_t *)ox_future_value(f, NULL);
		in_a_row = mine == pid ? in_a_row + 1 : 0;
		pid = mine;
		EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	}
	EXPECT_EQ(in_a_row, 30);
	return 0;
}

START_TEST(jobs_of_one_key_meet_in_one_worker)
{
	with_pool(keep_to_the_key, OPTIONS(.workers = 3));
}
END_TEST

static void setup_counts(void)
{
	counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

int main(int argc, char **argv)
{
	static const struct driver drivers[] = { { "actors", drive_actors }, { NULL, NULL } };

	pool_main(argc, argv, drivers);
	setup_counts();                         /* before the spawner is forked */
	Suite *s = suite_create("actor");
	TCase *c = new_pool_case(s, "calls", 60);
	tcase_add_test(c, an_object_keeps_its_state_from_call_to_call);
	tcase_add_test(c, calls_run_in_the_order_of_submission_among_other_jobs);
	tcase_add_test(c, calls_that_wait_to_be_let_in_run_in_order_too);
	tcase_add_test(c, two_actors_in_one_worker_know_nothing_of_each_other);
	tcase_add_test(c, a_dedicated_actor_has_its_worker_for_itself);
	tcase_add_test(c, payloads_of_any_size_go_in_and_out_and_are_given_again);
	tcase_add_test(c, what_cannot_be_is_refused);
	tcase_add_test(c, a_pool_may_have_actors_and_no_jobs);
	tcase_add_test(c, jobs_of_one_key_meet_in_one_worker);
	c = new_pool_case(s, "constructors", 60);
	tcase_add_test(c, a_constructor_that_fails_crashes_or_hangs_is_told);
	tcase_add_test(c, opening_can_be_cancelled_while_the_constructor_runs);
	tcase_add_test(c, opening_can_be_cancelled_before_the_constructor_runs);
	c = new_pool_case(s, "deaths", 60);
	tcase_add_test(c, a_crash_fails_the_call_that_ran_and_all_that_follow);
	tcase_add_test(c, a_crash_fails_the_call_that_ran_and_the_others_go_on_with_a_new_object);
	tcase_add_test(c, an_actor_restarts_so_often_in_its_window_and_no_more);
	tcase_add_test(c, an_actor_that_cannot_be_made_anew_has_failed);
	tcase_add_test(c, the_call_after_a_kill_between_calls_learns_of_it_by_policy);
	tcase_add_test(c, a_job_that_crashes_takes_the_actors_of_its_worker_along);
	tcase_add_test(c, a_timeout_ends_one_call_and_costs_the_object);
	tcase_add_test(c, a_queued_call_is_cancelled_for_nothing_and_a_running_one_for_the_object);
	c = new_pool_case(s, "ends", 60);
	tcase_add_test(c, closing_lets_the_running_call_run_out_and_no_other_begin);
	tcase_add_test(c, who_waits_to_call_hears_of_the_end);
	tcase_add_test(c, a_destructor_that_crashes_is_told_and_a_dead_worker_needs_none);
	tcase_add_test(c, the_end_of_the_pool_ends_its_actors);
	tcase_add_test(c, actors_outlive_a_loop_and_can_be_closed_without_one);
	tcase_add_test(c, a_worker_is_not_recycled_while_an_actor_lives_in_it);
	tcase_add_test(c, an_allocation_that_fails_anywhere_leaves_nothing);
	tcase_add_test(c, no_actor_is_left_when_the_program_is_killed);
	return run_suite(s);
}
