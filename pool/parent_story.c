/* SPDX-License-Identifier: MIT */
/*
 * The story of a death: written from what the spawner, the worker's last words and its captured output say, and told as
 * text to a person. What comes from the slot was written by a dying process and is checked like bytes from a wire.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#ifdef OXI_SECCOMP
#include <seccomp.h>
#endif

#include "pool/parent.h"

#define LINES 10                        /* of output that are told */

/* ---- writing it ---- */

static void name_call(const struct oxi_slot *slot, struct oxi_story *ret)
{
#ifdef OXI_SECCOMP
	char *name = seccomp_syscall_resolve_num_arch(slot->architecture, slot->system_call);

	if (name != NULL)
		snprintf(ret->system_call, sizeof ret->system_call, "%s", name);
	free(name);
#else
	(void)slot, (void)ret;
#endif
}

static ox_time time_of(struct timeval t)
{
	return OX_SEC(t.tv_sec) + OX_US(t.tv_usec);
}

void oxi_story_write(const struct oxi_slot *slot, pid_t pid, int status, const struct rusage *usage, bool ran, struct oxi_story *ret)
{
	ox_time since = ran ? atomic_load(&slot->since) : 0, now = oxi_pool_now();
	ox_crash *c = &ret->crash;

	*ret = (struct oxi_story){ .crashed = true };
	c->pid = pid;
	c->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	c->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	c->user_time = time_of(usage->ru_utime);
	c->system_time = time_of(usage->ru_stime);
	c->max_rss = OX_KIB(usage->ru_maxrss);
	c->ran = since > 0 && since <= now ? now - since : 0;
	if (c->signal != 0 && atomic_load(&slot->signal) == c->signal) {
		c->address = (const void *)(uintptr_t)slot->fault_address;
		c->backtrace_len = slot->frame_count < OXI_FRAMES ? slot->frame_count : OXI_FRAMES;
		memcpy(ret->frames, slot->frames, c->backtrace_len * sizeof *ret->frames);
		c->backtrace = c->backtrace_len > 0 ? ret->frames : NULL;
		if (c->signal == SIGSYS)
			name_call(slot, ret);
	}
}

/* ---- telling it ---- */

struct text {
	char *buf;
	size_t cap, len;                /* len: of the whole, also of what did not fit */
};

static void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	size_t room = t->len < t->cap ? t->cap - t->len : 0;
	int n = vsnprintf(room > 0 ? t->buf + t->len : NULL, room, format, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n;
}

static double seconds(ox_time t)
{
	return (double)t / 1e9;
}

static void say_end(struct text *t, const ox_crash *c)
{
	if (c->job != NULL)
		say(t, "job %s: ", c->job);
	say(t, "worker %d ", (int)c->pid);
	if (c->signal == 0) {
		say(t, "exited with code %d", c->exit_code);
	} else {
		const char *name = sigabbrev_np(c->signal);
		say(t, "was ended by SIG%s (%s)", name != NULL ? name : "?", sigdescr_np(c->signal));
	}
	if (c->address != NULL || c->signal == SIGSEGV || c->signal == SIGBUS)
		say(t, " at address %p", (void *)(uintptr_t)c->address);
	if (c->job != NULL)
		say(t, " when the job had run %.3f s\n", seconds(c->ran));
	else
		say(t, " between two jobs\n");
	if (c->system_call != NULL)
		say(t, "  it called %s, which its sandbox does not allow\n", c->system_call);
	if (c->memory_limit > 0)
		say(t, "  it went over its limit of %zu KiB of memory\n", c->memory_limit / 1024);
	say(t, "  the worker used %.3f s of CPU time, %.3f s in the system, and %zu KiB of memory at most\n",
	    seconds(c->user_time), seconds(c->system_time), c->max_rss / 1024);
}

/* A return address stands behind the call, perhaps in the next function: what counts is the byte before. */
static void say_frame(struct text *t, size_t i, const uint8_t *at)
{
	Dl_info object = { .dli_fname = NULL };
	size_t offset = 0;
	size_t back = i > 0;
	char *name = oxi_symbol_name(at - back, &offset);

	say(t, "  #%zu %p", i, (void *)(uintptr_t)at);
	if (name != NULL)
		say(t, " %s+0x%zx", name, offset + back);
	oxi_free(name);
	if (dladdr(at, &object) != 0 && object.dli_fname != NULL)
		say(t, " (%s+0x%zx)", object.dli_fname, (size_t)(at - (const uint8_t *)object.dli_fbase));
	say(t, "\n");
}

/* The last lines, indented; bytes that are no printable ASCII as \\xNN. */
static void say_output(struct text *t, const char *output, size_t len)
{
	size_t from = len, lines = 0;

	while (from > 0 && (output[from - 1] != '\n' || from == len || ++lines < LINES))
		from--;
	say(t, from > 0 ? "  the end of its output:\n" : "  its output:\n");
	for (size_t i = from; i < len; i++) {
		unsigned char ch = (unsigned char)output[i];
		if (i == from || output[i - 1] == '\n')
			say(t, "  | ");
		if (ch == '\n' || ch == '\t' || (ch >= 32 && ch < 127))
			say(t, "%c", ch);
		else
			say(t, "\\x%02x", ch);
	}
	if (output[len - 1] != '\n')
		say(t, "\n");
}

size_t ox_crash_text(const ox_crash *c, char *buf, size_t cap)
{
	struct text t = { .buf = buf, .cap = cap };

	if (cap > 0)
		buf[0] = '\0';
	say_end(&t, c);
	for (size_t i = 0; i < c->backtrace_len; i++)
		say_frame(&t, i, c->backtrace[i]);
	if (c->output_len > 0)
		say_output(&t, c->output, c->output_len);
	if (c->output_truncated)
		say(&t, "  there was more output than the pool captures\n");
	return t.len;
}
