#!/usr/bin/env python3
"""Looks for processes that the checks left running.

usage: leftovers.py DIRECTORY...

A process counts when it runs from or in one of the directories (its program, its script or where it stands), or when
it carries the marker of an owner (SCOPE_OWNER_...) and one of the directories in its environment. Reads /proc itself,
so that it does not believe what the code under test believes. Zombies do not count: they run nothing. Something on its
way out gets a moment to go.
"""

import os
import pathlib
import sys
import time

PATIENCE = 5.0


def link(process, name):
    try:
        return os.readlink(process / name).removesuffix(" (deleted)")
    except OSError:
        return ""


def left(directories):
    """Yields (pid, command line) of what is still there."""
    inside = tuple(f"{directory}/" for directory in directories)

    def is_inside(place):
        return f"{place}/".startswith(inside)

    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            # The state follows the name, which stands in brackets and may hold brackets and blanks itself.
            state = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            variables = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except (OSError, IndexError):
            # Gone by now, or another user's.
            continue
        if state in "ZX":
            continue
        marked = any(variable.startswith("SCOPE_OWNER_") for variable in variables)
        places = [link(process, "exe"), link(process, "cwd"), *words[:2]]
        if marked:
            places += [variable.partition("=")[2] for variable in variables]
        if any(map(is_inside, places)):
            yield int(process.name), " ".join(words).strip()


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY...")
    if not os.path.isdir("/proc/self"):
        print("SKIPPED: there is no /proc to look into")
        return 0
    directories = {os.path.realpath(word) for word in sys.argv[1:]}
    until = time.monotonic() + PATIENCE
    while found := sorted(left(directories)):
        if time.monotonic() > until:
            for pid, words in found:
                print(f"leftovers: still running: {pid} {words}", file=sys.stderr)
            return 1
        time.sleep(0.1)
    print("nothing is left running")
    return 0


if __name__ == "__main__":
    sys.exit(main())
