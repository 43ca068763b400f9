/* SPDX-License-Identifier: MIT */
/* Captured output: what is given comes back in order, from memory and from the shared file (batch case 6). */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/batch/capture.h"
#include "tests/support/support.h"

struct check {
	uint64_t at;                    /* bytes seen */
	unsigned seed;
	bool wrong;
};

static char byte_at(unsigned seed, uint64_t at)
{
	return (char)((at * 31 + seed) >> 3);
}

static void add(struct oxi_capture *c, unsigned seed, size_t len)
{
	char *piece = malloc(len);
	for (size_t i = 0; i < len; i++)
		piece[i] = byte_at(seed, c->len + i);
	ck_assert_int_eq(oxi_capture_add(c, piece, len), 0);
	free(piece);
}

static int compare(void *arg, const char *data, size_t len)
{
	struct check *k = arg;
	for (size_t i = 0; i < len; i++)
		k->wrong |= data[i] != byte_at(k->seed, k->at + i);
	k->at += len;
	return 0;
}

static void assert_same(struct oxi_capture *c, unsigned seed, size_t len)
{
	struct check k = { .seed = seed };
	ck_assert_int_eq(oxi_capture_each(c, compare, &k), 0);
	ck_assert_uint_eq(k.at, len);
	ck_assert(!k.wrong);
}

START_TEST(small_output_stays_in_memory)
{
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture c = { .spill = &spill };
	add(&c, 1, 1000);
	add(&c, 1, 1);
	assert_same(&c, 1, 1001);
	ck_assert_int_eq(spill.fd, -1);
	oxi_capture_free(&c);
	ck_assert_uint_eq(spill.in_memory, 0);
	oxi_spill_close(&spill);
}
END_TEST

START_TEST(interleaved_captures_share_the_file_and_come_back_whole)
{
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture c[3] = { { .spill = &spill }, { .spill = &spill }, { .spill = &spill } };
	for (int round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 3; i++)
			add(&c[i], i, 10000 + 1000 * i);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_same(&c[i], i, 20 * (10000 + 1000 * i));
	ck_assert_int_ge(spill.fd, 0);
	for (unsigned i = 0; i < 3; i++)
		oxi_capture_free(&c[i]);
	ck_assert_uint_eq(spill.in_file, 0);
	ck_assert_int_eq(spill.end, 0);
	oxi_spill_close(&spill);
}
END_TEST

START_TEST(a_freed_capture_gives_its_disk_space_back)
{
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture a = { .spill = &spill }, b = { .spill = &spill };
	struct stat before, after;
	add(&a, 1, OX_MIB(4));
	add(&b, 2, OX_MIB(1));
	fsync(spill.fd);
	ck_assert_int_eq(fstat(spill.fd, &before), 0);
	oxi_capture_free(&a);
	ck_assert_int_eq(fstat(spill.fd, &after), 0);
	ck_assert_int_lt(after.st_blocks, before.st_blocks);
	assert_same(&b, 2, OX_MIB(1));
	oxi_capture_free(&b);
	oxi_spill_close(&spill);
}
END_TEST

START_TEST(all_captures_together_stay_within_the_budget_of_memory_case_6)
{
	enum { N = 2000 };
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture *c = calloc(N, sizeof(*c));
	for (unsigned i = 0; i < N; i++) {
		c[i].spill = &spill;
		add(&c[i], i, 20000);
		ck_assert_uint_le(spill.in_memory, OX_MIB(16));
	}
	for (unsigned i = 0; i < N; i++) {
		assert_same(&c[i], i, 20000);
		oxi_capture_free(&c[i]);
	}
	free(c);
	oxi_spill_close(&spill);
}
END_TEST

START_TEST(a_folder_that_takes_no_file_is_an_error)
{
	struct oxi_spill spill = OXI_SPILL_INIT;
	struct oxi_capture c = { .spill = &spill };
	char *piece = calloc(1, OX_KIB(64));
	setenv("TMPDIR", "/nonexistent", 1);
	ck_assert_int_eq(oxi_capture_add(&c, piece, OX_KIB(64)), -ENOENT);
	unsetenv("TMPDIR");
	free(piece);
	oxi_capture_free(&c);
	oxi_spill_close(&spill);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture");
	TCase *c = new_case(s, "capture", 60);
	tcase_add_test(c, small_output_stays_in_memory);
	tcase_add_test(c, interleaved_captures_share_the_file_and_come_back_whole);
	tcase_add_test(c, a_freed_capture_gives_its_disk_space_back);
	tcase_add_test(c, all_captures_together_stay_within_the_budget_of_memory_case_6);
	tcase_add_test(c, a_folder_that_takes_no_file_is_an_error);
	return run_suite(s);
}
