# SPDX-License-Identifier: MIT
"""What the design assumes of MicroPython's tls module, one function a fact; prints one line.

micropython tests/integration/facts.py callback_order 4433 [file.der ...]
"""

import binascii
import hashlib
import io
import socket
import sys

import tls  # type: ignore[import-not-found]

CERT_FILES = sys.argv[3:]


def read(name):
    with open(name, "rb") as file:
        return file.read()


def mark(der):
    return binascii.hexlify(hashlib.sha256(der).digest()[:4]).decode()


def connected():
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", int(sys.argv[2]))[0][-1])
    return sock


def context(mode, callback=None):
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = mode
    made.verify_callback = callback
    return made


def outcome(function):
    """ok, or the number of the OSError."""
    try:
        function()
    except OSError as error:
        return error.errno
    except ValueError as error:
        return "ValueError " + str(error).strip()
    return "ok"


def callback_order():
    seen = []

    def callback(view, depth):
        seen.append("%d:%s" % (depth, mark(bytes(view))))
        return 0

    context(tls.CERT_OPTIONAL, callback).wrap_socket(connected())
    return " ".join(seen)


def callback_never_called():
    seen = []
    secure = context(tls.CERT_NONE, lambda view, depth: seen.append(depth)).wrap_socket(
        connected()
    )
    return "%d %s" % (len(seen), mark(secure.getpeercert(True)))


def mode_set_in_mid_handshake():
    """The context says CERT_NONE until the ServerHello has arrived."""
    seen = []

    def callback(view, depth):
        seen.append(depth)
        return 0

    ctx = context(tls.CERT_NONE, callback)
    sock = connected()

    class Switch(io.IOBase):
        def readinto(self, buffer):
            ctx.verify_mode = tls.CERT_OPTIONAL
            return sock.readinto(buffer)

        def write(self, data):
            return sock.write(data)

        def ioctl(self, request, argument):
            return 0

    ctx.wrap_socket(Switch())
    return repr(seen)


def fatal_return():
    ctx = context(tls.CERT_OPTIONAL, lambda view, depth: -0x3000)
    return outcome(lambda: ctx.wrap_socket(connected()))


def positive_return():
    ctx = context(tls.CERT_OPTIONAL, lambda view, depth: 1)
    secure = ctx.wrap_socket(connected(), do_handshake_on_connect=False)
    return repr(secure.write(b"h"))


def kept_view():
    kept = []

    def callback(view, depth):
        kept.append(view)
        return 0

    context(tls.CERT_OPTIONAL, callback).wrap_socket(connected())
    # Overwrite the stack the views lie on.
    for i in range(50):
        str([i] * 20)
    return " ".join(mark(bytes(view)) for view in kept)


def der_concatenation():
    """Two roots in one call, then in two calls; the server's is the second."""
    other, root = map(read, CERT_FILES)
    answers = []
    for parts in ((other + root,), (other, root)):
        ctx = context(tls.CERT_REQUIRED)
        for part in parts:
            ctx.load_verify_locations(part)
        answers.append(outcome(lambda ctx=ctx: ctx.wrap_socket(connected(), server_hostname=HOST)))
    return " / ".join(map(str, answers))


HOST = "device.example"


def possession():
    """The outcome in each verify mode; the root is loaded."""
    answers = []
    for mode in (tls.CERT_NONE, tls.CERT_OPTIONAL, tls.CERT_REQUIRED):
        ctx = context(mode)
        ctx.load_verify_locations(read(CERT_FILES[0]))
        answers.append(outcome(lambda ctx=ctx: ctx.wrap_socket(connected(), server_hostname=HOST)))
    return " ".join(map(str, answers))


def deferred():
    """Nothing is known of the peer before completion; reads of one byte lead there."""
    ctx = context(tls.CERT_NONE)
    sock = connected()
    secure = ctx.wrap_socket(sock, do_handshake_on_connect=False)
    before = secure.getpeercert(True)
    secure.write(b"")
    still = secure.getpeercert(True)
    sock.setblocking(False)
    byte = bytearray(1)
    while secure.getpeercert(True) is None:
        secure.readinto(byte)
    return "%s %s %s" % (before, still, mark(secure.getpeercert(True)))


def cipher_before_completion():
    ctx = context(tls.CERT_NONE)
    secure = ctx.wrap_socket(connected(), do_handshake_on_connect=False)
    return repr(secure.cipher())


def negative_from_the_stream():
    """A negative number from the stream is the errno of the OSError."""
    sock = connected()

    class Stops(io.IOBase):
        def readinto(self, buffer):
            return -103

        def write(self, data):
            return sock.write(data)

        def ioctl(self, request, argument):
            return 0

    ctx = context(tls.CERT_NONE)
    return outcome(lambda: ctx.wrap_socket(Stops()))


def unknown_cipher():
    """One unknown name refuses the list; a list of one known name stands."""
    ctx = context(tls.CERT_NONE)
    known = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"
    return "%s %s" % (
        outcome(lambda: ctx.set_ciphers([known, "NO-SUCH-SUITE"])),
        outcome(lambda: ctx.set_ciphers([known])),
    )


print(globals()[sys.argv[1]]())
