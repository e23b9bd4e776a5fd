# SPDX-License-Identifier: MIT
"""`trustanchor init HOST[:PORT]`: from a live server to a board that trusts that server alone.

Makes a backup key in an encrypted file and a `main.py` that pins the server's key and the backup
key. Both pins go through the device's own judge() against the chain the server just sent, and the
program is tried on the fetched MicroPython (first_try.py has rules for where there is none), so a
program that could not connect is not written.

What it trusts is what it sees now: run it over a network you trust, or compare the printed
primary pin with `trustanchor pin` on the server itself.
"""

import argparse
import re
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from host_tools.build import deploy
from host_tools.build.runtime import RuntimeMissing
from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json, printable
from host_tools.cli.reasons import explain
from host_tools.signing import first_try, inputs, keyfiles, live, outputs
from trustanchor.compat import sha256
from trustanchor.kinds import CLOCK_KNOWN
from trustanchor.state import derive
from trustanchor.state.literals import literal
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked
from trustanchor.verdict.policy import judge
from trustanchor.x509 import names

_EXAMPLE = """\
examples:
  trustanchor init example.net
  trustanchor init broker.example.net:8883 --out broker --board /dev/ttyUSB0
"""

MAIN_FILE = "main.py"
KEY_FILE = "backup-key.pem"

_MAIN = """\
# Made by `trustanchor init`: trusts the holders of these two keys. A reset forgets what was seen.
from trustanchor import Context

HOST, PORT = "{host}", {port}
PRIMARY = "{primary}"  # the key the server uses today
BACKUP = "{backup}"  # the key in {key_file}
sock = Context(pins=[PRIMARY, BACKUP]).connect(HOST, PORT)
print("trusted:", HOST, PORT)
"""


_PROGRAM_BYTES = 1 << 12
_PIN = re.compile(rb'^(?:PRIMARY|BACKUP) = "([0-9a-f]{64})"', re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """What init found and made, before anything is written."""

    endpoint: live.Endpoint
    primary: bytes
    backup: bytes
    key_pem: bytes

    @property
    def main_py(self) -> bytes:
        return _MAIN.format(
            host=self.endpoint.host,
            port=self.endpoint.port,
            primary=self.primary.hex(),
            backup=self.backup.hex(),
            key_file=KEY_FILE,
        ).encode()


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "init",
        help="from a live server to a board that pins it",
        description="Pin a live server: fetch its key, make a backup key in an encrypted file "
        f"({KEY_FILE}) and write a {MAIN_FILE} for the board. Existing files are left alone; run "
        "again in the same folder, a second board gets the same program.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "server", metavar="HOST[:PORT]", help=f"port {live.DEFAULT_PORT} if not given"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("."), help="where the files go (here)"
    )
    parser.add_argument(
        "--board", metavar="PORT", help="serial port of a board to install it on and restart"
    )
    parser.add_argument(
        "--one-file",
        action="store_true",
        help="install the package as one archive: 128 KB of flash instead of 400, 3 KB more heap",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    keyfiles.add_new_passphrase_options(parser)


def run(arguments: argparse.Namespace) -> int:
    endpoint = live.parse_endpoint(arguments.server, live.DEFAULT_PORT)
    # The name goes into a program: what the device cannot ask for is refused before it is used.
    endpoint = live.Endpoint(names.parse_reference(endpoint.host).text, endpoint.port)
    folder: Path = arguments.out
    files = [folder / KEY_FILE, folder / MAIN_FILE]
    outputs.finish_set(files)
    plan = _known(files, endpoint)
    if plan is None:
        for file in files:
            if file.exists() or file.is_symlink():
                raise HostError(f"{file} exists already and is left as it is.", "host.exists")
    chain = live.fetch_chain(endpoint)
    made_up = None
    is_new = plan is None
    if plan is None:
        passphrase, is_made_up = keyfiles.new_passphrase(arguments, str(files[0]))
        made_up = passphrase if is_made_up else None
        plan = make_plan(endpoint, chain, passphrase)
    else:
        _judge(plan, chain)
    _try(plan, chain)

    # The board is opened first: if it is not there, nothing has been written yet.
    with _open_board(arguments.board) as board:
        if is_new:
            folder.mkdir(parents=True, exist_ok=True)
            outputs.write_set({files[0]: (plan.key_pem, 0o600), files[1]: (plan.main_py, 0o644)})
        # The only time a made-up passphrase is shown, and before the board may fail.
        if made_up is not None and not arguments.json:
            print(f"passphrase of {files[0]}, shown once: {made_up.decode()}", flush=True)
        if board is not None:
            form = "archive" if arguments.one_file else "mpy"
            deploy.install(board, {f"/{MAIN_FILE}": plan.main_py}, form)
            board.reset()
    _report(arguments, plan, files, made_up, is_new)
    return 0


def _known(files: list[Path], endpoint: live.Endpoint) -> Plan | None:
    """Return the plan of a folder that init has made for this server before, else None.

    The folder is the project: a second board gets the same program, and what was interrupted on a
    board goes on. A program that somebody has changed is no longer ours.
    """
    key, program = files
    if not (key.is_file() and program.is_file()):
        return None
    content = inputs.read(program, _PROGRAM_BYTES)
    pins = [bytes.fromhex(digits.decode()) for digits in _PIN.findall(content)]
    if len(pins) != 2:
        return None
    plan = Plan(endpoint, pins[0], pins[1], b"")
    return plan if plan.main_py == content else None


def _open_board(port: str | None) -> AbstractContextManager[deploy.Board | None]:
    return deploy.Board.open(port) if port else nullcontext()


def make_plan(endpoint: live.Endpoint, chain: list[bytes], passphrase: bytes) -> Plan:
    """Make the backup key and judge the chain as the device will; refuses as the device would."""
    backup_key = keyfiles.new_ec_key()
    primary = sha256(derive.spki_of(chain[0]))
    backup = sha256(keyfiles.public_der(backup_key))
    plan = Plan(endpoint, primary, backup, keyfiles.encrypted_pem(backup_key, passphrase))
    _judge(plan, chain)
    return plan


def _judge(plan: Plan, chain: list[bytes]) -> None:
    """Refuse what a device with this program would refuse, by its own code."""
    endpoint = plan.endpoint
    state = literal([plan.primary, plan.backup])
    asked = Asked(state.find_service(host=endpoint.host), endpoint.host, endpoint.port)
    verdict = judge(chain, asked, (int(time.time()), CLOCK_KNOWN), state, LocalState())
    if not verdict.accepted:
        raise HostError(
            f"A device would refuse {endpoint} as it is now: {verdict.code}: "
            f"{explain(verdict.code)}",
            verdict.code,
        )


def _try(plan: Plan, chain: list[bytes]) -> None:
    """Refuse what a board's TLS would not get on with, as the board would."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / MAIN_FILE
        program.write_bytes(plan.main_py)
        try:
            refused = first_try.refusal_of(program, live.TIMEOUT_S * 3)
        except RuntimeMissing:
            refused = first_try.unusable(chain)
    if refused is not None:
        code, detail = refused
        raise HostError(
            f"A device would not get on with {plan.endpoint}: {code}"
            f"{f' ({printable(detail)})' if detail else ''}: {explain(code)}",
            code,
        )


def _report(
    arguments: argparse.Namespace,
    plan: Plan,
    files: list[Path],
    made_up: bytes | None,
    is_new: bool,
) -> None:
    if arguments.json:
        value: dict[str, object] = {
            "host": plan.endpoint.host,
            "port": plan.endpoint.port,
            "primary": plan.primary.hex(),
            "backup": plan.backup.hex(),
            "files": [str(file) for file in files],
            "board": arguments.board,
        }
        if made_up is not None:
            value["passphrase"] = made_up.decode()
        print_json(value)
        return
    print(f"{plan.endpoint}")
    when = "just now" if is_new else "then"
    print(f"  primary  {plan.primary.hex()}  the key it proved to hold {when}")
    print(f"  backup   {plan.backup.hex()}  {files[0]}: keep it offline")
    print(f"  program  {files[1]}{'' if is_new else ', as it was'}")
    if arguments.board:
        print(f"  board    {printable(arguments.board)}: installed and restarted")
    else:
        print("on a board: mpremote mip install firmware/package.json")
        print(f"            mpremote cp {files[1]} :main.py")
