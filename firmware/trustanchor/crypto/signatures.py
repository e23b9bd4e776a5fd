# SPDX-License-Identifier: MIT
"""The door to cryptography for certificates: algorithm identifier -> verify.

What is above this layer imports no module of it but this one and `cose_signatures`, the door for
bundles, so that a test can stand in for all signatures by replacing functions of the two. Callers
therefore write `signatures.verify(...)`.

    signatures.verify(cert.sig_alg, issuer_spki, cert.tbs, cert.signature)     # -> bool
    valid = yield from signatures.verifying(...)       # the same, None between slices of work
    signatures.key_table(spki), making_key_table, is_key_table       # kept keys, _key_tables.py

Three answers: True, False, or a coded refusal of the algorithm or of the key. A signature that is
not even well formed is False: it is one more signature that does not verify.

AlgorithmIdentifiers are compared whole, parameters included, with the few byte strings that are
right (RFC 4055, RFC 5480, RFC 5758); only those of RSASSA-PSS are parsed. SHA-1, MD5, DSA,
Ed25519, explicit and other curves are not here: sig.unsupported.

Depends on: algorithms, compat, der, errors, kinds; _signatures_ecdsa, rsa, rsa_pss when a
signature of that kind comes.
Heap: 1.5 KB from a .mpy file.
"""

from ..compat import collecting, const, finish
from ..encoding.der import Reader
from ..errors import MalformedError, UnsupportedError
from ..kinds import SEQUENCE
from ..limits import RSA_MAX_BITS, RSA_MAX_EXPONENT
from .algorithms import EC_KEY, RSA, curve_bits, identifier_of, parts_of, unload

# A family: the contents of its OIDs without the last arc, which tells members apart.
_ECDSA_SHA2 = b"\x2a\x86\x48\xce\x3d\x04\x03"  # 1.2.840.10045.4.3
_PSS_ARC = const(10)
_NULL = b"\x05\x00"
_SHORT_BYTES = const(256)


def verify(sig_alg, spki, message, signature, table=None) -> bool:
    """Return whether signature is spki's over message.

    sig_alg    AlgorithmIdentifier, whole element
    spki       SubjectPublicKeyInfo, whole element
    signature  contents of the BIT STRING
    table      what `key_table(spki)` returned, if the caller keeps it; an unfit one is ignored

    Refuses with sig.unsupported, sig.algorithm_malformed, sig.key_malformed, sig.key_size.
    """
    return finish(verifying(sig_alg, spki, message, signature, table))


def verifying(sig_alg, spki, message, signature, table=None):
    """Generator: `verify` in slices of at most about a twentieth of a P-256 verification."""
    try:
        return (yield from _verifying(sig_alg, spki, message, signature, table, False))
    except MemoryError:
        # A path has keys of several families, and the code of one can give way to the next.
        unload()
    # And no garbage between what is loaded now and what the numbers need in one piece.
    steps = _verifying(sig_alg, spki, message, signature, None, True)
    return (yield from collecting(steps, _SHORT_BYTES))


def _verifying(sig_alg, spki, message, signature, table, is_short):
    family, bits, pss = _algorithm(sig_alg)
    if pss is not None:
        from .rsa_pss import parameters_of

        pss = parameters_of(pss)
    key_family, parameters, key = parts_of(spki)
    if family == _ECDSA_SHA2:
        if key_family != EC_KEY:
            return False
        from . import _signatures_ecdsa as ec

        numbers = ec.numbers_of(signature)
        return (
            yield from ec.verifying(parameters, key, spki, bits, message, numbers, table, is_short)
        )
    if key_family != RSA:
        return False
    from . import rsa

    n, e = rsa.key_of(key)
    if pss is None:
        # RFC 4055 section 1.2: a key marked for PSS signs nothing else.
        if parameters is not None:
            return False
        return (yield from rsa.verifying(n, e, bits, message, signature))
    from .rsa_pss import verifying_under

    return (yield from verifying_under(parameters, pss, n, e, message, signature))


def __getattr__(name):
    """What a verdict does not need has its code elsewhere, and its name here all the same."""
    if "key_table" in name:
        from . import _key_tables

        return getattr(_key_tables, name)
    raise AttributeError(name)


def check_key(spki) -> None:
    """Refuse a key of no algorithm, curve or size of ours: sig.unsupported, sig.key_*.

    Whether a point is on its curve is not asked: that needs the curve, and whoever verifies with
    the key, this module or TLS, asks.
    """
    family, parameters, key = parts_of(spki)
    if family == EC_KEY:
        from ._signatures_ecdsa import check_point

        check_point(parameters, key)
        return
    from . import rsa

    rsa.key_of(key)


def cost_of(spki) -> int:
    """How many P-256 verifications one with this key is about worth: what a budget counts.

    RSA up to 4096 bits with a usual exponent costs no more than one. Makes no number of the key:
    a path asks before there is room for one. Refuses what cannot be read.
    """
    family, parameters, key = parts_of(spki)
    if family == EC_KEY:
        return {256: 1, 384: 2, 521: 4}[curve_bits(parameters)]
    fields = Reader(key).enter(SEQUENCE)
    n = fields.integer()
    e = fields.integer()
    size = len(n) - (n[0] == 0)
    # What rsa.key_of refuses costs next to nothing, and must not: it would starve the rest.
    if (n[0] | e[0]) >= 0x80 or not n[-1] & e[-1] & 1 or size > RSA_MAX_BITS // 8 or len(e) > 5:
        return 1
    exponent = int.from_bytes(e, "big")
    if exponent > RSA_MAX_EXPONENT:
        return 1
    return (4 if size > 512 else 1) * (4 if exponent > 0x10001 else 1)


def _algorithm(sig_alg):
    """Return (family, hash bits, None or the parameters of PSS) of a signature algorithm."""
    try:
        oid, parameters = identifier_of(sig_alg)
    except MalformedError as error:
        raise MalformedError("sig.algorithm_malformed", error.code)
    family, arc = oid[:-1], oid[-1] if oid else 0
    # The last arcs count up in the order of the hashes: 256, 384, 512 bits.
    if family == _ECDSA_SHA2 and 2 <= arc <= 4:
        # RFC 5758 section 3.2: the parameters are absent.
        if parameters:
            raise MalformedError("sig.algorithm_malformed", "ecdsa")
        return family, 128 * arc, None
    if family == RSA and 11 <= arc <= 13:
        # RFC 4055 section 5: NULL; what leaves it out must be accepted too.
        if parameters not in (_NULL, b""):
            raise MalformedError("sig.algorithm_malformed", "rsa")
        return family, 128 * (arc - 9), None
    if family == RSA and arc == _PSS_ARC:
        return family, 0, parameters
    raise UnsupportedError("sig.unsupported", "algorithm")
