# `just` lists these. Nothing needs just: each recipe is one or two commands to copy.

# What there is.
default:
    @just --list

# Every test. Real peers are skipped, and say so, until `just peers` has installed them.
test *args:
    cargo test --workspace {{ args }}

# Formats.
fmt:
    cargo fmt --all

# What a reviewer would say first: format, dependency rule, lints, docs.
check:
    .ci/run fmt arrows clippy doc

# Installs the real MCP servers (npm, PyPI) for the tests into target/peers.
peers *args:
    tests/peers/install {{ args }}

# The tests against the real servers alone.
real-peers *args: peers
    SCOPE_REQUIRE_PEERS=1 cargo test -p scope-tests --test real_peers -- {{ args }}

# Row by row of the contract: how many tests on which runtime.
rows:
    .ci/run coverage

# The program's tour; `just demo --runtime smol` for the other runtime.
demo *args:
    cargo run --release -- demo {{ args }}

# The docs, for reading.
doc:
    cargo doc --workspace --no-deps --open

# Everything that CI runs; or some of it: `just gate clippy doc`.
gate *steps:
    .ci/run {{ steps }}
