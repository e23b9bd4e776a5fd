# SPDX-License-Identifier: MIT
"""What a TLS server really sends, read from the wire and judged by nobody.

Every step is bounded in time and every failure has a code: net.address, net.dns, net.unreachable,
net.timeout, net.not_tls, net.no_certificate.
"""

import re
import socket
import ssl
from dataclasses import dataclass

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

DEFAULT_PORT = 443
# Seconds for the TCP connect to one address, and again for the whole TLS handshake.
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


SCHEMES = {"https": 443, "wss": 443, "mqtts": 8883}


def is_url(text: str) -> bool:
    """Whether text is a URL of a protocol over TLS."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def parse_endpoint(text: str, default_port: int | None = None) -> Endpoint:
    """Read HOST:PORT, [IPV6]:PORT, and where default_port is given also HOST and IPV6.

    A URL as people paste it names its host and port: https://HOST[:PORT]/..., mqtts://HOST.

    Refuses with net.address. Whether the name exists is for the resolver to say.
    """
    if is_url(text):
        scheme, _, rest = text.partition("://")
        default_port = SCHEMES[scheme.lower()]
        text = re.split("[/?#]", rest, maxsplit=1)[0]
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _bad_address(text)
        port = rest[1:]
        if rest and not port:
            raise _bad_address(text)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            raise _bad_address(text)
    elif ":" in text and default_port is None:
        raise _bad_address(text)
    if not host or any(char.isspace() or not char.isprintable() or char in "/@" for char in host):
        raise _bad_address(text)
    if not port:
        if default_port is None:
            raise _bad_address(text)
        return Endpoint(host, default_port)
    # isdecimal alone would admit other scripts' digits.
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        raise _bad_address(text)
    return Endpoint(host, int(port))


def _bad_address(text: str) -> HostError:
    return HostError(
        f"{printable(text, 80)!r} is not HOST:PORT (a port is 1 to 65535, an IPv6 address stands "
        "in brackets).",
        "net.address",
    )


def fetch_chain(
    endpoint: Endpoint,
    timeout_s: float = TIMEOUT_S,
    *,
    address: str | None = None,
    version: ssl.TLSVersion | None = None,
) -> list[bytes]:
    """Return the DER certificates the server sends, in its order, end entity first.

    address: the one address to ask, instead of the first of the name that answers. version: the
    one TLS version to offer.

    The handshake is completed, so the server has proved that it holds the first one's key. Nothing
    else is checked: who asks wants to see, not to trust.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # A key that is too small for OpenSSL's default level must still be shown.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if version is not None:
        context.minimum_version = context.maximum_version = version
    with _dial(endpoint, timeout_s, address) as plain:
        try:
            wrapped = context.wrap_socket(plain, server_hostname=endpoint.host)
        except TimeoutError:
            raise HostError(
                f"{endpoint} did not finish a TLS handshake within {timeout_s:g} s.", "net.timeout"
            ) from None
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise HostError(
                f"{endpoint} does not complete a TLS handshake with us ({reason}).", "net.not_tls"
            )
        except OSError as error:
            raise HostError(
                f"{endpoint} ended the TLS handshake ({error.strerror or error}).", "net.not_tls"
            )
        with wrapped:
            # Python 3.13 has this as SSLSocket.get_unverified_chain; 3.11 only on the inner
            # object. It is the peer's list, not one that OpenSSL has built.
            sent = wrapped._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
            if not sent:
                raise HostError(f"{endpoint} sent no certificate.", "net.no_certificate")
            return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in sent]


def _dial(endpoint: Endpoint, timeout_s: float, address: str | None) -> socket.socket:
    try:
        return socket.create_connection((address or endpoint.host, endpoint.port), timeout_s)
    # UnicodeError: the resolver's IDNA step refuses empty and over-long labels with it.
    except (socket.gaierror, UnicodeError):
        raise HostError(f"{printable(str(endpoint))}: no such host.", "net.dns") from None
    except TimeoutError:
        raise HostError(
            f"{endpoint} did not answer within {timeout_s:g} s.", "net.timeout"
        ) from None
    except OSError as error:
        raise HostError(
            f"{endpoint} cannot be reached ({error.strerror or error}).", "net.unreachable"
        ) from None
