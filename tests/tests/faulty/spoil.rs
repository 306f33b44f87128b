use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::AsyncRead;

/// Turns one byte of what is read into one that is not UTF-8, so that its line is no message, and no other one either.
pub(crate) struct Spoil<R> {
    reader: R,
    /// So many bytes before it.
    left: Option<u64>,
}

impl<R> Spoil<R> {
    pub(crate) fn new(reader: R, at: Option<u64>) -> Self {
        Spoil { reader, left: at }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Spoil<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.reader).poll_read(cx, buf))?;
        if let Some(left) = self.left {
            let read = count as u64;
            if left < read {
                buf[left as usize] = 0xff;
            }
            self.left = left.checked_sub(read);
        }
        Poll::Ready(Ok(count))
    }
}
