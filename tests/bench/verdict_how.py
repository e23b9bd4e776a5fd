# SPDX-License-Identifier: MIT
"""Verdicts that begin with more than a chain: a state file, kept tables, plain code, a cache."""

from verdict import asked_of, read  # type: ignore[import-not-found] # beside it there

from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked
from trustanchor.verdict.policy import judge


def judging(name, how=""):
    """verdict.judging() for a name that ends in .bundle, or how: plain, cached, kept."""
    blobs, mode, at, code = read(name)
    if name.endswith(".bundle"):
        del blobs[:2]
        state = _from_bundle(name)
        asked = Asked(state.services[0], "www.example.net", 443)
    else:
        asked, state = asked_of(blobs, mode)
    question = blobs, asked, (at, True), state
    local = LocalState()
    if how:
        _prepare(how, name, local, question)

    def run():
        verdict = judge(*question, local)
        if verdict.code.encode() != code or verdict.cached is not (how == "cached"):
            raise ValueError(verdict.code)
        return True

    return run


def _from_bundle(name):
    """The state of a bundle whose anchors stay in the file."""
    from trustanchor.encoding.cbor import FileSource
    from trustanchor.update import bundle

    file = open("build/bench/" + name + "-state", "rb")  # noqa: SIM115 - read while judging
    return bundle.parse(FileSource(file, file.seek(0, 2)))


def _prepare(how, name, local, question):
    """Make local, or the interpreter, what the verdict is to find."""
    chain, asked, at, state = question
    if how == "plain":
        from trustanchor.crypto import ecdsa, sha512

        ecdsa._machine = False  # type: ignore[assignment]
        sha512._kernel = False  # type: ignore[assignment]
    elif how == "cached":
        from trustanchor.store.cache import Cache
        from trustanchor.store.learning import join

        local.memory = Cache("build/bench/no-such-cache")
        verdict = judge(chain, asked, at, state, local)
        if not join(local, verdict, state, at[0]):
            raise ValueError("not joined: " + verdict.code)
    elif how == "kept":
        _keep_tables(name, local, judge(chain, asked, at, state, local))


def _keep_tables(name, local, verdict):
    """Do what a store does in the idle moment after its first verdict; the next run finds it."""
    from trustanchor.store.tables import Tables

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
