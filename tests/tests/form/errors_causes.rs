//! e12: matching on who failed, who panicked, what was cancelled or timed out; and what an error prints.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_lite::FutureExt;
use futures_lite::future::block_on;
use scope_core::{CancelCause, Cause, Nursery, ScopeError, Spawns, nursery, nursery_infallible, try_nursery};

use super::harness::{assert_send, everywhere, on_runtimes, turn};

#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    Disk,
    Network,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Disk => "disk trouble",
            Trouble::Network => "network trouble",
        })
    }
}

impl Error for Trouble {}

/// Runs a nursery in which things go wrong as asked, and says who did it.
async fn who(disk: bool, network: bool, cancel: bool) -> String {
    let out = try_nursery(async |n: &Nursery<'_, '_, Trouble>| {
        n.task("disk").spawn_local(async {
            turn().await;
            if disk { Err(Trouble::Disk) } else { Ok(()) }
        });
        n.task("network").spawn_local(async {
            turn().await;
            turn().await;
            if network { Err(Trouble::Network) } else { Ok(()) }
        });
        for _ in 0..4 {
            turn().await;
        }
        if cancel {
            n.cancel("not needed");
            turn().await;
        }
        Ok(())
    })
    .named("device")
    .await;
    match out {
        Ok(()) => "nobody".to_owned(),
        Err(error) => match error.cause() {
            Cause::Failed(Trouble::Disk) => format!("the disk, at {}", error.leaves()[0].path()),
            Cause::Failed(Trouble::Network) => {
                format!("the network, at {}", error.leaves()[0].path())
            }
            Cause::Cancelled(reason) => format!("cancelled: {}", reason.text()),
            other => format!("unexpected: {other}"),
        },
    }
}

#[test]
fn e12_who_failed() {
    assert_send(&who(true, true, true));
    everywhere(async || who(false, false, false).await, "nobody".to_owned());
    everywhere(async || who(true, true, false).await, "the disk, at device > disk".to_owned());
    everywhere(async || who(false, true, false).await, "the network, at device > network".to_owned());
    everywhere(async || who(false, false, true).await, "cancelled: not needed".to_owned());
}

#[test]
fn e12_cancelled_is_no_leaf() {
    let program = async || {
        let error = nursery(async |n| -> Result<(), _> {
            n.cancel("changed my mind");
            loop {
                turn().await;
            }
        })
        .named("search")
        .await
        .unwrap_err();
        let reason = error.reason().unwrap();
        assert!(error.is_cancelled() && !error.is_timed_out());
        assert_eq!((reason.cause(), reason.text()), (CancelCause::Explicit, "changed my mind"));
        assert_eq!(reason.location().file(), file!());
        assert_eq!(reason.scope().name(), Some("search"));
        error.leaves().len()
    };
    assert_send(&program());
    everywhere(program, 0);
}

#[test]
fn e12_timed_out() {
    let program = async || {
        let error = nursery(async |n| {
            n.spawn_local(std::future::pending());
            std::future::pending::<Result<(), _>>().await
        })
        .named("slow")
        .timeout(Duration::from_millis(1))
        .await
        .unwrap_err();
        let by = match error.cause() {
            Cause::TimedOut(reason) => reason.cause(),
            other => panic!("not timed out: {other:?}"),
        };
        (error.is_timed_out(), error.is_cancelled(), by, error.leaves().len())
    };
    assert_send(&program());
    on_runtimes(program, (true, false, CancelCause::Deadline, 0));
}

/// A body that has ended at once does not make a success of children that were cut short.
#[test]
fn e12_timed_out_after_the_body_has_ended() {
    let program = async || {
        let late = |parallel: bool| {
            nursery(async move |n| {
                if parallel {
                    n.spawn_erased(std::future::pending());
                } else {
                    n.spawn_local(std::future::pending());
                }
                Ok(())
            })
            .timeout(Duration::from_millis(1))
        };
        let in_time = nursery(async |n| {
            n.spawn_local(async {
                turn().await;
                Ok(())
            });
            Ok(())
        });
        (
            late(false).await.unwrap_err().is_timed_out(),
            late(true).await.unwrap_err().is_timed_out(),
            in_time.timeout(Duration::from_secs(3600)).await.is_ok(),
        )
    };
    assert_send(&program());
    on_runtimes(program, (true, true, true));
}

#[test]
fn e12_a_panic_that_comes_first_is_resumed_in_the_owner() {
    let program = async || {
        let resumed = AssertUnwindSafe(nursery(async |n| {
            n.spawn_local(async {
                turn().await;
                panic!("child's panic")
            });
            n.spawn_local(std::future::pending());
            std::future::pending::<Result<(), _>>().await
        }))
        .catch_unwind()
        .await;
        let in_body = AssertUnwindSafe(nursery(async |n| -> Result<(), _> {
            n.spawn_local(std::future::pending());
            turn().await;
            panic!("body's panic")
        }))
        .catch_unwind()
        .await;
        let infallible = AssertUnwindSafe(nursery_infallible(async |n| {
            n.run_local(async { panic!("cannot fail") });
            std::future::pending::<()>().await
        }))
        .catch_unwind()
        .await;
        [resumed.map(drop), in_body.map(drop), infallible.map(drop)]
            .map(|out| *out.unwrap_err().downcast_ref::<&'static str>().unwrap())
    };
    assert_send(&program());
    everywhere(program, ["child's panic", "body's panic", "cannot fail"]);
}

#[test]
fn e12_a_panic_after_a_failure_is_a_leaf() {
    /// Panics in its destructor: when its task is cancelled by the failure.
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            panic!("while cancelled");
        }
    }
    let program = async || {
        let error = nursery(async |n| {
            n.task("guard").spawn_local(async {
                let _late = Late;
                std::future::pending().await
            });
            n.task("first").spawn_local(async {
                turn().await;
                Err("first cause")?
            });
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(matches!(error.cause(), Cause::Failed(_)), "{error:?}");
        let panicked = error.leaves().iter().find_map(|leaf| match leaf.cause() {
            Cause::Panicked(payload) => Some((leaf.path().names().pop(), payload.message().to_owned())),
            _ => None,
        });
        (error.leaves().len(), panicked.unwrap())
    };
    assert_send(&program());
    everywhere(program, (2, (Some("guard".to_owned()), "while cancelled".to_owned())));
}

#[test]
fn e12_several_failures_first_cause_first() {
    /// Fails although cancelled: its destructor cannot, so it fails in the same turn as the other.
    async fn fail(at: usize, with: &'static str) -> Result<(), scope_core::Failure> {
        for _ in 0..at {
            turn().await;
        }
        Err(with)?
    }
    let program = async || {
        let error = nursery(async |n| {
            n.spawn_local(fail(1, "early"));
            n.spawn_local(fail(60, "never reached"));
            Err("at once")?;
            Ok(())
        })
        .await
        .unwrap_err();
        error.leaves().iter().map(|leaf| leaf.cause().to_string()).collect::<Vec<_>>()
    };
    assert_send(&program());
    everywhere(program, vec!["at once".to_owned()]);
}

#[test]
fn what_an_error_prints() {
    let error: ScopeError = block_on(async {
        nursery(async |n| {
            n.task("reader").spawn_local(async {
                turn().await;
                Err(std::io::Error::other(Trouble::Disk))?
            });
            Ok(())
        })
        .named("backup")
        .await
        .unwrap_err()
    });
    assert_eq!(error.to_string(), "backup > reader: disk trouble");
    let long = format!("{error:?}");
    assert!(long.contains("backup > reader: disk trouble"), "{long}");
    assert!(long.contains(file!()), "the places are named: {long}");
    // Transparent: the chain does not print the same message twice.
    let mut chain = vec![error.to_string()];
    let mut source = error.source();
    while let Some(inner) = source {
        chain.push(inner.to_string());
        source = inner.source();
    }
    assert_eq!(chain.iter().filter(|line| line.contains("disk trouble")).count(), 1, "{chain:?}");
}

#[test]
fn an_error_is_one_word() {
    assert_eq!(size_of::<ScopeError>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), ScopeError<Trouble>>>(), size_of::<usize>());
}

#[test]
fn the_payload_of_a_resumed_panic_is_the_original() {
    struct Payload(u32);
    let out = catch_unwind(|| {
        block_on(nursery(async |n| {
            n.spawn_local(async { std::panic::panic_any(Payload(7)) });
            Ok(())
        }))
    });
    assert_eq!(out.unwrap_err().downcast_ref::<Payload>().unwrap().0, 7);
}
