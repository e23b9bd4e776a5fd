# SPDX-License-Identifier: MIT
"""One certificate as views into its DER: parsed, not judged (RFC 5280 section 4.1).

Everything a verdict reads is parsed here and refused when it breaks its format; what is only
read by a rule (the names in a SAN, the subtrees of name constraints) is parsed by that rule.
Whether a certificate may do what it does is decided by path.py and policy.py.

    leaf = Certificate(der_bytes)
    leaf.spki_sha256, leaf.not_after, leaf.has_eku(identity.SERVER_AUTH)
    spki_of(der_bytes)              # the key alone, for a pin

Depends on: compat, errors, limits, der, leaf; dn on the first self_issued.
Heap: 3.2 KB from a .mpy file; 0.4 KB a certificate beside its DER.
"""

from . import limits
from .compat import const, sha256
from .der import BIT_STRING, OCTET_STRING, SEQUENCE, Reader
from .errors import MalformedError
from .leaf import key_and_dates, opened, parse_time

# Bits of key_usage, RFC 5280 section 4.2.1.3; bit n of the standard is 1 << n.
KU_DIGITAL_SIGNATURE = const(1)
KU_KEY_ENCIPHERMENT = const(1 << 2)
KU_KEY_CERT_SIGN = const(1 << 5)

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


def spki_of(der: "bytes | bytearray | memoryview") -> memoryview:
    """Return the whole subjectPublicKeyInfo element."""
    return key_and_dates(der)[0]


class Certificate:
    """What RFC 5280 section 6 reads of one certificate.

    der, tbs, issuer, subject, spki, sig_alg   views of whole elements
    signature         view of the bits of signatureValue
    serial            view of the contents of serialNumber
    not_before, _after  Unix seconds, both inclusive
    is_ca, path_len   basicConstraints; path_len is None without a limit
    key_usage         mask of KU_*, or None when absent
    eku, san, name_constraints  views of the extension's SEQUENCE, or None when absent
    aki, ski          key identifiers, or None; they order the tries, they decide nothing
    unknown_critical  contents of the OID of a critical extension nobody here knows, or None
    """

    is_ca = False
    path_len: "int | None" = None
    key_usage: "int | None" = None
    eku: "memoryview | None" = None
    san: "memoryview | None" = None
    name_constraints: "memoryview | None" = None
    aki: "memoryview | None" = None
    ski: "memoryview | None" = None
    unknown_critical: "bytes | None" = None
    _spki_sha256: "bytes | None" = None
    _self_issued: "bool | None" = None

    def __init__(self, der: "bytes | bytearray | memoryview"):
        outer, tbs, self.tbs = opened(der)
        self.der = memoryview(der)
        self.sig_alg = outer.element(SEQUENCE)
        self.signature = outer.octets()
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
        self.serial = tbs.integer()
        # RFC 5280 section 4.1.2.2: a positive number of at most 20 octets. Zero is taken as in Go
        # and webpki: old public roots have it. So are 20 octets behind the one that keeps them
        # positive, as in pyca/cryptography: public CAs issue them.
        octets = len(self.serial) - (self.serial[0] == 0)
        if self.serial[0] >= 0x80 or octets > limits.SERIAL_BYTES:
            raise MalformedError("cert.serial")
        # RFC 5280 section 4.1.1.2: the signed algorithm is the one outside the signature.
        if tbs.element(SEQUENCE) != self.sig_alg:
            raise MalformedError("cert.algorithm_mismatch")
        self.issuer = tbs.element(SEQUENCE)
        if len(self.issuer) == _EMPTY:
            raise MalformedError("cert.empty_issuer")  # RFC 5280 section 4.1.2.4
        validity = tbs.enter(SEQUENCE)
        self.not_before = parse_time(validity)
        self.not_after = parse_time(validity)
        validity.finish()
        self.subject = tbs.element(SEQUENCE)
        self.spki = tbs.element(SEQUENCE)
        # RFC 5280 section 4.1.2.8: unique identifiers are to be parsed, and mean nothing here.
        if version:
            tbs.optional(_TAG_ISSUER_ID)
            tbs.optional(_TAG_SUBJECT_ID)
        if version == _VERSION_3:
            extensions = tbs.optional(_TAG_EXTENSIONS)
            if extensions is not None:
                self._parse_extensions(extensions)
        tbs.finish()

    @property
    def spki_sha256(self) -> bytes:
        """The key's pin: SHA-256 over the whole SPKI (RFC 7469 section 2.4)."""
        if self._spki_sha256 is None:
            self._spki_sha256 = sha256(self.spki)
        return self._spki_sha256

    @property
    def self_issued(self) -> bool:
        """Subject and issuer are the same name (RFC 5280 section 6.1)."""
        if self._self_issued is None:
            from .dn import same_name

            # Asked for every candidate above this certificate.
            self._self_issued = same_name(self.subject, self.issuer)
        return self._self_issued

    def has_eku(self, wanted: bytes) -> bool:
        """Return whether extendedKeyUsage lists the OID wanted; False when it is absent."""
        if self.eku is None:
            return False
        usages = Reader(self.eku).enter(SEQUENCE)
        found = False
        while usages.more():
            found = usages.oid() == wanted or found
        return found

    def _parse_extensions(self, explicit: memoryview) -> None:
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
            if len(seen) > limits.CERTIFICATE_EXTENSIONS:
                raise MalformedError("cert.too_many_extensions")
            if len(oid) == 3 and oid[:2] == b"\x55\x1d":
                known = self._parse_extension(oid[2], critical, value)
            else:
                known = False
            if critical and not known and self.unknown_critical is None:
                self.unknown_critical = oid
        # RFC 5280 section 4.1.2.6: an issuer has a name.
        if len(self.subject) == _EMPTY and self.is_ca:
            raise MalformedError("cert.empty_subject")
        # RFC 5280 section 4.2.1.10: only in a CA certificate.
        if self.name_constraints is not None and not self.is_ca:
            raise MalformedError("cert.constraints_without_ca")

    def _parse_extension(self, number: int, critical: bool, value: memoryview) -> bool:
        """Take 2.5.29.number; return whether a critical one is honoured by the verdict."""
        reader = Reader(value)
        if number == _BASIC_CONSTRAINTS:
            # RFC 5280 section 4.2.1.9 wants it critical in a CA; NIST PKITS 4.6.4, Go and webpki
            # take it either way, since it is honoured either way.
            body = reader.enter(SEQUENCE)
            self.is_ca = body.peek() == _BOOLEAN and boolean(body)
            if body.more():
                path_len = body.unsigned()
                # A limit on a certificate that issues nothing is against the section, and idle:
                # Go and webpki take it too.
                self.path_len = path_len if self.is_ca else None
            body.finish()
        elif number == _KEY_USAGE:
            self.key_usage = named_bits(reader)
            if not self.key_usage:  # RFC 5280 section 4.2.1.3: at least one bit
                raise MalformedError("cert.key_usage")
        elif number == _EKU:
            self.eku = _non_empty(reader, "cert.eku")
            if len(self.eku) > limits.EKU_BYTES:
                raise MalformedError("cert.eku", len(self.eku))
        elif number == _SAN:
            self.san = _non_empty(reader, "cert.san")
            # RFC 5280 section 4.2.1.6: with an empty subject the SAN is all there is.
            if len(self.subject) == _EMPTY and not critical:
                raise MalformedError("cert.criticality", number)
        elif number == _NAME_CONSTRAINTS:
            # To be critical says RFC 5280 section 4.2.1.10, but real intermediates leave it out;
            # it is applied either way, as in Go and webpki.
            self.name_constraints = _non_empty(reader, "cert.name_constraints")
        elif number == _SKI:
            self.ski = reader.read(OCTET_STRING)
            return False  # section 4.2.1.2: never critical; webpki refuses a critical one too
        elif number == _AKI:
            self.aki = Reader(reader.read(SEQUENCE)).optional(_TAG_KEY_ID)
            return False  # section 4.2.1.1: never critical
        elif number == _POLICY_CONSTRAINTS:
            # Section 4.2.1.11: always critical. It can demand a policy tree, which nobody here
            # builds, so a critical one ends the path as unknown.
            if not critical:
                raise MalformedError("cert.criticality", number)
            return False
        else:
            # Without policyConstraints explicit_policy never reaches 0, and then policies refuse
            # nothing (RFC 5280 section 6.1.5): a critical one is honoured by accepting any.
            return number in (_POLICIES, _POLICY_MAPPINGS, _INHIBIT_ANY_POLICY)
        reader.finish()
        return True


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
