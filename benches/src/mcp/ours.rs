//! Our client, and our server.

use std::io;
use std::sync::Arc;

use futures_channel::oneshot;
use scope_core::{Failure, Nursery, ScopeError};
use scope_mcp::model::{ContentKind, Object, Tool};
use scope_mcp::{
    Client, ClientOptions, Context, HandlerError, ServeOptions, ServerSpec, ServerTool, UnreadArguments, schemars,
    transport,
};
use serde_json::value::RawValue;

use super::echo::{Connection, Echo, Era, RAW_TOOL, TOOL};
use super::host::{Host, On, Spawn, Task};
use super::server::Server;

/// A client that is open, in a nursery that is a task of the host's.
pub(super) struct Ours {
    host: Host,
    client: Arc<Client>,
    /// Until it is closed.
    home: Option<Task<Result<(), ScopeError>>>,
}

#[derive(serde::Serialize)]
struct Arguments<'a> {
    message: &'a str,
}

/// What we call one of our servers by.
pub(super) fn spec(server: Server) -> ServerSpec {
    let (program, arguments) = server.command();
    ServerSpec::new("echo", program).args(arguments)
}

/// For a conversation of that era, without asking which it is.
pub(super) fn options(era: Era) -> ClientOptions {
    ClientOptions::default().era(match era {
        Era::Legacy => scope_mcp::Era::Legacy,
        Era::Modern => scope_mcp::Era::Modern,
    })
}

impl Ours {
    pub(super) fn open(on: On, server: Server, era: Era) -> Ours {
        let host = Host::new(on);
        let (tell, told) = oneshot::channel();
        let spawn = host.spawn();
        let home = match &spawn {
            Spawn::Tokio(_) => spawn.spawn(scope_tokio::nursery(async move |n| live(n, server, era, tell).await)),
            Spawn::Smol(executor) => {
                spawn.spawn(scope_smol::nursery_on(executor, async move |n| live(n, server, era, tell).await))
            }
        };
        let client = host.block_on(told).expect("the server can be opened");
        Ours { host, client: Arc::new(client), home: Some(home) }
    }
}

/// Opens a client, hands out a handle, and stays until it is closed.
async fn live(n: &Nursery<'_, '_>, server: Server, era: Era, tell: oneshot::Sender<Client>) -> Result<(), Failure> {
    let client = Client::open(n, spec(server), options(era)).await?;
    let _ = tell.send(client.clone());
    client.closed().await;
    Ok(())
}

impl Connection for Ours {
    type Client = Client;

    fn host(&self) -> &Host {
        &self.host
    }

    fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.client.begin_close();
        if let Some(home) = self.home.take() {
            self.host.block_on(home.join()).expect("it is closed as it should be");
        }
    }
}

impl Echo for Client {
    async fn echo(&self, message: &str) {
        let result = self.call_tool(TOOL, &Arguments { message }).await.expect("the server answers");
        let ContentKind::Text(text) = result.content[0].kind() else { panic!("it answers with a text") };
        assert_eq!(text.len(), message.len());
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(crate = "scope_mcp::schemars")]
struct Said {
    message: String,
}

/// The same, of which nothing is read.
#[derive(serde::Deserialize)]
struct Unread<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
}

/// Serves until the input ends.
pub(super) fn serve(on: On) -> io::Result<()> {
    let server = scope_mcp::Server::builder("echo", "1.0")
        .tool(TOOL, "Says what it is told", |said: Said, _: Context| async move { said.message })
        .add_tool(ServerTool::passing(
            Tool::new(RAW_TOOL, object_schema()),
            |said: UnreadArguments, _: Context| async move {
                let Unread { message } = said.read()?;
                // Put together at once: `to_raw_value` has its text grow, which for a long one is another place, twice as long.
                let mut result = String::with_capacity(message.get().len() + 64);
                for part in [r#"{"content":[{"type":"text","text":"#, message.get(), "}]}"] {
                    result.push_str(part);
                }
                RawValue::from_string(result).map_err(HandlerError::new)
            },
        ))
        .build()
        .map_err(io::Error::other)?;
    let serve = async move || {
        server.serve(transport::stdio()?, ServeOptions::default()).await?;
        Ok(())
    };
    let served = match on {
        On::TokioCt => scope_tokio::run_current_thread(async |_| serve().await),
        On::TokioMt => scope_tokio::run(async |_| serve().await),
        On::Smol => scope_smol::run_current_thread(async |_| serve().await),
    };
    served.map_err(io::Error::other)
}

fn object_schema() -> Object {
    Object::from_iter([("type".to_owned(), "object".into())])
}
