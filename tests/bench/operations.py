# SPDX-License-Identifier: MIT
"""The operations of cryptography, as functions that return what is to be timed."""


def _case(name):
    with open("build/fixtures/signatures/" + name) as file:
        return [bytes.fromhex(file.readline()) for _ in range(4)]


def _plain():
    from trustanchor.crypto import ecdsa, sha512

    ecdsa._machine = False
    sha512._kernel = False


def _verify(name, *how):
    from trustanchor.crypto import signatures

    if "plain" in how:
        _plain()
    sig_alg, spki, message, signature = _case(name)
    table = signatures.key_table(spki) if "kept" in how else None
    return lambda: signatures.verify(sig_alg, spki, message, signature, table)


def _cose(alg, name):
    from trustanchor.crypto import cose_signatures

    alg = int(alg)
    _, key, message, signature = _case(name)
    return lambda: cose_signatures.verify(alg, key, message, signature)


def _sha(bits, length, *how):
    from trustanchor.crypto import sha2

    if "plain" in how:
        _plain()
    bits, message = int(bits), bytes(int(length))
    return lambda: len(sha2.digest(bits, message)) == bits // 8


def _table(name, *how):
    from trustanchor.crypto import signatures

    if "plain" in how:
        _plain()
    spki = _case(name)[1]
    return lambda: len(signatures.key_table(spki)) > 1000


def _textbook(name):
    import textbook

    from trustanchor.crypto import sha2
    from trustanchor.crypto._signatures_ecdsa import numbers_of

    _, spki, message, signature = _case(name)
    bits = {"p256": 256, "p384": 384, "p521": 521}[name[:4]]
    size = (bits + 7) // 8
    x = int.from_bytes(spki[-2 * size : -size], "big")
    y = int.from_bytes(spki[-size:], "big")
    r, s = numbers_of(signature)
    e = int.from_bytes(sha2.digest(int(name[8:]), message), "big")
    curve = textbook.CURVES[bits]
    return lambda: textbook.verify(curve, (x, y), e, r, s)


def _textbook_sha(length):
    import textbook

    from trustanchor.crypto import sha2, sha512

    words = [int.from_bytes(sha512._K[i : i + 8], "big") for i in range(0, 640, 8)]
    start = [int.from_bytes(sha512._START_384[i : i + 8], "big") for i in range(0, 64, 8)]
    message = bytes(int(length))
    return lambda: textbook.sha512(words, start, message)[:48] == sha2.digest(384, message)


OPERATIONS = {
    "verify": _verify,
    "cose": _cose,
    "sha": _sha,
    "table": _table,
    "textbook": _textbook,
    "textbook_sha": _textbook_sha,
}
