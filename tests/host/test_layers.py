# SPDX-License-Identifier: MIT
"""The folders of the device package are its layers: every import of it is parsed and compared."""

import ast
from pathlib import Path

import pytest

import trustanchor.errors

PACKAGE = Path(__file__).resolve().parents[2] / "firmware" / "trustanchor"

# What a folder may import from, besides itself and the ground ("", the package's own folder).
FOLDERS: dict[str, tuple[str, ...]] = {
    "": (),
    "encoding": (),
    "x509": ("encoding",),
    "crypto": ("encoding",),
    "state": ("encoding", "x509"),
    "verdict": ("crypto", "encoding", "state", "x509"),
    "update": ("crypto", "encoding", "state", "x509"),
    "store": ("crypto", "encoding", "state", "update"),
    "tls": ("state", "verdict", "x509"),
    "app": ("crypto", "encoding", "state", "store", "tls", "update", "verdict", "x509"),
}
# What other folders may ask cryptography for; the rest of it is behind these doors.
DOORS = "signatures", "cose_signatures", "own_key"

# Modules of the interpreter a device file may use. typing and what only CPython has are not here.
INTERPRETER = {
    "_thread",
    "array", "asyncio", "binascii", "errno", "gc", "hashlib", "io", "json", "micropython", "os",
    "select", "socket", "ssl", "struct", "sys", "time", "tls", "vfs",
}  # fmt: skip
HARDWARE = {"esp32", "machine", "network", "ntptime"}  # each in try/except or inside a function


def modules() -> list[str]:
    """Every module of the package as a path without `.py`: "crypto/rsa"."""
    found = PACKAGE.rglob("*.py")
    return sorted(file.relative_to(PACKAGE).with_suffix("").as_posix() for file in found)


# Machine code, made by host_tools/build/kernels for the processors that it knows.
KERNEL = "crypto/_kernel"
MODULES = frozenset([*modules(), KERNEL])


def folder_of(module: str) -> str:
    return module.rpartition("/")[0]


def imports(module: str, source: str) -> list[tuple[str, int]]:
    """Every import of a module as (name, line); ours as paths that begin with a slash."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", node.lineno))
        elif isinstance(node, ast.ImportFrom):
            folder = folder_of(module)
            above = folder if node.level == 1 else folder_of(folder)
            base = "/".join(
                part for part in (above, (node.module or "").replace(".", "/")) if part
            )
            names = [base] if base in MODULES else [
                f"{base}/{alias.name}".lstrip("/") for alias in node.names
            ]  # fmt: skip
            found += [("/" + name, node.lineno) for name in names]
    return found


def violations(module: str, source: str) -> list[str]:
    """Every import in source that the table forbids, as sentences."""
    found = []
    for name, line in imports(module, source):
        where = f"{module}.py:{line}"
        if not name.startswith("/"):
            if name.split(".")[0] not in INTERPRETER | HARDWARE:
                found.append(f"{where} imports {name}, which a device does not have")
            continue
        target = name[1:]
        here, there = folder_of(module), folder_of(target)
        if target not in MODULES:
            found.append(f"{where} imports {target}, which does not exist")
        elif here not in FOLDERS or there not in FOLDERS:
            found.append(f"{where}: the folder of {module} or of {target} is not in the table")
        elif there not in (here, "", *FOLDERS[here]):
            found.append(f"{where}: {here or 'the ground'} may not import from {there}")
        elif there == "crypto" != here and Path(target).name not in DOORS:
            found.append(f"{where} goes around the doors to {target}")
    return found


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Return the names that are on a circle of edges."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(edges.get(start, ()))
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += edges.get(name, ())
        return found

    return sorted(name for name in edges if name in reached(name))


@pytest.mark.parametrize("module", modules())
def test_imports_follow_the_layers(module: str) -> None:
    assert violations(module, (PACKAGE / f"{module}.py").read_text()) == []


def test_no_folder_stands_on_itself() -> None:
    assert circles({folder: set(below) for folder, below in FOLDERS.items()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def test_no_module_stands_on_itself() -> None:
    edges = {
        module: {
            name[1:]
            for name, _ in imports(module, (PACKAGE / f"{module}.py").read_text())
            if name.startswith("/")
        }
        for module in modules()
    }
    assert circles(edges) == []


def test_every_folder_of_the_table_exists_and_has_no_init_file() -> None:
    # A file of its own would cost a board a block of flash for nothing: MicroPython needs none.
    assert {folder_of(module) for module in modules()} == set(FOLDERS)
    assert [module for module in modules() if module.endswith("__init__")] == ["__init__"]


def test_no_two_folders_have_a_module_of_one_name() -> None:
    # compat.forget() names modules without their folders, and so do tracebacks of a board.
    names = [Path(module).name for module in modules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("encoding/der", "from ..verdict.path import search"),
        ("verdict/policy", "from ..crypto import rsa"),
        ("verdict/policy", "def f():\n    from ..crypto.ecdsa import verify"),
        ("verdict/policy", "import typing"),
        ("store/trust_store", "import host_tools"),
        ("store/trust_store", "from ..tls import client"),
        ("store/trust_store", "from ..tls.client import Context"),
        ("limits", "from .unheard_of import x"),
        ("limits", "from .encoding import der"),
        ("cellar/box", "from ..errors import TrustError"),
    ],
)
def test_a_forbidden_import_is_noticed(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


def test_native_code_is_never_given_back() -> None:
    # An ESP32 has executable memory back only at a soft reset: loaded twice, it is held twice.
    native = [file for file in PACKAGE.rglob("*.py") if "@micropython.viper" in file.read_text()]
    assert native
    for file in native:
        assert file.read_text().rstrip().splitlines()[-1].startswith("_STAYS = True"), file.name


def test_the_device_package_is_read_from_this_clone() -> None:
    assert Path(trustanchor.errors.__file__).parent == PACKAGE
