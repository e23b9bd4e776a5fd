# SPDX-License-Identifier: MIT
"""Finds tests that cannot fail: each rule of the device is taken away, a test must notice.

    python tests/mutants.py [part of a name ...]

Every mutant is one replacement in a copy of the tree, in a folder of its own; this tree is never
touched. Prints a line each. Exit code 0: all were noticed; 1: one survived; 2: one does not apply
any more, or the tests fail without it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 300


@dataclass(frozen=True)
class Mutant:
    """In `file` of the device package `old`, which occurs once, becomes `new`."""

    name: str
    file: str
    old: str
    new: str
    tests: str  # what must fail: test files of tests/portable by name, or paths


MUTANTS = (
    Mutant("without a port a laxer service answers", "state/model.py",
           "if others and by_port and not port:", "if False:", "state"),
    Mutant("a verdict gives no try back", "store/joining.py",
           "    record = store.trials().judged(store.record, store.state)\n",
           "    record = store.record\n", "store_trial"),
    Mutant("a start that just began gives a try back", "store/joining.py",
           "store.record.trial and uptime_s - store._loaded_at >= TRIAL_RUN_S",
           "store.record.trial", "store_trial"),
    Mutant("a stalled trial goes on holding back", "store/joining.py",
           "    if not store.trials().is_stalled(record, store.state, unix_s, running_s):\n"
           "        return True\n", "    return True\n", "store_trial"),
    Mutant("a clock from the network ends hold-downs", "store/trust_store.py",
           "(seconds if known == CLOCK_VERIFIED else 0)", "(seconds if known else 0)",
           "store_idle"),
    Mutant("a floor makes a verified clock unknown", "update/acceptance.py",
           "at[1] == CLOCK_VERIFIED or ", "", "update_time"),
    Mutant("a leaf is above a verified clock", "verdict/policy.py",
           "if at[1] != CLOCK_VERIFIED:", "if True:", "clock"),
    Mutant("a lost network is a broken flash", "store/stage.py",
           "raise TrustError(code, error.errno)", "raise", "store_source"),
    Mutant("a bundle is read to the end of the stream", "store/stage.py",
           "while not extent.is_whole or _has_more(source):", "while True:", "store_source"),
    Mutant("a bundle may take for ever to come", "store/stage.py",
           "if ticks_diff(ticks_ms(), started) > STAGE_S * 1000:", "if False:", "store_source"),
    Mutant("a chain that does not fit raises", "verdict/policy.py",
           "    except MemoryError:\n        case = None",
           "    except ZeroDivisionError:\n        case = None",
           "policy_key"),
    Mutant("a service with another name may be stricter", "update/admit.py",
           "    if service.name == before.name:\n        return True\n    if",
           "    if service.name == before.name:\n        return True\n    return False\n    if",
           "update_revert"),
    Mutant("a switch may be turned on", "update/admit.py",
           "        or (service.needs_clock and not before.needs_clock)\n", "", "update_revert"),
    Mutant("the end of a pin set may be narrowed", "update/admit.py",
           "if new_set.on_expiry != pin_set.on_expiry:", "if False:", "update_revert"),
    Mutant("an acceptance without pins is evidence", "update/trial.py",
           "if accepted.wanted and accepted.pin is None:", "if False:", "update_trial"),
    # Retirement is by key.
    Mutant("a renamed pin set revives its keys", "state/local.py",
           "retired_entry(spki_sha256) in self.retired\n            or ", "", "store_writes"),
    Mutant("what an older version retired is alive", "state/local.py",
           "\n            or named_entry(pin_set_name, spki_sha256) in self.retired", "",
           "store_writes"),
    # A store that is mended.
    Mutant("a slot that loads is written again", "store/install.py",
           "if open_state(store, digest) is not None or ", "if ", "store_mend"),
    Mutant("a damaged slot is not mended", "store/install.py",
           "            if _mends(store, record, stage):\n                return\n", "",
           "store_mend"),
    Mutant("an active state cannot be mended", "store/install.py",
           "(record.active, record.trial, record.fallback):\n        return False",
           "(record.trial,):\n        return False", "store_mend"),
    Mutant("a trial is over though nothing else loads", "store/boot.py",
           "        if state is not None:\n            # A trial whose",
           "        if True:\n            # A trial whose", "store_mend"),
    # The verdict.
    Mutant("judge accepts everything", "verdict/policy.py",
           "    except TrustError as refusal:\n        verdict.code = refusal.code",
           "    except TrustError as refusal:\n        verdict.accepted = True\n"
           "        verdict.code = refusal.code",
           "policy_key policy_path"),
    Mutant("a clock need not be known", "verdict/policy.py",
           "if service.needs_clock and not self.known:", "if False:", "policy_key"),
    Mutant("a state never grows too old", "verdict/policy.py",
           "self.at - self.state.issued_at > age:", "self.at < 0:", "policy_key"),
    Mutant("floors are ignored", "verdict/policy.py",
           "bound = max(local.floor, state.issued_at)", "bound = 0",
           "policy_key policy_path"),
    Mutant("mode key ignores the end of a certificate", "verdict/mode_key.py",
           "if case.at > not_after:", "if False:", "policy_key"),
    Mutant("mode key ignores the beginning of a certificate", "verdict/mode_key.py",
           "if case.known and case.at < not_before:", "if False:", "policy_key"),
    Mutant("mode key never checks the name", "verdict/mode_key.py",
           "elif service.check_name:", "elif False:", "policy_key"),
    Mutant("mode key never checks the purpose", "verdict/mode_key.py",
           "if service.check_eku:", "if False:", "policy_key"),
    Mutant("mode key ignores the deny list", "verdict/mode_key.py",
           'raise PathError("path.key_denied")', "pass", "policy_key"),
    Mutant("path mode needs no host", "verdict/mode_path.py",
           "elif host is None and service.hosts is not None:", "elif False:", "policy_path"),
    Mutant("path mode needs no pin", "verdict/mode_path.py",
           "if service.enforce:\n            raise PinError(code)", "if False:\n            pass",
           "policy_path"),
    Mutant("expired pins go without a verified clock", "verdict/mode_path.py",
           "if not case.known or case.clock < CLOCK_VERIFIED:", "if False:", "policy_path"),
    Mutant("an intermediate's pin moves the ratchet", "verdict/mode_path.py",
           "pin = case.match(keys[:1])", "pin = case.match(keys)", "policy_path policy_cache"),
    Mutant("a remembered path serves another pin set", "verdict/mode_path.py",
           "        pin_set,\n        local", "        local", "policy_cache"),
    Mutant("a remembered path hides a sighting", "verdict/mode_path.py",
           "case.verdict.events = _sighting(case, keys)", "pass", "policy_cache"),
    Mutant("a remembered path ignores the deny list", "verdict/mode_path.py",
           "if any(case.state.is_denied(key) for key in keys):", "if False:",
           "policy_cache cache_verdict"),
    Mutant("a remembered path ignores its end", "verdict/mode_path.py",
           "not cached[0] <= case.at <= cached[1]", "not cached[0] <= case.at",
           "policy_cache cache_verdict"),
    Mutant("a remembered path needs no pin", "verdict/mode_path.py",
           "if needs_pin and pin is None:\n        return False",
           "if False:\n        return False", "policy_cache cache_verdict"),
    # Pins.
    Mutant("only the first pin counts", "state/pins.py",
           "for index, pin in enumerate(pin_set.pins):\n        if pin.spki_sha256 in keys",
           "for index, pin in enumerate(pin_set.pins[:1]):\n        if pin.spki_sha256 in keys",
           "pins policy_key"),
    Mutant("any live pin matches any key", "state/pins.py",
           "if pin.spki_sha256 in keys and _status", "if _status", "pins policy_key"),
    Mutant("retired pins match", "state/pins.py", "return _RETIRED", "pass", "pins policy_key"),
    Mutant("denied pins match", "state/pins.py", "return _DENIED", "pass", "pins"),
    # The path.
    Mutant("a denied leaf passes", "verdict/path.py",
           "if question.is_denied(leaf.spki_sha256):", "if False:", "path_rules"),
    Mutant("a denied issuer passes", "verdict/path.py",
           "        if question.is_denied(key):\n"
           '            return _DENIED, "path.key_denied"\n'
           "        if question.is_over(issuer",
           "        if question.is_over(issuer", "path_rules"),
    Mutant("a denied anchor passes", "verdict/path.py",
           "        if question.is_denied(key):\n"
           '            return _DENIED, "path.key_denied"\n'
           "        if question.is_over(anchor",
           "        if question.is_over(anchor", "path_rules"),
    Mutant("an expired leaf passes", "verdict/path.py",
           "if question.is_over(leaf.not_after):", "if False:", "path_rules"),
    Mutant("an expired issuer passes", "verdict/path.py",
           "if question.is_over(issuer.not_after):", "if False:", "path_rules"),
    Mutant("an issuer need be no CA", "verdict/path.py",
           "if not issuer.is_ca:", "if False:", "path_rules"),
    Mutant("an issuer need not sign certificates", "verdict/path.py",
           "issuer.key_usage is not None and not issuer.key_usage & KU_KEY_CERT_SIGN", "False",
           "path_rules"),
    Mutant("a leaf need not sign", "verdict/path.py",
           "if not leaf.key_usage & KU_DIGITAL_SIGNATURE:", "if False:", "path_rules"),
    Mutant("an unknown critical extension of a leaf passes", "verdict/path.py",
           "if leaf.unknown_critical is not None:", "if False:", "path_rules"),
    Mutant("an unknown critical extension of a CA passes", "verdict/path.py",
           "if issuer.unknown_critical is not None:", "if False:", "path_rules"),
    Mutant("a CA for another purpose passes", "verdict/path.py",
           "if issuer.eku is not None and not _allows(issuer, question.purpose):", "if False:",
           "path_rules"),
    Mutant("a leaf for another purpose passes", "x509/identity.py",
           "if leaf.eku is not None and not leaf.has_eku(usage(purpose)):", "if False:",
           "path_rules policy_key"),
    Mutant("the host is not compared", "verdict/path.py",
           "if question.host is not None:\n        check_name(leaf, question.host)", "",
           "path_rules policy_path"),
    Mutant("pathLen is not counted", "verdict/path.py", "if below > path_len:", "if False:",
           "path_rules"),
    Mutant("name constraints are ignored", "verdict/path.py",
           "if name_constraints is not None:", "if False:", "constraints_in_paths"),
    Mutant("an anchor's purposes are ignored", "verdict/path.py",
           "if not anchor.purposes & question.purpose:", "if False:", "path_rules"),
    Mutant("an anchor's hosts are ignored", "verdict/path.py",
           "if anchor.hosts is not None and not _covers(", "if False and not _covers(",
           "path_rules"),
    Mutant("an anchor's end is ignored", "verdict/path.py",
           "if question.is_over(anchor.trust_until):", "if False:", "path_rules"),
    Mutant("a distrusted anchor vouches for new leaves", "verdict/path.py",
           "if after is not None and self.path[0].not_before > after:", "if False:", "path_rules"),
    Mutant("the trailer of PSS is any", "crypto/rsa_pss.py",
           'fields.more() and fields.read(0xA3) != b"\\x02\\x01\\x01"',
           'fields.more() and fields.read(0xA3) == b""', "signatures"),
    Mutant("a SAN beside an empty subject must be critical", "x509/fields.py",
           'found.san = _non_empty(reader, "cert.san")',
           'found.san = _non_empty(reader, "cert.san")\n'
           "        if len(found.subject) == _EMPTY and not critical:\n"
           '            raise MalformedError("cert.criticality", number)', "certificate"),
    Mutant("critical policies are not read", "x509/fields.py",
           "if not critical:\n            return True\n        if number == _INHIBIT",
           "return True\n        if number == _INHIBIT", "certificate"),
    Mutant("a coordinate may reach the prime", "crypto/ecdsa.py",
           "if x >= p or y >= p or (", "if (", "ecdsa"),
    Mutant("an extension may stand twice", "x509/fields.py",
           "if oid in seen:", "if False:", "certificate"),
    Mutant("the signed algorithm may be another than the one outside", "x509/fields.py",
           "if tbs.element(SEQUENCE) != found.sig_alg:", "if tbs.element(SEQUENCE) is None:",
           "certificate"),
    Mutant("a serial number may be negative", "x509/fields.py",
           "found.serial[0] >= 0x80 or ", "", "certificate"),
    Mutant("a serial number has any length", "x509/fields.py",
           " or octets > SERIAL_BYTES", "", "certificate"),
    Mutant("a certificate has any number of extensions", "x509/fields.py",
           "if len(seen) > CERTIFICATE_EXTENSIONS:", "if False:", "certificate"),
    Mutant("an unknown critical extension is nobody's business", "x509/fields.py",
           "if critical and not known and", "if False and", "certificate"),
    Mutant("name constraints may stand in an end entity", "x509/fields.py",
           "if found.name_constraints is not None and not found.is_ca:", "if False:",
           "certificate"),
    Mutant("a certificate has any size", "x509/leaf.py",
           "if len(der) > CERTIFICATE_BYTES:", "if False:", "certificate"),
    Mutant("a month has any number of days", "x509/leaf.py",
           "        or not 1 <= day <= _days_in(month, year)\n", "", "dates"),
    Mutant("a name has any number of attributes", "x509/dn.py",
           "if count > NAME_ATTRIBUTES:", "if False:", "names_distinguished"),
    Mutant("an RDN may be empty", "x509/dn.py",
           "if not parts:", "if False:", "names_distinguished"),
    Mutant("a bad signature passes", "verdict/path.py",
           'code = "path.bad_signature"', "pass", "path path_rules"),
    Mutant("an unsupported signature passes", "verdict/path.py",
           "            code = error.code\n            if isinstance", "            if isinstance",
           "path path_rules path_real"),
    Mutant("the budget of signatures is infinite", "verdict/path.py",
           "if self.work + cost > PATH_SIGNATURES:", "if False:", "path"),
    Mutant("a dear signature counts as a cheap one", "verdict/path.py",
           "cost = min(signatures.cost_of(spki), PATH_SIGNATURES)", "cost = 1",
           "path_hostile"),
    Mutant("what was verified is remembered without its certificate", "verdict/path.py",
           "pair = sha256(child.der, key)", "pair = key", "path_hostile path"),
    Mutant("the budget of steps is infinite", "verdict/path.py",
           "if self.steps > PATH_STEPS:", "if False:", "path path_hostile"),
    Mutant("the budget of certificates is infinite", "verdict/path.py",
           "> PATH_CERTIFICATES:", "> 1000000:", "path"),
    Mutant("the budget of depth is infinite", "verdict/path.py",
           "if len(self.path) > PATH_INTERMEDIATES:", "if False:", "path path_rules"),
    Mutant("what a caller allows counts the self-issued too", "verdict/path.py",
           "if most is not None and not issuer.self_issued:", "if most is not None:", "path"),
    Mutant("anybody makes a VerifiedPath", "verdict/path.py",
           "if proof is not _PROOF:", "if False:", "path"),
    # Names.
    Mutant("a wildcard stands for many labels", "x509/names.py",
           "dns[dot:] == rest", "dns.endswith(rest)", "names"),
    Mutant("a wildcard stands for everything under a top level", "x509/names.py",
           'rest.count(b".") >= 2', 'rest.count(b".") >= 1', "names"),
    # TLS.
    Mutant("the leaf TLS saw is not compared", "tls/handshake.py",
           "if self._tls.getpeercert(True) != bytes(self._chain[0]):", "if False:",
           "handshake_gates"),
    Mutant("a refusal lets the connection go on", "tls/handshake.py",
           "if verdict.contradicted is None:\n                raise self._refused", "",
           "handshake_gates"),
    Mutant("trust that is gone is not judged again", "tls/handshake.py",
           "if not stands:", "if False:", "handshake_gates"),
    Mutant("a missing chain is judged", "tls/handshake.py",
           'if not self._chain:\n            raise Refused("tls.chain_hidden")', "",
           "handshake_gates"),
    Mutant("writes do not wait for the verdict", "tls/handshake.py",
           "        if not self._may_pass():\n            return None\n"
           "        return self._tls.write(",
           "        return self._tls.write(", "handshake_gates"),
    Mutant("reads do not wait for the verdict", "tls/handshake.py",
           "if self._is_done and not self._is_closed:\n            return True", "return True",
           "handshake_gates"),
    Mutant("a handshake has all the time", "tls/handshake.py",
           "if self._remaining_ms() <= 0:\n            raise", "if False:\n            raise",
           "tests/integration/test_hostile.py"),
    Mutant("the tap withholds nothing from the server", "tls/tap.py",
           "if _AWAIT_HELLO < self.phase < _RELEASED:", "if False:", "tap"),
    Mutant("the tap withholds nothing from TLS", "tls/tap.py",
           "if self.phase == _RECORDED:\n                return None",
           "if False:\n                return None", "tap"),
    Mutant("a step reads for as long as a server speaks", "tls/tap.py",
           "if self.reads < _STEP_READS else None", "", "tap"),
    Mutant("a chain of any size is kept", "tls/tap.py",
           "elif length > CHAIN_BYTES:", "elif False:", "tap"),
    Mutant("any number of certificates is kept", "tls/tap.py",
           "if len(chain) == CHAIN_CERTIFICATES:", "if False:",
           "tap tests/integration/test_connections.py"),
    Mutant("an operation is done again when our output is stuck", "tls/_tls.py",
           "return operation(argument) if argument else 0",
           "result = operation(argument) if argument else 0\n"
           "                    return result if self._flush() else None",
           "tests/integration/test_tls_stand_in.py"),
    Mutant("any record stands in place of the ServerHello", "tls/tap.py",
           "elif self._message == 0 or header[0] != _CHANGE_CIPHER_SPEC:", "elif False:", "tap"),
    Mutant("any version is followed", "tls/tap.py",
           "elif version != _TLS_1_3:", "elif False:", "tap"),
    Mutant("a resumed session has no need of a chain", "tls/tap.py",
           'self.refuse("tls.chain_hidden")\n            elif self._message == 0',
           "pass\n            elif self._message == 0", "tap"),
    Mutant("a long host reaches the resolver and TLS", "x509/names.py",
           "not isinstance(host, str) or len(host) > 254", "False", "names dial client"),
    Mutant("SNI keeps its trailing dot", "tls/client.py",
           "name = server_hostname", 'name = server_hostname + "."', "client"),
    Mutant("a service chosen by name takes any port", "tls/client.py",
           "if port is not None and service.port not in (None, port):", "if False:", "client"),
    Mutant("a silent address takes the time of the others", "tls/dial.py",
           "max(0, int(timeout_s * 1000) - passed) // left", "int(timeout_s * 1000)", "dial"),
    Mutant("a store beside pins is ignored", "tls/client.py",
           "if store is not None or service is not None:", "if False:", "client"),
    Mutant("a chain is judged by another clock than the store's", "tls/client.py",
           "_now if store.clock is None else store.clock.now", "_now", "client"),
    Mutant("a host in brackets is none", "x509/names.py",
           'host[0] == "[" and host[-1] == "]"', "False", "dial client"),
    Mutant("a full heap before the handshake has no code", "tls/client.py",
           'return Refused("tls.no_memory")', "return MemoryError()",
           "tests/integration/test_hostile.py"),
    # The path, continued.
    Mutant("a dear signature takes no steps", "verdict/path.py",
           "self.steps += dear * DEAR_STEPS",
           "pass",
           "path_hostile"),
    Mutant("a dear signature takes no comparisons", "verdict/path.py",
           "self.comparisons += dear * DEAR_COMPARISONS",
           "pass",
           "path_hostile"),
    # TLS, continued.
    Mutant("application data leaves before the verdict", "tls/tap.py",
           "data[at] in (_ALERT, _CHANGE_CIPHER_SPEC)",
           "data[at] in (_ALERT, _CHANGE_CIPHER_SPEC, _APPLICATION_DATA)",
           "tap"),
    Mutant("TLS 1.3 shows its chain to nobody", "tls/tap.py",
           "self._native.verify_mode = self.verify_mode = _CERT_OPTIONAL",
           "pass",
           "tap handshake_gates"),
    Mutant("a pin that is retired keeps its connections", "tls/client.py",
           "if tap.store is store and not store.stands(tap.verdict):",
           "if False:",
           "tests/integration/test_connections.py tests/integration/test_trial.py"),
    Mutant("what the store says of a handshake is ignored", "tls/client.py",
           "if not store.join(verdict, asked):\n"
           "                return False",
           "store.join(verdict, asked)",
           "tests/integration/test_connections.py tests/integration/test_trial.py"),
    # The ratchet.
    Mutant("a trial that is over keeps what it held", "store/learning.py",
           "    local.held = ()\n"
           "    local.seen_in_trial = []\n"
           "\n"
           "\n"
           "def end_holds",
           "    local.seen_in_trial = []\n"
           "\n"
           "\n"
           "def end_holds",
           "local ratchet store_trial"),
    Mutant("a set without ratchet retires", "store/ratchet.py",
           "if pin_set.ratchet == RATCHET_NEVER:",
           "if False:",
           "ratchet local"),
    Mutant("a backup retires nothing", "store/ratchet.py",
           "        retire(local, before)\n"
           "\n"
           "\n"
           "def end_all",
           "        pass\n"
           "\n"
           "\n"
           "def end_all",
           "ratchet local"),
    Mutant("a sighting begins a hold-down that was over anew", "store/ratchet.py",
           "    if local.hold_downs:\n        end_all(local",
           "    if False:\n        end_all(local", "ratchet"),
    Mutant("a hold-down is inherited by pins that came later", "store/ratchet.py",
           "pins = pin_set.pins[: index + 1]", "pins = pin_set.pins[index : index + 1]",
           "ratchet"),
    Mutant("a hold-down has no maximum", "store/ratchet.py",
           "if quiet < pin_set.hold_s and whole < pin_set.hold_max_s:",
           "if quiet < pin_set.hold_s:", "ratchet"),
    Mutant("sightings pause no hold-down", "store/ratchet.py",
           "hold[3] = unix_s", "pass", "ratchet"),
    Mutant("a restart without a clock prolongs a hold-down", "store/ratchet.py",
           "return _OVER if since_uptime is None", "return 0 if since_uptime is None", "ratchet"),
    Mutant("a clock that went back prolongs a hold-down", "store/ratchet.py",
           "if unix_s >= since_unix else _OVER", "if unix_s >= since_unix else 0", "ratchet"),
    Mutant("every pin moves the ratchet", "store/ratchet.py",
           "or pin_set.pins[index].is_backup", "or True", "ratchet"),
    Mutant("a trial moves the ratchet", "store/ratchet.py", "    if in_trial:", "    if False:",
           "ratchet store_trial"),
    Mutant("hold-downs have no number", "store/ratchet.py",
           "if len(local.hold_downs) >= HOLD_DOWNS:", "if False:", "ratchet"),
    Mutant("a cached verdict does not move the ratchet", "store/learning.py",
           "if verdict.audited:", "if verdict.cached or verdict.audited:", "ratchet"),
    Mutant("an audited verdict moves the ratchet", "store/learning.py",
           "if verdict.audited:", "if False:", "ratchet"),
    Mutant("a verdict under another state is joined", "store/learning.py",
           "or verdict.state_digest != state.payload_digest", "or False", "ratchet"),
    Mutant("a verdict from before a retirement is joined", "store/learning.py",
           "or verdict.retired_generation != local.retired_generation", "or False", "ratchet"),
    Mutant("a leaf lifts the bound without end", "store/learning.py",
           "min(not_before, issued_at + BOUND_AHEAD_S)", "not_before", "local"),
    Mutant("a new state lowers the bound", "store/learning.py",
           "local.bound = floor if new_epoch else max(local.bound, floor)", "local.bound = floor",
           "local"),
    Mutant("a trial is remembered", "store/learning.py",
           "elif local.memory is not None and not in_trial:", "elif local.memory is not None:",
           "store_trial"),
    # The store.
    Mutant("any verdict disproves a trial", "store/joining.py",
           "            or refused.state_digest != store.state.payload_digest\n",
           "",
           "store_trial"),
    Mutant("a verdict of another state stands", "store/joining.py",
           "    if verdict.state_digest != store.state.payload_digest:\n"
           "        return False\n",
           "",
           "store store_writes"),
    Mutant("damaged copies are an unprovisioned device", "store/boot.py",
           'StoreError("store.lost", "record") if damaged else '
           'StoreError("store.unprovisioned")',
           'StoreError("store.unprovisioned")',
           "store_damage store_attacks store"),
    Mutant("a damaged generation is used again", "store/boot.py",
           "store._generation = max(store._generation, one.generation)",
           "pass",
           "store store_failing store_writes"),
    Mutant("a provisioned device is provisioned again", "store/install.py",
           'raise StoreError("store.provisioned")',
           "pass",
           "store store_attacks"),
    Mutant("a bundle of any size is staged", "store/stage.py",
           "if total > BUNDLE_BYTES:",
           "if False:",
           "store store_attacks store_failing"),
    Mutant("a body that has changed is read", "update/bundle.py",
           'raise StoreError("store.body_changed", number)',
           "pass",
           "store_attacks store_damage bundle"),
    Mutant("any volume holds a store", "store/volume.py",
           'if kind not in ("VfsLfs2", "VfsPosix"):',
           "if False:",
           "store_volume"),
    Mutant("a signer is shown the first 200 characters of a value",
           "../../host_tools/signing/describe.py", "10 * len(text) + 3", "200",
           "tests/host/test_signing_shown.py"),
    Mutant("a share that has signed takes a ledger that does not know it",
           "../../host_tools/signing/hss_keys.py",
           "if holder.next_leaf > max(known, default=-1) + 1:",
           "if False:",
           "tests/host/test_hss_keys.py"),
    Mutant("a share signs with any ledger",
           "../../host_tools/signing/hss_keys.py", "if identity != holder.ledger:",
           "if False:",
           "tests/host/test_hss_keys.py"),
    Mutant("what weakens is signed unconfirmed",
           "../../host_tools/commands/bundle.py",
           "(typed is None and not weaker)", "typed is None",
           "tests/host/test_weakening.py"),
    Mutant("a share is rewritten through a planted link", "../../host_tools/signing/hss_keys.py",
           'f"{path.name}.{secrets.token_hex(8)}.new"', 'path.name + ".new"',
           "tests/host/test_hss_keys.py"),
    Mutant("a signer is not shown in which order things stand",
           "../../host_tools/signing/describe.py",
           "if list(after) != expected:", "if False:", "tests/host/test_signing_shown.py"),
    Mutant("a base nobody signed is drafted on", "../../host_tools/signing/draft.py",
           "        check_base(current, str(path))", "        pass",
           "tests/host/test_signing_shown.py"),
    Mutant("a draft may replace another bundle than the signer names",
           "../../host_tools/signing/draft.py",
           "if base != wanted:", "if False:", "tests/host/test_signing_shown.py"),
    Mutant("an anchor need be no CA", "state/derive.py", "if not root.is_ca:", "if False:",
           "derive"),
    Mutant("an anchor need not sign certificates", "state/derive.py",
           "if root.key_usage is not None and not root.key_usage & KU_KEY_CERT_SIGN:", "if False:",
           "derive"),
    Mutant("an anchor says something critical that nobody reads", "state/derive.py",
           "if root.unknown_critical is not None:", "if False:", "derive"),
    Mutant("a root's own usages are not looked at", "state/derive.py",
           "            purposes &= ~purpose\n", "            pass\n", "derive"),
    Mutant("a root's own name constraints are lost", "state/derive.py",
           "name_constraints=None if constraints is None else bytes(constraints),",
           "name_constraints=None,", "derive"),
    Mutant("a root's own path length is lost", "state/derive.py",
           "path_len=root.path_len,", "path_len=None,", "derive"),
    Mutant("a product by digits leaves out the last", "crypto/rsa.py",
           "    while shift >= 0:", "    while shift > 0:", "rsa"),
    Mutant("a key that is refused spends the budget of signatures", "crypto/signatures.py",
           " or size > RSA_MAX_BITS // 8 or len(e) > 5:", ":", "rsa"),
    Mutant("a store without room goes on with the state of before", "store/trust_store.py",
           "self.state = self.local = None  # type: ignore[assignment]\n"
           "                self.refusal", "self.refusal", "store_shortage"),
    Mutant("a store without room never asks its flash again", "tls/client.py",
           'if store.state is None and store.refusal == "store.no_memory":', "if False:",
           "store_shortage"),
    Mutant("anybody's table serves any key", "crypto/_key_tables.py",
           "return points if bytes(view[:_TAG_BYTES]) == _tag(spki, points) else None",
           "return points",
           "ecdsa_kept tables signatures"),
    Mutant("a retirement stays in RAM", "store/joining.py",
           "or local.retired != record.retired", "or False", "store_writes"),
    Mutant("a path is written before the retirement it hides", "store/joining.py",
           "    if store._dirty:\n        # A remembered", "    if False:\n        # A remembered",
           "store_failing"),
    Mutant("a connection under a retired pin stands", "store/joining.py",
           "if pins == verdict.wanted and store.local.is_retired(pin_set.name, matched):",
           "if False:", "store_failing"),
    Mutant("any acceptance is evidence against a trial", "store/joining.py",
           "or accepted.state_digest != store.record.active", "or False", "store_trial"),
    Mutant("an audited path gets tables", "store/joining.py",
           "if stands and verdict.events and verdict.path", "if stands and verdict.path",
           "store_tables"),
    Mutant("a copy that lags is not mended", "store/boot.py",
           "    elif store._dirty:\n        store.write(record)\n", "", "store store_damage"),
    Mutant("a trial loads though its try is not counted", "store/boot.py",
           "if not store.write(loading) and loading.trial:",
           "if not store.write(loading) and False:", "store_trial"),
    Mutant("a slot with another state loads", "store/boot.py",
           "if state is None or state.payload_digest != digest:", "if state is None:", "store"),
    Mutant("what a copy still names is removed", "store/install.py",
           "if not store._dirty:  # else the copy that lags names", "if True:  # names",
           "store_failing"),
    Mutant("an update overtakes a retirement", "store/install.py",
           "if store.record is record:", "if True:", "store_failing store_attacks"),
    Mutant("two bundles share a slot", "store/install.py",
           'raise StoreError("store.slot_taken")', "pass", "store_attacks"),
    Mutant("an unsigned authority is read to its end before it is too long", "encoding/cbor.py",
           "self.end = min(end, begin + most)", "self.end = end", "cbor"),
    Mutant("an installation that was overtaken ends as if installed", "store/trust_store.py",
           "if self._steps is not steps:", "if False:", "store_failing"),
    Mutant("a full volume keeps its cache and loses a retirement", "store/trust_store.py",
           "if error.args[0] != _ENOSPC:", "if True:", "store_failing"),
    Mutant("one copy written is taken for both", "store/trust_store.py",
           "self._dirty = taken < len(self.copies)", "self._dirty = False", "store_failing"),
    # What is remembered to be quick.
    Mutant("the cache is written whenever there is something", "store/cache.py",
           "if not self._pending or uptime_s < self._due_at:", "if not self._pending:", "cache"),
    Mutant("a damaged entry is served", "store/cache.py",
           "if not _is_whole(entry, length):", "if False:", "cache cache_verdict store_damage"),
    Mutant("tables are made whenever there are keys", "store/tables.py",
           "if not wanted or uptime_s < self._due_at:", "if not wanted:", "store_tables"),
    Mutant("tables take the room of the record", "store/tables.py",
           "if block * free >= _SPARE_BYTES:", "if True:", "store_tables"),
    # The record.
    Mutant("a damaged record is read", "state/packing.py",
           "        or crc32(view[: size - 4]) != _number(view, size - 4, 4)\n",
           "",
           "record store_damage"),
    Mutant("a record of any length is read", "state/packing.py",
           "if holds_at + view[195] * _HOLD + 4 != size:",
           "if False:",
           "record"),
    Mutant("the first copy wins", "state/packing.py",
           "if (one.epoch, one.generation) < (other.epoch, other.generation):",
           "if False:",
           "record store_damage"),
    Mutant("copies of two epochs are joined", "state/packing.py",
           "    if one.epoch != other.epoch:\n"
           "        return one\n",
           "",
           "record"),
    Mutant("a lagging copy takes the sequence back", "state/packing.py",
           "        sequence=max(one.sequence, other.sequence),\n",
           "",
           "record"),
    Mutant("a lagging copy takes the floor back", "state/packing.py",
           "        floor=max(one.floor, other.floor),\n",
           "",
           "record"),
    Mutant("a lagging copy takes retired pins back", "state/packing.py",
           "        retired=union(one.retired, other.retired),\n",
           "",
           "record"),
    # Trials.
    Mutant("a state that never loads is tried for ever", "update/trial.py",
           "    if record.tries == 0:\n",
           "    if False:\n",
           "update_trial store_trial"),
    Mutant("loading costs no try", "update/trial.py",
           "return record.but(tries=record.tries - 1)",
           "return record",
           "update_trial store_trial"),
    Mutant("any handshake confirms a trial", "update/trial.py",
           "if not any(probe.fits(*one) for one in seen):",
           "if False:",
           "update_trial store_trial"),
    Mutant("a refusal by both states ends a trial", "update/trial.py",
           "if not record.trial or refused.accepted or not accepted.accepted or "
           "accepted.audited:",
           "if not record.trial or refused.accepted:",
           "update_trial store_trial"),
    Mutant("what is no probe ends a trial", "update/trial.py",
           "if any(probe.fits(asked.service.name, asked.host, asked.port) for probe in "
           "state.probes):",
           "if True:",
           "update_trial store_trial"),
    Mutant("a confirmed trial retires nothing", "update/trial.py",
           "retired=union(record.retired, record.held),",
           "retired=record.retired,",
           "update_trial store_trial"),
    # Who signs.
    Mutant("a threshold need not be met", "update/authority.py",
           "if signed < threshold:",
           "if False:",
           "update update_signers update_links update_rescue update_time"),
    Mutant("a threshold nobody can meet", "update/authority.py",
           "if threshold > len(keys):",
           "if False:",
           "bundle_fields bundle bundle_signed update_signers "
           "tests/host/test_bundle_attacks.py"),
    Mutant("a key stands in two groups", "update/authority.py",
           "if public in publics:",
           "if False:",
           "update update_signers update_links update_rescue update_time "
           "tests/host/test_bundle_attacks.py"),
    Mutant("two keys share an identifier", "update/authority.py",
           "if kid in kids:",
           "if False:",
           "update update_signers update_links update_rescue update_time "
           "tests/host/test_bundle_attacks.py"),
    Mutant("an invalid signature counts", "update/authority.py",
           "        if not valid:\n",
           "        if False:\n",
           "update update_signers update_links update_rescue update_time bundle_signed"),
    Mutant("a foreign signature is passed over", "update/authority.py",
           'raise UpdateError("cose.signature_foreign", signature.kid.hex())',
           "continue",
           "update update_signers update_links update_rescue update_time"),
    Mutant("a key signs by another algorithm", "update/authority.py",
           "if found[1] != signature.alg:",
           "if False:",
           "update update_signers update_links update_rescue update_time bundle_signed "
           "tests/host/test_signing_attacks.py"),
    Mutant("anybody's link is followed", "update/authority.py",
           "if link.old.digest != expected or is_rescue",
           "if is_rescue",
           "update update_signers update_links update_rescue update_time"),
    Mutant("a link without a backup opens an epoch", "update/authority.py",
           "if link.old.digest != expected or is_rescue != (new_backup is not None):",
           "if link.old.digest != expected:",
           "update update_signers update_links update_rescue update_time update_sleeper"),
    Mutant("new signers need not sign their link", "update/authority.py",
           "verifying(link.message, (link.old, link.authority))",
           "verifying(link.message, (link.old,))",
           "update update_signers update_links update_rescue update_time"),
    Mutant("a link skips an epoch", "update/authority.py",
           "if link.epoch > epoch + 1:",
           "if False:",
           "update update_signers update_links update_rescue update_time update_sleeper"),
    Mutant("a state skips an epoch", "update/authority.py",
           "if prefix.epoch != epoch + is_rescue:",
           "if False:",
           "update update_signers update_links update_rescue update_time"),
    Mutant("a state from before its links", "update/authority.py",
           "if not is_rescue and prefix.sequence <= sequence:",
           "if False:",
           "update update_signers update_links update_rescue update_time"),
    Mutant("new signers need not sign their state", "update/authority.py",
           "if authority.digest != asked[0].digest:",
           "if False:",
           "update update_signers update_links update_rescue update_time"),
    Mutant("signers replace the backup", "update/authority.py",
           "if not is_rescue and backup != self._backup:",
           "if False:",
           "update update_signers update_links update_rescue update_time"),
    Mutant("signers rescue", "update/authority.py",
           "self._find(self._backup if is_rescue else self._authority, records)",
           "self._find(self._authority, records)",
           "update update_signers update_links update_rescue update_time"),
    Mutant("a rescue is the first state", "update/authority.py",
           "if message.type != STATE:",
           "if False:",
           "update_first update update_rescue"),
    Mutant("links in any order", "update/authority.py",
           "if link.place <= before:",
           "if False:",
           "update update_signers update_links update_rescue update_time update_link_form"),
    Mutant("any number of links", "update/authority.py",
           "if count > LINKS:",
           "if False:",
           "update_link_form update_sleeper"),
    Mutant("one key signs twice", "update/cose.py",
           "if signature.kid in kids:",
           "if False:",
           "cose update_signers"),
    Mutant("any header is signed", "update/cose.py",
           "        else:\n"
           '            raise UpdateError("cose.header", key)',
           "        else:\n"
           "            header.skip()",
           "cose"),
    Mutant("unprotected headers are passed over", "update/cose.py",
           "    if reader.map_size():\n",
           "    if False:\n",
           "cose"),
    # Which bundle.
    Mutant("an older state returns", "update/acceptance.py",
           "if prefix.epoch == record.epoch and prefix.sequence <= record.sequence:",
           "if False:",
           "update update_foresee update_trial"),
    Mutant("an older epoch returns", "update/acceptance.py",
           "if prefix.epoch < record.epoch:",
           "if False:",
           "update update_foresee update_rescue"),
    Mutant("another product's bundle", "update/acceptance.py",
           "if prefix.products is not None and device.product not in prefix.products:",
           "if False:",
           "update update_foresee"),
    Mutant("another device's bundle", "update/acceptance.py",
           "if prefix.devices is not None and device.device_id not in prefix.devices:",
           "if False:",
           "update update_foresee"),
    Mutant("a bundle from the future", "update/acceptance.py",
           "if prefix.issued_at > latest:",
           "if False:",
           "update_time update_foresee update"),
    Mutant("an expired bundle", "update/acceptance.py",
           "if now > prefix.expires_at:",
           "if False:",
           "update_time update"),
    Mutant("the state in force again", "update/acceptance.py",
           "if record is not None and digest in (record.active, record.trial):",
           "if False:",
           "update update_trial"),
    Mutant("a bundle that changes while it is read", "update/acceptance.py",
           'raise MalformedError("bundle.changed")',
           "pass",
           "update"),
    Mutant("a bundle of any size", "update/acceptance.py",
           "if size > BUNDLE_BYTES:",
           "if False:",
           "update update_foresee update_state"),
    Mutant("a state need not keep its rules", "update/admit.py",
           "    check(state)\n",
           "",
           "update_state update"),
    Mutant("any key is an anchor's", "update/admit.py",
           "signatures.check_key(anchor.spki)",
           "pass",
           "update_state"),
    Mutant("an anchor stands twice", "update/admit.py",
           "if other.spki == anchor.spki:",
           "if False:",
           "update_state"),
    Mutant("any bytes are an intermediate", "update/admit.py",
           "            Certificate(der)\n",
           "            pass\n",
           "tests/host/test_bundle_attacks.py"),
    Mutant("a service no probe asks for", "update/admit.py",
           "if service.purpose == SERVER_AUTH and service.enforce and service.name not in "
           "probed:",
           "if False:",
           "update_state update_trial"),
    Mutant("an update takes the floor back", "update/admit.py",
           "floor = max(record.floor, floor)",
           "pass",
           "update_state update update_time update_trial"),
    Mutant("an update forgets retired pins", "update/admit.py",
           "            retired = record.retired\n",
           "",
           "update_state update update_trial"),
    Mutant("a full retired set keeps the rescue out", "update/admit.py",
           "if record is None or state.epoch == record.epoch:", "if True:", "update_rescue"),
    Mutant("the retired set overflows", "update/admit.py",
           "if len(could_be) > RETIRED_PINS:", "if False:", "update_state"),
    Mutant("a server takes a rescue back", "update/admit.py",
           "if new.epoch != record.epoch:",
           "if False:",
           "update_rescue"),
    Mutant("a server takes new signers back", "update/admit.py",
           "if (new.authority, new.backup) != (record.authority, record.backup):",
           "if False:",
           "update_revert"),
    Mutant("a server takes a denial back", "update/admit.py",
           "if not old.is_denied(state.denied[at : at + 32]):",
           "if False:",
           "update_revert"),
    Mutant("a server takes a lost anchor back", "update/admit.py",
           "if not _is_kept(anchor, state.anchors):",
           "if False:",
           "update_revert"),
    Mutant("a server takes a lost pin back", "update/admit.py",
           "if new_pin is None or not _covers(new_pin.not_before, new_pin.not_after, pin):",
           "if False:",
           "update_revert"),
    Mutant("a server takes another mode back", "update/admit.py",
           "service.mode != before.mode\n        or service.pin_set != before.pin_set\n        or",
           "",
           "update_revert"),
)  # fmt: skip


def main() -> int:
    wanted = sys.argv[1:]
    chosen = [m for m in MUTANTS if not wanted or any(word in m.name for word in wanted)]
    if sum(stale(mutant) for mutant in MUTANTS):  # all are named
        return 2
    with tempfile.TemporaryDirectory(prefix="mutants ") as folder:
        clean = Path(folder) / "clean"
        copy_tree(clean)
        selections = sorted({path for m in chosen for path in paths(m)})
        if run(clean, selections)[0] != 0:
            print("the tests fail without any mutant", run(clean, selections)[1], sep="\n")
            return 2
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            work = [(m, clean, Path(folder) / f"{i}") for i, m in enumerate(chosen)]
            outcomes = list(pool.map(lambda item: judge(*item), work))
    print(f"{outcomes.count(0)} of {len(outcomes)} mutants noticed")
    return max(outcomes, default=2)


def stale(mutant: Mutant) -> bool:
    """Say so when a mutant does not fit the sources any more; nothing is run then."""
    file = ROOT / "firmware" / "trustanchor" / mutant.file
    places = file.read_text().count(mutant.old) if file.exists() else 0
    missing = [path for path in paths(mutant) if not (ROOT / path).exists()]
    if places == 1 and not missing:
        return False
    print(f"STALE     {mutant.name}: {places} places in {mutant.file}", *missing, flush=True)
    return True


def judge(mutant: Mutant, clean: Path, folder: Path) -> int:
    started = time.monotonic()
    shutil.copytree(clean, folder, symlinks=True)
    file = folder / "firmware" / "trustanchor" / mutant.file
    text = file.read_text()
    file.write_text(text.replace(mutant.old, mutant.new))
    status, output = run(folder, paths(mutant))
    shutil.rmtree(folder)
    seconds = time.monotonic() - started
    if status == 0:
        print(f"SURVIVED  {mutant.name} ({mutant.file}; {mutant.tests})", flush=True)
        return 1
    if status != 1:
        print(f"BROKEN    {mutant.name}\n{output}", flush=True)
        return 2
    print(f"noticed   {mutant.name} ({seconds:.0f} s)", flush=True)
    return 0


def paths(mutant: Mutant) -> list[str]:
    return [
        name if "/" in name else f"tests/portable/test_{name}.py" for name in mutant.tests.split()
    ]


def run(folder: Path, selection: list[str]) -> tuple[int, str]:
    """Run tests in the copy; pytest's exit code (1: some failed) and the end of its output."""
    code = [str(folder / "firmware"), str(folder), str(folder / "tests" / "portable")]
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *selection]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(code),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return 1, f"no end within {TIMEOUT_S} s"
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def copy_tree(folder: Path) -> None:
    """What git knows or would know, and what `make setup` and `make fixtures` have made."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in listing.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    build = folder / "build"
    build.mkdir()
    shutil.copytree(ROOT / "build" / "fixtures", build / "fixtures")
    shutil.copytree(ROOT / "build" / "bin", build / "bin", symlinks=True)
    (build / "micropython").symlink_to(ROOT / "build" / "micropython")
    (folder / ".venv").symlink_to(ROOT / ".venv")


if __name__ == "__main__":
    sys.exit(main())
