# SPDX-License-Identifier: MIT
"""What a command answers with when it cannot do what was asked.

HostError is for the host's own refusals. The device package's TrustError and Refused need no
wrapping: cli.main prints them with the sentence reasons.py has for their code.
"""


class HostError(Exception):
    """One readable sentence: what is wrong and, where it helps, what to do. Exit code 1.

    code is a stable dotted name for scripts (`--json`), or None when nobody would branch on it.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
