# SPDX-License-Identifier: MIT
"""The simulator's parts alone: REPL protocol, NVS, flash."""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tools.build import runtime
from host_tools.sim.board import FOLDER
from host_tools.sim.nvs import Nvs, NvsError
from host_tools.sim.repl import SOFT_RESET, SOURCE_BYTES, Command, Repl

_spec = importlib.util.spec_from_file_location("sim_flash", FOLDER / "flash.py")
assert _spec and _spec.loader
flash = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(flash)


class Host:
    """A REPL whose commands end at once."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.commands: list[Command] = []
        self.repl = Repl(self.sent.extend, "banner\r\n")

    def type(self, data: bytes) -> None:
        while data:
            taken, command = self.repl.feed(data)
            assert 0 < taken <= len(data)
            data = data[taken:]
            if command == SOFT_RESET:
                self.repl.prompt()
            elif command:
                self.commands.append(command)
                self.repl.output_ended()
                self.repl.command_ended()


_interesting = st.sampled_from(
    [
        b"\x01",
        b"\x02",
        b"\x03",
        b"\x04",
        b"\x05",
        b"\x05A\x01",
        b"A",
        b"\r",
        b"\n",
        b"\x7f",
        b"if 1:",
        b"\x1b",
        b"\x1b[",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_interesting | st.binary(max_size=40), max_size=30))
def test_after_any_bytes_a_host_gets_its_answer(pieces: list[bytes]) -> None:
    host = Host()
    for piece in pieces:
        host.type(piece)
    host.commands.clear()
    host.sent.clear()
    host.type(b"\r\x03\r\x01")
    assert host.sent.endswith(b"raw REPL; CTRL-B to exit\r\n>")
    host.sent.clear()
    host.type(b"\x05A\x01print(1)\x04")
    assert host.sent == b"R\x01\x80\x00\x01\x04\x04\x04>"
    assert host.commands[-1:] == [Command(b"X", b"print(1)")]


def test_an_arrow_key_types_nothing_at_the_prompt() -> None:
    for key in (b"\x1b[A", b"\x1bOP", b"\x1b[1;5C", b"\x1b[3~", b"\x1bb", b"\x1b\x1b[B"):
        host = Host()
        host.type(b"1" + key + b"+1\r")
        assert host.commands == [Command(b"L", b"1+1\n")]
    host = Host()
    host.type(b"1\x1b\x0323\r")  # Ctrl-C ends an escape sequence too
    assert host.commands == [Command(b"L", b"23\n")]


def test_raw_paste_grants_one_window_for_each_consumed() -> None:
    host = Host()
    host.type(b"\x01\x05A\x01")
    host.sent.clear()
    host.type(b"x" * 300)
    assert host.sent == b"\x01\x01"


def test_a_source_beyond_the_limit_is_ended_by_the_device() -> None:
    host = Host()
    host.type(b"\x01\x05A\x01")
    host.type(b"x" * (SOURCE_BYTES + 5000) + b"\x04")
    assert host.commands == []
    assert host.sent.count(b"MemoryError") == 1
    assert host.sent.endswith(b"\x04>")


def test_a_block_at_the_prompt_waits_for_its_empty_line() -> None:
    host = Host()
    host.type(b"if x:\r  y\r")
    assert host.commands == []
    host.type(b"\r")
    assert host.commands == [Command(b"L", b"if x:\n  y\n\n")]


def test_uncommitted_nvs_values_are_kept_or_lost_by_seed(tmp_path: Path) -> None:
    outcomes = set()
    for seed in range(20):
        path = tmp_path / f"{seed}.json"
        nvs = Nvs(path, seed)
        nvs.call("set_i32", "n", "kept", b"1")
        nvs.call("commit", "n", "", b"")
        nvs.call("set_i32", "n", "kept", b"2")
        nvs.call("set_blob", "n", "new", b"x")
        assert nvs.call("get_i32", "n", "kept", b"") == b"2"
        nvs.lose_power()
        again = Nvs(path, seed)
        assert again.identity == nvs.identity
        try:
            new = again.call("get_blob", "n", "new", b"")
        except NvsError as error:
            new = error.name.encode()
        outcomes.add((again.call("get_i32", "n", "kept", b""), new))
    lost = b"ESP_ERR_NVS_NOT_FOUND"
    assert outcomes == {(b"1", b"x"), (b"2", b"x"), (b"1", lost), (b"2", lost)}


def test_committed_nvs_values_survive_and_a_full_nvs_refuses(tmp_path: Path) -> None:
    nvs = Nvs(tmp_path / "nvs.json", 0)
    with pytest.raises(NvsError, match="NOT_ENOUGH_SPACE"):
        for number in range(9):
            nvs.call("set_blob", "n", f"k{number}", bytes(4000))
    nvs.call("commit", "n", "", b"")
    nvs.lose_power()
    assert len(Nvs(tmp_path / "nvs.json", 0).call("get_blob", "n", "k0", b"")) == 4000
    nvs.erase()
    with pytest.raises(NvsError, match="NOT_FOUND"):
        Nvs(tmp_path / "nvs.json", 0).call("get_blob", "n", "k0", b"")


def test_flash_clears_bits_only_and_erases_whole_blocks(tmp_path: Path) -> None:
    nor = flash.Flash(str(tmp_path / "nor.img"), 4096, 4)
    nor.writeblocks(1, b"\xf0\x0f", 10)
    nor.writeblocks(1, b"\xff\x03", 10)
    seen = bytearray(3)
    assert nor.readblocks(1, seen, 10) == 0
    assert seen == b"\xf0\x03\xff"
    nor.ioctl(6, 1)
    nor.readblocks(1, seen, 10)
    assert seen == b"\xff\xff\xff"
    assert (nor.writes, nor.erases) == (2, 1)
    assert (nor.ioctl(4, 0), nor.ioctl(5, 0)) == (4, 4096)
    nor.writeblocks(2, b"\x55" * 8192)  # the simple interface: two whole blocks
    assert (nor.writes, nor.erases) == (3, 3)
    nor.close()


def test_flash_refuses_what_is_outside(tmp_path: Path) -> None:
    nor = flash.Flash(str(tmp_path / "nor.img"), 4096, 4)
    for block, offset in ((4, 0), (3, 4095), (-1, 0), (0, -1)):
        with pytest.raises(OSError):
            nor.readblocks(block, bytearray(2), offset)
        with pytest.raises(OSError):
            nor.writeblocks(block, b"ab", offset)
    assert nor.operations == 0
    nor.close()


@pytest.mark.parametrize(("torn", "expected"), [(None, b"abcdef"), (0, b"\xff"), (2, b"ab\xff")])
def test_flash_loses_power_at_the_chosen_operation(
    tmp_path: Path, torn: int | None, expected: bytes
) -> None:
    path = str(tmp_path / "nor.img")
    nor = flash.Flash(path, 4096, 4, cut_at=2, torn=torn)
    nor.ioctl(6, 0)
    with pytest.raises(flash.PowerCut):
        nor.writeblocks(0, b"abcdef", 0)
    for dead in (
        lambda: nor.readblocks(0, bytearray(1)),
        lambda: nor.writeblocks(1, b"x", 0),
        lambda: nor.ioctl(6, 0),
    ):
        with pytest.raises(flash.PowerCut):
            dead()
    nor.close()
    again = flash.Flash(path, 4096, 4)
    seen = bytearray(len(expected))
    again.readblocks(0, seen)
    assert seen == expected
    again.close()


def test_littlefs_on_the_same_flash_survives_every_cut_in_one_process(tmp_path: Path) -> None:
    """As the store's power-cut harness uses it: PowerCut passes through LittleFS, then a new
    mount of the same image."""
    script = """
import sys, vfs
sys.path.append(sys.argv[1])
from flash import Flash, PowerCut
path = sys.argv[2]
vfs.VfsLfs2.mkfs(Flash(path, 4096, 16))
def mounted(**options):
    device = Flash(path, 4096, 16, **options)
    vfs.mount(vfs.VfsLfs2(device), "/f")
    return device
def put(data):
    with open("/f/new", "wb") as f: f.write(data)
    import os
    os.rename("/f/new", "/f/file")
def got():
    with open("/f/file", "rb") as f: return f.read()
mounted(); put(b"old" * 200); vfs.umount("/f")
cut = 0
while True:
    cut += 1
    device = mounted(cut_at=cut, torn=cut % 7)
    try:
        put(b"new" * 300)
        break
    except PowerCut:
        pass
    vfs.umount("/f")
    device.close()
    mounted()
    assert got() in (b"old" * 200, b"new" * 300), cut
    put(b"old" * 200)
    vfs.umount("/f")
print("cuts", cut)
"""
    import subprocess

    interpreter = runtime.find(32)
    file = tmp_path / "cuts.py"
    file.write_text(script)
    done = subprocess.run(
        interpreter.command(str(file), str(FOLDER), str(tmp_path / "nor.img"), heap="100K"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Above it may be tracebacks: MicroPython prints what a collected file's close raises.
    assert done.stdout.splitlines()[-1].startswith("cuts "), done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 10
    assert "flash" not in sys.modules  # CPython's tests use their own copy
