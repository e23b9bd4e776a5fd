# SPDX-License-Identifier: MIT
"""The search: any valid path is found, whatever surrounds it; nothing else is one."""

import forest
from forest import NOW, anchor, authority, code, end_entity, key_id, paths, state_of

import trustanchor.limits as limits
from check import equal, refuses, true
from trustanchor.compat import sha256
from trustanchor.verdict import path
from trustanchor.x509.certificate import Certificate

LEAF = end_entity()
INTER = authority("Inter", "Root", 2, signer=9)
PAST = (forest.tlv(0x17, b"240101000000Z"), forest.tlv(0x17, b"240201000000Z"))


def keys_of(found):
    return [[digest == sha256(forest.key(n)) for n in range(10)].index(True) for digest in found]


def test_finds_leaf_intermediate_anchor():
    found = paths([LEAF, INTER])
    equal(len(found), 1)
    equal(keys_of(found[0].keys), [1, 2, 9])
    equal(len(found[0].certificates), 2)
    equal(found[0].anchor.spki, forest.key(9))


def test_finds_a_leaf_right_below_the_anchor():
    equal(keys_of(paths([end_entity("Root", 9)])[0].keys), [1, 9])


def test_refuses_an_unknown_issuer():
    equal(code([LEAF]), "path.no_issuer")
    equal(code([LEAF, INTER], state_of([])), "path.no_issuer")
    equal(code([LEAF, INTER], state_of([anchor("Other")])), "path.no_issuer")


def test_an_anchor_is_a_name_and_a_key_not_a_name():
    equal(code([LEAF, INTER], state_of([anchor("Root", 8)])), "path.bad_signature")


def test_two_keys_under_one_ca_name_are_two_anchors():
    both = state_of([anchor("Root", 8), anchor("Root", 9)])
    equal(keys_of(paths([LEAF, INTER], both)[0].keys), [1, 2, 9])


def test_the_order_of_the_sent_chain_does_not_matter():
    lower = authority("Lower", "Inter", 3, signer=2)
    leaf = end_entity("Lower", 3)
    for others in ([lower, INTER], [INTER, lower]):
        equal(keys_of(paths([leaf] + others)[0].keys), [1, 3, 2, 9])


def test_extras_in_the_sent_chain_do_no_harm():
    stranger = authority("Stranger", "Nobody", 5, signer=6)
    root = authority("Root", "Root", 9, signer=9)
    equal(code([LEAF, stranger, root, INTER, LEAF]), "ok")


def test_malformed_extras_are_dead_ends_and_not_fatal():
    equal(code([LEAF, b"", b"\x30\x03\x02\x01", INTER[:-1], INTER]), "ok")
    equal(code([LEAF, INTER[:-1]]), "der.truncated")


def test_a_malformed_end_entity_is_refused():
    refuses("der.truncated", Certificate, LEAF[:-1])


def test_backtracks_from_a_cross_sign_that_leads_nowhere():
    cross = authority("Inter", "Elsewhere", 2, signer=7)
    for others in ([cross, INTER], [INTER, cross]):
        equal(keys_of(paths([LEAF] + others)[0].keys), [1, 2, 9])


def test_backtracks_from_an_expired_cross_sign():
    expired = authority("Inter", "Old", 2, signer=8, validity=PAST)
    both = state_of([anchor(), anchor("Old", 8)])
    equal(keys_of(paths([LEAF, expired, INTER], both)[0].keys), [1, 2, 9])
    equal(code([LEAF, expired], both), "path.expired")


def test_backtracks_from_a_re_keyed_ca_of_the_same_name():
    rekeyed = authority("Inter", "Root", 4, signer=9)
    equal(keys_of(paths([LEAF, rekeyed, INTER])[0].keys), [1, 2, 9])
    equal(code([LEAF, rekeyed]), "path.bad_signature")


def test_finds_every_valid_path():
    cross = authority("Inter", "Old", 2, signer=8)
    found = paths([LEAF, INTER, cross], state_of([anchor(), anchor("Old", 8)]))
    equal([keys_of(one.keys) for one in found], [[1, 2, 9], [1, 2, 8]])


def test_a_path_may_go_through_what_is_also_an_anchor():
    upper = authority("Root", "Old", 9, signer=8)
    found = paths([LEAF, INTER, upper], state_of([anchor(), anchor("Old", 8)]))
    equal([keys_of(one.keys) for one in found], [[1, 2, 9], [1, 2, 9, 8]])


def test_preloaded_and_learned_intermediates_stand_in_for_missing_ones():
    equal(code([LEAF], state_of(intermediates=(INTER,))), "ok")
    local = forest.Local()
    local.learned = [INTER]
    found = paths([LEAF], local=local)
    equal(keys_of(found[0].keys), [1, 2, 9])
    equal(found[0].learnable, (INTER,))


def test_only_what_was_sent_or_learned_is_worth_learning():
    equal(paths([LEAF, INTER])[0].learnable, (INTER,))
    equal(paths([LEAF], state_of(intermediates=(INTER,)))[0].learnable, ())


def test_cycles_end():
    left = authority("Inter", "Right", 2, signer=3)
    right = authority("Right", "Inter", 3, signer=2)
    equal(code([LEAF, left, right]), "path.no_issuer")
    equal(code([LEAF, left, right, INTER]), "ok")


def test_signatures_nobody_may_make_leave_the_budget_to_others():
    old = [
        authority(
            "Inter", "Root", 2, 9, serial=bytes((2, 1, number + 6)),
            inner=forest.OTHER_ALGORITHM, outer=forest.OTHER_ALGORITHM,
        )
        for number in range(limits.PATH_SIGNATURES + 1)
    ]  # fmt: skip
    equal(code([LEAF] + old + [INTER]), "ok")
    equal(code([LEAF] + old), "sig.unsupported")


def test_one_key_under_two_names_is_no_cycle():
    lower = authority("Inter", "Upper", 2, signer=2)
    upper = authority("Upper", "Root", 2, signer=9)
    equal(keys_of(paths([LEAF, lower, upper])[0].keys), [1, 2, 2, 9])


def test_a_certificate_that_signs_itself_is_a_step_only_once():
    equal(code([LEAF, authority("Inter", "Inter", 2, signer=2)]), "path.no_issuer")


def test_a_self_issued_certificate_carries_a_new_key():
    rekeyed = authority("Inter", "Inter", 3, signer=2)
    found = paths([end_entity("Inter", 3), INTER, rekeyed])
    equal(keys_of(found[0].keys), [1, 3, 2, 9])


def test_key_identifiers_order_the_tries_and_decide_nothing():
    leaf = end_entity(more=key_id(issuer=2))
    right = authority("Inter", "Root", 2, 9, more=key_id(subject=2))
    wrong = authority("Inter", "Root", 4, 9, more=key_id(subject=4))
    asked = forest.question(state_of())
    for others in ([wrong, right], [right, wrong]):
        with forest.Fake() as fake:
            steps = path.search(Certificate(leaf), others, asked)
            next(step for step in steps if step is not None)
        equal(fake.calls, 2)
    lying = authority("Inter", "Root", 2, 9, more=key_id(subject=9))
    equal(code([leaf, lying]), "ok")


def test_a_pair_of_child_and_key_is_verified_once():
    crosses = [authority("Inter", "Root", 2, 9, path_len=n) for n in range(4)]
    with forest.Fake() as fake:
        found = [
            step
            for step in path.search(Certificate(LEAF), crosses, forest.question(state_of()))
            if step is not None
        ]
    equal(len(found), 4)
    equal(fake.calls, 1 + 4)  # the leaf once, the four certificates of one key once each


def test_a_weak_signature_is_a_dead_end():
    weak = authority(
        "Inter", "Root", 2, 9, inner=forest.OTHER_ALGORITHM, outer=forest.OTHER_ALGORITHM
    )
    equal(code([LEAF, weak]), "sig.unsupported")
    equal(code([LEAF, weak, INTER]), "ok")


def test_yields_between_slices_of_work():
    with forest.Fake():
        steps = list(path.search(Certificate(LEAF), [INTER], forest.question(state_of())))
    true(steps.count(None) >= 4)  # two candidates and two signatures


def test_a_verified_path_cannot_be_made_by_hand():
    try:
        path.VerifiedPath(object(), (), None, (), (), 0, 0)
    except TypeError:
        return
    raise AssertionError("made")


def test_a_path_says_how_long_it_holds():
    found = paths([LEAF, INTER])[0]
    leaf = Certificate(LEAF)
    equal((found.valid_from, found.valid_until), (leaf.not_before, leaf.not_after))
    window = anchor(trust_from=NOW - 5, trust_until=NOW + 5)
    found = paths([LEAF, INTER], state_of([window]))[0]
    equal((found.valid_from, found.valid_until), (NOW - 5, NOW + 5))
    equal(paths([LEAF, INTER], state_of([window]), known=False)[0].valid_from, 0)


def test_too_many_certificates_are_refused_before_any_is_read():
    chain = [LEAF] + [b""] * limits.PATH_CERTIFICATES + [INTER]
    equal(code(chain), "path.too_many_certificates")
    equal(code([LEAF] + [b""] * (limits.PATH_CERTIFICATES - 1) + [INTER]), "ok")


def test_a_path_has_at_most_so_many_intermediates():
    def tower(height):
        chain = [end_entity("CA 1", 11)]
        for n in range(1, height + 1):
            upper = ("Root", 9) if n == height else ("CA %d" % (n + 1), 11 + n)
            chain.append(authority("CA %d" % n, upper[0], 10 + n, upper[1]))
        return chain

    equal(code(tower(limits.PATH_INTERMEDIATES)), "ok")
    equal(code(tower(limits.PATH_INTERMEDIATES + 1)), "path.too_deep")


def test_a_limit_that_somebody_asks_for_does_not_count_the_self_issued():
    # Leaf, CA 1, CA 1 with a new key (self-issued), CA 2, root.
    chain = [
        end_entity("CA 1", 11),
        authority("CA 1", "CA 1", 11, 12),
        authority("CA 1", "CA 2", 12, 13),
        authority("CA 2", "Root", 13, 9),
    ]
    usual = path.Question.max_intermediates
    # The root has a new key, certified by its old one.
    new_root = [
        end_entity("CA 1", 11),
        authority("CA 1", "Root", 11, 14),
        authority("Root", "Root", 14, 9),
    ]
    try:
        for most, below_ca, below_root in (
            (None, "ok", "ok"),
            (2, "ok", "ok"),
            (1, "path.too_long", "ok"),
            (0, "path.too_long", "path.too_long"),
        ):
            path.Question.max_intermediates = most
            equal((code(chain), code(new_root)), (below_ca, below_root), most)
    finally:
        path.Question.max_intermediates = usual


def mesh(width):
    """Authorities that all certify one another, and no way out."""
    return [
        authority("CA %d" % i, "CA %d" % j, 10 + i, 10 + j)
        for i in range(width)
        for j in range(width)
        if i != j
    ]


def test_a_maze_without_an_exit_ends_by_its_budget():
    equal(code([end_entity("CA 0", 10)] + mesh(6)), "path.too_many_steps")


def test_signatures_that_fail_end_by_their_budget():
    many = [authority("Inter", "Root", 20 + n, 9) for n in range(limits.PATH_SIGNATURES)]
    equal(code([LEAF] + many), "path.bad_signature")
    many.append(authority("Inter", "Root", 99, 9))
    equal(code([LEAF] + many), "path.too_many_signatures")


def test_what_was_proven_before_a_budget_ran_out_stays_proven():
    chain = [end_entity("CA 0", 10)] + mesh(6)
    found = paths(chain, state_of([anchor("CA 0", 10)]))
    equal(keys_of(found[0].keys[:1]), [1])
