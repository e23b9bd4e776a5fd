# SPDX-License-Identifier: MIT
"""Rewrite the table of error codes in firmware/SPEC.md from host_tools/cli/reasons.py.

    python -m tests.spec_codes

tests/host/test_spec.py fails while the two differ.
"""

from pathlib import Path

from host_tools.cli.reasons import REASONS

SPEC = Path(__file__).resolve().parent.parent / "firmware" / "SPEC.md"
BEGIN = "<!-- error codes: begin (python -m tests.spec_codes) -->\n"
END = "<!-- error codes: end -->\n"

# What an area is about; a code of another area fails here.
AREAS = {
    "agent": "carriers of bundles and the status document",
    "anchor": "an anchor, or what it allows",
    "bundle": "what a bundle says",
    "cbor": "the encoding of a bundle",
    "cert": "a certificate's encoding",
    "clock": "setting the clock",
    "constraints": "name constraints",
    "cose": "a signed message",
    "der": "DER",
    "hss": "HSS/LMS keys and signatures",
    "http": "an HTTPS answer, or what was asked for",
    "name": "host names",
    "net": "the network",
    "oid": "object identifiers",
    "path": "the certification path",
    "pin": "pins and pin sets",
    "service": "services of a state",
    "sig": "signatures of certificates, and public keys",
    "state": "a trust state as a whole",
    "store": "what is on the flash",
    "time": "clock, dates and ages",
    "tls": "the TLS connection",
    "trial": "a state on trial",
    "update": "whether a bundle may be installed",
}


def table() -> str:
    """One row an area."""
    areas: dict[str, list[str]] = {}
    for code in sorted(REASONS):
        area, _, name = code.partition(".")
        areas.setdefault(area, []).append(name)
    lines = ["| area | about | codes |", "|---|---|---|"]
    for area, names in areas.items():
        lines.append(f"| `{area}` | {AREAS[area]} | {', '.join(f'`{name}`' for name in names)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    before, _, rest = SPEC.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    SPEC.write_text(before + BEGIN + table() + END + after)


if __name__ == "__main__":
    main()
