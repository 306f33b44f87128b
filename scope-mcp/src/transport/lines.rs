//! Lines between a session and whatever carries bytes.

use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use scope_process::PipeReader;

use crate::codec::{Came, Framer};
use crate::session::Session;

/// Who is told what was read. `false` when that was enough before something is written.
pub(crate) type Hear<'a> = &'a mut dyn FnMut(&mut Session, Came<'_>) -> bool;

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// All there was. It is woken when there is more.
    All,
    /// There may be more.
    Some,
    /// There may be more, and whoever hears has something to say first.
    Enough,
}

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

    /// Whether [`poll_write`](Lines::poll_write) has anything to do.
    pub(super) fn has_to_write(&self, session: &Session) -> bool {
        self.unflushed || session.has_output()
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
                write(Pin::new(sink), session, cx).map(|written| match written {
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

    /// Reads once what there is for `session`, which hears it by `hear`; or says, once, that it has ended, and by which error.
    pub(super) fn poll_read(
        &mut self,
        session: &mut Session,
        hear: Hear<'_>,
        cx: &mut Context<'_>,
    ) -> ControlFlow<Option<io::Error>, Heard> {
        let Some(source) = &mut self.source else { return ControlFlow::Continue(Heard::All) };
        // Where it was enough before.
        let mut heard = tell(&mut self.framer, session, hear);
        if heard == Heard::Some {
            if self.framer.may_gather()
                && let Some(memory) = session.take_kept()
            {
                self.framer.give(memory);
            }
            match Pin::new(source).poll_read(cx, self.framer.room()) {
                Poll::Pending => heard = Heard::All,
                Poll::Ready(Ok(0)) => {
                    if let Some(frame) = self.framer.finish() {
                        session.received_last(frame);
                    }
                    self.source = None;
                    return ControlFlow::Break(None);
                }
                Poll::Ready(Ok(count)) => {
                    self.framer.filled(count);
                    heard = tell(&mut self.framer, session, hear);
                }
                Poll::Ready(Err(error)) => {
                    self.source = None;
                    return ControlFlow::Break(Some(error));
                }
            }
        }
        ControlFlow::Continue(heard)
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

impl<W> Lines<PipeReader, W> {
    /// As [`poll_read`](Lines::poll_read), for what may have been [answered](PipeReader::read_ahead) at once; [`Heard::All`] if
    /// nothing was. An end, and errors, are left to that.
    pub(super) fn read_ahead(&mut self, session: &mut Session, hear: Hear<'_>) -> Heard {
        let source = self.source.as_mut();
        match source.and_then(|source| source.read_ahead(self.framer.room())) {
            None => Heard::All,
            Some(count) => {
                self.framer.filled(count);
                tell(&mut self.framer, session, hear)
            }
        }
    }
}

/// Tells what is there as a whole.
fn tell(framer: &mut Framer, session: &mut Session, hear: Hear<'_>) -> Heard {
    while let Some(came) = framer.next_to_keep() {
        if !hear(session, came) {
            return Heard::Enough;
        }
    }
    Heard::Some
}

/// Writes what it can of what `session` has to say.
fn write<W: AsyncWrite>(sink: Pin<&mut W>, session: &Session, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    match session.only_output() {
        Some(only) => sink.poll_write(cx, only),
        None => write_lines(sink, session, cx),
    }
}

/// By itself: the room for so many is made ready each time.
#[inline(never)]
fn write_lines<W: AsyncWrite>(sink: Pin<&mut W>, session: &Session, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut pieces = [IoSlice::new(&[]); LINES];
    let count = session.output(&mut pieces);
    sink.poll_write_vectored(cx, &pieces[..count])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use futures_util::io::{Cursor, sink};

    use super::*;
    use crate::client::ClientOptions;
    use crate::codec::Frame;

    #[test]
    fn who_has_heard_enough_hears_the_rest_later_and_in_order() {
        let mut session = Session::new(&"s".into(), ClientOptions::default().settings(), &Arc::default());
        let text: String = (0..10).map(|n| format!("{n}\n")).collect();
        let mut lines = Lines::new(Some(Cursor::new(text + "10")), Some(sink()), 100);
        let mut cx = Context::from_waker(Waker::noop());
        let mut heard = Vec::new();
        let mut hear = |_: &mut Session, came: Came<'_>| {
            let Came::Frame(Frame::Line(line)) = came else { panic!("none is long") };
            heard.push(String::from_utf8(line.to_owned()).unwrap());
            !heard.len().is_multiple_of(4)
        };
        let mut came = Vec::new();
        while let ControlFlow::Continue(of_it) = lines.poll_read(&mut session, &mut hear, &mut cx) {
            came.push(of_it);
        }
        assert_eq!(came, [Heard::Enough; 2], "then the end");
        assert_eq!(heard.join(""), "0123456789");
        assert_eq!(session.noise().count(), 1, "what was left at the end is no message");
    }
}
