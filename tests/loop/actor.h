/* SPDX-License-Identifier: MIT */
/* A test program runs itself again, with the name of a part to play, where the part changes or ends its process. */
#ifndef OXBOW_TESTS_ACTOR_H
#define OXBOW_TESTS_ACTOR_H

#include <check.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

/* The status of the actor, as of waitpid(). */
static int play(const char *part)
{
	char self[256] = "";
	char *const argv[] = { self, (char *)(uintptr_t)part, NULL };
	pid_t pid;
	int status;

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);        /* valgrind's answer is ours, too */
	ck_assert_int_eq(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
