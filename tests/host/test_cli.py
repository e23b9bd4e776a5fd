# SPDX-License-Identifier: MIT
"""The frame of the `trustanchor` command: exit codes, one sentence a failure, no traceback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import certifi
import pytest

import trustanchor
from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from trustanchor.errors import MalformedError, Refused

ROOT = Path(__file__).resolve().parent.parent.parent


class Command:
    """A subcommand that does what a test says, in place of a real one."""

    def __init__(self, action):
        self.run = action

    def add_parser(self, subparsers):
        parser = subparsers.add_parser("try")
        parser.add_argument("--json", action="store_true")


@pytest.fixture
def run_try(monkeypatch):
    def run(action, *words):
        monkeypatch.setattr(cli, "command_names", lambda: ["try"])
        monkeypatch.setattr(cli, "_load", lambda name: Command(action))
        return cli.main(["try", *words])

    return run


def fails(error):
    def action(arguments):
        raise error

    return action


def test_every_subcommand_shows_an_example_in_its_help(capsys):
    assert "pin" in cli.command_names()
    for name in cli.command_names():
        with pytest.raises(SystemExit) as end:
            cli.main([name, "--help"])
        assert end.value.code == 0
        shown = capsys.readouterr().out
        # Once in the usage line, once more in an example.
        assert shown.count(f"trustanchor {name}") >= 2, name


def test_help_lists_every_subcommand(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    # A long name has its help on the line below.
    listed = re.findall(r"^    ([a-z-]+)(?: +\S.*)?$", shown, re.M)
    assert [name for name in cli.command_names() if name not in listed] == []


def test_version_is_the_device_packages(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == trustanchor.__version__


def test_no_arguments_is_usage_and_shows_the_help(capsys):
    assert cli.main([]) == 2
    assert "COMMAND" in capsys.readouterr().err


def test_an_unknown_command_is_usage_and_suggests_the_nearest(capsys):
    assert cli.main(["pni"]) == 2
    assert "did you mean `pin`?" in capsys.readouterr().err


def test_an_unknown_command_like_none_lists_them_all(capsys):
    assert cli.main(["\x1b[31mxyzzy"]) == 2
    shown = capsys.readouterr().err
    assert "pin" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "words", [["pin"], ["pin", "--no-such"], ["--no-such"], ["demo", "x"], ["demo", "--js"]]
)
def test_wrong_arguments_are_usage_in_two_lines(words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    command = " ".join(["trustanchor", *words[:1]]) if words[0] != "--no-such" else "trustanchor"
    assert lines[0].startswith(f"{command}: ")
    assert lines[1] == f"Try `{command} --help`."


def test_a_commands_exit_code_is_passed_on(run_try):
    assert run_try(lambda arguments: 0) == 0
    assert run_try(lambda arguments: 1) == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (HostError("The cat has it."), "The cat has it."),
        (MalformedError("der.tag", 3), "der.tag: "),
        (Refused("tls.timeout"), "tls.timeout: "),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_a_failure_is_one_sentence_and_exit_code_1(run_try, capsys, error, sentence):
    assert run_try(fails(error)) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"trustanchor: {sentence}")
    assert len(shown.err.splitlines()) == 1


def test_a_file_that_is_not_there_is_exit_code_3(run_try, capsys):
    assert run_try(fails(FileNotFoundError(2, "No such file", "x\x1b[2J"))) == 3
    shown = capsys.readouterr()
    assert shown.err == "trustanchor: x\\x1b[2J: No such file\n"
    assert run_try(fails(HostError("No such file.", "input.no_such_file"))) == 3


def test_wrong_usage_is_an_object_too_under_json(capsys):
    for words in (["pin", "--json", "--nothing"], ["bundle", "--json"], ["keygen", "--json"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 2
        shown = capsys.readouterr()
        assert json.loads(shown.out)["error"]["code"] == "host.usage"
        assert "--help" in shown.err
    with pytest.raises(SystemExit):
        cli.main(["pin", "--nothing"])
    assert capsys.readouterr().out == ""


def test_the_exit_codes_are_said_where_people_look(capsys):
    cli.main([])
    shown = " ".join(capsys.readouterr().err.split())
    page = (ROOT / "host_tools" / "TRANSCRIPTS.md").read_text()
    for code, meaning in cli.EXIT_CODES.items():
        assert f"{code} {meaning}" in shown
        assert f"| {code} | {meaning} |" in page


def test_a_failure_under_json_is_an_object_with_its_code(run_try, capsys):
    assert run_try(fails(HostError("The cat has it.", "host.cat")), "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"error": {"code": "host.cat", "message": "The cat has it."}}


def test_a_fault_of_the_program_is_not_hidden(run_try):
    with pytest.raises(ZeroDivisionError):
        run_try(lambda arguments: 1 // 0)


def test_an_interrupt_is_quiet(run_try, capsys):
    assert run_try(fails(KeyboardInterrupt())) == 128 + signal.SIGINT
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""


def test_ctrl_c_ends_the_real_command_quietly(tmp_path):
    fifo = tmp_path / "never"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    command = [sys.executable, "-m", "host_tools.cli", "pin", str(fifo)]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    # Opening the fifo waits until the command has it open too: then it is in its run().
    with child, open(fifo, "wb"):
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        _, shown = child.communicate(timeout=20)
    assert (child.returncode, shown) == (128 + signal.SIGINT, b"")


@pytest.mark.parametrize("words", [["--help"], ["pin", "--help"]])
def test_a_reader_that_leaves_early_is_no_error(words):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "host_tools.cli", *words]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=20)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def shell(script, **environment):
    command = f"'{sys.executable}' -m host_tools.cli {script}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_a_full_disk_behind_standard_output_is_one_sentence():
    done = shell(f"pin --json '{certifi.where()}' > /dev/full")
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_fault(closed):
    done = shell(f"pin - {closed} < /dev/null")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_terminal_without_unicode_gets_escapes(tmp_path):
    file = tmp_path / "m\u00fcnchen"
    file.touch()
    done = shell(f"pin '{file}'", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "m\\xfcnchen: empty." in done.stderr


def test_arguments_that_are_not_utf_8_are_one_sentence():
    done = shell("pin $'\\xff\\xfe.pem'")
    assert done.returncode == 3
    assert done.stderr.startswith("trustanchor: \\udcff\\udcfe.pem: no such file.")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("trustanchor bun", "bundle"),
        ("trustanchor bundle me", "merge"),
        ("trustanchor bundle sign --cur", "--current"),
        ("trustanchor xyz", None),
    ],
)
def test_a_shell_completes_commands_and_options(
    line: str, expected: str | None, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(told),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-m", "host_tools.cli"], env={**os.environ, **asked}, cwd=ROOT, timeout=60
    )
    words = told.read_text().replace("\v", "\n").split()
    assert words == ([expected] if expected else [])
