/* SPDX-License-Identifier: MIT */
/*
 * Serves a folder over HTTP: docserver ROOT [ADDRESS]. Prints its URL, and ends with 0 at SIGTERM or SIGINT.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <oxbow/http_server.h>
#include <oxbow/oxbow.h>

struct settings {
	const char *root, *address;
	sigset_t signals;
};

static int complain(const char *what, int code)
{
	fprintf(stderr, "docserver: %s: %s\n", what, ox_strerror(code));
	return 1;
}

static int serve_file(ox_request *request, void *root)
{
	return ox_request_reply_file(request, root);
}

static int wait_for_signal(const struct settings *s)
{
	int fd = signalfd(-1, &s->signals, SFD_CLOEXEC | SFD_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	r = ox_wait_fd(fd, OX_READABLE);
	close(fd);
	return r < 0 ? r : 0;
}

static int serve(void *arg)
{
	struct settings *s = arg;
	ox_http_server *server;
	char url[128];
	int r = ox_http_serve(s->address, serve_file, OX_HTTP_SERVER_OPTIONS(.arg = (void *)s->root), &server);

	if (r < 0)
		return complain(s->address, r);
	ox_http_server_url(server, url, sizeof(url));
	puts(url);
	fflush(stdout);
	r = wait_for_signal(s);
	ox_http_server_close(server);
	return r < 0 ? complain("signalfd", r) : 0;
}

int main(int argc, char **argv)
{
	struct settings s = { .address = "127.0.0.1:0" };
	struct stat st;
	int r;

	if (argc < 2 || argc > 3) {
		fputs("usage: docserver ROOT [ADDRESS]\n", stderr);
		return 2;
	}
	s.root = argv[1];
	if (argc == 3)
		s.address = argv[2];
	if (stat(s.root, &st) < 0)
		return complain(s.root, -errno);
	if (!S_ISDIR(st.st_mode))
		return complain(s.root, -ENOTDIR);

	/* blocked before the loop and its threads begin, so that they wait in the descriptor */
	sigemptyset(&s.signals);
	sigaddset(&s.signals, SIGTERM);
	sigaddset(&s.signals, SIGINT);
	sigprocmask(SIG_BLOCK, &s.signals, NULL);
	r = ox_run(serve, &s, NULL);
	return r < 0 ? complain("loop", r) : r;
}
