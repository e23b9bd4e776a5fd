# SPDX-License-Identifier: MIT
"""Who may sign, and how the right to sign was passed on (SPEC.md "Authority", "Link").

    yield from proving(record, loaded, source, message, prefix)

walks the links of a bundle from the device's position to the signers of its state and returns
when every signature that has to be there is there and valid. It looks no further into the state
than its first fields.

Depends on: cbor, cose, compat, errors, limits, prefix; signatures through cose.
Heap: 4 KB from a .mpy file; an authority about 0.3 KB a key.
"""

from ..compat import sha256, tidy
from ..encoding.cbor import BytesSource, Reader
from ..errors import MalformedError, UnsupportedError, UpdateError
from ..kinds import LINK, RESCUE, STATE
from ..limits import AUTHORITY_BYTES, GROUP_KEYS, GROUPS, LINK_BYTES, LINKS
from .cose import Message, reading
from .prefix import check, keep

_LINK = (
    "version:v epoch:i0-1073741823 sequence:i0-1073741823 3:- 4:- 5:-"
    " authority_at:r backup_at:r old_at:r"
)


class Authority:
    """One to three groups, each with a threshold; all must be met.

    digest  SHA-256 of the record: its identity
    groups  (threshold, [key, ...]); a key is (kid, alg, public key)
    """

    def __init__(self, record: "bytes | memoryview"):
        self.digest = sha256(record)
        self.groups = []
        reader = Reader(BytesSource(record))
        for _ in range(reader.array(1, GROUPS)):
            _pair(reader)
            begin = reader.pos
            threshold = reader.uint(1, GROUP_KEYS)
            keys = [self._key(reader, record) for _ in range(reader.array(1, GROUP_KEYS))]
            if threshold > len(keys):  # A1
                raise MalformedError("bundle.threshold", begin)
            self.groups.append((threshold, keys))
        reader.finish()

    def _key(self, reader, record):
        begin = reader.pos
        _pair(reader)
        alg = reader.negative(-64)
        public = bytes(reader.octets(1, AUTHORITY_BYTES))
        return sha256(record[begin : reader.pos])[:8], alg, public

    def members(self):
        """Return every key of every group."""
        return [key for _, keys in self.groups for key in keys]

    def checking(self, other=None):
        """Generator: refuse a key that counts twice, here or in other, or nobody could verify."""
        from ..crypto import cose_signatures

        kids = set()
        publics = set() if other is None else {public for _, _, public in other.members()}
        for kid, alg, public in self.members():
            if public in publics:  # A2
                raise MalformedError("bundle.key_repeated", kid.hex())
            if kid in kids:  # A3
                raise MalformedError("bundle.kid_collision", kid.hex())
            publics.add(public)
            kids.add(kid)
            try:
                cose_signatures.check_key(alg, public)  # A4
            except (MalformedError, UnsupportedError) as error:
                raise MalformedError("bundle.key", error.code)
            yield


def authority_at(source, span) -> Authority:
    """Return the Authority whose record lies at span."""
    return Authority(source.read(span[0], span[1] - span[0]))


class Link:
    """old passed the right to sign on to authority.

    place   (epoch, sequence): the position after it
    backup  the new backup authority of a rescue link, else None
    """

    def __init__(self, message: Message):
        self.message = message
        self.version = self.epoch = self.sequence = 0
        self.old_at = self.authority_at = self.backup_at = (0, 0)
        self.backup: "Authority | None" = None

    def reading(self):
        """Generator: read it. Nobody has vouched for it: it yields None after each part."""
        message = self.message
        source = message.source
        reader = Reader(source, message.payload[0], message.payload[1])
        names = _LINK.split()
        found = 0
        for key in reader.fields():
            found |= keep(key, reader, self, names)
            yield
        check(found, (0, 1, 2, 6, 8))
        reader.finish()
        self.place = (self.epoch, self.sequence)
        self.old = authority_at(source, self.old_at)
        yield
        self.authority = authority_at(source, self.authority_at)
        yield from self.authority.checking()
        if self.backup_at[1]:
            self.backup = authority_at(source, self.backup_at)
            yield from self.backup.checking(self.authority)


def links(source, start: int):
    """Yield the links that follow the state, one at a time: none is kept (U1, U8).

    Between slices of work it yields None.
    """
    reader = Reader(source, start)
    before = (-1, 0)
    count = 0
    while reader.more():
        begin = reader.pos
        count += 1
        if count > LINKS:
            raise MalformedError("bundle.too_many_links", begin)
        message = yield from reading(reader)
        if message.type != LINK:
            raise MalformedError("bundle.file", begin)
        if message.end - begin > LINK_BYTES:
            raise MalformedError("bundle.too_large", begin)
        yield
        link = Link(message)
        yield from link.reading()
        if link.place <= before:
            raise UpdateError("update.link_order", begin)
        before = link.place
        yield link


def opened(source):
    """Generator: return the first message of a file all of whose messages are well formed (U1)."""
    message = yield from reading(Reader(source))
    if message.type == LINK:
        raise MalformedError("bundle.file", 0)
    yield
    for _ in links(source, message.end):
        yield
    return message


def proving(record, loaded, message: Message, prefix):
    """Generator: refuse a state whose signers may not replace what the device has (U8 to U13).

    Returns the digests of the authority and of the backup authority the state names.
    """
    source = message.source
    authority = authority_at(source, prefix.authority)
    yield from authority.checking()
    second = authority_at(source, prefix.backup)
    yield from second.checking(authority)
    backup = second.digest
    del second  # a small heap needs the room to verify
    if record is None:
        # Nothing is known yet: the state vouches for itself, and the way it came vouches for it.
        if message.type != STATE:
            raise UpdateError("update.first_is_rescue")
        yield from verifying(message, (authority,))
    else:
        position = _Position(record)
        for link in links(source, message.end):
            if link is None:
                yield
            else:
                yield from position.walk(link)
        loaded = [(one.source, one) for one in loaded]
        yield from position.reach(message, prefix, authority, backup, [(source, prefix)] + loaded)
    return authority.digest, backup


class _Position:
    """Where the walk is: the last (epoch, sequence), and who may sign what comes next."""

    def __init__(self, record):
        self.place = (record.epoch, record.sequence)
        self._authority = record.authority
        self._backup = record.backup
        self._walked: "list[Authority]" = []  # the authorities the last link named

    def walk(self, link: Link):
        """Generator: take a link, or step over it (U8 to U10)."""
        if link.place <= self.place:
            return
        epoch = self.place[0]
        if link.epoch > epoch + 1:
            raise UpdateError("update.epoch_gap", link.epoch)
        is_rescue = link.epoch == epoch + 1
        expected = self._backup if is_rescue else self._authority
        new_backup = link.backup
        if link.old.digest != expected or is_rescue != (new_backup is not None):
            raise UpdateError("update.link_forked", link.sequence)
        yield from verifying(link.message, (link.old, link.authority))
        self.place = link.place
        self._authority = link.authority.digest
        if new_backup is not None:
            self._backup = new_backup.digest
            self._walked = [new_backup]
        # Of an older link only the backup authority may still be in force.
        self._walked = [one for one in self._walked if one.digest == self._backup]
        self._walked.append(link.authority)

    def reach(self, message, prefix, authority, backup: bytes, records):
        """Generator: the state itself, from where the links led (U11).

        records  (source, Prefix or Bundle) of what may hold a record that is asked for
        """
        epoch, sequence = self.place
        is_rescue = message.type == RESCUE
        if prefix.epoch != epoch + is_rescue:
            raise UpdateError("update.epoch_gap", prefix.epoch)
        if not is_rescue and prefix.sequence <= sequence:
            raise UpdateError("update.rollback", prefix.sequence)
        asked = [self._find(self._backup if is_rescue else self._authority, records)]
        if authority.digest != asked[0].digest:
            asked.append(authority)
        if not is_rescue and backup != self._backup:
            asked.append(self._find(self._backup, records))
        yield from verifying(message, asked)

    def _find(self, digest: bytes, records) -> Authority:
        """U12: a record is known by its digest; who supplies it does not matter."""
        for one in self._walked:
            if one.digest == digest:
                return one
        for source, spans in records:
            for span in (spans.authority, spans.backup):
                record = source.read(span[0], span[1] - span[0])
                if sha256(record) == digest:
                    return Authority(record)
        raise UpdateError("update.authority_unknown")


def verifying(message: Message, asked):
    """Generator: refuse a message that is not signed by every authority asked for (U13)."""
    used = []
    for signature in message.signatures:
        found = None
        for authority in asked:
            for key in authority.members():
                if key[0] == signature.kid:
                    if found is not None and key != found:
                        raise MalformedError("bundle.kid_collision", signature.kid.hex())
                    found = key
        if found is None:
            raise UpdateError("cose.signature_foreign", signature.kid.hex())
        if found[1] != signature.alg:
            raise UpdateError("cose.algorithm", signature.alg)
        used.append(found)
        yield
    # Counting costs nothing, so it comes before the first signature is verified.
    for authority in asked:
        for number, (threshold, keys) in enumerate(authority.groups):
            signed = sum(1 for key in keys if key in used)
            if signed < threshold:
                raise UpdateError("update.threshold", "group %d: %d" % (number, signed))
    for signature, key in zip(message.signatures, used):
        tidy()
        valid = yield from message.verifying(signature, key[2])
        if not valid:
            raise UpdateError("cose.signature_invalid", signature.kid.hex())
        yield


def _pair(reader: Reader) -> None:
    if reader.array(0, 24) != 2:
        raise MalformedError("bundle.authority", reader.pos)
