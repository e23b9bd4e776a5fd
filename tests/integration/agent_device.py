# SPDX-License-Identifier: MIT
"""A device with an agent: does what a part of a story says, from one start to the next.

    micropython -m agent_device part.json

The part is {"root", "carriers", "capsule", "steps": [[verb, argument, ...], ...]}. For every step
a line says what it came to and which state is in force. Runs on MicroPython and CPython.
"""

import asyncio
import json
import sys

from trustanchor import Agent, Capsule, Context, Store, TrustError, clock


class Device:
    def __init__(self, part):
        self.store = Store(clock, part["root"], nvs=None, product="pump")
        try:
            self.store.load()
        except TrustError:
            pass  # the first step provisions it
        self.fed = 0
        self.published = []
        self.chance = 0.5
        self.agent = Agent(
            self.store,
            part["carriers"],
            Context(store=self.store, timeout_s=5),
            Capsule(part["capsule"]),
            self.publish,
            self.feed,
            random=lambda: self.chance,
            timeout_s=5,
        )

    def feed(self):
        self.fed += 1

    async def publish(self, document):
        self.published.append(document)
        await asyncio.sleep(0)

    def provision(self, bundle):
        with open(bundle, "rb") as file:
            self.store.provision(file)
        return "ok"

    def once(self):
        return asyncio.run(self.agent.once())

    def next(self):
        """The pause that is due, and that a fleet's pauses differ."""
        exact = self.agent.next_s()
        found = []
        for self.chance in (0, 1, 0.5):
            found.append(self.agent.next_s())
        if found != [exact * 3 // 4, exact * 5 // 4, exact]:
            return "%s" % found
        # Without a function of the program's: by the interpreter's own chance.
        own = [Agent(self.store, [], every_s=1000).next_s() for _ in range(30)]
        is_spread = 750 <= min(own) < max(own) <= 1250
        return "%d s" % exact if is_spread else "%s" % own

    def cancelled(self, turns):
        """A round that is cancelled after so many turns of the event loop; "over" if it ended."""
        return asyncio.run(self._cancelled(turns))

    async def _cancelled(self, turns):
        task = asyncio.create_task(self.agent.once())
        for _ in range(turns):
            await asyncio.sleep(0)
            if task.done():
                return "over"
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"
        return "over"

    def lives(self):
        """run() beside another task: both go on, and the watchdog is fed."""
        return asyncio.run(self._lives())

    async def _lives(self):
        task = asyncio.create_task(self.agent.run())
        turns = 0
        while not self.published or turns < 100:
            await asyncio.sleep(0.01)
            turns += 1
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "lives" if self.fed else "starved"
        return "over"

    def events(self):
        found = self.agent.document()["events"]
        return " ".join("%s*%d" % (one["code"], one["seen"]) for one in found) or "none"

    def receipt(self):
        last = json.loads(self.agent.text())["receipts"][-1]
        return "%s %s %s" % (last["epoch"], last["sequence"], last["code"])

    def write(self, target, key):
        """The status document into a file; signed, where the name of a key is given."""
        own = None
        if key:
            with open(key, "rb") as file:
                own = file.read()
        with open(target, "wb") as file:
            self.agent.write(file, own)
        return "written"

    def save(self):
        self.agent.capsule.save()
        return "ok"

    def stands(self):
        store = self.store
        if store.state is None:
            return store.refusal
        kind = "trial" if store.record.trial else "active"
        return kind + " %d" % store.state.sequence


with open(sys.argv[1]) as file:
    part = json.load(file)
device = Device(part)
for step in part["steps"]:
    try:
        said = getattr(device, step[0])(*step[1:])
    except TrustError as refusal:
        said = refusal.code
    print(said + ", " + device.stands())
