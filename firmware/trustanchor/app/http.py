# SPDX-License-Identifier: MIT
"""HTTPS over a Context: the calls people know, and nothing of an answer that is not bounded.

    from trustanchor import Context, http
    tls = Context(pins=[primary, backup])
    answer = http.get("https://example.net/config", tls)
    answer.status, answer.headers["content-type"], answer.json()

    answer = await http.fetch("GET", "https://example.net/firmware", tls)    # asyncio
    await answer.asave("/firmware.bin", 500000)

One request a connection. All work is generators that yield the seconds to wait before they go on;
a blocking call and a coroutine differ in who waits. Framing is that of RFC 9112, strictly: what
two readers could read in two ways is refused. An answer that does not say where it ends is
refused too, because a connection that was cut would look the same.

Depends on: compat, errors, limits; dial and names while a connection is opened.
Heap: 7 KB from a .mpy file.
"""

import time

from ..compat import recover, ticks_diff, ticks_ms
from ..errors import PinError, Refused, TrustError
from ..limits import HTTP_BODY_BYTES, HTTP_HEAD_BYTES, HTTP_LINE_BYTES, HTTP_REDIRECTS

# What we say ourselves, because it decides where the request ends and whom it is for.
_OURS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding")
# Not repeated to another host than the one they were written for.
_SECRETS = ("authorization", "cookie")
# Said twice, they would mean two things.
_ONCE = ("content-length", "transfer-encoding", "location")
_PIECE = 512  # bytes read at a time into a file


def request(method, url, tls, headers=None, data=None, json=None, timeout_s=30):
    """Return the Answer to a request; blocks. Raises Refused.

    tls        a Context
    headers    a dict of text; the answer's have lower-case names
    data       the body: bytes or text; json: a value to send as one
    timeout_s  from the call to the end of the answer's head, redirects included; then again for
               each call on the answer. Name resolution blocks and is not interrupted
    """
    return _block(_requesting(method, url, tls, headers, data, json, timeout_s), timeout_s)


def get(url, tls, headers=None, timeout_s=30):
    """request("GET", ...)."""
    return request("GET", url, tls, headers, None, None, timeout_s)


def head(url, tls, headers=None, timeout_s=30):
    """request("HEAD", ...): status and headers, no body."""
    return request("HEAD", url, tls, headers, None, None, timeout_s)


def post(url, tls, data=None, json=None, headers=None, timeout_s=30):
    """request("POST", ...)."""
    return request("POST", url, tls, headers, data, json, timeout_s)


async def fetch(method, url, tls, headers=None, data=None, json=None, timeout_s=30):
    """request() for asyncio. The answer's aread, acontent and asave are to be awaited."""
    steps = _requesting(method, url, tls, headers, data, json, timeout_s)
    return await _wait(steps, timeout_s)


class Answer:
    """A status, headers, and a body that has not been read yet.

    status   a number, 200 to 999
    headers  a dict; names in lower case, several of one name joined by ", "
    url      what answered, after redirects
    """

    def __init__(self, connection, url, timeout_s):
        self.status = 0
        self.headers: "dict" = {}
        self.url = url
        self._connection = connection
        self._timeout_s = timeout_s
        self._budget = HTTP_HEAD_BYTES  # left for the head with the interim ones before it
        self._left = 0  # of the body, or of the chunk
        self._is_chunked = False
        self._is_first = True  # no chunk has been read

    def read(self, size):
        """Return up to size bytes of the body, b"" after its end. Raises Refused."""
        return _block(self._reading(size), self._timeout_s)

    def content(self, limit=HTTP_BODY_BYTES):
        """Return what is left of the body; http.too_large beyond limit bytes."""
        return _block(self._gathering(limit), self._timeout_s)

    def json(self, limit=HTTP_BODY_BYTES):
        """Return the body as the value it is in JSON; http.json when it is none."""
        from json import loads

        try:
            return loads(self.content(limit))
        except (ValueError, RuntimeError):  # RuntimeError: nested beyond the C stack
            raise Refused("http.json")
        except MemoryError:
            recover()
            raise Refused("http.no_memory")

    def save(self, path, limit, timeout_s=None):
        """Write the body to the file path; return its length. A file that was there stays until
        all of the new one has arrived; what arrives is in path + ".part" meanwhile.
        """
        return _block(self._saving(path, limit), timeout_s or self._timeout_s)

    async def aread(self, size):
        """read() for asyncio."""
        return await _wait(self._reading(size), self._timeout_s)

    async def acontent(self, limit=HTTP_BODY_BYTES):
        """content() for asyncio."""
        return await _wait(self._gathering(limit), self._timeout_s)

    async def asave(self, path, limit, timeout_s=None):
        """save() for asyncio."""
        return await _wait(self._saving(path, limit), timeout_s or self._timeout_s)

    def close(self):
        """Close the connection; done already when all of the body has been read."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _arriving(self, size):
        """Generator: 1 to size bytes from the server. The end of the stream is a refusal."""
        while True:
            if self._connection is None:
                raise Refused("http.closed")
            try:
                piece = self._connection.read(size)
            except Refused:
                raise
            except OSError as error:
                raise Refused("net.lost", error.errno)
            if piece:
                return piece
            if piece is not None:
                raise Refused("http.truncated")
            yield 0.005

    def _line(self):
        """Generator: one line of a head, without its CRLF.

        Byte by byte: MicroPython's read() of more than there is loses what arrived before a
        connection that ends without a word.
        """
        line = bytearray()
        while line[-2:] != b"\r\n":
            if self._budget <= 0 or len(line) > HTTP_LINE_BYTES:
                raise Refused("http.too_large", "head")
            self._budget -= 1
            line.extend((yield from self._arriving(1)))
        for byte in memoryview(line)[:-2]:
            if (byte < 32 and byte != 9) or byte > 126:
                raise Refused("http.malformed", "head")
        return bytes(line[:-2]).decode()

    def _heading(self, method):
        """Generator: read the head, and those of interim answers before it."""
        while self.status < 200:
            line = yield from self._line()
            status = line[9:12]
            if line[:9] not in ("HTTP/1.1 ", "HTTP/1.0 ") or line[12:13] not in ("", " "):
                raise Refused("http.malformed", "status")
            if len(status) != 3 or not status.isdigit() or status < "100" or status == "101":
                raise Refused("http.malformed", "status")
            self.status = int(status)
            self.headers = yield from self._fields()
        length = self.headers.get("content-length")
        coding = self.headers.get("transfer-encoding")
        if coding is not None:
            if length is not None or line[:8] != "HTTP/1.1" or coding.lower() != "chunked":
                raise Refused("http.malformed", "transfer-encoding")
        elif length is not None and (not length.isdigit() or len(length) > 9):
            raise Refused("http.malformed", "content-length")
        if method == "HEAD" or self.status in (204, 304):
            self.close()
        elif coding is not None:
            self._is_chunked = True
        elif length is None:
            raise Refused("http.no_length")
        else:
            self._left = int(length)
            if not self._left:
                self.close()

    def _fields(self):
        """Generator: header fields up to the empty line, as a dict."""
        found: "dict" = {}
        while line := (yield from self._line()):
            name, colon, value = line.partition(":")
            # No name, a folded line, or a blank that some would take for part of the name.
            if not colon or not name or " " in name or "\t" in name:
                raise Refused("http.malformed", "header")
            name = name.lower()
            value = value.strip(" \t")
            if name in found:
                if name in _ONCE:
                    raise Refused("http.malformed", name)
                value = found[name] + ", " + value
            found[name] = value
        return found

    def _reading(self, size):
        """Generator: up to size bytes of the body, b"" after its end."""
        if size < 1:
            raise ValueError("size is 1 or more")
        try:
            if self._is_chunked and not self._left:
                yield from self._begin_chunk()
            if not self._left:
                return b""
            piece = yield from self._arriving(min(size, self._left))
            self._left -= len(piece)
            if not self._left and not self._is_chunked:
                self.close()
            return piece
        except BaseException:  # also when whoever waits gives up: nothing after it has a meaning
            self.close()
            raise

    def _begin_chunk(self):
        self._budget = HTTP_LINE_BYTES  # for the lines of this chunk, or for the trailers
        if not self._is_first and (yield from self._line()) != "":
            raise Refused("http.malformed", "chunk")
        self._is_first = False
        line = yield from self._line()
        size = line.partition(";")[0].strip(" \t").lower()
        if not 0 < len(size) < 8 or any(digit not in "0123456789abcdef" for digit in size):
            raise Refused("http.malformed", "chunk")
        self._left = int(size, 16)
        if not self._left:
            self._is_chunked = False
            yield from self._fields()  # trailers: read, and nothing believed of them
            self.close()

    def _gathering(self, limit):
        self._check(limit)
        found = bytearray()
        while piece := (yield from self._reading(max(1, min(_PIECE, limit + 1 - len(found))))):
            if len(found) + len(piece) > limit:
                self.close()
                raise Refused("http.too_large", limit)
            found.extend(piece)
        return bytes(found)

    def _saving(self, path, limit):
        import os

        self._check(limit)
        part = path + ".part"
        count = 0
        try:
            with open(part, "wb") as file:
                while piece := (yield from self._reading(_PIECE)):
                    count += len(piece)
                    if count > limit:
                        raise Refused("http.too_large", limit)
                    file.write(piece)
        except BaseException:
            self.close()
            try:
                os.remove(part)
            except OSError:
                pass  # it could not even be opened
            raise
        os.rename(part, path)
        return count

    def _check(self, limit):
        if not self._is_chunked and self._left > limit:
            self.close()
            raise Refused("http.too_large", limit)


def _requesting(method, url, tls, headers, data, json, timeout_s):
    """Generator: the Answer, after redirects."""
    said = {}
    for name, value in (headers or {}).items():
        if name.lower() in _OURS or not _is_plain(name, ": ") or not _is_plain(value, ""):
            raise ValueError("a header that cannot be sent: " + name)
        said[name.lower()] = value
    if json is not None:
        from json import dumps

        data = dumps(json)
        said["content-type"] = "application/json"
    if isinstance(data, str):
        data = data.encode()
    before = None
    for _ in range(HTTP_REDIRECTS + 1):
        host, port, path, named = _parts(url, tls, before)
        if before is not None and (host, port) != before:
            for name in _SECRETS:
                said.pop(name, None)
        before = (host, port)
        lines = [method + " " + path + " HTTP/1.1", "host: " + named, "connection: close"]
        lines.append("accept-encoding: identity")
        if data is not None:
            lines.append("content-length: %d" % len(data))
        for name, value in said.items():
            lines.append(name + ": " + value)
        connection = yield from _opening(tls, host, port)
        answer = Answer(connection, url, timeout_s)
        try:
            yield from _sending(connection, "\r\n".join(lines).encode() + b"\r\n\r\n")
            if data:
                yield from _sending(connection, data)
            yield from answer._heading(method)
        except BaseException:
            answer.close()
            raise
        place = answer.headers.get("location")
        if method not in ("GET", "HEAD") or place is None:
            return answer
        if answer.status not in (301, 302, 303, 307, 308):
            return answer
        answer.close()
        if place.startswith("/") and not place.startswith("//"):
            place = getattr(tls, "scheme", "https://") + named + place
        url = place
    raise Refused("http.redirects", HTTP_REDIRECTS)


def _parts(url, tls, before):
    """Return host, port, path and the Host header of a URL; refuse what is not ours to ask.

    before is (host, port) of the answer that sent us here, None for the program's own URL.
    """
    from ..x509.names import to_connect

    scheme = getattr(tls, "scheme", "https://")  # plain.py has another
    if url[: len(scheme)].lower() != scheme or not _is_plain(url, " \\"):
        raise Refused("http.url")
    rest = url[len(scheme) :].partition("#")[0]
    end = len(rest)
    for mark in "/?":
        at = rest.find(mark)
        if at >= 0:
            end = min(end, at)
    named, path = rest[:end], rest[end:]
    if not path.startswith("/"):
        path = "/" + path
    host, port = named, getattr(tls, "port", "443")
    if named.rfind(":") > named.rfind("]"):
        host, _, port = named.rpartition(":")
    if "@" in named or not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65536:
        raise Refused("http.url")
    number = int(port)
    try:
        host = to_connect(host).text
        # Asked before a name is resolved: a server may not make a device call strangers.
        hosts: "tuple[str, ...]" = ()
        if not tls.pins:
            from ..tls.judged import asked_of

            hosts = asked_of(tls, host, number).service.hosts
    except PinError as refusal:
        raise Refused(refusal.code if before is None else "http.redirect", refusal.detail)
    except TrustError as refusal:
        raise Refused(refusal.code, refusal.detail)
    # A literal state names no hosts, so no other one is of it.
    if before is not None and (host, number) != before and not hosts:
        raise Refused("http.redirect", host)
    return host, number, path, named


def _is_plain(text, without) -> bool:
    """True for a text of printable ASCII that has none of the characters in without."""
    return isinstance(text, str) and all(
        31 < ord(character) < 127 and character not in without for character in text
    )


def _opening(tls, host, port):
    """Generator: a connection that has been judged; it does not block."""
    from ..tls.dial import POLL_S, dialling

    dial = dialling(host, port, tls.timeout_s)
    try:
        for sock in dial:
            if sock is None:
                yield POLL_S
    finally:
        dial.close()
    connection = tls.wrap_socket(
        sock, server_hostname=host, port=port, do_handshake_on_connect=False
    )
    try:
        connection.setblocking(False)
        while connection.step() is not None:
            yield 0
            while not connection.is_ready():
                yield POLL_S
    except BaseException:
        connection.close()
        raise
    return connection


def _sending(connection, data):
    view = memoryview(data)
    while len(view):
        try:
            count = connection.write(view)
        except Refused:
            raise
        except OSError as error:
            raise Refused("net.lost", error.errno)
        if count:
            view = view[count:]
        else:
            yield 0.005


def _next(steps, started, timeout_s):
    """Go on by one step: (seconds to wait, None), or (None, (result,))."""
    try:
        pause = next(steps)
    except StopIteration as done:
        return None, (done.value,)
    except MemoryError:
        recover()
        raise Refused("http.no_memory")
    if ticks_diff(ticks_ms(), started) >= timeout_s * 1000:
        raise Refused("http.timeout")
    return pause, None


def _block(steps, timeout_s):
    started = ticks_ms()
    try:
        while True:
            pause, done = _next(steps, started, timeout_s)
            if done:
                return done[0]
            time.sleep(pause)
    finally:
        steps.close()


async def _wait(steps, timeout_s):
    import asyncio

    started = ticks_ms()
    try:
        while True:
            pause, done = _next(steps, started, timeout_s)
            if done:
                return done[0]
            await asyncio.sleep(pause)
    finally:
        steps.close()  # cancelled: the socket is closed now
