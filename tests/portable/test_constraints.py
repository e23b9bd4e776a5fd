# SPDX-License-Identifier: MIT
"""Name constraints (RFC 5280 section 4.2.1.10): one CA's subtrees, one certificate below it."""

import trustanchor.limits as limits
from check import equal, refuses
from der_maker import (
    SAN,
    address,
    certificate,
    constraints_of,
    directory,
    dns,
    extension,
    name,
    san_of,
    tlv,
)
from trustanchor.x509 import constraints
from trustanchor.x509.certificate import Certificate


class Counter:
    comparisons = 0


def leaf(*names, subject=None):
    extensions = [extension(SAN, san_of(*names))] if names else None
    return Certificate(certificate(subject=subject, extensions=extensions))


def check(certificate, permitted=None, excluded=None):
    constraints.check(constraints_of(permitted, excluded), certificate, Counter())


def permits(bases, *names, **more):
    check(leaf(*names, **more), permitted=bases)


def not_permitted(bases, *names, **more):
    refuses("constraints.not_permitted", check, leaf(*names, **more), bases)


def excluded(bases, *names, **more):
    refuses("constraints.excluded", check, leaf(*names, **more), None, bases)


def not_excluded(bases, *names, **more):
    check(leaf(*names, **more), excluded=bases)


HOST = [dns(b"example.com")]
NET = [address(192, 0, 2, 0, 255, 255, 255, 0)]


def test_a_host_subtree_is_the_name_and_everything_below():
    for host in (b"example.com", b"a.example.com", b"a.b.EXAMPLE.com"):
        permits(HOST, dns(host))
        excluded(HOST, dns(host))
    for host in (b"anexample.com", b"com", b"example.com.evil.test", b"example.org"):
        not_permitted(HOST, dns(host))
        not_excluded(HOST, dns(host))


def test_an_empty_host_subtree_is_every_host():
    permits([dns(b"")], dns(b"a.test"))
    excluded([dns(b"")], dns(b"a.test"))


def test_one_permitted_subtree_is_enough_and_every_name_needs_one():
    two = [dns(b"a.test"), dns(b"b.test")]
    permits(two, dns(b"x.b.test"), dns(b"a.test"))
    not_permitted(two, dns(b"a.test"), dns(b"c.test"))


def test_one_excluded_subtree_is_enough():
    excluded([dns(b"a.test"), dns(b"b.test")], dns(b"c.test"), dns(b"x.b.test"))


def test_what_is_permitted_and_excluded_is_excluded():
    refuses(
        "constraints.excluded", check, leaf(dns(b"a.example.com")), HOST, [dns(b"a.example.com")]
    )
    check(leaf(dns(b"b.example.com")), HOST, [dns(b"a.example.com")])


def test_a_permitted_wildcard_has_all_its_hosts_in_the_subtree():
    permits(HOST, dns(b"*.example.com"))
    permits(HOST, dns(b"*.a.example.com"))
    not_permitted([dns(b"foo.example.com")], dns(b"*.example.com"))
    not_permitted(HOST, dns(b"*.com"))


def test_an_excluded_wildcard_has_one_host_in_the_subtree():
    excluded(HOST, dns(b"*.example.com"))
    excluded([dns(b"foo.example.com")], dns(b"*.example.com"))
    not_excluded([dns(b"a.foo.example.com")], dns(b"*.example.com"))
    not_excluded([dns(b"foo.example.com")], dns(b"*.bar.example.com"))
    excluded(HOST, dns(b"*.com"))


def test_a_dns_name_no_host_can_have_is_refused_below_host_subtrees():
    for host in (
        b".example.com",
        b"a..example.com",
        b"example.com.",
        b"a\x00.example.com",
        b"*",
        b"",
    ):
        for permitted, not_permitted in ((HOST, None), (None, HOST)):
            certificate = leaf(dns(host))
            refuses("constraints.not_a_host", check, certificate, permitted, not_permitted)
    permits(NET, dns(b".example.com"))


def test_a_host_subtree_that_is_no_host_is_refused():
    for base in (b".example.com", b"*.example.com", b"example.com.", b"a..b", b"a\xff"):
        refuses("cert.name_constraints", check, leaf(dns(b"a.test")), [dns(base)])
        refuses("cert.name_constraints", check, leaf(dns(b"a.test")), None, [dns(base)])


def test_an_address_subtree_is_a_prefix():
    permits(NET, address(192, 0, 2, 77))
    excluded(NET, address(192, 0, 2, 77))
    not_permitted(NET, address(192, 0, 3, 77))
    not_excluded(NET, address(192, 0, 3, 77))
    odd = [address(192, 0, 2, 128, 255, 255, 255, 192)]
    permits(odd, address(192, 0, 2, 191))
    not_permitted(odd, address(192, 0, 2, 192))
    permits([address(*bytes(8))], address(1, 2, 3, 4))


def test_host_bits_of_a_base_do_not_count():
    permits([address(192, 0, 2, 9, 255, 255, 255, 0)], address(192, 0, 2, 77))


def test_addresses_of_the_other_family_are_never_permitted():
    six = [address(*(b"\x20\x01\x0d\xb8" + bytes(12) + b"\xff" * 4 + bytes(12)))]
    permits(six, address(*(b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01")))
    not_permitted(six, address(192, 0, 2, 1))
    not_excluded(six, address(192, 0, 2, 1))
    not_permitted(NET, address(*bytes(16)))


def test_a_mask_that_is_no_prefix_is_refused():
    for base in (
        address(192, 0, 2, 0, 255, 0, 255, 0),
        address(192, 0, 2, 0, 0, 255, 255, 255),
        address(*(bytes(16) + b"\xff" * 14 + b"\x00\xff")),
        address(192, 0, 2, 0),
        address(192, 0, 2, 0, 255),
        address(*bytes(16)),
    ):
        refuses("cert.name_constraints", check, leaf(dns(b"a.test")), [base])


def test_a_subtree_limits_its_own_form_only():
    permits(HOST, address(1, 2, 3, 4))
    permits(NET, dns(b"a.test"))
    permits(HOST)
    not_excluded(NET, dns(b"a.test"))


def test_the_subject_is_a_directory_name():
    base = [directory(name(b"Org"))]
    permits(base, subject=name(b"Org", b"device"))
    permits(base, subject=name(b" ORG ", b"device"))
    not_permitted(base, subject=name(b"Other", b"Org"))
    excluded(base, subject=name(b"Org"))
    not_excluded(base, subject=name(b"Organisation"))
    not_excluded([directory(name(b"Org", b"device"))], subject=name(b"Org"))


def test_an_empty_subject_is_no_directory_name():
    subject = b"\x30\x00"
    names = tlv(0x30, b"\x06\x03\x55\x1d\x11", b"\x01\x01\xff", tlv(4, san_of(dns(b"a.test"))))
    below = Certificate(certificate(subject=subject, extensions=[names]))
    check(below, permitted=[directory(name(b"Org"))])
    check(below, excluded=[directory(subject)])


def test_an_empty_directory_subtree_is_every_name():
    permits([directory(b"\x30\x00")], subject=name(b"Org"))
    excluded([directory(b"\x30\x00")], subject=name(b"Org"))


def test_a_directory_name_in_the_san_counts_too():
    base = [directory(name(b"Org"))]
    permits(base, directory(name(b"Org", b"a")), subject=name(b"Org"))
    not_permitted(base, directory(name(b"Other")), subject=name(b"Org"))
    excluded(base, directory(name(b"Org", b"a")), subject=name(b"Other"))


def test_the_common_name_is_no_host():
    permits(HOST, subject=name(b"other.test"))
    not_excluded(HOST, subject=name(b"example.com"))


def test_a_form_nobody_here_applies_refuses_the_names_it_limits():
    base = of_that_form = tlv(0xA0, b"\x06\x01\x2a\xa0\x00")  # otherName
    refuses("constraints.unsupported", check, leaf(of_that_form), [base])
    refuses("constraints.unsupported", check, leaf(of_that_form), None, [base])
    permits([base], dns(b"a.test"))
    not_excluded([base], dns(b"a.test"))


def test_an_email_subtree_is_a_mailbox_a_host_or_what_is_below_a_domain():
    for base, inside, outside in (
        (b"me@a.test", b"me@A.test", b"you@a.test"),
        (b"me@a.test", b"me@a.test", b"Me@a.test"),
        (b"a.test", b"me@a.test", b"me@b.a.test"),
        (b"A.Test", b"me@a.test", b"me@ba.test"),
        (b".a.test", b"me@b.a.test", b"me@a.test"),
    ):
        subtree = [tlv(0x81, base)]
        permits(subtree, tlv(0x81, inside))
        excluded(subtree, tlv(0x81, inside))
        not_permitted(subtree, tlv(0x81, outside))
        not_excluded(subtree, tlv(0x81, outside))
    permits([tlv(0x81, b"")], tlv(0x81, b"me@a.test"))


def test_a_uri_subtree_is_a_host_or_what_is_below_a_domain():
    for base, inside, outside in (
        (b"a.test", b"https://a.test/x?y", b"https://b.a.test/"),
        (b"a.test", b"https://me@A.test:8443", b"https://a.test@b.test/"),
        (b".a.test", b"coap://b.a.test#c", b"coap://a.test"),
        (b".a.test", b"coap://b.a.test", b"coap://b.test/.a.test"),
    ):
        subtree = [tlv(0x86, base)]
        permits(subtree, tlv(0x86, inside))
        excluded(subtree, tlv(0x86, inside))
        not_permitted(subtree, tlv(0x86, outside))
        not_excluded(subtree, tlv(0x86, outside))


def test_a_uri_or_mailbox_without_a_host_name_is_refused_where_its_form_is_constrained():
    uri, email = [tlv(0x86, b"a.test")], [tlv(0x81, b"a.test")]
    for text in (b"urn:a.test", b"https://192.0.2.1/", b"https://[2001:db8::1]/", b"a.test"):
        refuses("constraints.not_a_host", check, leaf(tlv(0x86, text)), uri)
        refuses("constraints.not_a_host", check, leaf(tlv(0x86, text)), None, uri)
        permits(email, tlv(0x86, text))
    refuses("constraints.not_a_host", check, leaf(tlv(0x86, b"http://evil.test\\@a.test/")), uri)
    for text in (b"a.test", b"@a.test", b"me@", b"me@a..test"):
        refuses("constraints.not_a_host", check, leaf(tlv(0x81, text)), email)
        permits(uri, tlv(0x81, text))


def test_a_malformed_email_or_uri_subtree_is_refused():
    for tag, bad in (
        (0x81, b"me@"),
        (0x81, b"."),
        (0x86, b"https://a.test"),
        (0x86, b"me@a.test"),
    ):
        refuses("cert.name_constraints", check, leaf(dns(b"a.test")), [tlv(tag, bad)])


def test_an_email_address_in_the_subject_is_a_name_of_its_form():
    email = bytes.fromhex("06092a864886f70d010901")
    subject = tlv(0x30, tlv(0x31, tlv(0x30, email, tlv(0x16, b"me@a.test"))))
    permits([tlv(0x81, b"a.test")], subject=subject)
    not_permitted([tlv(0x81, b"b.test")], subject=subject)
    excluded([tlv(0x81, b"me@a.test")], subject=subject)
    permits(HOST, subject=subject)


def test_malformed_constraints_are_refused():
    below = leaf(dns(b"a.test"))

    def refused(code, element):
        refuses(code, constraints.check, element, below, Counter())

    refused("cert.name_constraints", b"\x30\x00")
    refused("cert.name_constraints", tlv(0x30, b"\xa0\x00"))
    # Minimum 1, minimum 0 written, maximum 5.
    for more in (b"\x80\x01\x01", b"\x80\x01\x00", b"\x81\x01\x05"):
        refused("cert.name_constraints", tlv(0x30, tlv(0xA0, tlv(0x30, dns(b"a.test"), more))))
    refused("der.trailing", tlv(0x30, tlv(0xA1, tlv(0x30, dns(b"b.test"))), tlv(0xA0)))
    refused("der.trailing", tlv(0x30, b"\xa2\x00"))
    refused("der.tag", tlv(0x30, tlv(0xA0, dns(b"a.test"))))
    refused("der.truncated", tlv(0x30, tlv(0xA0, b"\x30\x00")))


def test_malformed_names_below_constraints_are_refused():
    refuses("cert.san", check, leaf(address(1, 2, 3, 4, 255, 255, 255, 0)), NET)
    refuses("der.tag", check, leaf(directory(tlv(0x30, b"\x05\x00"))), HOST)


def test_every_one_of_many_names_is_held():
    # They are decoded some at a time; wherever the one that does not fit stands, it is found.
    for place in (0, 30, 31, 32, 63, 64, 99):
        hosts = [dns(b"a%d.example.com" % n) for n in range(100)]
        permits(HOST, *hosts)
        hosts[place] = dns(b"example.org")
        not_permitted(HOST, *hosts)
        excluded([dns(b"example.org")], *hosts)


def test_comparisons_are_counted_and_end():
    below = leaf(*[dns(b"a%d.test" % n) for n in range(50)])
    counter = Counter()
    value = constraints_of(excluded=[dns(b"b%d.test" % n) for n in range(20)])
    constraints.check(value, below, counter)
    each = (20 + 8) * 51  # decoding counts as 8; the subject is a name, too
    equal(counter.comparisons, each)
    while counter.comparisons <= limits.NAME_COMPARISONS - each:
        constraints.check(value, below, counter)
    code = "constraints.too_many_comparisons"
    refuses(code, constraints.check, value, below, counter)
