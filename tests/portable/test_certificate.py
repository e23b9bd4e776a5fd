# SPDX-License-Identifier: MIT
"""Certificates: what is taken, what is refused, in the order of RFC 5280 section 4.1."""

import trustanchor.limits as limits
from check import equal, false, refuses, true
from der_maker import (
    AKI,
    BASIC,
    CA,
    CONSTRAINTS,
    CRITICAL,
    ECDSA_SHA256,
    EKU,
    KEY_USAGE,
    POLICIES,
    POLICY_CONSTRAINTS,
    SAN,
    SKI,
    SPKI,
    certificate,
    constraints_of,
    dns,
    extension,
    generalized,
    name,
    oid,
    san_of,
    tlv,
    utc,
)
from trustanchor.compat import sha256
from trustanchor.kinds import CLIENT_AUTH, KU_DIGITAL_SIGNATURE, KU_KEY_CERT_SIGN, SERVER_AUTH
from trustanchor.state.derive import spki_of
from trustanchor.x509.certificate import Certificate
from trustanchor.x509.identity import usage

SAN_A = extension(SAN, san_of(dns(b"a.test")))
SERVER = usage(SERVER_AUTH)
CLIENT = usage(CLIENT_AUTH)
ANY_EKU = b"\x55\x1d\x25\x00"
FALSE = b"\x01\x01\x00"


def parse(**deviation):
    return Certificate(certificate(**deviation))


def parse_with(*extensions):
    return parse(extensions=list(extensions))


def refused(code, **deviation):
    refuses(code, Certificate, certificate(**deviation))


def refused_with(code, *extensions):
    refused(code, extensions=list(extensions))


def test_the_fields_are_whole_elements():
    whole = certificate(extensions=[SAN_A])
    leaf = Certificate(whole)
    equal(leaf.der, whole)
    equal(leaf.issuer, name(b"Issuer"))
    equal(leaf.subject, name(b"Subject"))
    equal(leaf.spki, SPKI)
    equal(leaf.sig_alg, ECDSA_SHA256)
    equal(leaf.signature, b"\x01\x02")
    equal(leaf.serial, b"\x05")
    equal(leaf.san, san_of(dns(b"a.test")))
    equal(leaf.tbs, whole[4 if whole[1] == 0x82 else 3 :][: len(leaf.tbs)])
    equal((leaf.not_before, leaf.not_after), (1735689600, 2051222400))


def test_the_fields_are_views():
    whole = bytearray(certificate())
    leaf = Certificate(whole)
    whole[-1] = 9
    equal(leaf.signature, b"\x01\x09")


def test_absent_extensions_are_none_and_no_ca():
    leaf = parse()
    equal((leaf.path_len, leaf.key_usage, leaf.eku, leaf.san), (None,) * 4)
    equal((leaf.name_constraints, leaf.aki, leaf.ski, leaf.unknown_critical), (None,) * 4)
    false(leaf.is_ca)
    false(leaf.has_eku(SERVER))


def test_the_pin_is_sha256_over_the_whole_spki():
    equal(parse().spki_sha256, sha256(SPKI))
    equal(parse().spki_sha256, sha256(spki_of(certificate())))


def test_spki_of_finds_the_key_in_every_version_and_copies_nothing():
    equal(spki_of(certificate(version=b"")), SPKI)
    whole = bytearray(certificate(extensions=[SAN_A]))
    view = spki_of(whole)
    equal(view, SPKI)
    whole[:] = bytes(len(whole))
    equal(view, bytes(len(SPKI)))


def test_spki_of_refuses_what_surrounds_no_key():
    refuses("der.trailing", spki_of, certificate() + b"\x00")
    refuses("der.trailing", spki_of, certificate(tail=b"\x05\x00"))
    refuses("der.tag", spki_of, certificate(spki=b"\x05\x00"))
    refuses("der.truncated", spki_of, certificate()[:-1])
    refuses("der.truncated", spki_of, b"")
    refuses("cert.too_large", spki_of, bytes(limits.CERTIFICATE_BYTES + 1))


def test_refuses_a_certificate_above_the_limit_before_it_is_read():
    refuses("cert.too_large", Certificate, bytes(limits.CERTIFICATE_BYTES + 1))
    refuses("der.tag", Certificate, b"\x05\x00" + bytes(limits.CERTIFICATE_BYTES - 2))


def test_refuses_trailing_bytes_at_every_level():
    refuses("der.trailing", Certificate, certificate() + b"\x00")
    refused("der.trailing", tail=b"\x05\x00")
    refused("der.trailing", tbs_tail=b"\x05\x00")
    refused("der.trailing", validity=(utc(b"250101000000Z"), utc(b"350101000000Z"), b"\x05\x00"))
    refused("der.trailing", version=b"\xa0\x05\x02\x01\x02\x05\x00")
    refused("der.trailing", tbs_tail=tlv(0xA3, tlv(0x30, SAN_A), b"\x05\x00"))
    refused_with("der.trailing", tlv(0x30, oid(SAN), tlv(0x04, san_of(dns(b"a"))), b"\x05\x00"))


def test_refuses_truncation_at_every_byte():
    whole = certificate(extensions=[SAN_A])
    for length in range(len(whole)):
        refuses("der.truncated", Certificate, whole[:length])


def test_version_1_and_2_have_no_extensions():
    equal(parse(version=b"").san, None)
    equal(parse(version=b"\xa0\x03\x02\x01\x01").san, None)
    refused("der.trailing", version=b"", extensions=[SAN_A])
    refused("der.trailing", version=b"\xa0\x03\x02\x01\x01", extensions=[SAN_A])


def test_refuses_a_written_default_version_and_an_unknown_one():
    refused("cert.version", version=b"\xa0\x03\x02\x01\x00")
    refused("cert.version", version=b"\xa0\x03\x02\x01\x03")
    refused("der.integer", version=b"\xa0\x03\x02\x01\xff")


def test_serial_numbers_are_not_negative_and_at_most_20_octets():
    equal(parse(serial=b"\x02\x01\x00").serial, b"\x00")
    equal(len(parse(serial=tlv(2, b"\x7f" * 20)).serial), 20)
    equal(len(parse(serial=tlv(2, b"\x00" + b"\xff" * 20)).serial), 21)
    refused("cert.serial", serial=b"\x02\x01\xff")
    refused("cert.serial", serial=tlv(2, b"\x01" + bytes(20)))
    refused("cert.serial", serial=tlv(2, b"\x00" + b"\xff" * 21))
    refused("der.integer", serial=b"\x02\x00")
    refused("der.integer", serial=b"\x02\x02\x00\x01")


def test_the_signed_algorithm_is_the_one_outside():
    with_null = bytes.fromhex("300c06082a8648ce3d0403020500")
    refused("cert.algorithm_mismatch", inner=with_null)
    refused("cert.algorithm_mismatch", outer=with_null)
    equal(parse(inner=with_null, outer=with_null).sig_alg, with_null)


def test_an_issuer_has_a_name():
    refused("cert.empty_issuer", issuer=b"\x30\x00")
    refused("cert.empty_subject", subject=b"\x30\x00", extensions=[CA])


def test_an_empty_subject_stands_beside_any_san():
    critical = extension(SAN, san_of(dns(b"a.test")), CRITICAL)
    for san in (critical, SAN_A):
        equal(parse(subject=b"\x30\x00", extensions=[san]).subject, b"\x30\x00")
        refused("cert.empty_subject", subject=b"\x30\x00", extensions=[CA, san])


def test_validity_is_two_times():
    equal(
        parse(validity=(utc(b"500101000000Z"), generalized(b"99991231235959Z"))).not_after,
        253402300799,
    )
    refused("cert.time", validity=(utc(b"2501010000Z"), utc(b"350101000000Z")))
    refused("cert.time", validity=(utc(b"250101000000Z"), generalized(b"20350101000000.5Z")))
    refused("der.truncated", validity=(utc(b"250101000000Z"),))


def test_unique_identifiers_are_read_and_mean_nothing():
    ids = b"\x81\x02\x00\xaa\x82\x02\x00\xbb"
    equal(parse(unique_ids=ids, extensions=[SAN_A]).san, san_of(dns(b"a.test")))
    refused("der.trailing", version=b"", unique_ids=ids)
    refused("der.trailing", unique_ids=b"\x82\x02\x00\xbb\x81\x02\x00\xaa")


def test_a_signature_is_whole_bytes():
    refused("der.bit_string", signature=b"\x03\x02\x01\x02")
    refused("der.tag", signature=b"\x04\x02\x01\x02")


def test_extensions_are_at_least_one_and_at_most_the_limit():
    refused("der.truncated", extensions=[])
    many = [tlv(0x30, tlv(0x06, b"\x2a" + bytes((n,))), b"\x04\x00") for n in range(33)]
    equal(parse(extensions=many[:32]).unknown_critical, None)
    refused("cert.too_many_extensions", extensions=many)


def test_refuses_an_extension_twice_known_or_not():
    refused_with("cert.duplicate_extension", SAN_A, SAN_A)
    unknown = tlv(0x30, tlv(0x06, b"\x2a\x03"), b"\x04\x00")
    refused_with("cert.duplicate_extension", unknown, CA, unknown)


def test_a_written_default_criticality_is_taken_and_other_booleans_are_not():
    equal(parse_with(extension(SAN, san_of(dns(b"a")), FALSE)).san, san_of(dns(b"a")))
    refused_with("der.boolean", extension(SAN, san_of(dns(b"a")), b"\x01\x01\x01"))


def test_an_unknown_critical_extension_is_reported_by_its_oid():
    equal(parse_with(tlv(0x30, tlv(0x06, b"\x2a\x03"), b"\x04\x00")).unknown_critical, None)
    critical = tlv(0x30, tlv(0x06, b"\x2a\x03"), CRITICAL, b"\x04\x00")
    equal(parse_with(SAN_A, critical).unknown_critical, b"\x2a\x03")


def test_known_extensions_may_be_critical():
    leaf = parse_with(
        extension(SAN, san_of(dns(b"a")), CRITICAL),
        extension(KEY_USAGE, b"\x03\x02\x07\x80", CRITICAL),
        extension(EKU, tlv(0x30, tlv(0x06, SERVER)), CRITICAL),
        extension(BASIC, b"\x30\x00", CRITICAL),
        extension(POLICIES, b"\x30\x06\x30\x04\x06\x02\x2a\x03", CRITICAL),
    )
    equal(leaf.unknown_critical, None)


def test_critical_policies_are_understood_or_refused():
    """RFC 5280 sections 4.2 and 4.2.1.4; what is not critical is nobody's business."""
    policy = b"\x06\x02\x2a\x03"

    def qualified(last, value=b"\x16\x01a"):
        qualifier = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x02" + bytes((last,))
        return tlv(0x30, tlv(0x30, policy, tlv(0x30, tlv(0x30, qualifier, value))))

    for number, value in (
        (POLICIES, qualified(1)),
        (POLICIES, qualified(2, b"\x30\x00")),
        (33, tlv(0x30, tlv(0x30, policy, policy))),
        (54, b"\x02\x01\x00"),
    ):
        equal(parse_with(extension(number, value, CRITICAL)).unknown_critical, None, number)
    unknown = extension(POLICIES, qualified(3), CRITICAL)
    equal(parse_with(unknown).unknown_critical, b"\x55\x1d\x20")
    for number, value, reason in (
        (POLICIES, b"\x30\x00", "der.length"),
        (POLICIES, tlv(0x30, tlv(0x30, policy, b"\x30\x00")), "der.length"),
        (POLICIES, b"\x04\x00", "der.tag"),
        (POLICIES, qualified(1) + b"\x05\x00", "der.trailing"),
        (33, tlv(0x30, tlv(0x30, policy)), "der.truncated"),
        (54, b"\x02\x01\xff", "der.integer"),
    ):
        refused_with(reason, extension(number, value, CRITICAL))
        equal(parse_with(extension(number, value)).unknown_critical, None, number)


def test_key_identifiers_are_never_critical():
    equal(parse_with(extension(SKI, b"\x04\x01\xaa", CRITICAL)).unknown_critical, b"\x55\x1d\x0e")
    equal(parse_with(extension(AKI, b"\x30\x00", CRITICAL)).unknown_critical, b"\x55\x1d\x23")


def test_policy_constraints_end_a_path():
    body = b"\x30\x03\x80\x01\x00"
    critical = parse_with(CA, extension(POLICY_CONSTRAINTS, body, CRITICAL))
    equal(critical.unknown_critical, b"\x55\x1d\x24")
    refused_with("cert.criticality", CA, extension(POLICY_CONSTRAINTS, body))


def test_basic_constraints_make_a_ca():
    true(parse_with(CA).is_ca)
    true(parse_with(extension(BASIC, b"\x30\x03\x01\x01\xff")).is_ca)
    false(parse_with(extension(BASIC, b"\x30\x00")).is_ca)
    false(parse_with(extension(BASIC, b"\x30\x03\x01\x01\x00")).is_ca)
    equal(parse_with(extension(BASIC, b"\x30\x06\x01\x01\xff\x02\x01\x00")).path_len, 0)
    equal(parse_with(CA).path_len, None)


def test_a_path_length_without_ca_is_idle():
    leaf = parse_with(extension(BASIC, b"\x30\x03\x02\x01\x00"))
    equal((leaf.is_ca, leaf.path_len), (False, None))


def test_refuses_malformed_basic_constraints():
    refused_with("der.integer", extension(BASIC, b"\x30\x06\x01\x01\xff\x02\x01\xff"))
    refused_with("der.boolean", extension(BASIC, b"\x30\x03\x01\x01\x01"))
    refused_with("der.trailing", extension(BASIC, b"\x30\x08\x01\x01\xff\x02\x01\x00\x05\x00"))
    refused_with("der.trailing", extension(BASIC, b"\x30\x00\x05\x00"))


def test_key_usage_is_a_mask_of_at_least_one_bit():
    equal(
        parse_with(extension(KEY_USAGE, b"\x03\x02\x02\x84")).key_usage,
        KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN,
    )
    refused_with("cert.key_usage", extension(KEY_USAGE, b"\x03\x01\x00"))
    refused_with("cert.key_usage", extension(KEY_USAGE, b"\x03\x02\x07\x00"))
    refused_with("der.trailing", extension(KEY_USAGE, b"\x03\x02\x07\x80\x00"))


def test_extended_key_usages_are_asked_for_by_oid():
    leaf = parse_with(extension(EKU, tlv(0x30, tlv(0x06, SERVER), tlv(0x06, ANY_EKU))))
    true(leaf.has_eku(SERVER))
    true(leaf.has_eku(ANY_EKU))
    false(leaf.has_eku(CLIENT))


def test_refuses_malformed_extended_key_usages_behind_a_match():
    refused_with("cert.eku", extension(EKU, b"\x30\x00"))
    usage = tlv(0x06, SERVER)
    fit = (limits.EKU_BYTES - 4) // len(usage)
    true(parse_with(extension(EKU, tlv(0x30, usage * fit))).has_eku(SERVER))
    refused_with("cert.eku", extension(EKU, tlv(0x30, usage * (fit + 1))))
    leaf = parse_with(extension(EKU, tlv(0x30, tlv(0x06, SERVER), b"\x05\x00")))
    refuses("der.tag", leaf.has_eku, SERVER)


def test_refuses_an_empty_san():
    refused_with("cert.san", extension(SAN, b"\x30\x00"))
    refused_with("der.trailing", extension(SAN, san_of(dns(b"a")) + b"\x00"))


def test_name_constraints_are_a_ca_s():
    value = constraints_of(permitted=[dns(b"a.test")])
    equal(parse_with(CA, extension(CONSTRAINTS, value)).name_constraints, value)
    refused_with("cert.constraints_without_ca", extension(CONSTRAINTS, value, CRITICAL))
    refused_with("cert.name_constraints", CA, extension(CONSTRAINTS, b"\x30\x00", CRITICAL))


def test_key_identifiers_are_their_bytes():
    leaf = parse_with(
        extension(SKI, b"\x04\x02\xaa\xbb"),
        extension(AKI, b"\x30\x07\x80\x02\xcc\xdd\x82\x01\x05"),
    )
    equal((bytes(leaf.ski), bytes(leaf.aki)), (b"\xaa\xbb", b"\xcc\xdd"))
    equal(parse_with(extension(AKI, b"\x30\x03\x82\x01\x05")).aki, None)
    refused_with("der.tag", extension(SKI, b"\x30\x00"))


def test_self_issued_is_one_name_on_both_sides():
    true(parse(issuer=name(b"a CA"), subject=name(b"A  ca")).self_issued)
    false(parse().self_issued)
