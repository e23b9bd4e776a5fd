# SPDX-License-Identifier: MIT
"""Names of hosts: what a certificate presents and what we asked for (RFC 9525).

Only the subjectAltName counts, never the CN; a wildcard is the whole left-most label and stands
for one label; an IP address matches an iPAddress, never a dNSName. Distinguished names are in
dn.py.

    reference = parse_reference("broker.example.net")      # or "192.0.2.1", "2001:db8::1"
    presented_matches(leaf.san, reference)

Depends on: compat, limits, der, errors.
Heap: 2.2 KB from a .mpy file; short copies of the names that are compared.
"""

from ..compat import const
from ..encoding.der import Reader
from ..errors import MalformedError, PathError
from ..kinds import SEQUENCE, TAG_DNS, TAG_IP
from ..limits import SAN_NAMES

# Every tag a GeneralName may have (RFC 5280 section 4.2.1.6): otherName, rfc822Name, dNSName,
# x400Address, directoryName, ediPartyName, URI, iPAddress, registeredID.
_GENERAL_NAMES = b"\xa0\x81\x82\xa3\xa4\xa5\x86\x87\x88"

_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789-_."
_HYPHEN = const(0x2D)
_STAR = const(0x2A)


class Reference:
    """The host we asked for: text in lower case, and dns or ip as bytes, the other None."""

    def __init__(self, text: str, dns: "bytes | None", ip: "bytes | None"):
        self.text = text
        self.dns = dns
        self.ip = ip


def parse_reference(host: str) -> "Reference":
    """Return what a certificate must present for host; refuses with name.reference.

    IP literals come first and strictly (four decimal numbers without leading zeros; RFC 4291
    section 2.2 without brackets or zone). Everything else is a DNS name in A-labels; its case and
    one trailing dot mean nothing and are dropped. What ends in a number but is no address
    ("192.168.1", "010.0.0.1") is refused, because resolvers would take it for one.
    """
    # Before anything is read: 253 characters and a dot are the longest (RFC 1035 section 2.3.4).
    if not isinstance(host, str) or len(host) > 254:
        raise PathError("name.reference")
    name = _ascii(host).lower()
    text = name.decode()
    ip = _parse_ipv6(name) if b":" in name else _parse_ipv4(name)
    if ip is not None:
        return Reference(text, None, ip)
    if name[-1:] == b".":
        text, name = text[:-1], name[:-1]
    if not is_host_name(name):
        raise PathError("name.reference", host)
    return Reference(text, name, None)


def to_connect(host: str) -> "Reference":
    """parse_reference() for a connection: an IPv6 literal may be in brackets, as in a URL."""
    if isinstance(host, str) and ":" in host and host[0] == "[" and host[-1] == "]":
        host = host[1:-1]
    return parse_reference(host)


def is_host_name(name: bytes) -> bool:
    """Return whether name, in lower case, is a DNS name of A-labels, without a trailing dot.

    The underscore is no letter of RFC 1123 but real names have it; Go and webpki take it.
    """
    # What is left of a name without these letters, in C: a leaf may have hundreds of names.
    if not 1 <= len(name) <= 253 or name.strip(_LETTERS):
        return False
    label = b""
    for label in name.split(b"."):
        if not 1 <= len(label) <= 63 or label[0] == _HYPHEN or label[-1] == _HYPHEN:
            return False
    return not label.isdigit()


def presented_matches(san: "memoryview | None", reference: "Reference") -> bool:
    """Return whether a SAN presents the reference; every entry is read, whichever matches.

    Refuses with cert.san. A dNSName that no host can have (a NUL, a byte above 7F, a partial
    wildcard) is passed over: it equals no reference.
    """
    if san is None:
        return False
    found = False
    for tag, presented in general_names(san):
        if tag == TAG_DNS and reference.dns is not None:
            found = _dns_matches(presented, reference.dns) or found
        elif tag == TAG_IP and reference.ip is not None:
            found = presented == reference.ip or found
    return found


def general_names(san: memoryview):
    """Yield (tag, contents) of each GeneralName; refuses with cert.san, cert.too_many_names."""
    names = Reader(san).enter(SEQUENCE)
    count = 0
    while names.more():
        count += 1
        if count > SAN_NAMES:
            raise MalformedError("cert.too_many_names")
        tag, contents = names.any()
        if tag not in _GENERAL_NAMES or (tag == TAG_IP and len(contents) not in (4, 16)):
            raise MalformedError("cert.san", names.pos)
        yield tag, contents


def pattern_matches(pattern: str, host: str) -> bool:
    """Return whether a host pattern of a state covers host; False too when either is none.

    A pattern is a host name in lower case, an IP literal, or "*." and a name: one label more.
    """
    try:
        reference = parse_reference(host)
        if pattern[:2] == "*.":
            dot = reference.text.find(".")
            return (
                reference.dns is not None
                and is_host_name(_ascii(pattern[2:]))
                and reference.text[dot + 1 :] == pattern[2:]
                and dot > 0
            )
        wanted = parse_reference(pattern)
    except PathError:
        return False
    if wanted.ip is not None:
        return wanted.ip == reference.ip
    return pattern == wanted.text == reference.text


def _ascii(host: str) -> bytes:
    """Return the bytes of host; refuses with name.reference what is not ASCII.

    encode("ascii") does not check on MicroPython 1.25, and lower() makes a "k" of the Kelvin sign
    on CPython. max() is a loop in C: a state may have hundreds of hosts of 253 characters.
    """
    if host and max(host) > "\x7f":
        raise PathError("name.reference", host)
    return host.encode()


def _dns_matches(presented: memoryview, dns: bytes) -> bool:
    if len(presented) == len(dns) and bytes(presented).lower() == dns:
        return True
    if len(presented) < 2 or presented[0] != _STAR:
        return False
    # RFC 9525 section 6.3: the wildcard is the whole left-most label and stands for one label.
    # At least two labels follow it, as in webpki and NSS: "*.com" is nobody's name.
    rest = bytes(presented[1:]).lower()
    dot = dns.find(b".")
    return dot > 0 and dns[dot:] == rest and rest.count(b".") >= 2


def _parse_ipv4(name: bytes) -> "bytes | None":
    parts = name.split(b".")
    if len(parts) != 4:
        return None
    octets = []
    for part in parts:
        if not part.isdigit() or len(part) > 3 or (part[0] == 0x30 and len(part) > 1):
            return None
        if int(part) > 255:
            return None
        octets.append(int(part))
    return bytes(octets)


def _parse_ipv6(name: bytes) -> "bytes | None":
    halves = name.split(b"::")
    if len(halves) > 2:
        return None
    groups = []
    for position, half in enumerate(halves):
        packed = b""
        parts = half.split(b":") if half else []
        for index, part in enumerate(parts):
            if b"." in part and index == len(parts) - 1 and position == len(halves) - 1:
                tail = _parse_ipv4(part)
                if tail is None:
                    return None
                packed += tail
                continue
            if not 1 <= len(part) <= 4:
                return None
            for octet in part:
                if octet not in b"0123456789abcdef":
                    return None
            packed += int(part, 16).to_bytes(2, "big")
        groups.append(packed)
    if len(groups) == 1:
        return groups[0] if len(groups[0]) == 16 else None
    # "::" stands for at least one group of zeros.
    zeros = 16 - len(groups[0]) - len(groups[1])
    return groups[0] + bytes(zeros) + groups[1] if zeros >= 2 else None
