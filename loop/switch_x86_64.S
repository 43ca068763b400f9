/* SPDX-License-Identifier: MIT */
/*
 * void oxi_switch(void **from, void *to): System V ABI for x86-64, section 3.2.1: rbx, rbp, r12 to r15 and rsp belong to the
 * caller. Both sides of the switch have the same frame, so the CFI holds throughout. The way out is an indirect jump:
 * a return would never match the CPU's return stack.
 */
	.text
	.globl oxi_switch
	.hidden oxi_switch
	.type oxi_switch, @function
	.p2align 4
oxi_switch:
	.cfi_startproc
	endbr64
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq %r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq %r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq %r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	popq %rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	jmpq *%rcx
	.cfi_endproc
	.size oxi_switch, . - oxi_switch

/* The bottom of every coroutine's stack: r12 is the function, r13 its argument. Unwinders stop here. */
	.globl oxi_switch_start
	.hidden oxi_switch_start
	.type oxi_switch_start, @function
	.p2align 4
oxi_switch_start:
	.cfi_startproc
	.cfi_undefined rip
	endbr64
	xorl %ebp, %ebp
	movq %r13, %rdi
	callq *%r12
	ud2
	.cfi_endproc
	.size oxi_switch_start, . - oxi_switch_start

	.section .note.GNU-stack, "", @progbits
