//! A host's line to its test: it says where it is on its standard output, and is told to go on at its input.

use std::fmt::Debug;
use std::io::{BufRead as _, Write as _};
use std::pin::pin;
use std::process::exit;
use std::thread;

use async_channel::{Receiver, unbounded};
use futures_util::future::{Either, select};

/// One end of the line. Words that have come wait for whoever asks for them.
#[derive(Clone, Debug)]
pub(crate) struct Line(Receiver<String>);

impl Line {
    /// Starts to listen, with a thread, so that it is the same for every runtime, and for none.
    pub(crate) fn new() -> Line {
        let (words, line) = unbounded();
        thread::spawn(move || {
            for word in std::io::stdin().lock().lines().map_while(Result::ok) {
                _ = words.try_send(word);
            }
            // The test is gone. Whatever this one has is then ended as for any host that exits.
            exit(5);
        });
        Line(line)
    }

    pub(crate) fn say(&self, word: &str) {
        // Written at once, for there is a line's end in it. A test that is gone is noticed by the thread.
        _ = writeln!(std::io::stdout(), "{word}");
    }

    pub(crate) async fn wait_for(&self, word: &str) {
        let said = self.0.recv().await.expect("the thread ends with the process");
        assert_eq!(said, word);
    }

    /// Goes on with `work`, which does not end by itself, until the test says `end`.
    pub(crate) async fn end_of<T: Debug>(&self, work: impl Future<Output = T> + Unpin) {
        if let Either::Left((ended, _)) = select(work, pin!(self.wait_for("end"))).await {
            panic!("ended before it was asked to: {ended:?}");
        }
    }

    pub(crate) async fn ask(&self, word: &str, answer: &str) {
        self.say(word);
        self.wait_for(answer).await;
    }

    pub(crate) fn ask_blocking(&self, word: &str, answer: &str) {
        self.say(word);
        assert_eq!(self.0.recv_blocking().expect("the thread ends with the process"), answer);
    }
}
