# SPDX-License-Identifier: MIT
"""Trust anchors and pins for MicroPython: one verdict over a server's certificate chain.

    from trustanchor import Context
    tls = Context(pins=["<primary spki sha256>", "<backup spki sha256>"])
    sock = tls.connect("example.net", 443)

Names are loaded on first use, so that `import trustanchor` costs next to nothing.
"""

__version__ = "0.1.0"

_HOME = {
    "Context": "client",
    "connect": "shortcuts",
    "open_connection": "shortcuts",
    "Refused": "errors",
    "TrustError": "errors",
    "drop_connections": "client",
    "judge": "policy",
}


def __getattr__(name):
    if name not in _HOME:
        # MicroPython asks here before it looks for a module: `from . import signatures`.
        try:
            __import__(__name__ + "." + name)
            return globals()[name]
        except ImportError:
            raise AttributeError(name)
    from .compat import collect_every

    before = collect_every()
    try:
        # globals() and not None: CPython resolves the relative import through it.
        module = __import__(_HOME[name], globals(), None, (name,), 1)
    finally:
        collect_every(before)
    return getattr(module, name)
