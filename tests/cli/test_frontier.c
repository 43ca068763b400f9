/* SPDX-License-Identifier: MIT */
/* Alarms, hosts that take turns, by themselves and at their address, traps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/frontier.h"
#include "tests/support/support.h"

/* ---- alarms ---- */

#define ALARMS 1000

START_TEST(alarms_ring_in_order_whatever_was_moved)
{
	static struct oxi_alarm alarm[ALARMS];
	struct oxi_alarms s = { 0 };
	unsigned state = 7;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < ALARMS; i++) {
			state = state * 1103515245u + 12345u;
			ck_assert_int_eq(oxi_alarm_set(&s, &alarm[i], (state >> 16) % 500), 0);
		}
	}
	size_t left = ALARMS;
	for (int i = 0; i < ALARMS; i += 7, left--)
		oxi_alarm_clear(&s, &alarm[i]);
	oxi_alarm_clear(&s, &alarm[0]);
	ox_time last = 0;
	ck_assert_ptr_null(oxi_alarms_due(&s, -1));
	for (struct oxi_alarm *a; (a = oxi_alarms_due(&s, 499)); left--) {
		ck_assert_int_ge(a->at, last);
		ck_assert_uint_eq(a->place, 0);
		last = a->at;
	}
	ck_assert_uint_eq(left, 0);
	ck_assert_int_eq(oxi_alarms_next(&s), OX_NEVER);
	oxi_alarms_free(&s);
}
END_TEST

/* ---- turns ---- */

static void add_as(struct oxi_frontier *f, const char *text, uint64_t id, bool first)
{
	struct oxi_url url;
	ck_assert_int_eq(oxi_url_resolve(NULL, text, strlen(text), &url), 0);
	struct oxi_item *item = oxi_item_new(url.text, id, 0, NULL);
	item->host = oxi_frontier_host(f, &url);
	item->first = first;
	oxi_frontier_put(f, item);
}

static void add(struct oxi_frontier *f, const char *text, uint64_t id)
{
	add_as(f, text, id, false);
}

/* Begins the next request; its path. */
static const char *next(struct oxi_frontier *f, ox_time now)
{
	static char path[64];
	struct oxi_item *item = oxi_frontier_next(f, now);
	if (!item)
		return "";
	item->host->running++;
	oxi_frontier_update(f, item->host);
	snprintf(path, sizeof(path), "%s", item->url + strlen("http://x.test"));
	oxi_item_free(item);
	return path;
}

static void end(struct oxi_frontier *f, const char *name, ox_time not_before)
{
	struct oxi_host *h = oxi_frontier_host_named(f, name);
	h->running--;
	h->not_before = not_before;
	oxi_frontier_update(f, h);
}

START_TEST(hosts_take_turns_and_one_request_is_under_way)
{
	struct oxi_frontier f;
	ck_assert_int_eq(oxi_frontier_init(&f, 1), 0);
	add(&f, "http://a.test/1", 1);
	add(&f, "http://a.test/2", 2);
	add(&f, "http://a.test/3", 3);
	add(&f, "http://b.test/4", 4);
	ck_assert_str_eq(next(&f, ox_now()), "/1");
	ck_assert_str_eq(next(&f, ox_now()), "/4");
	ck_assert_str_eq(next(&f, ox_now()), "");
	ck_assert_int_eq(oxi_frontier_wake_at(&f), OX_NEVER);
	end(&f, "a.test:80", 0);
	ck_assert_str_eq(next(&f, ox_now()), "/2");
	ox_time later = ox_now() + OX_SEC(1000);
	end(&f, "a.test:80", later);
	ck_assert_str_eq(next(&f, ox_now()), "");
	ck_assert_int_eq(oxi_frontier_wake_at(&f), later);
	ck_assert_uint_eq(f.waiting, 1);
	oxi_frontier_free(&f);
}
END_TEST

START_TEST(what_goes_first_does_so_at_its_host)
{
	struct oxi_frontier f;
	ck_assert_int_eq(oxi_frontier_init(&f, 9), 0);
	add(&f, "http://a.test/1", 1);
	add_as(&f, "http://a.test/2", 2, true);
	add_as(&f, "http://a.test/3", 3, true);
	add(&f, "http://a.test/4", 4);
	ck_assert_str_eq(next(&f, ox_now()), "/3");
	ck_assert_str_eq(next(&f, ox_now()), "/2");
	ck_assert_str_eq(next(&f, ox_now()), "/1");
	ck_assert_str_eq(next(&f, ox_now()), "/4");
	ck_assert_uint_eq(f.waiting, 0);
	oxi_frontier_free(&f);
}
END_TEST

START_TEST(schemes_of_one_host_share_its_pace)
{
	struct oxi_frontier f;
	struct oxi_url a, b, c;
	ck_assert_int_eq(oxi_frontier_init(&f, 1), 0);
	ck_assert_int_eq(oxi_url_resolve(NULL, "http://a.test/", 14, &a), 0);
	ck_assert_int_eq(oxi_url_resolve(NULL, "https://a.test/", 15, &b), 0);
	ck_assert_int_eq(oxi_url_resolve(NULL, "http://a.test:8080/", 19, &c), 0);
	ck_assert_ptr_eq(oxi_frontier_host(&f, &a), oxi_frontier_host(&f, &b));
	ck_assert_ptr_ne(oxi_frontier_host(&f, &a), oxi_frontier_host(&f, &c));
	oxi_frontier_free(&f);
}
END_TEST

/* ---- addresses ---- */

/* Hosts a, b, c... with an item each, all of one address. */
static struct oxi_address *add_shared(struct oxi_frontier *f, unsigned n)
{
	struct oxi_address *a = oxi_frontier_address(f, "192.0.2.1");
	for (unsigned i = 0; i < n; i++) {
		char url[64];
		snprintf(url, sizeof(url), "http://%c.test/%u", 'a' + (int)i, i);
		struct oxi_url u;
		ck_assert_int_eq(oxi_url_resolve(NULL, url, strlen(url), &u), 0);
		oxi_frontier_host(f, &u)->address = a;
		add(f, url, i + 1);
	}
	return a;
}

/* Begins the next request, which is the address's, too. */
static struct oxi_host *next_shared(struct oxi_frontier *f, ox_time now)
{
	struct oxi_item *item = oxi_frontier_next(f, now);
	if (!item)
		return NULL;
	struct oxi_host *h = item->host;
	h->running++;
	h->address->running++;
	oxi_frontier_update(f, h);
	oxi_item_free(item);
	return h;
}

static void end_shared(struct oxi_frontier *f, struct oxi_host *h, ox_time not_before)
{
	h->running--;
	h->address->running--;
	h->address->not_before = not_before;
	oxi_frontier_update(f, h);
}

START_TEST(hosts_of_one_address_take_turns_at_it)
{
	struct oxi_frontier f;
	ck_assert_int_eq(oxi_frontier_init(&f, 1), 0);
	struct oxi_address *a = add_shared(&f, 4);
	ck_assert_ptr_eq(oxi_frontier_address(&f, "192.0.2.1"), a);
	ck_assert_ptr_ne(oxi_frontier_address(&f, "192.0.2.2"), a);
	for (char name = 'a'; name < 'e'; name++) {
		struct oxi_host *h = next_shared(&f, ox_now());
		ck_assert_ptr_nonnull(h);
		ck_assert_int_eq(h->name[0], name);
		ck_assert_ptr_null(next_shared(&f, ox_now()));
		ck_assert_int_eq(oxi_frontier_wake_at(&f), OX_NEVER);
		end_shared(&f, h, 0);
	}
	ck_assert_ptr_null(next_shared(&f, ox_now()));
	ck_assert_uint_eq(f.waiting, 0);
	oxi_frontier_free(&f);
}
END_TEST

START_TEST(an_address_has_its_pause)
{
	struct oxi_frontier f;
	ck_assert_int_eq(oxi_frontier_init(&f, 1), 0);
	struct oxi_address *a = add_shared(&f, 3);
	ox_time later = ox_now() + OX_SEC(1000);
	end_shared(&f, next_shared(&f, ox_now()), later);
	ck_assert_ptr_null(next_shared(&f, ox_now()));
	ck_assert_int_eq(oxi_frontier_wake_at(&f), later);
	/* Another end that comes early lets them wait no less, and one that comes late longer. */
	a->not_before = later + 5;
	ck_assert_ptr_null(next_shared(&f, later - 1));
	a->not_before = 0;
	oxi_address_update(&f, a);
	struct oxi_host *h = next_shared(&f, ox_now());
	ck_assert_ptr_nonnull(h);
	end_shared(&f, h, 0);
	ck_assert_ptr_nonnull(next_shared(&f, ox_now()));
	oxi_frontier_free(&f);
}
END_TEST

START_TEST(who_has_nothing_to_ask_for_holds_up_nobody_at_an_address)
{
	struct oxi_frontier f;
	ck_assert_int_eq(oxi_frontier_init(&f, 1), 0);
	add_shared(&f, 3);
	struct oxi_host *h = next_shared(&f, ox_now());
	ck_assert_ptr_null(next_shared(&f, ox_now()));
	end_shared(&f, h, 0);
	/* b is called, and its item has its result without a request. */
	struct oxi_item *item = oxi_frontier_next(&f, ox_now());
	ck_assert_int_eq(item->host->name[0], 'b');
	oxi_frontier_update(&f, item->host);
	oxi_item_free(item);
	h = next_shared(&f, ox_now());
	ck_assert_ptr_nonnull(h);
	ck_assert_int_eq(h->name[0], 'c');
	oxi_frontier_free(&f);
}
END_TEST

START_TEST(what_is_too_much_for_memory_is_counted_and_asked_for)
{
	struct oxi_frontier f;
	ck_assert_int_eq(oxi_frontier_init(&f, 1), 0);
	f.in_memory = OXI_IN_MEMORY;
	add(&f, "http://a.test/1", 1);
	add(&f, "http://a.test/2", 2);
	ck_assert_uint_eq(f.waiting, 2);
	struct oxi_host *h = oxi_frontier_hungry(&f);
	ck_assert_ptr_nonnull(h);
	ck_assert_ptr_null(oxi_frontier_hungry(&f));
	ck_assert_uint_eq(h->cold, 2);
	ck_assert_uint_eq(h->loaded_to, 0);
	struct oxi_item *item = oxi_item_new("http://a.test/1", 1, 0, NULL);
	item->host = h;
	oxi_frontier_put_loaded(&f, item);
	ck_assert_uint_eq(h->cold, 1);
	ck_assert_uint_eq(h->loaded_to, 1);
	ck_assert_str_eq(next(&f, ox_now()), "/1");
	oxi_frontier_free(&f);
}
END_TEST

/* ---- traps ---- */

static enum oxi_trap trap_of(const char *text)
{
	struct oxi_url url;
	ck_assert_int_eq(oxi_url_resolve(NULL, text, strlen(text), &url), 0);
	return oxi_trap_of(&url);
}

START_TEST(paths_without_an_end_are_traps_case_14)
{
	ck_assert_int_eq(trap_of("http://a.test/a/b/a/b/c"), OXI_TRAP_NONE);
	ck_assert_int_eq(trap_of("http://a.test/a/b/a/b/a/b/"), OXI_TRAP_REPEATED);
	ck_assert_int_eq(trap_of("http://a.test//////"), OXI_TRAP_NONE);
	ck_assert_int_eq(trap_of("http://a.test/0/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32"),
	                 OXI_TRAP_DEPTH);
	char text[OXI_TRAP_URL_MAX + 100] = "http://a.test/";
	memset(text + strlen(text), 'x', OXI_TRAP_URL_MAX);
	ck_assert_int_eq(trap_of(text), OXI_TRAP_LENGTH);
	strcpy(text, "http://a.test/?");
	for (int i = 0; i < OXI_TRAP_PARAMETERS_MAX; i++)
		strcat(text, "a=1&");
	ck_assert_int_eq(trap_of(text), OXI_TRAP_PARAMETERS);
	ck_assert_str_eq(oxi_trap_name(OXI_TRAP_REPEATED), "repeated-segment");
	ck_assert_ptr_null(oxi_trap_name(OXI_TRAP_NONE));
}
END_TEST

START_TEST(queries_are_counted_by_path_case_14)
{
	struct oxi_queries q = { 0 };
	struct oxi_url url;
	uint64_t n;
	char text[64];
	for (unsigned i = 1; i <= 1000; i++) {
		snprintf(text, sizeof(text), "http://a.test/cal?y=%u", i);
		ck_assert_int_eq(oxi_url_resolve(NULL, text, strlen(text), &url), 0);
		ck_assert_int_eq(oxi_queries_add(&q, &url, &n), 0);
		ck_assert_uint_eq(n, i);
		snprintf(text, sizeof(text), "http://a.test/%u?x", i);
		ck_assert_int_eq(oxi_url_resolve(NULL, text, strlen(text), &url), 0);
		ck_assert_int_eq(oxi_queries_add(&q, &url, &n), 0);
		ck_assert_uint_eq(n, 1);
	}
	ck_assert_int_eq(oxi_url_resolve(NULL, "http://a.test/cal", 17, &url), 0);
	ck_assert_int_eq(oxi_queries_add(&q, &url, &n), 0);
	ck_assert_uint_eq(n, 0);
	oxi_queries_free(&q);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frontier");
	TCase *c = new_case(s, "frontier", 60);
	tcase_add_test(c, alarms_ring_in_order_whatever_was_moved);
	tcase_add_test(c, hosts_take_turns_and_one_request_is_under_way);
	tcase_add_test(c, what_goes_first_does_so_at_its_host);
	tcase_add_test(c, schemes_of_one_host_share_its_pace);
	tcase_add_test(c, hosts_of_one_address_take_turns_at_it);
	tcase_add_test(c, an_address_has_its_pause);
	tcase_add_test(c, who_has_nothing_to_ask_for_holds_up_nobody_at_an_address);
	tcase_add_test(c, what_is_too_much_for_memory_is_counted_and_asked_for);
	tcase_add_test(c, paths_without_an_end_are_traps_case_14);
	tcase_add_test(c, queries_are_counted_by_path_case_14);
	return run_suite(s);
}
