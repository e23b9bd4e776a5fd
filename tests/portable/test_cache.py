# SPDX-License-Identifier: MIT
"""What is remembered: bounded, checked at every read, written at most once in six hours."""

import os

from scratch import empty_folder, key

from check import equal, false, true
from trustanchor.kinds import EVENT_INTERMEDIATES, EVENT_PATH
from trustanchor.limits import (
    CACHE_PENDING_BYTES,
    CACHE_WRITE_S,
    CACHED_PATH_BYTES,
    CACHED_PATHS,
    KEY_TABLE_BYTES,
    KEY_TABLES,
    LEARNED,
    LEARNED_BYTES,
)
from trustanchor.state.local import LocalState
from trustanchor.store.cache import Cache
from trustanchor.store.tables import Tables

NOW = 1800000000


def fresh():
    return Tables(empty_folder_with() + "/cache", NOW)  # a Cache that takes the third kind too


def empty_folder_with():
    path = empty_folder("cache")
    os.mkdir(path)
    return path


def path(name, value=b"v" * 96, valid_from=5, valid_until=1 << 33):
    return (EVENT_PATH, key(name), valid_from, valid_until, value)


def der(number, length=700):
    return b"\x30\x82" + number.to_bytes(2, "big") + b"c" * (length - 4)


def test_a_path_is_remembered_before_and_after_writing():
    cache = fresh()
    equal(cache.path_of(key("a")), None)
    cache.remember(path("a"))
    for _ in range(2):
        equal(cache.path_of(key("a")), (5, 1 << 33, b"v" * 96))
        equal(cache.path_of(key("b")), None)
        cache.write_if_due(NOW, 0)
    equal(Cache(cache.path, NOW).path_of(key("a")), (5, 1 << 33, b"v" * 96))


def test_a_path_is_found_by_its_whole_key():
    cache = fresh()
    cache.remember(path("a"))
    cache.write_if_due(NOW, 0)
    almost = key("a")[:31] + bytes((key("a")[31] ^ 1,))
    equal(cache.path_of(almost), None)
    equal(cache.path_of(key("a")[:8] + key("b")[8:]), None)


def test_intermediates_are_learned_once_and_newest_first():
    cache = fresh()
    cache.remember((EVENT_INTERMEDIATES, der(1), der(2)))
    cache.remember((EVENT_INTERMEDIATES, der(2), der(3)))
    equal(list(cache), [der(3), der(2), der(1)])
    cache.write_if_due(NOW, 0)
    cache.remember((EVENT_INTERMEDIATES, der(1), der(4)))
    equal(list(cache), [der(4), der(3), der(2), der(1)])
    equal(len(cache), 4)
    equal(cache[3], der(1))
    equal(cache[9], b"")


def test_it_is_what_a_local_state_offers_to_the_path_search():
    cache = fresh()
    local = LocalState(memory=cache)
    cache.remember((EVENT_INTERMEDIATES, der(1)))
    cache.remember(path("a"))
    equal(list(local.learned), [der(1)])
    equal(local.cached_path(key("a"))[1], 1 << 33)


def test_each_kind_keeps_the_newest_up_to_its_limit():
    cache = fresh()
    up = 0
    for number in range(LEARNED + 3):
        cache.remember(path("p%d" % number))
        cache.remember((EVENT_INTERMEDIATES, der(number)))
        cache.keep(key("t%d" % number), b"t%d" % number)
        true(cache.write_if_due(NOW, up))
        up += CACHE_WRITE_S
    for again in (cache, Tables(cache.path, NOW)):
        equal(len(again), LEARNED)
        equal(again[0], der(LEARNED + 2))
        last = LEARNED + 2
        true(again.path_of(key("p%d" % last)) is not None)
        true(again.path_of(key("p%d" % (last - CACHED_PATHS + 1))) is not None)
        equal(again.path_of(key("p%d" % (last - CACHED_PATHS))), None)
        true(again.of(key("t%d" % (last - KEY_TABLES + 1))) is not None)
        equal(again.of(key("t%d" % (last - KEY_TABLES))), None)


def test_learned_bytes_and_the_file_are_bounded():
    cache = fresh()
    for number in range(LEARNED):
        cache.remember((EVENT_INTERMEDIATES, der(number, 1900)))
        cache.remember(path("p%d" % number, b"v" * CACHED_PATH_BYTES))
        cache.keep(key("t%d" % number), b"t" * KEY_TABLE_BYTES)
        cache.write_if_due(NOW, number * CACHE_WRITE_S)
    true(sum(len(one) for one in cache) <= LEARNED_BYTES)
    most = LEARNED_BYTES + CACHED_PATHS * (CACHED_PATH_BYTES + 55)
    most += KEY_TABLES * (KEY_TABLE_BYTES + 39) + LEARNED * 7 + 12
    true(os.stat(cache.path)[6] <= most)


def test_what_is_too_long_is_not_kept():
    cache = fresh()
    cache.remember(path("a", b"v" * (CACHED_PATH_BYTES + 1)))
    cache.remember((EVENT_INTERMEDIATES, b"c" * (LEARNED_BYTES + 1)))
    cache.keep(key("k"), b"t" * (KEY_TABLE_BYTES + 1))
    false(cache.write_if_due(NOW, 0))


def test_what_waits_in_ram_is_bounded():
    cache = fresh()
    for number in range(20):
        cache.remember((EVENT_INTERMEDIATES, der(number, 1000)))
    equal(len(cache), CACHE_PENDING_BYTES // 1000)


def test_it_is_written_at_most_once_in_six_hours():
    cache = fresh()
    cache.remember(path("a"))
    true(cache.write_if_due(NOW, 0))
    writes = 0
    for minute in range(1, 24 * 60):
        cache.remember(path("a%d" % minute, b"v"))
        writes += cache.write_if_due(NOW + 60 * minute, 60 * minute)
    equal(writes, 3)
    equal(cache.writes, 4)


def test_nothing_new_is_no_write():
    cache = fresh()
    cache.remember(path("a"))
    true(cache.write_if_due(NOW, 0))
    cache.remember(path("a"))
    false(cache.write_if_due(NOW, 10 * CACHE_WRITE_S))


def test_restarts_do_not_write_more_often():
    cache = fresh()
    cache.remember(path("a"))
    cache.write_if_due(NOW, 0)
    # Known clock: the rest of the six hours; unknown, or gone back: six hours more.
    for unix_s, wait_s in (
        (NOW + CACHE_WRITE_S - 10, 10),
        (NOW + CACHE_WRITE_S, 0),
        (0, CACHE_WRITE_S),
        (NOW - 1, CACHE_WRITE_S),
    ):
        again = Cache(cache.path, unix_s)
        again.remember(path("b"))
        if wait_s:
            false(again.write_if_due(unix_s, wait_s - 1), unix_s)
        again._pending = []
        equal(again._due_at, wait_s)


def test_a_write_that_fails_counts_as_one():
    cache = fresh()
    cache.path = "build/tmp/no such folder/cache"
    cache.remember(path("a"))
    for _ in range(2):
        try:
            cache.write_if_due(NOW, 0)
        except OSError:
            pass
    equal(cache.writes, 1)
    equal(cache.path_of(key("a"))[2], b"v" * 96, "RAM still has it")


def filled():
    cache = fresh()
    cache.remember(path("a", b"value of a"))
    cache.remember((EVENT_INTERMEDIATES, der(1, 60)))
    cache.keep(key("k"), b"table of k")
    cache.write_if_due(NOW, 0)
    with open(cache.path, "rb") as file:
        return cache, bytearray(file.read())


def is_sound(cache):
    """Everything the cache says is what was put in, or it says nothing."""
    found = 0
    for value, expected in (
        (cache.path_of(key("a")), (5, 1 << 33, b"value of a")),
        (cache.of(key("k")), b"table of k"),
        (list(cache) or None, [der(1, 60)]),
    ):
        if value is not None and value not in (expected, [b""]):
            raise AssertionError("damaged entry served: %r" % (value,))
        found += value == expected
    return found


def test_any_flipped_bit_costs_entries_and_serves_none_that_is_damaged():
    cache, data = filled()
    equal(is_sound(cache), 3)
    for at in range(len(data)):
        bit = 1 << (at % 8)
        data[at] ^= bit
        with open(cache.path, "wb") as file:
            file.write(data)
        equal(is_sound(cache) < 3, at >= 12, at)  # behind the back of a running cache
        is_sound(Tables(cache.path, NOW))
        data[at] ^= bit


def test_any_truncation_costs_entries_and_serves_none_that_is_damaged():
    cache, data = filled()
    for length in range(0, len(data), 3):
        with open(cache.path, "wb") as file:
            file.write(data[:length])
        true(is_sound(Tables(cache.path, NOW)) < 3)
    # And the next write repairs it.
    again = Cache(cache.path, NOW)
    again.remember(path("b"))
    true(again.write_if_due(NOW, CACHE_WRITE_S))
    equal(Cache(cache.path, NOW).path_of(key("b"))[0], 5)
