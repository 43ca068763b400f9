/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include <errno.h>
#include <oxbow/run.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int oxi_signals_open(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	/* An ignored signal is not even pending: a shell without job control starts `oxbow ... &` so. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int oxi_signals_next(int fd)
{
	for (;;) {
		int r = ox_wait_fd(fd, OX_READABLE);
		if (r < 0)
			return r;
		struct signalfd_siginfo si;
		if (read(fd, &si, sizeof(si)) == sizeof(si))
			return (int)si.ssi_signo;
	}
}
