//! SIGINT and SIGTERM. One test only: a signal is the whole process's.
#![cfg(unix)]

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::process::{Signal as Kernel, getpid, kill_process};
use scope_smol::{Signal, Signals};

const HANG: Duration = Duration::from_secs(20);

fn send(signal: Kernel) {
    kill_process(getpid(), signal).unwrap();
}

fn nothing_came(signals: &mut Signals) -> bool {
    signals.poll_next(&mut Context::from_waker(Waker::noop())) == Poll::Pending
}

async fn next(signals: &mut Signals) -> Signal {
    let hang = async {
        async_io::Timer::after(HANG).await;
        panic!("no signal came");
    };
    futures_lite::future::or(signals.next(), hang).await
}

#[test]
fn signals_are_told_to_every_listener_and_do_not_end_the_process() {
    // Once with the reactor on this thread, once on async-io's own.
    async_io::block_on(told());
    futures_lite::future::block_on(told());
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
    assert!(nothing_came(&mut third), "what came before does not count");
    send(Kernel::TERM);
    assert_eq!(next(&mut third).await, Signal::Terminate);
    assert_eq!([Signal::Interrupt, Signal::Terminate].map(|s| s.to_string()), ["SIGINT", "SIGTERM"]);
}
