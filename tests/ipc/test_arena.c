/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/arena.h"
#include "tests/support/random.h"
#include "tests/support/support.h"

static struct oxi_arena a;
static struct oxi_zone *z;

/* 64 MiB of control pages' neighbour, and one zone more, which must stay untouched. */
static void setup(void)
{
	ck_assert_int_eq(oxi_arena_create(&a, 4096, OX_MIB(64), 3, 0), 0);
	z = oxi_zone_new(&a, 1, OX_GIB(1));
	ck_assert_ptr_nonnull(z);
}

static void teardown(void)
{
	oxi_zone_free(z);
	oxi_arena_destroy(&a);
	oxi_arena_destroy(&a);
}

static size_t committed(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(a.fd, &st), 0);
	return (size_t)st.st_blocks * 512;
}

static size_t get(size_t len)
{
	size_t cap, place = oxi_zone_get(z, len, &cap);

	ck_assert_uint_ne(place, 0);
	ck_assert_uint_ge(cap, len);
	ck_assert_uint_eq(place % 64, 0);
	ck_assert(oxi_arena_contains(&a, place, cap));
	return place;
}

/* ---- the mapping ---- */

START_TEST(the_parts_lie_behind_each_other_in_whole_extents)
{
	ck_assert_uint_eq((uintptr_t)a.base % OXI_EXTENT, 0);
	ck_assert_uint_eq(a.control_size, OX_MIB(2));
	ck_assert_uint_eq(oxi_arena_zone(&a, 2), OX_MIB(2 + 128));
	ck_assert_uint_eq(a.size, OX_MIB(2 + 3 * 64));
	ck_assert_uint_eq(committed(), 0);
}
END_TEST

START_TEST(only_ranges_inside_one_zone_are_contained)
{
	size_t begin = oxi_arena_zone(&a, 1), end = oxi_arena_zone(&a, 2);

	ck_assert(oxi_arena_contains(&a, begin, OX_MIB(64)));
	ck_assert(oxi_arena_contains(&a, end - 1, 1));
	ck_assert(!oxi_arena_contains(&a, end - 1, 2));
	ck_assert(!oxi_arena_contains(&a, begin, OX_MIB(64) + 1));
	ck_assert(!oxi_arena_contains(&a, begin, UINT64_MAX));
	ck_assert(!oxi_arena_contains(&a, 0, 1));
	ck_assert(!oxi_arena_contains(&a, a.size, 0));
	ck_assert(!oxi_arena_contains(&a, UINT64_MAX, 1));
}
END_TEST

START_TEST(the_overflow_is_one_zone_more_of_a_size_of_its_own)
{
	struct oxi_arena b;
	size_t cap;

	ck_assert_int_eq(oxi_arena_create(&b, 4096, OX_MIB(8), 2, OX_MIB(15)), 0);
	size_t begin = oxi_arena_zone(&b, 2);
	ck_assert_uint_eq(begin, OX_MIB(2 + 16));
	ck_assert_uint_eq(b.size, begin + OX_MIB(16));
	ck_assert_uint_eq(oxi_arena_zone_of(&b, begin - 1), 1);
	ck_assert_uint_eq(oxi_arena_zone_of(&b, begin), 2);
	ck_assert_uint_eq(oxi_arena_zone_of(&b, b.size - 1), 2);
	ck_assert(oxi_arena_contains(&b, begin, OX_MIB(16)));
	ck_assert(oxi_arena_contains(&b, begin + OX_MIB(8) - 1, 2));
	ck_assert(!oxi_arena_contains(&b, begin - 1, 2));
	ck_assert(!oxi_arena_contains(&b, begin + 1, OX_MIB(16)));
	struct oxi_zone *o = oxi_zone_new(&b, 2, 0);
	size_t place = oxi_zone_get(o, OX_MIB(16), &cap);
	ck_assert_uint_eq(place, begin);
	ck_assert_uint_eq(oxi_zone_get(o, 1, &cap), 0);
	ck_assert_int_eq(oxi_arena_commit(&b, place, OX_MIB(2)), 0);
	ck_assert_int_eq(oxi_arena_commit(&b, place, OX_MIB(17)), -EINVAL);
	ck_assert_int_eq(oxi_arena_forbid(&b, b.size, 1), -EINVAL);
	ck_assert_int_eq(oxi_arena_forbid(&b, place, OX_MIB(2)), 0);
	oxi_zone_put(o, place);
	oxi_zone_free(o);
	oxi_arena_destroy(&b);
}
END_TEST

START_TEST(an_arena_without_overflow_has_an_empty_zone_there)
{
	size_t cap;
	struct oxi_zone *o = oxi_zone_new(&a, a.zones, 0);

	ck_assert_uint_eq(oxi_zone_get(o, 1, &cap), 0);
	ck_assert_uint_eq(oxi_zone_get(o, OX_MIB(3), &cap), 0);
	oxi_zone_free(o);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
	struct oxi_arena b;

	ck_assert_int_eq(oxi_arena_create(&b, 4096, SIZE_MAX / 2, 3, 0), -EOVERFLOW);
	ck_assert_int_eq(oxi_arena_create(&b, 4096, SIZE_MAX, 1, 0), -EOVERFLOW);
	ck_assert_int_eq(oxi_arena_create(&b, 0, 4096, 1, 0), -EOVERFLOW);
	ck_assert_int_eq(oxi_arena_create(&b, 4096, 4096, 1, SIZE_MAX), -EOVERFLOW);
	ck_assert_int_eq(oxi_arena_create(&b, 4096, 4096, 1, SIZE_MAX / 2), -EOVERFLOW);
	ck_assert_int_eq(b.fd, -1);
	oxi_arena_destroy(&b);
}
END_TEST

START_TEST(a_limit_on_file_sizes_is_an_error_and_no_signal)
{
	struct rlimit before, low;
	struct oxi_arena b;

	getrlimit(RLIMIT_FSIZE, &before);
	low = before;
	low.rlim_cur = OX_MIB(1);
	setrlimit(RLIMIT_FSIZE, &low);
	ck_assert_int_eq(oxi_arena_create(&b, 4096, OX_MIB(64), 1, 0), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
}
END_TEST

START_TEST(the_size_of_the_file_is_sealed)
{
	ck_assert_int_eq(ftruncate(a.fd, 4096), -1);
	ck_assert_int_eq(errno, EPERM);
}
END_TEST

static int exit_code(pid_t pid)
{
	int status;

	ck_assert_int_ge(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* In a child: attaches, reads what the parent wrote, writes its own zone, and where is_wild says so the input zone too. */
static void child(bool is_wild)
{
	struct oxi_arena b = a;
	volatile uint8_t *p = a.base;

	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	if (oxi_arena_attach(&b) != -EEXIST)    /* inherited by the fork */
		_exit(1);
	munmap(a.base, a.size);
	if (oxi_arena_attach(&b) < 0)
		_exit(2);
	if (p[oxi_arena_zone(&a, 0)] != 42)
		_exit(3);
	if (oxi_arena_allow(&b, oxi_arena_zone(&a, 2), a.zone_size) < 0)
		_exit(4);
	if (oxi_arena_allow(&b, a.size, 4096) != -EINVAL || oxi_arena_allow(&b, 4096, SIZE_MAX) != -EINVAL)
		_exit(5);
	p[oxi_arena_zone(&a, 2)] = 43;
	if (is_wild)
		p[oxi_arena_zone(&a, 0)] = 44;
	_exit(0);
}

static pid_t start_child(bool is_wild)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(is_wild);
	return pid;
}

START_TEST(a_worker_reads_all_and_writes_its_own_zone_only)
{
	a.base[oxi_arena_zone(&a, 0)] = 42;
	ck_assert_int_eq(exit_code(start_child(false)), 0);
	ck_assert_uint_eq(a.base[oxi_arena_zone(&a, 2)], 43);
	ck_assert_int_eq(exit_code(start_child(true)), -SIGSEGV);
	ck_assert_uint_eq(a.base[oxi_arena_zone(&a, 0)], 42);
}
END_TEST

START_TEST(an_arena_that_is_shorter_than_it_says_is_refused)
{
	struct oxi_arena b = a;

	b.size += OXI_EXTENT;
	ck_assert_int_eq(oxi_arena_attach(&b), -EINVAL);
}
END_TEST

/* F25. 0: done; 77: not allowed to try. */
static int use_with_small_shm(void)
{
	size_t cap, place;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0 ||
	    mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") < 0)
		return 77;
	oxi_arena_destroy(&a);
	if (oxi_arena_create(&a, 4096, OX_MIB(128), 1, 0) < 0)
		return 1;
	oxi_zone_free(z);
	z = oxi_zone_new(&a, 0, 0);
	place = oxi_zone_get(z, OX_MIB(64), &cap);
	if (place == 0)
		return 2;
	memset(a.base + place, 1, OX_MIB(64));
	return committed() >= OX_MIB(64) ? 0 : 3;
}

START_TEST(a_small_dev_shm_does_not_bind_the_arena)
{
	pid_t pid;
	int r;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(use_with_small_shm());
	r = exit_code(pid);
	if (r == 77)
		SKIP("a small /dev/shm needs the right to mount");
	ck_assert_int_eq(r, 0);
}
END_TEST

/* ---- the allocator ---- */

START_TEST(blocks_waste_at_most_a_third)
{
	uint64_t seed = 3;

	for (int i = 0; i < 20000; i++) {
		size_t len = 64 + random_next(&seed) % (1u << (7 + random_below(&seed, 14)));
		size_t cap, place = oxi_zone_get(z, len, &cap);

		ck_assert_uint_ge(cap, len);
		ck_assert(len < 96 || len > OX_MIB(1) ? cap <= 2 * len + OXI_EXTENT : 3 * len >= 2 * cap - 64);
		oxi_zone_put(z, place);
	}
	for (size_t len = 1; len < OX_MIB(3); len = len * 5 / 4 + 1) {
		size_t cap, place = oxi_zone_get(z, len, &cap);

		ck_assert_uint_ge(cap, len);
		oxi_zone_put(z, place);
	}
	ck_assert_uint_eq(oxi_zone_used(z), 0);
}
END_TEST

START_TEST(warm_memory_is_handed_out_again_most_recent_first)
{
	size_t lens[] = { 100, 5000, OX_KIB(300), OX_MIB(5) };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t x = get(lens[i]), y = get(lens[i]);

		oxi_zone_put(z, x);
		ck_assert_uint_eq(get(lens[i]), x);
		oxi_zone_put(z, y);
		oxi_zone_put(z, x);
		ck_assert_uint_eq(get(lens[i]), x);
		ck_assert_uint_eq(get(lens[i]), y);
	}
}
END_TEST

START_TEST(freed_extents_grow_together)
{
	size_t parts[32], cap;

	for (int i = 0; i < 32; i++)
		parts[i] = get(OXI_EXTENT);
	ck_assert_uint_eq(oxi_zone_get(z, OXI_EXTENT, &cap), 0);
	ck_assert_uint_eq(oxi_zone_get(z, 1, &cap), 0);
	for (int i = 0; i < 32; i += 2)
		oxi_zone_put(z, parts[i]);
	ck_assert_uint_eq(oxi_zone_get(z, OXI_EXTENT + 1, &cap), 0);
	for (int i = 31; i > 0; i -= 2)
		oxi_zone_put(z, parts[i]);
	ck_assert_uint_eq(get(OX_MIB(64)), oxi_arena_zone(&a, 1));
	ck_assert_uint_eq(oxi_zone_get(z, 1, &cap), 0);
}
END_TEST

START_TEST(lengths_beyond_the_zone_are_full_and_nothing_else)
{
	size_t cap;

	ck_assert_uint_eq(oxi_zone_get(z, OX_MIB(64) + 1, &cap), 0);
	ck_assert_uint_eq(oxi_zone_get(z, SIZE_MAX, &cap), 0);
	ck_assert_uint_eq(oxi_zone_get(z, SIZE_MAX - OXI_EXTENT, &cap), 0);
	ck_assert_uint_ne(get(0), 0);
}
END_TEST

START_TEST(empty_slabs_make_room_for_large_blocks)
{
	size_t small[7];

	for (int i = 0; i < 7; i++)
		small[i] = get(64u << i);
	for (int i = 0; i < 7; i++)
		oxi_zone_put(z, small[i]);
	ck_assert_uint_eq(get(OX_MIB(64)), oxi_arena_zone(&a, 1));
}
END_TEST

START_TEST(a_block_lives_until_its_last_user_puts_it)
{
	size_t lens[] = { 200, OX_MIB(4) };

	for (int i = 0; i < 2; i++) {
		size_t place = get(lens[i]), start, cap;

		oxi_zone_ref(z, place);
		oxi_zone_put(z, place);
		ck_assert(oxi_zone_find(z, place, &start, &cap));
		ck_assert_uint_eq(start, place);
		ck_assert_uint_ge(cap, lens[i]);
		oxi_zone_put(z, place);
		ck_assert(!oxi_zone_find(z, place, &start, &cap));
	}
	ck_assert_uint_eq(oxi_zone_used(z), 0);
}
END_TEST

START_TEST(find_takes_any_number)
{
	size_t place = get(OX_MIB(7)), small = get(70), start, cap;

	ck_assert(oxi_zone_find(z, place + OX_MIB(8) - 1, &start, &cap));
	ck_assert_uint_eq(start, place);
	ck_assert_uint_eq(cap, OX_MIB(8));
	ck_assert(oxi_zone_find(z, small + 127, &start, &cap));
	ck_assert_uint_eq(start, small);
	ck_assert(!oxi_zone_find(z, small + 128, &start, &cap));
	ck_assert(!oxi_zone_find(z, place + OX_MIB(10), &start, &cap));
	ck_assert(!oxi_zone_find(z, 0, &start, &cap));
	ck_assert(!oxi_zone_find(z, oxi_arena_zone(&a, 1) - 1, &start, &cap));
	ck_assert(!oxi_zone_find(z, oxi_arena_zone(&a, 2), &start, &cap));
	ck_assert(!oxi_zone_find(z, SIZE_MAX, &start, &cap));
}
END_TEST

/* ---- warm and cold ---- */

static size_t fill(size_t len)
{
	size_t place = get(len);

	memset(a.base + place, 7, len);
	return place;
}

START_TEST(trimming_gives_the_pages_back)
{
	size_t x = fill(OX_MIB(16)), y = fill(OX_MIB(8)), s = fill(OX_KIB(512));

	ck_assert_uint_ge(committed(), OX_MIB(24) + OX_KIB(512));
	oxi_zone_put(z, x);
	oxi_zone_put(z, y);
	oxi_zone_put(z, s);
	ck_assert_uint_ge(oxi_zone_warm(z), OX_MIB(24) + OX_KIB(512));
	oxi_zone_trim(z, OX_MIB(10));
	ck_assert_uint_le(oxi_zone_warm(z), OX_MIB(10));
	ck_assert_uint_le(committed(), OX_MIB(10));
	ck_assert_uint_eq(a.base[oxi_arena_zone(&a, 1)], 7);    /* the low end is what stays */
	oxi_zone_trim(z, 0);
	ck_assert_uint_eq(oxi_zone_warm(z), 0);
	ck_assert_uint_eq(committed(), 0);
	ck_assert_uint_eq(a.base[fill(OX_MIB(16)) + OX_MIB(16) - 1], 7);
}
END_TEST

START_TEST(what_was_not_needed_between_two_calms_goes_back_but_for_the_limit)
{
	size_t blocks[6];

	oxi_zone_free(z);
	z = oxi_zone_new(&a, 1, OX_MIB(8));
	for (int i = 0; i < 6; i++)
		blocks[i] = fill(OX_MIB(4));
	ck_assert(!oxi_zone_is_hot(z));
	for (int i = 1; i < 6; i++)
		oxi_zone_put(z, blocks[i]);
	ck_assert(oxi_zone_is_hot(z));
	oxi_zone_calm(z);               /* all was in use at once before it */
	ck_assert_uint_ge(committed(), OX_MIB(24));
	oxi_zone_put(z, get(OX_MIB(12)));
	oxi_zone_calm(z);               /* since then it was 16 MiB */
	ck_assert_uint_eq(oxi_zone_warm(z), OX_MIB(12));
	ck_assert_uint_eq(committed(), OX_MIB(16));
	ck_assert(oxi_zone_is_hot(z));
	oxi_zone_calm(z);
	ck_assert(!oxi_zone_is_hot(z));
	ck_assert_uint_eq(oxi_zone_warm(z), OX_MIB(8));
	ck_assert_uint_eq(committed(), OX_MIB(12));
	ck_assert_uint_eq(a.base[blocks[0] + OX_MIB(4) - 1], 7);
}
END_TEST

/* Blocks that stand in each other's way: what is touched stays below what was in use at once, and the limit. */
START_TEST(more_is_never_touched_than_was_in_use_at_once_and_the_limit)
{
	size_t blocks[12];

	oxi_zone_free(z);
	z = oxi_zone_new(&a, 1, OX_MIB(8));
	for (int i = 0; i < 12; i++)
		blocks[i] = fill(OX_MIB(2));
	oxi_zone_calm(z);
	for (int i = 0; i < 12; i += 2)
		oxi_zone_put(z, blocks[i]);
	oxi_zone_calm(z);               /* from here on 12 MiB are in use, between holes */
	ck_assert_uint_eq(oxi_zone_used(z), OX_MIB(12));
	for (size_t n = 4; n <= 10; n += 2) {
		oxi_zone_put(z, fill(OX_MIB(n)));
		ck_assert_uint_le(committed(), OX_MIB(12 + n + 8));
	}
}
END_TEST

/* ---- huge pages ---- */

START_TEST(a_large_block_is_prepared_as_far_as_it_is_reached)
{
	size_t place = get(OX_MIB(6)), small = get(OX_KIB(512));

	oxi_arena_prepare(&a, small, OX_KIB(512), OX_KIB(512));
	ck_assert_uint_eq(committed(), 0);
	oxi_arena_prepare(&a, place, OX_MIB(6), OX_MIB(2) + 1);
	if (committed() < OX_MIB(2))
		SKIP("this kernel makes no huge pages of shared memory when it is asked");
	ck_assert_uint_eq(committed(), OX_MIB(4));
	memset(a.base + place, 7, OX_MIB(4));
	oxi_arena_prepare(&a, place + OX_MIB(2), OX_MIB(4), OX_MIB(4));
	ck_assert_uint_eq(committed(), OX_MIB(6));
	for (size_t i = 0; i < OX_MIB(6); i += 4096)
		ck_assert_uint_eq(a.base[place + i], i < OX_MIB(4) ? 7 : 0);
	oxi_zone_put(z, place);
	oxi_zone_put(z, small);
	oxi_zone_trim(z, 0);
	ck_assert_uint_eq(committed(), 0);
}
END_TEST

/* As a worker does with a block of the overflow, and its parent with what it finds there. */
START_TEST(what_one_process_has_prepared_another_reads_and_trims)
{
	size_t place = get(OX_MIB(4));
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		oxi_arena_prepare(&a, place, OX_MIB(4), OX_MIB(4));
		memset(a.base + place, 9, OX_MIB(4));
		_exit(oxi_arena_forbid(&a, place, OX_MIB(4)) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(exit_code(pid), 0);
	for (size_t i = 0; i < OX_MIB(4); i++)
		ck_assert_uint_eq(a.base[place + i], 9);
	oxi_zone_put(z, place);
	oxi_zone_trim(z, 0);
	ck_assert_uint_eq(committed(), 0);
	ck_assert_uint_eq(a.base[place], 0);
}
END_TEST

/* ---- against a model ---- */

enum { BLOCKS = 400 };

struct model {
	size_t place, cap;
	uint64_t mark;
};

static void mark(const struct model *m)
{
	memcpy(a.base + m->place, &m->mark, sizeof(m->mark));
	memcpy(a.base + m->place + m->cap - sizeof(m->mark), &m->mark, sizeof(m->mark));
}

static void check_mark(const struct model *m)
{
	ck_assert_mem_eq(a.base + m->place, &m->mark, sizeof(m->mark));
	ck_assert_mem_eq(a.base + m->place + m->cap - sizeof(m->mark), &m->mark, sizeof(m->mark));
}

static int by_place(const void *x, const void *y)
{
	size_t p = ((const struct model *)x)->place, q = ((const struct model *)y)->place;

	return p < q ? -1 : p > q;
}

static void check_overlaps(const struct model *m)
{
	struct model sorted[BLOCKS];
	size_t used = 0;

	memcpy(sorted, m, sizeof(sorted));
	qsort(sorted, BLOCKS, sizeof(sorted[0]), by_place);
	for (int i = 0; i < BLOCKS; i++) {
		used += sorted[i].cap;
		if (i + 1 < BLOCKS)
			ck_assert_uint_le(sorted[i].place + sorted[i].cap, sorted[i + 1].place);
	}
	ck_assert_uint_eq(oxi_zone_used(z), used);
}

static void chaos(uint64_t seed)
{
	struct model m[BLOCKS] = { { 0 } };

	for (int step = 0; step < 20000; step++) {
		struct model *b = &m[random_below(&seed, BLOCKS)];

		if (b->cap > 0) {
			size_t start, cap;

			check_mark(b);
			ck_assert(oxi_zone_find(z, b->place + random_below(&seed, b->cap), &start, &cap));
			ck_assert(start == b->place && cap == b->cap);
			oxi_zone_put(z, b->place);
			*b = (struct model){ 0 };
		} else {
			size_t len = random_next(&seed) & (((size_t)1 << random_below(&seed, 23)) - 1);

			b->place = oxi_zone_get(z, len, &b->cap);
			b->mark = random_next(&seed);
			if (b->place == 0)
				*b = (struct model){ 0 };
			else
				mark(b);
		}
		if (step % 500 == 0)
			check_overlaps(m);
		if (random_below(&seed, 1000) == 0)
			oxi_zone_trim(z, random_below(&seed, OX_MIB(64)));
		if (random_below(&seed, 500) == 0)
			oxi_zone_calm(z);
		ck_assert_uint_le(oxi_zone_used(z) + oxi_zone_warm(z), OX_MIB(64));
	}
	for (int i = 0; i < BLOCKS; i++) {
		if (m[i].cap > 0) {
			check_mark(&m[i]);
			oxi_zone_put(z, m[i].place);
		}
	}
	ck_assert_uint_eq(oxi_zone_used(z), 0);
	oxi_zone_trim(z, 0);
	ck_assert_uint_eq(oxi_zone_warm(z), 0);
	ck_assert_uint_eq(committed(), 0);
	ck_assert_uint_eq(get(OX_MIB(64)), oxi_arena_zone(&a, 1));      /* all of it is one run again */
	oxi_zone_put(z, oxi_arena_zone(&a, 1));
}

START_TEST(random_use_never_overlaps_and_loses_nothing)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		chaos(seed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arena");
	TCase *t = new_case(s, "arena", 120);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_parts_lie_behind_each_other_in_whole_extents);
	tcase_add_test(t, only_ranges_inside_one_zone_are_contained);
	tcase_add_test(t, the_overflow_is_one_zone_more_of_a_size_of_its_own);
	tcase_add_test(t, an_arena_without_overflow_has_an_empty_zone_there);
	tcase_add_test(t, sizes_that_overflow_are_refused);
	tcase_add_test(t, a_limit_on_file_sizes_is_an_error_and_no_signal);
	tcase_add_test(t, the_size_of_the_file_is_sealed);
	tcase_add_test(t, a_worker_reads_all_and_writes_its_own_zone_only);
	tcase_add_test(t, an_arena_that_is_shorter_than_it_says_is_refused);
	tcase_add_test(t, a_small_dev_shm_does_not_bind_the_arena);
	tcase_add_test(t, blocks_waste_at_most_a_third);
	tcase_add_test(t, warm_memory_is_handed_out_again_most_recent_first);
	tcase_add_test(t, freed_extents_grow_together);
	tcase_add_test(t, lengths_beyond_the_zone_are_full_and_nothing_else);
	tcase_add_test(t, empty_slabs_make_room_for_large_blocks);
	tcase_add_test(t, a_block_lives_until_its_last_user_puts_it);
	tcase_add_test(t, find_takes_any_number);
	tcase_add_test(t, trimming_gives_the_pages_back);
	tcase_add_test(t, what_was_not_needed_between_two_calms_goes_back_but_for_the_limit);
	tcase_add_test(t, more_is_never_touched_than_was_in_use_at_once_and_the_limit);
	tcase_add_test(t, a_large_block_is_prepared_as_far_as_it_is_reached);
	tcase_add_test(t, what_one_process_has_prepared_another_reads_and_trims);
	tcase_add_test(t, random_use_never_overlaps_and_loses_nothing);
	return run_suite(s);
}
