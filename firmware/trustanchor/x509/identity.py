# SPDX-License-Identifier: MIT
"""What an end entity must say of itself: its name and its purpose. Path or no path.

    check_name        the host asked for is in the SAN (RFC 9525 section 6; the CN is never read)
    check_purpose     extendedKeyUsage allows the purpose (RFC 5280 section 4.2.1.12)
    matching_name     CLIENT_AUTH: which of the peer's own names the service's pattern allows

Depends on: errors; names when there is a name to compare.
Heap: about 1 KB from a .mpy file.
"""

from ..errors import PathError
from ..kinds import SERVER_AUTH

# Extended key usages, RFC 5280 section 4.2.1.12, as the contents of their DER.
_ANY = b"\x55\x1d\x25\x00"  # 2.5.29.37.0
_SERVER_AUTH = b"\x2b\x06\x01\x05\x05\x07\x03\x01"  # 1.3.6.1.5.5.7.3.1
_CLIENT_AUTH = b"\x2b\x06\x01\x05\x05\x07\x03\x02"  # 1.3.6.1.5.5.7.3.2


def check_name(leaf, host) -> None:
    """Refuse with name.missing, name.no_san, name.mismatch; name.* when host itself is none."""
    from .names import parse_reference, presented_matches

    if host is None:
        raise PathError("name.missing")
    reference = parse_reference(host)
    if leaf.san is None:
        raise PathError("name.no_san")
    if not presented_matches(leaf.san, reference):
        raise PathError("name.mismatch")


def check_purpose(leaf, purpose: int) -> None:
    """Refuse with path.purpose; purpose is 1 for serverAuth, 2 for clientAuth.

    An absent extension limits nothing. anyExtendedKeyUsage is not enough for an end entity:
    the CA/Browser Forum forbids it there (7.1.2.7.10), webpki refuses it too.
    """
    if leaf.eku is not None and not leaf.has_eku(usage(purpose)):
        raise PathError("path.purpose", 0)


def usage(purpose: int) -> bytes:
    """Return the extended key usage that purpose asks for."""
    return _SERVER_AUTH if purpose == SERVER_AUTH else _CLIENT_AUTH


def allows_issuing(certificate, purpose: int) -> bool:
    """True when the extendedKeyUsage of a CA lets it issue for purpose.

    RFC 5280 does not chain this extension; every browser, Go and webpki do, and so do we.
    """
    return (
        certificate.eku is None or certificate.has_eku(usage(purpose)) or certificate.has_eku(_ANY)
    )


def matching_name(leaf, pattern: str, host: "str | None") -> str:
    """Return the first dNSName of the SAN that pattern allows and, when given, equals host.

    Refuses with name.no_san, name.mismatch. A wildcard names no peer and never matches.
    """
    from ..kinds import TAG_DNS
    from .names import general_names, is_host_name, pattern_matches

    if leaf.san is None:
        raise PathError("name.no_san")
    for tag, contents in general_names(leaf.san):
        octets = bytes(contents).lower()
        if tag != TAG_DNS or not is_host_name(octets):
            continue
        name = octets.decode()
        if pattern_matches(pattern, name) and host in (None, name):
            return name
    raise PathError("name.mismatch")
