/* SPDX-License-Identifier: MIT */
/*
 * void oxi_switch(void **from, void *to): AAPCS64, sections 6.1.1 and 6.1.2: x19 to x30, sp and the low halves of v8 to v15
 * belong to the caller.
 */
	.text
	.globl oxi_switch
	.hidden oxi_switch
	.type oxi_switch, %function
	.p2align 4
oxi_switch:
	.cfi_startproc
	hint #34                        /* bti c */
	sub sp, sp, #160
	.cfi_adjust_cfa_offset 160
	stp d8, d9, [sp, #0]
	stp d10, d11, [sp, #16]
	stp d12, d13, [sp, #32]
	stp d14, d15, [sp, #48]
	stp x19, x20, [sp, #64]
	stp x21, x22, [sp, #80]
	stp x23, x24, [sp, #96]
	stp x25, x26, [sp, #112]
	stp x27, x28, [sp, #128]
	stp x29, x30, [sp, #144]
	.cfi_rel_offset x19, 64
	.cfi_rel_offset x20, 72
	.cfi_rel_offset x21, 80
	.cfi_rel_offset x22, 88
	.cfi_rel_offset x23, 96
	.cfi_rel_offset x24, 104
	.cfi_rel_offset x25, 112
	.cfi_rel_offset x26, 120
	.cfi_rel_offset x27, 128
	.cfi_rel_offset x28, 136
	.cfi_rel_offset x29, 144
	.cfi_rel_offset x30, 152
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp d8, d9, [sp, #0]
	ldp d10, d11, [sp, #16]
	ldp d12, d13, [sp, #32]
	ldp d14, d15, [sp, #48]
	ldp x19, x20, [sp, #64]
	ldp x21, x22, [sp, #80]
	ldp x23, x24, [sp, #96]
	ldp x25, x26, [sp, #112]
	ldp x27, x28, [sp, #128]
	ldp x29, x30, [sp, #144]
	add sp, sp, #160
	.cfi_adjust_cfa_offset -160
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size oxi_switch, . - oxi_switch

/* The bottom of every coroutine's stack: x19 is the function, x20 its argument. Unwinders stop here. */
	.globl oxi_switch_start
	.hidden oxi_switch_start
	.type oxi_switch_start, %function
	.p2align 4
oxi_switch_start:
	.cfi_startproc
	.cfi_undefined x30
	hint #36                        /* bti j */
	mov x29, #0
	mov x0, x20
	blr x19
	brk #1
	.cfi_endproc
	.size oxi_switch_start, . - oxi_switch_start

	.section .note.GNU-stack, "", %progbits
