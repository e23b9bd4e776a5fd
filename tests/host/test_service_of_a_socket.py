# SPDX-License-Identifier: MIT
"""wrap_socket without a port, as umqtt and asyncio call it: no laxer service judges."""

import socket

import pytest

from host_tools.demo.servers import TlsServer
from tests.certs import pki
from trustanchor import Context, Refused, clock
from trustanchor.kinds import MODE_ANCHORS, MODE_KEY
from trustanchor.state.anchors import AnchorList
from trustanchor.state.derive import anchor_of
from trustanchor.state.model import Pin, PinSet, Service, TrustState
from trustanchor.tls import client
from trustanchor.tls.literal import LiteralStore

HOST = "127.0.0.1"
ROOT = pki.authority("Root")
LEAF = pki.end_entity(HOST, issuer=ROOT)


class StoreOf(LiteralStore):
    """A store that holds this state."""

    def __init__(self, state: TrustState) -> None:
        super().__init__(state)
        self.clock = clock  # type: ignore[assignment]
        self.on_change: list[object] = []


def store(port: int) -> StoreOf:
    """Pinned on this port, and any certificate of the root on all others."""
    pins = (PinSet("pins", [Pin(b"1" * 32), Pin(b"2" * 32, is_backup=True)]),)
    services = (
        Service("pinned", (HOST,), mode=MODE_KEY, pin_set="pins", port=port),
        Service("lax", (HOST,), mode=MODE_ANCHORS),
    )
    return StoreOf(TrustState(services, pins, AnchorList([anchor_of(ROOT.der)])))


@pytest.fixture
def server():
    with TlsServer([LEAF.der, ROOT.der], LEAF.key, "1.2") as listening:
        yield listening


def code(context: Context, server: TlsServer) -> str:
    sock = socket.create_connection((HOST, server.port))
    try:
        context.wrap_socket(sock, server_hostname=HOST).close()
    except Refused as refused:
        return refused.code
    finally:
        sock.close()
    return "ok"


def test_the_port_is_asked_of_the_socket_where_it_can_tell(server: TlsServer) -> None:
    assert code(Context(store=store(server.port)), server) == "pin.none_matched"
    assert code(Context(store=store(1)), server) == "ok"


def test_where_it_cannot_tell_nobody_judges(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.tls, "peer_port", lambda sock: None)
    assert code(Context(store=store(server.port)), server) == "service.ambiguous"
    assert code(Context(store=store(server.port), service="pinned"), server) == "pin.none_matched"
