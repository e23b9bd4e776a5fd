# SPDX-License-Identifier: MIT
"""TCP connections that are being opened, without blocking; for Context.connect and asyncio.

    for sock in dialling("example.net", 443, timeout_s=30):
        if sock is None: ...                # not yet: wait a little
    ... sock is connected ...

Let go of after every connect: nothing of it is needed while a chain is judged.

Depends on: compat, errors; names with each host.
Heap: about 1 KB from a .mpy file, only while a connection is opened.
"""

import select
import socket
from errno import EINPROGRESS, ETIMEDOUT

from ..compat import ticks_diff, ticks_ms
from ..errors import Refused, TrustError

POLL_S = 0.005  # how often a connection being opened is looked at


def dialling(host, port, timeout_s):
    """Yield None while connecting, then the connected socket, once. Raises Refused net.*, and
    name.reference before anything is sent.
    """
    from ..x509.names import to_connect

    started = ticks_ms()
    try:
        reference = to_connect(host)
    except TrustError as refusal:
        raise Refused(refusal.code, refusal.detail)
    if reference.ip is not None:
        host = reference.text  # without brackets
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except OSError as error:
        raise Refused("net.dns", error.errno)
    number = None
    left = len(found)
    for family, kind, protocol, _, address in found:
        # One that is silent leaves the others their share of the time.
        passed = ticks_diff(ticks_ms(), started)
        end = passed + max(0, int(timeout_s * 1000) - passed) // left
        left -= 1
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            try:
                sock.connect(address)
            except OSError as error:
                if error.errno != EINPROGRESS:
                    raise
            poller = select.poll()
            poller.register(sock, select.POLLOUT)
            while not (ready := poller.poll(0)):
                if ticks_diff(ticks_ms(), started) >= end:
                    raise OSError(ETIMEDOUT, "")
                yield None
            if ready[0][1] & (select.POLLERR | select.POLLHUP):
                sock.recv(1)  # raises what went wrong
                raise OSError(0)
        except BaseException as error:  # also when whoever waits gives up and closes this
            sock.close()
            if not isinstance(error, OSError):
                raise
            number = error.errno
            continue
        yield sock
        return
    raise Refused("net.timeout" if number == ETIMEDOUT else "net.unreachable", number)
