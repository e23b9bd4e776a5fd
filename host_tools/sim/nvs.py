# SPDX-License-Identifier: MIT
"""The NVS of a simulated board: what was committed is durable, the rest may or may not be.

The real one writes at a time of its own choosing between set and commit, so a board may wake up
with any of the values it set and did not commit. `lose_power` picks which, from a seed.

The file beside the flash image is replaced whole; erasing NVS does not touch the identity.
"""

import json
import os
import random
from pathlib import Path

_LONGEST_KEY = 15
_LARGEST_BLOB = 4000
_CAPACITY_BYTES = 16_000  # five usable pages of 126 entries of 32 bytes, less their bookkeeping

# ESP-IDF's nvs.h; MicroPython raises them negated.
_ERRORS = {
    "ESP_ERR_NVS_NOT_FOUND": -0x1102,
    "ESP_ERR_NVS_TYPE_MISMATCH": -0x1103,
    "ESP_ERR_NVS_NOT_ENOUGH_SPACE": -0x1105,
    "ESP_ERR_NVS_KEY_TOO_LONG": -0x1109,
    "ESP_ERR_NVS_VALUE_TOO_LONG": -0x110E,
}

Value = tuple[str, bytes]  # ("i32" or "blob", its bytes; an integer as decimal text)


class NvsError(Exception):
    """An error code of ESP-IDF, as the board sees it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.code = _ERRORS[name]
        self.name = name


class Nvs:
    """Key and value per namespace, in a file that a restarted simulator finds again."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self._random = random.Random(seed)
        self._durable: dict[str, Value] = {}
        self._pending: list[tuple[str, Value | None]] = []
        self.identity = os.urandom(6).hex()
        if path.exists():
            kept = json.loads(path.read_text())
            self.identity = kept["identity"]
            self._durable = {
                key: (kind, bytes.fromhex(value)) for key, (kind, value) in kept["nvs"].items()
            }
        else:
            self._save()

    def call(self, operation: str, namespace: str, key: str, value: bytes) -> bytes:
        """Do what the board asks; returns the value of a get, else nothing."""
        if operation == "commit":
            self._apply(self._pending)
            return b""
        if len(key) > _LONGEST_KEY:
            raise NvsError("ESP_ERR_NVS_KEY_TOO_LONG")
        name = f"{namespace}/{key}"
        if operation in ("get_i32", "get_blob"):
            return self._get(name, operation.removeprefix("get_"))
        if operation == "erase_key":
            if name not in self._seen():
                raise NvsError("ESP_ERR_NVS_NOT_FOUND")
            self._pending.append((name, None))
            return b""
        if len(value) > _LARGEST_BLOB:
            raise NvsError("ESP_ERR_NVS_VALUE_TOO_LONG")
        if sum(32 + len(kept) for _, kept in self._seen().values()) + len(value) > _CAPACITY_BYTES:
            raise NvsError("ESP_ERR_NVS_NOT_ENOUGH_SPACE")
        self._pending.append((name, (operation.removeprefix("set_"), value)))
        return b""

    def lose_power(self) -> None:
        """Keep some of what was not committed and lose the rest."""
        self._apply([change for change in self._pending if self._random.random() < 0.5])

    def erase(self) -> None:
        self._durable.clear()
        self._apply([])

    def _get(self, name: str, kind: str) -> bytes:
        found = self._seen().get(name)
        if found is None:
            raise NvsError("ESP_ERR_NVS_NOT_FOUND")
        if found[0] != kind:
            raise NvsError("ESP_ERR_NVS_TYPE_MISMATCH")
        return found[1]

    def _seen(self) -> dict[str, Value]:
        return _changed(self._durable, self._pending)

    def _apply(self, changes: list[tuple[str, Value | None]]) -> None:
        self._durable = _changed(self._durable, changes)
        self._pending = []
        self._save()

    def _save(self) -> None:
        kept = {
            "identity": self.identity,
            "nvs": {key: (kind, value.hex()) for key, (kind, value) in self._durable.items()},
        }
        scratch = self._path.with_name(self._path.name + ".new")
        scratch.write_text(json.dumps(kept, indent=1) + "\n")
        scratch.replace(self._path)


def _changed(
    values: dict[str, Value], changes: list[tuple[str, Value | None]]
) -> dict[str, Value]:
    result = dict(values)
    for name, value in changes:
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return result
