# SPDX-License-Identifier: MIT
"""What a verdict loads: nothing it has no use for. One after the other in a fresh interpreter."""

import sys
import time

from check import IS_MICROPYTHON, equal, fixture
from trustanchor.state.literals import literal
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked
from trustanchor.verdict.policy import judge
from trustanchor.x509.certificate import Certificate

OTHER = b"\x05" * 32


def code(state, host, *names):
    """Judge at today's date; the epoch of a port may be the year 2000."""
    now = int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)
    chain = [fixture("path/" + name + ".der") for name in names]
    asked = Asked(state.services[0], host, 443)
    return judge(chain, asked, (now, True), state, LocalState()).code


def loads(*expected):
    if not IS_MICROPYTHON:
        print("what is loaded: not asked on CPython, where other tests run in this process")
        return
    looked_for = ("names", "path", "constraints", "signatures", "sha2", "rsa", "ecdsa")
    loaded = [path.rsplit(".", 1)[-1] for path in sys.modules if path.startswith("trustanchor.")]
    equal([name for name in looked_for if name in loaded], list(expected))


def rooted():
    from trustanchor.state.derive import anchor_of

    return literal(anchors=[anchor_of(fixture("path/root_r.der"))])


def test_1_mode_key_loads_neither_names_nor_paths_nor_cryptography():
    own = Certificate(fixture("path/self.der")).spki_sha256
    equal(code(literal([own, OTHER]), "device.example", "self"), "ok")
    equal(code(literal([own, OTHER]), "device.example", "self_backup"), "pin.none_matched")
    loads()


def test_2_a_refusal_by_name_loads_no_cryptography():
    equal(code(rooted(), "other.example", "leaf_r", "inter_r"), "name.mismatch")
    loads("names", "path")


def test_3_a_chain_that_ends_nowhere_loads_no_cryptography():
    equal(code(rooted(), "device.example", "leaf_r"), "path.no_issuer")
    loads("names", "path")


def test_4_an_rsa_chain_loads_no_elliptic_curves_and_no_name_constraints():
    equal(code(rooted(), "device.example", "leaf_r", "inter_r"), "ok")
    loads("names", "path", "signatures", "sha2", "rsa")
