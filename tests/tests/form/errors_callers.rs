//! Who calls a nursery, and with which error of his own: e03 anyhow throughout, e10 `nursery(..).await?` in functions that
//! return anyhow, an enum, or a `Box<dyn Error + Send + Sync>`; and loops that only end by an error.

use std::error::Error;
use std::fmt;
use std::io;

use anyhow::Context;
use scope_core::{Failure, ScopeError, nursery};

use super::harness::{assert_send, everywhere, turn};

async fn load(file: &str) -> anyhow::Result<u32> {
    turn().await;
    if file == "missing" {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no such file")).with_context(|| format!("loading {file}"));
    }
    anyhow::ensure!(file != "empty", "{file} has nothing in it");
    Ok(file.len() as u32)
}

async fn e03_anyhow(left: &str, right: &str) -> anyhow::Result<u32> {
    let mut of_child = 0;
    let of_body = nursery(async |n| {
        n.spawn_local(async {
            of_child = load(right).await.context("in the child")?;
            Ok(())
        });
        n.spawn_local_into(async { load(right).await.map(drop) });
        Ok(load(left).await?)
    })
    .await
    .context("loading both")?;
    Ok(of_body + of_child)
}

#[test]
fn e03_anyhow_throughout() {
    assert_send(&e03_anyhow("a", "b"));
    everywhere(async || e03_anyhow("ab", "c").await.unwrap(), 3);

    let error = futures_lite::future::block_on(e03_anyhow("missing", "c")).unwrap_err();
    assert_eq!(error.to_string(), "loading both");
    let scope: &ScopeError = error.downcast_ref().unwrap();
    assert_eq!(scope.leaves().len(), 1);
    // Whole: its context is what is printed, its chain is still there, and so is the error at the end of it.
    assert_eq!(scope.cause().to_string(), "loading missing");
    assert_eq!(scope.find::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
    let printed = format!("{error:#}");
    assert_eq!(printed.matches("no such file").count(), 1, "the chain prints the cause once: {printed}");
    assert_eq!(printed.matches("loading missing").count(), 1, "the chain prints the context once: {printed}");
    assert!(format!("{scope:?}").contains("no such file"), "{scope:?}");

    let error = futures_lite::future::block_on(e03_anyhow("ab", "missing")).unwrap_err();
    let scope: &ScopeError = error.downcast_ref().unwrap();
    assert_eq!(scope.find::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
}

#[test]
fn e03_anyhow_comes_back_by_value() {
    let program = async || {
        let error = nursery(async |_| Ok(load("empty").await?)).await.unwrap_err();
        let leaf = error.into_leaves().remove(0);
        let scope_core::Cause::Failed(failure) = leaf.into_cause() else { panic!("not the body's error") };
        anyhow::Error::from_boxed(failure.into_inner()).to_string()
    };
    assert_send(&program());
    everywhere(program, "empty has nothing in it".to_owned());
}

#[derive(Debug)]
enum OwnError {
    Work(ScopeError),
    Format,
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnError::Work(_) => f.write_str("the work failed"),
            OwnError::Format => f.write_str("cannot be formatted"),
        }
    }
}

impl Error for OwnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OwnError::Work(error) => Some(error),
            OwnError::Format => None,
        }
    }
}

impl From<ScopeError> for OwnError {
    fn from(error: ScopeError) -> Self {
        OwnError::Work(error)
    }
}

impl From<fmt::Error> for OwnError {
    fn from(_: fmt::Error) -> Self {
        OwnError::Format
    }
}

async fn one(fail: bool) -> Result<u32, ScopeError> {
    nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            if fail { Err(Failure::msg("asked to")) } else { Ok(()) }
        });
        Ok(1)
    })
    .await
}

async fn e10_enum(fail: bool) -> Result<u32, OwnError> {
    let inner = nursery(async |_| Ok(one(fail).await?)).await?;
    if inner > 1 {
        return Err(fmt::Error)?;
    }
    // A nursery at the tail needs the conversion spelled out.
    Ok(one(fail).await? + inner)
}

async fn e10_boxed(fail: bool) -> Result<u32, Box<dyn Error + Send + Sync>> {
    let out = nursery(async |n| {
        n.spawn_local(async { Ok(one(fail).await.map(drop)?) });
        Ok(1)
    })
    .await?;
    Ok(out)
}

async fn e10_anyhow(fail: bool) -> anyhow::Result<u32> {
    let out = nursery(async |_| Ok(one(fail).await?)).await?;
    Ok(out)
}

/// An opaque failure goes on as a failure, in a function that is itself the body or child of another nursery.
async fn e10_failure(fail: bool) -> Result<u32, Failure> {
    let out = nursery(async |_| Ok(one(fail).await?)).await?;
    Ok(out)
}

async fn e10_not_sync(fail: bool) -> Result<u32, Box<dyn Error>> {
    Ok(one(fail).await?)
}

#[test]
fn e10_question_mark_after_the_nursery() {
    assert_send(&e10_enum(true));
    assert_send(&e10_boxed(true));
    assert_send(&e10_anyhow(true));
    assert_send(&e10_failure(true));
    let good = async || {
        (
            e10_enum(false).await.unwrap(),
            e10_boxed(false).await.unwrap(),
            e10_anyhow(false).await.unwrap(),
            e10_failure(false).await.unwrap(),
            e10_not_sync(false).await.unwrap(),
        )
    };
    everywhere(good, (2, 1, 1, 1, 1));

    let leaves =
        |error: &ScopeError| error.all_leaves().iter().map(|leaf| leaf.cause().to_string()).collect::<Vec<_>>();
    let expected = ["asked to"];
    let OwnError::Work(error) = futures_lite::future::block_on(e10_enum(true)).unwrap_err() else {
        panic!("not the scope's error");
    };
    assert_eq!(leaves(&error), expected);
    let error = futures_lite::future::block_on(e10_boxed(true)).unwrap_err();
    assert_eq!(leaves(error.downcast_ref().unwrap()), expected);
    let error = futures_lite::future::block_on(e10_anyhow(true)).unwrap_err();
    assert_eq!(leaves(error.downcast_ref().unwrap()), expected);
    let error = futures_lite::future::block_on(e10_failure(true)).unwrap_err();
    assert_eq!(leaves(error.downcast_ref().unwrap()), expected);
    let error = futures_lite::future::block_on(e10_not_sync(true)).unwrap_err();
    assert_eq!(leaves(error.downcast_ref().unwrap()), expected);
}

/// Accepts until the queue is closed.
async fn accept(from: &async_channel::Receiver<u32>) -> Result<u32, async_channel::RecvError> {
    from.recv().await
}

#[test]
fn a_loop_that_only_an_error_ends() {
    let program = async || {
        let (sender, receiver) = async_channel::unbounded();
        (0..3).for_each(|number| sender.try_send(number).unwrap());
        drop(sender);
        let mut accepted = 0;
        let out = nursery(async |n| {
            // A child that is only a loop: its type is the nursery's.
            n.spawn_local(async {
                loop {
                    accepted += accept(&receiver).await?;
                }
            });
            Ok(())
        })
        .await;
        let in_child = out.unwrap_err().find::<async_channel::RecvError>().is_some();
        // A body that is only a loop says so, since nothing in it names the value.
        let out = nursery(async |_| -> Result<(), _> {
            loop {
                accept(&receiver).await?;
            }
        })
        .await;
        (accepted, in_child, out.unwrap_err().find::<async_channel::RecvError>().is_some())
    };
    assert_send(&program());
    everywhere(program, (3, true, true));
}
