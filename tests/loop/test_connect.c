/* SPDX-License-Identifier: MIT */
/*
 * Connecting: Happy Eyeballs (RFC 8305) among loopback addresses, some of which do not answer (a listener whose queue is
 * full drops what comes), names, and options.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "tests/support/support.h"

/* ---- addresses that answer, refuse, or say nothing ---- */

static int plain_listener(const char *host, int backlog, ox_address *ret)
{
	char text[OX_ADDRESS_TEXT];
	int fd;

	snprintf(text, sizeof(text), "%s:0", host);
	EXPECT_EQ(ox_address_parse(text, ret), 0);
	fd = socket(ret->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&ret->storage, ret->len) < 0 || listen(fd, backlog) < 0) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&ret->storage, &ret->len);
	return fd;
}

struct silent {
	int fds[4];
	ox_address address;
};

/* Its queue has room for one: that and two more that are on their way fill it. */
static void go_silent(struct silent *s, const char *host)
{
	s->fds[0] = plain_listener(host, 0, &s->address);
	for (int i = 1; i < 4; i++) {
		s->fds[i] = socket(s->address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(s->fds[i], (struct sockaddr *)&s->address.storage, s->address.len);
	}
}

static void end_silence(struct silent *s)
{
	for (int i = 0; i < 4; i++)
		close(s->fds[i]);
}

static ox_address refusing(const char *host)
{
	ox_address a;

	close(plain_listener(host, 1, &a));
	return a;
}

static bool same(const ox_address *a, const ox_address *b)
{
	return a->len == b->len && memcmp(&a->storage, &b->storage, a->len) == 0;
}

/* Connects and says to which of the addresses; a negative code. */
static int race(const ox_address *list, size_t n, ox_time delay)
{
	ox_stream *s;
	ox_address peer;
	int r = oxi_connect_race(list, n, OX_CONNECT_OPTIONS(.attempt_delay = delay), &s), which = -1;

	if (r < 0)
		return r;
	EXPECT_EQ(ox_stream_peer(s, &peer), 0);
	for (size_t i = 0; i < n; i++)
		if (same(&peer, &list[i]))
			which = (int)i;
	ox_close(s);
	return which;
}

/* ---- the race ---- */

static int races(void *arg)
{
	ox_address list[3], good;
	struct silent silent;
	ox_time before;
	int good_fd = plain_listener("127.0.0.3", 10, &good), fds = count_fds();

	(void)arg;
	go_silent(&silent, "127.0.0.1");
	list[0] = silent.address;
	list[1] = good;
	before = ox_now();
	EXPECT_EQ(race(list, 2, OX_MS(30)), 1);                 /* the second is tried after the delay */
	EXPECT(ox_now() - before >= OX_MS(30));
	before = ox_now();
	EXPECT_EQ(race(list, 2, 0), 1);                         /* 250 ms by default */
	EXPECT(ox_now() - before >= OX_MS(250));

	list[0] = refusing("127.0.0.2");
	before = ox_now();
	EXPECT_EQ(race(list, 2, OX_SEC(20)), 1);                /* a failure does not wait for the delay */
	EXPECT(ox_now() - before < OX_SEC(10));
	list[1] = refusing("127.0.0.4");
	EXPECT_EQ(race(list, 2, OX_SEC(20)), -ECONNREFUSED);

	list[0] = silent.address;
	list[1] = refusing("127.0.0.2");
	list[2] = good;
	EXPECT_EQ(race(list, 3, OX_MS(20)), 2);
	EXPECT_EQ(race(list + 2, 1, 0), 0);
	end_silence(&silent);
	EXPECT_EQ(count_fds(), fds);                            /* the losers are gone */
	close(good_fd);
	return 0;
}

static int slow_start(void *arg)
{
	ox_address list[2];
	struct silent silent;
	ox_scope scope;
	ox_stream *s;
	char text[OX_ADDRESS_TEXT];
	int fds = count_fds();

	(void)arg;
	go_silent(&silent, "127.0.0.1");
	list[0] = list[1] = silent.address;
	ox_scope_enter(&scope, OX_MS(60));
	EXPECT_EQ(race(list, 2, OX_MS(10)), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&scope, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT_EQ(ox_address_format(&silent.address, text, sizeof(text)), 0);
	EXPECT_EQ(ox_connect_with(text, OX_CONNECT_OPTIONS(.timeout = OX_MS(20)), &s), OX_ETIMEDOUT);
	end_silence(&silent);
	EXPECT_EQ(count_fds(), fds);
	return 0;
}

static int families(void *arg)
{
	ox_address list[4], good;
	struct silent silent;
	int fd = plain_listener("[::1]", 10, &good);
	ox_time before = ox_now();

	(void)arg;
	if (fd < 0) {
		printf("SKIP %s: no IPv6 on this machine\n", __func__);
		return 0;
	}
	go_silent(&silent, "127.0.0.1");
	list[0] = refusing("127.0.0.2");
	list[1] = list[2] = silent.address;
	list[3] = good;
	EXPECT_EQ(race(list, 4, OX_SEC(20)), 3);                /* tried second, when the first failed: families take turns */
	EXPECT(ox_now() - before < OX_SEC(15));
	end_silence(&silent);
	close(fd);
	return 0;
}

/* What this machine lacks tells less than what the host says. */
static int errors(void *arg)
{
	ox_address list[2], nowhere;

	(void)arg;
	EXPECT_EQ(ox_address_parse("255.255.255.255:9", &nowhere), 0);  /* -ENETUNREACH or -EACCES: no TCP to there */
	list[0] = nowhere;
	list[1] = refusing("127.0.0.2");
	EXPECT_EQ(race(list, 2, OX_MS(10)), -ECONNREFUSED);
	list[0] = list[1];
	list[1] = nowhere;
	EXPECT_EQ(race(list, 2, OX_MS(10)), -ECONNREFUSED);
	return 0;
}

START_TEST(the_next_address_is_tried_after_a_delay_or_a_failure_and_the_first_connection_wins)
{
	run_real(races, NULL);
}
END_TEST

START_TEST(a_race_that_is_cancelled_leaves_nothing)
{
	run_real(slow_start, NULL);
}
END_TEST

START_TEST(families_take_turns)
{
	run_real(families, NULL);
}
END_TEST

START_TEST(the_error_of_a_lost_race_is_about_the_host)
{
	run_real(errors, NULL);
}
END_TEST

/* ---- names and options ---- */

static int by_name(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	ox_address peer, local;
	ox_stream *s, *t;
	char address[OX_ADDRESS_TEXT], name[64];
	int value = 0;
	socklen_t len = sizeof(value);

	(void)arg;
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &l), 0);
	EXPECT_EQ(ox_listener_address(l, address, sizeof(address)), 0);
	snprintf(name, sizeof(name), "localhost%s", strrchr(address, ':'));
	EXPECT_EQ(ox_connect(name, &s), 0);             /* also where ::1 comes first, which refuses */
	EXPECT_EQ(ox_accept(l, &t), 0);
	ox_close(s);
	ox_close(t);
	EXPECT_EQ(ox_connect("no-such-host.invalid:80", &s), OX_EDNS);

	EXPECT_EQ(ox_connect_with(address, OX_CONNECT_OPTIONS(.bind = "127.0.0.9:0", .keepalive = OX_MS(1500), .nagle = true), &s), 0);
	EXPECT_EQ(ox_accept(l, &t), 0);
	EXPECT_EQ(ox_stream_local(s, &local), 0);
	EXPECT_EQ(ox_stream_peer(t, &peer), 0);
	EXPECT(same(&local, &peer));
	EXPECT_EQ(ox_address_format(&peer, address, sizeof(address)), 0);
	EXPECT(strncmp(address, "127.0.0.9:", 10) == 0);
	EXPECT_EQ(getsockopt(ox_stream_fd(s), IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), 0);
	EXPECT_EQ(value, 2);                            /* seconds, rounded up */
	EXPECT_EQ(getsockopt(ox_stream_fd(s), IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	EXPECT_EQ(value, 0);
	ox_close(s);
	ox_close(t);
	EXPECT_EQ(ox_connect_with(address, OX_CONNECT_OPTIONS(.bind = "nonsense"), &s), OX_EINVAL);
	EXPECT_EQ(ox_connect_with(address, OX_CONNECT_OPTIONS(.bind = "192.0.2.1:0"), &s), -EADDRNOTAVAIL);
	return 0;
}

static int connect_to(void *arg)
{
	ox_stream *s;
	int r = ox_connect(arg, &s);

	if (r == 0)
		ox_close(s);
	return r;
}

/* The queue of a Unix socket is full: the connector asks again until there is room. */
static int full_unix_queue(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_LISTENER *l = NULL;
	char address[64];
	ox_stream *s;

	(void)arg;
	snprintf(address, sizeof(address), "unix:@oxbow-test-connect-%d", (int)getpid());
	EXPECT_EQ(ox_listen(address, OX_LISTEN_OPTIONS(.backlog = 1), &l), 0);
	for (int i = 0; i < 6; i++)
		ox_spawn(g, connect_to, address);
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(ox_accept(l, &s), 0);
		ox_close(s);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	return 0;
}

static int without_memory(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	ox_address list[2];
	ox_stream *s;
	int r = ox_listen("127.0.0.1:0", NULL, &l);
	char address[OX_ADDRESS_TEXT];

	if (r < 0)
		return r;
	ox_listener_address(l, address, sizeof(address));
	EXPECT_EQ(ox_address_parse(address, &list[0]), 0);
	list[1] = list[0];
	r = ox_connect(address, &s);
	if (r == 0) {
		ox_stream_abort(s);
		r = oxi_connect_race(list, 2, OX_CONNECT_OPTIONS(.bind = NULL), &s);
	}
	if (r == 0)
		ox_stream_abort(s);
	if (r == 0 && arg) {
		char name[64];

		snprintf(name, sizeof(name), "localhost%s", strrchr(address, ':'));
		r = ox_connect(name, &s);
		if (r == 0)
			ox_stream_abort(s);
	}
	return r;
}

START_TEST(hosts_are_connected_to_by_name_and_options_count)
{
	run_real(by_name, NULL);
}
END_TEST

START_TEST(a_full_unix_socket_is_waited_for)
{
	run_real(full_unix_queue, NULL);
}
END_TEST

START_TEST(connecting_without_memory_is_an_error)
{
	fails_cleanly_real(without_memory, NULL);
	fails_cleanly_real(without_memory, "by name");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connect");
	TCase *c = new_case(s, "connect", 20);

	tcase_add_test(c, the_next_address_is_tried_after_a_delay_or_a_failure_and_the_first_connection_wins);
	tcase_add_test(c, a_race_that_is_cancelled_leaves_nothing);
	tcase_add_test(c, families_take_turns);
	tcase_add_test(c, the_error_of_a_lost_race_is_about_the_host);
	tcase_add_test(c, hosts_are_connected_to_by_name_and_options_count);
	tcase_add_test(c, a_full_unix_socket_is_waited_for);
	tcase_add_test(c, connecting_without_memory_is_an_error);
	return run_suite(s);
}
