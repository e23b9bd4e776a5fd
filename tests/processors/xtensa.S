/* SPDX-License-Identifier: MIT */
/* As rv32.S, for qemu-xtensa: call0 code of its own around the windowed call of the function. The
 * assembler is that of a core without windows, so their instructions are bytes here. */
        .section .literal, "ax"
        .align  4
        .text
        .literal_position
        .global _start
        .align  4
_start: movi    a3, places
        movi    a4, 36
        call0   put
serve:  movi    a3, request
        movi    a4, 36
        call0   get
        movi    a12, request
        l32i    a3, a12, 0
        l32i    a4, a12, 4
        call0   get
        movi    a12, request
        l32i    a8, a12, 8
        movi    a10, 0
        beqz    a8, answer
        movi    a9, before
        s32i    a1, a9, 0
        l32i    a10, a12, 12
        l32i    a11, a12, 16
        l32i    a13, a12, 24
        l32i    a12, a12, 20
        movi    a2, 0x102               /* a2 to a7 are the caller's, the window keeps them */
        movi    a3, 0x103
        movi    a4, 0x104
        movi    a5, 0x105
        movi    a6, 0x106
        movi    a7, 0x107
        .byte   0xE0, 0x08, 0x00        /* callx8 a8 */
        movi    a9, result
        s32i    a10, a9, 0
        movi    a10, 0
        movi    a9, before
        l32i    a9, a9, 0
        beq     a9, a1, 1f
        movi    a10, 2
1:
        .irp    n, 2, 3, 4, 5, 6, 7
        movi    a9, 0x100 + \n
        beq     a9, a\n, 2f
        movi    a8, 1 << \n
        or      a10, a10, a8
2:
        .endr
answer: movi    a3, status
        s32i    a10, a3, 0
        movi    a4, 4
        call0   put
        movi    a12, request
        l32i    a3, a12, 28
        l32i    a4, a12, 32
        call0   put
        j       serve

        .align  4
identity:                               /* an argument here is its own address */
        .byte   0x36, 0x41, 0x00        /* entry a1, 32 */
        .byte   0x90, 0x00, 0x00        /* retw */
        .align  4
trap:                                   /* a call into the runtime that a kernel must not make */
        .byte   0x36, 0x41, 0x00
        movi    a6, 99
        j       leave

/* muluh a\to, a\left, a\right, which the ESP32's cores have and none of QEMU's: a call of one of
 * these stands where it stood. Of four halves' products, each within a word. */
        .macro  high to, left, right
        .align  4
high_\to\()_\left\()_\right:
        movi    a\to, kept
        s32i    a2, a\to, 0
        s32i    a3, a\to, 4
        s32i    a4, a\to, 8
        s32i    a7, a\to, 12
        extui   a2, a\left, 0, 16
        extui   a3, a\left, 16, 16
        extui   a4, a\right, 0, 16
        extui   a7, a\right, 16, 16
        mull    a\to, a2, a4           /* low low */
        extui   a\to, a\to, 16, 16
        mull    a2, a2, a7              /* low high */
        mull    a4, a3, a4              /* high low */
        mull    a7, a3, a7              /* high high */
        extui   a3, a2, 0, 16
        add     a\to, a\to, a3
        extui   a3, a4, 0, 16
        add     a\to, a\to, a3
        extui   a\to, a\to, 16, 16
        add     a7, a7, a\to
        extui   a2, a2, 16, 16
        add     a7, a7, a2
        extui   a4, a4, 16, 16
        add     a7, a7, a4
        movi    a\to, kept
        s32i    a7, a\to, 16
        l32i    a2, a\to, 0
        l32i    a3, a\to, 4
        l32i    a4, a\to, 8
        l32i    a7, a\to, 12
        l32i    a\to, a\to, 16
        ret
        .endm
        high    11, 5, 8
        high    6, 5, 8
        high    12, 9, 5
        high    15, 10, 5

        .align  4
get:    beqz    a4, 2f                  /* a3, a4: where and how much; Linux: number in a2, */
1:      mov     a13, a3                 /* arguments in a6, a3, a4 */
        movi    a2, 12
        movi    a6, 0
        .byte   0x00, 0x50, 0x00        /* syscall */
        blti    a2, 1, 3f
        add     a3, a3, a2
        sub     a4, a4, a2
        bnez    a4, 1b
2:      ret
3:      movi    a6, 0
leave:  movi    a2, 118
        .byte   0x00, 0x50, 0x00

        .align  4
put:    beqz    a4, 2b
1:      movi    a2, 13
        movi    a6, 1
        .byte   0x00, 0x50, 0x00
        blti    a2, 1, 3b
        add     a3, a3, a2
        sub     a4, a4, a2
        bnez    a4, 1b
        ret

        /* Pages of their own: QEMU translates code anew when its page is written. */
        .data
        .align  4096
places: .word   32, arena, identity, trap, result
        .word   high_11_5_8, high_6_5_8, high_12_9_5, high_15_10_5
        .bss
        .align  16
request: .space 36
status: .space  4
before: .space  4
result: .space  4
kept:   .space  20
        .align  4096
arena:  .space  1 << 18
