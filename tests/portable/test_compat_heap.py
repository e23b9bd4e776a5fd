# SPDX-License-Identifier: MIT
"""Code can be given back to a small heap; CPython keeps it, because its classes must stay one."""

import sys

from check import IS_MICROPYTHON, equal, true
from trustanchor.compat import collect_every, collecting, forget, recover


def test_a_forgotten_module_is_loaded_anew_where_heap_is_scarce():
    import trustanchor.encoding.der as before
    from trustanchor.encoding.der import Reader

    equal(Reader(b"\x05\x00").peek(), 5)
    forget("der never_loaded")
    true(("trustanchor.encoding.der" in sys.modules) is not IS_MICROPYTHON)
    from trustanchor.encoding.der import Reader as Again

    equal(Again(b"\x05\x00").peek(), 5)
    true((Again is Reader) is not IS_MICROPYTHON)
    # Who still holds the old one may go on using it.
    equal(before.Reader(b"\x05\x00").peek(), 5)


def test_a_module_is_named_whole():
    import trustanchor.crypto.rsa
    import trustanchor.crypto.rsa_pss  # noqa: F401

    forget("rsa_pss mode_rsa rsas")
    true("trustanchor.crypto.rsa" in sys.modules)
    true(("trustanchor.crypto.rsa_pss" in sys.modules) is not IS_MICROPYTHON)


def test_code_that_has_state_or_is_native_stays():
    import trustanchor.errors as errors
    from trustanchor.crypto import ecdsa, signatures

    before = errors.TrustError
    machine = ecdsa.kernel()  # False where it cannot run
    signatures.unload()
    forget("errors compat _field")
    true(sys.modules["trustanchor.errors"].TrustError is before)
    true("trustanchor.compat" in sys.modules)
    true((not machine) or sys.modules["trustanchor.crypto._field"] is machine)
    true(("trustanchor.crypto.ecdsa" in sys.modules) is not IS_MICROPYTHON)


def test_after_a_shortage_all_but_that_is_given_back():
    import trustanchor.encoding.der
    import trustanchor.errors  # noqa: F401

    recover()
    true("trustanchor.errors" in sys.modules)
    true(("trustanchor.encoding.der" in sys.modules) is not IS_MICROPYTHON)
    from trustanchor.encoding.der import Reader

    equal(Reader(b"\x05\x00").peek(), 5)


def test_how_often_garbage_is_collected_is_set_back():
    before = collect_every(4096)
    equal(collect_every(before), 4096 if IS_MICROPYTHON else 0)
    equal(collect_every(before), before)


def test_between_steps_the_collector_is_as_it_was_also_when_they_are_given_up():
    before = collect_every(4096)
    seen = []

    def steps():
        for _ in range(3):
            seen.append(threshold())
            yield
        return "end"

    for taken in (1, 2, 3, 4):
        given_up = collecting(steps(), 2048)
        for _ in range(taken):
            try:
                next(given_up)
            except StopIteration as done:
                equal(done.value, "end")
            equal(threshold(), 4096 if IS_MICROPYTHON else 0)
        del given_up
    equal(set(seen), {2048} if IS_MICROPYTHON else {0})
    collect_every(before)


def threshold():
    found = collect_every(1)
    collect_every(found)
    return found
