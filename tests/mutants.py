# SPDX-License-Identifier: MIT
"""Finds tests that cannot fail: each rule of the device is taken away, a test must notice.

    python tests/mutants.py [part of a name ...]

Every mutant is one replacement in a copy of the tree, in a folder of its own; this tree is never
touched. Prints a line each. Exit code 0: all were noticed; 1: one survived; 2: one does not apply
any more, or the tests fail without it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 300


@dataclass(frozen=True)
class Mutant:
    """In `file` of the device package `old`, which occurs once, becomes `new`."""

    name: str
    file: str
    old: str
    new: str
    tests: str  # what must fail: test files of tests/portable by name, or paths


MUTANTS = (
    # The verdict.
    Mutant("judge accepts everything", "policy.py",
           "    except TrustError as refusal:\n        verdict.code = refusal.code",
           "    except TrustError as refusal:\n        verdict.accepted = True\n"
           "        verdict.code = refusal.code",
           "policy_key policy_path"),
    Mutant("a clock need not be known", "policy.py",
           "if service.needs_clock and not self.known:", "if False:", "policy_key"),
    Mutant("a state never grows too old", "policy.py",
           "self.at - self.state.issued_at > age:", "self.at < 0:", "policy_key"),
    Mutant("floors are ignored", "policy.py",
           "bound = max(local.floor, local.bound, state.issued_at)", "bound = 0",
           "policy_key policy_path"),
    Mutant("mode key ignores the end of a certificate", "mode_key.py",
           "if case.at > not_after:", "if False:", "policy_key"),
    Mutant("mode key ignores the beginning of a certificate", "mode_key.py",
           "if case.known and case.at < not_before:", "if False:", "policy_key"),
    Mutant("mode key never checks the name", "mode_key.py",
           "elif service.check_name:", "elif False:", "policy_key"),
    Mutant("mode key never checks the purpose", "mode_key.py",
           "if service.check_eku:", "if False:", "policy_key"),
    Mutant("mode key ignores the deny list", "mode_key.py",
           'raise PathError("path.key_denied")', "pass", "policy_key"),
    Mutant("path mode needs no host", "mode_path.py",
           "elif host is None and service.hosts is not None:", "elif False:", "policy_path"),
    Mutant("path mode needs no pin", "mode_path.py",
           "if service.enforce:\n            raise PinError(code)", "if False:\n            pass",
           "policy_path"),
    Mutant("expired pins go without a verified clock", "mode_path.py",
           "if not case.known or case.clock < CLOCK_VERIFIED:", "if False:", "policy_path"),
    Mutant("an intermediate's pin moves the ratchet", "mode_path.py",
           "pin = case.match(path.keys[:1])", "pin = case.match(path.keys)", "policy_path"),
    Mutant("a remembered path ignores the deny list", "mode_path.py",
           "if any(case.state.is_denied(key) for key in keys):", "if False:",
           "policy_cache cache_verdict"),
    Mutant("a remembered path ignores its end", "mode_path.py",
           "not cached[0] <= case.at <= cached[1]", "not cached[0] <= case.at",
           "policy_cache cache_verdict"),
    Mutant("a remembered path needs no pin", "mode_path.py",
           "if needs_pin and pin is None:\n        return False",
           "if False:\n        return False", "policy_cache cache_verdict"),
    # Pins.
    Mutant("only the first pin counts", "pins.py",
           "for index, pin in enumerate(pin_set.pins):\n        if pin.spki_sha256 in keys",
           "for index, pin in enumerate(pin_set.pins[:1]):\n        if pin.spki_sha256 in keys",
           "pins policy_key"),
    Mutant("any live pin matches any key", "pins.py",
           "if pin.spki_sha256 in keys and _status", "if _status", "pins policy_key"),
    Mutant("retired pins match", "pins.py", "return _RETIRED", "pass", "pins policy_key"),
    Mutant("denied pins match", "pins.py", "return _DENIED", "pass", "pins"),
    # The path.
    Mutant("a denied leaf passes", "path.py",
           "if question.is_denied(leaf.spki_sha256):", "if False:", "path_rules"),
    Mutant("a denied issuer passes", "path.py",
           "        if question.is_denied(key):\n"
           '            return _DENIED, "path.key_denied"\n'
           "        if question.is_over(issuer",
           "        if question.is_over(issuer", "path_rules"),
    Mutant("a denied anchor passes", "path.py",
           "        if question.is_denied(key):\n"
           '            return _DENIED, "path.key_denied"\n'
           "        if question.is_over(anchor",
           "        if question.is_over(anchor", "path_rules"),
    Mutant("an expired leaf passes", "path.py",
           "if question.is_over(leaf.not_after):", "if False:", "path_rules"),
    Mutant("an expired issuer passes", "path.py",
           "if question.is_over(issuer.not_after):", "if False:", "path_rules"),
    Mutant("an issuer need be no CA", "path.py",
           "if not issuer.is_ca:", "if False:", "path_rules"),
    Mutant("an issuer need not sign certificates", "path.py",
           "issuer.key_usage is not None and not issuer.key_usage & KU_KEY_CERT_SIGN", "False",
           "path_rules"),
    Mutant("an unknown critical extension of a leaf passes", "path.py",
           "if leaf.unknown_critical is not None:", "if False:", "path_rules"),
    Mutant("an unknown critical extension of a CA passes", "path.py",
           "if issuer.unknown_critical is not None:", "if False:", "path_rules"),
    Mutant("a CA for another purpose passes", "path.py",
           "if not allows_issuing(issuer, question.purpose):", "if False:", "path_rules"),
    Mutant("a leaf for another purpose passes", "identity.py",
           "if leaf.eku is not None and not leaf.has_eku(usage(purpose)):", "if False:",
           "path_rules policy_key"),
    Mutant("the host is not compared", "path.py",
           "if question.host is not None:\n        check_name(leaf, question.host)", "",
           "path_rules policy_path"),
    Mutant("pathLen is not counted", "path.py", "if below > path_len:", "if False:", "path_rules"),
    Mutant("name constraints are ignored", "path.py",
           "if name_constraints is not None:", "if False:", "constraints_in_paths"),
    Mutant("an anchor's purposes are ignored", "path.py",
           "if not anchor.purposes & question.purpose:", "if False:", "path_rules"),
    Mutant("an anchor's hosts are ignored", "path.py",
           "if anchor.hosts is not None and not (", "if False and not (", "path_rules"),
    Mutant("an anchor's end is ignored", "path.py",
           "if question.is_over(anchor.trust_until):", "if False:", "path_rules"),
    Mutant("a distrusted anchor vouches for new leaves", "path.py",
           "if after is not None and self.path[0].not_before > after:", "if False:", "path_rules"),
    Mutant("a bad signature passes", "path.py",
           'None if valid else "path.bad_signature"', "None", "path path_rules"),
    Mutant("an unsupported signature passes", "path.py",
           "return error.code  # SHA-1", "return None  # SHA-1",
           "path path_rules path_real"),
    Mutant("the budget of signatures is infinite", "path.py",
           "if self.work + cost > limits.PATH_SIGNATURES:", "if False:", "path"),
    Mutant("a dear signature counts as a cheap one", "path.py",
           "cost = min(signatures.cost_of(spki), limits.PATH_SIGNATURES)", "cost = 1",
           "path_hostile"),
    Mutant("what was verified is remembered without its certificate", "path.py",
           "pair = sha256(child.der, key)", "pair = key", "path_hostile path"),
    Mutant("the budget of steps is infinite", "path.py",
           "if self.steps > limits.PATH_STEPS:", "if False:", "path"),
    Mutant("the budget of certificates is infinite", "path.py",
           "> limits.PATH_CERTIFICATES:", "> 1000000:", "path"),
    Mutant("the budget of depth is infinite", "path.py",
           "if len(self.path) > question.max_intermediates:", "if False:", "path path_rules"),
    Mutant("anybody makes a VerifiedPath", "path.py",
           "if proof is not _PROOF:", "if False:", "path"),
    # Names.
    Mutant("a wildcard stands for many labels", "names.py",
           "dns[dot:] == rest", "dns.endswith(rest)", "names"),
    Mutant("a wildcard stands for everything under a top level", "names.py",
           'rest.count(b".") >= 2', 'rest.count(b".") >= 1', "names"),
    # TLS.
    Mutant("the leaf TLS saw is not compared", "handshake.py",
           "if self._tls.getpeercert(True) != bytes(self._chain[0]):", "if False:",
           "handshake_gates"),
    Mutant("a refusal lets the connection go on", "handshake.py",
           "if verdict.contradicted is None:\n                raise self._refused", "",
           "handshake_gates"),
    Mutant("trust that is gone is not judged again", "handshake.py",
           "if not stands:", "if False:", "handshake_gates"),
    Mutant("a missing chain is judged", "handshake.py",
           'if not self._chain:\n            raise Refused("tls.chain_hidden")', "",
           "handshake_gates"),
    Mutant("writes do not wait for the verdict", "handshake.py",
           "        if not self._may_pass():\n            return None\n"
           "        return self._tls.write(",
           "        return self._tls.write(", "handshake_gates"),
    Mutant("reads do not wait for the verdict", "handshake.py",
           "if self._is_done and not self._is_closed:\n            return True", "return True",
           "handshake_gates"),
    Mutant("a handshake has all the time", "handshake.py",
           "if self._remaining_ms() <= 0:\n            raise", "if False:\n            raise",
           "tests/integration/test_hostile.py"),
    Mutant("the tap withholds nothing from the server", "tap.py",
           "if _AWAIT_HELLO < self.phase < _RELEASED:", "if False:", "tap"),
    Mutant("the tap withholds nothing from TLS", "tap.py",
           "if self.phase == _RECORDED:\n                return None",
           "if False:\n                return None", "tap"),
    Mutant("a step reads for as long as a server speaks", "tap.py",
           "if self.reads < _STEP_READS else None", "", "tap"),
    Mutant("a chain of any size is kept", "tap.py",
           "elif length > CHAIN_BYTES:", "elif False:", "tap"),
    Mutant("any number of certificates is kept", "tap.py",
           "if len(chain) == CHAIN_CERTIFICATES:", "if False:",
           "tap tests/integration/test_connections.py"),
    Mutant("any version is followed", "tap.py",
           "elif version != _TLS_1_3:", "elif False:", "tap"),
    Mutant("a resumed session has no need of a chain", "tap.py",
           'self.refuse("tls.chain_hidden")\n            elif self._message == 0',
           "pass\n            elif self._message == 0", "tap"),
    Mutant("a full heap before the handshake has no code", "client.py",
           'return Refused("tls.no_memory")', "return MemoryError()",
           "tests/integration/test_hostile.py"),
)  # fmt: skip


def main() -> int:
    wanted = sys.argv[1:]
    chosen = [m for m in MUTANTS if not wanted or any(word in m.name for word in wanted)]
    with tempfile.TemporaryDirectory(prefix="mutants ") as folder:
        clean = Path(folder) / "clean"
        copy_tree(clean)
        selections = sorted({path for m in chosen for path in paths(m)})
        if run(clean, selections)[0] != 0:
            print("the tests fail without any mutant", run(clean, selections)[1], sep="\n")
            return 2
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            work = [(m, clean, Path(folder) / f"{i}") for i, m in enumerate(chosen)]
            outcomes = list(pool.map(lambda item: judge(*item), work))
    print(f"{outcomes.count(0)} of {len(outcomes)} mutants noticed")
    return max(outcomes, default=2)


def judge(mutant: Mutant, clean: Path, folder: Path) -> int:
    started = time.monotonic()
    shutil.copytree(clean, folder, symlinks=True)
    file = folder / "firmware" / "trustanchor" / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        print(f"STALE     {mutant.name}: {text.count(mutant.old)} places in {mutant.file}")
        return 2
    file.write_text(text.replace(mutant.old, mutant.new))
    status, output = run(folder, paths(mutant))
    shutil.rmtree(folder)
    seconds = time.monotonic() - started
    if status == 0:
        print(f"SURVIVED  {mutant.name} ({mutant.file}; {mutant.tests})", flush=True)
        return 1
    if status != 1:
        print(f"BROKEN    {mutant.name}\n{output}", flush=True)
        return 2
    print(f"noticed   {mutant.name} ({seconds:.0f} s)", flush=True)
    return 0


def paths(mutant: Mutant) -> list[str]:
    return [
        name if "/" in name else f"tests/portable/test_{name}.py" for name in mutant.tests.split()
    ]


def run(folder: Path, selection: list[str]) -> tuple[int, str]:
    """Run tests in the copy; pytest's exit code (1: some failed) and the end of its output."""
    code = [str(folder / "firmware"), str(folder), str(folder / "tests" / "portable")]
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *selection]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(code),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return 1, f"no end within {TIMEOUT_S} s"
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def copy_tree(folder: Path) -> None:
    """What git knows or would know, and what `make setup` and `make fixtures` have made."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in listing.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    build = folder / "build"
    build.mkdir()
    shutil.copytree(ROOT / "build" / "fixtures", build / "fixtures")
    shutil.copytree(ROOT / "build" / "bin", build / "bin", symlinks=True)
    (build / "micropython").symlink_to(ROOT / "build" / "micropython")
    (folder / ".venv").symlink_to(ROOT / ".venv")


if __name__ == "__main__":
    sys.exit(main())
