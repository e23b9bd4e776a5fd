# SPDX-License-Identifier: MIT
"""The interpreter with MicroPython's own mbedTLS, where the package index has it for this Python.

missing() says why it cannot be had; TRUSTANCHOR_VERSIONS=1 makes that a failure.
"""

import functools
import os

from host_tools.build import runtime


@functools.cache
def missing() -> str:
    """ "" or the reason why there is none here."""
    try:
        runtime.own_config()
    except runtime.RuntimeMissing as error:
        if os.environ.get("TRUSTANCHOR_VERSIONS"):
            raise
        return f"{error} TRUSTANCHOR_VERSIONS=1 makes this a failure."
    return ""
