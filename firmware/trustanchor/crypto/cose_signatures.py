# SPDX-License-Identifier: MIT
"""The door to cryptography for bundles: COSE algorithm -> verify, and is this a key for it.

    valid = yield from cose_signatures.verifying(alg, public_key, message, signature)
    cose_signatures.check_key(alg, public_key)

Apart from `signatures`, the door for certificates: an update needs none of that one's code.

Depends on: algorithms, compat, errors; rsa, rsa_pss, ecdsa, hss when a key of that kind comes.
Heap: 1 KB from a .mpy file.
"""

import hashlib

from ..compat import finish
from ..errors import MalformedError, UnsupportedError
from ..kinds import ES256, HSS_LMS, PS256
from .algorithms import EC_KEY, RSA, curve_bits, parts_of, unload


def verify(alg: int, public_key, message, signature, table=None) -> bool:
    """Return whether signature is valid under a COSE algorithm.

    ES256    public_key is SPKI DER on P-256, signature r and s of 32 bytes each (RFC 9053 2.1)
    PS256    SPKI DER, SHA-256 throughout, a salt of 32 bytes (RFC 8230 section 2)
    HSS-LMS  public_key is the HSS public key of RFC 8554 section 6.1
    message  bytes, or an object whose feed(hash), a generator, gives it to a SHA-256 in slices

    Refuses with sig.unsupported, sig.key_malformed, sig.key_size.
    """
    return finish(verifying(alg, public_key, message, signature, table))


def verifying(alg, public_key, message, signature, table=None):
    """Generator: `verify` in slices."""
    try:
        return (yield from _verifying(alg, public_key, message, signature, table))
    except MemoryError:
        # What another signer's algorithm has loaded gives way; so does what lies badly.
        unload()
    return (yield from _verifying(alg, public_key, message, signature, None))


def _verifying(alg, public_key, message, signature, table):
    if alg == HSS_LMS:
        from . import hss

        return (yield from hss.verifying(public_key, message, signature))
    parameters, key = _parts_for(alg, public_key)
    if alg == ES256:
        if len(signature) != 64:
            return False
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:], "big")
        if table or not hasattr(message, "feed"):
            from . import _signatures_ecdsa as ec

            return (
                yield from ec.verifying(parameters, key, public_key, 256, message, (r, s), table)
            )
        # A bundle: hashed here, so that neither sha2 nor the rest of a verdict is loaded for it.
        digest = hashlib.sha256()
        yield from message.feed(digest)
        from . import ecdsa

        on = ecdsa.curve(256)
        q = ecdsa.point_of(on, key)
        return (yield from ecdsa.verifying(on, q, digest.digest(), r, s, None))
    from . import rsa, rsa_pss

    n, e = rsa.key_of(key)
    return (yield from rsa_pss.verifying(n, e, 256, 256, 32, message, signature))


def check_key(alg: int, public_key) -> None:
    """Refuse a key that could never verify anything under a COSE algorithm: sig.*."""
    if alg == HSS_LMS:
        from . import hss

        hss.check_key(public_key)
        return
    _, key = _parts_for(alg, public_key)
    if alg == ES256:
        from . import ecdsa

        ecdsa.point_of(ecdsa.curve(256), key)
    else:
        from . import rsa

        rsa.key_of(key)


def _parts_for(alg, public_key):
    """Return (parameters, key) of the SPKI of a key for this algorithm, and no other."""
    if alg not in (ES256, PS256):
        raise UnsupportedError("sig.unsupported", alg)
    family, parameters, key = parts_of(public_key)
    # RFC 9053 section 2.1 leaves the curve of ES256 open; RFC 9864 and this profile do not.
    if alg == ES256 and (family != EC_KEY or curve_bits(parameters) != 256):
        raise MalformedError("sig.key_malformed", "ES256")
    if alg == PS256 and (family != RSA or parameters is not None):
        raise MalformedError("sig.key_malformed", "PS256")
    return parameters, key
