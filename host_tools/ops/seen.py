# SPDX-License-Identifier: MIT
"""What a server shows at each of its addresses, in TLS 1.2 and in TLS 1.3.

Everything a server says is hostile: the handshake is bounded in time by live.fetch_chain, the
addresses and the bytes of a chain by what a device takes.
"""

import socket
import ssl
from dataclasses import dataclass

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.ops import states
from host_tools.signing import live
from trustanchor import limits

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
# Addresses of one name that are asked; a resolver may be told to say thousands.
ADDRESSES = 16


@dataclass(frozen=True)
class Sight:
    """One handshake: the chain it showed, or why there is none, and what devices say of it."""

    address: str
    version: str
    chain: tuple[bytes, ...]
    error: HostError | None
    answers: tuple[states.Answer, ...]


def addresses(endpoint: live.Endpoint) -> list[str]:
    """Every address of the host, in the resolver's order, each once; refuses with net.dns."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise HostError(f"{printable(str(endpoint))}: no such host.", "net.dns") from None
    return list(dict.fromkeys(str(one[4][0]) for one in found))[:ADDRESSES]


def look(
    endpoint: live.Endpoint,
    deployed: list[states.Deployed],
    at: int | None = None,
    timeout_s: float = live.TIMEOUT_S,
) -> list[Sight]:
    """Shake hands at every address in both versions, and ask devices of each state."""
    sights = []
    for address in addresses(endpoint):
        for name, version in VERSIONS.items():
            chain: list[bytes] = []
            answers: list[states.Answer] = []
            error = None
            try:
                chain = live.fetch_chain(endpoint, timeout_s, address=address, version=version)
                _check_size(endpoint, chain)
            except HostError as refused:
                error = refused
            else:
                answers = [
                    states.ask(one, chain, endpoint.host, endpoint.port, at) for one in deployed
                ]
            sights.append(Sight(address, name, tuple(chain), error, tuple(answers)))
    return sights


def _check_size(endpoint: live.Endpoint, chain: list[bytes]) -> None:
    """A device never comes to judge what does not fit; nor does this."""
    total = sum(map(len, chain))
    if len(chain) > limits.CHAIN_CERTIFICATES or total > limits.CHAIN_BYTES:
        raise HostError(
            f"{endpoint} sends {len(chain)} certificates of {total} bytes; a device takes "
            f"{limits.CHAIN_CERTIFICATES} and {limits.CHAIN_BYTES}.",
            "tls.chain_too_large",
        )
