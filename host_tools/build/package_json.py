# SPDX-License-Identifier: MIT
"""`python -m host_tools.build.package_json`: write firmware/package.json from the package.

`make format` runs it. With --check nothing is written, and a file that differs is exit code 1. The
urls are relative to package.json (mpremote 1.25 or newer resolves them), so that a clone, a mirror
and a release all serve themselves and no host name is written here. mip checks no integrity:
`trustanchor init --board` verifies what it installs by hash.
"""

import json
import sys
from pathlib import Path

import trustanchor
from host_tools.build.deploy import package_modules

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
PACKAGE_JSON = FIRMWARE / "package.json"


def content() -> str:
    paths = [f"trustanchor/{name}.py" for name in package_modules()]
    value = {
        "urls": [[path, path] for path in paths],
        "deps": [],
        "version": trustanchor.__version__,
    }
    return json.dumps(value, indent=2) + "\n"


def main() -> int:
    if "--check" not in sys.argv[1:]:
        PACKAGE_JSON.write_text(content())
        return 0
    if PACKAGE_JSON.read_text() == content():
        return 0
    print(
        "firmware/package.json does not list the package as it is: run `make format`.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
