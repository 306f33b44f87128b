//! The one case.

use std::task::{Context, Poll, Waker};

use futures_lite::future::or;
use scope_tests::HANG_BOUND;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::raise;

use crate::adapter::{Signal, Signals};

/// To this thread, so that it has been handled when this returns. The kernel would give what is sent to the process to a
/// thread of its choosing, at a time of its choosing.
fn send(signal: i32) {
    raise(signal).unwrap();
}

fn nothing_came(signals: &mut Signals) -> bool {
    signals.poll_next(&mut Context::from_waker(Waker::noop())) == Poll::Pending
}

async fn next(signals: &mut Signals) -> Signal {
    let hang = async {
        async_io::Timer::after(HANG_BOUND).await;
        panic!("no signal came");
    };
    or(signals.next(), hang).await
}

pub(crate) async fn told() {
    let mut first = Signals::new().unwrap();
    assert!(nothing_came(&mut first));
    send(SIGTERM);
    assert_eq!(next(&mut first).await, Signal::Terminate);
    assert!(nothing_came(&mut first), "each is reported once");

    let mut second = Signals::new().unwrap();
    send(SIGINT);
    assert_eq!(next(&mut second).await, Signal::Interrupt);
    assert_eq!(next(&mut first).await, Signal::Interrupt, "every listener is told");

    // Sent while nobody waits.
    send(SIGINT);
    send(SIGTERM);
    let mut both = [next(&mut first).await, next(&mut first).await];
    both.sort_by_key(|signal| *signal == Signal::Terminate);
    assert_eq!(both, [Signal::Interrupt, Signal::Terminate]);

    // The second Ctrl-C, after the first was seen.
    drop(second);
    send(SIGINT);
    assert_eq!(next(&mut first).await, Signal::Interrupt);

    // Nobody listens, and the process lives.
    drop(first);
    send(SIGINT);
    send(SIGTERM);
    let mut third = Signals::new().unwrap();
    if crate::FORGETS_AT_ONCE {
        assert!(nothing_came(&mut third), "what came before does not count");
    }
    send(SIGTERM);
    let mut told = next(&mut third).await;
    while !crate::FORGETS_AT_ONCE && told != Signal::Terminate {
        told = next(&mut third).await;
    }
    assert_eq!(told, Signal::Terminate);
    assert_eq!([Signal::Interrupt, Signal::Terminate].map(|s| s.to_string()), ["SIGINT", "SIGTERM"]);
}
