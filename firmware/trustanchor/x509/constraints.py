# SPDX-License-Identifier: MIT
"""Name constraints (RFC 5280 section 4.2.1.10): which names a CA's certificates may carry.

check() holds one NameConstraints against one certificate below it. Called for every pair, it is
section 6.1.3 (b) and (c): the permitted subtrees of several CAs are thereby intersected, the
excluded ones united. The caller leaves out self-issued certificates that are not the last.

    constraints.check(issuer.name_constraints, certificate_below, search)

Applied are dNSName, iPAddress, directoryName, rfc822Name and URI. A constraint of another form
refuses every certificate that has a name of that form, critical or not. The CN is no host name
(RFC 9525 section 6.2), so dNSName constraints leave it alone.

Depends on: compat, limits, der, dn, errors, names.
Heap: 2.4 KB from a .mpy file; 32 names, decoded, and one subtree at a time.
"""

from ..compat import const
from ..encoding.der import Reader
from ..errors import MalformedError, PathError
from ..kinds import OID, SEQUENCE, SET, TAG_DIRECTORY, TAG_DNS, TAG_IP
from ..limits import NAME_COMPARISONS
from .dn import parse_rdns
from .names import general_names, is_host_name

_TAG_PERMITTED = const(0xA0)
_TAG_EXCLUDED = const(0xA1)
_TAG_EMAIL = const(0x81)  # rfc822Name
_TAG_URI = const(0x86)

# pkcs-9 emailAddress as it stands in a subject: constrained as an rfc822Name.
_EMAIL_ATTRIBUTE = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"

# Names decoded at a time: 52 bytes each, where a SAN may have limits.SAN_NAMES.
_AT_A_TIME = const(32)

_DECODING = const(8)  # a name takes as long to decode as to compare eight times

# What the permitted subtrees said of a name so far.
_NOTHING = const(0)
_NOT_YET = const(1)
_PERMITTED = const(2)


def check(name_constraints: "bytes | memoryview", certificate, counter) -> None:
    """Refuse a certificate with a name that the constraints of a CA above it do not allow.

    name_constraints  the extension's SEQUENCE
    certificate       a Certificate below that CA: its subject and its SAN are held against it
    counter           counter.comparisons rises by names times (subtrees + 8)

    Refuses with constraints.excluded, constraints.not_permitted, constraints.unsupported,
    constraints.not_a_host, constraints.too_many_comparisons, cert.name_constraints, cert.san,
    cert.name.
    """
    body = Reader(name_constraints).enter(SEQUENCE)
    permitted = body.optional(_TAG_PERMITTED)
    excluded = body.optional(_TAG_EXCLUDED)
    body.finish()
    if permitted is None and excluded is None:
        raise MalformedError("cert.name_constraints")
    names: list = []
    for name in _names_of(certificate):
        names.append(name)
        if len(names) == _AT_A_TIME:
            _hold(permitted, excluded, names, counter)
            names = []
    _hold(permitted, excluded, names, counter)


def _hold(permitted, excluded, names: list, counter) -> None:
    """Hold some decoded names against all subtrees."""
    counter.comparisons += _DECODING * len(names)
    if excluded is not None:
        for tag, base in _subtrees(excluded, len(names), counter):
            for name_tag, name in names:
                if name_tag == tag and _covers(tag, base, name, True):
                    raise PathError("constraints.excluded", tag)
    if permitted is not None:
        said = bytearray(len(names))
        for tag, base in _subtrees(permitted, len(names), counter):
            for i, (name_tag, name) in enumerate(names):
                if name_tag == tag and said[i] != _PERMITTED:
                    said[i] = _PERMITTED if _covers(tag, base, name, False) else _NOT_YET
        if _NOT_YET in bytes(said):  # MicroPython looks into bytes only
            raise PathError("constraints.not_permitted")


def _names_of(certificate):
    """Yield (tag, decoded) of every name; a dNSName that no host can have decodes to None."""
    # Section 4.2.1.10: the subject counts as a directoryName unless it is empty.
    subject = parse_rdns(certificate.subject)
    if subject:
        yield TAG_DIRECTORY, subject
        if _EMAIL_ATTRIBUTE in bytes(certificate.subject):
            for value in _emails_of(certificate.subject):
                yield _TAG_EMAIL, _mailbox(value)
    if certificate.san is not None:
        for tag, name in general_names(certificate.san):
            if tag == TAG_DNS:
                text = bytes(name).lower()
                bare = text[2:] if text[:2] == b"*." else text
                yield tag, text if is_host_name(bare) else None
            elif tag == TAG_DIRECTORY:
                yield tag, parse_rdns(name)
            elif tag == _TAG_EMAIL:
                yield tag, _mailbox(name)
            elif tag == _TAG_URI:
                yield tag, _host_of_uri(name)
            else:
                yield tag, name


def _emails_of(subject: memoryview):
    """Yield the value of every emailAddress in a subject."""
    rdns = Reader(subject).enter(SEQUENCE)
    while rdns.more():
        attributes = rdns.enter(SET)
        while attributes.more():
            attribute = attributes.enter(SEQUENCE)
            kind = attribute.element(OID)
            _, value = attribute.any()
            if kind == _EMAIL_ATTRIBUTE:
                yield value


def _mailbox(name: "bytes | memoryview") -> "bytes | None":
    """Return local part and host; the case of the host alone means nothing. None: malformed."""
    text = bytes(name)
    at = text.rfind(b"@")
    host = text[at + 1 :].lower()
    return text[: at + 1] + host if at > 0 and is_host_name(host) else None


def _host_of_uri(name: "bytes | memoryview") -> "bytes | None":
    """Return the host of a URI (RFC 3986 section 3.2). None: it has none, or an address.

    RFC 5280 section 4.2.1.10 has such a URI refused wherever URIs are constrained. So is one with
    a backslash, which is no character of a URI: browsers read a slash, and so another host.
    """
    text = bytes(name)
    colon = text.find(b":")
    if colon < 1 or text[colon + 1 : colon + 3] != b"//" or text.find(b"\\") >= 0:
        return None
    authority = text[colon + 3 :]
    for i, octet in enumerate(authority):
        if octet in b"/?#":
            authority = authority[:i]
            break
    host = authority[authority.rfind(b"@") + 1 :].lower()
    if host.find(b":") >= 0:
        host = host[: host.find(b":")]
    return host if is_host_name(host) else None


def _subtrees(subtrees: memoryview, names: int, counter):
    """Yield (tag, decoded base) of GeneralSubtrees; refuses with cert.name_constraints."""
    reader = Reader(subtrees)
    if not reader.more():  # SIZE (1..MAX)
        raise MalformedError("cert.name_constraints")
    while reader.more():
        # A certificate of 8 KB with 400 names below one with 400 subtrees must end, too.
        counter.comparisons += names
        if counter.comparisons > NAME_COMPARISONS:
            raise PathError("constraints.too_many_comparisons")
        subtree = reader.enter(SEQUENCE)
        tag, base = subtree.any()
        # Section 4.2.1.10: minimum is 0, which DER does not write, and maximum is absent.
        if subtree.more():
            raise MalformedError("cert.name_constraints", tag)
        if tag == TAG_DNS:
            yield tag, _host_base(base)
        elif tag == TAG_IP:
            yield tag, _address_base(base)
        elif tag == TAG_DIRECTORY:
            yield tag, parse_rdns(base)
        elif tag in (_TAG_EMAIL, _TAG_URI):
            yield tag, _domain_base(tag, base)
        else:
            yield tag, None


def _host_base(base: memoryview) -> bytes:
    """Return a dNSName base in lower case; empty means every host.

    ".example.com" is refused: the section gives the period a meaning for URIs only. pyca refuses
    it too; Go, OpenSSL and webpki read "below example.com" into it.
    """
    text = bytes(base).lower()
    if text and not is_host_name(text):
        raise MalformedError("cert.name_constraints", TAG_DNS)
    return text


def _domain_base(tag: int, base: memoryview) -> bytes:
    """Return a mailbox, "host" for that host alone, ".domain" for those below, or b"" for all."""
    text = bytes(base)
    if tag == _TAG_EMAIL and b"@" in text:
        found = _mailbox(text)
    else:
        found = text.lower()
        if found and not is_host_name(found[1:] if found[:1] == b"." else found):
            found = None
    if found is None:
        raise MalformedError("cert.name_constraints", tag)
    return found


def _address_base(base: memoryview) -> memoryview:
    """Return address and mask; the mask is a CIDR prefix (RFC 4632), as Go and webpki want it."""
    half = len(base) // 2
    if len(base) not in (8, 32):
        raise MalformedError("cert.name_constraints", TAG_IP)
    inverted = int.from_bytes(base[half:], "big") ^ ((1 << 8 * half) - 1)
    if inverted & (inverted + 1):
        raise MalformedError("cert.name_constraints", TAG_IP)
    return base


def _covers(tag: int, base, name, excluding: bool) -> bool:
    """Return whether name, or for a wildcard every host it stands for, is in the subtree.

    When excluding, one such host is enough.
    """
    if tag == TAG_DIRECTORY:
        return name[: len(base)] == base
    if tag == TAG_IP:
        half = len(base) // 2
        if len(name) != half:
            return False
        # As numbers: octet by octet takes three times as long, and a leaf may have 300 addresses.
        apart = int.from_bytes(name, "big") ^ int.from_bytes(base[:half], "big")
        return not apart & int.from_bytes(base[half:], "big")
    if tag not in (TAG_DNS, _TAG_EMAIL, _TAG_URI):
        raise PathError("constraints.unsupported", tag)
    if name is None:
        raise PathError("constraints.not_a_host")
    if tag != TAG_DNS:
        if b"@" in base:
            return name == base
        host = name[name.rfind(b"@") + 1 :]
        return not base or (host.endswith(base) if base[:1] == b"." else host == base)
    if name[:2] != b"*.":
        return _is_below(name, base)
    if _is_below(name[2:], base):
        return True
    # *.example.com stands for foo.example.com, but not for a.foo.example.com.
    return excluding and base.endswith(name[1:]) and b"." not in base[: 1 - len(name)]


def _is_below(host: bytes, base: bytes) -> bool:
    return not base or host == base or host.endswith(b"." + base)
