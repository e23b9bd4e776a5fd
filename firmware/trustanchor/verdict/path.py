# SPDX-License-Identifier: MIT
"""Find every valid path from an end entity to an anchor (RFC 5280 section 6.1).

The issuer is a name and a key, not a certificate: issuers are taken from the sent chain in any
order, the preloaded and the learned intermediates and the anchors, depth first with
backtracking. A path ends at the first anchor it meets; what it holds is checked on the way up,
the cheap rules before the signature.

    for step in search(leaf, chain[1:], question): step is None (a slice of work) or a VerifiedPath

The profile, one rule a line, in the order it is applied:

  end entity
    path.key_denied      its key is not on the deny list
    path.expired, path.not_yet_valid       section 6.1.3 (a)(2); both ends inclusive
    path.critical        no critical extension is unknown, section 6.1.4 (o)
    path.key_usage       keyCertSign only with cA, section 4.2.1.9; digitalSignature where the
                         extension is present, RFC 8446 section 4.4.2.2
    path.purpose         extendedKeyUsage, section 4.2.1.12
    name.*               subjectAltName, RFC 9525 section 6
    sig.*                its key is one the peer's possession of which proves something
  intermediate
    (dead end)           its name and key are already on the path: a cycle
    path.too_deep        limits.PATH_INTERMEDIATES, whatever they are
    path.too_long        what the caller allows, section 6.1.4 (l)
    path.not_ca          basicConstraints, section 6.1.4 (k); version 1 is no CA
    path.key_usage       keyCertSign, section 6.1.4 (n)
    path.critical        section 6.1.4 (o)
    path.purpose         extendedKeyUsage, as browsers chain it
    path.key_denied
    path.expired, path.not_yet_valid
    path.path_len        certificates below that are not self-issued, section 6.1.4 (l), (m)
    constraints.*        name constraints over everything below, section 6.1.3 (b), (c)
    path.bad_signature, sig.*              section 6.1.3 (a)(1)
  anchor
    anchor.purpose, anchor.host, anchor.expired, anchor.not_yet_valid, anchor.distrusted
    path.key_denied, path.path_len, constraints.*, path.bad_signature, sig.*

Depends on: compat, errors, limits, der, dn, certificate; identity and names for the end entity;
signatures when the first signature is due; constraints when a path has some.
Heap: about 6 KB from a .mpy file; 1 KB and 0.7 KB a certificate while it runs.
"""

from ..compat import const, sha256, tidy
from ..encoding.der import Reader
from ..errors import MalformedError, PathError, TrustError, UnsupportedError
from ..kinds import KU_DIGITAL_SIGNATURE, KU_KEY_CERT_SIGN, SEQUENCE
from ..limits import (
    DEAR_COMPARISONS,
    DEAR_STEPS,
    NAME_COMPARISONS,
    PATH_CERTIFICATES,
    PATH_INTERMEDIATES,
    PATH_SIGNATURES,
    PATH_STEPS,
)
from ..x509.certificate import Certificate

# How useful a reason is to the person who has to act on it: the highest over all candidate paths
# is reported. The nearer to success, the higher (webpki's rank()).
_NO_ISSUER = const(0)
_MALFORMED = const(1)
_SIGNATURE = const(2)
_NO_AUTHORITY = const(3)
_CONSTRAINED = const(4)
_ANCHOR = const(5)
_TIME = const(6)
_DENIED = const(7)
_BUDGET = const(8)  # the search was cut short: what it did not see might have been better

_TAG_VERSION = const(0xA0)
_LEAF = const(-1)
_DEAREST = const(8)  # one of any kind may be verified

_PROOF = object()  # only this module can make a VerifiedPath


class Question:
    """What a path is searched for.

    at, known      Unix seconds; while the clock is unknown no beginning is held against anything
    purpose        SERVER_AUTH or CLIENT_AUTH
    host           reference identity for the end entity and anchor.hosts, or None
    anchors        .find(name)
    preloaded, learned   DER certificates, tried after the sent ones, in this order
    is_denied      function of an SPKI SHA-256
    key_table      function of an SPKI SHA-256: comb table of a kept key, or None
    max_intermediates    most intermediates that are not self-issued, or None (RFC 5280 section
                         6.1.4 (l)); what protects the device is limits.PATH_INTERMEDIATES
    """

    max_intermediates: "int | None" = None

    def __init__(self, at, known, purpose, host, state, local):
        self.at = at
        self.known = known
        self.purpose = purpose
        self.host = host
        self.anchors = state.anchors
        self.preloaded = state.intermediates
        self.learned = local.learned
        self.is_denied = state.is_denied
        self.key_table = local.key_table

    def is_over(self, not_after) -> bool:
        return not_after is not None and self.at > not_after  # RFC 5280 section 4.1.2.5: inclusive

    def is_early(self, not_before) -> bool:
        return self.known and not_before is not None and self.at < not_before


class VerifiedPath:
    """A valid path; only search() makes one, so holding it is the proof.

    certificates   Certificate, end entity first, without the anchor
    anchor         the Anchor it ends at
    keys           SPKI SHA-256 of every certificate and, last, of the anchor
    learnable      DER of its intermediates that were sent or learned (not the preloaded)
    valid_from, valid_until   while its dates and the anchor's window hold, both inclusive
    """

    def __init__(self, proof, certificates, anchor, keys, learnable, valid_from, valid_until):
        if proof is not _PROOF:
            raise TypeError("a VerifiedPath is made by search()")
        self.certificates = certificates
        self.anchor = anchor
        self.keys = keys
        self.learnable = learnable
        self.valid_from = valid_from
        self.valid_until = valid_until


def check_end_entity(leaf, question) -> None:
    """Refuse an end entity that no path could make acceptable; codes as in the profile."""
    if question.is_denied(leaf.spki_sha256):
        raise PathError("path.key_denied", 0)
    if question.is_over(leaf.not_after):
        raise PathError("path.expired", 0)
    if question.is_early(leaf.not_before):
        raise PathError("path.not_yet_valid", 0)
    if leaf.unknown_critical is not None:
        raise PathError("path.critical", 0)
    if leaf.key_usage is not None:
        if not leaf.is_ca and leaf.key_usage & KU_KEY_CERT_SIGN:
            raise PathError("path.key_usage", 0)
        # Every handshake of ours is signed with the leaf's key: the suites are ECDHE only.
        if not leaf.key_usage & KU_DIGITAL_SIGNATURE:
            raise PathError("path.key_usage", 0)
    from ..x509.identity import check_name, check_purpose

    check_purpose(leaf, question.purpose)
    if question.host is not None:
        check_name(leaf, question.host)


def search(leaf, others, question):
    """Generator: yields None between slices of work and a VerifiedPath for every valid path.

    Refuses, when there is none, with the most useful reason over all candidates; its detail is
    the place on the path, 0 for the end entity.
    """
    return _Search(leaf, others, question).run()


class _Search:
    """One depth-first search. path[0] is the end entity; tries[i] yields issuers of path[i]."""

    def __init__(self, leaf, others, question):
        self.question = question
        self.pool = [others, question.preloaded, question.learned]
        if sum(len(group) for group in self.pool) > PATH_CERTIFICATES:
            raise PathError("path.too_many_certificates")
        self.keys: "list[bytearray | None]" = [
            None,
            None,
            None,
        ]  # per group: 8 bytes of name_key a certificate
        # SHA-256 of the child and the issuer's key -> None or a refusal code. Not the child's
        # index: what is learned may change while a verdict is taken in slices.
        self.verified = {}
        self.path = [leaf]
        self.trail = [_LEAF]
        self.steps = 0
        self.work = 0
        self.comparisons = 0  # counted up by constraints.check
        self.rank = -1
        self.reason = None
        self.place = 0

    def run(self):
        question = self.question
        check_end_entity(self.path[0], question)
        tries = [self._issuers()]
        found = False
        try:
            while tries:
                try:
                    index, issuer = next(tries[-1])
                except (StopIteration, MalformedError):
                    # Malformed: an issuer's name that is no Name; nobody carries it.
                    tries.pop()
                    self.path.pop()
                    self.trail.pop()
                    continue
                self.steps += 1
                if self.steps > PATH_STEPS:
                    raise PathError("path.too_many_steps")
                yield None
                if index is None:
                    key = sha256(issuer.spki)
                    refused = self._anchor_refusal(issuer, key)
                else:
                    key = issuer.spki_sha256
                    try:
                        refused = self._issuer_refusal(issuer, key)
                    except MalformedError as error:
                        refused = _MALFORMED, error.code
                if refused is None:
                    refused = yield from self._signature_refusal(issuer.spki, key)
                if refused is not None:
                    self._note(*refused)
                elif index is None:
                    if not found:
                        self._check_key()
                    found = True
                    yield self._proven(issuer, key)
                else:
                    self.path.append(issuer)
                    self.trail.append(index)
                    tries.append(self._issuers())
        except PathError:
            # A budget ran out. What was proven before stays proven.
            if not found:
                raise
        if not found:
            raise PathError(self.reason or "path.no_issuer", self.place)

    def _note(self, rank, code):
        """Keep the most useful reason; among equals, the one furthest up."""
        place = len(self.path)
        if rank > self.rank or (rank == self.rank and place > self.place):
            self.rank = rank
            self.reason = code
            self.place = place

    # Candidates

    def _issuers(self):
        """Yield (index, Certificate) or (None, Anchor) for every possible issuer of path[-1]."""
        child = self.path[-1]
        name = child.issuer
        none = True
        # Anchors first: they end the path, with the fewest signatures.
        anchors = self.question.anchors
        for anchor in anchors.find(name) if anchors else ():
            none = False
            yield None, anchor
        wanted = _key_of(name)
        start = 0
        for number, group in enumerate(self.pool):
            later = []
            for at in self._named(number, wanted):
                issuer = self._parse(group[at], name)
                if issuer is None:
                    continue
                none = False
                # The key identifier orders the tries and decides nothing (RFC 5280 section
                # 4.2.1.1): who does not fit waits, as a number, and is parsed again.
                if child.aki is not None and issuer.ski != child.aki:
                    later.append(at)
                else:
                    yield start + at, issuer
            for at in later:
                issuer = self._parse(group[at], name)
                if issuer is not None:
                    yield start + at, issuer
            start += len(group)
        if none:
            self._note(_NO_ISSUER, "path.no_issuer")

    def _named(self, number, wanted):
        """Yield the places in a group at which a subject has this name_key."""
        keys = self._keys_of(number)
        at = keys.find(wanted)
        while at >= 0:
            if at % 8 == 0:
                yield at // 8
            at = keys.find(wanted, at + 1)

    def _keys_of(self, number):
        if self.keys[number] is None:
            group = self.pool[number]
            keys = bytearray(8 * len(group))
            for i, der in enumerate(group):
                try:
                    keys[8 * i : 8 * i + 8] = _key_of(_subject(der))
                except MalformedError as error:
                    self._note(_MALFORMED, error.code)
            self.keys[number] = keys
            tidy()  # what is parsed next stays for long
        return self.keys[number]

    def _parse(self, der, name):
        """Return the Certificate of that subject, or None.

        Only those on the path are kept: heap before time.
        """
        try:
            found = Certificate(der)
        except MalformedError as error:
            self._note(_MALFORMED, error.code)  # an extra that is damaged is no reason to refuse
            return None
        return found if _is_same(found.subject, name) else None

    # Rules

    def _issuer_refusal(self, issuer, key):
        """Return None or (rank, code): may this certificate stand above the path so far?"""
        question = self.question
        most = question.max_intermediates
        counted = 0  # with the end entity: RFC 5280 section 6.1.4 (l) leaves out the self-issued
        for below in self.path:
            if below.spki_sha256 == key and _is_same(below.subject, issuer.subject):
                return _NO_ISSUER, "path.no_issuer"
            if most is not None and not below.self_issued:
                counted += 1
        if len(self.path) > PATH_INTERMEDIATES:
            return _BUDGET, "path.too_deep"
        if most is not None and counted > most and not issuer.self_issued:
            return _BUDGET, "path.too_long"
        if not issuer.is_ca:
            return _NO_AUTHORITY, "path.not_ca"
        if issuer.key_usage is not None and not issuer.key_usage & KU_KEY_CERT_SIGN:
            return _NO_AUTHORITY, "path.key_usage"
        if issuer.unknown_critical is not None:
            return _NO_AUTHORITY, "path.critical"
        if issuer.eku is not None and not _allows(issuer, question.purpose):
            return _NO_AUTHORITY, "path.purpose"
        if question.is_denied(key):
            return _DENIED, "path.key_denied"
        if question.is_over(issuer.not_after):
            return _TIME, "path.expired"
        if question.is_early(issuer.not_before):
            return _TIME, "path.not_yet_valid"
        return self._limits_refusal(issuer.path_len, issuer.name_constraints)

    def _anchor_refusal(self, anchor, key):
        """Return None or (rank, code): does the anchor's policy allow what is below it?"""
        question = self.question
        if not anchor.purposes & question.purpose:
            return _ANCHOR, "anchor.purpose"
        if anchor.hosts is not None and not _covers(anchor.hosts, question.host):
            return _ANCHOR, "anchor.host"
        if question.is_denied(key):
            return _DENIED, "path.key_denied"
        if question.is_over(anchor.trust_until):
            return _TIME, "anchor.expired"
        if question.is_early(anchor.trust_from):
            return _TIME, "anchor.not_yet_valid"
        after = anchor.distrust_leaf_after
        if after is not None and self.path[0].not_before > after:
            return _ANCHOR, "anchor.distrusted"
        return self._limits_refusal(anchor.path_len, anchor.name_constraints)

    def _limits_refusal(self, path_len, name_constraints):
        """RFC 5280 section 6.1.4 (l), (m) and section 6.1.3 (b), (c), seen from above."""
        if path_len is not None:
            below = 0
            for certificate in self.path[1:]:
                below += not certificate.self_issued
            if below > path_len:
                return _NO_AUTHORITY, "path.path_len"
        if name_constraints is not None:
            from ..x509 import constraints

            for place, certificate in enumerate(self.path):
                if place and certificate.self_issued:
                    continue
                try:
                    constraints.check(name_constraints, certificate, self)
                except TrustError as error:
                    if self.comparisons > NAME_COMPARISONS:
                        raise  # a budget: no other path is tried
                    return _CONSTRAINED, error.code
        return None

    # Signatures

    def _signature_refusal(self, spki, key):
        """Generator: returns None or (rank, code). A pair of child and key is verified once."""
        child = self.path[-1]
        pair = sha256(child.der, key)
        if pair in self.verified:
            code = self.verified[pair]
            return None if code is None else (_SIGNATURE, code)
        # Not loaded before it is needed: half of all code is behind this door.
        tidy()
        from ..crypto import signatures

        tidy()
        try:
            cost = min(signatures.cost_of(spki), PATH_SIGNATURES)
        except TrustError:
            cost = 1  # verifying refuses it with the reason, and before the dear part
        if self.work + cost > PATH_SIGNATURES:
            raise PathError("path.too_many_signatures")
        # Each budget alone is nearly ten ordinary chains' worth: who spends one on dear signatures
        # has less of the others.
        dear = min(cost, _DEAREST) - 1
        self.steps += dear * DEAR_STEPS
        self.comparisons += dear * DEAR_COMPARISONS
        if self.steps > PATH_STEPS or self.comparisons > NAME_COMPARISONS:
            raise PathError("path.too_many_steps")
        code = None
        try:
            if not (
                yield from signatures.verifying(
                    child.sig_alg, spki, child.tbs, child.signature, self.question.key_table(key)
                )
            ):
                code = "path.bad_signature"
        except TrustError as error:
            code = error.code
            if isinstance(error, UnsupportedError):
                cost = 0  # SHA-1, MD5: a dead end that costs nothing
        self.work += cost
        self.verified[pair] = code
        return None if code is None else (_SIGNATURE, code)

    def _check_key(self):
        """Refuse an end entity's key that could be broken or belongs to no algorithm of ours.

        Last, because a chain that ends nowhere is no reason to load the code of another family.
        """
        from ..crypto import signatures

        signatures.check_key(self.path[0].spki)

    def _proven(self, anchor, key):
        question = self.question
        start = anchor.trust_from or 0
        end = anchor.trust_until
        keys = []
        learnable = []
        sent = len(self.pool[0])
        preloaded = sent + len(self.pool[1])
        for index, certificate in zip(self.trail, self.path):
            start = max(start, certificate.not_before)
            end = certificate.not_after if end is None else min(end, certificate.not_after)
            keys.append(certificate.spki_sha256)
            if 0 <= index < sent:
                learnable.append(self.pool[0][index])
            elif index >= preloaded:
                learnable.append(bytes(certificate.der))  # what is at that index may have changed
        keys.append(key)
        return VerifiedPath(
            _PROOF,
            tuple(self.path),
            anchor,
            tuple(keys),
            tuple(learnable),
            start if question.known else 0,
            end,
        )


# What is only needed for a moment is imported in it: signatures may need the room (unload).


def _allows(issuer, purpose) -> bool:
    from ..x509.identity import allows_issuing

    return allows_issuing(issuer, purpose)


def _covers(hosts, host) -> bool:
    from ..x509.names import pattern_matches

    return host is not None and any(pattern_matches(pattern, host) for pattern in hosts)


def _is_same(name, other) -> bool:
    from ..x509.dn import same_name

    return same_name(name, other)


def _key_of(name) -> bytes:
    from ..x509.dn import name_key

    return bytes(name_key(name))


def _subject(der) -> memoryview:
    """Return the subject of a certificate that may never be parsed any further."""
    tbs = Reader(der).enter(SEQUENCE).enter(SEQUENCE)
    tbs.optional(_TAG_VERSION)
    tbs.integer()
    for _ in range(3):  # signature, issuer, validity
        tbs.element(SEQUENCE)
    return tbs.element(SEQUENCE)
