# SPDX-License-Identifier: MIT
"""`trustanchor serverkey new|csr|check`: server keys that stay while certificates come and go.

A pin is a key. So primary and backup key are made together, every request is for a key that
exists, and before a server is reloaded `check` asks the device's own judge() whether devices in
the field accept the certificate that has just arrived.
"""

import argparse
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json, printable
from host_tools.commands.pin import certificates_in
from host_tools.ops import server_keys, states
from host_tools.signing import inputs, keyfiles, live, outputs
from trustanchor.compat import sha256

# Bytes of one key file and of one file of a chain: both are a few KB.
_KEY_BYTES = 64 << 10
_CHAIN_BYTES = 256 << 10
_PRIMARY = "primary.key"
_BACKUP = "backup.key"

_EXAMPLE = """\
examples:
  trustanchor serverkey new broker
  trustanchor serverkey csr broker/primary.key broker.example.net --out broker.csr
  trustanchor serverkey check fullchain.pem --host broker.example.net:8883 --state fleet-7.bundle

as a hook of an ACME client, which names the new certificate itself (the server is reloaded only
when every state accepts it; the client must keep the key: certbot --reuse-key or --csr,
lego --reuse-key, acme.sh does so by itself):
  certbot renew --deploy-hook "trustanchor serverkey check --host H:P --state S && reload"
  acme.sh --install-cert ... --reloadcmd "trustanchor serverkey check ... && reload"
  lego renew --renew-hook hook.sh       (hook.sh: trustanchor serverkey check ... && reload)
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "serverkey",
        help="server keys that stay: make, request certificates, check renewals",
        description="Make primary and backup server keys together, request certificates for keys "
        "that exist, and check a renewed certificate against the states devices have.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    new = actions.add_parser("new", help="make a primary and a backup key")
    new.add_argument("folder", type=Path, metavar="DIR", help="where the two files go")
    new.add_argument("--json", action="store_true", help="for scripts")
    keyfiles.add_new_passphrase_options(new)

    csr = actions.add_parser("csr", help="a certificate request for a key that exists")
    csr.add_argument("key", type=Path, metavar="KEY", help="file of the private key")
    csr.add_argument("hosts", nargs="+", metavar="HOST", help="name, *.name or IP address")
    csr.add_argument("--out", type=Path, required=True, metavar="FILE", help="the request")
    csr.add_argument("--json", action="store_true", help="for scripts")
    keyfiles.add_passphrase_option(csr)

    check = actions.add_parser("check", help="do devices accept this renewed certificate?")
    check.add_argument(
        "chain", nargs="?", type=Path, metavar="FILE", help="full chain (else from the hook)"
    )
    check.add_argument("--host", required=True, metavar="HOST[:PORT]", help="what devices ask for")
    check.add_argument(
        "--state",
        required=True,
        action="append",
        type=Path,
        metavar="BUNDLE",
        help="a state that devices have; may be given again",
    )
    check.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    return {"new": _new, "csr": _csr, "check": _check}[arguments.action](arguments)


def _new(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    files = [folder / _PRIMARY, folder / _BACKUP]
    is_finished = outputs.finish_set(files)
    for file in [] if is_finished else files:
        if file.exists() or file.is_symlink():
            raise HostError(f"{file} exists already and is left as it is.", "host.exists")
    passphrase, is_made_up = keyfiles.new_passphrase(arguments, str(files[1]))
    if is_finished and not keyfiles.opens(files[1].read_bytes(), passphrase):
        raise HostError(
            f"{files[0]}, {files[1]}: an interrupted run has made them, with another passphrase "
            "than the one given now. If nobody has that, delete them and run this again.",
            "key.passphrase_wrong",
        )
    if is_finished:
        keys = [
            keyfiles.load_private_key(file.read_bytes(), arguments, str(file)) for file in files
        ]
    else:
        keys = [keyfiles.new_ec_key(), keyfiles.new_ec_key()]
        folder.mkdir(parents=True, exist_ok=True)
        sealed = keyfiles.encrypted_pem(keys[1], passphrase)
        contents = keyfiles.plain_pem(keys[0]), sealed
        outputs.write_set({file: (one, 0o600) for file, one in zip(files, contents, strict=True)})
    pins = [sha256(keyfiles.public_der(key)).hex() for key in keys]
    if arguments.json:
        value: dict[str, object] = {
            "primary": {"file": str(files[0]), "spki_sha256": pins[0]},
            "backup": {"file": str(files[1]), "spki_sha256": pins[1]},
        }
        if is_made_up:
            value["passphrase"] = passphrase.decode()
        print_json(value)
        return 0
    if is_made_up:
        print(f"passphrase of {files[1]}, shown once: {passphrase.decode()}")
    print(f"primary  {pins[0]}  {files[0]}: for the server, not encrypted")
    print(f"backup   {pins[1]}  {files[1]}: encrypted, keep it offline")
    return 0


def _csr(arguments: argparse.Namespace) -> int:
    name = printable(str(arguments.key))
    key = keyfiles.load_private_key(inputs.read(arguments.key, _KEY_BYTES), arguments, name)
    pem = server_keys.request(key, arguments.hosts)
    out: Path = arguments.out
    if out.is_file() and server_keys.is_same_request(inputs.read(out, _KEY_BYTES), pem):
        pem = out.read_bytes()
    outputs.write_new(out, pem)
    pin = sha256(keyfiles.public_der(key)).hex()
    if arguments.json:
        print_json({"file": str(arguments.out), "spki_sha256": pin, "hosts": arguments.hosts})
        return 0
    print(f"{arguments.out}: a request for {', '.join(map(printable, arguments.hosts))}")
    print(f"its certificates have the pin {pin}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    endpoint = live.parse_endpoint(arguments.host, live.DEFAULT_PORT)
    path = arguments.chain or server_keys.renewed_chain()
    name = printable(str(path))
    content = inputs.read(path, _CHAIN_BYTES)
    if not content.strip():
        raise HostError(f"{name}: empty.", "input.empty")
    if len(content) > _CHAIN_BYTES:
        raise HostError(f"{name}: more than {_CHAIN_BYTES >> 10} KiB.", "input.too_large")
    chain = certificates_in(content, name)
    deployed = [states.load(one) for one in arguments.state]
    answers = [states.ask(one, chain, endpoint.host, endpoint.port) for one in deployed]
    is_safe = all(answer.accepted for answer in answers)
    if arguments.json:
        print_json({"safe": is_safe, "answers": [answer.as_json() for answer in answers]})
        return 0 if is_safe else 1
    if is_safe:
        print(f"safe: every state given accepts {name} for {endpoint}.")
    else:
        refusing = sum(not answer.accepted for answer in answers)
        print(f"do not install: {refusing} of {len(answers)} states refuse {name}.")
    for answer in answers:
        print(f"  {answer.sentence()}")
    if any(answer.is_backup for answer in answers):
        print(
            "A backup pin matched: devices that see that key as the server's retire the primary."
        )
    return 0 if is_safe else 1
