# SPDX-License-Identifier: MIT
"""Options of the whole suite, and what a whole run has to have done.

pytest tests/hil --port /dev/ttyUSB0      the same tests on a real board (host_tools/hil/plugin.py)

A run of all of tests/ fails when a test that README, SECURITY or EVIDENCE names as a proof has not
passed in it: skipped, say.
"""

import signal

import pytest

from tests import proofs

# A shell that starts a job in the background has it ignore Ctrl-C, and every child inherits that.
# The tests that interrupt a command need the ordinary answer.
signal.signal(signal.SIGINT, signal.default_int_handler)


_passed: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        _passed.add(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    options = session.config.option
    is_whole = session.config.args == ["tests"] and not (options.keyword or options.markexpr)
    if not is_whole or options.collectonly or session.exitstatus != pytest.ExitCode.OK:
        return
    text = "".join((proofs.ROOT / name).read_text() for name in proofs.DOCUMENTS)
    idle = proofs.not_run(text, _passed)
    if idle:
        print("\nNamed as proofs, and not passed in this run:", *idle, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
