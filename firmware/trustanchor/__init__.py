# SPDX-License-Identifier: MIT
"""Trust anchors and pins for MicroPython: one verdict over a server's certificate chain.

    from trustanchor import Context
    tls = Context(pins=["<primary spki sha256>", "<backup spki sha256>"])
    sock = tls.connect("example.net", 443)

Names are loaded on first use, so that `import trustanchor` costs next to nothing.
"""

__version__ = "0.1.0"

# What applications import, and where it is. Nothing, or a path that ends in it: the module itself.
# One text: as a dict its words would be thirty names that a board keeps for ever.
_HOME = (
    " Agent=app.agent Capsule=app.capsule Context=tls.client Refused=errors "
    "Store=store.trust_store TrustError=errors UpdateError=errors clock= connect=tls.shortcuts "
    "drop_connections=tls.judged guard=app.stock http=app.http judge=verdict.policy "
    "open_connection=tls.shortcuts "
)


def __getattr__(name):
    at = _HOME.find(" " + name + "=")
    if at < 0:
        raise AttributeError(name)
    at += len(name) + 2
    home = _HOME[at : _HOME.find(" ", at)]
    from .compat import collect_every

    before = collect_every()
    try:
        # globals() and not None: CPython resolves the relative import through it.
        module = __import__(home or name, globals(), None, (name,), 1)
    finally:
        collect_every(before)
    is_module = not home or home.endswith("." + name)
    return module if is_module else getattr(module, name)
