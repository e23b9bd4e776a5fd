# SPDX-License-Identifier: MIT
"""Connects, and reads lines until there are no more; prints each, then what ended it."""

import json
import sys

import trustanchor

with open(sys.argv[1]) as file:
    case = json.load(file)
sock = trustanchor.Context(pins=case["pins"]).connect("127.0.0.1", case["port"])
print(sock.verdict.code)
try:
    while line := sock.readline():
        print(line.decode().strip())
    print("end")
except OSError as error:
    print("OSError", error.errno)
