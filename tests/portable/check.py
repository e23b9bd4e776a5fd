# SPDX-License-Identifier: MIT
"""The few checks portable tests need; the same on CPython and MicroPython, no pytest inside."""

import os
import sys

IS_MICROPYTHON = sys.implementation.name == "micropython"
# Certificates and other inputs made at run time by tests/certs/make_fixtures.py.
FIXTURES = "build/fixtures"


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError("%s expected %r, got %r" % (what, expected, actual))


def true(claim, what=""):
    if claim is not True:
        raise AssertionError("%s expected True, got %r" % (what, claim))


def false(claim, what=""):
    if claim is not False:
        raise AssertionError("%s expected False, got %r" % (what, claim))


def refuses(code, function, *arguments):
    """Run function and require a refusal with exactly this code; returns the exception."""
    try:
        value = function(*arguments)
    except Exception as error:  # noqa: BLE001 - any class may carry the code; others fail below
        found = getattr(error, "code", None)
        if found != code:
            raise AssertionError("expected refusal %s, got %r" % (code, error))
        return error
    raise AssertionError("expected refusal %s, got the value %r" % (code, value))


def fixture(name):
    """Return the bytes of build/fixtures/<name>."""
    with open(FIXTURES + "/" + name, "rb") as file:
        return file.read()


def fixture_names(folder):
    """Return the sorted file names in build/fixtures/<folder>."""
    return sorted(os.listdir(FIXTURES + "/" + folder))
