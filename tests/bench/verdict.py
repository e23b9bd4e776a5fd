# SPDX-License-Identifier: MIT
"""The verdict over a chain that run.py has written: apart, because its heap is measured."""


def judging(name, *how):
    """A verdict over the chain of a file that run.py has written."""
    from trustanchor.anchors import Anchor, AnchorList
    from trustanchor.local import LocalState
    from trustanchor.policy import judge
    from trustanchor.state import Asked, Pin, PinSet, Service, TrustState

    with open("build/bench/" + name, "rb") as file:
        mode, at, ends = file.readline().split()
        blobs = [file.read(int(length)) for length in ends.split(b",")]
    pins = PinSet("pins", (Pin(blobs.pop(0)), Pin(blobs.pop(0), True)))
    service = Service("web", ("www.example.net",), mode=int(mode), pin_set="pins")
    if name.endswith(".bundle"):
        from trustanchor import bundle
        from trustanchor.cbor import FileSource

        file = open("build/bench/" + name + "-state", "rb")  # noqa: SIM115 - read while judging
        state = bundle.parse(FileSource(file, file.seek(0, 2)))
        service = state.services[0]
    else:
        anchors = AnchorList([Anchor(blobs.pop(0), blobs.pop(0))] if mode == b"0" else [])
        state = TrustState((service,), (pins,), anchors, payload_digest=b"d" * 32)
    asked = Asked(service, "www.example.net", 443)
    when = (int(at), True)
    local = LocalState()
    if "plain" in how:
        from trustanchor import ecdsa, sha2

        ecdsa._machine = False
        sha2._kernel = False
    if "cached" in how:
        from trustanchor.cache import Cache

        local.memory = Cache("build/bench/no-such-cache")
        verdict = judge(blobs, asked, when, state, local)
        if not local.join(verdict, state, when[0]):
            raise ValueError("not joined: " + verdict.code)

    if "kept" in how:
        _keep_tables(name, local, judge(blobs, asked, when, state, local))

    def run():
        verdict = judge(blobs, asked, when, state, local)
        if verdict.code != "ok" or verdict.cached is not ("cached" in how):
            raise ValueError(verdict.code)
        return verdict.accepted

    return run


def _keep_tables(name, local, verdict):
    """Do what a store does in the idle moment after its first verdict; the next run finds it."""
    from trustanchor.tables import Tables

    tables = Tables("build/bench/" + name + ".tables")
    if not tables.of(verdict.path.keys[-1]):
        tables.want(verdict.path)
        for _ in tables.making():
            pass
        tables.write()
        tables = Tables(tables.path)
    local.tables = lambda: tables
    for key in verdict.path.keys[1:]:
        if tables.of(key) is None:
            raise ValueError("no table")
