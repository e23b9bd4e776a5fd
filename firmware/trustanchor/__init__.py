# SPDX-License-Identifier: MIT
"""Trust anchors and pins for MicroPython: one verdict over a server's certificate chain.

    from trustanchor import Context
    tls = Context(pins=["<primary spki sha256>", "<backup spki sha256>"])
    sock = tls.connect("example.net", 443)

Names are loaded on first use, so that `import trustanchor` costs next to nothing.
"""

__version__ = "0.1.0"

# What applications import, and where it is. None or a path that ends in it: the module itself.
_HOME = {
    "Agent": "app.agent",
    "Capsule": "app.capsule",
    "Context": "tls.client",
    "Refused": "errors",
    "Store": "store.trust_store",
    "TrustError": "errors",
    "UpdateError": "errors",
    "clock": None,
    "connect": "tls.shortcuts",
    "drop_connections": "tls.judged",
    "guard": "app.stock",
    "http": "app.http",
    "judge": "verdict.policy",
    "open_connection": "tls.shortcuts",
}


def __getattr__(name):
    home = _HOME.get(name, "")
    if home == "":
        raise AttributeError(name)
    from .compat import collect_every

    before = collect_every()
    try:
        # globals() and not None: CPython resolves the relative import through it.
        module = __import__(home or name, globals(), None, (name,), 1)
    finally:
        collect_every(before)
    is_module = home is None or home.endswith("." + name)
    return module if is_module else getattr(module, name)
