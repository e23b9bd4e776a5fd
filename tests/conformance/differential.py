# SPDX-License-Identifier: MIT
"""Our judge and cryptography's verifier over the same generated chains; every difference has a
named rule.

    python -m tests.conformance.differential --chains 2000 [--seed 1]

A Spec is the shape of a chain (intermediates, a cross-sign, what is missing, the order sent) and
the faults put into it. A difference is explained by a rule below only if the rule's fault is in
the Spec, the difference goes the rule's way, and the two agree once that fault is taken out.
"""

import argparse
import datetime
import functools
import ipaddress
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

import trustanchor.limits as limits
from tests.certs import pki
from trustanchor.errors import TrustError
from trustanchor.kinds import MODE_ANCHORS
from trustanchor.state.anchors import AnchorList
from trustanchor.state.derive import anchor_of
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Service, TrustState
from trustanchor.verdict.policy import judge

AT = datetime.datetime(2025, 6, 1)
AT_UNIX_S = int(AT.replace(tzinfo=datetime.UTC).timestamp())
HOST, ADDRESS = "a.b.example", "192.0.2.7"
KEYS = 16
LEAF, CA, ROOT = "leaf", "ca", "root"

Fields = dict[str, Any]


@functools.cache
def key(index: int) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


# Faults: what each does to the fields of the certificate it is put into.


def _shift(days: int) -> Callable[[Fields], None]:
    def fault(fields: Fields) -> None:
        fields["not_before"] += datetime.timedelta(days)
        fields["not_after"] += datetime.timedelta(days)

    return fault


def _set(**values: Any) -> Callable[[Fields], None]:
    return lambda fields: fields.update(values)


def _usage(**usages: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: usages.get(name, False) for name in names.split()})


def _san(*names: str) -> Callable[[Fields], None]:
    san = x509.SubjectAlternativeName([pki.general_name(name) for name in names])
    return _set(san=(san, False))


def _constraints(permitted: list[Any] | None, excluded: list[Any] | None) -> Any:
    return _set(nc=(x509.NameConstraints(permitted, excluded), True))


_DNS: list[Any] = [x509.DNSName("b.example")]
_OTHER_DNS: list[Any] = [x509.DNSName("other.example")]
_NET: list[Any] = [x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))]
_OTHER_NET: list[Any] = [x509.IPAddress(ipaddress.ip_network("198.51.100.0/24"))]
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE

FAULTS: dict[str, tuple[str, Callable[[Fields], None]]] = {
    # name: (where it may be put, what it does)
    "expired": ("leaf ca root", _shift(-2000)),
    "not_yet_valid": ("leaf ca root", _shift(2000)),
    "another_host": ("leaf", _san("c.b.example", "192.0.2.8")),
    "wildcard": ("leaf", _san("*.b.example", ADDRESS)),
    "wildcard_above": ("leaf", _san("*.example", ADDRESS)),
    "address_as_dns": ("leaf", _set(san=(x509.SubjectAlternativeName(_OTHER_DNS), False))),
    "no_san": ("leaf", _set(san=None)),
    "san_critical": (
        "leaf",
        _set(san=(x509.SubjectAlternativeName([*map(pki.general_name, (HOST, ADDRESS))]), True)),
    ),
    "empty_subject": ("leaf", _set(subject=x509.Name([]))),
    "leaf_is_ca": ("leaf", _set(bc=(x509.BasicConstraints(True, None), True))),
    "weak_key": ("leaf", lambda fields: fields.update(key=weak_key())),
    "no_eku": ("leaf", _set(eku=None)),
    "eku_client": ("leaf ca", _set(eku=(x509.ExtendedKeyUsage([_CLIENT]), False))),
    "eku_any": ("leaf ca", _set(eku=(x509.ExtendedKeyUsage([_ANY]), False))),
    "eku_server": ("ca", _set(eku=(x509.ExtendedKeyUsage([_SERVER]), False))),
    "no_bc": ("leaf ca root", _set(bc=None)),
    "bc_not_ca": ("ca root", _set(bc=(x509.BasicConstraints(False, None), True))),
    "bc_not_critical": ("ca root", _set(bc=(x509.BasicConstraints(True, None), False))),
    "path_len_0": ("ca root", _set(bc=(x509.BasicConstraints(True, 0), True))),
    "path_len_1": ("ca root", _set(bc=(x509.BasicConstraints(True, 1), True))),
    "no_ku": ("ca root", _set(ku=None)),
    "ku_no_cert_sign": ("ca root", _set(ku=(_usage(crl_sign=True), True))),
    "ku_leaf": ("leaf", _set(ku=(_usage(digital_signature=True), True))),
    "no_aki": ("leaf ca", _set(aki=None)),
    "no_ski": ("ca root", _set(ski=None)),
    "bad_signature": ("leaf ca", lambda fields: fields.update(signer=key(KEYS))),
    "wrong_issuer": ("leaf ca", _set(issuer=pki.name("Nobody"))),
    "unknown": ("leaf ca root", _set(extra=(_UNKNOWN, False))),
    "unknown_critical": ("leaf ca root", _set(extra=(_UNKNOWN, True))),
    "nc_permits": ("ca root", _constraints(_DNS + _NET, None)),
    "nc_permits_host": ("ca root", _constraints(_DNS + _OTHER_NET, None)),
    "nc_permits_address": ("ca root", _constraints(_OTHER_DNS + _NET, None)),
    "nc_excludes": ("ca root", _constraints(None, _DNS)),
    "nc_excludes_other": ("ca root", _constraints(None, _OTHER_DNS + _OTHER_NET)),
    "nc_permits_name": (
        "ca root",
        _constraints([x509.DirectoryName(x509.Name(list(pki.name("x"))[:1]))], None),
    ),
    "nc_excludes_name": (
        "ca root",
        _constraints(None, [x509.DirectoryName(x509.Name(list(pki.name("x"))[:1]))]),
    ),
    "nc_in_leaf": (
        "leaf",
        _set(
            nc=(x509.NameConstraints(_DNS + _NET, None), True),
            bc=(x509.BasicConstraints(False, None), True),
        ),
    ),
}


def touches(fault: str) -> frozenset[str]:
    """The fields a fault changes."""
    before: Fields = {"not_before": AT, "not_after": AT}
    after = dict(before)
    FAULTS[fault][1](after)
    return frozenset(name for name in after if name not in before or after[name] != before[name])


# Rules: fault -> who accepts what the other refuses, and why. Nothing else may differ.
WE_ACCEPT, THEY_ACCEPT = "we accept", "they accept"
RULES: dict[str, tuple[str, str]] = {
    "leaf_is_ca": (WE_ACCEPT, "RFC 5280 lets a CA be an end entity, as Go and OpenSSL do"),
    "no_aki": (
        WE_ACCEPT,
        "RFC 5280 4.2.1.1 binds issuers; a key identifier only orders our tries",
    ),
    "no_ku": (WE_ACCEPT, "RFC 5280 6.1.4 (n): keyCertSign is wanted if the extension is there"),
    "bc_not_critical": (WE_ACCEPT, "honoured either way, NIST PKITS 4.6.4"),
    "san_critical": (WE_ACCEPT, "RFC 5280 4.2.1.6: a SHOULD for issuers"),
    "empty_subject": (WE_ACCEPT, "RFC 5280 4.2.1.6: a critical SAN is a rule for issuers"),
    "nc_permits_name": (WE_ACCEPT, "they do not process directoryName constraints, we do"),
    "weak_key": (THEY_ACCEPT, "an end entity's RSA key below 2048 bits, which they let pass"),
    "nc_excludes_name": (WE_ACCEPT, "the same, and they do not try the cross-sign after it"),
}


@dataclass(frozen=True)
class Spec:
    """What a chain is made of; places count from 0, the leaf, up to depth + 1, the root."""

    depth: int  # intermediates
    host: str
    faults: tuple[tuple[int, str], ...] = ()
    cross_signed: bool = False  # the topmost intermediate is certified by a second root too
    trusted: str = "both"  # "first", "second" or "both" of the roots
    missing: int | None = None  # the place of an intermediate that is not sent
    extra: bool = False  # an unrelated certificate is sent
    order: int = 0  # seed of the order the intermediates are sent in


def random_spec(choose: random.Random) -> Spec:
    deepest = limits.PATH_INTERMEDIATES
    depth = choose.choice((0, 1, 1, 2, 2, 3, choose.choice((deepest, deepest + 1))))
    faults: list[tuple[int, str]] = []
    for _ in range(choose.choice((0, 1, 1, 1, 2, 3))):
        place = choose.randint(0, depth + 1)
        kind = LEAF if place == 0 else ROOT if place == depth + 1 else CA
        # One fault to a field, or the later would hide the earlier.
        taken = {name for at, fault in faults if at == place for name in touches(fault)}
        names = [
            name
            for name, (where, _) in FAULTS.items()
            if kind in where.split() and not touches(name) & taken
        ]
        faults.append((place, choose.choice(names)))
    cross_signed = depth > 0 and choose.random() < 0.4
    return Spec(
        depth,
        choose.choice((HOST, HOST, ADDRESS)),
        tuple(faults),
        cross_signed,
        choose.choice(("first", "second", "both")) if cross_signed else "both",
        choose.randint(1, depth) if depth and choose.random() < 0.08 else None,
        choose.random() < 0.2,
        choose.randrange(1000),
    )


def certificate(spec: Spec, place: int, issuer_key: Any, issuer: x509.Name) -> x509.Certificate:
    """Make the certificate at place, with its faults."""
    is_ca = place > 0
    own = key(place)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    fields: Fields = {
        "subject": pki.name(f"CA {place}" if is_ca else "leaf"),
        "issuer": issuer,
        "key": own,
        "signer": issuer_key,
        "hash": hashes.SHA256(),
        "not_before": AT - datetime.timedelta(100),
        "not_after": AT + datetime.timedelta(100),
        "bc": (x509.BasicConstraints(is_ca, None), True),
        "ku": (usage, True) if is_ca else None,
        "eku": None if is_ca else (x509.ExtendedKeyUsage([_SERVER]), False),
        "san": None,
        "nc": None,
        "extra": None,
        "ski": (x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False),
        "aki": (
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            False,
        ),
    }
    if not is_ca:
        _san(HOST, ADDRESS)(fields)
    for at, name in spec.faults:
        if at == place:
            FAULTS[name][1](fields)
    builder = (
        x509.CertificateBuilder()
        .subject_name(fields["subject"])
        .issuer_name(fields["issuer"])
        .public_key(fields["key"].public_key())
        .serial_number(1000 + place)
        .not_valid_before(fields["not_before"])
        .not_valid_after(fields["not_after"])
    )
    for name in ("bc", "ku", "eku", "san", "nc", "extra", "ski", "aki"):
        if fields[name] is not None:
            builder = builder.add_extension(*fields[name])
    return builder.sign(fields["signer"], fields["hash"])


@dataclass
class Chain:
    leaf: x509.Certificate
    intermediates: list[x509.Certificate]
    roots: list[x509.Certificate]
    host: str


def build(spec: Spec) -> Chain:
    """leaf <- CA 1 <- ... <- CA depth <- the root; the second root also certifies CA depth."""
    top = spec.depth + 1
    root_name, second_name = pki.name(f"CA {top}"), pki.name("Second root")
    second_key = key(KEYS - 1)
    made = {}
    for place in range(top):
        made[place] = certificate(spec, place, key(place + 1), pki.name(f"CA {place + 1}"))
    roots = [certificate(spec, top, key(top), root_name)]
    sent = [made[place] for place in range(1, top) if place != spec.missing]
    if spec.cross_signed:
        sent.append(certificate(spec, spec.depth, second_key, second_name))
        second = pki.authority(
            second_name,
            key=second_key,
            not_before=AT - datetime.timedelta(100),
            extra=[
                (
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(second_key.public_key()),
                    False,
                )
            ],
        ).certificate
        roots = {"first": roots, "second": [second], "both": [*roots, second]}[spec.trusted]
    if spec.extra:
        sent.append(pki.authority("Stranger", key=key(KEYS - 2)).certificate)
    random.Random(spec.order).shuffle(sent)
    return Chain(made[0], sent, roots, spec.host)


def ours(chain: Chain) -> str:
    """The code of our verdict."""
    anchors = []
    code = "anchor.none"
    for root in chain.roots:
        try:
            anchors.append(anchor_of(pki.Entity(root, None).der, dates=True))
        except TrustError as error:
            code = error.code
    if not anchors:
        return code
    service = Service("differential", (chain.host,), mode=MODE_ANCHORS)
    state = TrustState((service,), anchors=AnchorList(anchors))
    sent = [pki.Entity(one, None).der for one in [chain.leaf, *chain.intermediates]]
    asked = Asked(service, chain.host, 443)
    return judge(sent, asked, (AT_UNIX_S, True), state, LocalState()).code


def theirs(chain: Chain) -> str:
    """ "ok" or what cryptography says against it."""
    subject: Any = pki.general_name(chain.host)
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(chain.roots))
        .time(AT)
        .max_chain_depth(limits.PATH_INTERMEDIATES)
        .build_server_verifier(subject)
    )
    try:
        verifier.verify(chain.leaf, chain.intermediates)
    except verification.VerificationError as error:
        return str(error)
    return "ok"


def difference(spec: Spec) -> tuple[str, str, str] | None:
    """(who accepts, our code, their words), or None where the two agree."""
    chain = build(spec)
    we, they = ours(chain), theirs(chain)
    if (we == "ok") == (they == "ok"):
        return None
    return (WE_ACCEPT if we == "ok" else THEY_ACCEPT), we, they


def explanation(spec: Spec, way: str) -> str | None:
    """The name of the rule behind a difference, or None.

    Faults of rules that go this way are taken out one after the other until both accept: then
    they were all that one of the two had against the chain.
    """
    names = []
    for _, name in spec.faults:
        if name in RULES and RULES[name][0] == way and name not in names:
            names.append(name)
    for count in range(1, len(names) + 1):
        without = set(names[:count])
        faults = tuple(fault for fault in spec.faults if fault[1] not in without)
        chain = build(replace(spec, faults=faults))
        if ours(chain) == theirs(chain) == "ok":
            return names[count - 1]
    return None


def compare(chains: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Judge `chains` chains; returns what happened, counted, and the unexplained differences."""
    choose = random.Random(seed)
    counted: Counter[str] = Counter()
    unexplained = []
    for _ in range(chains):
        spec = random_spec(choose)
        found = difference(spec)
        if found is None:
            counted["both accept" if ours(build(spec)) == "ok" else "both refuse"] += 1
            continue
        way, we, they = found
        rule = explanation(spec, way)
        if rule is None:
            unexplained.append(f"{way}: {spec}\n    we: {we}\n    they: {they}")
        else:
            counted[f"{way}: {rule}"] += 1
    return counted, unexplained


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chains", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    counted, unexplained = compare(chosen.chains, chosen.seed)
    for what, count in sorted(counted.items()):
        reason = RULES.get(what.partition(": ")[2])
        print(f"{count:6} {what}" + (f" ({reason[1]})" if reason else ""))
    print(f"{len(unexplained):6} unexplained")
    for one in unexplained:
        print(one)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
