# SPDX-License-Identifier: MIT
"""Private keys in files: encrypted, never overwritten, readable by their owner alone. A server's
own primary key is the exception: the server has to read it without anybody at its keyboard.

A passphrase comes from `--passphrase-file`, from TRUSTANCHOR_PASSPHRASE, or from the keyboard; it
is never an argument, because arguments show in `ps` and stay in shell histories.
"""

import argparse
import getpass
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from host_tools.cli.errors import HostError
from host_tools.signing import inputs

PASSPHRASE_VARIABLE = "TRUSTANCHOR_PASSPHRASE"
# Bytes of randomness in a passphrase we make up: 20 characters, 120 bits.
_MADE_UP_BYTES = 15
_PASSPHRASE_FILE_BYTES = 4096


def add_passphrase_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help=f"first line is the passphrase; else ${PASSPHRASE_VARIABLE}, else the keyboard",
    )


def add_new_passphrase_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command that encrypts a new key."""
    add_passphrase_option(parser)
    parser.add_argument(
        "--make-passphrase",
        action="store_true",
        help="make up a passphrase and print it once",
    )


def new_passphrase(arguments: argparse.Namespace, of: str) -> tuple[bytes, bool]:
    """Return the passphrase for a new key and whether it was made up, which somebody has to ask
    for: a script's output is kept in places where no passphrase belongs.

    Refuses with key.passphrase_missing where there is no keyboard either.
    """
    given = given_passphrase(arguments)
    if arguments.make_passphrase:
        if given is not None:
            raise HostError(
                "A passphrase is given, and --make-passphrase asks for another: leave one of them "
                "out.",
                "key.passphrase_twice",
            )
        return make_passphrase(), True
    if given is None and not sys.stdin.isatty():
        raise HostError(
            f"No passphrase for {of}: give it with --passphrase-file or {PASSPHRASE_VARIABLE}, or "
            "have one made up and printed with --make-passphrase.",
            "key.passphrase_missing",
        )
    if given is None:
        given = ask_passphrase(f"New passphrase for {of} (empty: make one up)", twice=True)
    return (make_passphrase(), True) if given is None else (given, False)


def passphrase_of(arguments: argparse.Namespace, name: str) -> bytes:
    """Return the passphrase of an encrypted key, given or typed. Refuses with
    key.passphrase_missing."""
    passphrase = given_passphrase(arguments) or ask_passphrase(f"Passphrase of {name}")
    if passphrase is None:
        raise HostError(
            f"{name} is encrypted: give its passphrase with --passphrase-file or "
            f"{PASSPHRASE_VARIABLE}.",
            "key.passphrase_missing",
        )
    return passphrase


def replacing_passphrase(arguments: argparse.Namespace, name: str) -> tuple[bytes, bool]:
    """As new_passphrase(), for a key that has one already: TRUSTANCHOR_PASSPHRASE is the old."""
    if arguments.new_passphrase_file and arguments.make_passphrase:
        raise HostError(
            "--new-passphrase-file and --make-passphrase are two new passphrases: leave one of "
            "them out.",
            "key.passphrase_twice",
        )
    if arguments.new_passphrase_file:
        return _first_line(arguments.new_passphrase_file), False
    if arguments.make_passphrase:
        return make_passphrase(), True
    typed = ask_passphrase(f"New passphrase for {name}", twice=True)
    if typed is None:
        raise HostError(
            f"No new passphrase for {name}: give it with --new-passphrase-file, or have one made "
            "up and printed with --make-passphrase.",
            "key.passphrase_missing",
        )
    return typed, False


def _first_line(file: str) -> bytes:
    line = inputs.read(file, _PASSPHRASE_FILE_BYTES).split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise HostError(f"{file}: the first line is empty.", "key.passphrase_missing")
    return line


def exposure(path: Path, content: bytes) -> str | None:
    """What is wrong with how a private key is kept, as a sentence, or None."""
    if path.stat().st_mode & 0o077:
        return f"{path} can be read by others on this machine: chmod 600 {path}"
    # An HSS share is always encrypted, and is no PEM.
    block = inputs.only_block(content, str(path), "PRIVATE KEY")
    if block is not None and not is_encrypted(block):
        return f"{path} is not encrypted: whoever copies it signs with it"
    return None


def is_encrypted(block: inputs.PemBlock) -> bool:
    """Whether a private key in PEM has a passphrase (RFC 7468 section 11, RFC 1421, OpenSSH)."""
    if block.label == "OPENSSH PRIVATE KEY":
        # openssh-key-v1, NUL, then the name of the cipher.
        return block.der()[15:23] != b"\0\0\0\4none"
    return block.label.startswith("ENCRYPTED") or any(
        line.startswith(b"Proc-Type:") and b"ENCRYPTED" in line for line in block.lines
    )


def opens(content: bytes, passphrase: bytes) -> bool:
    """Whether passphrase is that of an encrypted private key in PEM."""
    try:
        serialization.load_pem_private_key(content, passphrase)
    except (ValueError, TypeError):
        return False
    return True


def given_passphrase(arguments: argparse.Namespace) -> bytes | None:
    """Return the passphrase of the option or the environment, or None when neither is set."""
    if arguments.passphrase_file:
        return _first_line(arguments.passphrase_file)
    if text := os.environ.get(PASSPHRASE_VARIABLE):
        return os.fsencode(text)
    return None


def ask_passphrase(prompt: str, twice: bool = False) -> bytes | None:
    """Ask at the keyboard; None when there is none. twice guards against a slip in a new one."""
    if not sys.stdin.isatty():
        return None
    try:
        first = getpass.getpass(f"{prompt}: ")
        if twice and first and getpass.getpass("The same again: ") != first:
            raise HostError("The two passphrases differ.", "key.passphrase_wrong")
    except EOFError:
        raise HostError("No passphrase was typed.", "key.passphrase_missing") from None
    return first.encode() or None


def make_passphrase() -> bytes:
    return secrets.token_urlsafe(_MADE_UP_BYTES).encode()


def new_ec_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key: every MicroPython TLS build speaks it and it is the cheapest to verify."""
    return ec.generate_private_key(ec.SECP256R1())


def public_der(key: PrivateKeyTypes) -> bytes:
    """DER SubjectPublicKeyInfo of a private key."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def encrypted_pem(key: PrivateKeyTypes, passphrase: bytes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )


def plain_pem(key: PrivateKeyTypes) -> bytes:
    """Not encrypted: for the key a server starts with, and for no other."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_private_key(
    content: bytes, arguments: argparse.Namespace, name: str, is_pem: bool = True
) -> PrivateKeyTypes:
    """Read the one private key of a file, asking for its passphrase only when it has one.

    Refuses with input.pem, key.unreadable, key.passphrase_missing or key.passphrase_wrong.
    """
    load: Any = serialization.load_der_private_key
    if is_pem:
        block = inputs.only_block(content, name, "PRIVATE KEY")
        if block is None:
            raise HostError(f"{name}: not a private key that can be read.", "key.unreadable")
        content = block.armour
        load = serialization.load_pem_private_key
        if block.label == "OPENSSH PRIVATE KEY":
            load = serialization.load_ssh_private_key
    try:
        return load(content, None)
    except TypeError:
        pass  # how cryptography says that the key is encrypted
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):
        # An encrypted OpenSSH key is refused with a ValueError that only its text tells apart, so
        # a passphrase that was given is tried before giving up.
        if b"OPENSSH" not in content:
            raise HostError(f"{name}: not a private key that can be read.", "key.unreadable")
    passphrase = passphrase_of(arguments, name)
    try:
        return load(content, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm, NotImplementedError):
        raise HostError(
            f"{name}: wrong passphrase, or a damaged key.", "key.passphrase_wrong"
        ) from None
