# SPDX-License-Identifier: MIT
"""A device with a store: does what a part of a story says, from one start to the next.

    micropython -X heapsize=100K trial_device.py part.json

The part is {"root", "client", "steps": [[verb, argument, ...], ...]}. For every step a line says
what it came to and which state is in force. Runs on MicroPython and CPython; no pytest here.
"""

import asyncio
import json
import socket
import sys

from trustanchor import Context, Refused, Store, TrustError, clock

HOST = "127.0.0.1"
HOSTS = {"web": HOST, "log": "localhost"}
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


class Device:
    """One device, as it has just started."""

    def __init__(self, root, client):
        self.client = client
        self.store = Store(clock, root, nvs=None)
        self.loaded = "ok"
        try:
            self.store.load()
        except TrustError as error:
            self.loaded = error.code

    def start(self):
        return self.loaded

    def provision(self, bundle):
        with open(bundle, "rb") as file:
            self.store.provision(file)
        return "ok"

    def install(self, bundle):
        with open(bundle, "rb") as file:
            self.store.install(file)
        return "ok"

    def context(self, service, timeout_s=5):
        made = Context(store=self.store, service=service, timeout_s=timeout_s)
        if self.client:
            files = self.client
            if sys.implementation.name == "micropython":
                files = [read(name) for name in files]
            made.load_cert_chain(*files)
        return made

    def visit(self, port, service="web", timeout_s=5):
        sock = self.context(service, timeout_s).connect(HOSTS[service], port)
        sock.write(REQUEST)
        data = sock.read(5)
        sock.close()
        return "ok" if data == b"HTTP/" else repr(data)

    def visit_without_memory(self, port):
        """There is no room for the state before the trial."""
        previous = self.store.previous

        def full(asked=None):
            raise MemoryError

        self.store.previous = full
        try:
            return self.visit(port)
        finally:
            self.store.previous = previous

    def wrap(self, port):
        """As umqtt.simple does it: it does not say which port."""
        sock = socket.socket()
        sock.connect(socket.getaddrinfo(HOST, port)[0][-1])
        sock = self.context("web").wrap_socket(sock, server_hostname=HOST)
        sock.write(REQUEST)
        data = sock.read(5)
        sock.close()
        return "ok" if data == b"HTTP/" else repr(data)

    def visit_async(self, port):
        return asyncio.run(self._visit_async(port))

    async def _visit_async(self, port):
        reader, writer = await self.context("web").open_connection(HOST, port)
        writer.write(REQUEST)
        await writer.drain()
        data = await reader.readexactly(5)
        writer.close()
        return "ok" if data == b"HTTP/" else repr(data)

    def keep(self, port):
        """A connection that stays open; send() uses it."""
        self.kept = self.context("web").connect(HOST, port)
        return "ok"

    def send(self):
        try:
            self.kept.write(REQUEST)
            return "ok" if self.kept.read(5) == b"HTTP/" else "nothing"
        except OSError as error:
            return "OSError %d" % abs(error.errno or 0)

    def erased_meanwhile(self, port):
        """The trial ends, by the cable, after the verdict and before completion."""
        sock = socket.socket()
        sock.connect(socket.getaddrinfo(HOST, port)[0][-1])
        sock = self.context("web").wrap_socket(
            sock, server_hostname=HOST, do_handshake_on_connect=False
        )
        while sock.verdict is None:
            sock.wait(sock.step())
        self.store.erase()
        sock.write(REQUEST)
        return "ok"

    def stands(self):
        store = self.store
        if store.state is None:
            return "nothing"
        kind = "trial" if store.record.trial else "active"
        retired = len(store.record.retired)
        return kind + " %d" % store.state.sequence + (" retired %d" % retired if retired else "")


def read(name):
    with open(name, "rb") as file:
        return file.read()


def run(part):
    device = Device(part["root"], part["client"])
    for step in part["steps"]:
        try:
            code = getattr(device, step[0])(*step[1:])
        except (Refused, TrustError) as refusal:
            code = refusal.code
        print(code + ", " + device.stands())


with open(sys.argv[1]) as file:
    part = json.load(file)
run(part)
