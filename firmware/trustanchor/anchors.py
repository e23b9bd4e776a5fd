# SPDX-License-Identifier: MIT
"""Trust anchors: what one is, how they are found by name, how a CA certificate becomes one.

    anchor = anchor_of(root_certificate, hosts=("*.example.net",))
    state = literal(anchors=[anchor])

A path is judged by name, key and policy alone (RFC 5280 section 6.1.1 (d)); the certificate is
read once, in anchor_of. Its dates count only when dates=True or the state says so.

Depends on: state; dn when an anchor is listed; errors, certificate, identity in anchor_of.
Heap: about 2.5 KB from a .mpy file.
"""

from .kinds import CLIENT_AUTH, SERVER_AUTH


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
            if self._anchors:
                from .dn import name_key

                for i, anchor in enumerate(self._anchors):
                    keys[8 * i : 8 * i + 8] = name_key(anchor.name)
        self._keys = keys

    def __len__(self):
        return len(self._anchors)

    def __iter__(self):
        return iter(self._anchors)

    def find(self, name):
        """Yield every anchor whose name equals name (RFC 5280 section 7.1)."""
        if not self._anchors:
            return
        from .dn import name_key, same_name

        keys = self._keys
        wanted = bytes(name_key(name))
        at = keys.find(wanted)
        while at >= 0:
            if at % 8:
                at = keys.find(wanted, at + 1)  # straddles two entries
                continue
            anchor = self._anchors[at // 8]
            if same_name(anchor.name, name):
                yield anchor
            at = keys.find(wanted, at + 8)


def anchor_of(certificate: bytes, dates=False, **policy) -> Anchor:
    """Return the anchor a CA certificate stands for; what it says of itself becomes policy.

    dates  take its validity as trust_from and trust_until
    Refuses with cert.* der.* for bytes, anchor.not_ca, anchor.key_usage, anchor.critical for a
    certificate that could not issue (RFC 5280 section 6.1.4 (k), (n), (o)), anchor.purposes for
    one whose extended key usage leaves no purpose.
    """
    from .certificate import Certificate
    from .errors import PinError
    from .identity import allows_issuing
    from .kinds import KU_KEY_CERT_SIGN

    root = Certificate(certificate)
    if not root.is_ca:
        raise PinError("anchor.not_ca")
    if root.key_usage is not None and not root.key_usage & KU_KEY_CERT_SIGN:
        raise PinError("anchor.key_usage")
    if root.unknown_critical is not None:
        raise PinError("anchor.critical")
    purposes = policy.get("purposes", SERVER_AUTH)
    for purpose in (SERVER_AUTH, CLIENT_AUTH):
        if not allows_issuing(root, purpose):
            purposes &= ~purpose
    if not purposes:
        raise PinError("anchor.purposes")
    policy["purposes"] = purposes
    if dates:
        policy["trust_from"] = root.not_before
        policy["trust_until"] = root.not_after
    constraints = root.name_constraints
    return Anchor(
        bytes(root.subject),
        bytes(root.spki),
        name_constraints=None if constraints is None else bytes(constraints),
        path_len=root.path_len,
        **policy,
    )
