# SPDX-License-Identifier: MIT
"""`trustanchor keygen`: keys that sign bundles, each private key in an encrypted file."""

import argparse
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from host_tools.cli.errors import HostError
from host_tools.cli.output import console, print_json, progress_bar
from host_tools.signing import hss_keys, keyfiles, outputs, signers
from trustanchor.compat import sha256
from trustanchor.kinds import HSS_LMS

_RSA_EXPONENT = 65537

_DESCRIPTION = """\
Make a key that signs bundles, each private part in an encrypted file of its own. A bundle's
description names the .pub files; the private files stay with their holders."""
_EXAMPLES = """\
examples:
  trustanchor keygen es256 alice                 alice.pem, alice.pub
  trustanchor keygen ps256 bob --bits 3072       bob.pem, bob.pub
  trustanchor keygen hss vault --new-ledger      vault-1.hss, vault-2.hss, vault.pub, a ledger
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "keygen",
        help="make keys that sign bundles (ES256, PS256, HSS/LMS)",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "algorithm",
        choices=("es256", "ps256", "hss"),
        help="ECDSA P-256, RSA-PSS, or HSS/LMS, which is hash-based",
    )
    parser.add_argument("name", help="name of the files, with a path if they go elsewhere")
    parser.add_argument(
        "--bits",
        type=int,
        choices=(2048, 3072, 4096),
        default=3072,
        help="ps256: length of the key (default 3072)",
    )
    parser.add_argument(
        "--holders",
        type=int,
        default=2,
        metavar="N",
        help="hss: shares with disjoint subtrees (default 2)",
    )
    parser.add_argument(
        "--height",
        type=int,
        choices=sorted(hss_keys.HEIGHTS),
        default=10,
        help="hss: each share signs 2^height times (default 10)",
    )
    parser.add_argument(
        "--width",
        type=int,
        choices=sorted(hss_keys.WIDTHS),
        default=4,
        help="hss: Winternitz width; wider is smaller and slower (default 4)",
    )
    ledger = parser.add_mutually_exclusive_group()
    ledger.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="hss: the ledger the shares will sign with, and with no other; default: "
        f"{signers.LEDGER_NAME} beside them",
    )
    ledger.add_argument(
        "--new-ledger",
        action="store_true",
        help=f"hss: begin {signers.LEDGER_NAME} beside them; once for all keys of a product",
    )
    keyfiles.add_new_passphrase_options(parser)
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    base = Path(arguments.name)
    if base.name.endswith((".pem", ".pub", ".hss")) or not base.name:
        raise HostError(
            f"{arguments.name!r}: give the name without an ending; .pem, .hss and .pub are added.",
            "key.name",
        )
    private, public = _paths(arguments, base)
    ledger = _ledger(arguments, base)
    paths = [*private, public, *([ledger] if arguments.new_ledger else [])]
    if outputs.finish_set(paths):
        record = _finished(arguments, private, public, paths)
        return _report(arguments, record, private, public, ledger, None)
    for path in paths:
        if path.exists():
            # Before the slow part and before a passphrase is asked for.
            raise HostError(f"{path} exists already and is left as it is.", "host.exists")
    passphrase, is_made_up = keyfiles.new_passphrase(arguments, str(private[0]))
    if arguments.algorithm == "hss":
        record, files = _hss(arguments, private, public, passphrase, ledger)
    else:
        record, files = _pem(arguments, private[0], public, passphrase)
    outputs.write_set(files)
    made_up = passphrase if is_made_up else None
    return _report(arguments, record, private, public, ledger, made_up)


def _finished(
    arguments: argparse.Namespace, private: list[Path], public: Path, paths: list[Path]
) -> tuple[int, bytes]:
    """Return the public key of what a run before this one had made when it was killed.

    Its passphrase must be the one given now: one that was made up has been seen by nobody.
    """
    passphrase = keyfiles.given_passphrase(arguments)
    if passphrase is not None and arguments.algorithm == "hss":
        is_open = hss_keys.opens(private[0], passphrase)
    elif passphrase is not None:
        is_open = keyfiles.opens(private[0].read_bytes(), passphrase)
    else:
        is_open = False
    if not is_open:
        raise HostError(
            f"{', '.join(map(str, paths))}: an interrupted run has made them, with another "
            "passphrase than the one given now. If nobody has that, delete them and run this "
            "again.",
            "key.passphrase_wrong",
        )
    return signers.public_record(str(public))


def _report(
    arguments: argparse.Namespace,
    record: tuple[int, bytes],
    private: list[Path],
    public: Path,
    ledger: Path,
    made_up: bytes | None,
) -> int:
    kid = _kid(record)
    if arguments.json:
        print_json(
            {
                "algorithm": signers.ALGORITHM_NAMES[record[0]],
                "kid": kid.hex(),
                "public": str(public),
                "private": [str(path) for path in private],
                "passphrase": made_up and made_up.decode(),
            }
        )
        return 0
    out = console()
    out.print(f"{signers.ALGORITHM_NAMES[record[0]]} key, kid {kid.hex()}")
    for path in private:
        out.print(f"  {path}  private, encrypted: keep it offline")
    if arguments.algorithm == "hss":
        out.print(f"  {ledger}  the ledger they sign with: keep it with the bundles")
    out.print(f"  {public}  public: name it in a bundle's description")
    if made_up:
        out.print(f"Passphrase, shown only this once: {made_up.decode()}")
    return 0


def _paths(arguments: argparse.Namespace, base: Path) -> tuple[list[Path], Path]:
    public = base.with_name(base.name + ".pub")
    if arguments.algorithm != "hss":
        return [base.with_name(base.name + ".pem")], public
    hss_keys.check_holders(arguments.holders)
    shares = range(1, arguments.holders + 1)
    return [base.with_name(f"{base.name}-{number}.hss") for number in shares], public


def _ledger(arguments: argparse.Namespace, base: Path) -> Path:
    """The ledger the shares are made for; refuses when there is none and none is begun."""
    ledger: Path = arguments.ledger or base.with_name(signers.LEDGER_NAME)
    if arguments.algorithm == "hss" and not arguments.new_ledger and not ledger.exists():
        raise HostError(
            f"{ledger}: no such ledger. Name the one that is kept with the bundles with --ledger, "
            "or begin one with --new-ledger.",
            "key.ledger",
        )
    return ledger


Files = dict[Path, tuple[bytes, int]]


def _pem(
    arguments: argparse.Namespace, private: Path, public: Path, passphrase: bytes
) -> tuple[tuple[int, bytes], Files]:
    """Return the key's record and its two files."""
    pair: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if arguments.algorithm == "es256":
        pair = keyfiles.new_ec_key()
    else:
        pair = rsa.generate_private_key(_RSA_EXPONENT, arguments.bits)
    record = signers.key_record(pair.public_key(), arguments.name)
    pem = pair.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    sealed = keyfiles.encrypted_pem(pair, passphrase)
    return record, {private: (sealed, 0o600), public: (pem, 0o644)}


def _hss(
    arguments: argparse.Namespace,
    private: list[Path],
    public: Path,
    passphrase: bytes,
    ledger: Path,
) -> tuple[tuple[int, bytes], Files]:
    """Return the key's record, and its shares, public file and, where it is begun, ledger."""
    content = b""
    if arguments.new_ledger:
        identity, content = hss_keys.new_ledger()
    else:
        identity = hss_keys.ledger_id(ledger)
    with progress_bar("HSS trees") as progress:
        progress(0, arguments.holders + 1)
        shares = hss_keys.generate(
            arguments.holders, identity, arguments.height, arguments.width, progress
        )
    files = {}
    for number, (share, path) in enumerate(zip(shares, private, strict=True), 1):
        share.name = f"{Path(arguments.name).name}-{number}"
        files[path] = (hss_keys.encode(share, passphrase), 0o600)
    files[public] = (signers.hss_public_pem(shares[0].public), 0o644)
    if content:
        files[ledger] = (content, 0o644)
    return (HSS_LMS, shares[0].public), files


def _kid(record: tuple[int, bytes]) -> bytes:
    """SPEC.md "Files": the first 8 bytes of SHA-256 over the encoded key record."""
    return sha256(cbor2.dumps([record[0], record[1]], canonical=True))[:8]
