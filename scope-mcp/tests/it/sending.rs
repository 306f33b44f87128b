//! What may move between threads.

use scope_mcp::{CallError, Client, ClientOptions, CloseReport, Connection, Notifications, OpenError, ServerSpec};
use serde_json::json;

fn is_send<T: Send>(_: &T) {}
fn goes_anywhere<T: Send + Sync + 'static>() {}
fn is_cloned<T: Clone>() {}

pub(crate) fn handles_errors_and_reports_go_anywhere() {
    goes_anywhere::<Client>();
    is_cloned::<Client>();
    goes_anywhere::<CallError>();
    goes_anywhere::<OpenError>();
    goes_anywhere::<CloseReport>();
    goes_anywhere::<ServerSpec>();
    goes_anywhere::<ClientOptions>();
    goes_anywhere::<Notifications>();
    fn is_moved<T: Send>() {}
    is_moved::<Connection>();
}

pub(crate) fn a_program_that_uses_all_of_it_can_be_given_to_a_runtime_of_many_threads() {
    let program = scope_core::nursery(async |n| {
        let client = Client::open(n, ServerSpec::new("a", "b"), ClientOptions::default()).await?;
        let borrowed = json!({ "a": 1 });
        let (tools, result) = futures_util::join!(client.list_tools(), client.call_tool("a", &borrowed));
        drop((tools?, result?));
        client.request_raw("ping", None).await?;
        let mut notifications = client.notifications();
        notifications.next().await;
        client.wait_ready().await?;
        client.close().await?;
        client.closed().await;
        Ok(())
    });
    is_send(&program);
}
