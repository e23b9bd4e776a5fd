# SPDX-License-Identifier: MIT
"""Bills of materials in CycloneDX: what the tools are made of, and what a bundle trusts.

    software()                  host tools with their installed dependencies, device package
    trust(content)              every anchor, pin, denied key and signer of a bundle as a
                                cryptographic asset: which product trusts this CA, this key?
    vulnerabilities()           our own, of vulnerabilities.toml: a VEX document, empty at best
    as_json(bom)                the text of a file

Public material alone: a bundle holds no other, and nothing here reads a key file. The documents
are the same for the same input: no clock, no chance, no host is in them.
"""

import datetime
import hashlib
import re
import tomllib
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.crypto import (
    CryptoAssetType,
    CryptoProperties,
    RelatedCryptoMaterialProperties,
    RelatedCryptoMaterialType,
)
from cyclonedx.model.impact_analysis import ImpactAnalysisState
from cyclonedx.model.vulnerability import BomTarget, Vulnerability, VulnerabilityAnalysis
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import trustanchor
from host_tools.build.places import PACKAGE
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.signing import describe
from trustanchor.compat import sha256

_NAME = "trustanchor"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:trustanchor:bom")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)")
_BITS = re.compile(r"RSA (\d+)")
_CURVE_BITS = {"secp256r1": 256, "secp384r1": 384, "secp521r1": 521}
VULNERABILITIES = Path(__file__).with_name("vulnerabilities.toml")


def software() -> Bom:
    """The host tools and the device package, with hashes of its files."""
    tools = Component(
        name=_NAME,
        type=ComponentType.APPLICATION,
        version=trustanchor.__version__,
        bom_ref="host-tools",
        components=[_library(name) for name in dependencies()],
    )
    device = Component(
        name=f"{_NAME}-device",
        type=ComponentType.LIBRARY,
        version=trustanchor.__version__,
        bom_ref="device-package",
        components=[
            Component(
                name=str(file.relative_to(PACKAGE)),
                type=ComponentType.FILE,
                bom_ref=f"device-package/{file.relative_to(PACKAGE)}",
                hashes=[_hash(file.read_bytes())],
            )
            for file in sorted(PACKAGE.rglob("*.py"))
        ],
    )
    return _bom("software " + trustanchor.__version__, tools, [tools, device])


def dependencies(name: str = _NAME) -> list[str]:
    """The installed distributions that a distribution needs, and those they need, by name."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        for requirement in metadata.requires(waiting.pop()) or []:
            # `x; extra == "dev"` is for who works on it; other markers are as installed or not.
            matched = _REQUIREMENT.match(requirement)
            if "extra ==" in requirement or matched is None:
                continue
            needed = re.sub(r"[-_.]+", "-", matched[1]).lower()  # PEP 503
            if needed in found:
                continue
            try:
                metadata.version(needed)
            except metadata.PackageNotFoundError:
                continue  # for another system
            found[needed] = None
            waiting.append(needed)
    return sorted(found)


def _library(name: str) -> Component:
    version = metadata.version(name)
    return Component(
        name=name,
        type=ComponentType.LIBRARY,
        version=version,
        bom_ref=f"pypi/{name}@{version}",
        purl=PackageURL("pypi", None, name, version),
    )


def trust(content: bytes) -> Bom:
    """Every key that a bundle names, with where it is used and until when."""
    shown = describe.describe(content)
    # One asset a key, however often it is named: a key that is pinned twice is one key to lose.
    uses: dict[str, list[str]] = {}
    about: dict[str, dict[str, Any]] = {}

    def use(digest: str, where: str, **facts: Any) -> None:
        uses.setdefault(digest, []).append(where)
        known = about.setdefault(digest, {})
        known.update({name: fact for name, fact in facts.items() if fact is not None})

    for name, pin_set in shown["pin_sets"].items():
        services = [one for one, service in shown["services"].items() if service["pins"] == name]
        where = f"pin set {name} of {', '.join(services) or 'no service'}"
        for digest, pin in pin_set["pins"].items():
            role = "backup" if pin["backup"] else "primary"
            use(digest, f"{where}, {role}", end=pin["not_after"], begin=pin["not_before"])
    for anchor in shown["anchors"].values():
        use(
            anchor["spki_sha256"],
            f"anchor for {' and '.join(anchor['purposes'])}",
            name=anchor["name"],
            algorithm=anchor["key"],
            begin=anchor["trust_from"],
            end=anchor["trust_until"],
        )
    for digest in shown["denied"]:
        use(digest, "denied: never trusted")
    for field in ("authority", "backup"):
        for place, group in enumerate(shown[field]):
            for key in group["keys"]:
                algorithm, digest = key.split()
                where = f"{field} group {place + 1}, {group['threshold']} of {len(group['keys'])}"
                use(digest, where, algorithm=algorithm, is_record=True)
    product = Component(
        name=", ".join(shown["products"] or ["any product"]),
        type=ComponentType.DATA,
        version=f"{shown['epoch']}/{shown['sequence']}",
        bom_ref="trust-state",
        hashes=[_hash(content)],
    )
    assets = [_asset(digest, uses[digest], about[digest]) for digest in uses]
    return _bom("trust " + shown["payload_digest"], product, assets)


def _asset(digest: str, uses: list[str], about: dict[str, Any]) -> Component:
    algorithm = about.get("algorithm")
    bits = _CURVE_BITS.get(algorithm or "")
    if bits is None and (found := _BITS.match(algorithm or "")):
        bits = int(found[1])
    what = "SHA-256 of the key record" if about.get("is_record") else "SHA-256 of the SPKI"
    facts = {
        "algorithm": algorithm,
        "identifier": what,
        "begin": about.get("begin"),
        "end": about.get("end"),
    }
    return Component(
        name=printable(about.get("name") or f"key {digest[:16]}", 200),
        type=ComponentType.CRYPTOGRAPHIC_ASSET,
        bom_ref=f"key/{digest}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        crypto_properties=CryptoProperties(
            asset_type=CryptoAssetType.RELATED_CRYPTO_MATERIAL,
            related_crypto_material_properties=RelatedCryptoMaterialProperties(
                type=RelatedCryptoMaterialType.PUBLIC_KEY,
                id=digest,
                size=bits,
                activation_date=_time(about.get("begin")),
                expiration_date=_time(about.get("end")),
            ),
        ),
        properties=[
            *(
                Property(name=f"{_NAME}:{name}", value=str(value))
                for name, value in facts.items()
                if value is not None
            ),
            *(Property(name=f"{_NAME}:used", value=printable(one, 200)) for one in uses),
        ],
    )


def vulnerabilities(file: Path = VULNERABILITIES) -> Bom:
    """A VEX document of our own vulnerabilities; refuses (sbom.vex) a table that is not whole."""
    listed = tomllib.loads(file.read_text()).get("vulnerability", [])
    bom = _bom(f"vex {trustanchor.__version__}", None, [])
    for number, one in enumerate(listed, 1):
        states = [state.value for state in ImpactAnalysisState]
        missing = {"id", "description", "state", "affects", "advice", "published"} - set(one)
        if missing or one["state"] not in states:
            raise HostError(
                f"{file.name}, vulnerability {number}: "
                f"{', '.join(sorted(missing)) or 'state'} is missing or none of "
                f"{', '.join(states)}.",
                "sbom.vex",
            )
        bom.vulnerabilities.add(
            Vulnerability(
                bom_ref=one["id"],
                id=one["id"],
                description=one["description"],
                recommendation=one["advice"],
                published=one["published"],
                analysis=VulnerabilityAnalysis(state=ImpactAnalysisState(one["state"])),
                affects=[BomTarget(ref=f"{_NAME}@{version}") for version in one["affects"]],
            )
        )
    return bom


def _bom(identity: str, subject: Component | None, components: list[Component]) -> Bom:
    bom = Bom(components=[one for one in components if one is not subject])
    bom.metadata.component = subject
    digest = sha256(identity.encode(), *(str(one.bom_ref.value).encode() for one in components))
    bom.serial_number = uuid.uuid5(_NAMESPACE, digest.hex())
    if subject is not None:
        bom.register_dependency(subject, bom.components)
    # The document says nothing of when it was made, so that it can be made again.
    bom.metadata.timestamp = datetime.datetime(1980, 1, 1, tzinfo=datetime.UTC)
    return bom


def as_json(bom: Bom) -> str:
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _hash(content: bytes) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())


def _time(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
