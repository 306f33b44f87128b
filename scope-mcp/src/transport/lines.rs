//! Lines between a session and whatever carries bytes.

use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::codec::{Frame, Framer};
use crate::session::Session;

/// Who is told what was read.
pub(crate) type Hear<'a> = &'a mut dyn FnMut(&mut Session, Frame<'_>);

/// Reads or writes, before others get their turn.
pub(super) const TURNS: usize = 16;

/// So many lines go into one write.
const LINES: usize = 64;

/// Both directions. Each ends for itself.
#[derive(Debug)]
pub(super) struct Lines<R, W> {
    source: Option<R>,
    sink: Option<W>,
    framer: Framer,
    /// The sink may keep something back.
    unflushed: bool,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Lines<R, W> {
    /// Lines of up to `max_line` bytes are read.
    pub(super) fn new(source: Option<R>, sink: Option<W>, max_line: usize) -> Self {
        Lines { source, sink, framer: Framer::new(max_line), unflushed: false }
    }

    /// Writes what `session` has to say. Whether it could go on, and leaves the turn to others.
    ///
    /// # Errors
    /// Once, when nothing more can be written.
    pub(super) fn poll_write(&mut self, session: &mut Session, cx: &mut Context<'_>) -> io::Result<bool> {
        for _ in 0..TURNS {
            let Some(sink) = &mut self.sink else { return Ok(false) };
            let moved = if session.has_output() {
                self.unflushed = true;
                let mut pieces = [IoSlice::new(&[]); LINES];
                let mut count = 0;
                for (place, piece) in pieces.iter_mut().zip(session.output()) {
                    *place = piece;
                    count += 1;
                }
                Pin::new(sink).poll_write_vectored(cx, &pieces[..count]).map(|written| match written {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    written => written,
                })
            } else if self.unflushed {
                Pin::new(sink).poll_flush(cx).map_ok(|()| 0)
            } else {
                return Ok(false);
            };
            match moved {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => self.unflushed = false,
                Poll::Ready(Ok(count)) => session.wrote(count),
                Poll::Ready(Err(error)) => {
                    self.sink = None;
                    return Err(error);
                }
            }
        }
        Ok(true)
    }

    /// Reads what there is for `session`, which hears it by `hear`. Whether it could go on, and leaves the turn to others; or, once, that it has
    /// ended, and by which error.
    pub(super) fn poll_read(
        &mut self,
        session: &mut Session,
        hear: Hear<'_>,
        cx: &mut Context<'_>,
    ) -> ControlFlow<Option<io::Error>, bool> {
        for _ in 0..TURNS {
            let Some(source) = &mut self.source else { return ControlFlow::Continue(false) };
            match Pin::new(source).poll_read(cx, self.framer.room()) {
                Poll::Pending => return ControlFlow::Continue(false),
                Poll::Ready(Ok(0)) => {
                    if let Some(frame) = self.framer.finish() {
                        session.received_last(frame);
                    }
                    self.source = None;
                    return ControlFlow::Break(None);
                }
                Poll::Ready(Ok(count)) => {
                    self.framer.filled(count);
                    while let Some(frame) = self.framer.next() {
                        hear(session, frame);
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.source = None;
                    return ControlFlow::Break(Some(error));
                }
            }
        }
        ControlFlow::Continue(true)
    }

    /// Whether nothing more will be read.
    pub(super) fn input_ended(&self) -> bool {
        self.source.is_none()
    }

    /// Both ends, for ending the connection.
    pub(super) fn ends(&mut self) -> (&mut Option<R>, &mut Option<W>) {
        (&mut self.source, &mut self.sink)
    }
}
