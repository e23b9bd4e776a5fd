# SPDX-License-Identifier: MIT
"""One certificate as views into its DER: parsed, not judged (RFC 5280 section 4.1).

Everything a verdict reads is parsed, by fields.py, and refused when it breaks its format; what is
only read by a rule (the names in a SAN, the subtrees of name constraints) is parsed by that rule.
Whether a certificate may do what it does is decided by path.py and policy.py.

    leaf = Certificate(der_bytes)
    leaf.spki_sha256, leaf.not_after, leaf.has_eku(identity.usage(SERVER_AUTH))

Depends on: compat, der; fields when one is parsed, dn on the first self_issued.
Heap: 0.9 KB from a .mpy file; 0.4 KB a certificate beside its DER.
"""

from ..compat import sha256
from ..encoding.der import Reader
from ..kinds import SEQUENCE


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

    der: memoryview
    tbs: memoryview
    issuer: memoryview
    subject: memoryview
    spki: memoryview
    sig_alg: memoryview
    signature: memoryview
    serial: memoryview
    not_before: int
    not_after: int
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
        from .fields import parse

        parse(self, der)

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
