//! A server at the other end of a stream.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures_util::join;
use scope_mcp::transport::{Stream, memory};
use scope_mcp::{CallOptions, Client, Ending};
use serde_json::json;

use crate::by_hand::Peer;
use crate::support::{Clock, assert_says, on_every_runtime, options};

on_every_runtime! {
    async fn a_server_at_the_other_end_of_a_stream_is_opened_asked_and_closed(n, TEST) {
        let _ = TEST;
        // So little that each line takes many writes.
        let (ours, theirs) = memory::pair(7);
        let mut peer = Peer::new(theirs);
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options()), peer.open());
        let client = client?;
        assert_eq!((client.name(), client.info().unwrap().pid), ("far", None));
        let served = async {
            let call = peer.hear().await;
            assert_eq!(call["method"], "some/thing");
            peer.answer(&call, json!({ "echo": call["params"] })).await;
            // The end of what it reads.
            assert_eq!(peer.reader.read(&mut [0]).await.unwrap(), 0);
            assert!(peer.writer.write(b"x").await.is_err(), "nobody reads");
        };
        let asked = async {
            let params = serde_json::value::to_raw_value(&json!({ "a": "b".repeat(100) }))?;
            let answer = client.request_raw("some/thing", Some(params.clone())).await?;
            assert_eq!(answer.get(), format!("{{\"echo\":{params}}}"));
            let report = client.close().await?;
            assert!(report.is_polite() && report.is_complete() && report.process.is_none());
            assert_eq!(report.to_string(), "closed");
            Ok::<_, scope_core::Failure>(())
        };
        join!(served, asked).1?;
    }
}

on_every_runtime! {
    async fn one_that_closes_the_stream_is_gone_with_words_that_fit(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options()), peer.open());
        let client = client?;
        let served = async {
            let call = peer.hear().await;
            // Half an answer is none.
            let half = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{", call["id"]);
            peer.writer.write_all(half.as_bytes()).await.unwrap();
            drop(peer);
        };
        let (error, ()) = join!(client.request_raw("some/thing", None), served);
        let error = error.unwrap_err();
        assert!(error.is_sent_unknown(), "{error}");
        assert_says(&error, "closed the connection");
        let gone = error.disconnect().unwrap();
        assert_eq!(gone.to_string(), "the server \"far\" closed the connection");
        assert!(!gone.has_exited() && gone.exit_status().is_none() && gone.stderr_tail().is_empty());
        let report = client.closed().await.unwrap();
        assert!(matches!(report.ending, Ending::Lost(_)));
        assert_eq!(report.to_string(), "lost: the server \"far\" closed the connection");
        let error = client.wait_ready().await.unwrap_err();
        assert_eq!(error.to_string(), "the server \"far\" is not open any more: it closed the connection");
        assert_eq!(error.command(), None);
    }
}

on_every_runtime! {
    async fn one_that_stops_reading_blocks_nothing_but_what_is_sent_to_it(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(64);
        let mut peer = Peer::new(theirs);
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options()), peer.open());
        let client = client?;
        let mut heard = client.notifications();
        let soon = CallOptions::default().timeout(Duration::from_millis(50));
        let params = serde_json::value::to_raw_value(&"x".repeat(1000).split("").collect::<Vec<_>>())?;
        let stuck = client.request_raw_with("some/thing", Some(params), &soon);
        let spoken = peer.say(json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": 1 } }));
        let (stuck, (), heard) = join!(stuck, spoken, heard.next());
        assert!(stuck.unwrap_err().is_timeout());
        assert_eq!(heard.unwrap().method(), "notifications/message");
        let clock = Clock::start();
        assert!(client.close().await?.is_complete());
        clock.assert_within(10);
        drop(peer);
    }
}

on_every_runtime! {
    async fn one_that_no_longer_reads_still_answers_what_it_was_sent(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options()), peer.open());
        let client = client?;
        let served = async {
            let call = peer.hear().await;
            let Peer { reader, mut writer } = peer;
            drop(reader);
            let answered = async {
                let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "result": { "last": "words" } });
                writer.write_all(format!("{answer}\n").as_bytes()).await.expect("a reader");
                drop(writer);
            };
            join!(client.request_raw("other/thing", None), answered).0
        };
        let (answer, other) = join!(client.request_raw("some/thing", None), served);
        assert_eq!(answer?.get(), "{\"last\":\"words\"}");
        let other = other.unwrap_err();
        assert!(other.is_not_sent(), "{other}");
        assert_says(&other, "closed the connection");
    }
}

on_every_runtime! {
    async fn one_that_says_nothing_is_given_up_in_time(n, TEST) {
        let _ = TEST;
        let (ours, _theirs) = memory::pair(1000);
        let soon = options().open_timeout(Duration::from_millis(100));
        let error = Client::open_stream(n, "far", ours, soon).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(
            error.to_string(),
            "cannot open the server \"far\": it said nothing in 100 ms; check that an MCP server is at the other end, or \
             give it more time"
        );
    }
}

/// A writer that passes nothing on before it is flushed.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    back: VecDeque<u8>,
    to: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    closed: bool,
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().back.extend(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Kept { back, to, .. } = &mut *self.0.lock().unwrap();
        while let (Some(to), false) = (&mut *to, back.is_empty()) {
            let count = std::task::ready!(Pin::new(to).poll_write(cx, back.make_contiguous()))?;
            back.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut kept = self.0.lock().unwrap();
        (kept.to, kept.closed) = (None, true);
        Poll::Ready(Ok(()))
    }
}

on_every_runtime! {
    async fn what_the_writer_keeps_back_is_flushed_and_it_is_closed_at_the_end(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(10);
        let (reader, writer) = ours.into_parts();
        let shared = Shared::default();
        shared.0.lock().unwrap().to = Some(writer);
        let mut peer = Peer::new(theirs);
        let ours = Stream::new(reader, shared.clone());
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options()), peer.open());
        client?.close().await?;
        assert!(shared.0.lock().unwrap().closed);
    }
}
