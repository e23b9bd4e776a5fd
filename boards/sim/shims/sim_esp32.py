# SPDX-License-Identifier: MIT
"""SIMULATION of `esp32`: NVS, kept by the supervisor so that it takes none of the board's heap."""

import json

import link

_LONGEST_KEY = 15


class NVS:
    """One namespace: signed 32-bit integers and blobs, durable for certain only after commit."""

    def __init__(self, namespace):
        if len(namespace) > _LONGEST_KEY:
            raise OSError(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._namespace = namespace

    def set_i32(self, key, value):
        if not -0x80000000 <= value < 0x80000000:
            raise OverflowError("value must fit in 32 bits")
        self._ask("set_i32", key, str(value).encode())

    def get_i32(self, key):
        return int(self._ask("get_i32", key))

    def set_blob(self, key, value):
        self._ask("set_blob", key, value)

    def get_blob(self, key, buffer):
        """Fill the buffer and return the blob's length."""
        value = self._ask("get_blob", key)
        if len(value) > len(buffer):
            raise OSError(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        self._ask("erase_key", key)

    def commit(self):
        self._ask("commit", "")

    def _ask(self, operation, key, value=b""):
        head = json.dumps((operation, self._namespace, key)).encode()
        kind, answer = link.ask(b"N", len(head).to_bytes(2, "little") + head + bytes(value))
        if kind != 65:  # b"A": done
            code, name = str(answer, "utf-8").split()
            raise OSError(int(code), name)
        return answer
