/* SPDX-License-Identifier: MIT */
/* Datagrams on loopback. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/support.h"

static ox_address address_of(const ox_udp *u)
{
	char text[OX_ADDRESS_TEXT];
	ox_address a;

	EXPECT_EQ(ox_udp_address(u, text, sizeof(text)), 0);
	EXPECT_EQ(ox_address_parse(text, &a), 0);
	return a;
}

static void open_two(ox_udp **a, ox_udp **b)
{
	EXPECT_EQ(ox_udp_open("127.0.0.1:0", NULL, a), 0);
	EXPECT_EQ(ox_udp_open("127.0.0.1:0", NULL, b), 0);
}

static int one_by_one(void *arg)
{
	ox_udp *a, *b;
	ox_address to_b, from, a_is;
	char buf[16], text[OX_ADDRESS_TEXT];

	(void)arg;
	open_two(&a, &b);
	to_b = address_of(b);
	a_is = address_of(a);
	EXPECT_EQ(ox_udp_send(a, "ping", 4, &to_b), 4);
	EXPECT_EQ(ox_udp_recv(b, buf, sizeof(buf), &from), 4);
	EXPECT(memcmp(buf, "ping", 4) == 0);
	EXPECT(from.len == a_is.len && memcmp(&from.storage, &a_is.storage, a_is.len) == 0);
	EXPECT_EQ(ox_udp_send(b, "answer", 6, &from), 6);
	EXPECT_EQ(ox_udp_recv(a, buf, 3, NULL), 6);             /* cut, and told */
	EXPECT(memcmp(buf, "ans", 3) == 0);
	EXPECT_EQ(ox_udp_send(a, "", 0, &to_b), 0);
	EXPECT_EQ(ox_udp_recv(b, buf, sizeof(buf), NULL), 0);   /* an empty datagram, not an end */
	EXPECT_EQ(ox_udp_send(a, "x", 1, NULL), -EDESTADDRREQ);
	EXPECT_EQ(ox_udp_address(a, text, 4), OX_ETOOBIG);
	ox_udp_close(a);
	ox_udp_close(b);
	ox_udp_close(NULL);
	return 0;
}

static int recv_one(void *arg)
{
	char buf[16];

	return (int)ox_udp_recv(arg, buf, sizeof(buf), NULL);
}

static int waiting(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_udp *a, *b;
	ox_address to_b;
	ox_future *f;
	char buf[8];
	ox_datagram d = { .data = buf, .cap = sizeof(buf) };

	(void)arg;
	open_two(&a, &b);
	to_b = address_of(b);
	f = ox_spawn(g, recv_one, b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_udp_recv(b, buf, 8, NULL), OX_EBUSY);
	EXPECT_EQ(ox_udp_recv_many(b, &d, 1), OX_EBUSY);
	EXPECT_EQ(ox_udp_send(a, "12345", 5, &to_b), 5);
	EXPECT_EQ(ox_await(f), 5);
	f = ox_spawn(g, recv_one, b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(ox_udp_send(a, "6", 1, &to_b), 1);            /* the next receiver gets it */
	EXPECT_EQ(ox_udp_recv(b, buf, 8, NULL), 1);
	f = ox_spawn(g, recv_one, b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_udp_close(b);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	ox_udp_close(a);
	return 0;
}

/* Nobody listens there: the call fails, the socket lives. */
static int refused(void *arg)
{
	ox_udp *a, *b;
	char buf[8], text[OX_ADDRESS_TEXT];

	(void)arg;
	open_two(&a, &b);
	EXPECT_EQ(ox_udp_address(b, text, sizeof(text)), 0);
	ox_udp_close(b);
	EXPECT_EQ(ox_udp_connect(a, "nonsense"), OX_EINVAL);
	EXPECT_EQ(ox_udp_connect(a, text), 0);
	EXPECT_EQ(ox_udp_send(a, "x", 1, NULL), 1);
	EXPECT_EQ(ox_udp_recv(a, buf, 8, NULL), -ECONNREFUSED);
	EXPECT_EQ(ox_udp_send(a, "x", 1, NULL), 1);
	EXPECT_EQ(ox_udp_send(a, "x", 1, NULL), -ECONNREFUSED);         /* the news of the one before */
	EXPECT_EQ(ox_udp_open(text, NULL, &b), 0);
	EXPECT_EQ(ox_udp_send(a, "now", 3, NULL), 3);
	EXPECT_EQ(ox_udp_recv(b, buf, 8, NULL), 3);
	ox_udp_close(a);
	ox_udp_close(b);
	return 0;
}

#define MANY 100u

static int batches(void *arg)
{
	static char data[MANY][16];
	static ox_datagram out[MANY], in[MANY];
	ox_udp *a, *b;
	ox_address to_b;
	size_t got = 0;

	(void)arg;
	open_two(&a, &b);
	to_b = address_of(b);
	for (size_t i = 0; i < MANY; i++) {
		out[i] = (ox_datagram){ .data = (void *)"0123456789", .len = i % 11, .peer = to_b };
		in[i] = (ox_datagram){ .data = data[i], .cap = 8 };
	}
	EXPECT_EQ(ox_udp_send_many(a, out, MANY), MANY);
	while (got < MANY) {
		int n = ox_udp_recv_many(b, in + got, MANY - got);

		EXPECT(n > 0);
		if (n <= 0)
			return n;
		got += (size_t)n;
	}
	for (size_t i = 0; i < MANY; i++) {
		size_t len = i % 11;

		EXPECT_EQ(in[i].len, len < 8 ? len : 8);
		EXPECT_EQ(in[i].truncated, len > 8);
		EXPECT(memcmp(data[i], "0123456789", in[i].len) == 0);
		EXPECT_EQ(in[i].peer.len, to_b.len);
	}
	out[3].len = 70000;                                     /* too long for UDP */
	EXPECT_EQ(ox_udp_send_many(a, out, 10), 3);
	EXPECT_EQ(ox_udp_send_many(a, out + 3, 7), -EMSGSIZE);
	EXPECT_EQ(ox_udp_send_many(a, out, 0), 0);
	EXPECT_EQ(ox_udp_recv_many(b, in, 0), OX_EINVAL);
	ox_udp_close(a);
	ox_udp_close(b);
	return 0;
}

/* A small send buffer: the sender is held back by the kernel, and nothing is refused. */
static int much(void *arg)
{
	char *big = calloc(1, 9000);
	ox_udp *a, *b;
	ox_address to_b;

	(void)arg;
	EXPECT_EQ(ox_udp_open("127.0.0.1:0", OX_UDP_OPTIONS(.send_buffer = 4608, .reuse_port = true, .broadcast = true), &a), 0);
	EXPECT_EQ(ox_udp_open("127.0.0.1:0", NULL, &b), 0);
	to_b = address_of(b);
	for (int i = 0; i < 200; i++) {
		EXPECT_EQ(ox_udp_send(a, big, 2000, &to_b), 2000);
		if (i % 10 == 0)
			EXPECT_EQ(ox_udp_recv(b, big, 9000, NULL), 2000);
	}
	EXPECT_EQ(ox_udp_open("unix:@x", NULL, &b), OX_EINVAL);
	EXPECT_EQ(ox_udp_open("localhost:1", NULL, &b), OX_EINVAL);
	ox_udp_close(b);
	ox_udp_close(a);
	free(big);
	return 0;
}

static bool begun;

static int send_on(void *arg)
{
	ox_address to;
	int r;

	EXPECT_EQ(ox_address_parse("127.0.0.1:9", &to), 0);
	while ((r = (int)ox_udp_send(arg, "x", 1, &to)) == 1)
		begun = true;
	return r;
}

static int closed_while_busy(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f;
	ox_udp *u;

	(void)arg;
	EXPECT_EQ(ox_udp_open("127.0.0.1:0", NULL, &u), 0);
	begun = false;
	f = ox_spawn(g, send_on, u);
	while (!begun)
		EXPECT_EQ(ox_yield(), 0);
	ox_udp_close(u);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	return 0;
}

static int without_memory(void *arg)
{
	ox_udp *u;
	int r = ox_udp_open("127.0.0.1:0", NULL, &u);

	(void)arg;
	if (r == 0)
		ox_udp_close(u);
	return r;
}

START_TEST(datagrams_go_both_ways_and_cuts_are_told)
{
	run_real(one_by_one, NULL);
}
END_TEST

START_TEST(one_receiver_waits_and_is_cancelled_or_closed)
{
	run_real(waiting, NULL);
	run_real(closed_while_busy, NULL);
}
END_TEST

START_TEST(a_refused_datagram_does_not_end_the_socket)
{
	run_real(refused, NULL);
}
END_TEST

START_TEST(batches_keep_order_and_stop_at_a_failure)
{
	if (under_emulator())
		SKIP("the emulator has another answer to half a batch");
	run_real(batches, NULL);
}
END_TEST

START_TEST(a_fast_sender_is_held_back)
{
	run_real(much, NULL);
}
END_TEST

START_TEST(opening_without_memory_is_an_error)
{
	fails_cleanly_real(without_memory, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("udp");
	TCase *c = new_case(s, "udp", 20);

	tcase_add_test(c, datagrams_go_both_ways_and_cuts_are_told);
	tcase_add_test(c, one_receiver_waits_and_is_cancelled_or_closed);
	tcase_add_test(c, a_refused_datagram_does_not_end_the_socket);
	tcase_add_test(c, batches_keep_order_and_stop_at_a_failure);
	tcase_add_test(c, a_fast_sender_is_held_back);
	tcase_add_test(c, opening_without_memory_is_an_error);
	return run_suite(s);
}
