# SPDX-License-Identifier: MIT
"""HSS/LMS private keys (RFC 8554) that cannot sign twice with one leaf.

A one-time key used twice gives its secret away, so everything here is about never doing that:

- *Disjoint holders.* One ceremony makes a public key and N holder files. Each holder gets a bottom
  tree of its own, from a seed of its own; the top tree certifies the bottom trees and is then
  forgotten. No two holders share a leaf, whatever they do with their files.
- *State before signature.* The next leaf number is on disk (fsync, rename) before a signature is
  returned. Two processes are kept apart by a lock on the file.
- *A public ledger.* Every signature is recorded as (tree, leaf, message digest) in a file kept
  with the bundles. It is read before signing: a holder file restored from a backup is behind the
  ledger and jumps ahead of it; a leaf that would sign a second message is refused.
- *One ledger.* A share is made for one ledger, whose id is sealed in with the seed, and signs with
  no other: not with a missing one, an empty one, or one that is behind the share. What nobody can
  notice is the pair of them copied: a share *and* its ledger, on two machines.

The algorithm is pyhsslms'; the verifier is the device's `trustanchor.crypto.hss`.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyhsslms.pyhsslms as lms
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from host_tools.cli.errors import HostError
from host_tools.signing import inputs, outputs

FORMAT = "trustanchor-hss-holder-2"
_LEDGER_FORMAT = "trustanchor-hss-ledger-2"
_LEDGER_ID_BYTES = 16
_FILE_BYTES = 1 << 20
_LEDGER_BYTES = 16 << 20
_TREE_ID_BYTES = 16  # I of RFC 8554 section 5.3
_SEED_BYTES = 32
# scrypt, RFC 7914: 128 MiB and about half a second, for a file that is opened a few times a year.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 17, 8, 1

# Tree heights by RFC 8554 table 2, Winternitz widths by table 1; SHA-256 with n = 32.
HEIGHTS = {
    5: lms.lms_sha256_m32_h5,
    10: lms.lms_sha256_m32_h10,
    15: lms.lms_sha256_m32_h15,
}
WIDTHS = {
    1: lms.lmots_sha256_n32_w1,
    2: lms.lmots_sha256_n32_w2,
    4: lms.lmots_sha256_n32_w4,
    8: lms.lmots_sha256_n32_w8,
}
_TOP_HEIGHT = 5  # the upper tree signs each holder's own
Progress = Callable[[int, int], None]


def _no_progress(done: int, total: int) -> None:
    pass


@dataclass
class Holder:
    """One holder's share: a bottom tree and the top tree's signature over it.

    public    HSS public key, RFC 8554 section 6.1: the same for all holders
    endorsed  signed_public_key of the bottom tree, RFC 8554 section 6.2
    ledger    id of the only ledger it signs with
    """

    public: bytes
    endorsed: bytes
    height: int
    width: int
    tree_id: bytes
    seed: bytes
    next_leaf: int
    ledger: str
    name: str = ""

    @property
    def leaves(self) -> int:
        return 1 << self.height


def check_holders(holders: int) -> None:
    if not 1 <= holders <= 1 << _TOP_HEIGHT:
        raise HostError(f"{holders} holders: between 1 and {1 << _TOP_HEIGHT}.", "key.parameters")


def generate(
    holders: int,
    ledger: str,
    height: int = 10,
    width: int = 4,
    progress: Progress = _no_progress,
) -> list[Holder]:
    """Make one HSS key of two levels and one share a holder (1 to 32 holders).

    ledger is the id of the ledger they will sign with (new_ledger, ledger_id).
    """
    check_holders(holders)
    if height not in HEIGHTS or width not in WIDTHS:
        raise HostError(
            f"height {height}, width {width}: heights are {', '.join(map(str, HEIGHTS))}, "
            f"widths {', '.join(map(str, WIDTHS))}.",
            "key.parameters",
        )
    total = holders + 1
    top = lms.LmsPrivateKey(
        lms_type=HEIGHTS[_TOP_HEIGHT],
        lmots_type=WIDTHS[width],
        SEED=secrets.token_bytes(_SEED_BYTES),
        I=secrets.token_bytes(_TREE_ID_BYTES),
    )
    progress(1, total)
    public = lms.u32(2) + top.publicKey().serialize()
    shares = []
    for number in range(holders):
        tree_id, seed = secrets.token_bytes(_TREE_ID_BYTES), secrets.token_bytes(_SEED_BYTES)
        bottom = lms.LmsPrivateKey(
            lms_type=HEIGHTS[height], lmots_type=WIDTHS[width], SEED=seed, I=tree_id
        )
        record = bottom.publicKey().serialize()
        # LmsPrivateKey.sign takes the next leaf of the top tree: one leaf a holder.
        endorsed = top.sign(record) + record
        shares.append(Holder(public, endorsed, height, width, tree_id, seed, 0, ledger))
        progress(number + 2, total)
    return shares


def encode(holder: Holder, passphrase: bytes) -> bytes:
    """The holder file: JSON, the seed encrypted with AES-256-GCM under scrypt(passphrase)."""
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    fields = _public_fields(holder)
    sealed = AESGCM(_derive(passphrase, salt)).encrypt(nonce, holder.seed, _bound(fields))
    protected = {"salt": _b64(salt), "nonce": _b64(nonce), "seed": _b64(sealed)}
    return _dump({**fields, **protected, "next_leaf": holder.next_leaf})


def sign(
    path: Path,
    ledger: Path,
    message: bytes,
    passphrase: bytes,
    progress: Progress = _no_progress,
) -> bytes:
    """Return the hss_signature over message; the file and the ledger are advanced first.

    Raises HostError with key.unreadable, key.passphrase_wrong, key.locked, key.exhausted or
    key.ledger.
    """
    digest = hashlib.sha256(message).hexdigest()
    # The ledger too: two copies of one share are two files with one tree.
    with _locked(path), _locked(ledger, waits=True):
        fields, holder = _open(path, passphrase)
        identity, spent = read_ledger(ledger)
        if identity != holder.ledger:
            raise HostError(
                f"{path} signs with the ledger {holder.ledger}, and {ledger} is {identity}: name "
                "the one that is kept with the bundles, with --ledger.",
                "key.ledger",
            )
        tree = holder.tree_id.hex()
        known = [leaf for (used_tree, leaf) in spent if used_tree == tree]
        if holder.next_leaf > max(known, default=-1) + 1:
            raise HostError(
                f"{path} has signed {holder.next_leaf} times, and {ledger} does not know of all: "
                "it is an old copy. Name the ledger that is kept with the bundles, with --ledger; "
                "without it a leaf could be used twice.",
                "key.ledger",
            )
        leaf = max([holder.next_leaf, *(used + 1 for used in known)])
        if leaf >= holder.leaves:
            raise HostError(
                f"{path}: all {holder.leaves} signatures of this share are spent; name the share "
                "of another holder, or make a new key and rotate to it.",
                "key.exhausted",
            )
        # From here on the leaf counts as used, even when the process dies before it has signed.
        # The ledger comes first: a share ahead of it is refused, one that is behind catches up.
        _append(ledger, {"tree": tree, "leaf": leaf, "sha256": digest})
        outputs.replace(path, _dump({**fields, "next_leaf": leaf + 1}))
        progress(0, 1)
        bottom = lms.LmsPrivateKey(
            lms_type=HEIGHTS[holder.height],
            lmots_type=WIDTHS[holder.width],
            SEED=holder.seed,
            I=holder.tree_id,
            q=leaf,
        )
        progress(1, 1)
        return lms.u32(1) + holder.endorsed + bottom.sign(message)


def opens(path: Path, passphrase: bytes) -> bool:
    """Whether passphrase is that of a share; refuses (key.unreadable) what is none."""
    try:
        _open(path, passphrase)
    except HostError as error:
        if error.code != "key.passphrase_wrong":
            raise
        return False
    return True


def is_holder_file(content: bytes) -> bool:
    return FORMAT.encode() in content[:200]


def read_public(path: Path) -> bytes:
    """Return the HSS public key of a holder file, without its passphrase."""
    return _decode_public(path, _fields(path)).public


def remaining(path: Path) -> tuple[bytes, int]:
    """Return the HSS public key of a holder file, and how many signatures are left in it as far
    as the file knows. Its ledger knows of other copies.
    """
    holder = _decode_public(path, _fields(path))
    return holder.public, max(0, holder.leaves - holder.next_leaf)


def reseal(path: Path, old: bytes, new: bytes) -> None:
    """Encrypt a holder file with another passphrase; nobody can sign with it meanwhile.

    Raises HostError with key.unreadable, key.passphrase_wrong or key.locked.
    """
    with _locked(path):
        _, holder = _open(path, old)
        outputs.replace(path, encode(holder, new))


def new_ledger() -> tuple[str, bytes]:
    """Return the id of a new, empty ledger, and the content of its file."""
    identity = secrets.token_hex(_LEDGER_ID_BYTES)
    return identity, json.dumps(_ledger_head(identity)).encode() + b"\n"


def ledger_id(path: Path) -> str:
    """Return the id of a ledger; refuses as read_ledger()."""
    return read_ledger(path)[0]


def _ledger_head(identity: str) -> dict[str, object]:
    return {"format": _LEDGER_FORMAT, "id": identity}


def read_ledger(path: Path) -> tuple[str, dict[tuple[str, int], str]]:
    """Return the ledger's id and {(tree, leaf): message digest}.

    Raises HostError key.ledger when there is none, on a line that does not parse or contradicts
    another.
    """
    if not path.exists():
        raise HostError(
            f"{path}: no such ledger. Name the one that is kept with the bundles, with --ledger; "
            "without it a leaf could be used twice.",
            "key.ledger",
        )
    identity = ""
    spent: dict[tuple[str, int], str] = {}
    for number, line in enumerate(
        _read(path, _LEDGER_BYTES).decode("utf-8", "replace").split("\n")
    ):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if number == 0:
                identity = bytes.fromhex(row["id"]).hex()
                if row != _ledger_head(identity) or len(identity) != 2 * _LEDGER_ID_BYTES:
                    raise ValueError
                continue
            key, digest = (str(row["tree"]), int(row["leaf"])), str(row["sha256"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise HostError(
                f"{path} line {number + 1} is no ledger entry: restore the ledger from where the "
                "bundles are kept; without it a leaf could be used twice.",
                "key.ledger",
            ) from None
        if spent.setdefault(key, digest) != digest:
            raise HostError(
                f"{path} line {number + 1}: leaf {key[1]} of tree {key[0]} signed two messages. "
                "The key must be replaced: anybody can forge with it.",
                "key.ledger",
            )
    if not identity:
        raise HostError(
            f"{path} is empty: restore the ledger from where the bundles are kept.", "key.ledger"
        )
    return identity, spent


def _public_fields(holder: Holder) -> dict[str, object]:
    return {
        "format": FORMAT,
        "name": holder.name,
        "public": _b64(holder.public),
        "endorsed": _b64(holder.endorsed),
        "height": holder.height,
        "width": holder.width,
        "tree": holder.tree_id.hex(),
        "ledger": holder.ledger,
    }


def _bound(fields: dict[str, object]) -> bytes:
    """What the encrypted seed is tied to: everything but the counter."""
    return json.dumps([fields[name] for name in sorted(_public_names())]).encode()


def _public_names() -> tuple[str, ...]:
    return ("endorsed", "format", "height", "ledger", "name", "public", "tree", "width")


def _derive(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(passphrase)


def _fields(path: Path) -> dict[str, object]:
    content = _read(path, _FILE_BYTES)
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise HostError(f"{path}: not an HSS holder file.", "key.unreadable")
    return fields


def _decode_public(path: Path, fields: dict[str, object]) -> Holder:
    try:
        holder = Holder(
            public=_from_b64(fields["public"]),
            endorsed=_from_b64(fields["endorsed"]),
            height=int(str(fields["height"])),
            width=int(str(fields["width"])),
            tree_id=bytes.fromhex(str(fields["tree"])),
            seed=b"",
            next_leaf=int(str(fields["next_leaf"])),
            ledger=str(fields["ledger"]),
            name=str(fields["name"]),
        )
        known = holder.height in HEIGHTS and holder.width in WIDTHS and holder.next_leaf >= 0
    except (KeyError, ValueError):
        known = False
    if not known:
        raise HostError(f"{path}: a damaged HSS holder file.", "key.unreadable")
    return holder


def _open(path: Path, passphrase: bytes) -> tuple[dict[str, object], Holder]:
    fields = _fields(path)
    holder = _decode_public(path, fields)
    try:
        key = _derive(passphrase, _from_b64(fields["salt"]))
        nonce, sealed = _from_b64(fields["nonce"]), _from_b64(fields["seed"])
        holder.seed = AESGCM(key).decrypt(nonce, sealed, _bound(fields))
    except (KeyError, ValueError):
        raise HostError(f"{path}: a damaged HSS holder file.", "key.unreadable") from None
    except InvalidTag:
        raise HostError(
            f"{path}: wrong passphrase, or a changed file.", "key.passphrase_wrong"
        ) from None
    return fields, holder


@contextlib.contextmanager
def _locked(path: Path, waits: bool = False) -> Iterator[None]:
    """Hold path's lock file. A second process at one share is refused: it shows a mistake."""
    lock = path.with_name(path.name + ".lock")
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            raise HostError(f"{path} is in use by another process.", "key.locked") from None
        yield


def _append(path: Path, row: dict[str, object]) -> None:
    with open(path, "ab") as file:
        file.write(json.dumps(row).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    outputs.sync_folder(path.parent)


def _read(path: Path, limit: int) -> bytes:
    content = inputs.read(path, limit)
    if len(content) > limit:
        raise HostError(f"{path}: larger than {limit} bytes.", "key.unreadable")
    return content


def _dump(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, indent=1).encode() + b"\n"


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _from_b64(text: object) -> bytes:
    return base64.b64decode(str(text), validate=True)
