# SPDX-License-Identifier: MIT
"""What a board of a product is made to be: a TOML file, and a CSV file of identities by MAC.

    product = load(Path("thermostat.toml"), arguments)
    wanted = product.for_mac("240ac4010203")       # Wanted: the files and texts for this board

    product = "thermostat"
    fleet = "north"
    bundle = "factory.bundle"      # the first trust state
    program = "main.py"            # optional
    devices = "devices.csv"        # optional: mac, device_id, certificate, key
    [[service]]                    # optional: where the program connects
    name = "broker"
    host = "broker.example.net"
    port = 8883

What no board could take is refused here, before a board is touched: a bundle that its own reader
refuses, an audience that leaves the device out, a key that is not the certificate's.
Refusals: toml.*, product.*, and those of the device's bundle reader.
"""

import argparse
import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from host_tools.boards.talk import SETTINGS
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.signing import inputs, keyfiles
from host_tools.signing.description import Table, read_table
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.limits import BUNDLE_BYTES
from trustanchor.update import bundle
from trustanchor.x509 import names

CERTIFICATE, KEY = "/device/client.der", "/device/client.key"
PROGRAM = "/main.py"

_FILE_BYTES = 1 << 20
_CSV_BYTES = 16 << 20
# What a board reads of its own settings (boards/device/about.py).
_SETTINGS_BYTES = 2048
_COLUMNS = ("mac", "device_id", "certificate", "key")
_WORD = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True)
class Wanted:
    """One board as it should be. files are {path on the board: content}, the program apart."""

    product: str
    fleet: str
    device_id: str | None
    bundle: bytes
    digest: bytes
    epoch: int
    sequence: int
    files: dict[str, bytes]
    program: bytes | None


@dataclass(frozen=True)
class _Row:
    line: int
    device_id: str
    certificate: str
    key: str


class Product:
    """The file, read and checked. Made by load()."""

    def __init__(self, path: Path, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        top = read_table(path)
        self.name = _word(top, "product")
        self.fleet = _word(top, "fleet")
        self._bundle = _read(top, "bundle", BUNDLE_BYTES)
        self._state: Any = bundle.parse(BytesSource(self._bundle))
        self._program = _read(top, "program", _FILE_BYTES, optional=True)
        self._services = [_service(one, self._state) for one in top.tables("service")]
        devices = top.take("devices", str, None)
        top.finish()
        self._devices: Path | None = None if devices is None else top.file(devices)
        self._rows = {} if self._devices is None else _rows(self._devices)
        products = self._state.products  # type: ignore[attr-defined]  # prefix.read_prefix
        if products is not None and self.name not in products:
            raise HostError(
                f"{path}: the bundle is for {_several(products)}, not for {self.name}.",
                "product.audience",
            )
        # Read once, so that no board waits for a passphrase and a wrong file stops the whole line.
        self._identities = {mac: self._identity(row) for mac, row in self._rows.items()}
        for mac in list(self._rows) or [""]:
            self.for_mac(mac)

    def for_mac(self, mac: str) -> Wanted:
        """What this board should be; refuses with product.unknown_mac, product.audience."""
        row = self._rows.get(mac)
        if row is None and self._devices is not None:
            raise HostError(
                f"{self._devices} has no row for the MAC address {spelled(mac)}: add one, or this "
                "board is not of this batch.",
                "product.unknown_mac",
            )
        device_id = row.device_id if row else None
        devices = self._state.devices
        if devices is not None and device_id not in devices:
            raise HostError(
                f"The bundle is not for {device_id or 'a board without an identity'}: its "
                f"audience is {_several(devices)}.",
                "product.audience",
            )
        files = dict(self._identities.get(mac, {}))
        settings: dict[str, object] = {
            "product": self.name,
            "fleet": self.fleet,
            "device_id": device_id,
            "services": self._services,
        }
        if files:
            settings |= {"certificate": CERTIFICATE, "key": KEY}
        text = json.dumps(settings, separators=(",", ":")).encode()
        if len(text) > _SETTINGS_BYTES:
            raise HostError(
                f"The settings take {len(text)} bytes of at most {_SETTINGS_BYTES}: name fewer "
                "services.",
                "product.services",
            )
        files[SETTINGS] = text
        return Wanted(
            product=self.name,
            fleet=self.fleet,
            device_id=device_id,
            bundle=self._bundle,
            digest=self._state.payload_digest,
            epoch=self._state.epoch,
            sequence=self._state.sequence,
            files=files,
            program=self._program,
        )

    def _identity(self, row: _Row) -> dict[str, bytes]:
        assert self._devices
        where = f"{self._devices}:{row.line}"
        if not row.certificate and not row.key:
            return {}
        if not (row.certificate and row.key):
            raise HostError(f"{where}: certificate and key go together.", "product.devices")
        folder = self._devices.parent
        certificate = _certificate(folder / row.certificate)
        content = inputs.read(folder / row.key, _FILE_BYTES)
        is_pem = b"-----BEGIN" in content
        key = keyfiles.load_private_key(content, self._arguments, row.key, is_pem)
        if keyfiles.public_der(key) != _public_der(certificate):
            raise HostError(
                f"{where}: {printable(row.key)} is not the key of {printable(row.certificate)}.",
                "product.devices",
            )
        return {
            CERTIFICATE: certificate.public_bytes(serialization.Encoding.DER),
            KEY: key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            ),
        }


def load(path: Path, arguments: argparse.Namespace) -> Product:
    """Read a product file; arguments carry what keyfiles.add_passphrase_option() added."""
    try:
        return Product(path, arguments)
    except UnicodeDecodeError:
        raise HostError(f"{path}: a file it names is no text.", "product.devices") from None


def spelled(mac: str) -> str:
    """A MAC address as it is printed on a label: 24:0a:c4:01:02:03."""
    return ":".join(mac[at : at + 2] for at in range(0, len(mac), 2))


def parse_mac(text: str) -> str | None:
    """12 lower-case digits of a MAC address with colons, dashes or nothing between; else None."""
    found = re.fullmatch(r"([0-9a-f]{2})(?:([:-]?)[0-9a-f]{2})(?:\2[0-9a-f]{2}){4}", text.lower())
    return re.sub("[:-]", "", text.lower()) if found else None


def _word(top: Table, name: str) -> str:
    value = top.take(name, str)
    if not _WORD.fullmatch(value):
        raise top.refuse(f"{name} has 1 to 64 visible ASCII characters and no space.")
    return str(value)


def _read(top: Table, name: str, limit: int, optional: bool = False) -> Any:
    file = top.take(name, str, None) if optional else top.take(name, str)
    if file is None:
        return None
    content = inputs.read(top.file(file), limit)
    if len(content) > limit:
        raise top.refuse(f"{name}: the file is larger than {limit} bytes.")
    return content


def _service(table: Table, state: Any) -> dict[str, object]:
    name = table.take("name", str)
    known = [one.name for one in state.services]
    if name not in known:
        raise table.refuse(f"the bundle has no service {printable(name)}; it has {known}.")
    try:
        host = names.parse_reference(table.take("host", str)).text
    except TrustError:
        raise table.refuse("host is no name a device could ask for.") from None
    port = table.take("port", int)
    if not 0 < port < 1 << 16:
        raise table.refuse("port is a number from 1 to 65535.")
    table.finish()
    return {"name": name, "host": host, "port": port}


def _rows(path: Path) -> dict[str, _Row]:
    content = inputs.read(path, _CSV_BYTES)
    if len(content) > _CSV_BYTES:
        raise HostError(f"{path}: larger than {_CSV_BYTES >> 20} MiB.", "product.devices")
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    found: dict[str, _Row] = {}
    identities: dict[str, int] = {}
    try:
        head = [cell.strip() for cell in next(reader, [])]
        if head[:2] != list(_COLUMNS[:2]) or head != list(_COLUMNS[: len(head)]):
            raise HostError(
                f"{path}:1: the first line is mac,device_id or mac,device_id,certificate,key.",
                "product.devices",
            )
        for row in reader:
            where = f"{path}:{reader.line_num}"
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) != len(head):
                raise HostError(
                    f"{where}: {len(cells)} columns, the first line has {len(head)}.",
                    "product.devices",
                )
            mac = parse_mac(cells[0])
            if mac is None:
                raise HostError(
                    f"{where}: {printable(cells[0], 40)!r} is no MAC address like "
                    "24:0a:c4:01:02:03.",
                    "product.devices",
                )
            if not _WORD.fullmatch(cells[1]):
                raise HostError(
                    f"{where}: a device_id has 1 to 64 visible ASCII characters.",
                    "product.devices",
                )
            for what, before in ((mac, found.get(mac)), (cells[1], identities.get(cells[1]))):
                if before is not None:
                    line = before.line if isinstance(before, _Row) else before
                    raise HostError(f"{where}: {what} is in line {line} too.", "product.devices")
            identities[cells[1]] = reader.line_num
            more = [*cells[2:], "", ""]
            found[mac] = _Row(reader.line_num, cells[1], more[0], more[1])
    except csv.Error as error:
        raise HostError(f"{path}:{reader.line_num}: {error}.", "product.devices") from None
    if not found:
        raise HostError(f"{path}: no device is in it.", "product.devices")
    return found


def _certificate(path: Path) -> x509.Certificate:
    content = inputs.read(path, _FILE_BYTES)
    blocks = inputs.pem_blocks(content, printable(str(path)))
    ders = [block.der() for block in blocks if block.label == "CERTIFICATE"] or [content]
    if len(ders) != 1:
        raise HostError(
            f"{path}: {len(ders)} certificates; a device gets its own alone.", "product.devices"
        )
    try:
        return x509.load_der_x509_certificate(ders[0])
    except (ValueError, x509.InvalidVersion):
        raise HostError(f"{path}: no certificate.", "product.devices") from None


def _public_der(certificate: x509.Certificate) -> bytes:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise HostError("A certificate's key is of no known kind.", "product.devices") from None
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _several(names_of: Any) -> str:
    shown = sorted(printable(str(one), 40) for one in names_of)
    return ", ".join(shown[:5]) + (" and more" if len(shown) > 5 else "")
