# SPDX-License-Identifier: MIT
"""How the bytes of a certificate become a Certificate (RFC 5280 section 4): all that is refused
because it breaks its format.

    parse(certificate, der)

Apart from certificate.py, because a Certificate keeps the code of its class in the heap for as
long as it lives, and this is twice as much: while a signature is verified it may be let go.

Depends on: compat, errors, limits, der, leaf.
Heap: 2.5 KB from a .mpy file.
"""

from ..compat import const
from ..encoding.der import Reader
from ..errors import MalformedError
from ..kinds import BIT_STRING, OCTET_STRING, SEQUENCE
from ..limits import CERTIFICATE_EXTENSIONS, EKU_BYTES, SERIAL_BYTES
from .leaf import opened, parse_time

_BOOLEAN = const(0x01)
_VERSION_3 = const(2)
_EMPTY = const(2)  # bytes of an element without contents

# Context tags of tbsCertificate.
_TAG_VERSION = const(0xA0)
_TAG_ISSUER_ID = const(0x81)
_TAG_SUBJECT_ID = const(0x82)
_TAG_EXTENSIONS = const(0xA3)
_TAG_KEY_ID = const(0x80)  # in authorityKeyIdentifier

# Extensions are 2.5.29.n, DER 55 1d n; n as in RFC 5280 section 4.2.1.
_SKI = const(14)
_KEY_USAGE = const(15)
_SAN = const(17)
_BASIC_CONSTRAINTS = const(19)
_NAME_CONSTRAINTS = const(30)
_POLICIES = const(32)
_POLICY_MAPPINGS = const(33)
_AKI = const(35)
_POLICY_CONSTRAINTS = const(36)
_EKU = const(37)
_INHIBIT_ANY_POLICY = const(54)
_QUALIFIER = b"\x2b\x06\x01\x05\x05\x07\x02"  # id-qt: 1 is a CPS pointer, 2 a user notice


def parse(found, der: "bytes | bytearray | memoryview") -> None:
    """Fill the Certificate found from der; refuses with cert.* and der.*."""
    outer, tbs, found.tbs = opened(der)
    found.der = memoryview(der)
    found.sig_alg = outer.element(SEQUENCE)
    found.signature = outer.octets()
    outer.finish()

    version = 0
    explicit = tbs.optional(_TAG_VERSION)
    if explicit is not None:
        inner = Reader(explicit)
        version = inner.unsigned()
        inner.finish()
        # X.690 section 11.5: v1 is the default and is never written.
        if not 1 <= version <= _VERSION_3:
            raise MalformedError("cert.version", version)
    found.serial = tbs.integer()
    # RFC 5280 section 4.1.2.2: a positive number of at most 20 octets. Zero is taken as in Go
    # and webpki: old public roots have it. So are 20 octets behind the one that keeps them
    # positive, as in pyca/cryptography: public CAs issue them.
    octets = len(found.serial) - (found.serial[0] == 0)
    if found.serial[0] >= 0x80 or octets > SERIAL_BYTES:
        raise MalformedError("cert.serial")
    # RFC 5280 section 4.1.1.2: the signed algorithm is the one outside the signature.
    if tbs.element(SEQUENCE) != found.sig_alg:
        raise MalformedError("cert.algorithm_mismatch")
    found.issuer = tbs.element(SEQUENCE)
    if len(found.issuer) == _EMPTY:
        raise MalformedError("cert.empty_issuer")  # RFC 5280 section 4.1.2.4
    validity = tbs.enter(SEQUENCE)
    found.not_before = parse_time(validity)
    found.not_after = parse_time(validity)
    validity.finish()
    found.subject = tbs.element(SEQUENCE)
    found.spki = tbs.element(SEQUENCE)
    # RFC 5280 section 4.1.2.8: unique identifiers are to be parsed, and mean nothing here.
    if version:
        tbs.optional(_TAG_ISSUER_ID)
        tbs.optional(_TAG_SUBJECT_ID)
    if version == _VERSION_3:
        extensions = tbs.optional(_TAG_EXTENSIONS)
        if extensions is not None:
            _parse_extensions(found, extensions)
    tbs.finish()


def _parse_extensions(found, explicit: memoryview) -> None:
    outer = Reader(explicit)
    extensions = outer.enter(SEQUENCE)
    outer.finish()
    seen: "list[bytes]" = []
    # RFC 5280 section 4.1: SIZE (1..MAX), hence a check at the end of the loop.
    while extensions.more() or not seen:
        extension = extensions.enter(SEQUENCE)
        oid = bytes(extension.oid())
        # X.690 section 11.5 forbids to write the default FALSE; some old CAs did, and Go and
        # webpki take it. It says nothing else than its absence does.
        critical = extension.peek() == _BOOLEAN and boolean(extension)
        value = extension.read(OCTET_STRING)
        extension.finish()
        if oid in seen:  # RFC 5280 section 4.2
            raise MalformedError("cert.duplicate_extension")
        seen.append(oid)
        if len(seen) > CERTIFICATE_EXTENSIONS:
            raise MalformedError("cert.too_many_extensions")
        if len(oid) == 3 and oid[:2] == b"\x55\x1d":
            known = _parse_extension(found, oid[2], critical, value)
        else:
            known = False
        if critical and not known and found.unknown_critical is None:
            found.unknown_critical = oid
    # RFC 5280 section 4.1.2.6: an issuer has a name.
    if len(found.subject) == _EMPTY and found.is_ca:
        raise MalformedError("cert.empty_subject")
    # RFC 5280 section 4.2.1.10: only in a CA certificate.
    if found.name_constraints is not None and not found.is_ca:
        raise MalformedError("cert.constraints_without_ca")


def _parse_extension(found, number: int, critical: bool, value: memoryview) -> bool:
    """Take 2.5.29.number; return whether a critical one is honoured by the verdict."""
    reader = Reader(value)
    if number == _BASIC_CONSTRAINTS:
        # RFC 5280 section 4.2.1.9 wants it critical in a CA; NIST PKITS 4.6.4, Go and webpki
        # take it either way, since it is honoured either way.
        body = reader.enter(SEQUENCE)
        found.is_ca = body.peek() == _BOOLEAN and boolean(body)
        if body.more():
            path_len = body.unsigned()
            # A limit on a certificate that issues nothing is against the section, and idle:
            # Go and webpki take it too.
            found.path_len = path_len if found.is_ca else None
        body.finish()
    elif number == _KEY_USAGE:
        found.key_usage = named_bits(reader)
        if not found.key_usage:  # RFC 5280 section 4.2.1.3: at least one bit
            raise MalformedError("cert.key_usage")
    elif number == _EKU:
        found.eku = _non_empty(reader, "cert.eku")
        if len(found.eku) > EKU_BYTES:
            raise MalformedError("cert.eku", len(found.eku))
    elif number == _SAN:
        # RFC 5280 section 4.2.1.6 wants it critical beside an empty subject: a rule for issuers,
        # which private CAs break. It is read either way, so nobody is misled, as in Go.
        found.san = _non_empty(reader, "cert.san")
    elif number == _NAME_CONSTRAINTS:
        # To be critical says RFC 5280 section 4.2.1.10, but real intermediates leave it out;
        # it is applied either way, as in Go and webpki.
        found.name_constraints = _non_empty(reader, "cert.name_constraints")
    elif number == _SKI:
        found.ski = reader.read(OCTET_STRING)
        return False  # section 4.2.1.2: never critical; webpki refuses a critical one too
    elif number == _AKI:
        found.aki = Reader(reader.read(SEQUENCE)).optional(_TAG_KEY_ID)
        return False  # section 4.2.1.1: never critical
    elif number == _POLICY_CONSTRAINTS:
        # Section 4.2.1.11: always critical. It can demand a policy tree, which nobody here
        # builds, so a critical one ends the path as unknown.
        if not critical:
            raise MalformedError("cert.criticality", number)
        return False
    else:
        # Without policyConstraints explicit_policy never reaches 0, and then policies refuse
        # nothing (RFC 5280 section 6.1.5): a critical one is honoured by accepting any, once it
        # is understood (section 4.2).
        if number not in (_POLICIES, _POLICY_MAPPINGS, _INHIBIT_ANY_POLICY):
            return False
        if not critical:
            return True
        if number == _INHIBIT_ANY_POLICY:
            reader.unsigned()
        elif not _policies(reader, number == _POLICY_MAPPINGS):
            return False
    reader.finish()
    return True


def _policies(reader: "Reader", are_mappings: bool) -> bool:
    """Read policies or pairs of them; return whether RFC 5280 has every qualifier (4.2.1.4)."""
    entries = Reader(_non_empty(reader, "der.length")).enter(SEQUENCE)
    known = True
    while entries.more():
        entry = entries.enter(SEQUENCE)
        entry.oid()
        if are_mappings:
            entry.oid()
        elif entry.more():
            qualifiers = Reader(_non_empty(entry, "der.length")).enter(SEQUENCE)
            while qualifiers.more():
                qualifier = qualifiers.enter(SEQUENCE)
                oid = bytes(qualifier.oid())
                qualifier.any()
                qualifier.finish()
                known = known and oid[:-1] == _QUALIFIER and oid[-1] in (1, 2)
        entry.finish()
    return known


def _non_empty(reader: "Reader", code: str) -> memoryview:
    """Return the next SEQUENCE whole; RFC 5280 gives it SIZE (1..MAX)."""
    element = reader.element(SEQUENCE)
    if len(element) == _EMPTY:
        raise MalformedError(code)
    return element


def boolean(reader: "Reader") -> bool:
    """Return a BOOLEAN; X.690 section 11.1: true is FF and nothing else (der.boolean)."""
    contents = reader.read(_BOOLEAN)
    if len(contents) != 1 or contents[0] not in (0, 0xFF):
        raise MalformedError("der.boolean", reader.pos)
    return contents[0] == 0xFF


def named_bits(reader: "Reader") -> int:
    """Return a BIT STRING with named bits, at most 16 of them, as a mask (der.bit_string).

    Bit n of the standard's list is 1 << n. Unused bits are zero (X.690 section 11.2.1). That
    no last bit is zero (11.2.2) is not held against anybody: two public roots, Trustwave
    Global ECC P256 and P384, write 03 03 07 06 00, and Go and webpki take it.
    """
    contents = reader.read(BIT_STRING)
    if not 1 <= len(contents) <= 3 or contents[0] > (7 if len(contents) > 1 else 0):
        raise MalformedError("der.bit_string", reader.pos)
    if len(contents) > 1 and contents[-1] & ((1 << contents[0]) - 1):
        raise MalformedError("der.bit_string", reader.pos)
    mask = 0
    for index in range(8 * (len(contents) - 1)):
        if contents[1 + index // 8] & (0x80 >> index % 8):
            mask |= 1 << index
    return mask
