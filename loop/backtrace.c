/* SPDX-License-Identifier: MIT */
/*
 * Backtraces, by frame pointers: of a parked coroutine from the registers that its switch saved, of a running one
 * from those that a signal interrupted. Only reads, so it may be done in a signal handler; an unwinder by tables
 * would need memory and locks.
 *
 * Oxbow itself keeps frame pointers. Code that was compiled without them (the default of most distributions) still
 * passes the register on, because a callee saves it: what is lost are callers of such functions, and a value that
 * is no frame ends the walk. Each step must lie inside the stack and go up. The gdb script has no such limits.
 */
#include "loop/backtrace.h"

#include <ucontext.h>

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

OXI_NO_SANITIZE
static void walk(struct oxi_backtrace *b, const char *fp, const char *low, const char *high)
{
	while (b->len < OXI_FRAMES && fp >= low && fp <= high - sizeof(struct frame) && (uintptr_t)fp % sizeof(void *) == 0) {
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

/* pc, fp and sp where a signal came; false on a machine whose registers are not known here. */
static bool interrupted(const ucontext_t *uc, struct oxi_registers *ret)
{
#if defined(__x86_64__)
	ret->pc = (const char *)uc->uc_mcontext.gregs[REG_RIP];
	ret->fp = (const char *)uc->uc_mcontext.gregs[REG_RBP];
	ret->sp = (const char *)uc->uc_mcontext.gregs[REG_RSP];
	return true;
#elif defined(__aarch64__)
	ret->pc = (const char *)uc->uc_mcontext.pc;
	ret->fp = (const char *)uc->uc_mcontext.regs[29];
	ret->sp = (const char *)uc->uc_mcontext.sp;
	return true;
#else
	(void)uc, (void)ret;
	return false;
#endif
}

/* The thread's own stack is known from where it is now to where the loop began. */
void oxi_backtrace_running(struct oxi_backtrace *b, const struct ox_loop *l, const void *context)
{
	const struct oxi_stack *st = l->current ? &l->current->stack : NULL;
	struct oxi_registers r = { .fp = __builtin_frame_address(0), .sp = __builtin_frame_address(0) };

	b->len = 0;
	if (context && !interrupted(context, &r))
		return;
	if (context)
		add(b, r.pc);
	if (st)
		walk(b, r.fp, st->bottom, st->bottom + st->size);
	else
		walk(b, r.fp, r.sp, l->top);
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
			oxi_print(p, at.function);
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
			oxi_print(p, at.function);
		else
			print_place(p, &at, b->pc[i]);
	}
}
