# SPDX-License-Identifier: MIT
"""Distinguished names (RFC 5280 section 7.1): when two of them are one."""

import trustanchor.limits as limits
from check import equal, false, refuses, true
from trustanchor.x509.dn import name_key, parse_rdns, same_name

CN = bytes.fromhex("0603550403")
OU = bytes.fromhex("060355040b")
PRINTABLE, UTF8, IA5, T61, BMP = 0x13, 0x0C, 0x16, 0x14, 0x1E


def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes((tag, len(body))) + body


def attribute(kind, value, tag=PRINTABLE):
    return tlv(0x30, kind, tlv(tag, value))


def name(*rdns):
    """A Name; an RDN is an attribute or a list of them."""
    sets = (tlv(0x31, *(rdn if isinstance(rdn, list) else [rdn])) for rdn in rdns)
    return tlv(0x30, *sets)


def same(a, b):
    """The relation and the index key must tell the same."""
    equal(name_key(a) == name_key(b), same_name(a, b))
    return same_name(a, b)


def test_a_name_is_itself():
    one = name(attribute(OU, b"Test"), attribute(CN, b"Root A"))
    true(same(one, memoryview(one)))
    true(same(name(), name()))
    equal(len(name_key(one)), 8)


def test_case_and_insignificant_space_do_not_count():
    one = name(attribute(CN, b"Root A"))
    true(same(one, name(attribute(CN, b"ROOT a"))))
    true(same(one, name(attribute(CN, b"  root   A "))))
    false(same(one, name(attribute(CN, b"RootA"))))


def test_the_string_type_does_not_count_where_characters_are_compared():
    one = name(attribute(CN, b"Root A"))
    true(same(one, name(attribute(CN, b"Root A", UTF8))))
    true(same(one, name(attribute(CN, b"root a", IA5))))


def test_other_types_are_compared_by_their_bytes():
    true(same(name(attribute(CN, b"A", T61)), name(attribute(CN, b"A", T61))))
    false(same(name(attribute(CN, b"A", T61)), name(attribute(CN, b"a", T61))))
    false(same(name(attribute(CN, b"A", T61)), name(attribute(CN, b"A", UTF8))))
    false(same(name(attribute(CN, b"\x00A", BMP)), name(attribute(CN, b"A", UTF8))))


def test_beyond_ascii_bytes_are_compared():
    true(same(name(attribute(CN, b"\xc3\xa9A", UTF8)), name(attribute(CN, b"\xc3\xa9a", UTF8))))
    false(same(name(attribute(CN, b"\xc3\xa9", UTF8)), name(attribute(CN, b"\xc3\x89", UTF8))))


def test_another_attribute_value_order_or_count_is_another_name():
    one = name(attribute(OU, b"X"), attribute(CN, b"Y"))
    false(same(one, name(attribute(CN, b"Y"), attribute(OU, b"X"))))
    false(same(one, name(attribute(OU, b"Y"), attribute(CN, b"X"))))
    false(same(one, name(attribute(OU, b"X"))))
    false(same(one, name()))
    false(same(one, name([attribute(OU, b"X"), attribute(CN, b"Y")])))


def test_attributes_of_one_rdn_have_no_order():
    one = name([attribute(OU, b"a"), attribute(OU, b"B")])
    true(same(one, name([attribute(OU, b"b"), attribute(OU, b"A")])))
    false(same(one, name([attribute(OU, b"a"), attribute(OU, b"a")])))


def test_a_value_that_looks_like_the_next_attribute_is_still_a_value():
    whole = attribute(CN, b"A", UTF8)
    a = name([attribute(OU, b"", UTF8), whole])
    b = name(attribute(OU, parse_rdns(name(whole))[0], T61))
    false(same(a, b))


def test_a_prefix_of_the_rdns_is_a_subtree():
    base = parse_rdns(name(attribute(OU, b"test")))
    equal(parse_rdns(name(attribute(OU, b"TEST"), attribute(CN, b"a")))[:1], base)


def test_malformed_names_are_refused():
    other = name(attribute(CN, b"A"))
    refuses("cert.name", same_name, tlv(0x30, tlv(0x31)), other)
    refuses("der.tag", same_name, tlv(0x30, tlv(0x30)), other)
    refuses("der.trailing", same_name, other + b"\x00", other)
    refuses("der.truncated", name_key, tlv(0x30, tlv(0x31, tlv(0x30, CN))))
    refuses("der.trailing", name_key, name(tlv(0x30, CN, tlv(UTF8, b"A"), b"\x05\x00")))


def test_names_that_would_fill_a_heap_are_refused():
    def long_form(tag, body):
        return bytes((tag, 0x82)) + len(body).to_bytes(2, "big") + body

    other = name(attribute(CN, b"A"))
    one = tlv(0x31, attribute(CN, b"a"))
    equal(len(parse_rdns(long_form(0x30, one * limits.NAME_ATTRIBUTES))), limits.NAME_ATTRIBUTES)
    for count in (limits.NAME_ATTRIBUTES + 1, 100):
        refuses("cert.too_many_attributes", same_name, long_form(0x30, one * count), other)

    def with_value(size):
        text = b"\x0c\x82" + size.to_bytes(2, "big") + b"a " * (size // 2)
        return long_form(0x30, long_form(0x31, long_form(0x30, CN + text)))

    false(same_name(with_value(limits.NAME_VALUE_BYTES), other))
    refuses("cert.name", same_name, with_value(limits.NAME_VALUE_BYTES + 2), other)
