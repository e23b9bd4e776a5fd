# SPDX-License-Identifier: MIT
"""Object identifiers that more than one module compares, as the contents of their DER.

Those of extensions are decided where they are read (certificate.py), those of algorithms where
they are used (signatures.py): a public constant costs heap, a private const() costs none.

Depends on: nothing.
Heap: 0.4 KB from a .mpy file.
"""

# Extended key usages, RFC 5280 section 4.2.1.12.
ANY_EKU = b"\x55\x1d\x25\x00"  # 2.5.29.37.0
SERVER_AUTH = b"\x2b\x06\x01\x05\x05\x07\x03\x01"  # 1.3.6.1.5.5.7.3.1
CLIENT_AUTH = b"\x2b\x06\x01\x05\x05\x07\x03\x02"  # 1.3.6.1.5.5.7.3.2
