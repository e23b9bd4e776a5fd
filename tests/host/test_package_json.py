# SPDX-License-Identifier: MIT
"""The two lists of what ships, firmware/package.json and firmware/manifest.py, are true."""

import json
import re

import pytest

import trustanchor
from host_tools.build import deploy, package_json
from host_tools.demo.steps import mpremote
from host_tools.sim.board import Board


def test_package_json_lists_the_package_as_it_is():
    assert package_json.PACKAGE_JSON.read_text() == package_json.content()


def test_check_refuses_a_list_that_is_out_of_date(tmp_path, monkeypatch, capsys):
    stale = tmp_path / "package.json"
    stale.write_text("{}\n")
    monkeypatch.setattr(package_json, "PACKAGE_JSON", stale)
    monkeypatch.setattr("sys.argv", ["package_json", "--check"])
    assert package_json.main() == 1
    assert "does not list" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["package_json"])
    assert package_json.main() == 0
    monkeypatch.setattr("sys.argv", ["package_json", "--check"])
    assert package_json.main() == 0


@pytest.mark.parametrize("field", [0, 1])
def test_urls_are_relative_and_name_files_that_exist(field):
    for entry in json.loads(package_json.PACKAGE_JSON.read_text())["urls"]:
        assert "://" not in entry[field]
        assert (package_json.FIRMWARE / entry[field]).is_file()


def test_manifest_and_package_agree_on_the_version():
    manifest = (package_json.FIRMWARE / "manifest.py").read_text()
    versions = re.findall(r'version="([^"]+)"', manifest)
    assert versions == [trustanchor.__version__]


def test_mip_installs_what_the_list_says_and_it_runs(tmp_path):
    with Board(tmp_path / "flash.img") as board:
        mpremote(board.port, "mip", "install", str(package_json.PACKAGE_JSON))
        shown = mpremote(
            board.port, "exec", "from trustanchor import Context; print(Context.connect)"
        )
        assert shown.startswith("<function connect")
        with deploy.Board.open(board.port) as link:
            for name in deploy.package_modules():
                source = (deploy.PACKAGE / f"{name}.py").read_bytes()
                assert link.holds(f"/lib/trustanchor/{name}.py", source)
