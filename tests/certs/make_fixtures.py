# SPDX-License-Identifier: MIT
"""Make every input that tests need and that may not be committed: certificates, keys, bundles.

Each `fixture_<topic>.py` beside this file has `make(folder)`, which fills
`build/fixtures/<topic>/`. Made again when that file changes, and every day, because certificates
age.
"""

import hashlib
import importlib
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FIXTURES = ROOT / "build" / "fixtures"


def main() -> int:
    sys.path.insert(0, str(ROOT))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    shared = b"".join(
        file.read_bytes() for file in sorted(HERE.glob("*.py")) if not file.name.startswith("fix")
    )
    for source in sorted(HERE.glob("fixture_*.py")):
        topic = source.stem.removeprefix("fixture_")
        folder = FIXTURES / topic
        stamp = FIXTURES / f".{topic}"
        wanted = hashlib.sha256(shared + source.read_bytes() + today.encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        importlib.import_module(f"tests.certs.{source.stem}").make(folder)
        stamp.write_text(wanted)
        print(f"fixtures: {topic}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
