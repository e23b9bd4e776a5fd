# SPDX-License-Identifier: MIT
"""HSS/LMS signatures made by pyhsslms: every parameter set with SHA-256."""

import check
from trustanchor.crypto import cose_signatures


def _case(name):
    text = check.fixture("signatures/" + name).decode()
    return [bytes.fromhex(line) for line in text.split("\n")[1:4]]


def _accepts_and_refuses(name):
    key, message, signature = _case(name)
    check.true(cose_signatures.verify(-46, key, message, signature), name)
    check.false(cose_signatures.verify(-46, key, message + b"x", signature), name)
    forged = bytearray(signature)
    forged[40] ^= 1
    check.false(cose_signatures.verify(-46, key, message, forged), name)


def test_every_width_with_32_bytes():
    for width in (1, 2, 4, 8):
        _accepts_and_refuses("hss-n32-h5-w%d" % width)


def test_every_width_with_24_bytes():
    for width in (1, 2, 4, 8):
        _accepts_and_refuses("hss-n24-h5-w%d" % width)


def test_two_levels_of_height_ten():
    _accepts_and_refuses("hss-n32-h10-w4-l2")


def test_all_trees_of_a_key_have_hashes_of_one_length():
    key, message, signature = _case("refused-hss-mixed")
    # SP 800-208 section 4: one hash function for the whole key.
    check.false(cose_signatures.verify(-46, key, message, signature))


def test_a_key_of_another_width_is_not_the_signers():
    key, _, _ = _case("hss-n32-h5-w4")
    _, message, signature = _case("hss-n32-h5-w8")
    check.false(cose_signatures.verify(-46, key, message, signature))
