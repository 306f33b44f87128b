//! What lines are read from and written to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use scope_mcp::transport::{StdioReader, StdioWriter};
use scope_process::{PipeReader, PipeWriter};

/// Where lines come from.
pub(crate) enum Input {
    Pipe(PipeReader),
    Stdin(StdioReader),
}

/// Where lines go.
pub(crate) enum Output {
    Pipe(PipeWriter),
    Stdout(StdioWriter),
}

impl Input {
    pub(crate) fn into_pipe(self) -> Option<PipeReader> {
        match self {
            Input::Pipe(pipe) => Some(pipe),
            Input::Stdin(_) => None,
        }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Input::Pipe(pipe) => pipe.poll_read(cx, buf),
            Input::Stdin(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl Output {
    pub(crate) fn into_pipe(self) -> Option<PipeWriter> {
        match self {
            Output::Pipe(pipe) => Some(pipe),
            Output::Stdout(_) => None,
        }
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Output::Pipe(pipe) => pipe.poll_write(cx, buf),
            Output::Stdout(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    /// Waits until what was written is where it was to go.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Output::Pipe(pipe) => Pin::new(pipe).poll_close(cx),
            Output::Stdout(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}
