# SPDX-License-Identifier: MIT
"""What verdict.py needs for some verdicts alone: a state file, plain code, what is remembered."""


def from_bundle(name):
    """The state of a bundle whose anchors stay in the file."""
    from trustanchor import bundle
    from trustanchor.cbor import FileSource

    file = open("build/bench/" + name + "-state", "rb")  # noqa: SIM115 - read while judging
    return bundle.parse(FileSource(file, file.seek(0, 2)))


def prepare(how, name, local, question):
    """Make local, or the interpreter, what the verdict is to find."""
    from trustanchor.policy import judge

    chain, asked, at, state = question
    if how == "plain":
        from trustanchor import ecdsa, sha512

        ecdsa._machine = False  # type: ignore[assignment]
        sha512._kernel = False  # type: ignore[assignment]
    elif how == "cached":
        from trustanchor.cache import Cache

        local.memory = Cache("build/bench/no-such-cache")
        verdict = judge(chain, asked, at, state, local)
        if not local.join(verdict, state, at[0]):
            raise ValueError("not joined: " + verdict.code)
    elif how == "kept":
        _keep_tables(name, local, judge(chain, asked, at, state, local))


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
