//! n13: destructors that panic.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_lite::future::pending;
use futures_util::FutureExt;
use scope_core::{all_ok, any_ok, nursery, race};
use scope_tests::{Boom, Journal, Rt, panic_text, turns};

use crate::n04::PanicsWhenDropped;

type Entry<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Fails if: a loser whose destructor panics keeps the other losers from being dropped, or two such end the process, or
/// the panics are lost.
pub(crate) async fn n13_losers_whose_destructors_panic<R: Rt>() {
    for which in 0..3 {
        let journal = Journal::new();
        let loser = |bad: bool| -> Entry<'_, Result<u32, Boom>> {
            let (note, bad) = (journal.on_drop("loser"), bad.then(|| PanicsWhenDropped(journal.clone(), "destructor")));
            Box::pin(async move {
                let _note = note;
                let _bad = bad;
                pending().await
            })
        };
        let ends = || -> Entry<'_, Result<u32, Boom>> {
            Box::pin(async move {
                turns(2).await;
                if which == 2 { Err(Boom("one")) } else { Ok(7) }
            })
        };
        let entries = [loser(false), loser(true), loser(false), ends(), loser(true), loser(false)];
        let told = nursery(async |_| {
            let call = async {
                match which {
                    0 => format!("{:?}", race(entries).await),
                    1 => format!("{:?}", any_ok(entries).await),
                    _ => format!("{:?}", all_ok(entries).await),
                }
            };
            Ok(AssertUnwindSafe(call).catch_unwind().await)
        })
        .await;
        assert_eq!((journal.count("loser"), journal.count("destructor")), (5, 2), "{which}: {journal:?}");
        // The first comes out of the call; the second is recorded somewhere.
        let texts = match told {
            Ok(Err(panic)) => panic_text(&*panic).to_owned(),
            Ok(Ok(value)) => value,
            Err(error) => format!("{error:?}"),
        };
        assert!(texts.contains("destructor"), "{which}: {texts}");
    }
}
