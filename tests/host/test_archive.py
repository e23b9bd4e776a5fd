# SPDX-License-Identifier: MIT
"""The package as one file: what it takes of a board's flash, and that `import` finds all of it."""

from pathlib import Path

import pytest
from littlefs import LittleFS

from host_tools.build import archive, deploy
from host_tools.sim.board import Board

_BLOCK = 4096


def flash_bytes(files: dict[str, bytes]) -> int:
    """What a LittleFS of a 4 MiB board (2 MiB for files) has less of, with these files on it."""
    fs = LittleFS(block_size=_BLOCK, block_count=512, read_size=32, prog_size=32)
    empty = fs.used_block_count
    for name, content in files.items():
        path = f"/lib/trustanchor/{name}"
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        with fs.open(path, "wb") as file:
            file.write(content)
    return (fs.used_block_count - empty) * _BLOCK


def test_one_file_takes_at_most_160_kb_of_flash() -> None:
    assert flash_bytes(deploy.package_files("archive", "xtensawin")) <= 160 * 1024


def test_as_files_it_takes_more_than_twice_that() -> None:
    assert flash_bytes(deploy.package_files("mpy", "xtensawin")) > 320 * 1024


def test_a_board_imports_every_module_from_it(tmp_path: Path) -> None:
    names = [name.replace("/", ".") for name in deploy.package_modules() if name != "__init__"]
    program = (
        "import trustanchor\n"
        f"for name in {names!r}:\n    __import__('trustanchor.' + name)\n"
        "print(trustanchor.Context, trustanchor.__path__)\n"
        "try:\n    import trustanchor.absent\nexcept ImportError as error:\n    print(error)\n"
    )
    with Board(tmp_path / "flash.img", heap="384K") as board:
        with deploy.Board.open(board.port) as link:
            deploy.install(link)
            changed = deploy.install(link, form="archive")
            assert set(changed.written) == {
                "/lib/trustanchor/__init__.mpy",
                "/lib/trustanchor/modules.bin",
            }
            listed = [entry.name for entry in link.transport.fs_listdir("/lib/trustanchor")]
            assert sorted(listed) == ["__init__.mpy", "modules.bin"]
        with deploy.Board.open(board.port) as link:
            said = link.transport.exec(program).decode()
    assert said.splitlines() == [
        "<class 'Context'> /.trustanchor",
        "no module named 'trustanchor.absent'",
    ]


def test_paths_with_one_checksum_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_checksum", lambda path: path[:3].encode())
    with pytest.raises(ValueError, match="rename a module"):
        archive.archive({"/abc.mpy": b"1", "/abd.mpy": b"2"})


def test_a_cut_archive_is_noticed_when_it_is_installed(tmp_path: Path) -> None:
    with Board(tmp_path / "flash.img") as board, deploy.Board.open(board.port) as link:
        deploy.install(link, form="archive")
        path = "/lib/trustanchor/modules.bin"
        whole = deploy.package_files("archive", link.architecture())["modules.bin"]
        link.transport.fs_writefile(path, whole[:-100])
        assert deploy.install(link, form="archive").written == (path,)
