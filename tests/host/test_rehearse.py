# SPDX-License-Identifier: MIT
"""`trustanchor rehearse`: the answer is that of devices judged day by day."""

import json
import random
import re
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.rehearsal import evaluate, findings, page, weak
from host_tools.rehearsal.plan import FleetState, Plan, Sent, Server
from host_tools.signing.bundle_encode import Authority, Description, KeySigner, encode_state, sign
from tests.certs import pki
from tests.host.test_transcripts import PAGE, agrees, commands
from tests.planned import DAY, HOST, at, dates, fleet, plan, sent, state, told
from trustanchor.kinds import MODE_KEY, MODE_PATH, RATCHET_NEVER
from trustanchor.state import derive
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Pin, PinSet, Service
from trustanchor.store import learning
from trustanchor.verdict.policy import judge

SIGNER, BACKUP = KeySigner(pki.make_key()), KeySigner(pki.make_key())


# Against brute force


def by_day(made: Plan) -> set[tuple[str, str, str, str, int]]:
    """(state, chain, clock, code, day): no memory, no change points, every day asked anew."""
    seen = set()
    variants = {one.name: {()} for one in made.fleet}
    for day in range(made.begins, made.ends, DAY):
        before = None
        while before != (before := {name: frozenset(some) for name, some in variants.items()}):
            for number, later in enumerate(made.fleet):
                if later.begins <= day < later.ends:
                    for earlier in made.fleet[:number]:
                        if earlier.begins <= day:
                            variants[later.name] |= variants[earlier.name]
            for one in made.fleet:
                if one.begins <= day < one.ends:
                    for retired in tuple(variants[one.name]):
                        for chain in made.servers[0].chains:
                            if chain.begins <= day < chain.ends:
                                for clock in one.clocks:
                                    code, then = once(one.state, chain, clock, retired, day)
                                    seen.add((one.name, chain.name, clock, code, day))
                                    variants[one.name].add(then)
    return seen


def once(made, chain, clock, retired, day):
    local = LocalState(floor=made.issued_at, retired=retired)
    if clock == "floor":
        local.bound = max(made.issued_at, min(day, made.issued_at + 400 * DAY))
    asked = Asked(made.find_service(host=HOST, port=443), HOST, 443)
    moment = (day, 1) if clock == "known" else (0, 0)
    verdict = judge(list(chain.certificates), asked, moment, made, local)
    learning.join(local, verdict, made, moment[0])
    return verdict.code, tuple(local.retired)


def random_plan(seed: int) -> Plan:
    chance = random.Random(seed)
    start = at("2027-01-01")

    def day(low=0, high=40):
        return start + chance.randrange(low, high) * DAY

    def span(longest=25):
        first = day(-5, 30)
        return first, first + chance.randrange(1, longest) * DAY

    roots = [pki.authority(f"Root {n}") for n in range(2)]
    keys = [pki.make_key() for _ in range(3)]
    chains = []
    for number in range(3):
        first, last = span()
        leaf = pki.end_entity(
            HOST,
            issuer=chance.choice(roots),
            key=chance.choice(keys),
            not_before=pki.utc(first),
            not_after=pki.utc(last - 1),
        )
        begins, ends = span()
        chains.append(Sent(f"c{number}", (leaf.der,), begins, ends))
    states = []
    for number in range(3):
        chosen = chance.sample(keys, 2)
        windows = [span() if chance.random() < 0.3 else (None, None) for _ in chosen]
        pins = [
            Pin(pki.spki_sha256(key), place == 1, first, last and last - 1)
            for place, (key, (first, last)) in enumerate(zip(chosen, windows, strict=True))
        ]
        anchors = [
            derive.anchor_of(root.der, trust_until=day() - 1 if chance.random() < 0.3 else None)
            for root in roots
            if chance.random() < 0.8
        ]
        made = state(
            pins=pins,
            anchors=anchors,
            mode=chance.choice([MODE_KEY, MODE_PATH]),
            digest=bytes([number + 1]),
        )
        made.issued_at = day(-3, 20)
        begins, ends = span(35)
        clocks = ("known", "floor", "unset")
        states.append(FleetState(f"s{number}", made, b"", begins, ends, clocks=clocks))
    server = Server("api", HOST, 443, tuple(chains))
    return Plan(start, start + 40 * DAY, tuple(states), (server,))


def agrees_with_brute_force(seed: int) -> bool:
    made = random_plan(seed)
    spread = {
        (one.state, one.chain, one.clock, one.code, day)
        for one in evaluate.evaluate(made).stretches
        for day in range(made.begins, made.ends, DAY)
        if one.begins <= day < one.ends and not one.is_update
    }
    return spread == by_day(made)


@pytest.mark.parametrize("seed", [*range(24), 56, 103])
def test_the_answer_is_that_of_brute_force_by_day(seed):
    assert agrees_with_brute_force(seed)


def test_random_plans_have_both_answers_and_retirements():
    """Else the comparison above would say little."""
    stretches = [
        one for seed in range(8) for one in evaluate.evaluate(random_plan(seed)).stretches
    ]
    codes = {one.code for one in stretches}
    assert {"ok", "pin.retired", "pin.none_matched"} <= codes
    assert any(one.retired for one in stretches)


# What brute force above does not vary


def test_a_hold_down_that_will_end_counts_as_ended():
    primary, backup = (pki.end_entity(HOST, **dates("2027-01-01", "2027-12-01")) for _ in range(2))
    made = state(pins=[Pin(primary.pin), Pin(backup.pin, True)])
    pin_set = made.pin_sets[0]
    pin_set.hold_s, pin_set.hold_max_s = 30 * DAY, 60 * DAY
    days = ("2027-01-02", "2027-02-01", "2027-03-01")
    chains = (sent("backup", *days[:2], backup), sent("primary", *days[1:], primary))
    states = [fleet("7", made, days[0])]
    assert told(plan(days[0], days[2], states, *chains)) == [
        ("7", "primary", "pin.retired", days[1])
    ]
    pin_set.ratchet = RATCHET_NEVER
    assert told(plan(days[0], days[2], states, *chains)) == []


def test_only_devices_without_a_clock_lose_a_service_that_needs_one():
    leaf = pki.end_entity(HOST, **dates("2027-01-01", "2027-12-01"))
    made = state(pins=[Pin(leaf.pin), Pin(bytes(32), True)])
    made.services[0].needs_clock = True
    chain = sent("a", "2027-01-02", "2027-02-01", leaf)
    states = [fleet("7", made, "2027-01-02", clocks=("known", "unset"))]
    rehearsed = plan("2027-01-02", "2027-02-01", states, chain)
    (found,) = findings.findings(rehearsed, evaluate.evaluate(rehearsed))
    assert (found.code, found.clocks) == ("time.unknown", ("unset",))
    assert found.who == "devices on state 7 with clock unset"
    states = [fleet("7", made, "2027-01-02")]
    assert told(plan("2027-01-02", "2027-02-01", states, chain)) == []


def test_a_state_that_grows_too_old_is_found_at_its_second():
    leaf = pki.end_entity(HOST, **dates("2027-01-01", "2027-12-01"))
    made = state(pins=[Pin(leaf.pin), Pin(bytes(32), True)], issued="2027-01-01")
    made.services[0].max_state_age_s = 40 * DAY
    chain = sent("a", "2027-01-02", "2027-06-01", leaf)
    rehearsed = plan("2027-01-02", "2027-06-01", [fleet("7", made, "2027-01-02")], chain)
    (found,) = findings.findings(rehearsed, evaluate.evaluate(rehearsed))
    assert (found.code, found.at) == ("time.state_too_old", at("2027-01-01") + 40 * DAY + 1)


def test_a_remedy_names_no_chain_that_has_expired_by_then():
    keys = [pki.make_key() for _ in range(3)]
    made = state(pins=[Pin(pki.spki_sha256(keys[0])), Pin(pki.spki_sha256(keys[1]), True)])
    days = ("2027-01-02", "2027-03-01", "2027-06-01")
    new = pki.end_entity(HOST, key=keys[2], **dates("2027-01-01", "2027-12-01"))
    for last, others in (("2027-03-01", ()), ("2027-04-01", ("old",))):
        old = pki.end_entity(HOST, key=keys[0], **dates("2027-01-01", last))
        chains = (sent("old", *days[:2], old), sent("new", *days[1:], new))
        rehearsed = plan(days[0], days[2], [fleet("7", made, days[0])], *chains)
        (found,) = findings.findings(rehearsed, evaluate.evaluate(rehearsed))
        assert (found.code, found.others) == ("pin.none_matched", others)


# The command


def write(folder: Path, name: str, sequence: int, keys, signer=SIGNER) -> None:
    described = Description(
        sequence=sequence,
        issued_at=at("2026-11-01"),
        authority=Authority([(1, [signer])]),
        backup=Authority([(1, [BACKUP])]),
        services=[Service("api", [HOST], mode=MODE_KEY, pin_set="pins")],
        pin_sets=[PinSet("pins", [Pin(keys[0]), Pin(keys[1], True)])],
        is_partial=True,
        overrides=["revert"],
    )
    (folder / name).write_bytes(sign("state", encode_state(described), [signer]))


PLAN = f"""
from = 2026-12-01
until = 2027-06-01
[[state]]
name = "7"
bundle = "7.bundle"
devices = 1000
leaving = "linear"
leaving_from = 2027-01-01
until = 2027-04-11
[[state]]
name = "8"
bundle = "8.bundle"
from = 2027-01-01
[[server]]
name = "api"
host = "{HOST}"
[[server.chain]]
name = "old"
certificates = ["old.pem"]
until = 2027-03-02
[[server.chain]]
name = "new"
from = 2027-03-02
[server.chain.planned]
key = "new.pem"
issuer = ["ca.pem"]
not_before = 2027-02-01
not_after = 2027-07-01
"""
LATER = PLAN.replace("2027-03-02", "2027-04-11")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    ca = pki.authority("CA")
    span = dates("2026-11-01", "2027-09-01")
    old, new = (pki.end_entity(HOST, issuer=ca, **span) for _ in range(2))
    spare = pki.spki_sha256(pki.make_key())
    for name, one in (("old", old), ("new", new), ("ca", ca)):
        (tmp_path / f"{name}.pem").write_bytes(one.pem)
    write(tmp_path, "7.bundle", 7, [old.pin, spare])
    write(tmp_path, "8.bundle", 8, [old.pin, new.pin])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, text, *words):
    Path("plan.toml").write_text(text)
    capsys.readouterr()
    status = cli.main(["rehearse", "plan.toml", "--json", *words])
    return status, json.loads(capsys.readouterr().out)


def test_a_switch_before_the_last_device_has_left_is_told_in_the_first_sentence(desk, capsys):
    status, said = run(capsys, PLAN)
    assert (status, said["ok"]) == (1, False)
    # On 2027-03-02, 40 of the 100 days in which they leave are still to come.
    assert said["answer"].startswith(
        "400 devices on state 7 lose api (chain new) from 2027-03-02: pin.none_matched: "
    )
    assert [one["days"] for one in said["margins"]] == [-40]


def test_the_same_switch_after_it_is_safe(desk, capsys):
    status, said = run(capsys, LATER)
    assert (status, said["ok"], said["findings"]) == (0, True, [])
    assert said["answer"].startswith("Safe: ")
    assert [(one["state"], one["days"]) for one in said["margins"]] == [("7", 0)]


def test_a_state_that_older_devices_do_not_take_is_found(desk, capsys):
    write(desk, "8.bundle", 8, [bytes(32), bytes([1]) * 32], KeySigner(pki.make_key()))
    _, said = run(capsys, LATER)
    refused = [one for one in said["findings"] if one["new_state"]]
    assert [(one["state"], one["new_state"], one["from"]) for one in refused] == [
        ("7", "8", "2027-01-01T00:00:00Z")
    ]
    assert refused[0]["code"].startswith("update.")


def test_a_planned_leaf_alone_needs_no_signature(desk, capsys):
    """A forged certificate that the plan has as a file is judged as devices judge it."""
    root, thief = pki.authority("CA"), pki.authority("CA")
    forged = pki.end_entity(HOST, issuer=thief, **dates("2026-01-01", "2027-09-01"))
    made = plan(
        "2026-12-01",
        "2027-01-01",
        [fleet("7", state(anchors=[derive.anchor_of(root.der)]), "2026-12-01")],
        sent("forged", "2026-12-01", "2027-01-01", forged),
    )
    assert [row[2] for row in told(made)] != []
    planned = pki.x509.load_der_x509_certificate(forged.der).tbs_certificate_bytes
    assert told(Plan(made.begins, made.ends, made.fleet, made.servers, frozenset([planned]))) == []


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("until = 2027-03-02", "until = 2027-03-01"), "plan.gap", "2027-03-01"),
        (('clocks = ["known"]', 'clocks = ["sundial"]'), "toml.field", "sundial"),
        (("devices = 1000", "device = 1000"), "toml.field", "did you mean devices"),
        (("leaving_from = 2027-01-01\nuntil = 2027-04-11", ""), "toml.field", "needs until"),
        (("until = 2027-06-01", "until = 2026-06-01"), "toml.field", "not behind from"),
        (('name = "8"', 'name = "7"'), "toml.field", "one name"),
        (('name = "old"', 'name = "new"'), "toml.field", "one name"),
        (("[server.chain.planned]", "[server.chain.plan]"), "toml.field", "planned"),
        (("not_after = 2027-07-01", ""), "toml.field", "not_after"),
        (('key = "new.pem"', 'key = "7.bundle"'), "plan.leaf", "7.bundle"),
        (("not_before = 2027-02-01", "not_before = 0001-01-01"), "plan.leaf", "new.pem"),
        (("not_after = 2027-07-01", f"not_after = {1 << 62}"), "plan.leaf", "new.pem"),
        (('issuer = ["ca.pem"]', 'issuer = ["ca.pem"]\nhosts = ["\u00fc"]'), "plan.leaf", ""),
        (('issuer = ["ca.pem"]', "issuer = []"), "toml.field", "issuer"),
        (("from = 2026-12-01", "from = -5"), "toml.field", "not behind from"),
        (("until = 2027-06-01", f"until = {1 << 70}"), "toml.field", "not behind from"),
        (('bundle = "8.bundle"', 'bundle = "old.pem"'), "bundle.file", "old.pem"),
        (("devices = 1000", "devices = -1"), "toml.field", "count"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_its_place(desk, capsys, change, code, words):
    text = PLAN.replace("devices = 1000", 'devices = 1000\nclocks = ["known"]')
    assert change[0] in text
    status, said = run(capsys, text.replace(change[0], change[1], 1))
    assert status == 1
    assert said["error"]["code"].startswith(code), said
    assert words in said["error"]["message"]


def test_the_page_is_whole_by_itself_and_names_every_refusal_as_text(desk, capsys):
    run(capsys, PLAN, "--html", "plan.html")
    text = Path("plan.html").read_text()
    assert not re.search(r"(src|href|@import|<script)", text)
    assert re.findall(r"https?:", text) == []
    assert 'lang="en"' in text and 'role="img"' in text and 'scope="col"' in text
    # Not by colour alone: the hatched bar has its reason, and the table has it again.
    assert '<rect class="bad"' in text
    assert "pin.none_matched, clock known" in text
    assert "<td>pin.none_matched</td>" in text
    safe = run(capsys, LATER, "--html", "safe.html")[1]
    assert safe["ok"] and 'class="bad"' not in Path("safe.html").read_text()


def test_a_name_in_a_plan_is_no_markup():
    root = pki.authority("Root")
    leaf = pki.end_entity(HOST, issuer=root, **dates("2026-11-01", "2027-09-01"))
    made = plan(
        "2026-12-01",
        "2027-01-01",
        [fleet("<script>", state(anchors=[derive.anchor_of(root.der)]), "2026-12-01")],
        sent("a", "2026-12-01", "2027-01-01", leaf),
    )
    outcome = evaluate.evaluate(made)
    found = findings.findings(made, outcome)
    text = page.page(made, outcome, found, findings.answer(made, found), [])
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_signatures_are_the_devices_own_again_after_a_rehearsal(desk, capsys):
    from trustanchor.crypto import signatures

    genuine = signatures.verifying
    run(capsys, PLAN)
    assert signatures.verifying is genuine


def test_the_transcript_is_what_the_command_prints(desk, capsys):
    Path("plan.toml").write_text(PLAN)
    Path("later.toml").write_text(LATER)
    (first, answer), (second, safe) = commands("rehearse", PAGE.read_text())
    capsys.readouterr()
    assert cli.main(first.partition(" | ")[0].split()[1:]) == 1
    assert json.loads(capsys.readouterr().out)["answer"] == answer
    assert cli.main(second.split()[1:]) == 0
    assert agrees(capsys.readouterr().out, safe)


# What one loss would end, and what ends next


def weak_plan(second_ca, *, shown=True):
    """A primary under CA A, a backup under second_ca; the backup's chain is sent, or is not."""
    primary = pki.end_entity(HOST, issuer=CA_A, **dates("2026-11-01", "2027-03-01"))
    backup = pki.end_entity(HOST, issuer=second_ca, **dates("2026-11-01", "2027-09-01"))
    made = state(pins=[Pin(primary.pin), Pin(backup.pin, True)])
    chains = [sent("one", "2026-12-01", "2027-02-01", primary)]
    chains += [sent("two", "2027-01-01", "2027-02-01", backup)] if shown else []
    return plan("2026-12-01", "2027-06-01", [fleet("7", made, "2026-12-01")], *chains)


CA_A, CA_B = pki.authority("CA A"), pki.authority("CA B")


def test_two_pins_under_one_ca_are_told_and_under_two_are_not():
    (said,) = weak.single_points(weak_plan(CA_A))
    assert "under one CA" in said and "CA A" in said
    assert weak.single_points(weak_plan(CA_B)) == []


def test_a_backup_that_no_server_shows_is_told():
    (said,) = weak.single_points(weak_plan(CA_B, shown=False))
    assert "no server of the plan shows backup key" in said


def test_one_key_in_two_sets_is_told():
    made = weak_plan(CA_B)
    first = made.fleet[0].state.pin_sets[0]
    made.fleet[0].state.pin_sets += (PinSet("more", [first.pins[0], Pin(bytes(32))]),)
    (said,) = weak.single_points(made)
    assert said.endswith("is in pins and more.")


def test_what_ends_next_is_named_with_its_day():
    said = weak.ends_next(weak_plan(CA_B))
    assert said == ["ends next, 2027-03-01: certificate 1 of api, chain one."]


def test_signers_of_whom_none_may_be_lost_are_told(desk, capsys):
    said = run(capsys, LATER)[1]["single_points"]
    assert "states 7, 8: 1 of 1 keys must sign (authority); none of them may be lost." in said
    assert "states 7, 8: 1 of 1 keys must sign (backup); none of them may be lost." in said
    assert len([one for one in said if "none of them" in one]) == 2
