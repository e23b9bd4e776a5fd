# SPDX-License-Identifier: MIT
"""What a refusal says of itself when it is asked; nothing of it is loaded while nothing is.

Depends on: nothing.
Heap: 0.5 KB from a .mpy file.
"""

# Of the peer or of the moment; and whatever the network did.
_PASSING = (
    "tls.closed",
    "tls.timeout",
    "tls.no_memory",
    "time.unknown",
    "store.busy",
    "http.timeout",
    "http.truncated",
    "http.no_memory",
)


def may_pass(refused) -> bool:
    """See errors.Refused."""
    return refused.code.startswith("net.") or refused.code in _PASSING


def told(refused) -> str:
    """The code and what helps to see why; `trustanchor explain CODE` has the sentence."""
    text = refused.code
    if refused.detail is not None:
        text += ": %s" % (refused.detail,)
    served = getattr(refused.verdict, "served", None)
    if served:
        text += ", served " + served.hex()
    return text
