# SPDX-License-Identifier: MIT
"""What the model check is about: servers, their keys and certificates, and bundles, all signed.

    world = World(hold_s=100)
    world.chain("two")              # what a server with that key sends
    world.bundles["renamed"]        # a signed file
    with remembered_signatures():   # the answers of the real functions, each worked out once

Keys are made anew in each run.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import bundling
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trustanchor.compat import finish, sha256
from trustanchor.crypto import cose_signatures, signatures
from trustanchor.limits import BUILD_AT

NOW = BUILD_AT + 500000
HOST = "mqtt.example.net"
PORT = 8883
_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class World:
    """A fleet's servers and signers.

    hold_s   hold-down of every pin set, 0 for none
    """

    def __init__(self, hold_s: int) -> None:
        self.hold_s = hold_s
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in _KEYS}
        self.spki = {
            name: key.public_key().public_bytes(*_SPKI) for name, key in self.keys.items()
        }
        self.digest = {name: sha256(spki) for name, spki in self.spki.items()}
        self.name_of = {digest: name for name, digest in self.digest.items()}
        self._chains = {name: (self._certificate(name),) for name in ("one", "two", "new")}
        make = self._bundle
        self.bundles = {
            "first": make(1),
            "same": make(2),
            "new": make(3, pins=("new", "two")),
            "renamed": make(4, sets=("others", "keys again")),
            "trial": make(5, pins=("one", "two", "three"), tries=2),
            "back": make(6),
            "rescue": make(1, epoch=1),
        }
        self.of_digest = {self._identity(data): data for data in self.bundles.values()}
        self.name_of_state = {self._identity(data): name for name, data in self.bundles.items()}

    def chain(self, leaf: str) -> tuple[bytes, ...]:
        return self._chains[leaf]

    def _identity(self, data: bytes) -> bytes:
        from trustanchor.encoding.cbor import BytesSource
        from trustanchor.update.prefix import Prefix

        return Prefix(BytesSource(data)).payload_digest

    def _certificate(self, leaf: str) -> bytes:
        begin, end = (datetime.fromtimestamp(NOW + at, UTC) for at in (-864000, 400 * 86400))
        names = [x509.DNSName(HOST), x509.DNSName("web.example.net")]
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(leaf))
            .issuer_name(_named("root"))
            .public_key(self.keys[leaf].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        )
        signed = builder.sign(self.keys["root"], hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.DER)

    # Bundles.

    def _bundle(
        self,
        sequence: int,
        epoch: int = 0,
        pins: tuple[str, ...] = ("one", "two"),
        sets: tuple[str, str] = ("pins", "keys"),
        tries: int = 0,
    ) -> bytes:
        listed = []
        for name in pins:
            pin: dict[int, object] = {0: self.digest[name]}
            if name != pins[0]:
                pin[1] = True
            listed.append(pin)
        hold = {4: self.hold_s, 5: 10 * self.hold_s} if self.hold_s else {}
        fields: dict[int, object] = {
            0: 1,
            bundling.EPOCH: epoch,
            bundling.SEQUENCE: sequence,
            bundling.ISSUED: BUILD_AT + 100000 * epoch + 1000 * sequence,
            bundling.AUTHORITY: [[1, [self._record("signer")]]],
            bundling.BACKUP: [[1, [self._record("backup signer")]]],
            bundling.SERVICES: [
                {0: "mqtt", 1: [HOST], 2: PORT, 5: sets[0]},
                {0: "any", 1: ["*.example.net"], 4: 1},
                {0: "web", 1: ["web.example.net"], 2: 443, 4: 2, 5: sets[1]},
            ],
            bundling.PIN_SETS: [{0: name, 1: listed, **hold} for name in sets],
            bundling.ANCHORS: [
                {0: _named("root").public_bytes(), 1: self.spki["root"]},
            ],
        }
        if tries:
            fields |= {
                bundling.OVERRIDES: ["revert"],
                bundling.PROBES: [{0: "mqtt"}],
                bundling.PARTIAL: True,
                bundling.TRIAL: {1: tries},
            }
        else:
            fields[bundling.REVERT] = 1
        if epoch:
            return self._signed("rescue", fields, ("backup signer", "signer"))
        return self._signed("state", fields, ("signer",))

    def _record(self, signer: str) -> list[object]:
        return [-7, self.spki[signer]]

    def _signed(self, kind: str, fields: dict[int, object], signers: tuple[str, ...]) -> bytes:
        payload = bundling.encode(fields)
        found = []
        for signer in signers:
            kid = sha256(bundling.encode(self._record(signer)))[:8]
            header = bundling.encode({1: -7, 4: kid})
            said = bundling.encode(
                [
                    "Signature",
                    bundling.body_header(kind),
                    header,
                    f"trustanchor/{kind}/1".encode(),
                    payload,
                ]
            )
            numbers = decode_dss_signature(self.keys[signer].sign(said, ec.ECDSA(hashes.SHA256())))
            found.append([header, {}, b"".join(n.to_bytes(32, "big") for n in numbers)])
        return bundling.wrap(kind, payload, found)


_KEYS = ("one", "two", "three", "new", "root", "signer", "backup signer")


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@contextmanager
def remembered_signatures() -> Iterator[None]:
    """Give the answer of the real function again where a question was asked before."""
    kept: dict[object, Any] = {}
    # By name, for the module finds what it does not have at hand with __getattr__.
    names = ("verifying", "making_key_table")
    there = {name: signatures.__dict__.get(name) for name in names}
    for name in names:
        setattr(signatures, name, _remembering(name, getattr(signatures, name), kept))
    cose = cose_signatures.verifying
    cose_signatures.verifying = _remembering("cose", cose, kept)
    check = signatures.check_key, signatures.is_key_table
    signatures.check_key = _once("check_key", check[0], kept)
    signatures.is_key_table = _once("is_key_table", check[1], kept)
    try:
        yield
    finally:
        cose_signatures.verifying = cose
        signatures.check_key = check[0]
        del signatures.is_key_table
        for name, old in there.items():
            if old is None:
                delattr(signatures, name)
            else:
                setattr(signatures, name, old)


def _remembering(name: str, real: Callable, kept: dict[object, Any]) -> Callable:
    def steps(*arguments: Any) -> Iterator[None]:
        question = (name, *(_value(one) for one in arguments))
        if question not in kept:
            kept[question] = yield from real(*arguments)
        yield
        return kept[question]

    return steps


def _once(name: str, real: Callable, kept: dict[object, Any]) -> Callable:
    def answer(*arguments: Any) -> object:
        question = (name, *(_value(one) for one in arguments))
        if question not in kept:
            kept[question] = real(*arguments)
        return kept[question]

    return answer


def _value(argument: Any) -> object:
    if hasattr(argument, "feed"):
        whole = bundling.Kept()
        finish(argument.feed(whole))
        return bytes(whole.data)
    if isinstance(argument, (bytearray, memoryview)):
        return bytes(argument)
    return argument
