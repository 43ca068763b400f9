/* SPDX-License-Identifier: MIT */
/* The smallest switch the x86-64 ABI allows (callee-saved registers and the
   stack pointer; no FPU control words): what any library's can at best reach. */
#include "bench.h"
void swap(void **save, void *to);
__asm__(".text\n.globl swap\n.type swap,@function\nswap:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\n"
        "pop %rcx\njmp *%rcx\n.size swap,.-swap\n");
static void *mainsp, *cosp;
static void fn(void)
{
    for (;;)
        swap(&cosp, mainsp);
}
int main(int c, char **v)
{
    long n = c > 1 ? atol(v[1]) : 50000000;
    char *s = malloc(65536);
    void **top = (void **)((uintptr_t)(s + 65536) & ~15ul);
    *--top = 0;              /* alignment and a return address never used */
    *--top = (void *)fn;
    cosp = top - 6;
    memset(cosp, 0, 48);
    swap(&mainsp, cosp);
    uint64_t a = now_ns();
    for (long i = 0; i < n / 2; i++)
        swap(&mainsp, cosp);
    emit("switch", (double)(now_ns() - a) / (double)n, "ns");
}
