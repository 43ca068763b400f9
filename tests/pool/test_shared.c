/* SPDX-License-Identifier: MIT */
/* Data that all workers of a pool see. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <oxbow/shared.h>

#include "pool/parent.h"
#include "tests/pool/pool_support.h"

static ox_pool *pool;

static size_t blocks_in_use(void)
{
	size_t used = 0;

	for (unsigned i = 0; i <= pool->arena.zones; i++)
		used += oxi_zone_used(pool->zones[i]);
	return used;
}

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

/* ---- jobs ---- */

/* Replies the shared data whose number is its input; -1: there is none. */
static int look(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b = ox_job_shared(out, *(const uint64_t *)in);
	(void)len;
	return b.data == NULL ? -1 : ox_reply_write(out, b.data, b.len);
}
static OX_JOB(look_job, look);

/* The text, as a job sees it now; "?" if it sees none. */
static const char *seen(uint64_t id)
{
	static char text[64];
	ox_result *r = NULL;

	snprintf(text, sizeof text, "?");
	if (ox_call(pool, &look_job, &id, sizeof id, &r) == 0)
		snprintf(text, sizeof text, "%.*s", (int)ox_result_bytes(r).len, (const char *)ox_result_bytes(r).data);
	ox_result_free(r);
	return text;
}

#define EXPECT_SEEN(id, text) EXPECT(strcmp(seen(id), (text)) == 0)

/* Looks at two data, says that it has begun, waits until it is told or 20 ms have passed, and looks again: 0 if nothing has changed. */
struct pair {
	uint64_t a, b;
	bool wait;
};

static int look_twice(const void *in, size_t len, ox_reply *out)
{
	struct pair p;
	ox_bytes a, b;
	(void)len;
	memcpy(&p, in, sizeof p);
	atomic_fetch_add(begun, 1);
	while (p.wait && !ox_job_cancelled(out))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	a = ox_job_shared(out, p.a);
	b = ox_job_shared(out, p.b);
	if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
		return -1;
	return ox_reply_write(out, a.data, a.len);
}
static OX_JOB(twice_job, look_twice);
static OX_JOB(waiting_job, look_twice, .timeout = OX_MS(50), .grace = OX_SEC(100));

/* ---- seeing it ---- */

static int share_texts(void *arg)
{
	(void)arg;
	ox_shared *a = ox_shared_new(pool, "apple", 5), *b = ox_shared_new(pool, "banana", 6), *none = ox_shared_new(pool, NULL, 0);
	uint64_t id = ox_shared_id(a);
	EXPECT_SEEN(id, "apple");
	EXPECT_SEEN(ox_shared_id(b), "banana");
	EXPECT_SEEN(ox_shared_id(none), "");
	EXPECT_SEEN(0, "?");
	EXPECT_SEEN(id + 1000, "?");
	EXPECT_EQ(ox_shared_replace(a, "avocado", 7), 0);
	EXPECT_EQ(ox_shared_id(a), id);
	EXPECT_SEEN(id, "avocado");
	ox_shared_free(a);
	EXPECT_SEEN(id, "?");
	EXPECT_SEEN(ox_shared_id(b), "banana");
	a = ox_shared_new(pool, "again", 5);
	EXPECT(ox_shared_id(a) != id);
	EXPECT_SEEN(id, "?");
	EXPECT_SEEN(ox_shared_id(a), "again");
	ox_shared_free(a);
	ox_shared_free(b);
	ox_shared_free(none);
	ox_shared_free(NULL);
	EXPECT_EQ(ox_shared_id(NULL), 0);
	return 0;
}

START_TEST(every_job_finds_it_by_its_number)
{
	with_pool(share_texts, POOL_OPTIONS(.jobs = OX_JOBS(&look_job), .workers = 2));
}
END_TEST

static int see_after_crash(void *arg)
{
	(void)arg;
	ox_shared *s = ox_shared_new(pool, "kept", 4);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_call(pool, &segv_job, NULL, 0, NULL), OX_ECRASHED);
		EXPECT_SEEN(ox_shared_id(s), "kept");
	}
	ox_shared_free(s);
	return 0;
}

START_TEST(a_worker_that_is_started_later_sees_it_too)
{
	with_pool(see_after_crash, POOL_OPTIONS(.jobs = OX_JOBS(&look_job, &segv_job), .workers = 1));
}
END_TEST

static int scribble(const void *in, size_t len, ox_reply *out)
{
	(void)len;
	*(volatile char *)(uintptr_t)ox_job_shared(out, *(const uint64_t *)in).data = 1;
	return 0;
}
static OX_JOB(scribble_job, scribble);

static int write_to_it(void *arg)
{
	(void)arg;
	ox_shared *s = ox_shared_new(pool, "mine", 4);
	uint64_t id = ox_shared_id(s);
	EXPECT_EQ(ox_call(pool, &scribble_job, &id, sizeof id, NULL), OX_ECRASHED);
	EXPECT_SEEN(id, "mine");
	ox_shared_free(s);
	return 0;
}

START_TEST(a_job_that_writes_to_it_crashes_alone)
{
	with_pool(write_to_it, POOL_OPTIONS(.jobs = OX_JOBS(&look_job, &scribble_job), .workers = 1));
}
END_TEST

/* ---- one copy ---- */

static size_t committed(void)
{
	struct stat st;

	return fstat(pool->arena.fd, &st) == 0 ? (size_t)st.st_blocks * 512 : 0;
}

/* Reads all of it, and replies how much memory of its own the worker has. */
static int read_all(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b = ox_job_shared(out, *(const uint64_t *)in);
	size_t kib = 0, sum = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");
	(void)len;
	atomic_fetch_add(begun, 1);
	while (atomic_load(begun) < 4)          /* each worker has one */
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	for (size_t i = 0; i < b.len; i++)
		sum += ((const uint8_t *)b.data)[i];
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		sscanf(line, "RssAnon: %zu kB", &kib);
	if (f != NULL)
		fclose(f);
	ox_reply_write(out, &kib, sizeof kib);
	return sum == b.len ? 0 : -1;
}
static OX_JOB(read_job, read_all);

static int share_100_mb(void *arg)
{
	size_t n = 100000000, own;
	uint8_t *data = malloc(n);
	ox_future *f[4];
	(void)arg;
	memset(data, 1, n);
	size_t before = committed();
	ox_shared *s = ox_shared_new(pool, data, n);
	uint64_t id = ox_shared_id(s);
	free(data);
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 4; i++)
		f[i] = ox_submit(g, pool, &read_job, &id, sizeof id);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(ox_await(f[i]), 0);
		memcpy(&own, ox_future_value(f[i], NULL), sizeof own);
		EXPECT(under_sanitizer || own < 50000);
	}
	EXPECT(committed() - before >= n);
	EXPECT(committed() - before < n + OX_MIB(8));
	ox_shared_free(s);
	return 0;
}

START_TEST(a_hundred_megabytes_for_four_workers_are_one_copy)
{
	with_pool(share_100_mb, OX_POOL_OPTIONS(.jobs = OX_JOBS(&read_job), .workers = 4, .arena_bytes = OX_MIB(256)));
}
END_TEST

static int where_is_it(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b = ox_job_shared(out, *(const uint64_t *)in);
	(void)len;
	return ox_reply_write(out, &b.data, sizeof b.data);
}
static OX_JOB(where_job, where_is_it);

static int share_a_blob(void *arg)
{
	const void *at;
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	ox_blob *b = ox_blob_new(pool, OX_MIB(3));
	uint8_t *data = ox_blob_data(b);
	ox_shared *s = ox_shared_new(pool, data, OX_MIB(3));
	ox_blob_free(b);                /* it stays where it is */
	uint64_t id = ox_shared_id(s);
	EXPECT_EQ(ox_call(pool, &where_job, &id, sizeof id, &r), 0);
	memcpy(&at, ox_result_bytes(r).data, sizeof at);
	EXPECT(at == data);
	ox_shared_free(s);
	return 0;
}

START_TEST(a_blob_is_shared_where_it_lies)
{
	with_pool(share_a_blob, POOL_OPTIONS(.jobs = OX_JOBS(&where_job), .workers = 1));
}
END_TEST

/* ---- versions ---- */

static int replace_under_jobs(void *arg)
{
	static const char *const versions[] = { "one", "two", "three", "four" };
	size_t before = blocks_in_use(), with_one;
	ox_future *f[4];
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_shared *a = ox_shared_new(pool, "one", 3), *b = ox_shared_new(pool, "one", 3);
	struct pair p = { ox_shared_id(a), ox_shared_id(b), true };
	with_one = blocks_in_use();
	for (int i = 0; i < 4; i++) {
		if (i > 0) {
			ox_shared_replace(a, versions[i], strlen(versions[i]));
			ox_shared_replace(b, versions[i], strlen(versions[i]));
		}
		f[i] = ox_submit(g, pool, &waiting_job, &p, sizeof p);
		await_begun(i + 1);     /* has the version of now, and looks later */
	}
	EXPECT(blocks_in_use() > with_one);
	for (int i = 0; i < 4; i++) {
		size_t len;
		EXPECT_EQ(ox_await(f[i]), 0);
		const char *text = ox_future_value(f[i], &len);
		EXPECT(len == strlen(versions[i]) && memcmp(text, versions[i], len) == 0);
	}
	ox_yield();
	EXPECT_EQ(blocks_in_use(), with_one);   /* the old versions are freed */
	ox_shared_free(a);
	ox_shared_free(b);
	EXPECT(blocks_in_use() < with_one && blocks_in_use() <= before + 64);   /* an empty directory */
	return 0;
}

START_TEST(a_job_sees_one_version_from_its_beginning_to_its_end)
{
	with_pool(replace_under_jobs, POOL_OPTIONS(.jobs = OX_JOBS(&waiting_job), .workers = 4));
}
END_TEST

/* Two data are always of one version, or the job was lucky: each replace is a change of its own. So they change in turn with a stream of jobs. */
static int replace_in_a_stream(void *arg)
{
	enum { ROUNDS = 300 };
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_shared *s = ox_shared_new(pool, "0", 1);
	struct pair p = { ox_shared_id(s), ox_shared_id(s), false };
	size_t with_one = blocks_in_use();
	for (int i = 0; i < ROUNDS; i++) {
		char text[16];
		int n = snprintf(text, sizeof text, "%d", i);
		EXPECT_EQ(ox_shared_replace(s, text, (size_t)n), 0);
		for (int k = 0; k < 5; k++) {
			ox_future *f = ox_submit(g, pool, &twice_job, &p, sizeof p);
			if (k == 4 && i % 10 == 0) {
				size_t len;
				EXPECT_EQ(ox_await(f), 0);
				EXPECT(memcmp(ox_future_value(f, &len), text, (size_t)n) == 0);
			}
		}
	}
	EXPECT_EQ(ox_pool_drain(pool), 0);
	ox_yield();
	EXPECT_EQ(blocks_in_use(), with_one);
	ox_shared_free(s);
	return 0;
}

START_TEST(a_job_submitted_after_a_change_sees_it)
{
	with_pool(replace_in_a_stream, POOL_OPTIONS(.jobs = OX_JOBS(&twice_job), .workers = 2));
}
END_TEST

static OX_JOB(abandoned_job, look_twice, .on_cancel = OX_ABANDON);
static OX_JOB(hanging_job, look_twice);

/* An abandoned job runs on and sees what it saw; a killed one sees nothing any more when its worker is dead. */
static int free_under_a_job(void *arg)
{
	const ox_job *job = arg;
	size_t before = blocks_in_use();
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_shared *s = ox_shared_new(pool, "text", 4);
	struct pair p = { ox_shared_id(s), ox_shared_id(s), true };
	ox_future *f = ox_submit(g, pool, job, &p, sizeof p);
	await_begun(1);
	ox_shared_free(s);
	EXPECT(blocks_in_use() >= before + 3 * 64);     /* text, its directory, the empty one */
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	while (blocks_in_use() > before + 64)           /* of the empty directory */
		ox_sleep(OX_MS(1));
	return 0;
}

static int free_under_an_abandoned_job(void *arg)
{
	(void)arg;
	return free_under_a_job((void *)&abandoned_job);
}

static int free_under_a_killed_job(void *arg)
{
	(void)arg;
	return free_under_a_job((void *)&hanging_job);
}

START_TEST(what_was_freed_stays_while_a_job_that_nobody_waits_for_runs)
{
	with_pool(free_under_an_abandoned_job, POOL_OPTIONS(.jobs = OX_JOBS(&abandoned_job), .workers = 1));
	atomic_store(begun, 0);
	with_pool(free_under_a_killed_job, POOL_OPTIONS(.jobs = OX_JOBS(&hanging_job), .workers = 1));
}
END_TEST

/* ---- no room, no memory, no pool ---- */

static int share_too_much(void *arg)
{
	static uint8_t data[OX_MIB(5)];
	(void)arg;
	EXPECT(ox_shared_new(pool, data, sizeof data) == NULL);
	EXPECT(ox_shared_new(NULL, data, 1) == NULL);
	size_t before = blocks_in_use();
	ox_shared *s = ox_shared_new(pool, "small", 5);
	EXPECT_EQ(ox_shared_replace(s, data, sizeof data), OX_ENOMEM);
	EXPECT_EQ(ox_shared_replace(NULL, data, 1), OX_ENOMEM);
	EXPECT_SEEN(ox_shared_id(s), "small");
	ox_shared_free(s);
	EXPECT(blocks_in_use() <= before + 64);
	return 0;
}

START_TEST(where_no_room_is_nothing_changes)
{
	with_pool(share_too_much, OX_POOL_OPTIONS(.jobs = OX_JOBS(&look_job), .workers = 1, .arena_bytes = OX_MIB(4), .overflow_bytes = OX_MIB(4)));
}
END_TEST

static int share_and_replace(void *arg)
{
	(void)arg;
	int r = OX_ENOMEM;
	ox_shared *s = ox_shared_new(pool, "abc", 3);
	if (s != NULL)
		r = ox_shared_replace(s, "defg", 4);
	ox_shared_free(s);              /* also where there is no memory for a new directory */
	return r;
}

START_TEST(sharing_fails_cleanly_without_memory)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&look_job), .workers = 1), &pool), 0);
	fails_cleanly_real(share_and_replace, NULL);
	ox_shared *s = ox_shared_new(pool, "x", 1);
	ck_assert_uint_eq(blocks_in_use(), 128);        /* what could not be forgotten before is gone */
	ox_shared_free(s);
	close_pool(pool);
}
END_TEST

START_TEST(data_may_be_freed_after_its_pool_is_closed)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&look_job), .workers = 1), &pool), 0);
	ox_shared *a = ox_shared_new(pool, "a", 1), *b = ox_shared_new(pool, "b", 1);
	ox_shared_free(a);
	close_pool(pool);
	ck_assert_int_eq(ox_shared_replace(b, "c", 1), OX_ECLOSED);
	ox_shared_free(b);
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver drivers[] = { { NULL, NULL } };
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("shared");
	TCase *t = new_pool_case(s, "shared", 60);
	tcase_add_test(t, every_job_finds_it_by_its_number);
	tcase_add_test(t, a_worker_that_is_started_later_sees_it_too);
	tcase_add_test(t, a_job_that_writes_to_it_crashes_alone);
	tcase_add_test(t, a_hundred_megabytes_for_four_workers_are_one_copy);
	tcase_add_test(t, a_blob_is_shared_where_it_lies);
	t = new_pool_case(s, "versions", 60);
	tcase_add_test(t, a_job_sees_one_version_from_its_beginning_to_its_end);
	tcase_add_test(t, a_job_submitted_after_a_change_sees_it);
	tcase_add_test(t, what_was_freed_stays_while_a_job_that_nobody_waits_for_runs);
	t = new_pool_case(s, "refusals", 60);
	tcase_add_test(t, where_no_room_is_nothing_changes);
	tcase_add_test(t, sharing_fails_cleanly_without_memory);
	tcase_add_test(t, data_may_be_freed_after_its_pool_is_closed);
	return run_suite(s);
}
