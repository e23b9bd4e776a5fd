# SPDX-License-Identifier: MIT
"""Dates of certificates: 1950 to 9999 in Unix seconds, odd encodings refused."""

from check import equal, refuses
from der_maker import generalized, tlv, utc
from trustanchor.encoding.der import Reader
from trustanchor.x509.leaf import parse_time


def seconds(element):
    return parse_time(Reader(element))


def test_utc_time_is_1950_to_2049():
    equal(seconds(utc(b"700101000000Z")), 0)
    equal(seconds(utc(b"491231235959Z")), 2524607999)
    equal(seconds(utc(b"500101000000Z")), -631152000)
    equal(seconds(utc(b"691231235959Z")), -1)


def test_generalized_time_reaches_the_year_9999():
    equal(seconds(generalized(b"20500101000000Z")), 2524608000)
    equal(seconds(generalized(b"99991231235959Z")), 253402300799)
    equal(seconds(generalized(b"19500101000000Z")), -631152000)


def test_no_trap_at_2000_2038_or_2106():
    equal(seconds(utc(b"991231235959Z")) + 1, seconds(utc(b"000101000000Z")))
    equal(seconds(utc(b"000101000000Z")), 946684800)
    equal(seconds(utc(b"380119031408Z")), 1 << 31)
    equal(seconds(generalized(b"21060207062816Z")), 1 << 32)


def test_generalized_time_before_2050_is_the_same_moment():
    equal(seconds(generalized(b"20250309010203Z")), seconds(utc(b"250309010203Z")))


def test_leap_years():
    equal(seconds(utc(b"240229000000Z")) + 86400, seconds(utc(b"240301000000Z")))
    equal(seconds(utc(b"000229000000Z")), 951782400)
    for day in (b"20250229", b"21000229", b"20250431", b"20250230"):
        refuses("cert.time", seconds, generalized(day + b"000000Z"))


def test_every_month_is_as_long_as_it_is():
    start = seconds(utc(b"250101000000Z"))
    for month, days in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30), 2):
        start += days * 86400
        equal(seconds(utc(b"25%02d01000000Z" % month)), start)


def test_refuses_what_is_no_moment():
    for text in (
        b"250001000000Z",
        b"251301000000Z",
        b"250100000000Z",
        b"250132000000Z",
        b"250101240000Z",
        b"250101006000Z",
        b"250101000060Z",  # no leap second either
    ):
        refuses("cert.time", seconds, utc(text))


def test_refuses_other_encodings_of_a_moment():
    for text in (
        b"2501010000Z",  # without seconds
        b"250101000000",  # without Z
        b"250101000000+0000",
        b"250101000000z",
        b"250101000000.5Z",
        b" 50101000000Z",
        b"+50101000000Z",
        b"2501010000_0Z",
        b"",
        b"Z",
    ):
        refuses("cert.time", seconds, utc(text))
    for text in (
        b"20250101000000.5Z",
        b"20250101000000.0Z",
        b"20250101000000+0000",
        b"2025010100Z",
    ):
        refuses("cert.time", seconds, generalized(text))
    refuses("cert.time", seconds, utc(b"20500101000000Z"))
    refuses("cert.time", seconds, generalized(b"500101000000Z"))


def test_refuses_years_before_1950():
    refuses("cert.time", seconds, generalized(b"19491231235959Z"))
    refuses("cert.time", seconds, generalized(b"00000101000000Z"))


def test_refuses_other_types():
    refuses("cert.time", seconds, tlv(0x16, b"250101000000Z"))
