# SPDX-License-Identifier: MIT
"""Numbers that stand for a kind of thing: tags, bits, modes, events.

Like those of limits.py they are in the compiled code as numbers (host_tools/build/fold.py), and no
module of ours loads this one on a board; an application may.

Depends on: nothing.
Heap: none of ours; about 40 bytes a name for who imports it.
"""

# DER identifier octets, X.690 section 8.1.2, universal class.
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
SEQUENCE = 0x30
SET = 0x31

# GeneralName, RFC 5280 section 4.2.1.6, as context tags.
TAG_DNS = 0x82
TAG_DIRECTORY = 0xA4
TAG_IP = 0x87

# Bits of Certificate.key_usage, RFC 5280 section 4.2.1.3; bit n of the standard is 1 << n.
KU_DIGITAL_SIGNATURE = 1
KU_KEY_ENCIPHERMENT = 1 << 2
KU_KEY_CERT_SIGN = 1 << 5

# COSE algorithms: RFC 9053 section 2.1, RFC 8230 section 2, RFC 8778 section 5.
ES256 = -7
PS256 = -37
HSS_LMS = -46

# Points of a comb of crypto/ecdsa.py: of the indices in its steps, those below are G's.
COMB_POINTS = 16

# Types of message; prefix.TYPES has the words that content type and external_aad are made of.
STATE = 0
RESCUE = 1
LINK = 2

# Purposes, bits of Anchor.purposes and the value of Service.purpose.
SERVER_AUTH = 1
CLIENT_AUTH = 2

# Service.mode
MODE_PATH = 0  # a valid path to an anchor, and a live pin matches some key on a valid path
MODE_ANCHORS = 1  # a valid path to an anchor, no pins
MODE_KEY = 2  # a live pin equals the leaf's key; no path is built

# PinSet.ratchet: which sighting in a completed handshake retires the pins before it.
RATCHET_BACKUP = 0  # only a pin marked backup
RATCHET_ORDERED = 1  # every pin
RATCHET_NEVER = 2

# PinSet.on_expiry: what happens when no pin of the set is inside its window any more.
EXPIRY_REFUSE = 0
EXPIRY_ANCHORS = 1  # go on without pins; needs CLOCK_VERIFIED

# How far the reading of a clock may be believed: the second value of judge's `at`. A plain True
# is CLOCK_KNOWN.
CLOCK_UNKNOWN = 0  # never set since power on
CLOCK_KNOWN = 1  # set, but perhaps by somebody on the network (SNTP is not authenticated)
CLOCK_VERIFIED = 2  # set over an accepted connection or on the cable

# Kinds of event in Verdict.events; each event is a tuple that starts with its kind.
EVENT_PIN_SEEN = 1  # (kind, pin set name, pin index, spki_sha256): the leaf's key is a live pin
EVENT_LEAF_NOT_BEFORE = 2  # (kind, unix seconds): may raise the bound in RAM
EVENT_PATH = 3  # (kind, cache key, valid_from, valid_until, value): may be cached
EVENT_INTERMEDIATES = 4  # (kind, DER, DER, ...): intermediates on the verified path
