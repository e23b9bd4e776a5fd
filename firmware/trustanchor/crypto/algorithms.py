# SPDX-License-Identifier: MIT
"""Which algorithm an AlgorithmIdentifier or a key names; what all of this folder stands on.

    oid, parameters = identifier_of(element)
    family, parameters, key = parts_of(spki)          # RSA or EC_KEY
    bits = curve_bits(parameters)                     # 256, 384, 521

Depends on: compat, der, errors, kinds.
Heap: 0.9 KB from a .mpy file.
"""

from ..compat import const, forget
from ..encoding.der import Reader
from ..errors import MalformedError, UnsupportedError
from ..kinds import OID, SEQUENCE

# Families, as the contents of their OIDs without the last arc, which tells members apart.
RSA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # 1.2.840.113549.1.1
EC_KEY = b"\x2a\x86\x48\xce\x3d\x02\x01"  # 1.2.840.10045.2.1, whole
_RSA_KEY_ARC = const(1)  # rsaEncryption
_PSS_ARC = const(10)
_NULL = b"\x05\x00"

# One text: of twenty-one, the short would be names that a board keeps for ever.
_UNLOADED = (
    "constraints dn identity leaf names fields ecdsa _ecdsa_plain _ecdsa_tables _key_tables "
    "_limbs _p256 _p384 _p521 hss rsa rsa_pss sha2 sha512 _sha2_plain cose_signatures "
    "_signatures_ecdsa"
)


def identifier_of(element):
    """Return (oid contents, parameters as whole elements, b"" when absent)."""
    outer = Reader(element)
    fields = outer.enter(SEQUENCE)
    outer.finish()
    oid = bytes(fields.read(OID))
    return oid, bytes(fields.view[fields.pos :])


def curve_bits(parameters) -> int:
    # RFC 5480 section 2.1.1: namedCurve only; implicitCurve and specifiedCurve must not be used.
    found = bytes(parameters)
    if found == b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07":
        return 256
    if found == b"\x06\x05\x2b\x81\x04\x00\x22":
        return 384
    if found == b"\x06\x05\x2b\x81\x04\x00\x23":
        return 521
    raise UnsupportedError("sig.unsupported", "curve")


def parts_of(spki):
    """Return (family, parameters, key) of a SubjectPublicKeyInfo.

    parameters  EC: the curve's element; rsaEncryption: None; id-RSASSA-PSS: its parameters or b""
    """
    try:
        outer = Reader(spki)
        fields = outer.enter(SEQUENCE)
        outer.finish()
        oid, parameters = identifier_of(fields.element(SEQUENCE))
        key = fields.octets()
        fields.finish()
    except MalformedError as error:
        raise MalformedError("sig.key_malformed", error.code)
    if oid == EC_KEY:
        return EC_KEY, parameters, key
    if oid[:-1] == RSA and oid[-1] == _RSA_KEY_ARC:
        # RFC 3279 section 2.3.1: the parameters are NULL.
        if parameters != _NULL:
            raise MalformedError("sig.key_malformed", "parameters")
        return RSA, None, key
    if oid[:-1] == RSA and oid[-1] == _PSS_ARC:
        return RSA, parameters, key
    raise UnsupportedError("sig.unsupported", "key")


def unload() -> None:
    """Give back the heap that lies in code of this layer, and in what a search has done with.

    It loads again when it is needed.
    """
    forget(_UNLOADED)
