# SPDX-License-Identifier: MIT
"""Trust anchors: what one is, and how they are found by name.

A path is judged by name, key and policy alone (RFC 5280 section 6.1.1 (d)). How a CA certificate
becomes an anchor is in derive.py.

Depends on: kinds; dn when an anchor is listed.
Heap: about 1 KB from a .mpy file.
"""

from ..kinds import SERVER_AUTH


class Anchor:
    """A trust anchor: name + key + policy (RFC 5280 section 6.1.1 (d), RFC 5914).

    name, spki            DER bytes, each a whole element
    hosts                 host patterns it may speak for, or None for any
    purposes              SERVER_AUTH | CLIENT_AUTH
    trust_from/_until     window in which the anchor counts
    distrust_leaf_after   leaves with a later notBefore are refused
    name_constraints      DER NameConstraints of its own, or None (RFC 5914 section 2)
    path_len              most intermediates below it that are not self-issued, or None
    """

    def __init__(
        self,
        name,
        spki,
        hosts=None,
        purposes=SERVER_AUTH,
        trust_from=None,
        trust_until=None,
        distrust_leaf_after=None,
        name_constraints=None,
        path_len=None,
    ):
        self.name = name
        self.spki = spki
        self.hosts = hosts
        self.purposes = purposes
        self.trust_from = trust_from
        self.trust_until = trust_until
        self.distrust_leaf_after = distrust_leaf_after
        self.name_constraints = name_constraints
        self.path_len = path_len


class AnchorList:
    """Anchors in RAM, found by name through an index of 8 bytes an anchor.

    A store offers the same len, iteration and find() over bodies that stay in flash.
    keys  the index (name_key of each anchor in order) when the caller already has it
    """

    def __init__(self, anchors=(), keys=None):
        self._anchors = list(anchors)
        if keys is None:
            # Built here and not at the first find(): a verdict must not take longer because a
            # state has many anchors.
            keys = bytearray(8 * len(self._anchors))
            for i, anchor in enumerate(self._anchors):
                keys[8 * i : 8 * i + 8] = index_key(anchor.name)
        self._keys = keys

    def __len__(self):
        return len(self._anchors)

    def __iter__(self):
        return iter(self._anchors)

    def find(self, name):
        """Yield every anchor whose name equals name (RFC 5280 section 7.1)."""
        if not self._anchors:
            return
        keys = self._keys
        wanted = index_key(name)
        at = keys.find(wanted)
        while at >= 0:
            if at % 8:
                at = keys.find(wanted, at + 1)  # straddles two entries
                continue
            anchor = self._anchors[at // 8]
            if is_named(anchor, name):
                yield anchor
            at = keys.find(wanted, at + 8)


# A search stands still in find() while a signature is verified, and that may need dn's room: so
# find() itself holds nothing of it.


def index_key(name) -> bytes:
    """Return what an index of anchors keeps of a name: dn.name_key."""
    from ..x509.dn import name_key

    return bytes(name_key(name))


def is_named(anchor, name) -> bool:
    """True when anchor bears that name (RFC 5280 section 7.1)."""
    from ..x509.dn import same_name

    return same_name(anchor.name, name)
