# SPDX-License-Identifier: MIT
"""`trustanchor calendar`: ends of states, servers and announcements, with their last days."""

import datetime
import json
import re
import tomllib
from pathlib import Path

import icalendar
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from host_tools.cli import main as cli
from host_tools.commands import calendar
from host_tools.demo.servers import PlainTextServer, TlsServer
from host_tools.ops import dates
from host_tools.signing import hss_keys
from host_tools.signing.bundle_encode import Authority, Description, KeySigner, encode_state, sign
from tests import chromium
from tests.certs import pki
from tests.host.test_rehearse_page import measured
from tests.host.test_transcripts import PAGE, commands
from trustanchor.kinds import HSS_LMS, MODE_KEY
from trustanchor.limits import BUILD_AT
from trustanchor.state import derive
from trustanchor.state.anchors import Anchor
from trustanchor.state.model import Pin, PinSet, Service

SIGNER = KeySigner(pki.make_key())
HOST = "127.0.0.1"
ROOT = pki.authority("Root")
SERVER = pki.end_entity(HOST, issuer=ROOT)
DAY = 86400
JUNE = 1811808000  # 2027-06-01
TODAY = datetime.date(2027, 1, 10)
NOON = 1799582400  # of that day


@pytest.fixture(autouse=True)
def today(monkeypatch):
    """The data file grows old: what is said of it must not depend on when the tests run."""
    monkeypatch.setattr(calendar, "_today", lambda: TODAY)


def named(oid: x509.ObjectIdentifier, text: str) -> bytes:
    return x509.Name([x509.NameAttribute(oid, text)]).public_bytes()


R3 = named(NameOID.ORGANIZATIONAL_UNIT_NAME, "GlobalSign Root CA - R3")
X1 = named(NameOID.COMMON_NAME, "ISRG Root X1")


def write(
    path: Path, *, issued=BUILD_AT, pins=(None, None), service=None, signer=SIGNER, **fields
) -> Path:
    held = [Pin(bytes([1]) * 32, not_after=pins[0]), Pin(bytes([2]) * 32, not_after=pins[1])]
    described = Description(
        sequence=1,
        issued_at=issued,
        authority=Authority([(1, [signer])]),
        backup=Authority([(1, [KeySigner(pki.make_key())])]),
        services=[
            Service("web", ["a.example.net"], mode=MODE_KEY, pin_set="web", **(service or {}))
        ],
        pin_sets=[PinSet("web", held)],
        is_partial=True,
        **fields,
    )
    path.write_bytes(sign("state", encode_state(described), [signer]))
    return path


def anchor(name: bytes, **policy) -> Anchor:
    return Anchor(name, bytes(derive.spki_of(ROOT.der)), **policy)


def run(capsys, *words: object) -> tuple[int, list[dict]]:
    status = cli.main(["calendar", *map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out)["dates"]


def test_every_end_of_a_state_is_there_with_its_last_day(tmp_path, capsys):
    held = anchor(X1, trust_until=JUNE + 3 * DAY, distrust_leaf_after=JUNE + 4 * DAY)
    file = write(
        tmp_path / "fleet.bundle",
        pins=(JUNE + DAY, None),
        service={"max_state_age_s": JUNE + 2 * DAY - BUILD_AT},
        expires_at=JUNE,
        anchors=[held],
        intermediates=[pki.authority("Middle", issuer=ROOT).der],
    )
    rows = [one for one in run(capsys, file, "--lead", 10)[1] if one["where"] == str(file)]
    expected = {
        ("bundle", "2027-06-01", "2027-05-22"),
        ("pin", "2027-06-02", "2027-05-23"),
        ("state age", "2027-06-03", "2027-05-24"),
        ("anchor", "2027-06-04", "2027-05-25"),
        ("anchor", "2027-06-05", "2027-05-26"),
    }
    all_rows = {(one["kind"], one["ends"][:10], one["bundle_by"]) for one in rows}
    assert expected < all_rows
    assert {one[0] for one in all_rows - expected} == {"intermediate"}


def test_a_state_without_an_end_has_no_row_of_its_own(tmp_path, capsys):
    file = write(tmp_path / "fleet.bundle")
    status, rows = run(capsys, file)
    assert (status, {one["where"] for one in rows}) == (0, {"public"})
    assert [one for one in rows if one["bundle_by"]] == []


@pytest.mark.parametrize(("lead", "expected"), [(5, 0), (6, 1)])
def test_a_last_day_that_is_over_is_exit_code_1(tmp_path, capsys, lead, expected):
    file = write(tmp_path / "fleet.bundle", expires_at=NOON + 5 * DAY)
    assert cli.main(["calendar", str(file), "--lead", str(lead)]) == expected
    assert (" over" in capsys.readouterr().out) is bool(expected)


def test_an_announcement_needs_a_bundle_where_its_root_is_an_anchor(tmp_path, capsys):
    file = write(tmp_path / "fleet.bundle", anchors=[anchor(R3)])
    rows = [one for one in run(capsys, file)[1] if one["bundle_by"]]
    assert [(one["ends"][:10], one["bundle_by"]) for one in rows] == [("2027-04-15", "2027-03-16")]
    assert rows[0]["note"] == f"concerns {file}"
    assert rows[0]["source"].startswith("https://")


def test_the_certificates_a_server_shows_are_there(tmp_path, capsys):
    file = write(tmp_path / "fleet.bundle")
    with TlsServer([SERVER.der, ROOT.der], SERVER.key, "1.3") as listening:
        where = f"{HOST}:{listening.port}"
        rows = [one for one in run(capsys, file, "--host", where)[1] if one["where"] == where]
    assert {one["kind"] for one in rows} == {"leaf", "intermediate"}
    leaf = next(one for one in rows if one["kind"] == "leaf")
    ends = datetime.datetime.fromisoformat(leaf["ends"]).timestamp()
    assert ends == derive.Certificate(SERVER.der).not_after


def test_a_server_without_tls_is_refused(tmp_path, capsys):
    file = write(tmp_path / "fleet.bundle")
    with PlainTextServer() as listening:
        words = ["calendar", str(file), "--host", f"{HOST}:{listening.port}", "--json"]
        assert cli.main(words) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "net.not_tls"


def test_a_certificate_that_cannot_be_read_is_a_row_that_says_so():
    (one,) = dates.of_chain([b"\x30\x00"], "server")
    assert (one.at, one.last_day(30)) == (None, None)
    assert one.what.startswith("not readable: ")
    assert dates.in_order([one, dates.Date(1, "pin", "", "", True)])[-1] is one


@pytest.mark.parametrize(("days", "is_old"), [(365, False), (366, True)])
def test_data_older_than_a_year_says_so(days, is_old):
    rows = tomllib.loads((Path(dates.__file__).parent / "root_programs.toml").read_text())["date"]
    today = rows[0]["read"] + datetime.timedelta(days)
    assert len({one["read"] for one in rows}) == 1
    notes = [one.note for one in dates.public([], {}, today)]
    assert [("more than a year ago" in note) for note in notes] == [is_old] * len(rows)


def test_every_announcement_has_a_source_and_a_day_of_reading():
    rows = tomllib.loads((Path(dates.__file__).parent / "root_programs.toml").read_text())["date"]
    assert len(rows) >= 7
    for row in rows:
        assert set(row) == {"ends", "what", "names", "source", "read"}
        assert row["source"].startswith("https://")


@pytest.mark.parametrize("days", ["-1", "10000", "x"])
def test_a_lead_that_is_no_number_of_days_is_a_usage_error(days):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["calendar", "fleet.bundle", f"--lead={days}"])
    assert stopped.value.code == 2


class Holder:
    """A signer of one holder's file, as `trustanchor bundle sign` uses it."""

    alg = HSS_LMS

    def __init__(self, folder: Path, share: hss_keys.Holder) -> None:
        self.file, self.ledger = folder / f"{share.tree_id.hex()}.hss", folder / "ledger"
        self.file.write_bytes(hss_keys.encode(share, b"words"))
        self.public = share.public

    def sign(self, message: bytes) -> bytes:
        return hss_keys.sign(self.file, self.ledger, message, b"words")


@pytest.fixture
def holders(tmp_path, monkeypatch):
    monkeypatch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)
    identity, head = hss_keys.new_ledger()
    (tmp_path / "ledger").write_bytes(head)
    return [Holder(tmp_path, one) for one in hss_keys.generate(2, identity, height=5, width=4)]


def test_leaves_of_an_hss_signer_end_at_the_rate_at_which_they_are_used(tmp_path, capsys, holders):
    first, second = holders
    files = [write(tmp_path / "1", issued=NOON, signer=first)]
    for number in range(4):
        first.sign(b"a bundle that was never published, %d" % number)
    files.append(write(tmp_path / "6", issued=NOON + 50 * DAY, signer=first))
    files.append(write(tmp_path / "other", issued=NOON + 60 * DAY, signer=second))
    rows = [one for one in run(capsys, *files)[1] if one["kind"] == "hss"]
    # 5 leaves in 50 days; the tree has 32, and leaf 5 was the last: 26 left, 260 days.
    known = next(one for one in rows if one["ends"])
    assert known["what"].endswith(": 26 leaves left")
    assert datetime.datetime.fromisoformat(known["ends"]).timestamp() == NOON + 310 * DAY
    assert known["bundle_by"] and "5 leaves in 50 days" in known["note"]
    # The other holder's tree is another, and one bundle tells no rate.
    (unknown,) = [one for one in rows if not one["ends"]]
    assert unknown["what"].endswith(": 31 leaves left") and unknown["what"] != known["what"]
    assert "the rate is not known" in unknown["note"] and unknown["bundle_by"] is None


def test_a_signer_that_is_no_hss_key_has_no_leaves(tmp_path, capsys):
    file = write(tmp_path / "fleet.bundle")
    assert [one for one in run(capsys, file)[1] if one["kind"] == "hss"] == []


def test_the_page_has_a_bar_for_each_date_and_hatches_what_is_too_late(tmp_path, capsys):
    hostile = named(NameOID.COMMON_NAME, "<script>alert(1)</script>")
    file = write(
        tmp_path / "fleet.bundle",
        expires_at=NOON + 5 * DAY,
        anchors=[anchor(hostile, trust_until=JUNE)],
    )
    target = tmp_path / "trust.html"
    status, rows = run(capsys, file, "--html", target)
    text = target.read_text()
    assert status == 1 and "1 of " in text and " over" in text
    assert "<script>" not in text and "&lt;script&gt;" in text
    assert not re.search(r"(src=|href=|@import|url\(h)", text)
    with_bundle = [one for one in rows if one["bundle_by"]]
    assert text.count('class="bad"') == len(with_bundle) == 2
    for one in rows:
        assert one["ends"][:10] in text
    again = tmp_path / "again.html"
    run(capsys, file, "--html", again)
    assert again.read_text() == text


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_its_window(tmp_path, capsys, width):
    try:
        browser = chromium.find()
    except chromium.NoChromium as reason:
        pytest.skip(str(reason))
    file = write(tmp_path / "fleet.bundle", expires_at=JUNE)
    run(capsys, file, "--html", tmp_path / "trust.html")
    said = measured(browser, tmp_path / "trust.html", width)
    assert said["window"] == said["wide"] == width and said["fetched"] == 0
    assert said["bars"] == said["named"] == 1 and said["stops"] == said["reached"]


def test_the_transcript_is_what_the_command_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    second = Anchor(X1, bytes(derive.spki_of(SERVER.der)))
    write(Path("fleet.bundle"), expires_at=JUNE, anchors=[anchor(R3), second])
    ((command, page),) = commands("calendar", PAGE.read_text())
    _, rows = run(capsys, *command.partition(" --json")[0].split()[2:])
    said = [
        f"{one['ends']} {one['bundle_by']} {one['what']} {one['note']}".rstrip()
        for one in rows
        if one["bundle_by"]
    ]
    assert "\n".join(said) == page


def test_an_age_beyond_the_year_9999_ends_with_it(tmp_path, capsys):
    last = 253402300799
    service = {"max_state_age_s": 0xFFFFFFFF}
    file = write(tmp_path / "fleet.bundle", issued=last, service=service)
    rows = [one for one in run(capsys, file)[1] if one["where"] == str(file)]
    assert [one["ends"] for one in rows] == ["9999-12-31T23:59:59Z"]


def test_a_file_that_is_no_bundle_is_refused(tmp_path, capsys):
    (tmp_path / "bad.bundle").write_bytes(b"\xffnot a bundle")
    assert cli.main(["calendar", str(tmp_path / "bad.bundle"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"].startswith("cbor.")


def test_it_can_be_read_back_as_icalendar(tmp_path, capsys):
    state = write(tmp_path / "1.bundle", pins=(JUNE, None))
    file = tmp_path / "trust.ics"
    words = ["calendar", str(state), "--lead", "30", "--ics", str(file), "--json"]
    assert cli.main(words) == 0
    rows = json.loads(capsys.readouterr().out)["dates"]
    content = file.read_bytes()
    events = [
        (one.decoded("dtstart").isoformat(), str(one["summary"]), str(one["uid"]))
        for one in icalendar.Calendar.from_ical(content).walk("VEVENT")
    ]
    days = {(day, summary.partition(":")[0]) for day, summary, _ in events}
    assert {("2027-06-01", "pin ends"), ("2027-05-02", "last day for a bundle")} <= days
    # Every date of the table is there, its last day too, and no event stands twice.
    assert len(events) == sum(1 + (row["bundle_by"] is not None) for row in rows)
    assert len({uid for _, _, uid in events}) == len(events)
    assert all(line.isascii() for line in content.split(b"\r\n"))
    assert cli.main(words) == 0
    assert file.read_bytes() == content


def test_hostile_text_breaks_no_line_of_a_calendar(tmp_path):
    one = dates.Date(JUNE, "pin", "a\r\nBEGIN:VEVENT\r\nSUMMARY:x", "b\n;,\\" * 90, True, "n\r\n")
    content = calendar.ics([one], 30)
    assert len(icalendar.Calendar.from_ical(content).walk("VEVENT")) == 2
    assert content.count(b"BEGIN:VEVENT\r\n") == 2
