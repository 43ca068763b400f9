/* SPDX-License-Identifier: MIT */
/*
 * Backtraces, without memory or locks, for they are made in signal handlers too.
 *
 * Of what runs now: by the compiler's unwinder, which reads the tables that every function has and passes
 * through a signal's frame. It can begin only where it is called.
 *
 * Of a parked coroutine: by frame pointers, from the registers that its switch saved. Oxbow itself keeps
 * them. Code that was compiled without (the default of most distributions) still passes the register on,
 * because a callee saves it: what is lost are the callers of such functions, and a value that is no frame
 * ends the walk. Each step must lie inside the stack and go up. (The gdb script has no such limits.)
 */
#include "loop/backtrace.h"

#include <string.h>
#include <ucontext.h>
#include <unwind.h>

#include "include/private/sanitize.h"
#include "loop/state.h"

/* What a function's prologue leaves, on x86-64 and AArch64 alike. */
struct frame {
	const struct frame *up;
	const char *return_to;
};

static void add(struct oxi_backtrace *b, const char *pc)
{
	if (b->len < OXI_FRAMES)
		b->pc[b->len++] = pc;
}

static bool may_be_frame(const char *fp, const char *low, const char *high)
{
	return fp >= low && fp <= high - sizeof(struct frame) && (uintptr_t)fp % sizeof(void *) == 0;
}

OXI_NO_SANITIZE
static void walk(struct oxi_backtrace *b, const char *fp, const char *low, const char *high)
{
	while (b->len < OXI_FRAMES && may_be_frame(fp, low, high)) {
		const struct frame *f = (const void *)fp;

		if (f->return_to == NULL)
			return;
		add(b, f->return_to - 1);
		low = fp + sizeof(*f);
		fp = (const char *)f->up;
	}
}

void oxi_backtrace_parked(struct oxi_backtrace *b, const struct oxi_task *t)
{
	struct oxi_registers r;

	b->len = 0;
	if (!oxi_context_registers(&t->context, &r))
		return;
	add(b, r.pc - 1);
	walk(b, r.fp, t->stack.bottom, t->stack.bottom + t->stack.size);
}

/* Where a signal came; NULL where that is not known. */
static const char *interrupted(const ucontext_t *uc)
{
#if defined(__x86_64__)
	return (const char *)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (const char *)uc->uc_mcontext.pc;
#else
	(void)uc;
	return NULL;
#endif
}

struct unwinding {
	struct oxi_backtrace *b;
	const char *from;               /* frames before this are the handler's; NULL: from the caller's caller on */
	unsigned skip;
};

static _Unwind_Reason_Code unwound(struct _Unwind_Context *c, void *arg)
{
	struct unwinding *u = arg;
	int exact;                      /* a signal came here; else: here it returns to */
	const char *pc = (const char *)_Unwind_GetIPInfo(c, &exact);

	if (pc == NULL)
		return _URC_END_OF_STACK;
	if (u->from && pc != u->from)
		return _URC_NO_REASON;
	u->from = NULL;
	if (u->skip > 0)
		u->skip--;
	else
		add(u->b, exact ? pc : pc - 1);
	return u->b->len < OXI_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/*
 * ThreadSanitizer makes up a context and calls handlers later: then the place is not found, and the handler
 * is in the trace.
 */
void oxi_backtrace_running(struct oxi_backtrace *b, const void *context)
{
	struct unwinding from_signal = { .b = b, .from = context ? interrupted(context) : NULL };
	struct unwinding from_caller = { .b = b, .skip = 2 };

	b->len = 0;
	if (from_signal.from)
		_Unwind_Backtrace(unwound, &from_signal);
	if (b->len == 0)
		_Unwind_Backtrace(unwound, &from_caller);
}

/*
 * Without what the compiler appended to the name of a part or a copy of a function: ".part.0",
 * ".localalias".
 */
static void print_function(struct oxi_print *p, const char *name)
{
	char text[128];
	size_t len = strcspn(name, ".");

	len = len < sizeof(text) ? len : sizeof(text) - 1;
	memcpy(text, name, len);
	text[len] = '\0';
	oxi_print(p, text);
}

static void print_place(struct oxi_print *p, const struct oxi_symbol *at, const char *pc)
{
	oxi_print(p, at->module ? at->module : "?");
	oxi_print(p, "+");
	oxi_print_hex(p, at->module ? at->module_offset : (uintptr_t)pc);
}

void oxi_print_backtrace(struct oxi_print *p, struct oxi_symbols *s, const struct oxi_backtrace *b, unsigned indent)
{
	for (unsigned i = 0; i < b->len; i++) {
		struct oxi_symbol at;

		oxi_symbol_find(s, b->pc[i], &at);
		oxi_print_indent(p, indent);
		if (at.function) {
			print_function(p, at.function);
			oxi_print(p, "+");
			oxi_print_hex(p, at.offset);
			oxi_print(p, " ");
		}
		oxi_print(p, "(");
		print_place(p, &at, b->pc[i]);
		oxi_print(p, ")\n");
	}
}

void oxi_print_backtrace_short(struct oxi_print *p, struct oxi_symbols *s, const struct oxi_backtrace *b)
{
	for (unsigned i = 0; i < b->len; i++) {
		struct oxi_symbol at;

		oxi_symbol_find(s, b->pc[i], &at);
		oxi_print(p, i == 0 ? "" : " < ");
		if (at.function)
			print_function(p, at.function);
		else
			print_place(p, &at, b->pc[i]);
	}
}
