# SPDX-License-Identifier: MIT
"""An HTTPS poller that keeps its trust up to date: it asks a server for work every minute.

The program of a product (host_tools/runbooks/first-board.md) with a service "api"; boot.py joins
the network and sets the clock where it can. 128 KB of heap, or less with the package in a ROMFS.
"""

import asyncio
import json

from trustanchor import Agent, Capsule, Context, Refused, Store, clock, http

EVERY_S = 60

with open("/device.json") as file:
    DEVICE = json.load(file)
API = next(one for one in DEVICE["services"] if one["name"] == "api")
URL = "https://%s:%d" % (API["host"], API["port"])

store = Store(clock, product=DEVICE["product"], device_id=DEVICE.get("device_id"))
store.load()
tls = Context(store=store, service="api")
capsule = Capsule("/capsule", clock)


async def poll():
    while True:
        try:
            answer = await http.fetch("GET", URL + "/work", tls)
            print("work:", (await answer.acontent()).decode())
        except Refused as refused:  # a server that is not ours, or no network
            capsule.note(refused, API["host"], API["port"])
            print("refused:", refused)
        await asyncio.sleep(EVERY_S)


async def main():
    agent = Agent(store, [URL + "/fleet.bundle"], tls, capsule)
    await asyncio.gather(agent.run(), poll())


asyncio.run(main())
