# SPDX-License-Identifier: MIT
"""Deterministic CBOR: what RFC 8949 section 4.2.1 and SPEC.md E1 to E5 allow, and nothing else."""

from check import equal, refuses, true
from trustanchor.encoding.cbor import BytesSource, FileSource, Reader
from trustanchor.limits import AUTHORITY_BYTES, IGNORED_BYTES
from trustanchor.update.prefix import ignore, record_span

FILE = "build/test_cbor.bin"


def reader(text):
    return Reader(BytesSource(bytes.fromhex(text)))


def test_reads_the_integers_of_rfc_8949_appendix_a():
    for text, value in (
        ("00", 0), ("17", 23), ("1818", 24), ("18ff", 255), ("190100", 256), ("1903e8", 1000),
        ("1a000f4240", 1000000), ("1b000000e8d4a51000", 1000000000000),
        ("1bffffffffffffffff", 18446744073709551615),
    ):  # fmt: skip
        equal(reader(text).uint(0, 1 << 64), value, text)
    equal(reader("20").negative(-64), -1)
    equal(reader("3824").negative(-64), -37)


def test_refuses_every_longer_form_of_an_integer():
    for text in (
        "1800", "1817", "190000", "1900ff", "1a00000000", "1a0000ffff", "1b0000000000000000",
        "1b00000000ffffffff", "3817", "390024",
    ):  # fmt: skip
        refuses("cbor.length", reader(text).skip)


def test_refuses_longer_forms_of_lengths_and_counts():
    for text in ("5800", "580141", "7800", "980101", "b8010000", "59000141"):
        refuses("cbor.length", reader(text).skip)


def test_refuses_indefinite_lengths():
    for text in ("5fff", "5f4101ff", "7fff", "9fff", "9f01ff", "bfff", "bf0001ff"):
        refuses("cbor.indefinite", reader(text).skip)


def test_refuses_a_break_out_of_place():
    refuses("cbor.simple", reader("ff").skip)
    refuses("cbor.simple", reader("81ff").skip)


def test_refuses_reserved_additional_information():
    for first in (0x1C, 0x1D, 0x1E, 0x5C, 0x7D, 0x9E, 0xBC):
        refuses("cbor.length", Reader(BytesSource(bytes((first, 0, 0)))).skip)


def test_refuses_floats_null_undefined_false_and_unassigned_values():
    for text in ("f90000", "fa00000000", "fb0000000000000000", "f4", "f6", "f7", "e0", "f800"):
        refuses("cbor.simple", reader(text).skip)


def test_reads_true():
    true(reader("f5").true())
    refuses("cbor.type", reader("01").true)


def test_refuses_tags_except_the_one_asked_for():
    refuses("cbor.tag", reader("c001").skip)
    refuses("cbor.tag", lambda: reader("d83d01").tag(98))
    tagged = reader("d86201")
    tagged.tag(98)
    equal(tagged.uint(0, 1), 1)


def test_reads_strings_up_to_their_limit():
    equal(bytes(reader("4401020304").octets(0, 4)), b"\x01\x02\x03\x04")
    refuses("cbor.range", lambda: reader("4401020304").octets(0, 3))
    refuses("cbor.range", lambda: reader("4401020304").octets(5, 9))
    equal(reader("6449455446").text(1, 4), "IETF")
    refuses("cbor.range", lambda: reader("6449455446").text(1, 3))


def test_refuses_text_that_is_not_printable_ascii():
    for text in ("62c3bc", "611f", "617f", "6100", "61ff", "610a"):
        refuses("cbor.text", lambda text=text: reader(text).text(0, 9))


def test_refuses_another_type_than_the_one_asked_for():
    refuses("cbor.type", lambda: reader("20").uint(0, 9))
    refuses("cbor.type", lambda: reader("00").negative(-9))
    refuses("cbor.type", lambda: reader("60").octets(0, 9))
    refuses("cbor.type", lambda: reader("40").text(0, 9))
    refuses("cbor.type", lambda: reader("a0").array(0, 9))
    refuses("cbor.type", lambda: list(reader("80").fields()))
    refuses("cbor.type", lambda: reader("01").tag(98))


def test_numbers_keep_to_their_range():
    equal(reader("05").uint(5, 5), 5)
    refuses("cbor.range", lambda: reader("05").uint(6, 9))
    refuses("cbor.range", lambda: reader("05").uint(0, 4))
    refuses("cbor.range", lambda: reader("24").negative(-4))
    refuses("cbor.range", lambda: reader("83010203").array(0, 2))


def keys(text):
    found = []
    source = reader(text)
    for key in source.fields():
        found.append(key)
        source.skip()
    source.finish()
    return found


def test_yields_the_keys_of_a_map_in_order():
    equal(keys("a0"), [])
    equal(keys("a3000105021763616263"), [0, 5, 23])


def test_refuses_repeated_keys():
    refuses("cbor.duplicate", lambda: keys("a200010002"))
    refuses("cbor.duplicate", lambda: keys("a3000101020102"))


def test_refuses_keys_out_of_order():
    refuses("cbor.order", lambda: keys("a201010002"))
    refuses("cbor.order", lambda: keys("a3000102020102"))


def test_refuses_keys_that_are_not_0_to_23():
    for text in ("a1181801", "a12001", "a1410101", "a1616101", "a1f501", "a1a00001"):
        refuses("cbor.key", lambda text=text: keys(text))


def test_refuses_bytes_after_the_last_item():
    refuses("cbor.trailing", lambda: keys("a000"))


def test_refuses_every_truncation():
    whole = bytes.fromhex("a4000a0144010203040263616263038301f518ff")
    equal(keys(whole.hex()), [0, 1, 2, 3])
    for length in range(len(whole)):
        refuses("cbor.truncated", lambda length=length: keys(whole[:length].hex()))


def test_huge_lengths_end_before_anything_is_read_or_looped_over():
    for text in (
        "5bffffffffffffffff", "7b7fffffffffffffff", "9bffffffffffffffff", "9a7fffffff00",
        "5a00ffffff00",
    ):  # fmt: skip
        refuses("cbor.truncated", reader(text).skip)
    refuses("cbor.range", lambda: list(reader("bbffffffffffffffff").fields()))
    refuses("cbor.range", lambda: reader("5bffffffffffffffff").octets(0, 99))
    refuses("cbor.truncated", lambda: reader("4461").octets(0, 99))


def test_a_nesting_bomb_ends_at_depth_8():
    equal(reader("81" * 8 + "00").skip(), None)
    refuses("cbor.depth", reader("81" * 9 + "00").skip)
    refuses("cbor.depth", reader("81" * 4000 + "00").skip)
    refuses("cbor.depth", reader("a100" * 4000 + "00").skip)


def test_skips_exactly_one_value():
    source = reader("a2008201a10262414202f502")
    source.skip()
    equal(source.pos, 11)
    equal(source.uint(0, 9), 2)
    source.finish()


class Counting:
    """Some bytes, and zeros without end; remembers the last byte it was asked for."""

    def __init__(self, head):
        self._head = head
        self.size = 70000
        self.last = 0

    def read(self, offset, length):
        self.last = max(self.last, offset + length)
        part = self._head[offset : offset + length]
        return part + bytes(length - len(part))


def test_an_authority_without_end_is_read_no_further_than_its_limit():
    for head in (
        b"\x99\xff\xff",  # an array of 65,535 items
        b"\x81\x99\xff\xff",
        b"\x99\x0f\xfe",  # one item more than fits
        b"\x98\x20" + (b"\x99\x03\xff" + bytes(1023)) * 5,  # each of its items would fit
        b"\x59\x20\x00",
    ):
        source = Counting(head)
        refuses("cbor.range", record_span, Reader(source))
        true(source.last <= AUTHORITY_BYTES, source.last)


def test_an_addition_without_end_is_read_no_further_than_its_limit():
    for key in (20, 23):
        source = Counting(b"\x99\xff\xff")
        refuses("cbor.range", ignore, key, Reader(source))
        true(source.last <= IGNORED_BYTES, source.last)
    exact = Reader(BytesSource(b"\x59\x0f\xfd" + bytes(4093) + b"\x07"))
    ignore(20, exact)
    equal(exact.uint(0, 9), 7)
    for key in (20, 23):
        items = Reader(BytesSource(b"\x98\x7f" + bytes(127) + b"\x07"))
        ignore(key, items)
        equal(items.uint(0, 9), 7)
        # Each skip has the whole allowance, and no more than that.
        ignore(key, Reader(BytesSource(b"\x98\x7f" + bytes(127))))
        refuses("cbor.range", ignore, key, Reader(BytesSource(b"\x98\x80" + bytes(128))))
    refuses("bundle.unknown_field", ignore, 19, reader("07"))


def test_an_authority_of_exactly_its_limit_is_stepped_over():
    data = b"\x59\x0f\xfd" + bytes(4093)
    source = Reader(BytesSource(data + b"\x07"))
    equal(record_span(source), (0, AUTHORITY_BYTES))
    equal(source.uint(0, 9), 7)
    source.finish()
    refuses("cbor.truncated", record_span, reader("8200"))


def test_text_that_is_stepped_over_is_printable_ascii_too():
    long = b"\x59\x01\x00" + b"x" * 256
    text = b"\x79\x01\x00" + b"x" * 256
    for data in (b"\x62 ~", text, long, b"\x42\xff\x00"):
        source = Reader(BytesSource(data))
        source.skip()
        source.finish()
    for data in (b"\x61\xff", b"\x61\x7f", b"\x81\x61\x1f", text[:-1] + b"\x80"):
        refuses("cbor.text", Reader(BytesSource(data)).skip)


def test_span_steps_over_a_string_it_does_not_read():
    source = reader("4301020305")
    equal(source.span(1, 3), (1, 4))
    equal(source.uint(0, 9), 5)
    refuses("cbor.truncated", lambda: reader("4301").span(1, 3))


def test_reads_only_between_its_bounds():
    source = BytesSource(bytes.fromhex("0102430405"))
    inner = Reader(source, 1, 2)
    equal(inner.uint(0, 9), 2)
    inner.finish()
    refuses("cbor.truncated", lambda: inner.uint(0, 9))
    refuses("cbor.truncated", lambda: Reader(source, 2, 5).octets(0, 9))


def test_a_file_reads_like_bytes_in_ram():
    whole = b"\x82\x58\xc8" + bytes(range(200)) + b"\x19\x01\x00"
    with open(FILE, "wb") as file:
        file.write(whole)
    with open(FILE, "rb") as file:
        source = Reader(FileSource(file, len(whole)))
        equal(source.array(2, 2), 2)
        equal(bytes(source.octets(0, 200)), bytes(range(200)))
        equal(source.uint(0, 256), 256)
        source.finish()
        # A file that has become shorter than it was is noticed too.
        longer = FileSource(file, len(whole) + 9)
        refuses("cbor.truncated", lambda: longer.read(len(whole) - 1, 9))
        refuses("cbor.truncated", lambda: longer.read(len(whole), 10))
