//! SIGINT and SIGTERM. One test only: a signal is the whole process's.
#![cfg(unix)]

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::process::{Signal as Kernel, getpid, kill_process};
use scope_tokio::{Signal, Signals};

const HANG: Duration = Duration::from_secs(20);

fn send(signal: Kernel) {
    kill_process(getpid(), signal).unwrap();
}

fn nothing_came(signals: &mut Signals) -> bool {
    signals.poll_next(&mut Context::from_waker(Waker::noop())) == Poll::Pending
}

async fn next(signals: &mut Signals) -> Signal {
    tokio::time::timeout(HANG, signals.next()).await.expect("no signal came")
}

#[test]
fn signals_are_told_to_every_listener_and_do_not_end_the_process() {
    assert!(Signals::new().is_err(), "outside of a runtime");
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = bare.block_on(async { Signals::new().unwrap_err() });
    assert!(error.to_string().contains("enable_io"), "{error}");
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(told());
}

async fn told() {
    let mut first = Signals::new().unwrap();
    assert!(nothing_came(&mut first));
    send(Kernel::TERM);
    assert_eq!(next(&mut first).await, Signal::Terminate);
    assert!(nothing_came(&mut first), "each is reported once");

    let mut second = Signals::new().unwrap();
    send(Kernel::INT);
    assert_eq!(next(&mut second).await, Signal::Interrupt);
    assert_eq!(next(&mut first).await, Signal::Interrupt, "every listener is told");

    // Sent while nobody waits.
    send(Kernel::INT);
    send(Kernel::TERM);
    let mut both = [next(&mut first).await, next(&mut first).await];
    both.sort_by_key(|signal| *signal == Signal::Terminate);
    assert_eq!(both, [Signal::Interrupt, Signal::Terminate]);

    // The second Ctrl-C, after the first was seen.
    drop(second);
    send(Kernel::INT);
    assert_eq!(next(&mut first).await, Signal::Interrupt);

    // Nobody listens, and the process lives.
    drop(first);
    send(Kernel::INT);
    send(Kernel::TERM);
    let mut third = Signals::new().unwrap();
    send(Kernel::TERM);
    // tokio tells the listeners that exist when its driver gets round to it.
    while next(&mut third).await != Signal::Terminate {}
    assert_eq!([Signal::Interrupt, Signal::Terminate].map(|s| s.to_string()), ["SIGINT", "SIGTERM"]);
}
