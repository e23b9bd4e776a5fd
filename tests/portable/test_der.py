# SPDX-License-Identifier: MIT
"""What DER forbids is refused: every rule of X.690 sections 8, 10 and 11 that X.509 meets."""

from check import equal, false, refuses, true
from trustanchor.encoding.der import Reader
from trustanchor.kinds import OCTET_STRING, SEQUENCE
from trustanchor.x509.fields import boolean, named_bits


def reader(text):
    return Reader(bytes.fromhex(text))


def test_reads_elements_from_left_to_right():
    body = reader("3007" + "020105" + "020200ff").enter(SEQUENCE)
    equal(body.unsigned(), 5)
    true(body.more())
    equal(body.unsigned(), 255)
    false(body.more())
    body.finish()


def test_element_is_whole_and_read_is_the_contents():
    equal(bytes(reader("0403010203").element(OCTET_STRING)), bytes.fromhex("0403010203"))
    equal(bytes(reader("0403010203").read(OCTET_STRING)), bytes.fromhex("010203"))
    tag, contents = reader("0c0141").any()
    equal((tag, bytes(contents)), (0x0C, b"A"))


def test_views_share_the_bytes_they_came_from():
    store = bytearray(bytes.fromhex("0403010203"))
    contents = Reader(store).read(OCTET_STRING)
    store[2] = 9
    equal(contents[0], 9)


def test_an_optional_element_that_is_absent_leaves_the_position():
    body = reader("0500")
    equal(body.optional(0x01), None)
    equal(body.pos, 0)
    equal(bytes(body.optional(0x05)), b"")
    equal(body.optional(0x05), None)
    equal(body.peek(), -1)


def test_refuses_another_tag_and_names_the_offset():
    equal(refuses("der.tag", reader("0500").read, SEQUENCE).detail, 0)
    refuses("der.tag", reader("0500").element, SEQUENCE)


def test_refuses_multi_byte_tags():
    refuses("der.tag", reader("1f010100").any)


def test_reads_long_lengths_in_their_shortest_form():
    equal(len(reader("048180" + "00" * 128).read(OCTET_STRING)), 128)
    equal(len(reader("04820100" + "00" * 256).read(OCTET_STRING)), 256)


def test_refuses_long_form_where_short_form_fits():
    refuses("der.length", reader("30817f" + "00" * 127).read, SEQUENCE)
    refuses("der.length", reader("308103020105").enter, SEQUENCE)
    refuses("der.length", reader("04820080" + "00" * 128).read, OCTET_STRING)


def test_refuses_indefinite_reserved_and_huge_lengths():
    refuses("der.length", reader("30800201050000").read, SEQUENCE)
    refuses("der.length", reader("30ff").read, SEQUENCE)
    refuses("der.length", reader("3083010000").read, SEQUENCE)


def test_refuses_truncation_at_every_byte():
    whole = bytes.fromhex("04820100") + bytes(256)
    for length in (0, 1, 2, 3, 4, 5, 259):
        refuses("der.truncated", Reader(whole[:length]).read, OCTET_STRING)
    equal(len(Reader(whole).read(OCTET_STRING)), 256)


def test_an_element_may_not_reach_beyond_the_one_around_it():
    refuses("der.truncated", Reader(bytes.fromhex("3003040205060708")).enter(0x30).read, 4)


def test_refuses_trailing_bytes():
    body = reader("050000")
    body.read(0x05)
    equal(refuses("der.trailing", body.finish).detail, 2)


def test_integers_are_in_their_shortest_form():
    equal(bytes(reader("02020080").integer()), bytes.fromhex("0080"))
    equal(bytes(reader("0201ff").integer()), b"\xff")
    for text in ("0200", "02020000", "0202007f", "0202ff80", "0202ffff"):
        refuses("der.integer", reader(text).integer)


def test_unsigned_refuses_negative_numbers():
    equal(reader("020100").unsigned(), 0)
    equal(reader("020900ffffffffffffffff").unsigned(), 2**64 - 1)
    refuses("der.integer", reader("020180").unsigned)


def test_booleans_are_00_or_ff():
    false(boolean(reader("010100")))
    true(boolean(reader("0101ff")))
    for text in ("010101", "0100", "0102ffff"):
        refuses("der.boolean", boolean, reader(text))


def test_oids_end_their_last_arc_and_pad_none():
    equal(bytes(reader("0603551d11").oid()), bytes.fromhex("551d11"))
    for text in ("0600", "06025580", "0603558011", "06028055"):
        refuses("der.oid", reader(text).oid)


def test_octets_are_whole_bytes():
    equal(bytes(reader("0303000102").octets()), bytes.fromhex("0102"))
    equal(bytes(reader("030100").octets()), b"")
    for text in ("0300", "03020102", "030208ff"):
        refuses("der.bit_string", reader(text).octets)


def test_named_bits_are_a_mask_counted_from_the_first():
    equal(named_bits(reader("03020106")), 1 << 5 | 1 << 6)
    equal(named_bits(reader("0303070080")), 1 << 8)
    equal(named_bits(reader("030100")), 0)
    equal(named_bits(reader("030200ff")), 255)


def test_named_bits_may_end_in_zeros_as_in_two_public_roots():
    equal(named_bits(reader("0303070600")), 1 << 5 | 1 << 6)
    equal(named_bits(reader("03020700")), 0)


def test_refuses_named_bits_that_are_unused_and_set_or_too_many():
    for text in ("03020107", "030101", "0300", "03020800", "030207c0", "0304000000ff"):
        refuses("der.bit_string", named_bits, reader(text))


def test_nesting_a_thousand_levels_deep_is_one_element():
    nested = b""
    for _ in range(1000):
        length = len(nested)
        if length < 0x80:
            nested = b"\x30" + bytes([length]) + nested
        elif length < 0x100:
            nested = b"\x30\x81" + bytes([length]) + nested
        else:
            nested = b"\x30\x82" + length.to_bytes(2, "big") + nested
    body = Reader(nested)
    equal(len(body.element(SEQUENCE)), len(nested))
    body.finish()
