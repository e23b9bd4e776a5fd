# SPDX-License-Identifier: MIT
"""What may not be in the repository: every file git knows is read.

Keys are made at run time, dependencies come through the machine's own configuration, and nothing
depends on where one machine keeps its files.
"""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().relative_to(ROOT).as_posix()

# Written so that this file does not match itself.
FORBIDDEN = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\n|\s)+[A-Za-z0-9+/]{40}",
    "the address of a registry": (
        r"(?i)https?://[a-z0-9.-]*(?:pypi|pythonhosted|npmjs|debian|ubuntu)\b"
    ),
    "an option that names a registry": (
        r"(?m)^--?(?:index-url|extra-index-url|find-links|trusted-host|i|f)\b"
    ),
    "a home folder": r"(?<![\w.~}/-])/(?:home|root|Users|mnt)/[\w.-]+",
    "an unfinished place": r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b",
    "a conflict": r"(?m)^(?:<{7}|>{7}) ",
}


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("this tree is no git clone")
    return [name for name in listing.stdout.decode().split("\0") if (ROOT / name).is_file()]


def findings(name: str, text: str) -> list[str]:
    """What of FORBIDDEN stands in the text, and which machine's folder it names."""
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {what}: {match.group()[:40]!r}"
        for what, pattern in FORBIDDEN.items()
        for match in re.finditer(pattern, text)
    ]
    if re.search(re.escape(str(ROOT)) + r"(?![\w-])", text):
        found.append(f"{name}: the folder of this clone")
    return found


def test_no_file_holds_a_key_a_registry_or_a_path_of_one_machine() -> None:
    found = []
    for name in tracked():
        if name != HERE:
            found += findings(name, (ROOT / name).read_bytes().decode())
    assert not found, "\n".join(found)


def test_every_module_that_a_target_runs_is_there() -> None:
    text = (ROOT / "Makefile").read_text()
    named = re.findall(r"-m ((?:host_tools|tests)[\w.]*)", text)
    assert len(named) > 10
    for name in named:
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or path.is_dir(), name


def test_every_file_is_text() -> None:
    binary = []
    for name in tracked():
        content = (ROOT / name).read_bytes()
        try:
            content.decode()
        except UnicodeDecodeError:
            binary.append(name)
        if b"\0" in content or (content and not content.endswith(b"\n")):
            binary.append(name)
    assert not binary


def test_no_file_is_a_link_out_of_the_clone() -> None:
    links = [name for name in tracked() if (ROOT / name).is_symlink()]
    assert not [name for name in links if ROOT not in (ROOT / name).resolve().parents]


def test_every_source_says_its_licence() -> None:
    sources = [name for name in tracked() if name.endswith((".py", ".c"))]
    heads = {name: _head(name) for name in sources}
    assert [
        n for n, head in heads.items() if head and "SPDX-License-Identifier: MIT" not in head
    ] == []


def test_no_test_is_skipped_without_a_reason() -> None:
    silent = []
    for name in tracked():
        if name.startswith("tests/") and name.endswith(".py"):
            silent += [f"{name}:{line}" for line in silent_skips((ROOT / name).read_text())]
    assert not silent


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC " + "PRIVATE KEY-----\n" + "A" * 64,
        "see https://" + "pypi.org/simple",
        "--index-url " + "https://example.net",
        "open('/ho" + "me/someone/key')",
        "# TO" + "DO: later",
        f"cd {ROOT}",
    ],
)
def test_each_of_them_would_be_found(text: str) -> None:
    assert findings("file", text)


@pytest.mark.parametrize(
    "text",
    [
        "@pytest.mark.skip\ndef f(): ...",
        "pytest.skip()",
        "@mark.skipif(x)\ndef f(): ...",
        "skip('')",
    ],
)
def test_a_skip_without_a_reason_would_be_found(text: str) -> None:
    assert silent_skips(text)


def test_a_skip_with_a_reason_is_allowed() -> None:
    assert not silent_skips("pytest.skip('no token')\n@mark.skipif(x, reason='y')\ndef f(): ...")


def silent_skips(source: str) -> list[int]:
    """The lines where something is skipped or expected to fail and nothing says why."""
    tree = ast.parse(source)
    said = set()
    silent = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        said.add(node.func)
        words = [k.value for k in node.keywords if k.arg in ("reason", "msg")]
        if name in ("skip", "xfail"):
            words += node.args[:1]
        elif name not in ("skipif", "importorskip"):
            continue
        owner = getattr(node.func, "value", None)  # of a method; a Reader has skip(), too
        if owner is not None and _name(owner) not in ("pytest", "mark"):
            continue
        if not words or not all(not isinstance(w, ast.Constant) or w.value for w in words):
            silent.append(node.lineno)
    silent += [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("skip", "xfail")
        and _name(node.value) == "mark"
        and node not in said
    ]
    return silent


def _name(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _head(name: str) -> str:
    with open(ROOT / name) as file:
        return file.read(200)
