# SPDX-License-Identifier: MIT
"""SHA-2: the examples of FIPS 180-4, and the viper kernel against the plain code."""

import check
from trustanchor.compat import finish, sha256
from trustanchor.crypto import sha2, sha512

_ABC_384 = (
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
    "8086072ba1e7cc2358baeca134c825a7"
)
_ABC_512 = (
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
)
_EMPTY_384 = (
    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
    "274edebfe76f65fbd51ad2f14898b95b"
)
# 896 bits, the two-block message of the standard's examples.
_LONG = (
    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
    b"ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
)
_LONG_384 = (
    "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712"
    "fcc7c71a557e2db966c3e9fa91746039"
)


def _plain(bits, message):
    return finish(sha512.digesting(bits, message, False))


def test_digests_are_those_of_the_standard():
    check.equal(sha2.digest(384, b"abc").hex(), _ABC_384)
    check.equal(sha2.digest(512, b"abc").hex(), _ABC_512)
    check.equal(sha2.digest(384, b"").hex(), _EMPTY_384)
    check.equal(sha2.digest(384, _LONG).hex(), _LONG_384)
    check.equal(sha2.digest(256, b"abc"), sha256(b"abc"))


def test_the_plain_code_computes_the_same():
    check.equal(_plain(384, b"abc").hex(), _ABC_384)
    check.equal(_plain(512, b"abc").hex(), _ABC_512)
    check.equal(_plain(384, b"").hex(), _EMPTY_384)
    check.equal(_plain(384, _LONG).hex(), _LONG_384)


def test_every_length_around_a_block_is_padded_alike():
    for length in (1, 63, 111, 112, 119, 120, 127, 128, 129, 239, 240, 255, 256, 257, 2200):
        message = bytes([(7 * i + length) & 0xFF for i in range(length)])
        check.equal(sha2.digest(384, message), _plain(384, message), length)
        check.equal(sha2.digest(512, memoryview(message)), _plain(512, message), length)


def test_words_of_all_ones_and_all_zeros_carry_alike():
    for octet in (0x00, 0x7F, 0x80, 0xFF):
        message = bytes([octet]) * 256
        check.equal(sha2.digest(512, message), _plain(512, message), octet)


def test_a_long_message_is_hashed_in_slices():
    steps = sha512.digesting(384, bytes(1000), sha512.kernel())
    check.equal(next(steps), None)
    check.equal(finish(steps), _plain(384, bytes(1000)))
