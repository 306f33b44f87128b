//! Counting instructions: this very program under valgrind, doing one operation a few times and three times as often. The
//! difference is what the operation takes, without what it takes to begin.
//!
//! Instructions do not depend on who else uses the machine. They say nothing of caches, system calls and waiting; where
//! several threads take part they vary with who gets how far. What other processes do is not counted. Where a thread asks for
//! its own processor time (P6, "four threads"), valgrind has no answer, and there is no count.

use std::env;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::bench::Bench;

/// What one peer executes for one unit.
pub(crate) struct Counted {
    pub(crate) peer: &'static str,
    pub(crate) instructions: f64,
}

/// Counts what each peer of `bench` executes at `n` units per operation.
pub(crate) fn compare(bench: &Bench, n: usize) -> io::Result<Vec<Counted>> {
    let program = env::current_exe()?;
    let peers = (bench.peers)(n).into_iter().map(|peer| peer.name);
    peers.map(|peer| Ok(Counted { peer, instructions: per_unit(&program, bench, peer, n)? })).collect()
}

/// What one unit of `peer` takes in `program`, which is this one or was built from the same source.
pub(crate) fn per_unit(program: &Path, bench: &Bench, peer: &str, n: usize) -> io::Result<f64> {
    // Short operations are repeated until what differs from run to run is small beside them.
    let few = 2000_usize.div_ceil(n).max(2);
    let (begun, few_units) = count(program, bench, peer, n, few)?;
    let (all, units) = count(program, bench, peer, n, 3 * few)?;
    Ok((all - begun) / (units - few_units))
}

/// How many instructions so many operations take, and how many units they have.
fn count(program: &Path, bench: &Bench, peer: &str, n: usize, times: usize) -> io::Result<(f64, f64)> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    valgrind.args(["one", bench.name, peer, &n.to_string(), "--times", &times.to_string(), "--case", bench.case]);
    let output = valgrind.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(
            error.kind(),
            "valgrind is not installed: it is what counts the instructions (Debian: apt-get install valgrind)",
        ),
        _ => error,
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    let units = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    match (collected, units) {
        (Some(instructions), Some(units)) if output.status.success() => Ok((instructions, units)),
        _ => Err(io::Error::other(format!("valgrind ended with {}:\n{said}", output.status))),
    }
}
