/* SPDX-License-Identifier: MIT */
/*
 * Contexts: a switch in assembly (switch_x86_64.S, switch_aarch64.S) or by ucontext, and what sanitizers and
 * valgrind have to be told about it, so that no other file knows of them.
 *
 * The assembly saves the callee-saved registers on the stack that is left and keeps only its pointer: 2.5 ns.
 * The FPU's control words are not saved: a coroutine that changes rounding modes puts them back before it
 * yields. swapcontext() costs a hundred times as much, for a system call that saves the signal mask, which
 * coroutines share.
 */
#include "loop/switch.h"

#include <stdint.h>
#include <string.h>

#ifdef OXI_UCONTEXT

static void enter(unsigned high, unsigned low)
{
	struct oxi_context *c = (void *)((uintptr_t)high << 16 << 16 | low);

	c->entry(c->arg);
}

static void prepare(struct oxi_context *c, char *bottom, size_t size, void (*entry)(void *), void *arg)
{
	getcontext(&c->uc);
	c->uc.uc_stack.ss_sp = bottom;
	c->uc.uc_stack.ss_size = size;
	c->uc.uc_link = NULL;
	c->entry = entry;
	c->arg = arg;
	makecontext(&c->uc, (void (*)(void))(void *)enter, 2, (unsigned)((uintptr_t)c >> 16 >> 16),
	            (unsigned)(uintptr_t)c);
}

static void jump(struct oxi_context *from, struct oxi_context *to)
{
	swapcontext(&from->uc, &to->uc);
}

bool oxi_context_registers(const struct oxi_context *c, struct oxi_registers *ret)
{
#if defined(__x86_64__)
	const greg_t *regs = c->uc.uc_mcontext.gregs;

	*ret = (struct oxi_registers){ (const char *)regs[REG_RIP], (const char *)regs[REG_RBP] };
#elif defined(__aarch64__)
	const mcontext_t *m = &c->uc.uc_mcontext;

	*ret = (struct oxi_registers){ (const char *)m->pc, (const char *)m->regs[29] };
#else
	(void)c, (void)ret;
	return false;
#endif
	return ret->pc != (const char *)(uintptr_t)enter;
}

#else

/* In assembly: saves registers and the stack pointer in *from, loads those of to. */
void oxi_switch(void **from, void *to);
/* In assembly: where a new stack begins: calls the entry function that the prepared registers hold. */
void oxi_switch_start(void);

/* The frame that oxi_switch() pops, lowest address first. */
struct frame {
#ifdef __x86_64__
	void *r15, *r14, *r13, *r12, *rbx, *rbp;
	void (*pc)(void);
	void *align[2];                 /* the entry is called with the stack at a multiple of 16 */
#else
	double d[8];
	void *x[10];                    /* x19 to x28 */
	void *fp;
	void (*pc)(void);               /* x30 */
#endif
};

static void prepare(struct oxi_context *c, char *bottom, size_t size, void (*entry)(void *), void *arg)
{
	struct frame *f = (struct frame *)((uintptr_t)(bottom + size) & ~(uintptr_t)15) - 1;

	memset(f, 0, sizeof(*f));
#ifdef __x86_64__
	f->r12 = (void *)(uintptr_t)entry;
	f->r13 = arg;
#else
	f->x[0] = (void *)(uintptr_t)entry;
	f->x[1] = arg;
#endif
	f->pc = oxi_switch_start;
	c->sp = f;
}

static void jump(struct oxi_context *from, struct oxi_context *to)
{
	oxi_switch(&from->sp, to->sp);
}

bool oxi_context_registers(const struct oxi_context *c, struct oxi_registers *ret)
{
	const struct frame *f = c->sp;

#ifdef __x86_64__
	*ret = (struct oxi_registers){ (const char *)(uintptr_t)f->pc, f->rbp };
#else
	*ret = (struct oxi_registers){ (const char *)(uintptr_t)f->pc, f->fp };
#endif
	return f->pc != oxi_switch_start;
}

#endif

void oxi_context_make(struct oxi_context *c, void *bottom, size_t size, size_t colour, void (*entry)(void *), void *arg)
{
	prepare(c, bottom, size - colour, entry, arg);
#ifdef OXI_ASAN
	c->bottom = bottom;
	c->size = size;
	c->fake = NULL;
#endif
#ifdef OXI_TSAN
	c->fiber = __tsan_create_fiber(0);
#endif
#ifdef OXI_VALGRIND
	c->valgrind = VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size);
#endif
}

void oxi_context_switch(struct oxi_context *from, struct oxi_context *to, bool last)
{
#ifdef OXI_ASAN
	__sanitizer_start_switch_fiber(last ? NULL : &from->fake, to->bottom, to->size);
#else
	(void)last;
#endif
#ifdef OXI_TSAN
	if (from->fiber == NULL)
		from->fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	jump(from, to);
#ifdef OXI_ASAN
	__sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

void oxi_context_entered(struct oxi_context *from)
{
#ifdef OXI_ASAN
	__sanitizer_finish_switch_fiber(NULL, &from->bottom, &from->size);
#else
	(void)from;
#endif
}

void oxi_context_end(struct oxi_context *c)
{
#ifdef OXI_TSAN
	__tsan_destroy_fiber(c->fiber);
#endif
#ifdef OXI_VALGRIND
	VALGRIND_STACK_DEREGISTER(c->valgrind);
#endif
	(void)c;
}
