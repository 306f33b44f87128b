//! Having a server say something: what to say stands in the test that judges what comes of it.

use std::time::Duration;

use scope_core::{Failure, Nursery};
use scope_mcp::{CallError, CallOptions, Client, CloseReport, ServerSpec};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::support::{Test, options};

/// A server that [says](tell) what it is told.
pub(crate) fn teller(test: Test) -> ServerSpec {
    test.peer("says")
}

/// Opens one.
pub(crate) async fn open_teller(n: &Nursery<'_, '_>, test: Test) -> Result<Client, Failure> {
    Ok(Client::open(n, teller(test), options()).await?)
}

/// Calls the server; it answers with those bytes, in which `ID` stands for the id of the call.
pub(crate) async fn tell(client: &Client, answer: impl AsRef<[u8]>) -> Result<Box<RawValue>, CallError> {
    client.request_raw("say", Some(order(answer.as_ref(), json!({})))).await
}

/// As [`tell`], where the answer will not count as one: what is told when the time is over.
pub(crate) async fn tell_in_vain(client: &Client, answer: impl AsRef<[u8]>) -> CallError {
    let short = CallOptions::new().timeout(Duration::from_millis(100));
    let told = client.request_raw_with("say", Some(order(answer.as_ref(), json!({}))), &short).await;
    let error = told.expect_err("that was taken for an answer");
    assert!(error.is_timeout() && error.is_sent_unknown(), "{error}");
    error
}

/// As [`tell`], with more for the server to go by.
pub(crate) fn order(answer: &[u8], mut more: serde_json::Value) -> Box<RawValue> {
    more["bytes"] = answer.iter().map(|byte| char::from(*byte)).collect::<String>().into();
    to_raw_value(&more).expect("a value can be written")
}

/// The lines that the server got besides requests, as it got them.
pub(crate) async fn heard(client: &Client) -> Result<Vec<String>, Failure> {
    Ok(serde_json::from_str(client.request_raw("heard", None).await?.get())?)
}

/// Whatever was said, the server can be spoken with as before, and ends when it is asked to.
pub(crate) async fn close_unharmed(client: &Client) -> Result<CloseReport, Failure> {
    assert_eq!(client.request_raw("ping", None).await?.get(), "{}");
    let report = client.close().await?;
    assert!(report.is_polite() && report.is_complete() && report.unanswered == 0, "{report:#}");
    Ok((*report).clone())
}
