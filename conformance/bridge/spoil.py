#!/usr/bin/env python3
"""Copies the messages of a session from standard input to standard output, and spoils each.

usage: spoil.py garbage|wrong

`garbage`: what comes is no message at all. `wrong`: it is one, of the right id or method, and what it says is nonsense.
Whatever check still passes behind this has seen nothing of the session.
"""

import json
import sys


def wrong(line):
    message = json.loads(line)
    if "method" in message:
        message["params"] = {"_meta": "spoilt"}
    else:
        message.pop("error", None)
        message["result"] = {"contents": []}
    return json.dumps(message)


def main():
    spoil = {"garbage": lambda _: "spoilt", "wrong": wrong}[sys.argv[1]]
    for line in sys.stdin:
        print(spoil(line), flush=True)


if __name__ == "__main__":
    main()
