//! A peer that is played by hand, line by line, at the other end of a stream in memory.

use std::sync::Arc;

use futures_util::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use scope_mcp::transport::Stream;
use scope_mcp_judge::{Judge, Side};
use serde_json::{Value, json};

/// Its end of the stream.
pub(crate) struct ByHand {
    side: Side,
    reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    judge: Option<Arc<Judge>>,
    last_id: u64,
    /// What a client by hand has heard besides answers.
    pub(crate) heard: Vec<Value>,
}

impl ByHand {
    pub(crate) fn server(stream: Stream) -> ByHand {
        ByHand::new(Side::Server, stream, None)
    }

    /// Both sides' lines are brought to `judge`.
    pub(crate) fn client(stream: Stream, judge: Arc<Judge>) -> ByHand {
        ByHand::new(Side::Client, stream, Some(judge))
    }

    fn new(side: Side, stream: Stream, judge: Option<Arc<Judge>>) -> ByHand {
        let (reader, writer) = stream.into_parts();
        ByHand { side, reader: BufReader::new(reader), writer, judge, last_id: 0, heard: Vec::new() }
    }

    /// The next message; `None` at the end.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).await.expect("a line");
        if let Some(judge) = self.judge.as_ref().filter(|_| read > 0) {
            let other = if self.side == Side::Client { Side::Server } else { Side::Client };
            judge.line(other, line.trim_end());
        }
        (read > 0).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, line: &str) {
        if let Some(judge) = &self.judge {
            judge.line(self.side, line);
        }
        self.writer.write_all(format!("{line}\n").as_bytes()).await.expect("a reader");
    }

    pub(crate) async fn notify(&mut self, method: &str, params: &Value) {
        self.say(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: &Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await;
    }

    pub(crate) async fn reject(&mut self, request: &Value, error: &Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
    }

    /// Begins a request, and says its id.
    pub(crate) async fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        self.say(&json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params })).await;
        self.last_id
    }

    /// The answer to that request. What else comes is answered with `questions`, by its method, or kept.
    pub(crate) async fn answer_to(&mut self, id: u64, questions: &Value) -> Value {
        loop {
            let message = self.hear().await.expect("an answer");
            match message["method"].as_str() {
                None if message["id"] == id => return message,
                Some(method) if message.get("id").is_some() => match questions.get(method) {
                    Some(result) => self.answer(&message, result).await,
                    None => self.reject(&message, &json!({ "code": -32601, "message": "no such method" })).await,
                },
                _ => self.heard.push(message),
            }
        }
    }

    /// Makes a request, and waits for its result.
    pub(crate) async fn ask(&mut self, method: &str, params: &Value, questions: &Value) -> Value {
        let id = self.begin(method, params).await;
        let mut answer = self.answer_to(id, questions).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Makes a request that is answered with an error, and says its code.
    pub(crate) async fn ask_in_vain(&mut self, method: &str, params: &Value) -> i64 {
        let id = self.begin(method, params).await;
        let answer = self.answer_to(id, &json!({})).await;
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    /// Waits for a notification of that method, if it has not come yet.
    pub(crate) async fn hear_of(&mut self, method: &str) {
        while !self.heard.iter().any(|message| message["method"] == method) {
            let message = self.hear().await.expect("a notification");
            self.heard.push(message);
        }
    }

    /// Says no more, and hears the rest.
    pub(crate) async fn end(&mut self) {
        self.writer.close().await.expect("a reader");
        self.hear_the_rest().await;
    }

    pub(crate) async fn hear_the_rest(&mut self) {
        while self.hear().await.is_some() {}
    }

    /// As a server of `revision`, one of the legacy era, that declares `capabilities`: answers the opening.
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
