# SPDX-License-Identifier: MIT
"""Would a board's TLS get on with this server? Asked before a program is written that could not.

The verdict alone does not say: mbedTLS has to read every certificate that a server sends, and to
know the kind of its key. Two ways to know:

    refusal_of(program, timeout_s)    run the program on the fetched MicroPython, if it is there
    unusable(chain)                   rules for where it is not, held equal to it by
                                      tests/host/test_first_try.py

Both return None, or the code of a refusal and what it is about.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from host_tools.build import deploy, runtime
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

# The last line of a program that was refused: `Refused: [Errno 13] EACCES: pin.none_matched`.
_REFUSED = re.compile(r"Refused: .*?\b([a-z_]+\.[a-z0-9_]+)(.*)")
# Critical extensions that mbedTLS reads (mbedtls_x509_crt, version 3.6); for any other one it
# refuses the certificate, for name constraints too.
_READ = (
    x509.KeyUsage.oid,
    x509.SubjectAlternativeName.oid,
    x509.BasicConstraints.oid,
    x509.ExtendedKeyUsage.oid,
)
# Keys of an end entity that it takes part in a handshake with, in both versions of TLS.
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
_CANNOT_BE_READ = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm)


def refusal_of(program: Path, timeout_s: float) -> tuple[str, str] | None:
    """Run a device's program on the fetched MicroPython; None when it came to its end.

    program ends with an exception when it is refused. Raises runtime.RuntimeMissing where there is
    no interpreter, and HostError for an end that has no code.
    """
    interpreter = runtime.find(32, fetch=False)
    package = deploy.package_folder("mpy", "x86").parent
    path = os.pathsep.join((".frozen", str(package)))
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                interpreter.command(str(program.resolve()), heap="100K"),
                env={**os.environ, "MICROPYPATH": path},
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            return "net.timeout", ""
    if done.returncode == 0:
        return None
    last = (done.stdout + done.stderr).strip().rpartition("\n")[2]
    if found := _REFUSED.search(last):
        return found[1], found[2].strip(" ,')(")
    raise HostError(f"The program ends here with {printable(last, 120)!r}.", "host.device_lost")


def unusable(chain: list[bytes]) -> tuple[str, str] | None:
    """Say what mbedTLS would not get on with in a chain, end entity first.

    Which algorithms a server prefers is not in its chain: tls.proof_unsupported shows when the
    program runs, and only then.
    """
    for number, der in enumerate(chain, 1):
        name = "the end entity" if number == 1 else f"certificate {number} of the chain"
        try:
            certificate = x509.load_der_x509_certificate(der)
            if why := _unreadable(certificate):
                return "tls.chain_unreadable", f"{name} {why}"
            key = certificate.public_key()
        except _CANNOT_BE_READ as error:
            return "tls.chain_unreadable", f"{name}: {error}"
        if number == 1 and not is_server_key(key):
            return "tls.alert", f"{name} has a key of a kind that mbedTLS offers to no server"
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            return "tls.failed", f"{name} has a key of a kind that mbedTLS does not know"
    return None


def is_server_key(key: object) -> bool:
    """Whether mbedTLS lets a server prove itself by a key of this kind."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    return isinstance(key, rsa.RSAPublicKey)


def _unreadable(certificate: x509.Certificate) -> str | None:
    extensions = list(certificate.extensions)
    if extensions and certificate.version is not x509.Version.v3:
        return "has extensions and is not of version 3"
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.CertificatePolicies):
            # Critical, mbedTLS takes anyPolicy alone.
            is_read = all(policy.policy_identifier == _ANY_POLICY for policy in value)
        else:
            is_read = extension.oid in _READ
        if extension.critical and not is_read:
            return f"has the critical extension {extension.oid.dotted_string}"
    return None
