#!/usr/bin/env python3
"""The dependency rule: which crate of the workspace may know which, and where no runtime may show.

Two kinds of checks. The arrows between our own crates come from `cargo metadata`, all features and targets
included. What a crate drags in from elsewhere comes from `cargo tree`, because only the resolver knows that.
"""

import json
import subprocess
import sys

# What a crate may depend on within the workspace, for its users (normal and build dependencies). A crate that is not
# here is an error: put it in, with a thought.
ARROWS = {
    "scope-core": set(),
    "scope-tokio": {"scope-core"},
    "scope-smol": {"scope-core"},
    "scope-test": {"scope-core"},
    "scope-process": {"scope-core"},
    "scope-mcp-judge": set(),
    "scope-mcp": {"scope-core", "scope-process"},
    "scope-mcp-rmcp": {"scope-core", "scope-tokio", "scope-process", "scope-mcp"},
    "scope-mcp-cli": {"scope-core", "scope-tokio", "scope-smol", "scope-process", "scope-mcp"},
}

# For its own tests a crate may also use what lies in a layer below it: scope-process needs a runtime to be tried on.
# Never one above or beside it.
LAYERS = [
    {"scope-core"},
    {"scope-tokio", "scope-smol", "scope-test"},
    {"scope-process", "scope-mcp-judge"},
    {"scope-mcp"},
    {"scope-mcp-rmcp", "scope-mcp-cli"},
]

# These stand on top of everything; nothing stands on them.
TOP = {"conformance", "examples", "scope-tests", "benches", "fuzz"}

# Crates seen together (as a user would have them in one program), and what their tree may not show.
NOT_IN_TREE = [
    (["scope-core"], {"tokio", "async-io", "async-executor", "smol", "async-process", "serde", "serde_json", "rustix"}),
    (["scope-tokio"], {"async-io", "async-executor", "smol", "async-process"}),
    (["scope-smol"], {"tokio"}),
    (["scope-test"], {"tokio", "async-io", "async-executor", "smol"}),
    (["scope-process"], {"tokio", "async-executor", "smol", "scope-tokio", "scope-smol", "scope-test"}),
    (["scope-mcp"], {"tokio", "async-executor", "smol", "scope-tokio", "scope-smol", "scope-test", "rmcp"}),
    (["scope-mcp", "scope-smol"], {"tokio", "scope-tokio", "rmcp"}),
]


def cargo(*words):
    done = subprocess.run(["cargo", *words], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"arrows: `cargo {' '.join(words)}` failed with exit status {done.returncode}")
    return done.stdout


def layer(name):
    return next((i for i, names in enumerate(LAYERS) if name in names), len(LAYERS))


def our_arrows(members):
    """Yields a sentence for each arrow between our crates that should not be."""
    for package in members.values():
        name = package["name"]
        if name not in ARROWS and name not in TOP:
            yield f"{name} is not in the table of .ci/arrows.py: say there what it may depend on"
            continue
        for dependency in package["dependencies"]:
            other = dependency["name"]
            if other not in members:
                continue
            kind = dependency["kind"] or "normal"
            if other in TOP:
                yield f"{name} depends on {other} ({kind}), on which nothing may stand"
            elif name in TOP:
                continue
            elif kind == "dev":
                if layer(other) >= layer(name):
                    yield f"{name} depends on {other} in its tests, which is not below it"
            elif other not in ARROWS[name]:
                yield f"{name} depends on {other} ({kind}), and may not"


def foreign_crates(members):
    """Yields a sentence for each crate that shows where it may not."""
    for roots, banned in NOT_IN_TREE:
        if not all(root in members for root in roots):
            yield f"cannot look at the tree of {' + '.join(roots)}: it is not in the workspace"
            continue
        picked = [word for root in roots for word in ("-p", root)]
        tree = cargo(
            "tree", "--locked", *picked, "-e", "normal,build", "--all-features", "--target", "all",
            "--prefix", "none", "--format", "{p}",
        )
        names = {line.split()[0] for line in tree.splitlines() if line.strip()}
        missing = set(roots) - names
        if missing:
            yield f"the tree of {' + '.join(roots)} does not show {', '.join(sorted(missing))}: this check sees nothing"
        for name in sorted(names & banned):
            yield f"{' + '.join(roots)} shows {name}; to see how: cargo tree {' '.join(picked)} -e normal -i {name}"
        print(f"{' + '.join(roots):<24} {len(names):>3} crates, none of: {', '.join(sorted(banned))}")


def main():
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked", "--no-deps"))
    members = {package["name"]: package for package in metadata["packages"]}
    wrong = [*our_arrows(members), *foreign_crates(members)]
    for sentence in wrong:
        print(f"arrows: {sentence}", file=sys.stderr)
    if wrong:
        return 1
    print(f"{len(members)} crates, every arrow points down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
