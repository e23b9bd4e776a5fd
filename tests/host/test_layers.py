# SPDX-License-Identifier: MIT
"""The layers of firmware/DESIGN.md, enforced: every import of the device package is parsed."""

import ast
from pathlib import Path

import pytest

import trustanchor.errors

PACKAGE = Path(__file__).resolve().parents[2] / "firmware" / "trustanchor"

# A module may import from its own layer and from the layers above it in this list, never below.
LAYERS = (
    ("_cpython", "compat", "errors", "kinds", "limits"),
    ("der", "cbor"),
    ("dn", "names", "leaf", "x509", "certificate", "constraints"),
    (
        "sha2", "sha512", "_sha2", "_sha2_plain", "rsa", "rsa_pss",
        "ecdsa", "_ecdsa_plain", "_ecdsa_tables", "_key_tables", "_field",
        "_p256", "_p384", "_p521", "hss", "signatures", "_signatures_cose",
        "_signatures_ecdsa",
    ),
    ("identity", "path"),
    (
        "state", "rules", "anchors", "record", "packing", "local", "learning", "ratchet",
        "retired", "pins", "mode_key", "mode_path", "derive", "policy",
    ),
    ("copies", "volume", "prefix", "cose", "bundle", "authority", "admit", "update", "trial",
        "cache", "tables", "boot", "joining", "stage", "status", "install", "store",
    ),
    (
        "clock", "_tls", "tap", "handshake", "suites", "dial", "literal", "client", "streams",
        "shortcuts", "agent", "selftest",
    ),
)  # fmt: skip
LEVEL = {module: level for level, names in enumerate(LAYERS) for module in names}
SIGNATURES_LEVEL = LEVEL["signatures"]
CRYPTOGRAPHY = {name for name in LEVEL if LEVEL[name] == SIGNATURES_LEVEL} - {"signatures"}

# Modules of the interpreter a device file may use. typing and what only CPython has are not here.
INTERPRETER = {
    "_thread",
    "array", "asyncio", "binascii", "errno", "gc", "hashlib", "io", "json", "micropython", "os",
    "select", "socket", "ssl", "struct", "sys", "time", "tls", "vfs",
}  # fmt: skip
HARDWARE = {"esp32", "machine", "network", "ntptime"}  # each in try/except or inside a function


def imports(tree: ast.AST) -> list[tuple[str, int]]:
    """Every import of a module as (name, line); ours start with a dot."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", node.lineno))
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [("." + name, node.lineno) for name in names]
    return found


def violations(module: str, source: str) -> list[str]:
    """Every import in source that the layers forbid, as sentences."""
    found = []
    for name, line in imports(ast.parse(source)):
        where = f"{module}.py:{line}"
        if not name.startswith("."):
            if name.split(".")[0] not in INTERPRETER | HARDWARE:
                found.append(f"{where} imports {name}, which a device does not have")
            continue
        target = name[1:]
        if target not in LEVEL:
            found.append(f"{where} imports {target}, which has no layer")
        elif module == "__init__":
            continue
        elif LEVEL[target] > LEVEL[module]:
            found.append(f"{where} (L{LEVEL[module]}) imports {target} (L{LEVEL[target]})")
        elif target in CRYPTOGRAPHY and LEVEL[module] > SIGNATURES_LEVEL:
            found.append(f"{where} goes around signatures.py to {target}")
    return found


def modules() -> list[str]:
    return sorted(file.stem for file in PACKAGE.glob("*.py"))


@pytest.mark.parametrize("module", modules())
def test_imports_follow_the_layers(module: str) -> None:
    source = (PACKAGE / f"{module}.py").read_text()
    assert violations(module, source) == []


@pytest.mark.parametrize("module", [name for name in modules() if name != "__init__"])
def test_every_module_has_a_layer(module: str) -> None:
    assert module in LEVEL


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("der", "from .path import search"),
        ("policy", "from . import rsa"),
        ("policy", "def f():\n    from .ecdsa import verify"),
        ("policy", "import typing"),
        ("store", "import host_tools"),
        ("limits", "from .unheard_of import x"),
    ],
)
def test_a_forbidden_import_is_noticed(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


def test_native_code_is_never_given_back() -> None:
    # An ESP32 has executable memory back only at a soft reset: loaded twice, it is held twice.
    native = [file for file in PACKAGE.glob("*.py") if "@micropython.viper" in file.read_text()]
    assert native
    for file in native:
        assert file.read_text().rstrip().splitlines()[-1].startswith("_STAYS = True"), file.name


def test_the_device_package_is_read_from_this_clone() -> None:
    assert Path(trustanchor.errors.__file__).parent == PACKAGE
