/* SPDX-License-Identifier: MIT */
#include "tests/http/peers.h"

#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- files ---- */

void folder_make(char path[64])
{
	strcpy(path, "/tmp/oxbow-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void folder_remove(const char *path)
{
	ck_assert_int_eq(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void file_write(const char *folder, const char *name, const void *data, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

char *file_read(const char *folder, const char *name, size_t *ret_len)
{
	char path[256], *data;
	FILE *f;
	long len;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	len = ftell(f);
	rewind(f);
	data = malloc((size_t)len + 1);
	*ret_len = fread(data, 1, (size_t)len, f);
	data[*ret_len] = 0;
	fclose(f);
	return data;
}

/* ---- programs ---- */

pid_t program_start(const char *const *argv, const char *folder, const char *out)
{
	char path[256] = "/dev/null";
	posix_spawn_file_actions_t actions;
	extern char **environ;
	pid_t pid;
	int r;

	if (out)
		snprintf(path, sizeof(path), "%s/%s", folder, out);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return r == 0 ? pid : -1;
}

int program_wait(pid_t pid)
{
	bool coroutine = ox_task_name() != NULL;
	int status = -1;

	while (waitpid(pid, &status, coroutine ? WNOHANG : 0) == 0)
		ox_sleep(OX_MS(2));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_run(const char *const *argv, const char *folder, const char *out)
{
	pid_t pid = program_start(argv, folder, out);

	return pid < 0 ? -1 : program_wait(pid);
}

int port_open(unsigned *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 511), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

void forget_proxies(void)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++)
		unsetenv(proxies[i]);
}

/* ---- a server of raw bytes ---- */

struct connection {
	struct raw_server *server;
	ox_stream *stream;
};

static int serve_connection(void *arg)
{
	struct connection c = *(struct connection *)arg;

	free(arg);
	c.server->serve(c.server, c.stream);
	ox_close(c.stream);
	return 0;
}

static int accept_all(void *arg)
{
	struct raw_server *s = arg;
	ox_stream *stream;

	while (ox_accept(s->listener, &stream) == 0) {
		struct connection *c = malloc(sizeof(*c));

		*c = (struct connection){ s, stream };
		s->connections++;
		ox_spawn(s->group, serve_connection, c);
	}
	return 0;
}

void raw_open(struct raw_server *s, int (*serve)(struct raw_server *, ox_stream *))
{
	char address[64];

	s->serve = serve;
	EXPECT_EQ(ox_listen("127.0.0.1:0", NULL, &s->listener), 0);
	ox_listener_address(s->listener, address, sizeof(address));
	snprintf(s->url, sizeof(s->url), "http://%.50s/", address);
	s->group = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .reap = true));
	ox_spawn(s->group, accept_all, s);
}

void raw_close(struct raw_server *s)
{
	ox_group_close(s->group);
	ox_listener_close(s->listener);
}

int raw_request(struct raw_server *s, ox_stream *stream)
{
	ox_bytes headers;
	int r = ox_read_until(stream, (ox_bytes){ "\r\n\r\n", 4 }, OX_KIB(64), &headers);

	if (r == 0)
		s->requests++;
	return r;
}

int raw_say(ox_stream *stream, const char *text)
{
	ssize_t n = ox_write(stream, text, strlen(text));

	return n < 0 ? (int)n : 0;
}

void raw_wait_end(struct raw_server *s, ox_stream *stream)
{
	char buf[256];
	ssize_t n;

	do
		n = ox_read(stream, buf, sizeof(buf));
	while (n > 0);
	s->saw_end = n == 0 || n == -ECONNRESET;
}
