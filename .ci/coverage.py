#!/usr/bin/env python3
"""Row by row of the contract: which tests prove it, on which runtime.

Asks the test binaries themselves for the names of their tests. A test belongs to a row when its name begins with the
row's id, and to a runtime by the module it stands in: `tokio_ct::n01_returns_after_every_child`. Fails when a row of
.ci/rows has no test on one of its runtimes, when a test names a row that the contract does not have, and when a test
is ignored.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNTIMES = ("tokio_ct", "tokio_mt", "smol", "det")
ROW_ID = re.compile(r"[tcnofsv]\d\d")
TEST = re.compile(rf"(?:^|.*::)(?P<runtime>{'|'.join(RUNTIMES)})::(?P<row>{ROW_ID.pattern})_\w+$")


def rows_wanted():
    """The rows of .ci/rows, each with its runtimes."""
    wanted = {}
    for number, line in enumerate((ROOT / ".ci/rows").read_text().splitlines(), 1):
        text, _, reason = line.partition("#")
        words = text.split()
        if not words:
            continue
        row, runtimes = words[0], tuple(words[1:])
        where = f".ci/rows:{number}"
        if not ROW_ID.fullmatch(row):
            sys.exit(f"coverage: {where}: '{row}' is not a row's id")
        if row in wanted:
            sys.exit(f"coverage: {where}: {row} is there twice")
        unknown = set(runtimes) - set(RUNTIMES)
        if unknown:
            sys.exit(f"coverage: {where}: no runtime is called {', '.join(sorted(unknown))}")
        if runtimes and not reason.strip():
            sys.exit(f"coverage: {where}: {row} is only on some runtimes, and the line does not say why")
        wanted[row] = runtimes or RUNTIMES
    return wanted


def rows_of_contract():
    """The ids that docs/CONTRACT.md gives to its rows."""
    text = (ROOT / "docs/CONTRACT.md").read_text()
    return set(re.findall(rf"^\|\s*({ROW_ID.pattern})\s*\|", text, re.MULTILINE))


def test_binaries():
    """The test binaries of the crate with the contract. Built with all others, for what has been built is built then."""
    command = ["cargo", "test", "--workspace", "--no-run", "--quiet", "--message-format=json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"coverage: `{' '.join(command)}` failed with exit status {done.returncode}")
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    binaries = [
        message["executable"]
        for message in messages
        if message.get("executable") and message.get("manifest_path") == str(ROOT / "tests/Cargo.toml")
    ]
    if not binaries:
        sys.exit("coverage: the crate in tests/ has no test binaries, or cargo does not name them")
    return binaries


def tests_listed(binaries, *words):
    """The names that the test binaries give when asked with `words`."""
    names = []
    for binary in binaries:
        done = subprocess.run([binary, "--list", *words], stdout=subprocess.PIPE, text=True, cwd=ROOT / "tests")
        if done.returncode != 0:
            sys.exit(f"coverage: `{binary} --list` failed with exit status {done.returncode}")
        names += [line.removesuffix(": test") for line in done.stdout.splitlines() if line.endswith(": test")]
    return names


def main():
    wanted, contract = rows_wanted(), rows_of_contract()
    found = {}
    binaries = test_binaries()
    names = tests_listed(binaries)
    for name in names:
        match = TEST.match(name)
        if match:
            found.setdefault(match["row"], {}).setdefault(match["runtime"], []).append(name)

    wrong = [f"{name} is ignored; a row that does not hold is not released" for name in tests_listed(binaries, "--ignored")]
    wrong += [f".ci/rows names {row}, which is no row of docs/CONTRACT.md" for row in wanted if row not in contract]
    wrong += [
        f"{name} names {row}, which is no row of docs/CONTRACT.md"
        for row, by_runtime in found.items()
        if row not in contract
        for tests in by_runtime.values()
        for name in tests
    ]

    print(f"{'row':<5}" + "".join(f"{runtime:>10}" for runtime in RUNTIMES))
    for row in sorted(wanted.keys() | found.keys()):
        cells = ""
        for runtime in RUNTIMES:
            count = len(found.get(row, {}).get(runtime, ()))
            needed = runtime in wanted.get(row, ())
            cells += f"{count if count or needed else '-':>10}"
            if needed and not count:
                wrong.append(f"{row} has no test on {runtime}")
        print(f"{row:<5}{cells}{'' if row in wanted else '    (not asked for in .ci/rows)'}")
    print(f"{len(wanted)} of {len(contract)} rows are asked for; {len(names)} tests in all")

    for sentence in wrong:
        print(f"coverage: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
