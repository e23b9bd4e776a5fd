/* SPDX-License-Identifier: MIT */
/* Runs one native function of a .mpy file under qemu-riscv32, request by request, on memory that the
 * caller lays out. At the start it says where things are: a count of bytes, then words: arena, identity,
 * trap, result.
 * A request is nine words on stdin: address and size of what follows them and is copied there, the
 * function (0: none), its four arguments, address and size of what is written to stdout after a
 * word of status: 0, or the saved registers that the function did not restore, bit n for sn. */
        .option norelax
        .text
        .globl  _start
_start: la      s0, places
        mv      a1, s0
        li      a2, 20
        jal     put
serve:  la      a1, request
        li      a2, 36
        jal     get
        la      s0, request
        lw      a1, 0(s0)
        lw      a2, 4(s0)
        jal     get
        fence.i
        lw      t0, 8(s0)
        li      a0, 0
        beqz    t0, answer
        jal     guarded
answer: la      s0, status
        sw      a0, 0(s0)
        mv      a1, s0
        li      a2, 4
        jal     put
        la      s0, request
        lw      a1, 28(s0)
        lw      a2, 32(s0)
        jal     put
        j       serve


guarded:                        /* calls t0; returns which of s0 to s11, and of sp, were changed */
        la      t1, before
        sw      ra, 0(t1)
        sw      sp, 4(t1)
        lw      a0, 12(s0)
        lw      a1, 16(s0)
        lw      a2, 20(s0)
        lw      a3, 24(s0)
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
        li      s\n, 0x5a5a0000 + \n
        .endr
        jalr    t0
        la      t1, result
        sw      a0, 0(t1)
        li      a0, 0
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
        li      t0, 0x5a5a0000 + \n
        beq     t0, s\n, 1f
        ori     a0, a0, 1 << (\n % 11)
1:
        .endr
        la      t1, before
        lw      t0, 4(t1)
        beq     t0, sp, 1f
        li      a0, -1
1:      lw      ra, 0(t1)
        mv      sp, t0
        ret

identity:                       /* mp_native_from_obj: an argument here is its own address */
        ret
trap:   li      a0, 99          /* a call into the runtime that a kernel must not make */
        j       leave

get:    beqz    a2, 2f
1:      li      a0, 0
        li      a7, 63
        ecall
        blez    a0, 3f
        add     a1, a1, a0
        sub     a2, a2, a0
        bnez    a2, 1b
2:      ret
3:      li      a0, 0
leave:  li      a7, 93
        ecall

put:    beqz    a2, 2f
1:      li      a0, 1
        li      a7, 64
        ecall
        blez    a0, 3b
        add     a1, a1, a0
        sub     a2, a2, a0
        bnez    a2, 1b
2:      ret

        /* Pages of their own: QEMU translates code anew when its page is written. */
        .data
        .balign 4096
places: .word   16, arena, identity, trap, result
        .bss
        .balign 16
request: .space 36
status: .space  4
before: .space  8
result: .space  4
        .balign 4096
arena:  .space  1 << 18
