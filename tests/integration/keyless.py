# SPDX-License-Identifier: MIT
"""A server that shows a certificate without having its key; OpenSSL refuses to be one."""

import socket
from typing import Any

from cryptography.hazmat.primitives import serialization
from tlslite.api import (
    X509,
    HandshakeSettings,
    TLSConnection,
    X509CertChain,
    parsePEMKey,
)
from tlslite.errors import TLSError

from host_tools.demo.servers import Listener


class KeylessServer(Listener):
    """Shows chain, signs with key, whatever key the certificate names."""

    def __init__(self, chain: list[bytes], key: Any, version: str) -> None:
        super().__init__()
        certificates = [X509() for _ in chain]
        for certificate, der in zip(certificates, chain, strict=True):
            certificate.parseBinary(bytearray(der))
        self._chain = X509CertChain(certificates)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._key = parsePEMKey(pem.decode(), private=True)
        self._settings = HandshakeSettings()
        number = (3, 3) if version == "1.2" else (3, 4)
        self._settings.minVersion = self._settings.maxVersion = number

    def serve(self, connection: socket.socket) -> None:
        secure = TLSConnection(connection)
        try:
            secure.handshakeServer(
                certChain=self._chain, privateKey=self._key, settings=self._settings
            )
            secure.write(b"HTTP/1.0 200 OK\r\n\r\n")
            secure.close()
        except TLSError:
            pass  # the client has noticed
