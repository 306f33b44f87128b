//! 6 in an `async fn` of a trait, 14 `&mut self` with `join!` and `select!`, 17 nursery futures inside combinators.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, join, select_biased, try_join};
use scope_core::{ScopeError, nursery};

use super::harness::{assert_send, everywhere, spawned_on_tokio, turn};

trait Fetch {
    async fn fetch(&self, from: &str) -> Result<String, ScopeError>;
}

/// The same for callers that are generic over it and must be `Send`.
trait FetchSend {
    fn fetch_send(&self, from: &str) -> impl Future<Output = Result<String, ScopeError>> + Send;
}

struct Twice {
    with: char,
}

impl Fetch for Twice {
    async fn fetch(&self, from: &str) -> Result<String, ScopeError> {
        let mut out = String::new();
        nursery(async |n| {
            n.spawn_local(async {
                for _ in 0..2 {
                    turn().await;
                    out.push_str(from);
                    out.push(self.with);
                }
                Ok(())
            });
            Ok(())
        })
        .await?;
        Ok(out)
    }
}

impl FetchSend for Twice {
    async fn fetch_send(&self, from: &str) -> Result<String, ScopeError> {
        let mut out = self.fetch(from).await?;
        nursery(async |n| {
            n.spawn_local(async {
                out.push(self.with);
                Ok(())
            });
            Ok(())
        })
        .await?;
        Ok(out)
    }
}

async fn p06_generic<T: FetchSend>(fetch: T) -> String {
    fetch.fetch_send("ab").await.unwrap()
}

#[test]
fn p06_in_an_async_fn_of_a_trait() {
    assert_send(&Twice { with: '-' }.fetch("x"));
    everywhere(async || Twice { with: '-' }.fetch("x").await.unwrap(), "x-x-".to_owned());
    assert_send(&p06_generic(Twice { with: '-' }));
    everywhere(async || p06_generic(Twice { with: '+' }).await, "ab+ab++".to_owned());
}

struct Machine {
    ticks: u32,
    log: Vec<&'static str>,
    name: String,
}

impl Machine {
    async fn tick(&mut self) -> u32 {
        turn().await;
        self.ticks += 1;
        self.ticks
    }

    async fn run(&mut self) -> Result<u32, ScopeError> {
        let calls = AtomicUsize::new(0);
        nursery(async |n| {
            let (ticks, log) = (&mut self.ticks, &mut self.log);
            n.spawn_local(async {
                turn().await;
                log.push("child");
                calls.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
            let (a, b) = join!(
                async {
                    turn().await;
                    *ticks += 1;
                    *ticks
                },
                async {
                    turn().await;
                    self.name.len() as u32
                },
            );
            let never = pin!(std::future::pending::<()>().fuse());
            let soon = pin!(turn().fuse());
            let mut never = never;
            let mut soon = soon;
            select_biased! {
                () = never => {}
                () = soon => *ticks += 1,
            }
            Ok(a + b + *ticks)
        })
        .await
    }

    /// The nursery beside something else, under `join!` and `select!`, both inside a method with `&mut self`.
    async fn beside(&mut self) -> Result<u32, ScopeError> {
        let mut total = 0;
        {
            let Machine { ticks, log, .. } = self;
            let (inside, ()) = join!(
                nursery(async |n| {
                    n.spawn_local(async {
                        turn().await;
                        *ticks += 10;
                        Ok(())
                    });
                    Ok(1)
                }),
                async {
                    turn().await;
                    log.push("beside");
                },
            );
            total += inside?;
        }
        let mut ticking = pin!(self.tick().fuse());
        let mut scope = pin!(
            nursery(async |_| {
                for _ in 0..50 {
                    turn().await;
                }
                Ok(100)
            })
            .fuse()
        );
        total += select_biased! {
            out = scope => out?,
            ticks = ticking => ticks,
        };
        Ok(total)
    }
}

async fn p14_methods() -> (u32, u32, Vec<&'static str>) {
    let mut machine = Machine { ticks: 0, log: Vec::new(), name: "four".to_owned() };
    let run = machine.run().await.unwrap();
    let beside = machine.beside().await.unwrap();
    (run, beside, machine.log)
}

#[test]
fn p14_mut_self_with_join_and_select() {
    assert_send(&p14_methods());
    // run: 1 + 4 + 2; beside: 1 + the thirteenth tick.
    everywhere(p14_methods, (7, 14, vec!["child", "beside"]));
}

async fn doubled(number: u32) -> Result<u32, ScopeError> {
    let mut out = number;
    nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            out *= 2;
            Ok(())
        });
        turn().await;
        Ok(())
    })
    .await?;
    Ok(out)
}

async fn p17_combined() -> Vec<u32> {
    let base = [1, 2, 3];
    let mut all = Vec::new();

    let (a, b) = try_join!(doubled(base[0]), doubled(base[1])).unwrap();
    all.extend([a, b]);

    // The nursery's own futures, borrowing, not wrapped in an async fn.
    let borrowing = |number: &u32| {
        let number = *number;
        let base = &base;
        nursery(async move |n| {
            n.spawn_local(async move {
                turn().await;
                assert!(base.contains(&number));
                Ok(())
            });
            Ok(number + 10)
        })
    };
    let mut unordered: FuturesUnordered<_> = base.iter().map(borrowing).collect();
    let mut got = Vec::new();
    while let Some(number) = unordered.next().await {
        got.push(number.unwrap());
    }
    got.sort_unstable();
    all.extend(got);

    all.extend(join_all(base.iter().map(borrowing)).await.into_iter().map(Result::unwrap));
    all.extend(try_join_all((0..31).map(doubled)).await.unwrap().into_iter().rev().take(1));

    // A time-out that fires: the nursery is dropped half-way.
    let hanging = nursery(async |n| {
        n.spawn_local(std::future::pending());
        std::future::pending::<Result<u32, _>>().await
    });
    let late = async {
        turn().await;
        Ok(0)
    };
    all.push(futures_lite::future::or(hanging, late).await.unwrap());
    all
}

#[test]
fn p17_nursery_futures_inside_combinators() {
    assert_send(&p17_combined());
    everywhere(p17_combined, vec![2, 4, 11, 12, 13, 11, 12, 13, 60, 0]);
}

#[test]
fn p17_inside_the_runtimes_own_time_out_and_select() {
    let program = async {
        let long = Duration::from_secs(3600);
        let in_time = tokio::time::timeout(long, doubled(4)).await.unwrap().unwrap();
        let late = tokio::time::timeout(
            Duration::from_millis(1),
            nursery(async |n| {
                n.spawn_local(std::future::pending());
                Ok(())
            }),
        );
        let late = late.await.is_err();
        let selected = tokio::select! {
            biased;
            () = std::future::pending() => 0,
            out = doubled(5) => out.unwrap(),
        };
        let (left, right) = tokio::try_join!(doubled(1), doubled(2)).unwrap();
        (in_time, late, selected, left + right)
    };
    assert_send(&program);
    assert_eq!(spawned_on_tokio(program), (8, true, 10, 6));
}
