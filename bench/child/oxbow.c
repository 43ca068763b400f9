/* SPDX-License-Identifier: MIT */
/* N times, one after the other: spawn /bin/true, wait, close; in turns with the bare vfork, exec and waitpid for its limit. */
#include "bench/oxbow.h"
#include <sys/wait.h>
#include <unistd.h>

static long n;

static int spawn_and_wait(void)
{
	OX_AUTO_PROCESS *p = NULL;
	int r = ox_process_spawn(OX_ARGV("/bin/true"), NULL, &p);

	return r < 0 ? r : ox_process_wait(p, NULL);
}

static int bare(void)
{
	char *argv[] = { "/bin/true", NULL };
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : -errno;
}

static int main_co(void *arg)
{
	uint64_t ours = 0, least = 0;

	(void)arg;
	for (long i = 0; i < n; i++) {
		uint64_t a = now_ns(), b;
		int r = spawn_and_wait();

		b = now_ns();
		if (r == 0)
			r = bare();
		if (r < 0)
			return r;
		ours += b - a;
		least += now_ns() - b;
	}
	emit("child", (double)ours / (double)n / 1e3, "us");
	emit("vfork", (double)least / (double)n / 1e3, "us");
	return 0;
}

int bench_child(char **args)
{
	n = number(args, 0);
	return run(main_co, NULL);
}
