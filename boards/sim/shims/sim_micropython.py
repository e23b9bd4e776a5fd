# SPDX-License-Identifier: MIT
"""SIMULATION of `micropython`: kbd_intr tells the supervisor what to do with byte 3."""

import link
import micropython

for _name in dir(micropython):
    if not _name.startswith("__"):
        globals()[_name] = getattr(micropython, _name)


def kbd_intr(character):
    # Asked, not told: the supervisor must have switched before the next byte moves.
    link.ask(b"K", character.to_bytes(4, "little") if character >= 0 else b"\xff\xff\xff\xff")
