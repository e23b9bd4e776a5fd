# SPDX-License-Identifier: MIT
"""Connections that are judged by a store, or by a literal state that has anchors or names.

    connection = start(context, native, sock, False, "example.net", "example.net", 443)

The trust state, retired pins and floors are those of the store at the moment of the verdict; if
they change before the handshake is complete the chain is judged again, if later the connection is
dropped. What the store learns from a connection is durable before its first application byte.

Depends on: compat, errors, handshake, model, tap; policy with the first verdict.
Heap: about 1.7 KB from a .mpy file.
"""

from ..compat import forget, recover, tidy
from ..errors import PinError, StoreError, TrustError
from ..state.model import Asked
from . import handshake
from .tap import open_taps


def start(context, native, sock, server_side, name, host, port):
    """Return the Connection over a connected socket, not yet driven; name is what SNI says."""
    store = context.literal_store()

    def judging(chain):
        from ..verdict import policy

        at = context.now()
        asked = asked_of(context, host, port)
        verdict = yield from policy.judging(chain, asked, at, store.state, store.local)
        store.judged()
        if not verdict.accepted:
            try:
                verdict.contradicted = yield from _before_trial(context, chain, asked, at)
            except MemoryError:
                recover()  # refused all the same; the next attempt may find more room
        return verdict

    def completed(connection):
        verdict = connection.verdict
        if server_side:
            verdict.events = ()  # a client's key moves no server's pins
        asked = asked_of(context, host, port)
        if verdict.contradicted is not None:
            store.disprove(verdict, verdict.contradicted, asked)
            forget("acceptance")  # it has decided
            return False
        if not store.join(verdict, asked):
            return False
        connection.enlist(store)
        return True

    timeout_ms = int(context.timeout_s * 1000)
    return handshake.start(native, sock, server_side, name, judging, completed, timeout_ms)


def asked_of(context, host, port, state=None):
    """Return what is asked of whom, Asked, by the state of the context's store or by another.

    Refuses with service.* name.missing, and store.* where there is no state.
    """
    store = context.literal_store()
    if store.state is None and store.refusal == "store.no_memory":
        store.load()  # it is on flash: there was no room for it when it changed
    state = state or store.state
    if state is None:
        raise StoreError(store.refusal)
    service = state.find_service(context.service, host, port)
    if port is not None and service.port not in (None, port):  # it was chosen by name
        raise PinError("service.port", port)
    # Who wraps a socket, as umqtt.simple does, says no port: it is the service's.
    return Asked(service, host, service.port if port is None else port)


def _before_trial(context, chain, asked, at):
    """Generator: the Verdict of the state before a running trial, if it accepts what was asked
    of a probe; else None. Perhaps it is the trial that is wrong.
    """
    from ..verdict import policy

    store = context.store
    tidy()  # two states are about to be in RAM
    before = store.previous(asked)
    if before is None:
        return None
    try:
        asked = asked_of(context, asked.host, asked.port, before)
    except TrustError:
        return None  # of a service that was not there before
    verdict = yield from policy.judging(chain, asked, at, before, store.local)
    if verdict.audited or (verdict.wanted and verdict.pin is None):
        return None  # accepted without its pins
    return verdict if verdict.accepted else None


def drop_connections(store):
    """Close every connection that does not stand any more: its trust state is another one now, or
    its pin has been retired. A Store calls this through its on_change.
    """
    for tap in open_taps():
        if tap.store is store and not store.stands(tap.verdict):
            tap.drop()


_watched: "list" = []  # stores whose on_change is ours


def watch(store):
    """Drop the connections of a store whenever its trust changes."""
    if store not in _watched:
        _watched.append(store)
        store.on_change.append(lambda: drop_connections(store))


_STAYS = True  # compat.forget
