/* SPDX-License-Identifier: MIT */
/*
 * Sockets that the service manager has opened (sd_listen_fds(3), "Notes": descriptors from 3 on, LISTEN_FDS of them,
 * named by LISTEN_FDNAMES, meant for the process LISTEN_PID).
 *
 * The environment is left as it is: changing it is not safe with threads, and LISTEN_PID keeps children from taking it
 * for theirs. A bit per descriptor remembers which were given out.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/stream.h>

#include "loop/loop.h"

#define FIRST_FD 3
#define MOST     64

static _Atomic uint64_t taken;

/* Digits only; -1 for anything else. */
static long number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long n;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno || *end ? -1 : n;
}

/* True if the i-th of the colon-separated names is this one; those not there are called "unknown". */
static bool named(long i, const char *name)
{
	const char *list = getenv("LISTEN_FDNAMES");
	size_t len = strlen(name);

	for (; list && i > 0; i--) {
		list = strchr(list, ':');
		if (list)
			list++;
	}
	if (list == NULL)
		return strcmp(name, "unknown") == 0;
	return strcspn(list, ":") == len && memcmp(list, name, len) == 0;
}

/* Of a copy, for a listener is given its descriptor also on failure. *ret_again: it stays to be asked for, when there is room. */
static int give_out(int fd, bool *ret_again, ox_listener **ret)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD), r = copy < 0 ? -errno : ox_listener_adopt(copy, ret);

	*ret_again = r == OX_ENOMEM || r == -EMFILE;
	if (!*ret_again)
		close(fd);
	return r;
}

int ox_listen_activated(const char *name, ox_listener **ret)
{
	long n = number("LISTEN_FDS");

	if (oxi_forked())
		return OX_EFORKED;
	if (!oxi_loop_running())
		return OX_ESTATE;
	if (number("LISTEN_PID") != getpid())
		return -ENOENT;
	for (long i = 0; i < n && i < MOST; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if ((name == NULL || named(i, name)) && !(atomic_fetch_or(&taken, bit) & bit)) {
			bool again;
			int r = give_out(FIRST_FD + (int)i, &again, ret);

			if (again)
				atomic_fetch_and(&taken, ~bit);
			return r;
		}
	}
	return -ENOENT;
}
