# SPDX-License-Identifier: MIT
"""Connects to one hostile server after another; prints a line each, then how much was kept.

    micropython -m hostile_device cases.json

A line is the refusal's code, "ok", or "raised ..." for what may never happen.
"""

import gc
import json
import sys

import trustanchor


def attempt(tls, port):
    try:
        sock = tls.connect("127.0.0.1", port)
        sock.write(b"secret")
        sock.close()
    except trustanchor.Refused as refusal:
        return refusal.code
    except Exception as error:  # noqa: BLE001 - exactly what is being looked for
        return "raised " + repr(error)
    return "ok"


def resident_kb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4


def run(case):
    tls = trustanchor.Context(pins=case["pins"], timeout_s=case["timeout_s"])
    for port in case["ports"]:
        print(attempt(tls, port))
    # Again, now that every module is loaded: what one round keeps, another would.
    before = kept()
    for port in case["ports"]:
        attempt(tls, port)
    after = kept()
    print("kept", after[0] - before[0], after[1] - before[1])


def kept():
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0, resident_kb()


with open(sys.argv[1]) as file:
    run(json.load(file))
