# SPDX-License-Identifier: MIT
"""`trustanchor sbom`: bills of materials in CycloneDX, of the software or of a bundle's trust."""

import argparse
from pathlib import Path

from host_tools.cli.output import print_json
from host_tools.signing import draft, outputs

_EXAMPLE = """\
examples:
  trustanchor sbom -o trustanchor.cdx.json          the tools and the device package
  trustanchor sbom fleet-7.bundle -o fleet-7.cdx.json
  trustanchor sbom --vex                            our own vulnerabilities
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "sbom",
        help="what the tools are made of, or whom a bundle trusts, in CycloneDX",
        description="Write a CycloneDX 1.6 document: the host tools with their dependencies and "
        "the device package by file; or, of a bundle, every anchor, pin, denied key and signer as "
        "a cryptographic asset. There is nothing private in any of them.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("bundle", nargs="?", type=Path, metavar="BUNDLE", help="a signed bundle")
    what.add_argument("--vex", action="store_true", help="vulnerabilities of trustanchor itself")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: printed")
    parser.add_argument("--json", action="store_true", help="for scripts: say what was written")


def run(arguments: argparse.Namespace) -> int:
    from host_tools.ops import bom  # its library is slow to load, and `--help` loads this module

    if arguments.vex:
        made = bom.vulnerabilities()
    elif arguments.bundle:
        made = bom.trust(draft.read_signed(arguments.bundle))
    else:
        made = bom.software()
    text = bom.as_json(made)
    if arguments.output is None:
        print(text, end="")
        return 0
    outputs.replace(arguments.output, text.encode(), 0o644)
    if arguments.json:
        print_json({"file": str(arguments.output), "components": len(made.components)})
    else:
        print(f"{arguments.output}: {len(made.components)} components")
    return 0
