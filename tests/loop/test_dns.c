/* SPDX-License-Identifier: MIT */
/* Names: numbers, the hosts file, refusals, and a resolver that never answers. No host outside is asked. */
#include "tests/loop/actor.h"
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

static bool is(const ox_address *a, const char *text)
{
	char buf[OX_ADDRESS_TEXT];

	return ox_address_format(a, buf, sizeof(buf)) == 0 && strcmp(buf, text) == 0;
}

/* ---- numbers ---- */

static int numbers(void *arg)
{
	static const struct {
		const char *host, *port, *text;
	} cases[] = {
		{ "192.0.2.7", "80", "192.0.2.7:80" },
		{ "192.0.2.7", NULL, "192.0.2.7:0" },
		{ "2001:db8::1", "65535", "[2001:db8::1]:65535" },
		{ "::", "0", "[::]:0" },
		{ "fe80::1%lo", "80", "[fe80::1%lo]:80" },
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		OX_AUTO_ADDRESSES *as = NULL;

		EXPECT_EQ(ox_resolve(cases[i].host, cases[i].port, NULL, &as), 0);
		EXPECT(as && as->len == 1 && is(as->list, cases[i].text));
	}
	return 0;
}

/* Interfaces have numbers and most of them names. */
START_TEST(addresses_have_zones)
{
	static const char *const bad[] = { "[fe80::1%]:80", "[fe80::1%0]:80", "[fe80::1%nobody]:80", "[fe80::1%4294967296]:80",
		                           "[%lo]:80", "127.0.0.1%lo:80", "[fe80::1%lo%lo]:80", "[fe80::1%+1]:80" };
	ox_address a, b;
	char text[OX_ADDRESS_TEXT];

	ck_assert_int_eq(ox_address_parse("[fe80::1%lo]:80", &a), 0);
	ck_assert(is(&a, "[fe80::1%lo]:80"));
	ck_assert_uint_eq(((struct sockaddr_in6 *)&a.storage)->sin6_scope_id, if_nametoindex("lo"));
	snprintf(text, sizeof(text), "[fe80::1%%%u]:80", if_nametoindex("lo"));
	ck_assert_int_eq(ox_address_parse(text, &b), 0);
	ck_assert_mem_eq(&a, &b, sizeof(a));
	ck_assert_int_eq(ox_address_parse("[fe80::1%4294967295]:80", &a), 0);
	ck_assert(is(&a, "[fe80::1%4294967295]:80"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(ox_address_parse(bad[i], &a), OX_EINVAL);
}
END_TEST

static int note_turn(void *arg)
{
	*(bool *)arg = true;
	return 0;
}

static int numbers_at_once(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	bool ran = false;

	ox_spawn(g, note_turn, &ran);
	numbers(arg);
	EXPECT(!ran);
	return ox_group_join(g);
}

START_TEST(numbers_are_read_at_once)
{
	run_virtual(numbers_at_once, NULL);
}
END_TEST

static int refusals(void *arg)
{
	ox_addresses *as = arg;
	int gai = 0;
	ox_scope s;

	EXPECT_EQ(ox_resolve(NULL, "80", NULL, &as), OX_EINVAL);
	EXPECT_EQ(ox_resolve("", "80", NULL, &as), OX_EINVAL);
	EXPECT_EQ(ox_resolve("192.0.2.7", "99999999999", NULL, &as), OX_EINVAL);
	EXPECT_EQ(ox_resolve("127.0.0.1", "no-such-service", NULL, &as), OX_EINVAL);
	EXPECT_EQ(ox_resolve("192.0.2.7", "80", OX_RESOLVE_OPTIONS(.family = AF_INET6, .ret_gai = &gai), &as), OX_EDNS);
	EXPECT_EQ(gai, EAI_ADDRFAMILY);
	EXPECT_EQ(ox_resolve("localhost", "80", OX_RESOLVE_OPTIONS(.family = AF_UNIX), &as), OX_EINVAL);
	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_resolve("192.0.2.7", "80", NULL, &as), OX_ECANCELED);
	ox_scope_leave(&s, 0);
	EXPECT(as == arg);
	return 0;
}

START_TEST(what_makes_no_sense_is_refused)
{
	ox_addresses *as;

	run_virtual(refusals, NULL);
	ck_assert_int_eq(ox_resolve("192.0.2.7", "80", NULL, &as), OX_ESTATE);
	ox_addresses_free(NULL);
}
END_TEST

/* ---- names ---- */

static int hosts_file(void *arg)
{
	OX_AUTO_ADDRESSES *all = NULL, *four = NULL, *one = NULL;

	(void)arg;
	EXPECT_EQ(ox_resolve("localhost", "80", NULL, &all), 0);
	EXPECT(all && all->len >= 1 && (is(all->list, "127.0.0.1:80") || is(all->list, "[::1]:80")));
	for (size_t i = 0; all && i < all->len; i++)
		for (size_t k = 0; k < i; k++)
			EXPECT(memcmp(&all->list[i], &all->list[k], sizeof(ox_address)) != 0);
	EXPECT_EQ(ox_resolve("localhost", NULL, OX_RESOLVE_OPTIONS(.family = AF_INET), &four), 0);
	for (size_t i = 0; four && i < four->len; i++)
		EXPECT_EQ(four->list[i].storage.ss_family, AF_INET);
	EXPECT_EQ(ox_resolve("localhost", NULL, OX_RESOLVE_OPTIONS(.limit = 1), &one), 0);
	EXPECT(one && one->len == 1);
	return 0;
}

START_TEST(names_of_the_hosts_file_are_found)
{
	run_virtual(hosts_file, NULL);
}
END_TEST

static int services(void *arg)
{
	OX_AUTO_ADDRESSES *as = NULL;

	(void)arg;
	EXPECT_EQ(ox_resolve("127.0.0.1", "https", NULL, &as), 0);
	EXPECT(as && is(as->list, "127.0.0.1:443"));
	return 0;
}

START_TEST(services_have_names_too)
{
	if (getservbyname("https", "tcp") == NULL)
		SKIP("no /etc/services here");
	endservent();
	run_virtual(services, NULL);
}
END_TEST

static int back(void *arg)
{
	ox_address a = { .len = 0 };
	char host[NI_MAXHOST] = "", little[2];

	(void)arg;
	EXPECT_EQ(ox_address_parse("127.0.0.1:80", &a), 0);
	EXPECT_EQ(ox_resolve_reverse(&a, host, sizeof(host)), 0);
	EXPECT(host[0] != '\0');
	EXPECT_EQ(ox_resolve_reverse(&a, little, sizeof(little)), OX_ETOOBIG);
	EXPECT_EQ(ox_address_parse("unix:/x", &a), 0);
	EXPECT_EQ(ox_resolve_reverse(&a, host, sizeof(host)), OX_EINVAL);
	return 0;
}

START_TEST(an_address_leads_back_to_its_name)
{
	run_virtual(back, NULL);
}
END_TEST

static int first_error(void *arg)
{
	OX_AUTO_ADDRESSES *number = NULL, *name = NULL;
	ox_address a;
	char host[NI_MAXHOST];
	int r = ox_resolve("127.0.0.1", "80", NULL, &number);

	(void)arg;
	if (r == 0)
		r = ox_resolve("localhost", "80", NULL, &name);
	if (r == 0)
		r = ox_address_parse("127.0.0.1:80", &a);
	return r < 0 ? r : ox_resolve_reverse(&a, host, sizeof(host));
}

START_TEST(every_allocation_may_fail)
{
	fails_cleanly(first_error, NULL);
}
END_TEST

/* ---- resolvers of our own, in a network of our own ---- */

/*
 * The rest is played by this program itself, run again in namespaces where it is the resolver at
 * 127.0.0.1:53. Exit status: 0; 77: the system does not allow it.
 */
static int become_the_world(void)
{
	char conf[] = "/tmp/oxbow-resolv-XXXXXX", line[] = "nameserver 127.0.0.1\noptions timeout:30\n";
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, file;
	bool ready;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) < 0)
		return -1;
	file = mkstemp(conf);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ready = file >= 0 && write(file, line, strlen(line)) > 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	        mount(conf, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0 &&
	        bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	if (file >= 0) {
		unlink(conf);
		close(file);
	}
	return ready ? fd : -1;
}

static int ask_in_vain(void *arg)
{
	ox_addresses *as;
	ox_scope s;

	ox_scope_enter(&s, (ox_time)(intptr_t)arg);
	return ox_scope_leave(&s, ox_resolve("silent.example", "80", NULL, &as));
}

static int play_silence(void)
{
	int fd = become_the_world();
	ox_time begin = ox_now();
	char question[512];

	if (fd < 0)
		return 77;
	if (ox_run(ask_in_vain, (void *)OX_MS(50), NULL) != OX_ETIMEDOUT)
		return 1;
	if (recv(fd, question, sizeof(question), MSG_DONTWAIT) < 12)    /* it did ask */
		return 2;
	return ox_now() - begin < OX_SEC(10) ? 0 : 3;
}

#define AT_ONCE 16                      /* lookups, says the manual */

/* Reads one question; counts the ports that questions have come from. */
static int count_ports(int fd, in_port_t *ports, int n)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char question[512];

	if (recvfrom(fd, question, sizeof(question), MSG_DONTWAIT, (struct sockaddr *)&from, &len) < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		if (ports[i] == from.sin_port)
			return n;
	ports[n] = from.sin_port;
	return n + 1;
}

static void *answer(void *arg)
{
	return arg;
}

/* So many lookups are asked, each from a port of its own; the others wait for those, and work of other kinds does not. */
static int ask_as_a_crowd(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	in_port_t ports[AT_ONCE + 4];
	int fd = *(int *)arg, n = 0, more;
	void *answered = NULL;
	struct stat st;

	for (int i = 0; i < AT_ONCE + 4; i++)
		ox_spawn(g, ask_in_vain, (void *)OX_NEVER);
	while (n >= 0 && n < AT_ONCE && ox_wait_fd(fd, OX_READABLE) > 0)
		n = count_ports(fd, ports, n);
	if (n < AT_ONCE)
		return 1;
	if (ox_thread_call(answer, g, &answered) < 0 || answered != g || ox_path_stat("/", 0, &st) < 0)
		return 2;
	while ((more = count_ports(fd, ports, n)) >= 0)
		if (more > n)
			return 3;
	return ox_group_pending(g) == AT_ONCE + 4 ? 0 : 4;
}

static int play_crowd(void)
{
	int fd = become_the_world();

	return fd < 0 ? 77 : ox_run(ask_as_a_crowd, &fd, NULL);
}

/* Answers every question by "no such name": the header's response bit, and code 3 (RFC 1035, 4.1.1). */
static void *refuse(void *arg)
{
	int fd = *(int *)arg;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char packet[512];
	ssize_t n;

	while ((n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len)) > 12) {
		packet[2] |= (char)0x80;
		packet[3] = 3;
		sendto(fd, packet, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
	return NULL;
}

static int ask_for_nobody(void *arg)
{
	ox_address a;
	ox_addresses *as;
	char host[NI_MAXHOST];
	int gai = 0;

	(void)arg;
	if (ox_resolve("nobody.invalid", "80", OX_RESOLVE_OPTIONS(.ret_gai = &gai), &as) != OX_EDNS || gai != EAI_NONAME)
		return 1;
	if (ox_address_parse("192.0.2.7:80", &a) < 0 || ox_resolve_reverse(&a, host, sizeof(host)) != OX_EDNS)
		return 2;
	return 0;
}

static int play_refusal(void)
{
	int fd = become_the_world();
	pthread_t server;

	if (fd < 0)
		return 77;
	if (pthread_create(&server, NULL, refuse, &fd) != 0)
		return 3;
	return ox_run(ask_for_nobody, NULL, NULL);
}

START_TEST(a_lookup_that_hangs_is_left_to_its_thread)
{
	int status;

	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	status = play("silence");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no namespaces here");
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(hanging_lookups_hold_up_other_lookups_only)
{
	int status;

	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	status = play("crowd");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no namespaces here");
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_name_that_nobody_has_is_an_error)
{
	int status;

	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	status = play("refusal");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no namespaces here");
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s;
	TCase *c;

	if (argc == 2)                  /* ends by _exit: a thread may still be looking up */
		_exit(strcmp(argv[1], "silence") == 0 ? play_silence() : strcmp(argv[1], "crowd") == 0 ? play_crowd() : play_refusal());
	s = suite_create("dns");
	c = new_case(s, "names", 20);
	tcase_add_test(c, numbers_are_read_at_once);
	tcase_add_test(c, addresses_have_zones);
	tcase_add_test(c, what_makes_no_sense_is_refused);
	tcase_add_test(c, names_of_the_hosts_file_are_found);
	tcase_add_test(c, services_have_names_too);
	tcase_add_test(c, an_address_leads_back_to_its_name);
	tcase_add_test(c, every_allocation_may_fail);
	tcase_add_test(c, a_lookup_that_hangs_is_left_to_its_thread);
	tcase_add_test(c, hanging_lookups_hold_up_other_lookups_only);
	tcase_add_test(c, a_name_that_nobody_has_is_an_error);
	return run_suite(s);
}
