#!/usr/bin/env python3
"""Plants faults in scope-core, and asks whether the tests notice.

usage: faults.py                    every fault of tests/faults/*.toml: each has to be caught
       faults.py NAME...            only these
       faults.py --stale            only looks whether each fault still fits the source; builds nothing
       faults.py --hunt NAME...     which tests catch these, of all on the deterministic runtime, in the binaries built
       faults.py --random PROGRAMS [NAME...]
                                    which faults so many random programs catch, without the rows' tests

A copy of the tree, under $CARGO_TARGET_DIR/faults, gets all faults at once, each behind a switch that one environment
variable turns on. So the tests are built once; those on the deterministic runtime only, where a deadlock is a failure at
once and time is free. First they run without a fault and have to pass; then once for each, and have to fail: by a failed
test, a crash, or a hang, which is ended after --patience seconds (default 20).

An entry of tests/faults/*.toml:

    [[fault]]
    name = "finalizers_first_in_first_out"      # of the switch, and of the fault here
    rows = ["f01"]                              # what it breaks
    why = "A sentence: what is wrong then."
    caught_by = { finalizers = ["det::f01_runs_last_in_first_out"] }    # binary: tests, each of which has to fail
    [[fault.edit]]
    find = "..."                                # occurs exactly once in scope-core/src
    file = "adopt.rs"                           # if it is wanted only there
    plant = "..."                               # what stands there with the fault: both become the arms of an `if`
    whole = "... {planted} ..."                 # or this: the whole new text, with the switch where it says so
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = pathlib.Path("scope-core/src")
CASES = pathlib.Path("tests/src/on_every_runtime.rs")
VARIABLE = "SCOPE_FAULT"
SWITCH = """//! Which fault is on: see .ci/faults.py.

use std::sync::OnceLock;

pub(crate) fn on(name: &str) -> bool {
    static ON: OnceLock<String> = OnceLock::new();
    ON.get_or_init(|| std::env::var("%s").unwrap_or_default()) == name
}
""" % VARIABLE


class Stale(Exception):
    """A fault that does not fit the tree any more."""


def read_faults():
    """All entries, in order, looked through for what is missing in them."""
    faults = []
    for path in sorted((ROOT / "tests/faults").glob("*.toml")):
        with path.open("rb") as file:
            for fault in tomllib.load(file)["fault"]:
                where = f"{path.name}: {fault.get('name', '(no name)')}"
                missing = {"name", "rows", "why", "caught_by", "edit"} - fault.keys()
                if missing:
                    sys.exit(f"faults: {where}: there is no {', '.join(sorted(missing))}")
                if not re.fullmatch(r"[a-z0-9_]+", fault["name"]):
                    sys.exit(f"faults: {where}: a name is small letters, digits and underscores")
                if not fault["rows"] or not any(fault["caught_by"].values()):
                    sys.exit(f"faults: {where}: a fault breaks a row, and a test catches it")
                for edit in fault["edit"]:
                    if "find" not in edit or ("plant" in edit) == ("whole" in edit):
                        sys.exit(f"faults: {where}: an edit has a find, and either plant or whole")
                    if "whole" in edit and "{planted}" not in edit["whole"]:
                        sys.exit(f"faults: {where}: `whole` has no {{planted}}, so the fault could not be turned off")
                faults.append(fault)
    names = [fault["name"] for fault in faults]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        sys.exit(f"faults: there twice: {', '.join(sorted(twice))}")
    rows = set(re.findall(r"^\|\s*([tcnofsv]\d\d)\s*\|", (ROOT / "docs/CONTRACT.md").read_text(), re.MULTILINE))
    for fault in faults:
        if unknown := set(fault["rows"]) - rows:
            sys.exit(f"faults: {fault['name']}: the contract has no row {', '.join(sorted(unknown))}")
    return faults


def plant(faults, base):
    """The changed files, by their paths in scope-core/src, with all faults in them."""
    source = {str(path.relative_to(base / SOURCE)): path.read_text() for path in sorted((base / SOURCE).rglob("*.rs"))}
    changes = {}
    stale = []
    for fault in faults:
        on = f'crate::planted::on("{fault["name"]}")'
        for edit in fault["edit"]:
            find = edit["find"]
            # Files are split and renamed more often than such lines change: so all are searched.
            found = [name for name, text in source.items() for _ in range(text.count(find))]
            if "file" in edit:
                found = [name for name in found if name == edit["file"]]
            if len(found) != 1:
                where = f" ({', '.join(found)})" if found else ""
                stale.append(f"{fault['name']}: this is there {len(found)} times{where}, not once: {find!r}")
                continue
            if "whole" in edit:
                new = edit["whole"].replace("{planted}", on)
            else:
                new = f"if {on} {{ {edit['plant']} }} else {{ {find} }}"
            at = source[found[0]].index(find)
            changes.setdefault(found[0], []).append((at, at + len(find), new, fault["name"]))
    for name, edits in changes.items():
        edits.sort()
        for (_, end, _, one), (begin, _, _, other) in zip(edits, edits[1:]):
            if begin < end:
                stale.append(f"{one} and {other} change the same place of {SOURCE / name}")
    if stale:
        raise Stale("\n".join(stale))
    changed = {}
    for name, edits in changes.items():
        text = source[name]
        for begin, end, new, _ in reversed(edits):
            text = text[:begin] + new + text[end:]
        changed[name] = text
    changed["planted.rs"] = SWITCH
    changed["lib.rs"] = changed.get("lib.rs", source["lib.rs"]) + "\nmod planted;\n"
    return changed


def only_deterministic():
    """The macro that makes five tests of a case, making one: a fifth of the time to build."""
    text = (ROOT / CASES).read_text()
    others = re.compile(r"^ *\$crate::on_every_runtime!\(@on (?:tokio_ct|tokio_mt|tokio_own|smol) .*;\n", re.MULTILINE)
    less, count = others.subn("", text)
    if count != 4:
        sys.exit(f"faults: {CASES} is not what it was: {count} of 4 runtimes found to be left out")
    return less


def copy_tree(scratch, changed):
    """Brings the copy up to date. What is the same there keeps its time, so that it is not built again."""
    listed = subprocess.run(["git", "ls-files", "-z"], stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout
    wanted = {name: ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    new = {name: path.read_bytes() for name, path in wanted.items()}
    new |= {str(SOURCE / name): text.encode() for name, text in changed.items()}
    new[str(CASES)] = only_deterministic().encode()
    for path in sorted(scratch.rglob("*"), reverse=True):
        if path.is_file() and str(path.relative_to(scratch)) not in new:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    for name, content in new.items():
        path = scratch / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if name in wanted:
                shutil.copymode(wanted[name], path)


def build(scratch, binaries):
    """The test binaries, by name."""
    command = ["cargo", "test", "--workspace", "--no-run", "--locked", "--quiet"]
    # The whole workspace, as elsewhere in the gate: the same features, so that what it depends on is not built again.
    command += ["--message-format=json-render-diagnostics"]
    for binary in sorted(binaries):
        command += ["--test", binary]
    # It is built once: nothing will build upon it.
    environment = os.environ | {"CARGO_INCREMENTAL": "0"}
    pipe = subprocess.PIPE
    done = subprocess.run(command, stdout=pipe, stderr=pipe, text=True, cwd=scratch, env=environment)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        sys.exit(f"faults: with the faults planted it does not build: exit status {done.returncode}")
    found = {}
    for line in done.stdout.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            if message["target"]["name"] in binaries:
                found[message["target"]["name"]] = message["executable"]
    if missing := set(binaries) - found.keys():
        sys.exit(f"faults: there is no test binary {', '.join(sorted(missing))}")
    return found


def run(executable, arguments, fault, patience, directory, more=None):
    """Runs a test binary: its exit status, None where it hung, and what it printed."""
    environment = os.environ | {VARIABLE: fault, "RUST_BACKTRACE": "0"} | (more or {})
    process = subprocess.Popen(
        [executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=directory,
        env=environment,
        # A group of its own, so that what a test starts ends with it.
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=patience)
        return process.returncode, printed
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
        return None, printed


def word_for(status, printed):
    if status is None:
        return "hung"
    if status != 101:
        return f"crashed ({status})"
    # What the deterministic runtime says of a hang.
    return "deadlocked" if "deadlock: no task is ready" in printed else "failed"


def tests_of(executable, directory):
    status, printed = run(executable, ["--list", "--format=terse"], "", 60, directory)
    if status != 0:
        sys.exit(f"faults: {executable} does not list its tests:\n{printed}")
    return [line.removesuffix(": test") for line in printed.splitlines() if line.endswith(": test")]


RESULT = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (\w+)", re.MULTILINE)


def results(printed):
    """Which tests passed and which failed."""
    passed, failed = set(), set()
    for name, result in RESULT.findall(printed):
        (passed if result == "ok" else failed).add(name)
    return passed, failed


def catch(fault, executables, options, directory):
    """How the tests of one fault take it: a word, and whether that is caught."""
    hows = []
    for binary, tests in fault["caught_by"].items():
        # One process for each: a test that hangs or crashes takes the others of its process with it.
        for test in tests:
            status, printed = run(executables[binary], ["--exact", test], fault["name"], options.patience, directory)
            if status == 0:
                return f"NOT CAUGHT by {test}", False
            hows.append(word_for(status, printed))
    return ", ".join(sorted(set(hows))), True


def check_sound(executables, faults, options, directory):
    """Without a fault the named tests exist, and pass."""
    wanted = {}
    for fault in faults:
        for binary, tests in fault["caught_by"].items():
            wanted.setdefault(binary, set()).update(tests)
    bad = []
    for binary, tests in sorted(wanted.items()):
        for name in sorted(tests - set(tests_of(executables[binary], directory))):
            bad.append(f"{binary} has no test {name}")
        status, printed = run(executables[binary], ["--exact", *sorted(tests)], "", 20 * options.patience, directory)
        if status != 0:
            _, failed = results(printed)
            print(printed)
            bad.append(f"{binary} without a fault: {', '.join(sorted(failed)) or status or 'hung'}")
    if bad:
        sys.exit("faults: " + "\n".join(bad))
    return sum(len(tests) for tests in wanted.values())


def hunt(fault, executables, options, directory):
    """Prints which of all tests on the deterministic runtime catch a fault."""
    print(f"{fault['name']}:")
    tests = [
        (binary, executable, test)
        for binary, executable in sorted(executables.items())
        for test in tests_of(executable, directory)
        if "det::" in test
    ]

    def try_one(one):
        binary, executable, test = one
        status, printed = run(executable, ["--exact", test], fault["name"], options.patience, directory)
        return f"  {binary} {test} {word_for(status, printed)}" if status != 0 else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for line in pool.map(try_one, tests):
            if line:
                print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--stale", action="store_true")
    parser.add_argument("--hunt", action="store_true")
    parser.add_argument("--random", type=int, metavar="PROGRAMS")
    parser.add_argument("--patience", type=float, default=20, metavar="SECONDS")
    parser.add_argument("--binaries", help="for --hunt: these, instead of those that the faults name")
    options = parser.parse_args()

    faults = read_faults()
    try:
        # All are planted, whichever are asked for: so the build is the same.
        changed = plant(faults, ROOT)
    except Stale as stale:
        sys.exit(f"faults: these do not fit the source any more; change them in tests/faults:\n{stale}")
    if options.stale:
        print(f"{len(faults)} faults fit the source.")
        return
    chosen = [fault for fault in faults if not options.names or fault["name"] in options.names]
    if unknown := set(options.names) - {fault["name"] for fault in faults}:
        sys.exit(f"faults: no fault is called {', '.join(sorted(unknown))}")

    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    # Of its own: cargo tells crates of the same name in two trees apart by where they lie in the tree, so in one target
    # directory the planted core would be taken for the right one.
    os.environ["CARGO_TARGET_DIR"] = str(target / "faults-build")
    scratch = target / "faults"
    scratch.mkdir(parents=True, exist_ok=True)
    copy_tree(scratch, changed)
    binaries = {binary for fault in faults for binary in fault["caught_by"]}
    if options.random:
        binaries = {"random"}
    elif options.binaries:
        binaries = set(options.binaries.split(","))
    begun = time.monotonic()
    executables = build(scratch, binaries)
    print(f"{len(faults)} faults planted; built in {time.monotonic() - begun:.0f} s", flush=True)
    # Where cargo runs tests.
    directory = scratch / "tests"

    if options.hunt:
        for fault in chosen:
            hunt(fault, executables, options, directory)
        return

    if options.random:
        programs = {"SCOPE_RANDOM_PROGRAMS": str(options.random)}
        campaign = ["--exact", "campaign_keeps_the_contract"]
        status, printed = run(executables["random"], campaign, "", 60 * options.patience, directory, programs)
        if status != 0:
            sys.exit(f"faults: the random programs fail without a fault:\n{printed}")
    else:
        count = check_sound(executables, faults if not options.names else chosen, options, directory)
        print(f"{count} tests pass without a fault ({time.monotonic() - begun:.0f} s)", flush=True)

    free = []
    width = max(len(fault["name"]) for fault in chosen)
    for fault in chosen:
        at = time.monotonic()
        if options.random:
            patience = 6 * options.patience
            status, printed = run(executables["random"], campaign, fault["name"], patience, directory, programs)
            caught = status != 0
            how = word_for(status, printed) if caught else "not caught"
            by = "random programs"
        else:
            how, caught = catch(fault, executables, options, directory)
            by = ", ".join(f"{binary} {test}" for binary, tests in fault["caught_by"].items() for test in tests)
        if not caught:
            free.append(fault["name"])
        took = time.monotonic() - at
        print(f"{fault['name']:{width}}  {' '.join(fault['rows']):11}  {how:12} {took:5.1f} s  {by}", flush=True)
    print(f"{len(chosen) - len(free)} of {len(chosen)} faults caught, {time.monotonic() - begun:.0f} s")
    # What random programs do not catch is for the rows' tests.
    if free and not options.random:
        sys.exit(f"faults: not caught: {', '.join(free)}")


if __name__ == "__main__":
    main()
