# SPDX-License-Identifier: MIT
"""Chains made to cost as much as they can: what a hostile server may send, signatures and all.

    for case in cases():
        case.name, case.label, case.code, case.chain, case.root, case.pin

A server sends limits.CHAIN_BYTES in limits.CHAIN_CERTIFICATES at most. Nobody has certified them:
below the anchor every key is the attacker's. A case that is honest says so in its label.
"""

import ipaddress
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

import trustanchor.limits as limits
from tests.certs import pki

HOST = "www.example.net"
_SENT = limits.CHAIN_CERTIFICATES - 1  # beside the leaf
_SHA256_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_TOO_MANY_SIGNATURES = "path.too_many_signatures"
_TOO_MANY_COMPARISONS = "constraints.too_many_comparisons"
_MANY_NAMES = limits.SAN_NAMES - 1

_Extensions = list[tuple[x509.ExtensionType, bool]]
_NONE: _Extensions = []


@dataclass
class Case:
    """A chain, end entity first, the anchor above it, and the code its verdict has to end in.

    pin  live; of no key on the chain, so that no valid path is the last to be looked for
    """

    name: str  # of its file
    label: str
    code: str
    chain: list[bytes]
    root: pki.Entity
    pin: bytes = bytes(32)


class _PublicOnly:
    """Stands where a private key does: any odd number for a modulus, made in no time."""

    def __init__(self, bits: int, exponent: int) -> None:
        modulus = int.from_bytes(os.urandom(bits // 8), "big") | 1 << (bits - 1) | 1
        self._key = rsa.RSAPublicNumbers(exponent, modulus).public_key()

    def public_key(self) -> Any:
        return self._key


def cases() -> Iterator[Case]:
    """Every case, made anew: keys, names and signatures are of this run."""
    root = pki.authority("Old Root", kind="rsa4096")
    yield from _wrong_keys(root)
    yield _three_p521()
    yield from _searches(root)
    yield from _names(root)
    yield from _malformed(root)
    yield _everything(root)


def _wrong_keys(root: pki.Entity) -> Iterator[Case]:
    """Issuers of the right name, all of which must be asked; none has signed the leaf."""
    for kind, code in (
        ("p256", "path.bad_signature"),
        ("p384", _TOO_MANY_SIGNATURES),
        ("p521", _TOO_MANY_SIGNATURES),
    ):
        leaf = _leaf(pki.authority("Inter", kind=kind), hash_name="sha512")
        keys = [pki.make_key(kind) for _ in range(_SENT)]
        label = f"{_SENT} wrong issuers of one name, P-{kind[1:]}"
        yield Case(f"wrong-{kind}", label, code, [leaf.der, *_named("Inter", keys)], root)
    for bits, exponent, code in (
        (4096, 65537, "path.bad_signature"),
        (4096, limits.RSA_MAX_EXPONENT, _TOO_MANY_SIGNATURES),
        (8192, 65537, _TOO_MANY_SIGNATURES),
        (8192, limits.RSA_MAX_EXPONENT, _TOO_MANY_SIGNATURES),
    ):
        leaf = _leaf(pki.authority("Inter", kind="rsa2048"))
        # Below every modulus, as long as it: nothing refuses it before it is raised to e.
        signature = bytes(1) + os.urandom(bits // 8 - 1)
        chain = [_with_signature(leaf, signature)]
        chain += _named("Inter", [_PublicOnly(bits, exponent) for _ in range(_SENT)])
        written = "65537" if exponent == 65537 else "2^33-1"
        label = f"{_SENT} wrong issuers of one name, RSA-{bits}, exponent {written}"
        yield Case(f"wrong-rsa{bits}-{exponent}", label, code, chain, root)


def _three_p521() -> Case:
    root = pki.authority("Old Root", kind="p521", hash_name="sha512")
    upper = pki.authority("Upper", issuer=root, kind="p521", hash_name="sha512")
    lower = pki.authority("Lower", issuer=upper, kind="p521", hash_name="sha512")
    leaf = _leaf(lower, hash_name="sha512")
    chain = [leaf.der, lower.der, upper.der]
    return Case("honest-p521", "honest: three signatures by P-521", "ok", chain, root, leaf.pin)


def _searches(root: pki.Entity) -> Iterator[Case]:
    """Few signatures and many ways: the same keys certified again and again."""
    keys = {subject: pki.make_key() for subject in "ABC"}
    ring = [
        pki.authority(subject, _ca(issuer, keys[issuer]), keys[subject]).der
        for subject in keys
        for issuer in keys
    ]
    chain = [_leaf(_ca("A", keys["A"])).der, *ring]
    label = "three authorities that all certify one another"
    yield Case("ring", label, "path.no_issuer", chain, root)
    label = "four authorities re-keyed and cross-signed, up to the steps"
    yield Case("steps", label, "path.too_many_steps", _ways((2, 2, 2, 3), "V0"), root)
    label = "the same, each with 31 extensions, 500 bytes of usages, long names"
    chain = _ways((2, 2, 2, 3), "V0", extra=_bulk, attributes=18)
    yield Case("steps-bulk", label, "path.too_many_steps", chain, root)
    key = pki.make_key()
    twins = [pki.authority("Inter", root, key).der for _ in range(_SENT)]
    label = "nine valid paths, no pin on any"
    chain = [_leaf(_ca("Inter", key)).der, *twins]
    yield Case("unpinned", label, "pin.none_matched", chain, root)


def _ways(
    counts: tuple[int, ...],
    top: str,
    *,
    extra: Callable[[], _Extensions] = list,
    attributes: int = 1,
    leaf_names: list[x509.GeneralName] | None = None,
) -> list[bytes]:
    """A leaf below V0, V0 below V1 and so on; each is certified counts[i] times for one key.

    top is the issuer of the last. Issuers write the names of attributes in other letters than
    subjects, so that names are equal and their bytes are not.
    """
    names = [f"V{i}" for i in range(len(counts))] + [top]
    keys = {name: pki.make_key() for name in names}
    certificates = []
    for i, count in enumerate(counts):
        issuer = pki.authority(_long(names[i + 1].lower(), attributes), key=keys[names[i + 1]])
        for _ in range(count):
            made = _bare(_long(names[i], attributes), keys[names[i]], issuer, extra())
            certificates.append(made)
    issuer = pki.authority(_long("v0", attributes), key=keys["V0"])
    return [_leaf(issuer, leaf_names).der, *certificates]


def _bare(
    subject: x509.Name | str, key: Any, issuer: pki.Entity, extra: _Extensions = _NONE
) -> bytes:
    """An authority with nobody's key identifiers: who does not fit waits, and is parsed again."""
    extensions: _Extensions = [
        (x509.BasicConstraints(ca=True, path_length=8), True),
        (x509.SubjectKeyIdentifier(b"nobody"), False),
        (x509.AuthorityKeyIdentifier(b"somebody", None, None), False),
        *extra,
    ]
    return pki.issue(subject, key, issuer, extensions).der


def _bulk() -> _Extensions:
    """Usages up to EKU_BYTES and unknown extensions up to CERTIFICATE_EXTENSIONS."""
    usages = [x509.ObjectIdentifier(f"1.2.{i}") for i in range(120)]
    usages.append(x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    found: _Extensions = [(x509.ExtendedKeyUsage(usages), False)]
    for i in range(limits.CERTIFICATE_EXTENSIONS - 6):
        found.append((x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{i}"), b""), False))
    return found


def _names(root: pki.Entity) -> Iterator[Case]:
    """Name constraints: many names held against many subtrees, and names that are long to read."""
    hosts = [f"{i:03}.example.net" for i in range(_MANY_NAMES)]
    addresses = [ipaddress.IPv6Address((0xFD00 << 112) + i) for i in range(_MANY_NAMES)]
    other_hosts = [x509.DNSName(f"{i}.org") for i in range(400)]
    # Equal up to the last of 16 bytes, which are compared one by one.
    other_networks = [
        x509.IPAddress(ipaddress.IPv6Network((((0xFD00 << 112) + (1 << 15) + i), 128)))
        for i in range(400)
    ]
    every_host = x509.DNSName("example.net")
    every_address = x509.IPAddress(ipaddress.IPv6Network("::/0"))
    kinds: list[tuple[str, list[x509.GeneralName], list[Any], x509.GeneralName]] = [
        ("DNS names", [x509.DNSName(host) for host in hosts], other_hosts, every_host),
        ("wildcards", [x509.DNSName("*." + host) for host in hosts], other_hosts, every_host),
        ("IPv6 addresses", [x509.IPAddress(one) for one in addresses], other_networks,
         every_address),
    ]  # fmt: skip
    for kind, names, others, every in kinds:
        names = [x509.DNSName(HOST), *names]
        for permits in (True, False):
            chain = _constrained(names, others, every if permits else None)
            word = "permitted" if permits else "excluded"
            label = f"{len(names)} {kind} below two lists of {word} subtrees"
            name = f"names-{kind.split()[0]}-{word}"
            yield Case(name, label, _TOO_MANY_COMPARISONS, chain, root)
    # Decoding counts as well: a directoryName has up to 32 attributes.
    long_names: list[x509.GeneralName] = [x509.DirectoryName(_long(f"{i}", 32)) for i in range(12)]
    for name, label, names, subtrees in (
        ("long-subtrees", "twelve subtrees of 32 attributes, on every way", [], long_names),
        ("long-names", "twelve names of 32 attributes, on every way", long_names,
         [x509.DirectoryName(pki.name("Nobody"))]),
    ):  # fmt: skip
        constraints = x509.NameConstraints(None, subtrees)
        chain = _ways((2, 2, 4), "Top", leaf_names=[x509.DNSName(HOST), *names])
        chain.append(pki.authority("Top", pki.authority("Old"), constraints=constraints).der)
        yield Case(name, label, "path.no_issuer", chain, root)


def _everything(root: pki.Entity) -> Case:
    """All budgets at once: names first, then steps, and at the end the dearest signatures."""
    base = 0xFD00 << 112
    addresses = [x509.IPAddress(ipaddress.IPv6Address(base + i)) for i in range(70)]
    networks = [x509.IPAddress(ipaddress.IPv6Network((base + 1000 + i, 128))) for i in range(30)]
    constraints = x509.NameConstraints(None, networks)
    lower, upper = pki.make_key(), pki.make_key()
    above = pki.authority("v1", key=upper)
    chain = [_leaf(pki.authority("V0", key=lower), [x509.DNSName(HOST), *addresses]).der]
    chain.append(_bare("V0", lower, above, [(constraints, True)]))
    chain += [_bare("V1", upper, above, _bulk()) for _ in range(5)]
    for _ in range(3):
        chain.append(_bare("V0", pki.make_key("p521"), above, [(constraints, True)]))
    label = "names, steps and signatures by P-521 together"
    return Case("everything", label, "path.too_many_steps", chain, root)


def _constrained(names: list[x509.GeneralName], others: list[Any], last: Any) -> list[bytes]:
    """A leaf below two authorities that hold as many subtrees as there is room for."""
    lower_key, upper_key = pki.make_key(), pki.make_key()
    leaf = _leaf(_ca("Lower", lower_key), names).der
    room = min((limits.CHAIN_BYTES - len(leaf)) // 2, limits.CERTIFICATE_BYTES)
    for count in range(len(others), 0, -1):
        subtrees = others[:count] + ([last] if last else [])
        constraints = x509.NameConstraints(*((subtrees, None) if last else (None, subtrees)))
        upper = pki.authority("Upper", pki.authority("Old"), upper_key, constraints=constraints)
        if len(upper.der) <= room - 20:
            break
    lower = pki.authority("Lower", upper, lower_key, constraints=constraints)
    return [leaf, lower.der, upper.der]


def _malformed(root: pki.Entity) -> Iterator[Case]:
    """What is read to its end before it turns out to be no certificate."""
    size = (limits.CHAIN_BYTES - 800) // _SENT

    def late(size: int) -> bytes:
        bulk = _bulk()[:-2]
        for rest in range(size, 0, -1):
            filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.4"), bytes(rest))
            made = pki.authority("Inter", extra=[*bulk, (filler, False)]).der
            if len(made) <= size:
                break
        # The last extension's OID begins with 80: no OID, and no parser knows before it is there.
        at = made.rindex(bytes.fromhex("06022a04"))
        return made[:at] + bytes.fromhex("0602807f") + made[at + 4 :]

    leaf = _leaf(pki.authority("Inter"))
    label = f"{_SENT} issuers of {size} bytes, malformed in the last extension"
    yield Case("late", label, "der.oid", [leaf.der, *(late(size) for _ in range(_SENT))], root)


def _leaf(
    issuer: pki.Entity, names: list[x509.GeneralName] | None = None, **options: Any
) -> pki.Entity:
    san = x509.SubjectAlternativeName(names or [x509.DNSName(HOST)])
    return pki.end_entity(HOST, issuer, san=False, extra=[(san, False)], **options)


def _ca(subject: str, key: Any) -> pki.Entity:
    """An authority for whom it signs: who certified it plays no part."""
    return pki.authority(subject, key=key)


def _named(subject: str, keys: list[Any]) -> list[bytes]:
    """Certificates of one name for all these keys, by one authority nobody knows."""
    unknown = pki.authority("Unknown")
    return [pki.authority(subject, unknown, key).der for key in keys]


def _long(common_name: str, attributes: int) -> x509.Name:
    more = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o")] * (attributes - 1)
    rdns = [x509.RelativeDistinguishedName([one]) for one in more]
    last = x509.NameAttribute(NameOID.COMMON_NAME, common_name)
    return x509.Name([*rdns, x509.RelativeDistinguishedName([last])])


def _with_signature(signed: pki.Entity, signature: bytes) -> bytes:
    """The certificate with another signature by RSA."""
    bits = bytes(1) + signature
    body = signed.certificate.tbs_certificate_bytes + _SHA256_RSA
    body += b"\x03\x82" + len(bits).to_bytes(2, "big") + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body
