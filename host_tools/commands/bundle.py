# SPDX-License-Identifier: MIT
"""`trustanchor bundle`: describe a trust state, have it signed, look at it, try it."""

import argparse
import base64
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.text import Text

from host_tools.cli.errors import HostError
from host_tools.cli.output import console, print_json, printable, progress_bar, verdict_text
from host_tools.cli.reasons import explain
from host_tools.rehearsal import guard, plan
from host_tools.signing import (
    contradictions,
    describe,
    description,
    draft,
    inputs,
    keyfiles,
    labels,
    live,
    merging,
    outputs,
    rehearsal,
    signers,
    template,
    weakening,
)
from host_tools.signing.bundle_encode import Key, to_be_signed
from host_tools.signing.draft import Device, Draft
from trustanchor.errors import TrustError
from trustanchor.kinds import ES256
from trustanchor.x509 import names

_SIGNATURE_FILE_BYTES = 1 << 16
_BUNDLES_BESIDE = 64  # older states that `build` looks for beside the current one

_DESCRIPTION = """\
Describe a trust state, have it signed, look at it, try it.

`sign` adds one signer's signatures to the draft. The last signer needed also gets the bundle:
it is written when the device's own code accepts it as an update of the current one. What takes
protection away is listed first and has to be confirmed by typing the new sequence number."""
_EXAMPLES = """\
examples:
  trustanchor bundle init fleet-1.toml --host broker.example.net:8883 --pin server.pem \\
      --backup-pin spare.pub --signer alice.pub --backup vault.pub
  trustanchor bundle build fleet-2.toml --current fleet-1.bundle
  trustanchor bundle sign fleet-2.draft --current fleet-1.bundle --key alice.pem
  trustanchor bundle sign fleet-2.draft --current fleet-1.bundle \\
      --key 'pkcs11:token=T;object=bob?module-path=M'
  trustanchor bundle merge fleet-2.draft alices.draft bobs.draft --current fleet-1.bundle
  trustanchor bundle build fleet-3.toml --current fleet-2.bundle --fleet plan.toml
  trustanchor bundle verify fleet-2.bundle --current fleet-1.bundle
  trustanchor bundle diff fleet-1.bundle fleet-2.bundle
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "bundle",
        help="build, sign, inspect, diff and verify bundles: signed trust states",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, what: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")

    init = add("init", "write the smallest description that builds, to begin with")
    init.add_argument("toml", type=Path, help="the description to write, fleet-1.toml say")
    init.add_argument(
        "--host", required=True, metavar="HOST[:PORT]", help="the server that devices speak to"
    )
    init.add_argument(
        "--pin",
        required=True,
        metavar="FILE",
        help="the server's key: certificate, request, key, or hex of its pin",
    )
    init.add_argument(
        "--backup-pin",
        required=True,
        action="append",
        metavar="FILE",
        help="a key kept offline for the day the first is lost; may be given again",
    )
    init.add_argument(
        "--signer",
        required=True,
        action="append",
        metavar="PUB",
        help="public key of a signer (keygen); may be given again: all must sign",
    )
    init.add_argument(
        "--backup",
        required=True,
        action="append",
        metavar="PUB",
        help="public key of the backup authority; may be given again",
    )

    build = add("build", "make a draft from a TOML description")
    build.add_argument("toml", type=Path, help="the description")
    build.add_argument("-o", "--output", type=Path, help="the draft; default: TOML name, .draft")
    replaced = build.add_mutually_exclusive_group(required=True)
    replaced.add_argument(
        "--current",
        type=Path,
        action="append",
        help="bundle that is replaced; more of them: older ones that devices have, which must "
        "accept it too",
    )
    replaced.add_argument("--first", action="store_true", help="the first state of a product")
    build.add_argument("--rescue", action="store_true", help="signed by the backup authority")
    build.add_argument(
        "--link",
        type=Path,
        action="append",
        default=[],
        help="link of a signer change the current bundle does not carry; the one beside it is "
        "found",
    )

    _add_fleet(build)

    sign = add("sign", "add one signer's signatures to a draft")
    sign.add_argument("draft", type=Path, help="what `bundle build` has written; is added to")
    how = sign.add_mutually_exclusive_group(required=True)
    how.add_argument("--key", help="encrypted .pem, .hss share, or pkcs11: URI")
    how.add_argument(
        "--export", metavar="PUB", help="write what the holder of this public key has to sign"
    )
    how.add_argument(
        "--import",
        dest="import_",
        nargs="+",
        metavar=("PUB", "SIGNATURE"),
        help="take the signatures made elsewhere, in the order of the exported files",
    )
    known = sign.add_mutually_exclusive_group(required=True)
    known.add_argument(
        "--current",
        type=Path,
        action="append",
        help="the bundle the devices have; the draft must replace it",
    )
    known.add_argument(
        "--first", action="store_true", help="no device has a state; the draft must be a first one"
    )
    sign.add_argument(
        "--yes-to",
        type=int,
        metavar="SEQ",
        help="the sequence number of the new state: what weakens protection has been read",
    )
    _add_fleet(sign)
    sign.add_argument("--ledger", type=Path, help="HSS ledger; default: beside the share")
    sign.add_argument("-o", "--output", type=Path, help="the bundle; default: draft name, .bundle")
    keyfiles.add_passphrase_option(sign)

    merge = add("merge", "put the signatures of several drafts of one state together")
    merge.add_argument("draft", type=Path, help="the draft that is added to")
    merge.add_argument("others", type=Path, nargs="+", metavar="OTHER", help="what signers sent")
    known = merge.add_mutually_exclusive_group(required=True)
    known.add_argument("--current", type=Path, action="append", help="the bundle the devices have")
    known.add_argument("--first", action="store_true", help="no device has a state")
    merge.add_argument(
        "-o", "--output", type=Path, help="the bundle; default: draft name, .bundle"
    )

    verify = add("verify", "say whether a device would accept it, by the device's own code")
    verify.add_argument("bundle", type=Path, help="the signed file")
    known = verify.add_mutually_exclusive_group(required=True)
    known.add_argument(
        "--current",
        type=Path,
        action="append",
        help="the bundle the device has now; more of them: more devices, all of which count",
    )
    known.add_argument("--first", action="store_true", help="the device has none")
    verify.add_argument("--product", help="product of the device; default: one of the audience")
    verify.add_argument("--device-id", help="id of the device; default: one of the audience")

    inspect = add("inspect", "say everything a bundle or a draft says")
    inspect.add_argument("bundle", type=Path, help="the signed file, or a draft")
    inspect.add_argument("--against", type=Path, help="and what would change against this bundle")

    diff = add("diff", "say what changes from one bundle or draft to another")
    diff.add_argument("old", type=Path, help="a bundle or a draft")
    diff.add_argument("new", type=Path, help="another")

    for action in (init, build, sign, merge, verify, inspect, diff):
        action.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    actions = {"init": _init, "build": _build, "sign": _sign, "verify": _verify}
    return {**actions, "merge": _merge, "inspect": _inspect, "diff": _diff}[arguments.action](
        arguments
    )


def _init(arguments: argparse.Namespace) -> int:
    """Write a first description, and only if it builds."""
    file: Path = arguments.toml
    try:
        named = live.parse_endpoint(arguments.host, live.DEFAULT_PORT)
        host = names.parse_reference(named.host).text
        # A port that was not said is every port.
        port = named.port if str(named) == arguments.host or "://" in arguments.host else None
    except TrustError as error:
        raise HostError(
            f"--host {printable(arguments.host, 80)}: {explain(error.code)}", error.code
        ) from None
    pins = [arguments.pin, *arguments.backup_pin]
    text = template.first_state(file, host, port, pins, arguments.signer, arguments.backup)
    described = description.read(text, file)
    try:
        made = draft.build(described, "state", b"", [])
        rehearsal.rehearse(made, b"")
    except TrustError as error:
        raise _refused(file, error, rehearsal.named(error, described, "state")) from None
    warnings = [*described.doubts, *_contradictions(made)]
    _print_warnings(warnings)
    outputs.write_new(file, text.encode())
    if arguments.json:
        print_json({"description": str(file), "warnings": warnings})
        return 0
    print(f"{file}: it builds. Next: trustanchor bundle build {file} --first")
    return 0


def _build(arguments: argparse.Namespace) -> int:
    output = arguments.output or arguments.toml.with_suffix(".draft")
    described = description.load(arguments.toml)
    described.accepted_stranding = _accepted(arguments)
    kind = "rescue" if arguments.rescue else "state"
    files = {path: _bundle(path) for path in arguments.current or []}
    current, links = b"", []
    if files:
        # The newest is replaced; what a device has must be in some file's way to it.
        newest = max(files, key=lambda path: draft.position(files[path]))
        current, links = files[newest], _links(files, arguments.link)
    try:
        made = draft.build(described, kind, current, links)
        rehearsal.rehearse(made, current)
    except TrustError as error:
        raise _refused(arguments.toml, error, rehearsal.named(error, described, kind)) from None
    said = _said_by_devices(made, files)
    for path, code in said.items():
        if code != "ok" and path in files:
            raise HostError(f"{path}: a device that has it answers {code}: {explain(code)}", code)
    _guard(arguments, made)
    warnings = [*described.doubts, *_contradictions(made)]
    _print_warnings(warnings)
    outputs.write_new(output, draft.dump(made))
    devices = [{"bundle": str(path), "code": code} for path, code in said.items()]
    if arguments.json:
        answer = {"draft": str(output), "missing": made.missing(), "devices": devices}
        print_json({**answer, "warnings": warnings})
        return 0
    out = console()
    out.print(f"{output}: not signed yet.")
    _print_said(out, said)
    _print_missing(out, made, output)
    return 0


def _contradictions(made: Draft) -> list[str]:
    shown = describe.describe(draft.unsigned(made.state.kind, made.state.payload))
    return contradictions.contradictions(shown, str(describe.time_text(int(time.time()))))


def _print_warnings(warnings: list[str]) -> None:
    for warning in warnings:
        console(stderr=True).print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)


def _add_fleet(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--fleet",
        type=Path,
        metavar="PLAN",
        help="plan of `trustanchor rehearse`: refuse what would strand devices in it",
    )
    action.add_argument(
        "--accept-stranding",
        metavar="REASON",
        help="go on although devices would be stranded, and say why: `build` writes the reason "
        "into what is signed, `sign` takes it as a confirmation of those words",
    )


def _accepted(arguments: argparse.Namespace) -> str | None:
    reason: str | None = arguments.accept_stranding
    if reason is None:
        return None
    wrong = description.reason_text(reason)
    if not arguments.fleet:
        wrong = "is for what --fleet finds: name the plan of the fleet too"
    if wrong:
        raise HostError(f"--accept-stranding {wrong}.", "bundle.reason")
    return reason


def _guard(arguments: argparse.Namespace, made: Draft) -> None:
    """Refuse what strands devices of the fleet, unless the payload says why it may."""
    given = _accepted(arguments)
    if not arguments.fleet:
        return
    found = guard.strandings(plan.load(arguments.fleet), made)
    if not found:
        if given is not None:
            raise HostError(
                "No device is stranded: leave --accept-stranding out.", "bundle.reason"
            )
        return
    shown = describe.describe(draft.unsigned(made.state.kind, made.state.payload))
    recorded = shown["accepted_stranding"]
    if recorded is None:
        advice = (
            "Change the state or the plan; or build it with --accept-stranding and the reason, "
            "which everybody then signs."
        )
    elif given != recorded:
        advice = (
            f"The draft says why they may be: {describe.whole(recorded)}. Who agrees gives the "
            "same words with --accept-stranding."
        )
    else:
        console(stderr=True).print(guard.refusal(found), soft_wrap=True, markup=False)
        return
    raise HostError(f"{guard.refusal(found)}\n{advice}", "bundle.stranding")


def _refused(path: Path, error: TrustError, where: str) -> HostError:
    if where.isdigit() and error.code == "update.expired":
        where = f"expires_at {describe.time_text(int(where))}"
    place = f" [{where}]" if where else ""
    return HostError(f"{path}:{place} {error.code}: {explain(error.code)}", error.code)


def _said_by_devices(made: Draft, files: dict[Path, bytes]) -> dict[Path, str]:
    """{bundle: the code of a device that has it}: those named, and the older ones beside them."""
    if not made.current:
        return {}
    known = dict(files)
    for folder in dict.fromkeys(path.parent for path in files):
        for path in sorted(folder.glob("*.bundle"))[:_BUNDLES_BESIDE]:
            with contextlib.suppress(TrustError, HostError, OSError):
                content = draft.read_bundle(path)
                if draft.position(content) < draft.position(made.current):
                    known.setdefault(path, content)
    said = {}
    for path, content in known.items():
        try:
            rehearsal.rehearse(made, content)
            said[path] = "ok"
        except TrustError as error:
            said[path] = error.code
    return said


def _print_said(out: Any, said: dict[Path, str]) -> None:
    for path, code in said.items():
        if code == "ok":
            out.print(f"  {path}: a device that has it will accept, once all have signed.")
        else:
            out.print(
                verdict_text(False, f"  {path}: a device that has it will answer {code}."),
                soft_wrap=True,
            )


def _links(currents: dict[Path, bytes], named: list[Path]) -> list[bytes]:
    """Links of the current bundles, then those written beside them when signers changed."""
    found: dict[bytes, tuple[int, int]] = {}
    for content in currents.values():
        found.update((link, draft.place_of_link(link)) for link in draft.links_in(content))
    beside = [path.with_suffix(".link") for path in currents]
    for file in [*named, *(path for path in beside if path.exists() and path not in named)]:
        link = draft.read_link(draft.read_bundle(file), str(file))
        found[link] = draft.place_of_link(link)
    return sorted(found, key=lambda link: found[link])


def _draft(arguments: argparse.Namespace) -> Draft:
    """The draft, if it replaces what --current names, or nothing."""
    made = draft.load(arguments.draft)
    for path in arguments.current or []:
        draft.compare_base(made, _bundle(path), str(path))
    if not arguments.current and made.current:
        raise HostError(
            f"{arguments.draft} is no first state, it replaces one: name the bundle the devices "
            "have with --current.",
            "bundle.base_other",
        )
    return made


def _merge(arguments: argparse.Namespace) -> int:
    """Nothing is signed here, so nothing has to be confirmed: each signer has read and agreed."""
    made = _draft(arguments)
    taken = merging.merge(
        made, arguments.draft, {path: draft.load(path) for path in arguments.others}
    )
    if not made.missing():
        if taken:
            _check_places(arguments, made)
        return _finish(arguments, made, None, [])
    if taken:
        outputs.replace(arguments.draft, draft.dump(made), 0o644)
    if arguments.json:
        rows = [{"key": draft.key_name(one.key), "from": str(one.path)} for one in taken]
        print_json({"taken": rows, "missing": made.missing()})
        return 0
    out = console()
    for one in taken:
        name = _name(one.key, arguments)
        out.print(f"{name} has signed {', '.join(one.kinds)}: taken from {one.path}.")
    if not taken:
        out.print(f"{arguments.draft} has all of their signatures already.")
    _print_missing(out, made, arguments.draft)
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    made = _draft(arguments)
    _guard(arguments, made)
    if not made.missing():
        # A try before this one was interrupted when all had signed: only the files are missing.
        return _finish(arguments, made, None, [])
    if not arguments.export:
        _check_places(arguments, made)
    _confirm(_show(made, labels.beside(arguments.draft.parent)), arguments.yes_to)
    if arguments.export:
        return _export(arguments, made)
    if arguments.import_:
        key, done = _import(arguments, made)
    else:
        with progress_bar("HSS tree") as progress:
            signer = signers.open_signer(arguments.key, arguments, arguments.ledger, progress)
            key = Key(signer.alg, signer.public)
            done = made.add(key, lambda kind, message: signer.sign(message))
    missing = made.missing()
    if missing:
        outputs.replace(arguments.draft, draft.dump(made), 0o644)
        if arguments.json:
            print_json({"signed": done, "key": draft.key_name(key), "missing": missing})
            return 0
        out = console()
        out.print(f"{_name(key, arguments)} has signed: {', '.join(done)}.")
        _print_missing(out, made, arguments.draft)
        return 0
    return _finish(arguments, made, key, done)


def _places(arguments: argparse.Namespace, made: Draft) -> tuple[Path, Path | None]:
    """Where the bundle goes, and its link if it has one."""
    output = arguments.output or arguments.draft.with_suffix(".bundle")
    return output, output.with_suffix(".link") if made.link else None


def _check_places(arguments: argparse.Namespace, made: Draft) -> None:
    """Before a signature is made that nobody could put anywhere: an HSS key has only so many."""
    output, link = _places(arguments, made)
    for path in (output, link):
        if path and path.exists():
            raise outputs.exists(path)
    for folder in (arguments.draft.parent, output.parent):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise HostError(f"{folder}: no folder that can be written in.", "host.io")


def _show(made: Draft, known: dict[str, str]) -> tuple[int, list[str]]:
    """What is about to be signed, on standard error and before any key is asked for.

    Every value that differs from the state before has a line; of a first state that is every
    value. Returns the sequence number and what weakens protection, which is listed first.
    """
    out = console(stderr=True)
    new = describe.describe(draft.unsigned(made.state.kind, made.state.payload))
    old = describe.describe(made.current) if made.current else {}
    out.print(f"To be signed: {new['type']} {new['epoch']}/{new['sequence']}")
    out.print(f"  payload   {new['payload_digest']}")
    if not made.current:
        out.print("  replaces  nothing: the first state of a product")
    else:
        out.print(f"  replaces  {old['payload_digest']}")
    weaker = weakening.weakenings(old, new) if made.current else []
    _print_warnings(_contradictions(made))
    if weaker:
        out.print("Weaker than before:")
        for line in weaker:
            out.print(Text(f"! {labels.shown(line, known)}", style="bold red"), soft_wrap=True)
        out.print("Everything that changes:")
    # Nobody has signed yet: neither the file's length nor who signs is known.
    hidden = ("bytes", "signed_by", "links", "payload_digest")
    old, shown = ({name: one[name] for name in one if name not in hidden} for one in (old, new))
    describe.print_changes(out, labels.shown(describe.changes(old, shown), known))
    return new["sequence"], weaker


def _confirm(shown: tuple[int, list[str]], given: int | None) -> None:
    """Refuse unless whoever signs has typed, or named, the sequence number of what weakens."""
    sequence, weaker = shown
    typed = None if given is None else str(given)
    if weaker and typed is None and sys.stdin.isatty():
        console(stderr=True).print("Type the sequence number of the new state to sign it:")
        typed = sys.stdin.readline().strip()
    if typed == str(sequence) or (typed is None and not weaker):
        return
    if typed is None:
        why = "Read what is under `Weaker than before`, then give"
    else:
        why = f"Confirmed was {printable(typed)!r}, and the new state is {sequence}: give"
    raise HostError(
        f"Nothing is signed. {why} its sequence number with --yes-to.", "bundle.not_confirmed"
    )


def _finish(arguments: argparse.Namespace, made: Draft, key: Key | None, done: list[str]) -> int:
    """Everybody has signed: write the bundle if the device code accepts it.

    The draft first: interrupted after it, the same command writes the rest, from the same
    signatures.
    """
    made.accept()
    output, link = _places(arguments, made)
    outputs.replace(arguments.draft, draft.dump(made), 0o644)
    if link and made.link:
        outputs.write_new(link, made.link.message())
    outputs.write_new(output, made.file())
    name = draft.key_name(key) if key else None
    if arguments.json:
        written = {"bundle": str(output), "link": str(link) if link else None}
        print_json({"signed": done, "key": name, "missing": [], **written})
        return 0
    out = console()
    if key:
        out.print(f"{_name(key, arguments)} has signed: {', '.join(done)}.")
    else:
        out.print("All have signed.")
    out.print(verdict_text(True, f"{output}: accepted by the device's own code."))
    if link:
        out.print(f"{link}: keep it beside the bundle; later bundles carry it to slow devices.")
    return 0


def _export(arguments: argparse.Namespace, made: Draft) -> int:
    """Write each Sig_structure the key has to sign; the signing machine needs nothing of ours."""
    key = Key(*signers.public_record(arguments.export))
    files = []
    for part in made.to_sign(key):
        path = arguments.draft.with_suffix(f".{Path(arguments.export).stem}.{part.kind}.tbs")
        outputs.write_new(path, to_be_signed(part.kind, part.payload, key))
        files.append(str(path))
    if arguments.json:
        print_json({"key": draft.key_name(key), "files": files})
        return 0
    out = console()
    out.print(f"To be signed by {_name(key, arguments)}: {' '.join(files)}", soft_wrap=True)
    out.print(
        f"Then: trustanchor bundle sign {arguments.draft} {_base_words(made)} "
        f"--import {arguments.export} SIG..."
    )
    return 0


def _import(arguments: argparse.Namespace, made: Draft) -> tuple[Key, list[str]]:
    key = Key(*signers.public_record(arguments.import_[0]))
    names = arguments.import_[1:]
    kinds = [part.kind for part in made.to_sign(key)]
    if len(names) != len(kinds):
        raise HostError(
            f"{len(names)} signature files; signed has to be: {', '.join(kinds)}, in this order.",
            "bundle.signature_file",
        )
    files = dict(zip(kinds, names, strict=True))
    return key, made.add(key, lambda kind, message: _signature(Path(files[kind]), key))


def _signature(path: Path, key: Key) -> bytes:
    """A signature file: raw bytes or base64; ECDSA as r || s or as the DER other tools make."""
    content = inputs.read(path, _SIGNATURE_FILE_BYTES)
    try:
        content = base64.b64decode(b"".join(content.split()), validate=True)
    except ValueError:
        pass  # raw bytes, as `openssl dgst` and `pkcs11-tool` write them
    if key.alg == ES256 and len(content) != 64:
        try:
            content = signers.raw_ecdsa(content)
        except (ValueError, OverflowError):  # not DER, or numbers of another curve
            raise HostError(f"{path}: no ES256 signature.", "bundle.signature_file") from None
    if not content:
        raise HostError(f"{path}: empty.", "bundle.signature_file")
    return content


def _verify(arguments: argparse.Namespace) -> int:
    content = _bundle(arguments.bundle)
    device = None
    if arguments.product or arguments.device_id:
        device = Device(arguments.product, arguments.device_id)
    rows = []
    refusals = []
    for path in arguments.current or [None]:
        row: dict[str, Any] = {"current": str(path) if path else None}
        try:
            record = draft.accept(content, _bundle(path) if path else b"", device)
        except TrustError as error:
            refusals.append((path, error))
            detail = None if error.detail is None else str(error.detail)
            row.update({"accepted": False, "code": error.code, "detail": detail})
        else:
            row.update({"accepted": True, "code": "ok", "epoch": record.epoch})
            row.update({"sequence": record.sequence, "trial": bool(record.trial)})
        rows.append(row)
    if arguments.json:
        # One device: its fields. More: the first refusal, else the first device, and all of them.
        first = next((row for row in rows if not row["accepted"]), rows[0])
        print_json(first if len(rows) == 1 else {**first, "devices": rows})
        return 1 if refusals else 0
    if len(rows) == 1 and refusals:
        raise refusals[0][1]
    out = console()
    for row in rows:
        of = f"{row['current']}: " if len(rows) > 1 else ""
        if row["accepted"]:
            then = "in trial first" if row["trial"] else "active at once"
            text = f"{of}accepted: epoch {row['epoch']}, sequence {row['sequence']}, {then}."
        else:
            text = f"{of}{row['code']}: {explain(row['code'])}"
        out.print(verdict_text(row["accepted"], text), soft_wrap=True)
    return 1 if refusals else 0


def _inspect(arguments: argparse.Namespace) -> int:
    shown, code = _described(arguments.bundle)
    changes = None
    if arguments.against:
        old, new = _without_draft(_described(arguments.against)[0], shown)
        changes = describe.changes(old, new)
    if arguments.json:
        print_json(shown if changes is None else {**shown, "changes": changes})
        return 0 if code is None else 1
    out = console()
    known = labels.beside(arguments.bundle.parent)
    describe.print_tree(out, labels.shown(shown, known))
    if changes is not None:
        describe.print_changes(out, changes)
    return 0 if code is None else 1


def _described(path: Path) -> tuple[dict[str, Any], str | None]:
    """What a bundle or a draft says, and the code of what is wrong with its signatures."""
    content = draft.read_bundle(path)
    if not draft.is_draft(content):
        content = _bundle(path)
        code = draft.refused_by_its_own(content)
        # Of the signers that the file names itself: whether devices know them, `verify` says.
        checked = "checked" if code is None else f"claimed, and not valid ({code})"
        return {"signatures": checked, **describe.describe(content)}, code
    made = draft.load(path)
    signed, wrong = made.signed()
    shown = describe.describe(draft.unsigned(made.state.kind, made.state.payload))
    # Of a file that is not there yet.
    for name in ("bytes", "signed_by", "links"):
        del shown[name]
    code = "cose.signature_invalid" if wrong else None
    return {
        "draft": "checked" if code is None else f"{', '.join(wrong)}: not valid ({code})",
        "replaces": describe.describe(made.current)["payload_digest"] if made.current else None,
        "signed_by": signed,
        "missing": made.missing(),
        **shown,
    }, code


def _without_draft(*shown: dict[str, Any]) -> list[dict[str, Any]]:
    """Descriptions of which one is of a draft: without what only bundles or only drafts have."""
    if any("draft" in one for one in shown):
        hidden = ("signatures", "draft", "replaces", "signed_by", "missing", "bytes", "links")
        return [{key: one[key] for key in one if key not in hidden} for one in shown]
    return [{key: one[key] for key in one if key != "signatures"} for one in shown]


def _diff(arguments: argparse.Namespace) -> int:
    old, new = _without_draft(*(_described(path)[0] for path in (arguments.old, arguments.new)))
    found = describe.changes(old, new)
    if arguments.json:
        print_json(found)
    else:
        describe.print_changes(console(), found)
    return 0


def _bundle(path: Path) -> bytes:
    """Read a bundle file; what is no bundle is refused with its name in front."""
    content = draft.read_signed(path)
    try:
        draft.payload_of(content)
    except TrustError as error:
        raise HostError(f"{path}: {error.code}: {explain(error.code)}", error.code) from None
    return content


def _print_missing(out: Any, made: Draft, path: Path) -> None:
    known = labels.beside(path.parent)
    for sentence in made.missing():
        out.print(f"  still needed, {labels.shown(sentence, known)}", soft_wrap=True)
    out.print(f"Next: trustanchor bundle sign {path} {_base_words(made)} --key KEY")


def _name(key: Key, arguments: argparse.Namespace) -> str:
    return str(labels.shown(draft.key_name(key), labels.beside(arguments.draft.parent)))


def _base_words(made: Draft) -> str:
    return "--current FILE" if made.current else "--first"
