# SPDX-License-Identifier: MIT
"""Where the machine of whole limbs has what: crypto/_limbs.py and both kernels agree on this.

The memory is one bytearray: a header of words, two microprograms, the digits of D, the registers
and the columns of a product. Bytes from its start.
"""

# Words of the header.
LIMBS = 0  # of 32 bits in a number: 8, 12, 17, or a modulus' own
WIDTH = 4  # bytes of a register: limbs rounded up to four
STEPS = 8  # bytes of steps in this call
KIND = 12  # RSA, P256, P384 or P521
SIZE = 16  # bytes of a coordinate in a table of points
INVERSE = 20  # RSA: -1 / modulus mod 2^32
REGISTERS = 24  # offset of register 0
COLUMNS = 28  # offset of the columns
# Words that a kernel keeps its own values in while it runs.
SCRATCH = 32

DOUBLE_AT = 80  # the microprogram of the step 255
ADD_AT = 152  # the microprogram of every other step
SIGN_AT = ADD_AT + 38  # in it, the factor of y2: 16 + 1 or 16 - 1
DIGITS_AT = 252  # of D = 2^bits - p, a signed byte for every limb, 20 of them
REGISTERS_AT = 272

RSA, P256, P384, P521 = range(4)

# Registers: X Y Z of the sum, x2 y2 of the point to add, work, and the factor for loaded points.
X2 = 3
FIX = 10

# Montgomery's q times p, whose limb 0 is -1: q comes again at these limbs, with these signs.
TERMS = {
    P256: ((3, 1), (6, 1), (7, -1), (8, 1)),
    P384: ((1, 1), (3, -1), (4, -1), (12, 1)),
}
COLUMNS_OF = {P256: 8, P384: 12}
