# SPDX-License-Identifier: MIT
"""The program of a board that asks a server over HTTPS, and says what came of it.

    micropython -m http_device PORT FILE PIN PIN

Prints a line each: how, and the body or its length, or the code of the refusal.
"""

import asyncio
import sys

from trustanchor import Context, Refused, http


async def fetched(url, tls):
    answer = await http.fetch("GET", url, tls)
    return (await answer.acontent()).decode()


def attempt(how, url, tls, file):
    if how == "get":
        return http.get(url + "/short", tls).json()["value"]
    if how == "post":
        return http.post(url + "/echo", tls, b"x" * 3000).content().decode().count("x")
    if how == "chunked":
        return len(http.get(url + "/chunked", tls).content())
    if how == "save":
        return http.get(url + "/long", tls).save(file, 100000)
    if how == "cut":
        return http.get(url + "/cut", tls).save(file, 100000)
    if how == "elsewhere":
        return http.get(url + "/elsewhere", tls).status
    return asyncio.run(fetched(url + "/moved", tls))


def main(port, file, *pins):
    tls = Context(pins=pins)
    for how in ("get", "post", "chunked", "save", "cut", "elsewhere", "asyncio"):
        try:
            print(how, attempt(how, "https://127.0.0.1:" + port, tls, file))
        except Refused as refusal:
            print(how, refusal.code)


main(*sys.argv[1:])
