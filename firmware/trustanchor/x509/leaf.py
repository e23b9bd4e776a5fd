# SPDX-License-Identifier: MIT
"""What mode key reads of a certificate: its key and its dates. No judgement.

    spki, not_before, not_after = key_and_dates(der_bytes)

In mode key nobody vouches for what else the certificate says: the pin names the key, and whoever
holds the key signed the rest. So the rest is skipped, element by element; Certificate reads it
where a name or a purpose is asked for.

Dates are Unix seconds, 1950 to 9999, whatever the port's epoch. There is no time module here: its
epoch is 2000 on some ports and its range 32 bits on others. Results above 2^30 are big integers on
a 32-bit board, which is fine: they are compared, never packed.

Depends on: compat, errors, limits, der.
Heap: 1.2 KB from a .mpy file.
"""

from ..compat import const
from ..encoding.der import Reader
from ..errors import MalformedError
from ..kinds import SEQUENCE
from ..limits import CERTIFICATE_BYTES

_TAG_VERSION = const(0xA0)
_UTC_TIME = const(0x17)  # X.690 section 8.1.2
_GENERALIZED_TIME = const(0x18)
_EPOCH_DAY = const(719468)  # days from 0000-03-01 to 1970-01-01


def key_and_dates(der: "bytes | bytearray | memoryview") -> "tuple[memoryview, int, int]":
    """Return (subjectPublicKeyInfo whole, notBefore, notAfter); Unix seconds, both inclusive."""
    outer, tbs, _ = opened(der)
    outer.element(SEQUENCE)
    outer.octets()
    outer.finish()
    tbs.optional(_TAG_VERSION)
    tbs.integer()
    tbs.element(SEQUENCE)  # signature
    tbs.element(SEQUENCE)  # issuer
    validity = tbs.enter(SEQUENCE)
    not_before = parse_time(validity)
    not_after = parse_time(validity)
    validity.finish()
    tbs.element(SEQUENCE)  # subject
    return tbs.element(SEQUENCE), not_before, not_after


def opened(der: "bytes | bytearray | memoryview") -> "tuple[Reader, Reader, memoryview]":
    """Return (Reader after tbsCertificate, Reader in it, tbsCertificate whole)."""
    if len(der) > CERTIFICATE_BYTES:
        raise MalformedError("cert.too_large", len(der))
    whole = Reader(der)
    outer = whole.enter(SEQUENCE)
    whole.finish()
    tbs = outer.element(SEQUENCE)
    return outer, Reader(tbs).enter(SEQUENCE), tbs


def parse_time(reader) -> int:
    """Return the next element of reader, a Time, in Unix seconds.

    Refuses with cert.time: RFC 5280 section 4.1.2.5 and X.690 sections 11.7 and 11.8 want seconds,
    no fraction, and Z. A GeneralizedTime for a year before 2050 is against RFC 5280 but taken, as
    NIST PKITS 4.2.4, Go and webpki do: it says the same moment in the other of two forms.
    """
    tag, text = reader.any()
    if tag == _UTC_TIME:
        year_digits = 2
    elif tag == _GENERALIZED_TIME:
        year_digits = 4
    else:
        raise MalformedError("cert.time", reader.pos)
    if len(text) != year_digits + 11 or text[-1] != 0x5A:  # "Z"
        raise MalformedError("cert.time", reader.pos)
    for octet in text[:-1]:
        if not 0x30 <= octet <= 0x39:
            raise MalformedError("cert.time", reader.pos)
    digits = int(bytes(text[:-1]))
    second = digits % 100
    minute = digits // 100 % 100
    hour = digits // 10000 % 100
    day = digits // 1000000 % 100
    month = digits // 100000000 % 100
    year = digits // 10000000000
    if year_digits == 2:
        year += 1900 if year >= 50 else 2000
    if (
        second > 59
        or minute > 59
        or hour > 23
        or not 1 <= month <= 12
        or not 1 <= day <= _days_in(month, year)
        or year < 1950
    ):
        raise MalformedError("cert.time", reader.pos)
    return ((_days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second


def _days_in(month: int, year: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Return the day number; a year that begins in March puts the leap day at its end."""
    if month <= 2:
        year -= 1
        month += 12
    # (153 * m + 2) // 5 is the number of days in the m months from March on.
    in_year = (153 * (month - 3) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - _EPOCH_DAY
