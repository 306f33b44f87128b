//! 8 a generic library function that takes a nursery and names no runtime, 15 a generic wrapper, and a body that is a
//! named `async fn`, 16 generic async traits three deep.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::sync::Mutex;

use scope_core::{Failure, Nursery, ScopeError, nursery};

use super::harness::{assert_send, everywhere, turn};

/// What a library offers: it knows neither the runtime nor who opened the nursery.
fn each<'s, 'env, T, F, Fut>(n: &'s Nursery<'s, 'env>, items: &'env [T], visit: F)
where
    T: Sync,
    F: Fn(&'env T) -> Fut + Send + Sync + 's,
    Fut: Future<Output = ()> + Send + 's,
{
    for item in items {
        let visiting = visit(item);
        n.spawn_local(async move {
            turn().await;
            visiting.await;
            Ok(())
        });
    }
}

async fn p08_library<T: Display + Sync>(items: &[T]) -> String {
    let out = Mutex::new(Vec::new());
    nursery(async |n| {
        let out = &out;
        each(n, items, move |item| async move {
            turn().await;
            out.lock().unwrap().push(item.to_string());
        });
        Ok(())
    })
    .await
    .unwrap();
    let mut out = out.into_inner().unwrap();
    out.sort_unstable();
    out.concat()
}

#[test]
fn p08_a_generic_library_function() {
    assert_send(&p08_library(&[1, 2]));
    everywhere(async || p08_library(&[3, 1, 2]).await, "123".to_owned());
    everywhere(async || p08_library(&["b", "a"]).await, "ab".to_owned());
}

/// A library that is generic over the nursery's error too: its children cannot fail, so it needs nothing of it.
fn count_down<'s, 'env, E>(n: &'s Nursery<'s, 'env, E>, from: &'env Mutex<u32>)
where
    E: scope_core::Fault,
{
    n.run_local(async move {
        while *from.lock().unwrap() > 0 {
            *from.lock().unwrap() -= 1;
            turn().await;
        }
    });
}

#[test]
fn p08_a_library_function_generic_over_the_error() {
    let program = async || {
        let from = Mutex::new(5);
        nursery(async |n| {
            count_down(n, &from);
            Ok(())
        })
        .await
        .unwrap();
        let again = Mutex::new(3);
        scope_core::try_nursery(async |n: &Nursery<'_, '_, std::io::Error>| {
            count_down(n, &again);
            Ok(())
        })
        .await
        .unwrap();
        (from.into_inner().unwrap(), again.into_inner().unwrap())
    };
    assert_send(&program());
    everywhere(program, (0, 0));
}

/// A wrapper of one's own: it repeats both bounds and names the body's future, so that `Send` comes through.
async fn logged<'env, F, B, T>(log: &Mutex<Vec<String>>, body: F) -> Result<T, ScopeError>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
    T: Debug,
{
    log.lock().unwrap().push("opened".to_owned());
    let out = nursery(body).await;
    log.lock().unwrap().push(format!("closed: {out:?}"));
    out
}

async fn p15_wrapper() -> Vec<String> {
    let log = Mutex::new(Vec::new());
    let mut sum = 1;
    let out = logged(&log, async |n| {
        n.spawn_local(async {
            turn().await;
            sum += 1;
            Ok(())
        });
        turn().await;
        Ok(5)
    })
    .await
    .unwrap();
    log.lock().unwrap().push(format!("{}", out + sum));
    log.into_inner().unwrap()
}

#[test]
fn p15_a_generic_wrapper() {
    assert_send(&p15_wrapper());
    everywhere(p15_wrapper, ["opened", "closed: Ok(5)", "7"].map(String::from).to_vec());
}

async fn named<'s, 'env>(n: &'s Nursery<'s, 'env>) -> Result<u8, Failure> {
    n.spawn_local(async {
        turn().await;
        Ok(())
    });
    n.spawn_local(leaf(n));
    turn().await;
    Ok(4)
}

async fn leaf<'s, 'env>(n: &'s Nursery<'s, 'env>) -> Result<(), Failure> {
    n.spawn_local(async { Ok(()) });
    Ok(())
}

async fn named_with_data<'s, 'env>(n: &'s Nursery<'s, 'env>, data: &'env mut Vec<u8>) -> Result<usize, Failure> {
    let before = data.len();
    n.spawn_local(async {
        turn().await;
        data.push(1);
        Ok(())
    });
    Ok(before)
}

async fn p15_named() -> (u8, usize, Vec<u8>) {
    let mut data = vec![0];
    let four = nursery(named).await.unwrap();
    let before = nursery(async |n| named_with_data(n, &mut data).await).await.unwrap();
    (four, before, data)
}

#[test]
fn p15_a_body_that_is_a_named_async_fn() {
    assert_send(&nursery(named));
    assert_send(&p15_named());
    everywhere(p15_named, (4, 1, vec![0, 1]));
}

trait Store: Sync {
    fn get(&self, key: &str) -> impl Future<Output = Result<u32, Failure>> + Send;
}

trait Repository: Sync {
    fn sum(&self, keys: &[&str]) -> impl Future<Output = Result<u32, ScopeError>> + Send;
}

trait Report: Sync {
    fn lines(&self) -> impl Future<Output = Result<Vec<String>, ScopeError>> + Send;
}

struct InMemory(BTreeMap<&'static str, u32>);

impl Store for InMemory {
    async fn get(&self, key: &str) -> Result<u32, Failure> {
        turn().await;
        Ok(*self.0.get(key).ok_or_else(|| format!("no {key}"))?)
    }
}

struct Summing<S>(S);

impl<S: Store> Repository for Summing<S> {
    async fn sum(&self, keys: &[&str]) -> Result<u32, ScopeError> {
        let sum = Mutex::new(0);
        nursery(async |n| {
            for key in keys {
                let sum = &sum;
                n.spawn_local(async move {
                    let value = self.0.get(key).await?;
                    *sum.lock().unwrap() += value;
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(sum.into_inner().unwrap())
    }
}

struct Both<R>(R);

impl<R: Repository> Report for Both<R> {
    async fn lines(&self) -> Result<Vec<String>, ScopeError> {
        let mut first = 0;
        let mut second = 0;
        nursery(async |n| {
            n.task("first").spawn_local(async {
                first = self.0.sum(&["a", "b"]).await?;
                Ok(())
            });
            n.task("second").spawn_local(async {
                second = self.0.sum(&["b", "c"]).await?;
                Ok(())
            });
            Ok(())
        })
        .await?;
        Ok(vec![first.to_string(), second.to_string()])
    }
}

async fn p16_generic<R: Report>(report: &R) -> Result<Vec<String>, ScopeError> {
    nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            Ok(())
        });
        Ok(report.lines().await?)
    })
    .await
}

fn reports(numbers: &[(&'static str, u32)]) -> impl Report + use<> {
    Both(Summing(InMemory(numbers.iter().copied().collect())))
}

#[test]
fn p16_generic_async_traits_three_deep() {
    assert_send(&p16_generic(&reports(&[])));
    let whole = async || p16_generic(&reports(&[("a", 1), ("b", 10), ("c", 100)])).await.unwrap();
    everywhere(whole, vec!["11".to_owned(), "110".to_owned()]);

    let broken = async || {
        let error = p16_generic(&reports(&[("a", 1), ("b", 10)])).await.unwrap_err();
        error.all_leaves().iter().map(|leaf| leaf.cause().to_string()).collect::<Vec<_>>()
    };
    everywhere(broken, vec!["no c".to_owned()]);
}
