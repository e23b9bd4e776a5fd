# SPDX-License-Identifier: MIT
"""The store of a literal state: what `Context(pins=[primary, backup])` rests on.

It is its own LocalState (local.py) too: it learns nothing, because what a device learns must
outlive a reset; loading all that for nothing would cost 6 KB.

Depends on: nothing.
Heap: about 0.5 KB from a .mpy file.
"""


class LiteralStore:
    """A trust state without bundle or flash, with the face that client.py and judge() need."""

    floor = bound = retired_generation = 0
    learned = ()
    clock = None  # the module's

    def __init__(self, state):
        self.state = state
        self.local = self

    def is_retired(self, pin_set_name, spki_sha256) -> bool:
        return False

    def key_table(self, spki_sha256):
        return None

    def previous(self, asked):
        return None  # never in trial

    def judged(self):
        pass

    def join(self, verdict, asked) -> bool:
        return self.stands(verdict)

    def stands(self, verdict) -> bool:
        return verdict.state_digest == self.state.payload_digest
