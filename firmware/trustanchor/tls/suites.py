# SPDX-License-Identifier: MIT
"""Which cipher suites a connection may use: forward secrecy and AEAD only.

Depends on: nothing.
Heap: about 0.6 KB from a .mpy file, only while a tls.SSLContext is made.
"""


def allow(native):
    """The ECDHE suites of TLS 1.2, and all of TLS 1.3, as far as the build knows them."""
    sums = ("AES-128-GCM-SHA256", "AES-256-GCM-SHA384", "CHACHA20-POLY1305-SHA256")
    wanted = ["TLS1-3-" + name for name in sums]
    wanted += ["TLS-ECDHE-" + key + "-WITH-" + name for key in ("ECDSA", "RSA") for name in sums]
    known = []
    for name in wanted:
        # One name a build does not know refuses a whole list; get_ciphers() costs kilobytes.
        try:
            native.set_ciphers([name])
        except OSError:
            continue
        known.append(name)
    native.set_ciphers(known)
