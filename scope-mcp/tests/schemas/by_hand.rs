//! A server that is played by hand, line by line, at the other end of a stream in memory.

use futures_util::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use scope_mcp::transport::Stream;
use serde_json::{Value, json};

/// The server's end.
pub(crate) struct ByHand {
    reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl ByHand {
    pub(crate) fn new(stream: Stream) -> ByHand {
        let (reader, writer) = stream.into_parts();
        ByHand { reader: BufReader::new(reader), writer }
    }

    /// The next message; `None` at the end.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).await.expect("a line");
        (read > 0).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.writer.write_all(format!("{message}\n").as_bytes()).await.expect("a reader");
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: &Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await;
    }

    pub(crate) async fn reject(&mut self, request: &Value, error: &Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
    }

    /// Answers the opening as a server of `revision`, one of the legacy era, that declares `capabilities`.
    pub(crate) async fn open(&mut self, revision: &str, capabilities: &Value) {
        while let Some(message) = self.hear().await {
            match message["method"].as_str() {
                Some("initialize") => {
                    let result = json!({
                        "protocolVersion": revision,
                        "capabilities": capabilities,
                        "serverInfo": { "name": "by hand", "version": "1" },
                    });
                    self.answer(&message, &result).await;
                }
                Some("notifications/initialized") => return,
                _ => self.reject(&message, &json!({ "code": -32601, "message": "no such method" })).await,
            }
        }
        panic!("it ended before it was open");
    }
}
