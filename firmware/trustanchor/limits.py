# SPDX-License-Identifier: MIT
"""Every limit, with its unit, its reason and its source. A limit reached has a code of its own.

Depends on: nothing.
Heap: about 40 bytes a name.
"""

# What a peer may send. RFC 8446 section 4.4.2 allows 2^24-1 bytes; public servers stay below
# 8 KB, and a certificate above 4 KB is already rare (mbedTLS on ESP32 buffers 16 KB records).
CERTIFICATE_BYTES = 8192  # one certificate; cert.too_large
CHAIN_BYTES = 16384  # all of the Certificate message; tls.chain_too_large
CHAIN_CERTIFICATES = 10  # tls.chain_too_large; mbedTLS itself stops at 8 intermediates

# A ServerHello is about 120 bytes; a HelloRetryRequest may carry a cookie (RFC 8446 4.2.2).
SERVER_HELLO_BYTES = 2048  # tls.malformed

# Refused handshakes must end: seconds between TCP connect and the last handshake message.
HANDSHAKE_S = 30  # tls.timeout; a cold verdict on a 160 MHz board takes a few seconds

# Trust state (rules.py).
RETIRED_PINS = 64  # entries of 16 bytes in one record of 1 KB; state.retired_overflow
# Seconds between distrust_leaf_after and trust_until; anchor.distrust_open. A leaf issued before
# the distrust date dies of its own age by then: 398 days is the longest the CA/Browser Forum
# Baseline Requirements (6.3.2) allowed, and browsers' distrust plans end the same way.
DISTRUST_WINDOW_S = 400 * 86400

# Parsing. Each bounds work that grows with what a peer sends.
CERTIFICATE_EXTENSIONS = 32  # cert.too_many_extensions; public certificates have at most 15
# Read for every step of a search: 1,800 usages in a CA took as long as two signatures.
EKU_BYTES = 512  # cert.eku; public certificates list at most ten usages of 10 to 12 bytes
SERIAL_BYTES = 20  # cert.serial; RFC 5280 section 4.1.2.2
# A SAN of 8 KB could hold 2,700 names, which below name constraints take 52 bytes each. Public CAs
# stop at 100 to 250.
SAN_NAMES = 300  # cert.too_many_names
# A distinguished name, where it is compared and not byte for byte the same: PKITS has up to 9
# attributes, RFC 5280 appendix A.1 bounds most at 64 characters and email addresses at 255.
NAME_ATTRIBUTES = 32  # cert.too_many_attributes
NAME_VALUE_BYTES = 512  # of one attribute; cert.name
# Names times (subtrees + 8, for decoding) in one search. webpki allows 250,000, on a machine
# 1,000 times as fast. 100 names in a leaf below 50 subtrees in each of two CAs fit.
NAME_COMPARISONS = 12000  # constraints.too_many_comparisons

# Store. What one device may write and keep.
HOLD_DOWNS = 8  # hold-downs at a time, 24 bytes each in the record; one more retires at once
BOUND_AHEAD_S = 400 * 86400  # a leaf's not_before lifts the bound at most so far past issued_at:
# leaves live 398 days (Baseline Requirements 6.3.2), so a newer one comes with a newer state
LEARNED = 8  # learned intermediates: two cross-signs for each of four services
LEARNED_BYTES = 6144  # all of them: 8 of today's, which are 800 to 1,400 bytes; never above
CACHED_PATHS = 8  # verified paths: a few services times a few load-balanced leaves
CACHED_PATH_BYTES = 320  # value of one: keys of a path of 8 certificates and what judge adds
KEY_TABLES = 4  # comb tables of kept keys: intermediate and anchor of two services; two blocks
KEY_TABLE_BYTES = 1600  # one of them: P-256 takes 1,041, P-384 1,553
CACHE_PENDING_BYTES = 4096  # cache entries waiting in RAM for the next write
CACHE_WRITE_S = 6 * 3600  # between two writes of the cache: 4 a day, 1,460 a year; a NOR block
# is rated for 100,000 erases and LittleFS spreads them

# Signatures. Below 2048 bits RSA is within reach of a state (CA/Browser Forum Baseline
# Requirements 6.1.5), above 8192 nobody issues and a verification takes seconds on a board.
RSA_MIN_BITS = 2048  # sig.key_size
RSA_MAX_BITS = 8192  # sig.key_size
# ring's and webpki's bound. A long exponent makes one signature as dear as hundreds (Go's
# CVE-2023-29409 is the same defect from the modulus' side).
RSA_MAX_EXPONENT = (1 << 33) - 1  # sig.key_malformed
HSS_MAX_LEVELS = 8  # sig.key_malformed; RFC 8554 section 6

# Path search (path.py). A sound chain costs 2 or 3 signatures and as many steps; a crafted one
# must end before it costs ten times that. BetterTLS needs at most 7 signatures and 20 steps.
# Running out is a refusal of its own, never a guess.
PATH_CERTIFICATES = 64  # sent, preloaded and learned together; path.too_many_certificates
PATH_INTERMEDIATES = 8  # between end entity and anchor; path.too_deep; as pyca/cryptography
# Verified in one search; path.too_many_signatures; webpki allows 100. In P-256 verifications: nine
# fakes with a key of P-521 or RSA-8192 cost 50 times an ordinary chain, when each counted as one.
PATH_SIGNATURES = 14
PATH_STEPS = 64  # issuers tried in one search; path.too_many_steps; webpki allows 200,000
# What a signature takes from the other budgets for each P-256 verification beyond the first that
# it is worth: three of P-521, 31 steps and some names together took as long as 13 ordinary chains.
DEAR_STEPS = 6  # path.too_many_steps
DEAR_COMPARISONS = 1100

# Time. Nothing is believed to happen before this code was written: the first floor of a device.
BUILD_AT = 1793491200  # 2026-11-01T00:00:00Z; raised with every release

# Bundles. What one file may hold, so that reading any of it ends in a small heap.
BUNDLE_BYTES = 131072  # bundle.too_large; a browser's 140 roots take 75 KB, a slot must fit flash
LINKS = 8  # cbor.range; signer changes a device may have slept through
LINK_BYTES = 32768  # bundle.too_large; two authorities and a few HSS signatures of 5 KB
AUTHORITY_BYTES = 4096  # cbor.range; seven RSA-4096 keys, or forty EC ones
IGNORED_BYTES = 4096  # cbor.range; an addition that this version steps over
# In a value that is stepped over: 4,096 one after the other took as long as ten whole states, in
# one slice. The largest authority, three groups of eight keys, has 82.
SKIPPED_ITEMS = 128  # cbor.range
GROUPS = 3  # cbor.range; classical, hash-based, and one more
GROUP_KEYS = 8  # cbor.range; 3 of 5 and spare
SIGNATURES = 16  # cbor.range; old and new signers and the backup's in one message
SIGNATURE_BYTES = 10240  # cbor.range; HSS/LMS of two levels with w = 2 takes 9.3 KB, read whole
SERVICES = 16  # cbor.range
PIN_SETS = 16  # cbor.range
PINS = 8  # cbor.range; a primary, a backup, and three renewals of both
PROBES = 16  # cbor.range; one a service
ANCHORS = 256  # cbor.range; browsers have 130 to 150
ANCHOR_BYTES = 4096  # cbor.range; name, RSA-8192 key and policy; read whole
INTERMEDIATES = 8  # cbor.range; two cross-signs for each of four CAs
DENIED_BYTES = 32 * 64  # cbor.range; 64 keys

STAGE_S = 600  # net.timeout; from the first byte of a bundle to its last
TRIAL_RUN_S = 10  # after that a start of a program counts as no crash of the state in trial

# HTTPS (app/http.py). What a server says is read byte by byte and kept, so it ends early.
HTTP_HEAD_BYTES = 4096  # http.too_large; heads with trailers; large sites send 1 to 3 KB
HTTP_LINE_BYTES = 2048  # http.too_large; one line of it; a content security policy is the longest
HTTP_BODY_BYTES = 16384  # http.too_large; a body in RAM, unless the program says otherwise
HTTP_REDIRECTS = 4  # http.redirects; to the right name, then to the right place, and twice more

# The agent and what it tells (app/agent.py, app/capsule.py).
AGENT_EVERY_S = 86400  # between two rounds, unless the program says otherwise
AGENT_RETRY_S = 60  # after a round that failed; twice as long after each one more
AGENT_PROBE_S = 60  # between two tries to confirm a trial
AGENT_BEGINNING_BYTES = 3072  # looked at before any flash is written; holds the longest audience
RECEIPTS = 8  # the oldest gives way
CAPSULE_EVENTS = 16  # the oldest gives way
CAPSULE_TEXT = 80  # characters of a text from outside; cut
CAPSULE_WRITE_S = 3600  # between two writes of a capsule's file; waits in RAM

# How far issued_at may lie ahead; time.issued_in_future.
ISSUED_AHEAD_S = 86400  # of a known clock: time zones and drift
ISSUED_AHEAD_UNKNOWN_S = 5 * 366 * 86400  # of the floor while the clock is unknown: shelf life
