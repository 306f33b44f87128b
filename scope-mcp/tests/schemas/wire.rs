//! Examples that come over the wire, to a client of ours.

use std::time::Duration;

use futures_util::join;
use scope_mcp::transport::memory;
use scope_mcp::{Client, ClientOptions};
use serde_json::{Value, json};

use crate::by_hand::ByHand;

/// A call that is answered with this error is rejected by it, to the letter.
pub(crate) fn rejected(error: &Value) -> Result<(), String> {
    let error = error.clone();
    with_client(async move |client, server| {
        let serve = async {
            let request = server.hear().await.expect("a request");
            server.reject(&request, &error).await;
        };
        let (answer, ()) = join!(client.request_raw("some/thing", None), serve);
        let Err(failed) = answer else { return Err("it is no error".to_owned()) };
        let rejection = failed.rejection().ok_or_else(|| failed.to_string())?;
        same(&serde_json::from_str(rejection.raw().get()).unwrap(), &error)?;
        same(&rejection.code().into(), &error["code"])?;
        same(&rejection.message().into(), &error["message"])?;
        same(&rejection.data().cloned().unwrap_or_default(), error.get("data").unwrap_or(&Value::Null))
    })
}

/// A call that is answered with this result gets it, to the letter.
pub(crate) fn answered(result: &Value) -> Result<(), String> {
    let result = result.clone();
    with_client(async move |client, server| {
        let serve = async {
            let request = server.hear().await.expect("a request");
            server.answer(&request, &result).await;
        };
        let (answer, ()) = join!(client.request_raw("some/thing", None), serve);
        let answer = answer.map_err(|error| error.to_string())?;
        same(&serde_json::from_str(answer.get()).unwrap(), &result)
    })
}

/// A notification that is said is heard, to the letter.
pub(crate) fn heard(notification: &Value) -> Result<(), String> {
    let notification = notification.clone();
    with_client(async move |client, server| {
        let mut notifications = client.notifications();
        let (heard, ()) = join!(notifications.next(), server.say(&notification));
        let heard = heard.ok_or("there is none")?;
        let params = heard.params().map(|params| serde_json::from_str(params.get()).unwrap()).unwrap_or(Value::Null);
        same(&params, notification.get("params").unwrap_or(&Value::Null))?;
        same(&heard.method().into(), &notification["method"])
    })
}

fn same(found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found} came of {expected}")) }
}

fn with_client(
    body: impl AsyncFnOnce(&Client, &mut ByHand) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    scope_smol::run_current_thread(async move |n| {
        let (ours, theirs) = memory::pair(4096);
        let mut server = ByHand::server(theirs);
        let options = ClientOptions::default().open_timeout(Duration::from_secs(60));
        let capabilities = json!({});
        let opening = server.open("2025-11-25", &capabilities);
        let (client, ()) = join!(Client::open_stream(n, "by hand", ours, options), opening);
        let client = client?;
        let verdict = body(&client, &mut server).await;
        client.begin_close();
        Ok(verdict)
    })
    .map_err(|error| error.to_string())?
}
