# SPDX-License-Identifier: MIT
"""Refusals: one exception tree, one stable dotted code each.

A code is asserted by tests, listed in SPEC.md, never reused and never translated on the device;
the sentence a person reads is made on the host from the code. Misuse by the programmer stays
ValueError or TypeError.

    TrustError
      MalformedError     the bytes break their format        der.* cbor.* cert.*
      UnsupportedError   well formed, but not implemented    sig.unsupported ...
      PathError          no valid path                       path.* name.*
      PinError           pins, services, modes               pin.* service.*
      UpdateError        a bundle is not accepted            update.* cose.*
      StoreError         stored trust is damaged or absent   store.*
    Refused(OSError)     what a connection raises            any code above, and tls.* time.*

Depends on: nothing.
Heap: 1.1 KB from a .mpy file.
"""


class TrustError(Exception):
    """A coded refusal. code is the stable dotted name; detail narrows it (an offset, a field)."""

    def __init__(self, code: str, detail: "int | str | None" = None):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class MalformedError(TrustError):
    pass


class UnsupportedError(TrustError):
    pass


class PathError(TrustError):
    pass


class PinError(TrustError):
    pass


class UpdateError(TrustError):
    pass


class StoreError(TrustError):
    pass


# The errno of a refusal: EACCES. Loops that only look at errno must not take it for a timeout.
_EACCES = 13


class Refused(OSError):
    """A connection that was not allowed. Is an OSError so that existing retry loops catch it.

    code      stable dotted code
    detail    narrows the code, or None
    verdict   the Verdict behind it, or None when the refusal came before one
    errno     that of the network for net.*, if it is known; else EACCES
    may_pass  True when the same attempt may succeed later with nothing changed here
    """

    def __init__(self, code: str, detail: "int | str | None" = None, verdict=None):
        is_number = code.startswith("net.") and isinstance(detail, int) and detail > 0
        super().__init__(detail if is_number else _EACCES, code)
        self.code = code
        self.detail = detail
        self.verdict = verdict

    @property
    def may_pass(self) -> bool:
        from .words import may_pass

        return may_pass(self)

    def __str__(self):
        from .words import told

        return told(self)


_STAYS = True  # compat.forget
