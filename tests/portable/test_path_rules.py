# SPDX-License-Identifier: MIT
"""The profile: one rule a test, each with what it still allows; and which reason is told."""

from forest import (
    HOST,
    NOW,
    anchor,
    authority,
    code,
    end_entity,
    key,
    paths,
    signed,
    state_of,
)

from check import equal
from der_maker import CRITICAL, EKU, KEY_USAGE, certificate, extension, name, tlv
from trustanchor.compat import sha256
from trustanchor.errors import TrustError
from trustanchor.kinds import CLIENT_AUTH, SERVER_AUTH
from trustanchor.x509.certificate import Certificate

LEAF = end_entity()
INTER = authority("Inter", "Root", 2, signer=9)
FIRST = Certificate(LEAF).not_before
LAST = Certificate(LEAF).not_after
EARLY = (tlv(0x17, b"240101000000Z"), tlv(0x17, b"240201000000Z"))
LATE = (tlv(0x17, b"400101000000Z"), tlv(0x17, b"410101000000Z"))
UNKNOWN = extension(99, b"\x05\x00", CRITICAL)
HARMLESS = extension(99, b"\x05\x00")
KEY_CERT_SIGN = extension(KEY_USAGE, b"\x03\x02\x02\x04", CRITICAL)
CRL_SIGN = extension(KEY_USAGE, b"\x03\x02\x01\x02", CRITICAL)
DIGITAL_SIGNATURE = extension(KEY_USAGE, b"\x03\x02\x07\x80", CRITICAL)


def usage(*last_arcs):
    """An extendedKeyUsage; 1 is serverAuth, 2 clientAuth, 0 any."""
    oids = []
    for arc in last_arcs:
        known = b"\x2b\x06\x01\x05\x05\x07\x03" + bytes((arc,)) if arc else b"\x55\x1d\x25\x00"
        oids.append(tlv(0x06, known))
    return extension(EKU, tlv(0x30, *oids))


def digest(number):
    return sha256(key(number))


def place(chain, state=None, **asked):
    """(code, place on the path) of a refusal."""
    try:
        paths(chain, state, **asked)
    except TrustError as error:
        return error.code, error.detail
    return "ok", None


# End entity


def test_dates_of_the_end_entity_are_inclusive_at_both_ends():
    equal(code([LEAF, INTER], at=FIRST), "ok")
    equal(code([LEAF, INTER], at=LAST), "ok")
    equal(place([LEAF, INTER], at=LAST + 1), ("path.expired", 0))
    equal(place([LEAF, INTER], at=FIRST - 1), ("path.not_yet_valid", 0))


def test_while_the_clock_is_unknown_no_beginning_is_held_against_a_certificate():
    equal(code([LEAF, INTER], at=FIRST - 1, known=False), "ok")
    equal(code([LEAF, INTER], at=LAST + 1, known=False), "path.expired")
    late = authority("Inter", "Root", 2, 9, validity=LATE)
    equal(code([LEAF, late], known=False), "ok")
    equal(code([LEAF, late]), "path.not_yet_valid")


def test_an_unknown_critical_extension_of_the_end_entity_is_refused():
    equal(place([end_entity(more=[UNKNOWN]), INTER]), ("path.critical", 0))
    equal(code([end_entity(more=[HARMLESS]), INTER]), "ok")


def test_the_end_entity_must_be_for_the_purpose():
    for arcs, server, client in (
        ((1,), "ok", "path.purpose"),
        ((2,), "path.purpose", "ok"),
        ((1, 2), "ok", "ok"),
        ((0,), "path.purpose", "path.purpose"),  # anyExtendedKeyUsage names nothing
        ((3,), "path.purpose", "path.purpose"),
    ):
        chain = [end_entity(more=[usage(*arcs)]), INTER]
        both = state_of([anchor(purposes=SERVER_AUTH | CLIENT_AUTH)])
        equal(code(chain, both), server, arcs)
        equal(code(chain, both, purpose=CLIENT_AUTH), client, arcs)


def test_an_end_entity_that_is_no_ca_may_not_claim_to_sign_certificates():
    equal(code([end_entity(more=[KEY_CERT_SIGN]), INTER]), "path.key_usage")
    equal(code([end_entity(more=[DIGITAL_SIGNATURE]), INTER]), "ok")


def test_an_end_entity_with_a_key_usage_must_sign():
    """RFC 8446 section 4.4.2.2: the handshake is signed; without the extension anything goes."""
    equal(code([end_entity(), INTER]), "ok")
    for octets, wanted in (
        (b"\x03\x02\x05\xa0", "ok"),  # digitalSignature and keyEncipherment
        (b"\x03\x02\x05\x20", "path.key_usage"),  # keyEncipherment alone, as for RSA key transport
        (b"\x03\x02\x03\x08", "path.key_usage"),  # keyAgreement
    ):
        for critical in (b"", CRITICAL):
            leaf = end_entity(more=[extension(KEY_USAGE, octets, critical)])
            equal(place([leaf, INTER]), (wanted, 0 if wanted != "ok" else None), octets)
            both = state_of([anchor(purposes=SERVER_AUTH | CLIENT_AUTH)])
            equal(code([leaf, INTER], both, purpose=CLIENT_AUTH), wanted, octets)


def test_the_host_must_be_in_the_san():
    equal(code([LEAF, INTER], host="other.example"), "name.mismatch")
    equal(code([LEAF, INTER], host="DEVICE.example."), "ok")
    bare = certificate(issuer=name(b"Inter"), spki=key(1), signature=signed(2))
    equal(code([bare, INTER]), "name.no_san")
    equal(code([bare, INTER], host=None), "ok")
    equal(code([LEAF, INTER], host="192.0.2.1"), "name.mismatch")
    equal(code([LEAF, INTER], host="not a host"), "name.reference")


# Intermediates


def test_an_issuer_must_be_a_ca():
    no_ca = certificate(
        subject=name(b"Inter"), issuer=name(b"Root"), spki=key(2), signature=signed(9)
    )
    version_1 = certificate(
        version=b"",
        subject=name(b"Inter"),
        issuer=name(b"Root"),
        spki=key(2),
        signature=signed(9),
    )
    equal(place([LEAF, no_ca]), ("path.not_ca", 1))
    equal(place([LEAF, version_1]), ("path.not_ca", 1))


def test_an_issuer_with_a_key_usage_must_sign_certificates():
    equal(code([LEAF, authority("Inter", "Root", 2, 9, more=[KEY_CERT_SIGN])]), "ok")
    crl_only = authority("Inter", "Root", 2, 9, more=[CRL_SIGN])
    equal(place([LEAF, crl_only]), ("path.key_usage", 1))


def test_an_unknown_critical_extension_of_an_issuer_is_refused():
    equal(code([LEAF, authority("Inter", "Root", 2, 9, more=[UNKNOWN])]), "path.critical")
    equal(code([LEAF, authority("Inter", "Root", 2, 9, more=[HARMLESS])]), "ok")


def test_the_purpose_counts_along_the_path():
    for arcs, expected in (((1,), "ok"), ((0,), "ok"), ((2,), "path.purpose")):
        equal(code([LEAF, authority("Inter", "Root", 2, 9, more=[usage(*arcs)])]), expected)


def test_dates_of_issuers_count():
    equal(place([LEAF, authority("Inter", "Root", 2, 9, validity=EARLY)]), ("path.expired", 1))


def test_path_len_counts_the_intermediates_below():
    lower = authority("Lower", "Inter", 3, signer=2)
    leaf = end_entity("Lower", 3)
    for limit, expected in ((0, "path.path_len"), (1, "ok"), (2, "ok")):
        equal(code([leaf, lower, authority("Inter", "Root", 2, 9, limit)]), expected)
    equal(code([LEAF, authority("Inter", "Root", 2, 9, 0)]), "ok")


def test_path_len_does_not_count_self_issued_certificates():
    rekeyed = authority("Inter", "Inter", 3, signer=2)
    upper = authority("Inter", "Root", 2, 9, path_len=0)
    equal(code([end_entity("Inter", 3), rekeyed, upper]), "ok")


def test_a_forged_end_entity_with_a_genuine_chain_is_refused():
    equal(place([end_entity(signer=7), INTER]), ("path.bad_signature", 1))
    forged = authority("Inter", "Root", 2, signer=7)
    equal(place([LEAF, forged]), ("path.bad_signature", 2))


def test_a_denied_key_ends_every_path_it_is_on():
    for number, where in ((1, 0), (2, 1), (9, 2)):
        denying = state_of(denied=digest(50) + digest(number))
        equal(place([LEAF, INTER], denying), ("path.key_denied", where))
    equal(code([LEAF, INTER], state_of(denied=digest(50))), "ok")


def test_a_denied_anchor_leaves_the_alternate_path():
    cross = authority("Inter", "Old", 2, signer=8)
    both = [anchor(), anchor("Old", 8)]
    equal(code([LEAF, INTER, cross], state_of(both, denied=digest(9))), "ok")
    equal(code([LEAF, INTER, cross], state_of(both, denied=digest(2))), "path.key_denied")


# Anchors


def test_an_anchor_speaks_for_its_purposes():
    client = state_of([anchor(purposes=CLIENT_AUTH)])
    equal(code([LEAF, INTER], client), "anchor.purpose")
    equal(code([LEAF, INTER], client, purpose=CLIENT_AUTH), "ok")


def test_an_anchor_speaks_for_its_hosts():
    for hosts, expected in (
        ((HOST,), "ok"),
        (("*.example",), "ok"),
        (("other.example", "device.example"), "ok"),
        (("other.example",), "anchor.host"),
        (("*.device.example",), "anchor.host"),
    ):
        equal(code([LEAF, INTER], state_of([anchor(hosts=hosts)])), expected, hosts)
    equal(code([LEAF, INTER], state_of([anchor(hosts=(HOST,))]), host=None), "anchor.host")


def test_an_anchor_is_trusted_from_and_until():
    equal(code([LEAF, INTER], state_of([anchor(trust_from=NOW, trust_until=NOW)])), "ok")
    until = state_of([anchor(trust_until=NOW - 1)])
    equal(code([LEAF, INTER], until), "anchor.expired")
    begins = state_of([anchor(trust_from=NOW + 1)])
    equal(code([LEAF, INTER], begins), "anchor.not_yet_valid")
    equal(code([LEAF, INTER], begins, known=False), "ok")


def test_a_distrusted_anchor_keeps_its_old_leaves():
    old = state_of([anchor(distrust_leaf_after=FIRST, trust_until=LAST)])
    equal(code([LEAF, INTER], old), "ok")
    new = state_of([anchor(distrust_leaf_after=FIRST - 1, trust_until=LAST)])
    equal(code([LEAF, INTER], new), "anchor.distrusted")


def test_an_anchor_limits_the_length_of_the_path():
    equal(code([LEAF, INTER], state_of([anchor(path_len=1)])), "ok")
    equal(code([LEAF, INTER], state_of([anchor(path_len=0)])), "path.path_len")


# Which reason


def test_the_reason_nearest_to_success_is_told():
    """Of three candidates, the expired one would have done a week ago."""
    other_key = authority("Inter", "Root", 4, signer=9)
    no_ca = certificate(
        subject=name(b"Inter"), issuer=name(b"Root"), spki=key(2), signature=signed(9)
    )
    expired = authority("Inter", "Root", 2, 9, validity=EARLY)
    for chain in ([LEAF, other_key, no_ca, expired], [LEAF, expired, no_ca, other_key]):
        equal(place(chain), ("path.expired", 1))
    equal(place([LEAF, other_key, no_ca]), ("path.not_ca", 1))


def test_the_last_missing_issuer_is_told_not_the_first():
    upper = authority("Inter", "Upper", 2, signer=3)
    equal(place([LEAF, upper]), ("path.no_issuer", 2))
