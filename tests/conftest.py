# SPDX-License-Identifier: MIT
"""Options of the whole suite.

pytest tests/hil --port /dev/ttyUSB0      the same tests on a real board, over the cable
"""

import signal

import pytest

# A shell that starts a job in the background has it ignore Ctrl-C, and every child inherits that.
# The tests that interrupt a command need the ordinary answer.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--port",
        help="serial port of a real board for tests/hil, which write to /lib/trustanchor on it; "
        "without it they use a simulated board",
    )
