# SPDX-License-Identifier: MIT
"""HTTPS answers, honest and hostile: each is read as one thing or refused with a code."""

import asyncio
import os

import lean  # noqa: F401 - before what is tested
import scratch

from check import equal, false, refuses, true
from trustanchor.app import http
from trustanchor.errors import PinError, Refused
from trustanchor.state.model import Service
from trustanchor.tls import dial

HEAD = b"HTTP/1.1 200 OK\r\n"
NOTHING = object()  # in an answer: it has not come yet


def many(first, piece, count, last=b""):
    """An answer that is never in RAM as a whole."""
    yield first
    for _ in range(count):
        yield piece
    if last:
        yield last


class Connection:
    """Stands in for what wrap_socket returns: hands out an answer, and at its end the end."""

    def __init__(self, answer, at_end=b""):
        self.answer = iter((answer,) if isinstance(answer, bytes) else answer)
        self.ahead = None
        self.at_end = at_end
        self.said = b""
        self.is_closed = False

    def setblocking(self, flag):
        false(flag)

    def step(self):
        return None

    def read(self, size):
        piece = self.ahead or next(self.answer, None)
        self.ahead = None
        if piece is NOTHING:
            return None
        if piece:
            self.ahead = piece[size:]
            return piece[:size]
        if isinstance(self.at_end, Exception):
            raise self.at_end
        return self.at_end

    def write(self, data):
        self.said += bytes(data[:7])  # TLS takes what fits
        return len(data[:7])

    def close(self):
        self.is_closed = True


class Context:
    """Stands in for trustanchor.Context, its store and its state: these answers, one a connection.

    hosts  of the one service; None as in a literal state, which has one for whatever is asked
    """

    timeout_s = 60
    pins = ()
    service = refusal = None

    def __init__(self, *answers, hosts=None, at_end=b""):
        self.answers = list(answers)
        self.hosts = hosts
        self.state = self
        self.at_end = at_end
        self.made = []
        self.asked = []

    def literal_store(self):
        return self

    def find_service(self, name, host, port):
        if self.hosts is not None and host not in self.hosts:
            raise PinError("service.unknown", host)
        return Service("web", self.hosts, mode=1)

    def wrap_socket(self, sock, server_hostname, port, do_handshake_on_connect):
        self.asked.append((server_hostname, port))
        self.made.append(Connection(self.answers.pop(0), self.at_end))
        return self.made[-1]


def _dialling(host, port, timeout_s):
    yield None
    yield "socket"


def on_wire(function, *arguments):
    """Run function with no network below it."""
    before = dial.dialling
    dial.dialling = _dialling
    try:
        return function(*arguments)
    finally:
        dial.dialling = before


def got(tls, url="https://example.net/a", headers=None, timeout_s=30):
    return on_wire(http.get, url, tls, headers, timeout_s)


def body(answer):
    return got(Context(answer)).content(1000)


def test_a_request_is_what_rfc_9112_asks_for():
    tls = Context(HEAD + b"Content-Length: 2\r\nX-A: 1\r\nx-a:  2 \r\n\r\nhi and more")
    answer = got(tls, "https://Example.net:8443/a?b=c#d", {"X-Key": "v"})
    equal((answer.status, answer.headers["x-a"], answer.content()), (200, "1, 2", b"hi"))
    equal(tls.asked, [("example.net", 8443)])
    lines = tls.made[0].said.decode().split("\r\n")
    equal(lines[0], "GET /a?b=c HTTP/1.1")
    equal(
        sorted(lines[1:]),
        ["", ""]
        + ["accept-encoding: identity", "connection: close"]
        + ["host: Example.net:8443", "x-key: v"],
    )
    true(tls.made[0].is_closed)


def test_a_body_is_sent_with_its_length():
    tls = Context(HEAD + b"Content-Length: 0\r\n\r\n")
    answer = on_wire(http.post, "https://example.net", tls, None, {"a": 1})
    equal(answer.content(), b"")
    head, _, sent = tls.made[0].said.partition(b"\r\n\r\n")
    true(head.startswith(b"POST / HTTP/1.1\r\n"))
    true(b"\r\ncontent-length: %d" % len(sent) in head)
    equal(sent.replace(b" ", b""), b'{"a":1}')


def test_bodies_end_where_they_say():
    for headers, sent, expected in (
        (b"Content-Length: 5\r\n", b"hello", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nhel\r\n002;x=y\r\nlo\r\n0\r\n\r\n", b"hello"),
        (
            b"Transfer-Encoding: Chunked\r\n",
            b"A\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            b"0123456789",
        ),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b""),
    ):
        whole = HEAD + headers + b"\r\n" + sent
        equal(body(whole), expected)
        equal(body([whole[i : i + 1] for i in range(len(whole))]), expected)
        # Every cut is a refusal, never a shorter body.
        for end in range(len(whole)):
            refuses("http.truncated", body, whole[:end])


def test_answers_without_a_body():
    equal(got(Context(b"HTTP/1.1 204 No Content\r\n\r\n")).content(), b"")
    equal(got(Context(b"HTTP/1.1 304\r\nContent-Length: 9\r\n\r\n")).status, 304)
    tls = Context(HEAD + b"Content-Length: 9\r\n\r\n")
    equal(on_wire(http.head, "https://example.net/", tls).content(), b"")


def test_interim_answers_are_stepped_over_and_bounded():
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    answer = got(Context(interim * 2 + HEAD + b"Content-Length: 1\r\n\r\nx"))
    equal((answer.status, "link" in answer.headers), (200, False))
    refuses("http.too_large", got, Context(many(interim, interim, 500)))


MALFORMED = (
    b"HTTP/2 200 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 +20 OK\r\n\r\n",
    b"<html>\r\n\r\n",
    HEAD + b"no colon\r\n\r\n",
    HEAD + b"A: b\r\n folded: c\r\n\r\n",
    HEAD + b"Content-Length : 5\r\n\r\nhello",
    HEAD + b": x\r\n\r\n",
    HEAD + b"A: b\nContent-Length: 5\r\n\r\nhello",
    HEAD + b"A: \0\r\n\r\n",
    HEAD + b"A: \xff\r\n\r\n",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    HEAD + b"Content-Length: -5\r\n\r\nhello",
    HEAD + b"Content-Length: 0x5\r\n\r\nhello",
    HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
    HEAD + b"Content-Length: \r\n\r\nhello",
    HEAD + b"Content-Length: 9999999999\r\n\r\nhello",
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MALFORMED_CHUNKS = (
    b"\r\n",
    b"g\r\n",
    b"-1\r\n",
    b"0x1\r\nh\r\n0\r\n\r\n",
    b"fffffffff\r\n",
    b"1\r\nhello\r\n0\r\n\r\n",
    b"1\nh\r\n0\r\n\r\n",
)


def test_what_could_be_read_in_two_ways_is_refused():
    for answer in MALFORMED:
        tls = Context(answer)
        refuses("http.malformed", got, tls)
        true(tls.made[0].is_closed)
    for chunks in MALFORMED_CHUNKS:
        refuses("http.malformed", body, CHUNKED + chunks)


def test_a_body_of_unknown_length_is_refused():
    refuses("http.no_length", got, Context(HEAD + b"\r\nhello"))


def test_sizes_are_bounded():
    piece = b"x" * 100
    refuses("http.too_large", got, Context(many(HEAD + b"A: ", piece, 21)))
    refuses("http.too_large", got, Context(many(HEAD, b"A: b\r\n", 1000)))
    refuses("http.too_large", body, HEAD + b"Content-Length: 1001\r\n\r\n")
    equal(len(body(many(HEAD + b"Content-Length: 1000\r\n\r\n", piece, 10))), 1000)
    refuses("http.too_large", body, many(CHUNKED, b"1\r\nx\r\n", 1001))
    equal(len(body(many(CHUNKED, b"1\r\nx\r\n", 1000, b"0\r\n\r\n"))), 1000)
    refuses("http.too_large", body, many(CHUNKED + b"1;", piece, 21))
    refuses("http.too_large", body, many(CHUNKED + b"0\r\n", b"A: b\r\n", 400))


def test_a_server_that_stops_is_left_in_time():
    tls = Context(many(HEAD, NOTHING, 1000))
    refuses("http.timeout", got, tls, "https://example.net/", None, 0.02)
    true(tls.made[0].is_closed)
    tls = Context(many(HEAD + b"Content-Length: 5\r\n\r\nhel", NOTHING, 1000))
    answer = got(tls, "https://example.net/", None, 0.02)
    true(refuses("http.timeout", answer.content).may_pass)
    true(tls.made[0].is_closed)
    refuses("http.closed", answer.content)


def test_a_network_that_fails_is_a_refusal_of_the_network():
    refuses("net.lost", got, Context(HEAD, at_end=OSError(104)))
    refuses("tls.failed", got, Context(HEAD, at_end=Refused("tls.failed")))


def _moved(place, status=b"302"):
    return (
        b"HTTP/1.1 " + status + b" Moved\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n"
    )


FOUND = HEAD + b"Content-Length: 2\r\n\r\nok"


def test_redirects_stay_among_the_hosts_of_the_state():
    hosts = ("example.net", "other.example")
    secret = {"Authorization": "Bearer x", "X-A": "b"}
    for place, said in (
        (b"/b", b"authorization"),
        (b"https://example.net/b", b"authorization"),
        (b"https://other.example/b", b"get"),
    ):
        tls = Context(_moved(place), FOUND, hosts=hosts)
        answer = got(tls, "https://example.net/a", secret)
        equal(answer.content(), b"ok")
        second = tls.made[1].said.lower()
        true(second.startswith(b"get /b ") and said in second and b"x-a: b" in second)
        equal(b"authorization" in second, b"other" not in place)
    for place, code in (
        (b"https://evil.example/", "http.redirect"),
        (b"http://example.net/", "http.url"),
        (b"//evil.example/", "http.url"),
        (b"ftp://example.net/", "http.url"),
        (b"https://example.net@evil.example/", "http.url"),
        (b"https://evil.example\\@example.net/", "http.url"),
        (b"https://example.net:0/", "http.url"),
        (b"https:///", "name.reference"),
    ):
        tls = Context(_moved(place), hosts=hosts)
        refuses(code, got, tls)
        equal(len(tls.asked), 1)


def test_a_literal_state_names_no_other_host():
    for place in (b"https://other.example/", b"https://example.net:8443/"):
        tls = Context(_moved(place))
        refuses("http.redirect", got, tls)
        equal(len(tls.asked), 1)
    equal(got(Context(_moved(b"https://example.net/b"), FOUND)).content(), b"ok")


def test_redirects_end_and_are_for_reading_only():
    tls = Context(*[_moved(b"/b")] * 9)
    refuses("http.redirects", got, tls)
    equal(len(tls.asked), 5)
    tls = Context(_moved(b"/b", b"307"))
    equal(on_wire(http.post, "https://example.net/", tls, b"x").status, 307)
    equal(len(tls.asked), 1)


def test_nothing_is_asked_of_what_is_no_url():
    tls = Context()
    for url in (
        "http://example.net/",
        "example.net",
        "https://a b/",
        "https://example.net/a b",
        "https://example.net/\r\nX: y",
        "https://example.net/\xe4",
        "https://user@example.net/",
        "https://example.net:x/",
        "https://example.net:99999/",
    ):
        refuses("http.url", got, tls, url)
    for headers in ({"Host": "x"}, {"A": "b\r\nC: d"}, {"A b": "c"}, {"Content-Length": "1"}):
        try:
            got(tls, "https://example.net/", headers)
        except ValueError:
            continue
        raise AssertionError(headers)
    equal(tls.asked, [])


def test_a_saved_file_is_whole_or_is_not_there():
    folder = scratch.empty_folder("http")
    os.mkdir(folder)
    path = folder + "/file"
    answer = got(Context(HEAD + b"Content-Length: 1500\r\n\r\n" + b"x" * 1500))
    equal(answer.save(path, 2000), 1500)
    with open(path, "rb") as file:
        equal(file.read(), b"x" * 1500)
    answer = got(Context(HEAD + b"Content-Length: 1500\r\n\r\n" + b"y" * 1499))
    refuses("http.truncated", answer.save, path, 2000)
    answer = got(Context(many(CHUNKED, b"1\r\ny\r\n", 30)))
    refuses("http.too_large", answer.save, path, 20)
    with open(path, "rb") as file:
        equal(file.read(), b"x" * 1500)
    equal("file.part" in os.listdir(folder), False)


def test_json_is_a_value_or_a_refusal():
    def answer(text):
        head = HEAD + b"Content-Length: %d\r\n\r\n" % len(text)
        return got(Context(head + text))

    equal(answer(b'{"a": [1]}').json(), {"a": [1]})
    refuses("http.json", answer(b"<html>").json)
    refuses("http.json", answer(b"").json)


async def _fetched(tls):
    answer = await http.fetch("GET", "https://example.net/", tls)
    return await answer.acontent(10)


async def _cancelled(tls):
    task = asyncio.create_task(http.fetch("GET", "https://example.net/", tls))
    await asyncio.sleep(0.02)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"


def test_asyncio_reads_the_same_and_may_be_cancelled():
    equal(on_wire(asyncio.run, _fetched(Context(FOUND))), b"ok")
    refuses("http.truncated", on_wire, asyncio.run, _fetched(Context(FOUND[:-1])))
    tls = Context(many(HEAD, NOTHING, 10000))
    equal(on_wire(asyncio.run, _cancelled(tls)), "cancelled")
    true(tls.made[0].is_closed)
