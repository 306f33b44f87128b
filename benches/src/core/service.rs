//! P9: ask a task something and wait for its answer, `n` times, one after the other.
//!
//! What each gives beside that:
//! * ours is a service: opened and ended by its task whatever happens, told of by name in errors; who asks is told when it
//!   ends, and cancelled at the await point; its scope waits for its end;
//! * the peers are what one writes by hand: a queue of requests, each with a oneshot channel for the answer. Whoever asks is
//!   told when the task is gone.

use std::sync::Arc;

use async_executor::Executor;
use futures_lite::future::block_on;
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, Spawns as _};
use tokio::runtime::Runtime;

use super::on_tokio::{current_thread, four_threads};
use crate::bench::{Bench, Goal, Peer};

/// How many requests may wait, on both sides.
const BACKLOG: usize = 64;

pub(crate) fn benches() -> Vec<Bench> {
    let sizes: &[usize] = &[10_000];
    let on_tokio: &[Goal] = &[Goal::Ratio("mpsc + oneshot", 1.2)];
    vec![
        Bench { name: "P9", case: "tokio ct", sizes, peers: |n| tokio_peers(n, current_thread()), goals: on_tokio },
        Bench { name: "P9", case: "tokio mt4", sizes, peers: |n| tokio_peers(n, four_threads()), goals: on_tokio },
        Bench { name: "P9", case: "smol", sizes, peers: smol_peers, goals: &[Goal::Ratio("channel + oneshot", 1.2)] },
    ]
}

/// Adds one.
struct Adder;

struct Request {
    number: usize,
    reply: Reply<usize>,
}

impl Service for Adder {
    type Request = Request;
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("adder")
    }

    fn backlog(&self) -> usize {
        BACKLOG
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Request>) -> Result<(), Failure> {
        while let Some(Request { number, reply }) = inbox.next().await {
            // Whoever has gone needs no answer.
            let _ = reply.send(number + 1);
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}

/// The same for our peer on every runtime.
async fn ask(nursery: &scope_core::Nursery<'_, '_>, n: usize) -> Result<(), Failure> {
    let adder = nursery.open(Adder).await?;
    for number in 0..n {
        let answer = adder.ask(|reply| Request { number, reply }).await?;
        assert_eq!(answer, number + 1);
    }
    adder.close().await?;
    Ok(())
}

fn tokio_peers(n: usize, runtime: Arc<Runtime>) -> Vec<Peer> {
    vec![
        Peer::whole("scope", {
            let runtime = runtime.clone();
            move || {
                move || {
                    let done = runtime.block_on(scope_tokio::nursery(async |nursery| ask(nursery, n).await));
                    done.expect("it answers");
                }
            }
        }),
        Peer::whole("mpsc + oneshot", move || {
            move || {
                runtime.block_on(async {
                    use tokio::sync::{mpsc, oneshot};

                    let (asks, mut asked) = mpsc::channel::<(usize, oneshot::Sender<usize>)>(BACKLOG);
                    let adder = tokio::spawn(async move {
                        while let Some((number, reply)) = asked.recv().await {
                            let _ = reply.send(number + 1);
                        }
                    });
                    for number in 0..n {
                        let (reply, answer) = oneshot::channel();
                        asks.send((number, reply)).await.expect("it runs");
                        assert_eq!(answer.await, Ok(number + 1));
                    }
                    drop(asks);
                    adder.await.expect("it does not panic");
                });
            }
        }),
    ]
}

fn smol_peers(n: usize) -> Vec<Peer> {
    let executor = Arc::new(Executor::new());
    vec![
        Peer::whole("scope", {
            let executor = executor.clone();
            move || {
                move || {
                    let nursery = scope_smol::nursery_on(&executor, async |nursery| ask(nursery, n).await);
                    block_on(executor.run(nursery)).expect("it answers");
                }
            }
        }),
        Peer::whole("channel + oneshot", move || {
            move || {
                block_on(executor.run(async {
                    use futures_channel::oneshot;

                    let (asks, asked) = async_channel::bounded::<(usize, oneshot::Sender<usize>)>(BACKLOG);
                    let adder = executor.spawn(async move {
                        while let Ok((number, reply)) = asked.recv().await {
                            let _ = reply.send(number + 1);
                        }
                    });
                    for number in 0..n {
                        let (reply, answer) = oneshot::channel();
                        asks.send((number, reply)).await.expect("it runs");
                        assert_eq!(answer.await, Ok(number + 1));
                    }
                    drop(asks);
                    adder.await;
                }));
            }
        }),
    ]
}
