//! Sending: [`Outgoing::send`] fixes the order, and whoever waits for a message writes what comes before it too.
//!
//! No task of ours is behind it. While somebody writes, others only add to the queue; so under load many messages go
//! out with one system call.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Poll, Waker};

use serde::Serialize;

use crate::TransportError;
use crate::queue::{Fate, Hub, Receiving, lock};
use crate::server::{Life, Server};
use crate::stream::Output;

/// So many writes, before others get their turn.
const TURNS: usize = 16;

/// The sending side of a transport.
#[derive(Debug)]
pub(crate) struct Outgoing {
    shared: Arc<Shared>,
    /// Where messages are written down; kept for its memory.
    line: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    /// Held while writing, and only tried by those who would write: they leave it to the one who does.
    pipe: Mutex<Pipe>,
    /// The process at the other end, if there is one that is ours.
    pub(crate) server: Option<Mutex<Server>>,
}

struct Pipe {
    output: Option<Output>,
    buffer: Vec<u8>,
    written: usize,
}

impl Outgoing {
    pub(crate) fn new(output: Output, server: Option<Server>) -> Outgoing {
        let shared = Shared {
            hub: Hub::new(),
            pipe: Mutex::new(Pipe { output: Some(output), buffer: Vec::new(), written: 0 }),
            server: server.map(Mutex::new),
        };
        Outgoing { shared: Arc::new(shared), line: Vec::new() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Puts `message` behind those that were sent before, and gives the future that ends when it is written.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> Sending {
        self.line.clear();
        if let Err(error) = serde_json::to_writer(&mut self.line, message) {
            return Sending::failed(TransportError::unwritable(error));
        }
        self.line.push(b'\n');
        match self.shared.hub.queue().push(&mut self.line) {
            Ok(number) => Sending { state: State::Waiting(Arc::clone(&self.shared), number) },
            Err(error) => Sending::failed(error),
        }
    }
}

impl Shared {
    /// Writes what can be written. `own` is the message of the caller, which need not be woken for it.
    pub(crate) fn flush(&self, own: Option<u64>) {
        let waker = Waker::from(Arc::clone(&self.hub));
        let mut cx = Context::from_waker(&waker);
        loop {
            let mut pipe = match self.pipe.try_lock() {
                Ok(pipe) => pipe,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Whoever writes looks again when it is done.
                Err(TryLockError::WouldBlock) => return,
            };
            let all = self.write(&mut pipe, own, &mut cx);
            drop(pipe);
            if !all || !self.hub.queue().has_pending() {
                return;
            }
        }
    }

    /// Whether all of it was written.
    fn write(&self, pipe: &mut Pipe, own: Option<u64>, cx: &mut Context<'_>) -> bool {
        for _ in 0..TURNS {
            if pipe.written == pipe.buffer.len() {
                pipe.written = 0;
                if !self.hub.queue().commit(&mut pipe.buffer) {
                    return true;
                }
            }
            let Some(output) = &mut pipe.output else { return false };
            let written = match output.poll_write(cx, &pipe.buffer[pipe.written..]) {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => written,
            };
            match written {
                Ok(count) => {
                    pipe.written += count;
                    let woken = self.hub.queue().wrote(count, own);
                    woken.into_iter().for_each(Waker::wake);
                }
                Err(error) => {
                    pipe.output = None;
                    self.broken(error);
                    return false;
                }
            }
        }
        self.hub.stir();
        false
    }

    fn broken(&self, error: io::Error) {
        match &self.server {
            // Those who wait are told when it is known how the server went, which it most likely is doing.
            Some(server) => {
                lock(server).input_broke(error);
                self.hub.stir();
            }
            None => {
                let woken = self.hub.queue().finish(TransportError::io(error), false);
                woken.into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Looks after the server's standard error and its end, if anything has stirred.
    pub(crate) fn look_after_server(&self) {
        let Some(server) = &self.server else { return };
        if !self.hub.take_stirred() {
            return;
        }
        let waker = Waker::from(Arc::clone(&self.hub));
        let life = lock(server).poll(&mut Context::from_waker(&waker));
        match life {
            Life::Lives => {}
            Life::Deaf(gone) => self.finish(TransportError::gone(gone), false),
            Life::Gone(gone) => self.finish(TransportError::gone(gone), true),
        }
    }

    /// What the one who receives does besides: it looks after the server, and writes what nobody waits for.
    pub(crate) fn aside(&self, cx: &Context<'_>) -> Receiving {
        if self.hub.queue().receiving(cx.waker()) {
            self.flush(None);
        }
        self.look_after_server();
        self.hub.queue().still_receiving()
    }

    /// Nothing is sent from here on: all who wait get `error`. If it is `all`, nothing is received either.
    pub(crate) fn finish(&self, error: TransportError, all: bool) {
        let woken = {
            // Whoever is writing counts first what it has written: a server that dies of a message has got it.
            let _pipe = lock(&self.pipe);
            self.hub.queue().finish(error, all)
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Takes the pipe away. Whoever holds it closes it.
    pub(crate) fn take_output(&self) -> Option<Output> {
        let mut pipe = lock(&self.pipe);
        pipe.buffer = Vec::new();
        pipe.written = 0;
        pipe.output.take()
    }
}

/// Ends when a message has been written, or never will be.
///
/// Dropped before, it takes the message back, unless the pipe has a part of it already.
#[derive(Debug)]
pub(crate) struct Sending {
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Arc<Shared>, u64),
    Failed(TransportError),
    Done,
}

impl Sending {
    fn failed(error: TransportError) -> Sending {
        Sending { state: State::Failed(error) }
    }
}

impl Future for Sending {
    type Output = Result<(), TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &self.state {
            State::Waiting(shared, number) => match shared.poll_sent(*number, cx) {
                Fate::Waiting => return Poll::Pending,
                Fate::Written => Ok(()),
                Fate::Failed(error) => Err(error),
            },
            State::Failed(error) => Err(error.clone()),
            State::Done => return Poll::Pending,
        };
        self.state = State::Done;
        Poll::Ready(result)
    }
}

impl Shared {
    fn poll_sent(&self, number: u64, cx: &Context<'_>) -> Fate {
        let fate = self.hub.queue().fate(number, cx.waker());
        let Fate::Waiting = fate else { return fate };
        self.flush(Some(number));
        let fate = self.hub.queue().fate(number, cx.waker());
        let Fate::Waiting = fate else { return fate };
        // A server that cannot get rid of what it says does not read either; and one that is gone never will.
        self.look_after_server();
        self.hub.queue().fate(number, cx.waker())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let State::Waiting(shared, number) = &self.state {
            let next = shared.hub.queue().abandon(*number);
            if let Some(waker) = next {
                waker.wake();
            }
        }
    }
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipe")
            .field("open", &self.output.is_some())
            .field("left", &(self.buffer.len() - self.written))
            .finish_non_exhaustive()
    }
}
