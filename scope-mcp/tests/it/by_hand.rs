//! A server at the other end of a stream, played by hand, line by line.

use futures_util::future::join;
use futures_util::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use scope_core::{Failure, Nursery};
use scope_mcp::transport::{Stream, memory};
use scope_mcp::{Client, ClientOptions, Era};
use serde_json::{Value, json};

/// The server's end.
pub(crate) struct Peer {
    pub(crate) reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Peer {
    pub(crate) fn new(stream: Stream) -> Peer {
        let (reader, writer) = stream.into_parts();
        Peer { reader: BufReader::new(reader), writer }
    }

    /// The next message. Panics at the end.
    pub(crate) async fn hear(&mut self) -> Value {
        self.hear_more().await.expect("a line")
    }

    /// The next message; `None` at the end.
    pub(crate) async fn hear_more(&mut self) -> Option<Value> {
        let line = self.line().await;
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    /// The next line, as it is; empty at the end.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.expect("a stream that can be read");
        line
    }

    /// The next message, which must be a request or notification of that method.
    #[track_caller]
    pub(crate) fn hear_of(&mut self, method: &'static str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let message = self.hear().await;
            assert_eq!(message["method"], method, "at {place}: {message}");
            message
        }
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.writer.write_all(format!("{message}\n").as_bytes()).await.expect("a reader");
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: Value) {
        self.say(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await;
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.say(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Asks, and waits for the answer: nothing else may come before it.
    pub(crate) async fn ask(&mut self, id: &str, method: &str, params: Value) -> Value {
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Answers the opening of the connection, whatever is tried first.
    pub(crate) async fn open(&mut self) {
        self.open_with(json!({ "tools": {} })).await;
    }

    /// As [`open`](Peer::open), with other capabilities. Returns the parameters of `initialize`.
    pub(crate) async fn open_with(&mut self, capabilities: Value) -> Value {
        let mut said = Value::Null;
        loop {
            let mut message = self.hear().await;
            match message["method"].as_str() {
                Some("initialize") => {
                    let result = json!({
                        "protocolVersion": message["params"]["protocolVersion"],
                        "capabilities": capabilities,
                        "serverInfo": { "name": "by hand", "version": "1" },
                    });
                    self.answer(&message, result).await;
                    said = message["params"].take();
                }
                Some("notifications/initialized") => return said,
                _ => {
                    let error = json!({ "code": -32601, "message": "no such method" });
                    self.say(json!({ "jsonrpc": "2.0", "id": message["id"], "error": error })).await;
                }
            }
        }
    }
}

impl Peer {
    /// Answers with a result that is written by hand.
    pub(crate) async fn answer_raw(&mut self, request: &Value, result: &str) {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}\n", request["id"]);
        self.writer.write_all(line.as_bytes()).await.expect("a reader");
    }

    /// So that they come with one read.
    pub(crate) async fn say_all(&mut self, messages: &[Value]) {
        let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
        self.writer.write_all(lines.as_bytes()).await.expect("a reader");
    }

    pub(crate) async fn refuse(&mut self, request: &Value, code: i64, message: &str) {
        let error = json!({ "code": code, "message": message });
        self.say(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
    }

    /// Answers the opening of the connection as a server of the modern era.
    pub(crate) async fn open_modern(&mut self, capabilities: Value) {
        let asked = self.hear_of("server/discover").await;
        let info = json!({ "io.modelcontextprotocol/serverInfo": { "name": "by hand", "version": "1" } });
        let result = json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
                             "ttlMs": 0, "cacheScope": "private", "_meta": info });
        self.answer(&asked, result).await;
    }
}

/// A client and a server of the modern era, played by hand.
pub(crate) async fn modern(
    n: &Nursery<'_, '_>,
    options: ClientOptions,
    capabilities: Value,
) -> Result<(Client, Peer), Failure> {
    let (ours, theirs) = memory::pair(1000);
    let mut peer = Peer::new(theirs);
    let (client, ()) = join(Client::open_stream(n, "far", ours, options), peer.open_modern(capabilities)).await;
    Ok((client?, peer))
}

/// What a server says to a request: a result, or an error.
pub(crate) type Said = Result<Value, Value>;

/// A refusal.
pub(crate) fn refused(code: i64, message: &str) -> Said {
    Err(json!({ "code": code, "message": message }))
}

/// Has `test` use a server, of the era that the options have, or else of the legacy one, that declares `capabilities` and says what `answer` says, and closes it. Returns the requests
/// that the server got once it was open: methods and parameters.
pub(crate) async fn with_server(
    n: &Nursery<'_, '_>,
    options: ClientOptions,
    capabilities: Value,
    mut answer: impl FnMut(&str, &Value) -> Said,
    test: impl AsyncFnOnce(&Client) -> Result<(), Failure>,
) -> Result<Vec<(String, Value)>, Failure> {
    let (ours, theirs) = memory::pair(4096);
    let mut peer = Peer::new(theirs);
    let modern = options.era == Some(Era::Modern);
    let served = async {
        if modern {
            peer.open_modern(capabilities).await;
        } else {
            peer.open_with(capabilities).await;
        }
        let mut heard = Vec::new();
        while let Some(message) = peer.hear_more().await {
            let (Some(method), Some(_)) = (message["method"].as_str(), message.get("id")) else { continue };
            let answer = match answer(method, &message["params"]) {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }),
                Err(error) => json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }),
            };
            heard.push((method.to_owned(), message["params"].clone()));
            peer.say(answer).await;
        }
        heard
    };
    let used = async {
        let client = Client::open_stream(n, "far", ours, options).await?;
        let outcome = test(&client).await;
        client.close().await?;
        outcome
    };
    let (heard, used) = join(served, used).await;
    used.map(|()| heard)
}
