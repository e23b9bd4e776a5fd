# SPDX-License-Identifier: MIT
"""`trustanchor passphrase`: another passphrase for a private key, which stays the same key."""

import argparse
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json
from host_tools.signing import hss_keys, inputs, keyfiles, outputs, signers

_EXAMPLE = """\
examples:
  trustanchor passphrase alice.pem
  trustanchor passphrase vault-1.hss --passphrase-file old.txt --new-passphrase-file new.txt
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "passphrase",
        help="another passphrase for a private key in a file",
        description="Encrypt the private key in a file with another passphrase. The key stays the "
        "same, and so do its public file and everything it has signed. The old file is replaced "
        "in one step; copies of it elsewhere keep the old passphrase.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="encrypted .pem, or .hss share")
    parser.add_argument(
        "--new-passphrase-file",
        metavar="FILE",
        help="first line is the new passphrase; else the keyboard",
    )
    keyfiles.add_new_passphrase_options(parser)
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
    content = signers.read_key_file(path)
    is_share = hss_keys.is_holder_file(content)
    name = str(path)
    if is_share:
        old = keyfiles.passphrase_of(arguments, name)
        if not hss_keys.opens(path, old):
            raise HostError(
                f"{path}: wrong passphrase, or a changed file.", "key.passphrase_wrong"
            )
    else:
        if len(inputs.pem_blocks(content, name)) > 1:
            raise HostError(
                f"{name}: more than a key is in it, and the rest would be lost. Put the key in a "
                "file of its own.",
                "key.unreadable",
            )
        key = keyfiles.load_private_key(content, arguments, name)
    new, is_made_up = keyfiles.replacing_passphrase(arguments, name)
    if is_share:
        hss_keys.reseal(path, old, new)
    else:
        outputs.replace(path, keyfiles.encrypted_pem(key, new))
    made_up = new.decode() if is_made_up else None
    if arguments.json:
        print_json({"file": name, "passphrase": made_up})
        return 0
    if made_up:
        print(f"passphrase of {name}, shown once: {made_up}")
    print(f"{name}: encrypted with the new passphrase. Copies elsewhere have the old one.")
    return 0
