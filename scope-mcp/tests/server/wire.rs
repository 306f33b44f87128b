//! A client played by hand, line by line. What one hears that knows the protocol is judged by the official schemas where
//! those are at hand; where they are not, the tests of `schemas` say so.

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use scope_mcp::transport::{Stream, memory};
use scope_mcp::{Home, ServeOptions, Server, ServerHandle};
use scope_mcp_judge::{Judge, Schemas, Side};
use serde_json::{Value, json};

/// No test takes that long.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// The client's end.
pub(crate) struct Peer {
    reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    next_id: u64,
    judge: Option<Judge>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A peer that has heard nothing has nothing to be judged.
        if let Some(judge) = self.judge.take()
            && !judge.violations().is_empty()
            && !std::thread::panicking()
        {
            judge.assert_clean();
        }
    }
}

impl Peer {
    /// Serves a client by hand.
    pub(crate) fn of(home: &impl Home, server: &Server, options: ServeOptions) -> (Peer, ServerHandle) {
        let (ours, theirs) = memory::pair(64 * 1024);
        let handle = server.start(home, theirs, options).expect("the nursery takes tasks");
        (Peer::new(ours), handle)
    }

    pub(crate) fn new(stream: Stream) -> Peer {
        let (reader, writer) = stream.into_parts();
        Peer { reader: BufReader::new(reader), writer, next_id: 1, judge: None }
    }

    /// Serves a client by hand that knows the protocol: all it hears is judged.
    pub(crate) fn judged(home: &impl Home, server: &Server, options: ServeOptions) -> (Peer, ServerHandle) {
        static SCHEMAS: OnceLock<Option<Schemas>> = OnceLock::new();
        let schemas = SCHEMAS.get_or_init(|| Schemas::find().ok()).clone();
        let (mut peer, handle) = Peer::of(home, server, options);
        peer.judge = schemas.map(|schemas| Judge::new(schemas, [Side::Server]));
        (peer, handle)
    }

    /// The next line, with its end; `None` at the end.
    pub(crate) async fn hear_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).await;
        let heard = matches!(read, Ok(1..)).then_some(line)?;
        self.judge(Side::Server, &heard);
        Some(heard)
    }

    /// The next message; `None` at the end.
    pub(crate) async fn hear_or_end(&mut self) -> Option<Value> {
        let line = self.hear_line().await?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}")))
    }

    fn judge(&self, side: Side, text: &str) {
        if let Some(judge) = &self.judge {
            text.lines().for_each(|line| judge.line(side, line));
        }
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> Value {
        self.hear_or_end().await.expect("one more message")
    }

    pub(crate) async fn say_raw(&mut self, text: impl AsRef<[u8]>) {
        self.judge(Side::Client, &String::from_utf8_lossy(text.as_ref()));
        self.writer.write_all(text.as_ref()).await.expect("a server that reads");
        self.writer.flush().await.expect("a server that reads");
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.say_raw(format!("{message}\n")).await;
    }

    /// Sends a request, and says its id.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// Sends a request, and waits for its answer. Nothing else may come before.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// A request of the modern era, of a client that can do `capabilities`.
    pub(crate) async fn modern(&mut self, method: &str, mut params: Value, capabilities: Value) -> Value {
        params["_meta"] = modern_meta(capabilities);
        self.call(method, params).await
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.say(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Begins as the legacy era does.
    pub(crate) async fn initialize(&mut self, revision: &str, capabilities: Value) -> Value {
        let params = json!({
            "protocolVersion": revision,
            "capabilities": capabilities,
            "clientInfo": { "name": "by hand", "version": "1" },
        });
        let answer = self.call("initialize", params).await;
        self.notify("notifications/initialized", json!({})).await;
        answer
    }

    /// Hears no more. It can still speak.
    pub(crate) fn stop_listening(&mut self) {
        self.reader = BufReader::new(Box::new(futures_util::io::empty()));
    }

    /// Says no more. It can still hear.
    pub(crate) async fn end_input(&mut self) {
        self.writer.close().await.expect("a server that reads");
    }
}

pub(crate) fn modern_meta(capabilities: Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": { "name": "by hand", "version": "1" },
    })
}

/// Runs a test on every runtime, in a nursery that has to end.
macro_rules! on_every_runtime {
    ($(#[$doc:meta])* async fn $name:ident($n:ident) $body:block) => {
        $(#[$doc])*
        #[test]
        pub(crate) fn $name() {
            async fn body($n: &::scope_core::Nursery<'_, '_>) -> Result<(), ::scope_core::Failure> {
                $body
                Ok(())
            }
            async fn in_time(n: &::scope_core::Nursery<'_, '_>) -> Result<(), ::scope_core::Failure> {
                ::scope_core::fail_after($crate::wire::HANG, body(n)).await??;
                Ok(())
            }
            ::scope_tokio::run(in_time).expect("tokio");
            ::scope_tokio::run_current_thread(in_time).expect("tokio, current thread");
            ::scope_smol::run(in_time).expect("smol");
        }
    };
}
pub(crate) use on_every_runtime;
