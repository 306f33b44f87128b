//! 13 `dyn` and recursion, 18 `&mut dyn Write`, `AsyncRead`, boxed futures.

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_lite::io::{AsyncRead, AsyncReadExt, Cursor};
use scope_core::{Failure, ScopeError, nursery};

use super::harness::{assert_send, everywhere, turn};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

trait Job: Send + Sync {
    fn run<'a>(&'a self, total: &'a AtomicU32) -> Boxed<'a, Result<(), Failure>>;
}

struct Add(u32);
struct All(Vec<Box<dyn Job>>);

impl Job for Add {
    fn run<'a>(&'a self, total: &'a AtomicU32) -> Boxed<'a, Result<(), Failure>> {
        Box::pin(async move {
            turn().await;
            total.fetch_add(self.0, Ordering::Relaxed);
            Ok(())
        })
    }
}

impl Job for All {
    fn run<'a>(&'a self, total: &'a AtomicU32) -> Boxed<'a, Result<(), Failure>> {
        Box::pin(async move {
            nursery(async |n| {
                for job in &self.0 {
                    n.spawn_local(job.run(total));
                }
                Ok(())
            })
            .await?;
            Ok(())
        })
    }
}

#[test]
fn p13_trait_objects_that_nest() {
    let program = async || {
        let jobs = All(vec![Box::new(Add(1)), Box::new(All(vec![Box::new(Add(2)), Box::new(Add(3))]))]);
        let total = AtomicU32::new(0);
        jobs.run(&total).await.unwrap();
        total.into_inner()
    };
    assert_send(&program());
    everywhere(program, 6);
}

struct Tree {
    value: u32,
    below: Vec<Tree>,
}

/// Recursion in the child, through a box, as any recursive `async fn` needs one.
fn sum<'a>(tree: &'a Tree, total: &'a AtomicU32) -> Boxed<'a, Result<(), ScopeError>> {
    Box::pin(nursery(async move |n| {
        total.fetch_add(tree.value, Ordering::Relaxed);
        for below in &tree.below {
            n.spawn_local(async move { Ok(sum(below, total).await?) });
        }
        Ok(())
    }))
}

/// Recursion in the body. As for any recursive `async fn` the box is named in the signature, or `Send` is a cycle.
fn deep(levels: u32) -> Boxed<'static, Result<u32, ScopeError>> {
    Box::pin(nursery(async move |n| {
        n.spawn_local(async {
            turn().await;
            Ok(())
        });
        match levels.checked_sub(1) {
            Some(less) => Ok(deep(less).await? + 1),
            None => Ok(0),
        }
    }))
}

#[test]
fn p13_recursion() {
    let program = async || {
        let leaf = |value| Tree { value, below: Vec::new() };
        let tree = Tree { value: 1, below: vec![leaf(2), Tree { value: 3, below: vec![leaf(4), leaf(5)] }] };
        let total = AtomicU32::new(0);
        sum(&tree, &total).await.unwrap();
        (total.into_inner(), deep(20).await.unwrap())
    };
    assert_send(&program());
    everywhere(program, (15, 20));
}

async fn p18_write(out: &mut (dyn Write + Send), lines: &[&str]) -> Result<usize, ScopeError> {
    let mut written = 0;
    nursery(async |n| {
        n.spawn_local(async {
            for line in lines {
                turn().await;
                writeln!(out, "{line}")?;
                written += 1;
            }
            Ok(())
        });
        Ok(())
    })
    .await?;
    writeln!(out, "done").map_err(|e| e.kind()).unwrap();
    Ok(written)
}

#[test]
fn p18_a_dyn_writer() {
    let program = async || {
        let mut out = Vec::new();
        let written = p18_write(&mut out, &["a", "b"]).await.unwrap();
        (written, String::from_utf8(out).unwrap())
    };
    assert_send(&program());
    everywhere(program, (2, "a\nb\ndone\n".to_owned()));
}

async fn p18_read<R: AsyncRead + Unpin + Send>(mut from: R, and: &mut (dyn AsyncRead + Unpin + Send)) -> String {
    let mut first = String::new();
    let mut second = Vec::new();
    nursery(async |n| {
        let (first, second) = (&mut first, &mut second);
        n.spawn_local(async {
            from.read_to_string(first).await?;
            Ok(())
        });
        n.spawn_local(async move {
            let mut buffer = [0; 3];
            loop {
                let count = and.read(&mut buffer).await?;
                if count == 0 {
                    break Ok(());
                }
                second.extend_from_slice(&buffer[..count]);
            }
        });
        Ok(())
    })
    .await
    .unwrap();
    first + str::from_utf8(&second).unwrap()
}

#[test]
fn p18_asynchronous_readers() {
    let program = async || p18_read(Cursor::new("left"), &mut Cursor::new(b"right".to_vec())).await;
    assert_send(&program());
    everywhere(program, "leftright".to_owned());
}

#[test]
fn p18_boxed_futures() {
    let program = async || {
        let mut seen = Vec::new();
        let limit = 3;
        {
            let seen = &mut seen;
            let child: Boxed<'_, Result<(), Failure>> = Box::pin(async move {
                for number in 0..limit {
                    turn().await;
                    seen.push(number);
                }
                Ok(())
            });
            let whole: Boxed<'_, Result<i32, ScopeError>> = Box::pin(nursery(async move |n| {
                n.spawn_local(child);
                Ok(7)
            }));
            assert_eq!(whole.await.unwrap(), 7);
        }
        seen
    };
    assert_send(&program());
    everywhere(program, vec![0, 1, 2]);
}
