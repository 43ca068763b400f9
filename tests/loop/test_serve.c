/* SPDX-License-Identifier: MIT */
/* Servers: limits, draining, descriptors that run out (S59), ten thousand connections, sockets from the service manager. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/support.h"

struct server {
	ox_listener *listener;
	const ox_serve_options *options;
	ox_handler *handler;
	int began, ended, now, most, status;
	char address[OX_ADDRESS_TEXT];
};

static int serve(void *arg)
{
	struct server *v = arg;

	return v->status = ox_serve(v->listener, v->handler, v, v->options);
}

static void open_listener(struct server *v)
{
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &v->listener), 0);
	EXPECT_EQ(ox_listener_address(v->listener, v->address, sizeof(v->address)), 0);
}

static ox_stream *client_of(const struct server *v)
{
	ox_stream *s = NULL;

	EXPECT_EQ(ox_connect(v->address, &s), 0);
	return s;
}

static void expect_echo(ox_stream *s)
{
	char buf[4];

	EXPECT_EQ(ox_write(s, "ping", 4), 4);
	EXPECT_EQ(ox_read_exact(s, buf, 4, NULL), 0);
	EXPECT(memcmp(buf, "ping", 4) == 0);
}

static void expect_end(ox_stream *s)
{
	char c;

	EXPECT(ox_read(s, &c, 1) <= 0);
	ox_close(s);
}

static void count(struct server *v, int step)
{
	v->now += step;
	v->began += step > 0;
	v->ended += step < 0;
	v->most = v->now > v->most ? v->now : v->most;
}

/* Requests of four bytes; idle between them. "wait" is answered never, but when it is cancelled. */
static int requests(ox_stream *stream, void *arg)
{
	OX_AUTO_STREAM *s = stream;
	char buf[4];
	int r;

	count(arg, +1);
	while ((r = ox_serve_next(s)) == 1) {
		r = ox_read_exact(s, buf, 4, NULL);
		if (r == 0 && memcmp(buf, "wait", 4) == 0)
			r = ox_read_exact(s, buf, 4, NULL);
		if (r == 0)
			r = (int)ox_write(s, buf, 4);
		if (r < 0)
			break;
	}
	count(arg, -1);
	return r;
}

/* ---- S59 ---- */

static int drains(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct server v = { .handler = requests };
	ox_stream *idle, *fresh, *busy, *late;
	ox_future *f;
	char buf[4];

	(void)arg;
	open_listener(&v);
	f = ox_spawn(g, serve, &v);
	idle = client_of(&v);
	expect_echo(idle);
	fresh = client_of(&v);
	busy = client_of(&v);
	EXPECT_EQ(ox_write(busy, "wait", 4), 4);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	while (v.began < 3)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(ox_wait_all_parked(), 0);

	ox_listener_stop(v.listener);
	EXPECT_EQ(ox_connect(v.address, &late), -ECONNREFUSED);         /* nobody new */
	expect_end(idle);                                               /* the idle go, */
	expect_end(fresh);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(v.now, 1);
	EXPECT(!ox_future_done(f));                                     /* the busy are waited for */
	EXPECT_EQ(ox_write(busy, "done", 4), 4);
	EXPECT_EQ(ox_read_exact(busy, buf, 4, NULL), 0);
	expect_end(busy);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_EQ(v.ended, 3);
	ox_listener_close(v.listener);
	return 0;
}

static int drains_with_a_limit(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct server v = { .handler = requests, .options = OX_SERVE_OPTIONS(.grace = OX_MS(30)) };
	ox_stream *busy;
	ox_future *f;
	ox_time before;

	(void)arg;
	open_listener(&v);
	f = ox_spawn(g, serve, &v);
	busy = client_of(&v);
	EXPECT_EQ(ox_write(busy, "wait", 4), 4);
	while (v.began < 1)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(ox_wait_all_parked(), 0);
	before = ox_now();
	ox_listener_close(v.listener);                                  /* which stops it too */
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT(ox_now() - before >= OX_MS(30));
	EXPECT_EQ(v.ended, 1);
	expect_end(busy);
	return 0;
}

/* close_clients of other libraries: cancel the server. */
static int ends_at_once(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct server v = { .handler = requests };
	ox_stream *busy, *idle;
	ox_future *f;

	(void)arg;
	open_listener(&v);
	f = ox_spawn(g, serve, &v);
	busy = client_of(&v);
	idle = client_of(&v);
	EXPECT_EQ(ox_write(busy, "wait", 4), 4);
	while (v.began < 2)
		ox_sleep(OX_MS(1));
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(v.ended, 2);
	expect_end(busy);
	expect_end(idle);
	EXPECT_EQ(ox_serve_next(NULL), OX_ESTATE);                      /* not in a handler */
	EXPECT_EQ(ox_serve(NULL, requests, NULL, NULL), OX_ENOMEM);
	ox_listener_close(v.listener);
	return 0;
}

START_TEST(draining_refuses_new_ends_idle_and_waits_for_busy_connections_S59)
{
	run_real(drains, NULL);
}
END_TEST

START_TEST(draining_has_an_end_and_cancelling_is_one_S59)
{
	run_real(drains_with_a_limit, NULL);
	run_real(ends_at_once, NULL);
}
END_TEST

/* ---- limits ---- */

static int echo_client(void *arg)
{
	ox_stream *s = client_of(arg);

	for (int i = 0; s && i < 3; i++)
		expect_echo(s);
	ox_close(s);
	return 0;
}

static int limited(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct server v = { .handler = requests, .options = OX_SERVE_OPTIONS(.max_connections = 3, .stack_size = OX_KIB(64)) };
	ox_future *f;

	(void)arg;
	open_listener(&v);
	f = ox_spawn(g, serve, &v);
	{
		OX_AUTO_GROUP *clients = ox_group_open();

		for (int i = 0; i < 50; i++)
			ox_spawn(clients, echo_client, &v);
		EXPECT_EQ(ox_group_join(clients), 0);
	}
	ox_listener_stop(v.listener);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT_EQ(v.began, 50);
	EXPECT(v.most <= 3);
	ox_listener_close(v.listener);
	return 0;
}

START_TEST(peers_beyond_the_limit_wait_to_be_accepted)
{
	run_real(limited, NULL);
}
END_TEST

static int warnings;

static void note(void *arg, ox_log_level level, const char *text)
{
	(void)arg;
	warnings += level == OX_LOG_WARNING && strstr(text, "peers have to wait") != NULL;
}

static int out_of_descriptors(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct server v = { .handler = requests };
	struct rlimit before, tight;
	ox_stream *first, *second;
	ox_address address;
	ox_future *f;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)arg;
	warnings = 0;
	open_listener(&v);
	f = ox_spawn(g, serve, &v);
	first = client_of(&v);
	expect_echo(first);
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = 3;                             /* not one more */
	setrlimit(RLIMIT_NOFILE, &tight);
	EXPECT_EQ(ox_address_parse(v.address, &address), 0);
	EXPECT_EQ(connect(fd, (struct sockaddr *)&address.storage, address.len), 0);     /* into the queue */
	EXPECT_EQ(ox_sleep(OX_MS(250)), 0);
	EXPECT_EQ(v.began, 1);
	EXPECT_EQ(warnings, 1);                         /* said once, tried three times */
	expect_echo(first);                             /* the others are served meanwhile */
	setrlimit(RLIMIT_NOFILE, &before);
	ox_close(first);                                /* the end of a connection is the time to try again */
	EXPECT_EQ(ox_stream_adopt(fd, &second), 0);
	expect_echo(second);
	EXPECT_EQ(v.began, 2);
	ox_close(second);
	ox_listener_stop(v.listener);
	EXPECT_EQ(ox_await(f), 0);
	ox_listener_close(v.listener);
	return 0;
}

START_TEST(a_server_without_descriptors_says_so_once_and_goes_on_S59)
{
	if (under_valgrind())
		SKIP("valgrind keeps descriptors of its own and lifts the limit");
	ox_log_set(note, NULL);
	run_real(out_of_descriptors, NULL);
	ox_log_set(NULL, NULL);
}
END_TEST

/* A server that ends lets nobody wait in its queue. */
static int serve_and_stop(void *arg)
{
	struct server *v = arg;
	int r = serve(v);

	ox_listener_stop(v->listener);
	return r;
}

static int ask(const struct server *v)
{
	ox_stream *s;
	char buf[4];
	int r = ox_connect(v->address, &s);

	if (r < 0)
		return r == -ECONNREFUSED || r == -ECONNRESET ? 0 : r;
	r = (int)ox_write(s, "ping", 4);
	if (r >= 0)
		r = (int)ox_read(s, buf, 4);            /* an end if the server has no memory for it */
	ox_stream_abort(s);
	return r == OX_ENOMEM ? r : 0;
}

static int serve_one(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_LISTENER *l = NULL;
	struct server v = { .handler = requests };
	ox_future *f;
	int r = ox_listen("127.0.0.1:0", NULL, &v.listener), served;

	(void)arg;
	if (r < 0)
		return r;
	l = v.listener;
	ox_listener_address(l, v.address, sizeof(v.address));
	f = ox_spawn(g, serve_and_stop, &v);
	r = ox_future_done(f) ? 0 : ask(&v);
	ox_listener_stop(l);
	served = ox_await(f);
	return r < 0 ? r : served;
}

START_TEST(a_server_without_memory_drops_a_connection_and_goes_on)
{
	fails_cleanly_real(serve_one, NULL);
}
END_TEST

/* ---- ten thousand ---- */

#define ROUNDS 3

static int echo(ox_stream *stream, void *arg)
{
	OX_AUTO_STREAM *s = stream;
	char buf[256];
	ssize_t n;

	count(arg, +1);
	while ((n = ox_read(s, buf, sizeof(buf))) > 0)
		if ((n = ox_write(s, buf, (size_t)n)) < 0)
			break;
	count(arg, -1);
	return (int)n;
}

static long resident_kib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* In a process of its own, by plain calls: n connections, all open at once, then three echoes over each. 0 if all came back. */
static int many_clients(const ox_address *server, int n)
{
	int *fds = calloc((size_t)n, sizeof(int));
	char buf[8];

	for (int i = 0; i < n; i++) {
		fds[i] = socket(server->storage.ss_family, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (const struct sockaddr *)&server->storage, server->len) < 0)
			return 1;
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < n; i++)
			if (write(fds[i], &i, sizeof(i)) != sizeof(i))
				return 2;
		for (int i = 0; i < n; i++)
			if (read(fds[i], buf, sizeof(buf)) != sizeof(i) || memcmp(buf, &i, sizeof(i)) != 0)
				return 3;
	}
	free(fds);
	return 0;
}

struct crowd {
	int n, listen_fd;
	pid_t client;
};

static int crowd_main(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct crowd *c = arg;
	struct server v = { .handler = echo, .options = OX_SERVE_OPTIONS(.stack_size = OX_KIB(64)) };
	long before = resident_kib(), most = 0;
	ox_future *f;
	int status = -1;

	EXPECT_EQ(ox_listener_adopt(c->listen_fd, &v.listener), 0);
	f = ox_spawn(g, serve, &v);
	while (waitpid(c->client, &status, WNOHANG) == 0) {
		if (v.now == c->n && most == 0)
			most = resident_kib();
		EXPECT_EQ(ox_sleep(OX_MS(5)), 0);
	}
	EXPECT(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
	EXPECT_EQ(v.most, c->n);
	while (v.now > 0)
		EXPECT_EQ(ox_sleep(OX_MS(5)), 0);
	printf("%d connections at once: %ld bytes of memory each\n", v.most, (most - before) * 1024 / c->n);
	ox_listener_stop(v.listener);
	EXPECT_EQ(ox_await(f), 0);
	ox_listener_close(v.listener);
	return 0;
}

static bool raise_descriptors(int n)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_cur >= (rlim_t)n)
		return true;
	l.rlim_cur = (rlim_t)n;
	if (l.rlim_max < l.rlim_cur)
		l.rlim_max = l.rlim_cur;
	return setrlimit(RLIMIT_NOFILE, &l) == 0;
}

START_TEST(ten_thousand_connections_echo_at_once)
{
	struct crowd c = { .n = under_sanitizer || under_valgrind() ? 300 : 10000 };
	struct rlimit before;
	ox_address a;

	getrlimit(RLIMIT_NOFILE, &before);
	if (!raise_descriptors(c.n + 100))
		SKIP("RLIMIT_NOFILE is below 10,100 and cannot be raised");
	ck_assert_int_eq(ox_address_parse("127.0.0.1:0", &a), 0);
	c.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(c.listen_fd, (struct sockaddr *)&a.storage, a.len), 0);
	ck_assert_int_eq(listen(c.listen_fd, 4096), 0);
	ck_assert_int_eq(getsockname(c.listen_fd, (struct sockaddr *)&a.storage, &a.len), 0);
	c.client = fork();
	if (c.client == 0)
		_exit(many_clients(&a, c.n));
	run_real(crowd_main, &c);
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

/* ---- sockets from the service manager ---- */

/* What the started process does: the sockets by name, each once; one is accepted from. The number of the step that failed. */
static int activated_main(void *arg)
{
	ox_listener *web, *other, *none;
	ox_stream *s, *t;
	char address[OX_ADDRESS_TEXT];
	int step = 1;

	(void)arg;
	ox_test_fail_allocation(1);
	step += ox_listen_activated("web", &none) == OX_ENOMEM;         /* which does not lose it */
	ox_test_fail_allocation(0);
	if (ox_listen_activated("web", &web) < 0)
		return step;
	step += ox_listen_activated("nothing", &none) == -ENOENT;
	step += ox_listen_activated("web", &none) == -ENOENT;
	step += ox_listen_activated("file", &none) == -ENOTSOCK;        /* passed, but not a socket */
	step += ox_listen_activated("unknown", &other) == 0;            /* it has no name */
	step += ox_listen_activated(NULL, &none) == -ENOENT;
	step += ox_listener_address(web, address, sizeof(address)) == 0;
	step += ox_connect(address, &s) == 0;
	step += ox_accept(web, &t) == 0;
	if (step < 10)
		return step;
	ox_close(s);
	ox_close(t);
	ox_listener_close(web);
	ox_listener_close(other);
	return 0;
}

static int plain_listener(void)
{
	ox_address a;
	int fd;

	ox_address_parse("127.0.0.1:0", &a);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	bind(fd, (struct sockaddr *)&a.storage, a.len);
	listen(fd, 5);
	return fd;
}

static const char *program;             /* this one; /proc/self/exe is valgrind under valgrind */

/* As a service manager does it: descriptors from 3 on, and the variables with the pid of the process itself. */
static void start_activated(const char *pid)
{
	char own[16];
	int a = plain_listener(), b = plain_listener(), c = dup(0);
	int high[3] = { dup2(a, 100), dup2(c, 101), dup2(b, 102) };

	for (int i = 0; i < 3; i++)
		dup2(high[i], 3 + i);
	for (int fd = 6; fd < 128; fd++)
		close(fd);
	snprintf(own, sizeof(own), "%d", (int)getpid());
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_PID", pid ? pid : own, 1);
	setenv("LISTEN_FDNAMES", "web:file", 1);
	execl(program, program, "--activated", (char *)NULL);
	_exit(99);
}

static int status_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(sockets_are_taken_from_the_service_manager_once_by_name)
{
	pid_t pid;

	if (under_emulator())
		SKIP("the system does not start this program, an emulator does");
	pid = fork();
	if (pid == 0)
		start_activated(NULL);
	ck_assert_int_eq(status_of(pid), 0);
	pid = fork();
	if (pid == 0)
		start_activated("1");
	ck_assert_int_eq(status_of(pid), 1);            /* they are not for this process */
}
END_TEST

static int shared_port(void *arg)
{
	ox_listener *first, *second, *third;
	char address[OX_ADDRESS_TEXT];

	(void)arg;
	EXPECT_EQ(ox_listen("127.0.0.1:0", OX_LISTEN_OPTIONS(.reuse_port = true), &first), 0);
	EXPECT_EQ(ox_listener_address(first, address, sizeof(address)), 0);
	EXPECT_EQ(ox_listen(address, OX_LISTEN_OPTIONS(.reuse_port = true), &second), 0);
	EXPECT_EQ(ox_listen(address, NULL, &third), -EADDRINUSE);
	ox_listener_close(first);
	ox_listener_close(second);
	return 0;
}

START_TEST(several_listeners_share_a_port)
{
	run_real(shared_port, NULL);
}
END_TEST

static int adopting(void *arg)
{
	ox_listener *l;
	ox_address a;

	(void)arg;
	EXPECT_EQ(ox_address_parse("127.0.0.1:0", &a), 0);
	EXPECT_EQ(ox_listener_adopt(socket(AF_INET, SOCK_STREAM, 0), &l), OX_EINVAL);
	EXPECT_EQ(ox_listener_adopt(dup(0), &l), -ENOTSOCK);
	EXPECT_EQ(ox_listener_adopt(-1, &l), -EBADF);
	EXPECT_EQ(ox_listener_adopt(plain_listener(), &l), 0);
	ox_listener_stop(l);
	EXPECT_EQ(ox_accept(l, (ox_stream **)&a), OX_ECLOSED);
	ox_listener_stop(l);
	ox_listener_close(l);
	return 0;
}

START_TEST(listening_descriptors_are_adopted_others_refused)
{
	run_real(adopting, NULL);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s;
	TCase *c;

	if (argc > 1 && strcmp(argv[1], "--activated") == 0)
		return ox_run(activated_main, NULL, NULL);
	program = argv[0];
	s = suite_create("serve");
	c = new_case(s, "serve", 30);
	tcase_add_test(c, draining_refuses_new_ends_idle_and_waits_for_busy_connections_S59);
	tcase_add_test(c, draining_has_an_end_and_cancelling_is_one_S59);
	tcase_add_test(c, peers_beyond_the_limit_wait_to_be_accepted);
	tcase_add_test(c, a_server_without_descriptors_says_so_once_and_goes_on_S59);
	tcase_add_test(c, a_server_without_memory_drops_a_connection_and_goes_on);
	tcase_add_test(c, ten_thousand_connections_echo_at_once);
	tcase_add_test(c, sockets_are_taken_from_the_service_manager_once_by_name);
	tcase_add_test(c, several_listeners_share_a_port);
	tcase_add_test(c, listening_descriptors_are_adopted_others_refused);
	return run_suite(s);
}
