//! What comes out of a nursery, opaque and typed: e01 `?` on io only, e02 several errors into one's own enum, e04 nothing
//! can fail, e05 the body cannot fail and children can, e06 the reverse, e07 children of different errors, e08 nested
//! nurseries with different errors, e09 a library that spawns without knowing the caller's error.

use std::fmt;
use std::io;
use std::num::ParseIntError;
use std::sync::atomic::{AtomicU32, Ordering};

use scope_core::{Cause, Fault, Nursery, ScopeError, nursery, nursery_infallible, try_nursery};

use super::harness::{assert_send, everywhere, turn};

async fn read(what: &str) -> io::Result<u32> {
    turn().await;
    match what {
        "missing" => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        what => Ok(what.len() as u32),
    }
}

fn parse(text: &str) -> Result<u32, ParseIntError> {
    text.parse()
}

/// An error of one's own, of the usual shape.
#[derive(Debug)]
enum AppError {
    Io(io::Error),
    Parse(ParseIntError),
    Scope(Box<ScopeError<AppError>>),
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppError::Io(_) => f.write_str("reading failed"),
            AppError::Parse(_) => f.write_str("parsing failed"),
            AppError::Scope(_) => f.write_str("a part failed"),
        }
    }
}

impl std::error::Error for AppError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            AppError::Io(error) => error,
            AppError::Parse(error) => error,
            AppError::Scope(error) => error,
        })
    }
}

impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        AppError::Io(error)
    }
}

impl From<ParseIntError> for AppError {
    fn from(error: ParseIntError) -> Self {
        AppError::Parse(error)
    }
}

/// The one conversion that pins the error type of `try_nursery(..).await?`.
impl From<ScopeError<AppError>> for AppError {
    fn from(error: ScopeError<AppError>) -> Self {
        AppError::Scope(Box::new(error))
    }
}

async fn e01_opaque(left: &str, right: &str) -> Result<u32, ScopeError> {
    let mut of_child = 0;
    let of_body = nursery(async |n| {
        n.spawn_local(async {
            of_child = read(right).await?;
            Ok(())
        });
        Ok(read(left).await?)
    })
    .await?;
    Ok(of_body + of_child)
}

async fn e01_typed(left: &str, right: &str) -> Result<u32, ScopeError<io::Error>> {
    let mut of_child = 0;
    let of_body = try_nursery(async |n: &Nursery<'_, '_, io::Error>| {
        n.spawn_local(async {
            of_child = read(right).await?;
            Ok(())
        });
        read(left).await
    })
    .await?;
    Ok(of_body + of_child)
}

#[test]
fn e01_io_only_opaque() {
    assert_send(&e01_opaque("a", "b"));
    everywhere(async || e01_opaque("ab", "c").await.unwrap(), 3);
    let kind_of_first = |error: ScopeError| error.find::<io::Error>().map(io::Error::kind);
    let _: fn(ScopeError) -> Option<io::ErrorKind> = kind_of_first;
    for (left, right) in [("missing", "c"), ("ab", "missing")] {
        let error = futures_lite::future::block_on(e01_opaque(left, right)).unwrap_err();
        assert_eq!(error.leaves().len(), 1);
        assert_eq!(kind_of_first(error), Some(io::ErrorKind::NotFound));
        let error = futures_lite::future::block_on(e01_opaque(left, right)).unwrap_err();
        let io: io::Error = error.downcast().unwrap();
        assert_eq!(io.to_string(), "no such file");
    }
}

#[test]
fn e01_io_only_typed() {
    assert_send(&e01_typed("a", "b"));
    everywhere(async || e01_typed("ab", "c").await.unwrap(), 3);
    for (left, right) in [("missing", "c"), ("ab", "missing")] {
        let error = futures_lite::future::block_on(e01_typed(left, right)).unwrap_err();
        match error.cause() {
            Cause::Failed(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            other => panic!("not the io error: {other:?}"),
        }
        assert_eq!(error.into_failed().unwrap().kind(), io::ErrorKind::NotFound);
    }
}

/// As people will write it, with the lifetimes left out.
#[test]
#[allow(elided_lifetimes_in_paths)]
fn e01_typed_without_naming_lifetimes() {
    let program = async || {
        let mut count = 0;
        let out: Result<(), ScopeError<fmt::Error>> = try_nursery(async |n: &Nursery<fmt::Error>| {
            n.spawn_local(async {
                turn().await;
                count += 1;
                Err(fmt::Error)
            });
            Ok(())
        })
        .await;
        (count, out.unwrap_err().into_failed().unwrap())
    };
    assert_send(&program());
    everywhere(program, (1, fmt::Error));
}

async fn e02_enum(file: &str, number: &str) -> Result<u32, AppError> {
    let mut of_child = 0;
    let total = try_nursery(async |n| {
        n.spawn_local(async {
            of_child = read(file).await?;
            Ok(())
        });
        n.spawn_local_into(async {
            turn().await;
            parse(number).map(drop)
        });
        let parsed = parse(number)?;
        turn().await;
        Ok(parsed)
    })
    .await?;
    Ok(total + of_child)
}

#[test]
fn e02_several_errors_into_an_enum() {
    assert_send(&e02_enum("f", "1"));
    everywhere(async || e02_enum("file", "8").await.unwrap(), 12);

    let AppError::Scope(error) = futures_lite::future::block_on(e02_enum("missing", "8")).unwrap_err() else {
        panic!("it came through the scope");
    };
    assert!(matches!(error.cause(), Cause::Failed(AppError::Io(e)) if e.kind() == io::ErrorKind::NotFound));
    let AppError::Scope(error) = futures_lite::future::block_on(e02_enum("file", "x")).unwrap_err() else {
        panic!("it came through the scope");
    };
    assert!(matches!(error.cause(), Cause::Failed(AppError::Parse(_))));
}

#[test]
fn e02_a_typed_error_becomes_another_by_map() {
    let error = futures_lite::future::block_on(e01_typed("missing", "c")).unwrap_err();
    let before = error.to_string();
    let mapped: ScopeError<AppError> = error.map(AppError::from);
    assert!(matches!(mapped.cause(), Cause::Failed(AppError::Io(_))));
    assert_eq!(mapped.leaves()[0].path().to_string(), before.split(": ").next().unwrap());
}

async fn e04_infallible() -> u32 {
    let total = AtomicU32::new(0);
    let of_body = nursery_infallible(async |n| {
        for number in 1..4 {
            let total = &total;
            n.run_local(async move {
                turn().await;
                total.fetch_add(number, Ordering::Relaxed);
            });
        }
        turn().await;
        10
    })
    .await;
    of_body + total.into_inner()
}

#[test]
fn e04_nothing_can_fail() {
    assert_send(&e04_infallible());
    everywhere(e04_infallible, 16);
}

async fn e05_children_only(file: &str) -> Result<u32, ScopeError> {
    nursery(async |n| {
        n.spawn_local(async {
            read(file).await?;
            Ok(())
        });
        turn().await;
        Ok(5)
    })
    .await
}

#[test]
fn e05_children_can_fail_and_the_body_cannot() {
    assert_send(&e05_children_only("f"));
    everywhere(async || e05_children_only("file").await.unwrap(), 5);
    everywhere(async || e05_children_only("missing").await.unwrap_err().find::<io::Error>().is_some(), true);
}

async fn e06_body_only(file: &str) -> Result<u32, ScopeError> {
    let ticks = AtomicU32::new(0);
    nursery(async |n| {
        n.run_local(async {
            loop {
                ticks.fetch_add(1, Ordering::Relaxed);
                turn().await;
            }
        });
        let size = read(file).await?;
        n.cancel("enough ticks");
        Ok(size)
    })
    .await
}

#[test]
fn e06_the_body_can_fail_and_children_cannot() {
    assert_send(&e06_body_only("f"));
    // A completed value wins over the cancellation it asked for.
    everywhere(async || e06_body_only("file").await.unwrap(), 4);
    everywhere(async || e06_body_only("missing").await.unwrap_err().find::<io::Error>().is_some(), true);
}

async fn e07_different(file: &str, number: &str) -> Result<(), ScopeError> {
    nursery(async |n| {
        n.spawn_local_into(async { read(file).await.map(drop) });
        n.spawn_local_into(async { parse(number).map(drop) });
        n.spawn_local(async {
            let size = read(file).await?;
            let number = parse(number)?;
            if number < size {
                Err("too small")?
            }
            Ok(())
        });
        n.run_local(turn());
        Ok(())
    })
    .await
}

#[test]
fn e07_children_of_different_errors() {
    assert_send(&e07_different("f", "1"));
    everywhere(async || e07_different("f", "1").await.is_ok(), true);
    everywhere(async || e07_different("missing", "1").await.unwrap_err().find::<io::Error>().is_some(), true);
    everywhere(async || e07_different("f", "x").await.unwrap_err().find::<ParseIntError>().is_some(), true);
    everywhere(async || e07_different("file", "3").await.unwrap_err().cause().to_string(), "too small".to_owned());
}

async fn e08_nested(file: &str, number: &str) -> Result<u32, ScopeError> {
    nursery(async |outer| {
        outer.spawn_local(async {
            turn().await;
            Ok(())
        });
        let size = try_nursery(async |inner: &Nursery<'_, '_, io::Error>| {
            inner.spawn_local(async { read(file).await.map(drop) });
            read(file).await
        })
        .await?;
        let number = try_nursery(async |inner: &Nursery<'_, '_, ParseIntError>| {
            inner.spawn_local(async { parse(number).map(drop) });
            turn().await;
            parse(number)
        })
        .await?;
        Ok(size + number)
    })
    .await
}

async fn e08_nested_typed(file: &str) -> Result<u32, ScopeError<AppError>> {
    try_nursery(async |outer: &Nursery<'_, '_, AppError>| {
        outer.spawn_local(async {
            turn().await;
            Ok(())
        });
        let size = try_nursery(async |inner| {
            inner.spawn_local(async { Ok(read(file).await.map(drop)?) });
            turn().await;
            Ok(1)
        })
        .await?;
        Ok(size)
    })
    .await
}

#[test]
fn e08_nested_nurseries_with_different_errors() {
    assert_send(&e08_nested("f", "1"));
    everywhere(async || e08_nested("file", "6").await.unwrap(), 10);
    let error = futures_lite::future::block_on(e08_nested("missing", "6")).unwrap_err();
    assert_eq!(error.leaves().len(), 1);
    let inner: &ScopeError<io::Error> = error.find().unwrap();
    assert!(matches!(inner.cause(), Cause::Failed(e) if e.kind() == io::ErrorKind::NotFound));
    let error = futures_lite::future::block_on(e08_nested("file", "x")).unwrap_err();
    assert!(error.find::<ScopeError<ParseIntError>>().is_some());

    assert_send(&e08_nested_typed("f"));
    everywhere(async || e08_nested_typed("f").await.unwrap(), 1);
    let error = futures_lite::future::block_on(e08_nested_typed("missing")).unwrap_err();
    let Cause::Failed(AppError::Scope(inner)) = error.cause() else {
        panic!("not the inner scope's: {error:?}");
    };
    assert!(matches!(inner.cause(), Cause::Failed(AppError::Io(_))));
}

/// A library that reads files in the caller's nursery. All it asks of the caller's error is that an io error fits in.
fn prefetch<'s, 'env, E>(n: &'s Nursery<'s, 'env, E>, files: &'env [&'env str], total: &'env AtomicU32)
where
    E: Fault + From<io::Error>,
{
    for file in files {
        n.spawn_local_into(async move {
            total.fetch_add(read(file).await?, Ordering::Relaxed);
            Ok::<_, io::Error>(())
        });
    }
}

#[test]
fn e09_a_library_that_spawns_without_knowing_the_error() {
    async fn opaque(files: &[&str]) -> Result<u32, ScopeError> {
        let total = AtomicU32::new(0);
        nursery(async |n| {
            prefetch(n, files, &total);
            Ok(())
        })
        .await?;
        Ok(total.into_inner())
    }
    async fn own(files: &[&str]) -> Result<u32, AppError> {
        let total = AtomicU32::new(0);
        try_nursery(async |n| {
            prefetch(n, files, &total);
            Ok(())
        })
        .await?;
        Ok(total.into_inner())
    }
    async fn io_only(files: &[&str]) -> Result<u32, ScopeError<io::Error>> {
        let total = AtomicU32::new(0);
        try_nursery(async |n: &Nursery<'_, '_, io::Error>| {
            prefetch(n, files, &total);
            Ok(())
        })
        .await?;
        Ok(total.into_inner())
    }
    assert_send(&opaque(&[]));
    assert_send(&own(&[]));
    assert_send(&io_only(&[]));
    let good = async || {
        let files = ["a", "bc"];
        (opaque(&files).await.unwrap(), own(&files).await.unwrap(), io_only(&files).await.unwrap())
    };
    everywhere(good, (3, 3, 3));
    let bad = async || {
        let files = ["a", "missing"];
        (
            opaque(&files).await.unwrap_err().find::<io::Error>().is_some(),
            matches!(own(&files).await.unwrap_err(), AppError::Scope(e) if matches!(e.cause(), Cause::Failed(AppError::Io(_)))),
            io_only(&files).await.unwrap_err().into_failed().unwrap().kind(),
        )
    };
    everywhere(bad, (true, true, io::ErrorKind::NotFound));
}
