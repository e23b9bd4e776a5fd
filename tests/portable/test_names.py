# SPDX-License-Identifier: MIT
"""Hosts (RFC 9525): what may be asked for, what a SAN presents, what a pattern covers."""

import trustanchor.limits as limits
from check import equal, false, refuses, true
from trustanchor.x509.names import parse_reference, pattern_matches, presented_matches


def san(*entries):
    """A SubjectAltName of (tag, contents), shorter than 128 bytes."""
    body = b"".join(bytes((tag, len(contents))) + contents for tag, contents in entries)
    return memoryview(bytes((0x30, len(body))) + body)


def dns(*names):
    return san(*((0x82, name) for name in names))


def presents(name, host):
    return presented_matches(dns(name), parse_reference(host))


def test_a_reference_is_lower_case_without_its_trailing_dot():
    reference = parse_reference("Broker.Example.NET.")
    equal(reference.text, "broker.example.net")
    equal(reference.dns, b"broker.example.net")
    equal(reference.ip, None)
    equal(parse_reference("localhost").dns, b"localhost")
    equal(parse_reference("my_board.local").dns, b"my_board.local")
    equal(parse_reference("xn--bcher-kva.example").dns, b"xn--bcher-kva.example")


def test_a_reference_that_no_host_can_have_is_refused():
    for host in (
        "",
        ".",
        "a..b",
        ".a.b",
        "a.b..",
        "-a.b",
        "a-.b",
        "*.a.b",
        "a b.c",
        "a\x00.b",
        "b\u00fccher.example",
        "\u212aelvin.example",  # the Kelvin sign: its lower case is an ASCII k
        "a" * 64 + ".b",
        ".".join(["a" * 63] * 4),
        "http://a.b",
        "a.b:443",
    ):
        refuses("name.reference", parse_reference, host)


def test_ip_literals_are_parsed_first():
    equal(parse_reference("192.0.2.1").ip, bytes((192, 0, 2, 1)))
    equal(parse_reference("::").ip, bytes(16))
    equal(parse_reference("::1").ip, bytes(15) + b"\x01")
    equal(parse_reference("1::").ip, b"\x00\x01" + bytes(14))
    equal(parse_reference("2001:DB8::7334").ip, b"\x20\x01\x0d\xb8" + bytes(10) + b"\x73\x34")
    equal(parse_reference("1:2:3:4:5:6:7:8").ip, bytes.fromhex("00010002000300040005000600070008"))
    equal(parse_reference("1:2:3:4:5:6:7::").ip, bytes.fromhex("00010002000300040005000600070000"))
    equal(parse_reference("::ffff:192.0.2.1").ip, bytes(10) + b"\xff\xff\xc0\x00\x02\x01")
    equal(parse_reference("::1").dns, None)


def test_what_a_resolver_would_take_for_an_address_is_not_a_name():
    for host in ("010.0.0.1", "192.168.1", "1", "256.1.1.1", "1.2.3.4.5", "1.2.3.4.", "a.1"):
        refuses("name.reference", parse_reference, host)


def test_ipv6_literals_have_no_brackets_zones_or_missing_groups():
    for host in (
        "[::1]",
        "fe80::1%eth0",
        ":",
        ":::",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "12345::",
        "g::",
        "::1.2.3",
        "::01.2.3.4",
        "1.2.3.4::",
        "1.2.3.4::1.2.3.4",
        ":1:2:3:4:5:6:7",
    ):
        refuses("name.reference", parse_reference, host)


def test_a_dns_name_matches_itself_in_any_case():
    true(presents(b"Example.COM", "example.com"))
    true(presents(b"example.com", "EXAMPLE.com."))
    false(presents(b"example.com", "www.example.com"))
    false(presents(b"www.example.com", "example.com"))


def test_a_presented_name_with_a_trailing_dot_is_no_match():
    false(presents(b"example.com.", "example.com"))


def test_a_wildcard_is_the_left_most_label_and_stands_for_one():
    true(presents(b"*.example.com", "a.example.com"))
    true(presents(b"*.Example.com", "xn--bcher-kva.example.com"))
    for name in (
        b"*.example.com.",
        b"a*.example.com",
        b"*a.example.com",
        b"xn--*-1b3c148a.example.com",
        b"a.*.com",
        b"*.*.com",
        b"*.a.example.com",
        b"**.example.com",
        b"*example.com",
        b"*",
        b"*.",
        b"",
    ):
        false(presents(name, "a.example.com"), name)
    false(presents(b"*.example.com", "example.com"))
    false(presents(b"*.example.com", "a.b.example.com"))


def test_a_wildcard_directly_under_a_top_level_domain_matches_nothing():
    false(presents(b"*.com", "example.com"))
    false(presents(b"*", "localhost"))


def test_a_nul_or_a_byte_beyond_ascii_hides_nothing():
    false(presents(b"example.com\x00.evil.test", "example.com"))
    false(presents(b"example.com\x00", "example.com"))
    false(presents("b\u00fccher.example".encode(), "xn--bcher-kva.example"))
    true(presented_matches(dns(b"\xff", b"a\x00", b"a.test"), parse_reference("a.test")))


def test_an_address_matches_an_ip_address_and_nothing_else():
    address = san((0x87, bytes((192, 0, 2, 1))))
    true(presented_matches(address, parse_reference("192.0.2.1")))
    false(presented_matches(address, parse_reference("192.0.2.2")))
    false(presented_matches(address, parse_reference("::ffff:192.0.2.1")))
    false(presents(b"192.0.2.1", "192.0.2.1"))
    false(presented_matches(san((0x87, b"test")), parse_reference("test")))
    six = san((0x87, bytes(15) + b"\x01"))
    true(presented_matches(six, parse_reference("0:0:0:0:0:0:0:1")))


def test_without_a_san_nothing_is_presented():
    false(presented_matches(None, parse_reference("a.test")))


def test_other_general_names_are_read_and_present_no_host():
    everything = san(
        (0xA0, b"\x06\x01\x01\xa0\x02\x05\x00"),
        (0x81, b"me@a.test"),
        (0xA4, b"\x30\x00"),
        (0x86, b"https://a.test"),
        (0x88, b"\x2a"),
    )
    false(presented_matches(everything, parse_reference("a.test")))


def test_a_malformed_san_is_refused_even_behind_a_match():
    host = parse_reference("a.test")
    for entry in ((0x87, b"\x01\x02\x03"), (0x87, bytes(8)), (0x02, b"\x01"), (0x89, b"")):
        refuses("cert.san", presented_matches, san((0x82, b"a.test"), entry), host)
    refuses("der.truncated", presented_matches, memoryview(b"\x30\x02\x82\x05"), host)
    refuses("der.tag", presented_matches, memoryview(b"\x31\x00"), host)


def test_a_san_that_would_fill_a_heap_is_refused():
    def many(count):
        body = b"\x82\x01a" * count
        return memoryview(b"\x30\x82" + len(body).to_bytes(2, "big") + body)

    host = parse_reference("a")
    true(presented_matches(many(limits.SAN_NAMES), host))
    refuses("cert.too_many_names", presented_matches, many(limits.SAN_NAMES + 1), host)
    refuses("cert.too_many_names", presented_matches, many(2700), host)


def test_a_pattern_covers_itself_or_one_label_more():
    true(pattern_matches("a.example.net", "A.example.net"))
    true(pattern_matches("*.example.net", "a.example.net"))
    false(pattern_matches("*.example.net", "example.net"))
    false(pattern_matches("*.example.net", "a.b.example.net"))
    false(pattern_matches("a.example.net", "b.example.net"))


def test_a_pattern_may_be_an_address():
    true(pattern_matches("192.0.2.1", "192.0.2.1"))
    true(pattern_matches("::1", "0:0:0:0:0:0:0:1"))
    false(pattern_matches("192.0.2.1", "192.0.2.2"))
    false(pattern_matches("*.0.2.1", "192.0.2.1"))


def test_what_is_no_pattern_covers_nothing():
    for pattern in ("", "*", "*.", "A.net", "*.A.net", "a.*.net", "a.net.", "*.*.net", "a b"):
        example = "x" + pattern[1:] if pattern.startswith("*.") else pattern
        false(pattern_matches(pattern, example), pattern)
    false(pattern_matches("*.b\u00fccher.net", "a.b\u00fccher.net"))
    false(pattern_matches("a.net", "not a host"))
