/* SPDX-License-Identifier: MIT */
/* TCP echo on 127.0.0.1:PORT, a coroutine a connection, until the process is ended. */
#include "bench/oxbow.h"

static int echo(void *arg)
{
	OX_AUTO_STREAM *s = arg;
	char buf[OX_KIB(16)];
	ssize_t n;

	while ((n = ox_read(s, buf, sizeof(buf))) > 0)
		if ((n = ox_write(s, buf, (size_t)n)) < 0)
			break;
	return 0;
}

static int main_co(void *port)
{
	char address[32];
	OX_AUTO_LISTENER *l = NULL;

	snprintf(address, sizeof(address), "127.0.0.1:%s", (const char *)port);
	int r = ox_listen(address, NULL, &l);
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));
	for (ox_stream *s; r == 0 && (r = ox_accept(l, &s)) == 0;)
		ox_spawn(g, echo, s);
	return r;
}

int bench_echo(char **args)
{
	return run(main_co, args[0]);
}
