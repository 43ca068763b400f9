/* SPDX-License-Identifier: MIT */
/* A TLS server: "GET /N" is answered with N MiB. Prints its port, and serves until its standard input ends. See ./run. */
#include "bench/oxbow.h"

static ox_tls *config;
static char zeros[OX_MIB(1)];

static int answer(ox_stream *below, void *arg)
{
	static const char header[] = "HTTP/1.0 200 OK\r\n\r\n";
	OX_AUTO_STREAM *s = NULL;
	ox_bytes request;
	int r = ox_tls_accept(below, config, NULL, &s);

	(void)arg;
	if (r == 0)
		r = ox_read_until(s, (ox_bytes){ "\r\n\r\n", 4 }, 1000, &request);
	if (r < 0 || request.len < 6)
		return r;
	ox_write(s, header, sizeof(header) - 1);
	for (long i = atol((const char *)request.data + 5); i > 0 && r >= 0; i--)
		r = (int)ox_write(s, zeros, sizeof(zeros));
	return r;
}

static int serve(void *arg)
{
	return ox_serve(arg, answer, NULL, NULL);
}

static int main_co(void *arg)
{
	OX_AUTO_LISTENER *l = NULL;
	OX_AUTO_GROUP *g = ox_group_open();
	char address[64];
	int r = ox_listen("127.0.0.1:0", NULL, &l);

	(void)arg;
	if (r == 0)
		r = ox_listener_address(l, address, sizeof(address));
	if (r < 0)
		return r;
	printf("ACCEPT %s\n", address);
	fflush(stdout);
	ox_spawn(g, serve, l);
	return ox_wait_fd(0, OX_READABLE);
}

int bench_tls(char **args)
{
	char why[256] = "";
	int r = ox_tls_new(OX_TLS_OPTIONS(.cert_file = args[0], .error_text = why), &config);

	if (r < 0)
		fprintf(stderr, "oxbow-bench: %s\n", why);
	else
		r = run(main_co, NULL);
	ox_tls_free(config);
	return r != 0;
}
