# SPDX-License-Identifier: MIT
"""One module a target: `seeds() -> list[bytes]` and `run(data)`; see tests/conformance/fuzz.py.

run() may let a TrustError out and nothing else. What it asserts is a claim about the bytes that
were accepted, not only that nothing crashed.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).resolve().parents[3] / "build" / "fixtures"


def fixtures(*patterns: str) -> list[bytes]:
    """Contents of the made certificates and bundles that match, smallest name first."""
    files = sorted(file for pattern in patterns for file in FIXTURES.glob(pattern))
    if not files:
        raise FileNotFoundError(f"{FIXTURES}: run `make fixtures` first")
    return [file.read_bytes() for file in files]


def real_cases() -> list[dict[str, Any]]:
    """The accepted cases of real.jsonl in the folder VECTORS names, bytes decoded; often none."""
    folder = os.environ.get("VECTORS")
    if not folder:
        return []
    lines = (Path(folder) / "real.jsonl").read_text().splitlines()
    cases = [case for case in map(json.loads, lines) if case["exp"] == "SUCCESS"]
    for case in cases:
        case["chain"] = [base64.b64decode(der) for der in [case["leaf"], *case["inter"]]]
        case["roots"] = [base64.b64decode(der) for der in case["roots"]]
    return cases
