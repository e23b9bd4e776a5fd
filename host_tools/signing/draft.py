# SPDX-License-Identifier: MIT
"""A bundle on its way through its signers.

`bundle build` makes a draft: the payload, the payload of the link that goes with a change of
signers, the state it replaces, and no signature. The file is passed from signer to signer, or its
Sig_structures are exported and the signatures brought back. When every threshold is met, the
device's own `update.accept` judges the finished file as an update of the current state; only what
it accepts is written.

A draft is a host file (JSON, base64) and is trusted by nobody: signers sign what its payload
says, and the device code judges what comes out. The state it replaces is believed only when the
signers it names have signed it, because a signer is shown the difference.
"""

import base64
import binascii
import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.signing import bundle_encode, inputs
from host_tools.signing.bundle_encode import Authority, Description, Key, PublicKey
from host_tools.signing.signers import ALGORITHM_NAMES
from trustanchor import kinds
from trustanchor.compat import finish
from trustanchor.crypto import cose_signatures
from trustanchor.encoding.cbor import BytesSource, Reader
from trustanchor.errors import TrustError, UpdateError
from trustanchor.kinds import CLOCK_VERIFIED
from trustanchor.limits import LINKS
from trustanchor.state.record import Record
from trustanchor.update import acceptance, authority, bundle, cose, prefix
from trustanchor.update.authority import Link
from trustanchor.update.cose import Message

FORMAT = "trustanchor-draft-1"
_DRAFT_BYTES = 2 << 20
_TEXT = bytes([*range(32, 127), 9, 10, 13])
_BUNDLE_BYTES = 1 << 20  # far above the device's own limit, which refuses with its own code


@dataclass
class Part:
    """One message to be signed: kind is state, rescue or link."""

    kind: str
    payload: bytes
    signatures: list[tuple[PublicKey, bytes]] = field(default_factory=list)

    def message(self) -> bytes:
        return bundle_encode.assemble(self.kind, self.payload, self.signatures)


@dataclass
class Device:
    """What update.accept asks of a device."""

    product: str | None = None
    device_id: str | None = None


@dataclass
class Draft:
    """state, the link that goes with it or None, and the bundle file it replaces or b""."""

    state: Part
    link: Part | None
    current: bytes
    old_links: list[bytes]

    @property
    def parts(self) -> list[Part]:
        return [self.state, self.link] if self.link else [self.state]

    def wanted(self, part: Part) -> list[Authority]:
        """The authorities that must sign a part (SPEC.md U9 to U11)."""
        new, new_backup = authorities_of(part.payload)
        if not self.current:
            return [new]
        old, old_backup = authorities_of(payload_of(self.current))
        if self.state.kind == "rescue":
            return [old_backup, new]
        asked = [old] if new.record() == old.record() else [old, new]
        if part.kind != "link" and new_backup.record() != old_backup.record():
            asked.append(old_backup)
        return asked

    def missing(self) -> list[str]:
        """One sentence for every group whose threshold is not met."""
        found = []
        for part in self.parts:
            signed = {(key.alg, key.public) for key, _ in part.signatures}
            for asked in self.wanted(part):
                for threshold, keys in asked.groups:
                    have = sum((key.alg, key.public) in signed for key in keys)
                    if have < threshold:
                        names = ", ".join(key_name(key) for key in keys)
                        found.append(f"{part.kind}: {have} of {threshold} from {names}")
        return found

    def signed(self) -> tuple[list[str], list[str]]:
        """Who has signed as far as the draft says, and whose signature is not valid."""
        names: list[str] = []
        wrong: list[str] = []
        for part in self.parts:
            for key, signature in part.signatures:
                name = f"{part.kind}: {key_name(key)}"
                message = bundle_encode.to_be_signed(part.kind, part.payload, key)
                is_right = cose_signatures.verify(key.alg, key.public, message, signature)
                (names if is_right else wrong).append(name)
        return names, wrong

    def add(self, key: Key, sign: Any) -> list[str]:
        """Add key's signature wherever the key is asked for; sign(bytes) -> bytes.

        Returns the kinds signed; raises HostError bundle.not_a_signer, bundle.signed_already.
        """
        done = []
        for part in self.to_sign(key):
            to_be_signed = bundle_encode.to_be_signed(part.kind, part.payload, key)
            signature = sign(part.kind, to_be_signed)
            # The device's verdict, while the signer is at hand: a signature of another file.
            if not cose_signatures.verify(key.alg, key.public, to_be_signed, signature):
                raise UpdateError("cose.signature_invalid", part.kind)
            part.signatures.append((key, signature))
            done.append(part.kind)
        return done

    def to_sign(self, key: Key) -> list[Part]:
        """The parts key is asked for and has not signed; refuses as add()."""
        found = []
        is_asked = False
        for part in self.parts:
            members = [one for a in self.wanted(part) for _, keys in a.groups for one in keys]
            if not any((one.alg, one.public) == (key.alg, key.public) for one in members):
                continue
            is_asked = True
            if not any(signer.public == key.public for signer, _ in part.signatures):
                found.append(part)
        if not is_asked:
            raise HostError(
                f"{key_name(key)} is in no authority this bundle has to be signed by; asked for "
                f"is {'; '.join(self.missing()) or 'nobody any more'}.",
                "bundle.not_a_signer",
            )
        if not found:
            raise HostError(f"{key_name(key)} has signed already.", "bundle.signed_already")
        return found

    def file(self) -> bytes:
        """The bundle file: the state and the links a device that slept needs."""
        return bundle_encode.bundle_file(self.state.message(), self.old_links)

    def accept(self, device: Device | None = None) -> None:
        """Let the device's own code accept the finished file; refuses with its codes."""
        content = self.file()
        accept(content, self.current, device)
        # The link counts from the next bundle on. A link that a device would refuse then is
        # refused now, while its signers are still at hand.
        if self.link is None:
            return
        link = link_of(BytesSource(self.link.message()))
        for _ in authority.verifying(link.message, (link.old, link.authority)):
            pass


def build(description: Description, kind: str, current: bytes, links: list[bytes]) -> Draft:
    """Make a draft of kind state or rescue; what the device would refuse is refused now."""
    payload = bundle_encode.encode_state(description)
    check_payload(kind, payload)
    link = None
    if current:
        before = bundle.parse(BytesSource(current))
        link = link_for(kind, payload, current)
        wanted = before.epoch + (kind == "rescue")
        if description.epoch != wanted:
            raise HostError(
                f"epoch is {description.epoch}: a {kind} after epoch {before.epoch} has epoch "
                f"{wanted}.",
                "bundle.epoch",
            )
        if kind == "state" and description.sequence <= before.sequence:
            raise HostError(
                f"sequence is {description.sequence}, and the current state has "
                f"{before.sequence}: give it {before.sequence + 1} or more.",
                "bundle.sequence",
            )
    elif kind == "rescue":
        raise HostError("A rescue replaces a state: name it with --current.", "bundle.epoch")
    return Draft(
        Part(kind, payload), Part("link", link) if link else None, current, links[-LINKS:]
    )


def link_for(kind: str, payload: bytes, current: bytes) -> bytes | None:
    """The payload of the link that goes with a state, or None: it says nothing of its own."""
    if not current:
        return None
    first: Any = prefix.Prefix(BytesSource(unsigned(kind, payload)))
    old, old_backup = authorities_of(payload_of(current))
    new, new_backup = authorities_of(payload)
    if kind == "rescue":
        return bundle_encode.encode_link(first.epoch, first.sequence, old_backup, new, new_backup)
    if new.record() == old.record():
        return None
    return bundle_encode.encode_link(first.epoch, first.sequence, old, new)


def unsigned(kind: str, payload: bytes) -> bytes:
    """A message around payload that no device accepts, for the device's readers."""
    return bundle_encode.assemble(kind, payload, [(Key(-7, b"nobody"), b"\x00")])


def check_payload(kind: str, payload: bytes) -> None:
    """Let the device's reader take the payload apart, in an envelope without valid signatures."""
    for _ in acceptance.reading(BytesSource(unsigned(kind, payload))):
        pass


def accept(
    content: bytes, current: bytes, device: Device | None = None, at: int | None = None
) -> Record:
    """Return the record a device at current would write; raises the device's own refusals.

    The device is one of the bundle's audience unless another is given, and its clock shows `at`
    (Unix seconds; now if not given).
    """
    source = BytesSource(content)
    if device is None:
        first: Any = prefix.Prefix(source)
        device = Device((first.products or [None])[0], (first.devices or [None])[0])
    clock = (int(time.time()) if at is None else at, CLOCK_VERIFIED)
    loaded = [bundle.parse(BytesSource(current))] if current else []
    record = record_of(current) if current else None
    return acceptance.accept(record, loaded, source, clock, device)[0]


def record_of(content: bytes) -> Record:
    """The record of a device on which this bundle is active and nothing was retired."""
    source = BytesSource(content)
    state: Any = bundle.parse(source)
    return Record(
        state.epoch,
        state.sequence,
        authority.authority_at(source, state.authority).digest,
        authority.authority_at(source, state.backup).digest,
        state.payload_digest,
        floor=state.issued_at,
    )


def check_base(current: bytes, name: str) -> None:
    """Refuse a base nobody signed: a signer is shown only what differs from it."""
    code = refused_by_its_own(current)
    if code is not None:
        raise HostError(
            f"{name}: the bundle it replaces is not signed by the signers it names "
            f"({code}). Build the draft again, on the bundle the devices have.",
            "bundle.base_unsigned",
        )


def refused_by_its_own(content: bytes) -> str | None:
    """The device's code if a bundle is not signed by the authority that it names itself, or None.

    Every state is signed by the authority it names (SPEC.md U10, U11). Signatures of signers it
    has replaced are not judged, because their keys are not in it.
    """
    source = BytesSource(content)
    try:
        message = finish(authority.opened(source))
        first: Any = prefix.Prefix(source)
        own = authority.authority_at(source, first.authority)
        finish(own.checking(authority.authority_at(source, first.backup)))
        kids = [kid for kid, _, _ in own.members()]
        message.signatures = [one for one in message.signatures if one.kid in kids]
        for _ in authority.verifying(message, (own,)):
            pass
    except TrustError as error:
        return error.code
    return None


def compare_base(draft: Draft, known: bytes, name: str) -> None:
    """Refuse a draft that replaces another state than the one its signer knows."""
    base = hashlib.sha256(payload_of(draft.current)).hexdigest() if draft.current else "nothing"
    wanted = hashlib.sha256(payload_of(known)).hexdigest()
    if base != wanted:
        raise HostError(
            f"The draft replaces {base}, and {name} is {wanted}. Build the draft again, on the "
            "bundle the devices have.",
            "bundle.base_other",
        )


def message_at(reader: Reader) -> Message:
    """The message that begins where reader stands, whole; reader stands behind it afterwards."""
    message: Message = finish(cose.reading(reader))
    return message


def link_of(source: BytesSource) -> Link:
    """The link that is the first message of source; raises the device's own refusals."""
    link = Link(message_at(Reader(source)))
    finish(link.reading())
    return link


def links_in(content: bytes) -> list[bytes]:
    """The link messages that follow the state in a bundle file."""
    source = BytesSource(content)
    reader = Reader(source, message_at(Reader(source)).end)
    found = []
    while reader.more():
        start = reader.pos
        message = message_at(reader)
        found.append(content[start : message.end])
    return found


def position(content: bytes) -> tuple[int, int]:
    """(epoch, sequence) of a bundle."""
    first: Any = prefix.Prefix(BytesSource(content))
    return first.epoch, first.sequence


def place_of_link(content: bytes) -> tuple[int, int]:
    """(epoch, sequence) a link leads to."""
    return link_of(BytesSource(content)).place


def read_link(content: bytes, name: str) -> bytes:
    """One link message in a file of its own, or refuse."""
    reader = Reader(BytesSource(content))
    message = message_at(reader)
    if message.type != kinds.LINK or reader.more():
        raise HostError(f"{name}: not a link.", "bundle.link")
    link_of(BytesSource(content))
    return content


def payload_of(content: bytes) -> bytes:
    _, _, (start, end) = prefix.envelope(Reader(BytesSource(content)))
    return content[start:end]


def authorities_of(payload: bytes) -> tuple[Authority, Authority]:
    """The authority and backup authority of a state's payload; of a link's, that it makes."""
    source = BytesSource(payload)
    reader = Reader(source)
    found: dict[int, Authority] = {}
    for number in reader.fields():
        if number in (6, 7):
            found[number] = _authority(authority.authority_at(source, prefix.record_span(reader)))
        else:
            reader.skip()
    if 6 not in found:
        raise UpdateError("bundle.missing_field", 6)
    return found[6], found.get(7, found[6])


def _authority(parsed: authority.Authority) -> Authority:
    return Authority(
        [
            (threshold, [Key(alg, bytes(public)) for _, alg, public in keys])
            for threshold, keys in parsed.groups
        ]
    )


def key_name(key: bundle_encode.PublicKey) -> str:
    name = ALGORITHM_NAMES.get(key.alg, f"algorithm {key.alg}")
    return f"{name} {bundle_encode.kid(key).hex()}"


def read_bundle(path: Path) -> bytes:
    content = inputs.read(path, _BUNDLE_BYTES)
    if len(content) > _BUNDLE_BYTES:
        raise HostError(f"{path}: larger than any bundle.", "bundle.too_large")
    return content


def read_signed(path: Path) -> bytes:
    """read_bundle() of what can be a bundle; a file that is something else is called by its name.

    Raises HostError bundle.file.
    """
    content = read_bundle(path)
    if is_draft(content):
        what = "a draft, which not everybody has signed yet: `trustanchor bundle sign` goes on"
    elif content.startswith(b"-----BEGIN"):
        what = "PEM"
    elif content and not content.translate(None, _TEXT):
        what = "text. `trustanchor bundle build` makes a draft of a description"
    else:
        return content
    raise HostError(f"{path}: no bundle; it is {what}.", "bundle.file")


def is_draft(content: bytes) -> bool:
    """Whether a file begins as a draft does; a bundle is CBOR and never begins with a brace."""
    return content.lstrip()[:1] == b"{"


def dump(draft: Draft) -> bytes:
    parts = [
        {
            "kind": part.kind,
            "payload": _b64(part.payload),
            "signatures": [
                {"alg": key.alg, "public": _b64(key.public), "signature": _b64(signature)}
                for key, signature in part.signatures
            ],
        }
        for part in draft.parts
    ]
    document = {
        "format": FORMAT,
        "parts": parts,
        "links": [_b64(link) for link in draft.old_links],
        "current": _b64(draft.current),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def load(path: Path) -> Draft:
    """Read a draft; its payloads are parsed by the device's reader before anybody signs them."""
    content = inputs.read(path, _DRAFT_BYTES)
    try:
        document = json.loads(content)
        if document["format"] != FORMAT or len(content) > _DRAFT_BYTES:
            raise ValueError
        parts = [_part(fields) for fields in document["parts"]]
        links = [_bytes(link) for link in document["links"]]
        current = _bytes(document["current"])
        kinds = [part.kind for part in parts]
        if kinds not in (["state"], ["rescue"], ["state", "link"], ["rescue", "link"]):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise HostError(
            f"{path}: not a draft; `trustanchor bundle build` makes one.", "bundle.draft"
        ) from None
    draft = Draft(parts[0], parts[1] if len(parts) > 1 else None, current, links)
    if current:
        check_base(current, str(path))
    check_payload(draft.state.kind, draft.state.payload)
    # A signer is shown the state. A link that says anything else would hand the right to sign to
    # whoever had the draft before, and the signatures would be out.
    if link_for(draft.state.kind, draft.state.payload, current) != (
        draft.link and draft.link.payload
    ):
        raise HostError(f"{path}: its link is not the one of its state.", "bundle.draft")
    return draft


def _part(fields: Any) -> Part:
    signatures: list[tuple[PublicKey, bytes]] = [
        (Key(int(one["alg"]), _bytes(one["public"])), _bytes(one["signature"]))
        for one in fields["signatures"]
    ]
    return Part(str(fields["kind"]), _bytes(fields["payload"]), signatures)


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None
