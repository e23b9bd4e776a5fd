# SPDX-License-Identifier: MIT
"""What a root says of itself becomes policy; what could not issue becomes no anchor."""

from check import equal, refuses, true
from der_maker import (
    BASIC,
    CA,
    CONSTRAINTS,
    CRITICAL,
    EKU,
    KEY_USAGE,
    POLICY_CONSTRAINTS,
    SPKI,
    certificate,
    constraints_of,
    dns,
    extension,
    tlv,
)
from trustanchor.kinds import CLIENT_AUTH, SERVER_AUTH
from trustanchor.state.derive import anchor_of
from trustanchor.x509.certificate import Certificate
from trustanchor.x509.identity import usage

BOTH = SERVER_AUTH | CLIENT_AUTH


def root(*extensions):
    return certificate(extensions=[CA] + list(extensions))


def usages(*oids):
    return extension(EKU, tlv(0x30, *[tlv(0x06, oid) for oid in oids]))


def test_an_anchor_is_the_name_and_the_key_of_the_root():
    whole = root()
    anchor = anchor_of(whole)
    parsed = Certificate(whole)
    equal((anchor.name, anchor.spki), (bytes(parsed.subject), SPKI))
    equal((anchor.hosts, anchor.purposes, anchor.path_len), (None, SERVER_AUTH, None))
    equal((anchor.trust_from, anchor.trust_until, anchor.name_constraints), (None, None, None))


def test_its_dates_count_on_request_alone():
    parsed = Certificate(root())
    anchor = anchor_of(root(), dates=True)
    equal((anchor.trust_from, anchor.trust_until), (parsed.not_before, parsed.not_after))
    true(anchor.trust_from < anchor.trust_until)


def test_what_it_says_of_itself_becomes_policy():
    subtrees = constraints_of(permitted=[dns(b"example.net")])
    limited = certificate(
        extensions=[
            extension(BASIC, tlv(0x30, b"\x01\x01\xff" + b"\x02\x01\x02"), CRITICAL),
            extension(CONSTRAINTS, subtrees, CRITICAL),
        ]
    )
    anchor = anchor_of(limited, hosts=("*.example.net",))
    equal((anchor.path_len, anchor.hosts), (2, ("*.example.net",)))
    equal(anchor.name_constraints, subtrees)


def test_its_usages_narrow_the_purposes_and_never_widen_them():
    for extensions, asked, found in (
        ((), BOTH, BOTH),
        ((usages(usage(SERVER_AUTH)),), BOTH, SERVER_AUTH),
        ((usages(usage(CLIENT_AUTH)),), BOTH, CLIENT_AUTH),
        ((usages(b"\x55\x1d\x25\x00"),), SERVER_AUTH, SERVER_AUTH),
    ):
        equal(anchor_of(root(*extensions), purposes=asked).purposes, found)
    refuses("anchor.purposes", anchor_of, root(usages(usage(CLIENT_AUTH))))


def test_what_could_not_issue_is_no_anchor():
    refuses("anchor.not_ca", anchor_of, certificate())
    refuses("anchor.not_ca", anchor_of, certificate(extensions=[extension(BASIC, tlv(0x30))]))
    signs_data = extension(KEY_USAGE, b"\x03\x02\x07\x80", CRITICAL)
    signs_both = extension(KEY_USAGE, b"\x03\x02\x02\x84", CRITICAL)
    refuses("anchor.key_usage", anchor_of, root(signs_data))
    equal(anchor_of(root(signs_both)).spki, SPKI)
    unknown = tlv(0x30, b"\x80\x01\x00")
    refuses("anchor.critical", anchor_of, root(extension(POLICY_CONSTRAINTS, unknown, CRITICAL)))


def test_bytes_that_are_no_certificate_are_refused_as_such():
    whole = root()
    refuses("der.trailing", anchor_of, whole + b"\x00")
    for length in (0, 1, 4, len(whole) // 2, len(whole) - 1):
        refuses("der.truncated", anchor_of, whole[:length])
