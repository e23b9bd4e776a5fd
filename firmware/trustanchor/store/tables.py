# SPDX-License-Identifier: MIT
"""Comb tables of kept keys: who gets one, when it is made, where it is kept.

A table (signatures.key_table) halves what a verification with its key costs. Only the CA keys on
the path of an accepted, enforced and completed connection to a server get one: who has no
certificate under an anchor can not cause a write, and who has one causes as few as anybody.

    tables = Tables("/trust/tables", unix_s, uptime_s)
    tables.want(verdict.path)                 # with a join: no flash, no cryptography
    for _ in tables.making(uptime_s): ...     # in an idle moment, only when the file is due
    tables.write(unix_s, uptime_s)
    tables.of(spki_sha256)                    # read when a signature of that key is due, or None

The file has the layout of the cache and is written at most as often. What fails its CRC is not
served; what passes it and fails its tag, which binds it to its key and to this firmware, is
ignored where it is used and made anew here.

Depends on: cache, compat, limits; signatures when a table is made.
Heap: 2.4 KB from a .mpy file; a table only while its key is used.
"""

import os

from ..compat import const, forget
from ..limits import CACHE_PENDING_BYTES, CACHE_WRITE_S, KEY_TABLE_BYTES, KEY_TABLES
from .cache import Cache

_TABLE = const(3)  # kind of entry, row of the index: cache.py
_ROW = const(14)
_SPARE_BYTES = const(24576)  # that are free before a write: 8 KB for it, the cache, the record
_EC_SPKI_BYTES = const(120)  # P-384, uncompressed; an RSA key is longer and needs no table
# What a heap that is too full gets back; loaded again by whoever needs it.
_CODE = (
    "policy mode_key mode_path path identity certificate leaf fields constraints dn names "
    "signatures sha2 sha512 _sha2_plain rsa rsa_pss ecdsa _ecdsa_plain _ecdsa_tables "
    "_key_tables _limbs _p256 _p384"
)


class Tables(Cache):
    """The tables of at most KEY_TABLES keys; the least recently used gives way."""

    def __init__(self, path: str, unix_s=0, uptime_s=0):
        super().__init__(path, unix_s, uptime_s)
        self._met: "dict" = {}  # SPKI SHA-256 -> SPKI, waiting for a table; None: settled

    def of(self, spki_sha256: bytes):
        """Return the table of a key as flash has it, to be checked by who uses it; or None."""
        body = self._find(_TABLE, spki_sha256)
        if body is None:
            return None
        self._index = self._take(spki_sha256) + self._index
        return memoryview(body)[32:]

    def want(self, path) -> None:
        """Note the issuers on a VerifiedPath that a table would serve."""
        for issuer, key in zip(list(path.certificates[1:]) + [path.anchor], path.keys[1:]):
            # An end entity's key is gone with the next certificate, be it an anchor's as well.
            if key == path.keys[0] or key in self._met or len(issuer.spki) > _EC_SPKI_BYTES:
                continue
            if len(self._met) >= 2 * KEY_TABLES:
                self._met = {}
            self._met[key] = bytes(issuer.spki)

    def making(self, uptime_s=0):
        """Generator: make what is wanted; yields None between slices of work.

        Not before the file may be written: so many cryptographic operations a day, not more.
        """
        wanted = [key for key, spki in self._met.items() if spki is not None]
        if not wanted or uptime_s < self._due_at:
            return
        try:
            yield from self._making(wanted)
        except MemoryError:
            forget(_CODE)
            try:
                # Now without what verdicts have loaded, and with all of what was loaded half.
                yield from self._making(wanted)
            except MemoryError:
                # The heap is the program's: after the next start there may be room.
                for key in wanted:
                    self._met[key] = None
                forget(_CODE)

    def _making(self, wanted):
        from ..crypto import signatures

        for key in wanted:
            spki = self._met.get(key)
            if spki is None:
                continue
            waiting = sum(len(body) for _, body in self._pending)
            if waiting + 32 + KEY_TABLE_BYTES > CACHE_PENDING_BYTES:
                break  # in six hours
            found = self.of(key)
            if found is None or not signatures.is_key_table(spki, found):
                table = yield from signatures.making_key_table(spki)
                if table:
                    self.keep(key, table)
            self._met[key] = None

    def keep(self, spki_sha256: bytes, table) -> None:
        """Keep a table until the next write, in place of one of that key that was no good."""
        if len(table) <= KEY_TABLE_BYTES:
            self._take(spki_sha256)
            self._add(_TABLE, spki_sha256 + bytes(table))

    def write(self, unix_s=0, uptime_s=0) -> None:
        """Write what was made. May raise OSError; then it is gone, and wanted again."""
        if self._pending:
            try:
                block, _, _, free = os.statvfs(self.path[: self.path.rindex("/")])[:4]
                # Else it would take what the record needs.
                if block * free >= _SPARE_BYTES:
                    self.write_if_due(unix_s, uptime_s)
            finally:
                # RAM keeps no table, and a key whose table gave way may want one again.
                self._pending = []
                self._due_at = max(self._due_at, uptime_s + CACHE_WRITE_S)
                self._met = {key: spki for key, spki in self._met.items() if spki is not None}

    def _take(self, spki_sha256: bytes) -> bytearray:
        """Remove the index row of a key and return it; empty when there is none."""
        mark = bytes((_TABLE,)) + spki_sha256[:8]
        index = self._index
        for row in range(0, len(index), _ROW):
            if index[row : row + 9] == mark:
                self._index = index[:row] + index[row + _ROW :]
                return index[row : row + _ROW]
        return bytearray()
