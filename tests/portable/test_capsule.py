# SPDX-License-Identifier: MIT
"""A capsule keeps the last refusals, bounded whatever is refused and whatever its file says."""

import json
import os

from scratch import empty_folder

from check import equal, true
from trustanchor.app.capsule import Capsule
from trustanchor.errors import Refused, TrustError
from trustanchor.limits import CAPSULE_EVENTS, CAPSULE_TEXT, CAPSULE_WRITE_S


class Clock:
    def __init__(self):
        self.at = 1800000000, 1
        self.up = 0

    def now(self):
        return self.at

    def uptime_s(self):
        return self.up


class Verdict:
    served = b"\x01" * 32
    wanted = tuple(bytes((count,)) * 32 for count in range(8))
    time_rule = "bound"


def test_a_refusal_is_kept_with_what_was_served_and_wanted():
    capsule = Capsule(None, Clock())
    capsule.note(Refused("pin.none_matched", None, Verdict), "broker.example", 8883)
    (event,) = capsule.events()
    equal(event["code"], "pin.none_matched")
    equal((event["host"], event["port"], event["seen"]), ("broker.example", 8883, 1))
    equal((event["at"], event["clock"], event["time_rule"]), (1800000000, 1, "bound"))
    equal(event["served"], "01" * 32)
    equal(event["wanted"], ["00" * 32, "01" * 32, "02" * 32, "03" * 32])
    capsule.note(TrustError("update.expired", 7))
    capsule.note("agent.publish")
    found = [(one["number"], one["code"], one["detail"]) for one in capsule.events()]
    equal(found[1:], [(2, "update.expired", "7"), (3, "agent.publish", None)])
    equal(json.loads(capsule.text())["events"], capsule.events())


def test_the_same_again_counts_and_another_is_another():
    capsule = Capsule(None, Clock())
    for _ in range(1000):
        capsule.note("net.dns", "a.example")
    capsule.note("net.dns", "b.example")
    capsule.note("net.dns", "a.example")
    equal([one["seen"] for one in capsule.events()], [1000, 1, 1])


def test_the_oldest_gives_way():
    capsule = Capsule(None, Clock())
    for number in range(CAPSULE_EVENTS + 5):
        capsule.note("net.dns", "host-%d" % number)
    found = [one["number"] for one in capsule.events()]
    equal(found, list(range(6, CAPSULE_EVENTS + 6)))


def test_text_from_outside_is_cut_and_printable():
    capsule = Capsule(None, Clock())
    capsule.note(Refused("http.url", "\x1b[31m\n" + "x" * 1000), "h\xe9\u2028" + "y" * 1000)
    (event,) = capsule.events()
    equal(event["detail"], "?[31m?" + "x" * (CAPSULE_TEXT - 6))
    equal(event["host"][:4], "h??y")
    true(len(capsule.text()) < 1024)


def test_its_file_outlives_a_restart_and_is_written_once_in_a_while():
    path = made_file()
    clock = Clock()
    capsule = Capsule(path, clock)
    capsule.note("net.dns", "a")
    written = read(path)
    clock.up = CAPSULE_WRITE_S - 1
    capsule.note("net.dns", "b")
    equal(read(path), written)
    clock.up = CAPSULE_WRITE_S
    capsule.note("net.dns", "c")
    again = Capsule(path, clock)
    equal([one["host"] for one in again.events()], ["a", "b", "c"])
    again.note("net.dns", "d")
    equal(again.events()[-1]["number"], 4)
    again.note("net.dns", "e")
    again.save()
    equal(len(Capsule(path, clock).events()), 5)


def test_a_file_that_says_anything_is_begun_anew():
    path = made_file()
    event = {"number": 1, "seen": 1, "code": "net.dns"}
    for content, kept in (
        (b"", 0),
        (b"\xff\xfe", 0),
        (b"[1, 2]", 0),
        (b'{"events": 7}', 0),
        (b'{"events": [7, null, {}, {"number": "x", "seen": 1, "code": "a"}]}', 0),
        (b"[" * 3000, 0),
        (b" " * (CAPSULE_EVENTS * 1024 + 1), 0),
        (json.dumps({"events": [event] * 40}).encode(), CAPSULE_EVENTS),
    ):
        with open(path, "wb") as file:
            file.write(content)
        capsule = Capsule(path, Clock())
        equal(len(capsule.events()), kept, content[:20])
        capsule.note("net.dns", "new")
        equal(Capsule(path, Clock()).events()[-1]["host"], "new")


def test_a_medium_that_fails_loses_events_and_raises_nothing():
    capsule = Capsule("/no/such/folder/refused.json", Clock())
    capsule.note("net.dns", "a")
    capsule.save()
    equal(len(capsule.events()), 1)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def made_file():
    folder = empty_folder("capsule")
    os.mkdir(folder)
    return folder + "/refused.json"
