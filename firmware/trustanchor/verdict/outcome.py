# SPDX-License-Identifier: MIT
"""What a verdict says, whichever way it was reached.

Apart from policy.py: a connection with nothing but pins needs no more of it (tls/light.py).

Depends on: nothing.
Heap: 0.7 KB from a .mpy file.
"""


class Verdict:
    """A decision with its reasons.

    accepted, code, detail   code is "ok" or the refusal
    path                     VerifiedPath, or None (mode key, cached, refused)
    pin                      index of the matching pin in the service's set, or None
    served                   SPKI SHA-256 of the end entity, or None if it could not be read
    wanted                   the pinned SPKI SHA-256 of the service
    time_rule                "clock", or "bound" when the clock was unknown
    audited                  the pin match failed and audit waived it; why is in audit_code
    cached                   the path was not built but remembered
    peer_name                CLIENT_AUTH: the name the peer has proved
    events                   for the store, after the handshake completed (local.py)
    state_digest, retired_generation   what the verdict rests on: judge again if either changed
    contradicted             set by client.py: the state before the trial accepts what is refused
    """

    def __init__(self, state_digest, retired_generation):
        self.accepted = False
        self.code = ""
        self.detail = None
        self.path = None
        self.pin = None
        self.served = None
        self.wanted = ()
        self.time_rule = "clock"
        self.audited = False
        self.audit_code = None
        self.cached = False
        self.peer_name = None
        self.events = ()
        self.state_digest = state_digest
        self.retired_generation = retired_generation
        self.contradicted = None
