//! Looking for marked processes.

use std::process::{Command, Stdio};

use scope_process::{OwnerId, marked, marked_by};

use crate::alone::alone;
use crate::oracle;
use crate::runtimes::on_each;
use crate::servers::{self, sh};

#[test]
fn a_scan_finds_what_is_marked_and_nothing_else() {
    alone("scanning::a_scan_finds_what_is_marked_and_nothing_else", || {
        on_each(async |rt| {
            assert_eq!(marked().unwrap(), []);
            let mut process = sh(servers::LEAVES_A_CHILD).spawn(&rt).unwrap();
            let mut suspect = crate::oracle::Suspect::new(&mut process);
            suspect.says("ready").await;
            let count = || marked().unwrap().len();
            while count() < 3 {
                futures_lite::future::yield_now().await;
            }
            let found = marked().unwrap();
            let mut pids: Vec<u32> = found.iter().map(|straggler| straggler.pid).collect();
            let mut expected = oracle::of_child(process.number());
            pids.sort_unstable();
            expected.sort_unstable();
            assert_eq!(pids, expected);
            assert!(found.iter().all(|straggler| straggler.child == Some(process.number())), "{found:?}");
            assert!(found.iter().all(|straggler| straggler.group == process.id()), "{found:?}");
            process.close().await;
            assert_eq!(marked().unwrap(), []);
        });
    });
}

#[test]
fn a_scan_finds_the_processes_of_another_owner() {
    let other: OwnerId = "00112233445566778899aabbccddeeff".parse().unwrap();
    let mut planted =
        Command::new("sleep").arg("1000").env(other.variable(), "no number").stdin(Stdio::null()).spawn().unwrap();
    let found = marked_by(other).unwrap();
    planted.kill().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].pid, found[0].comm.as_str(), found[0].child), (planted.id(), "sleep", None));
    assert!(marked().unwrap().iter().all(|straggler| straggler.pid != planted.id()));
    // Dead and not reaped: a zombie does not count.
    while oracle::state(planted.id()).unwrap().0 != 'Z' {
        std::thread::yield_now();
    }
    assert_eq!(marked_by(other).unwrap(), []);
    planted.wait().unwrap();
}

#[test]
fn a_scan_is_quick_enough_to_be_done_at_every_close() {
    let start = std::time::Instant::now();
    for _ in 0..10 {
        marked().unwrap();
    }
    let each = start.elapsed() / 10;
    println!("a scan took {each:?}");
    // A bound for a slow and busy machine: an accident, such as reading it all twice, would still show.
    assert!(each < std::time::Duration::from_secs(1), "{each:?}");
}
